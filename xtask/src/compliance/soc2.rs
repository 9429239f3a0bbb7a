//! SOC 2: access, change, incident, continuity.

use super::Control;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "CC6.1",
        asks: "logical access is restricted",
        how: "Deny by default; every policy is validated strictly; whoever proves nothing is nobody, and slowed down.",
        files: &["host/policy/src/load.rs", "host/server/src/api/auth.rs", "host/server/src/limits.rs"],
        tests: &[
            "who_shows_no_good_key_is_nobody",
            "a_tenant_has_only_its_own",
            "a_key_is_for_its_scopes_whatever_its_account_may_do",
        ],
        evidence: "decisions; `interlock policy prove`",
    },
    Control {
        id: "CC6.2, CC6.3",
        asks: "access is given, altered and removed by who may, with duties separated",
        how: "What lets somebody approve or administer takes two administrators; author, approvers and second administrator are different persons.",
        files: &["host/domain/src/actor.rs", "policies/approvals.cedar"],
        tests: &[
            "one_administrator_alone_makes_no_approver_and_no_second_administrator",
            "the_author_is_the_author_through_every_account_and_role",
        ],
        evidence: "entries `account.written`, `key.*`, `delegation.*`",
    },
    Control {
        id: "CC6.6",
        asks: "threats from outside the boundary",
        how: "Bodies, headers, rates and look-ups have limits; keys are bound to networks; secrets reach no log and no answer.",
        files: &["host/server/src/limits.rs", "host/domain/src/network.rs"],
        tests: &[
            "a_key_works_from_its_networks_alone_and_says_so_only_to_its_holder",
            "the_secret_of_a_connector_is_in_no_log_error_record_or_answer",
        ],
        evidence: "metrics of refused requests; the log",
    },
    Control {
        id: "CC6.8",
        asks: "no unauthorised software",
        how: "A plugin is vouched for by enough trusted signers and runs in a sandbox; an artifact is signed for its models.",
        files: &["host/vault/src/envelope.rs", "host/sandbox/src/sandbox.rs", "host/vault/src/signature.rs"],
        tests: &[
            "a_plugin_is_pulled_when_enough_distinct_trusted_keys_signed_it",
            "a_release_goes_only_to_the_models_that_its_maker_signed_it_for",
        ],
        evidence: "entries `artifact.pushed`; rosters; `decision.plugin`",
    },
    Control {
        id: "CC7.2, CC7.3",
        asks: "anomalies are detected and evaluated",
        how: "Health is judged against a control group at each stage; a ledger that does not continue is refused and shows in `/ready` and metrics.",
        files: &["host/server/src/flow/health.rs", "host/server/src/ops/ready.rs"],
        tests: &[
            "entries_that_are_missing_or_altered_before_they_were_signed_are_not_signed",
            "metrics_count_devices_and_requests_under_their_names",
        ],
        evidence: "entries `rollout.judged`; metrics; `/ready`",
    },
    Control {
        id: "CC7.4, CC7.5",
        asks: "incidents are answered, communicated and recovered from",
        how: "An incident has a due date and a reviewer who took no part; a report with timeline, devices and proofs is one command; a rollout goes back by itself.",
        files: &["host/server/src/flow/incident.rs", "host/server/src/flow/report.rs"],
        tests: &[
            "whoever_broke_the_glass_does_not_review_it",
            "an_incident_is_reported_with_its_devices_its_approvals_and_its_receipts_in_every_form",
            "a_completed_change_can_still_be_rolled_back_by_a_person",
        ],
        evidence: "entries `incident.*`, `rollout.*`; the report",
    },
    Control {
        id: "CC8.1",
        asks: "changes are authorised, tested, approved and put in place",
        how: "One pipeline for firmware, configuration, policies and plugins: gates, approvals over one digest, admission, stages, health, way back.",
        files: &["host/domain/src/change.rs", "host/server/src/flow/lead.rs"],
        tests: &[
            "approvals_follow_the_rules_and_each_breach_has_its_own_problem",
            "a_revision_voids_what_was_approved_and_honours_if_match",
            "from_enforce_to_monitor_takes_an_approval_also_where_nothing_is_guarded",
        ],
        evidence: "`interlock ledger export --change`",
    },
    Control {
        id: "A1.2, A1.3",
        asks: "recovery is planned and tested",
        how: "Replicas share the work by leases with fencing tokens and survive being killed at any line. Disaster drills are the organisation's.",
        files: &["host/store/src/leases.rs", "host/server/src/reconcile.rs"],
        tests: &[
            "a_good_rollout_survives_thirty_kills_on_sqlite",
            "a_rollback_survives_ten_kills_on_postgresql",
            "a_commit_under_a_lost_lease_writes_nothing",
        ],
        evidence: "the log of each replica",
    },
    Control {
        id: "PI1.4, PI1.5",
        asks: "output and storage are complete and accurate",
        how: "A change is the fold of its events and is rebuilt from them; decisions are made again from what was recorded.",
        files: &["host/store/src/audit/fold.rs", "host/server/src/flow/decision.rs"],
        tests: &["a_change_comes_back_as_it_was_committed", "a_restart_continues_the_chain"],
        evidence: "`interlock ledger verify`, `interlock decision replay`",
    },
];
