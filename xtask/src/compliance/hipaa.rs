//! HIPAA Security Rule.

use super::Control;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "164.308(a)(1)(ii)(D)",
        asks: "records of activity are reviewed regularly",
        how: "Whoever reviews gets the entries of a period as a report, says what they found and signs; each review begins where the one before \
              ended, and what nobody reviewed in time shows in the status.",
        files: &["host/server/src/flow/esign/review.rs", "host/domain/src/ledger_review.rs"],
        tests: &[
            "a_review_is_signed_begins_where_the_one_before_ended_and_is_an_entry_itself",
            "what_nobody_reviewed_in_time_shows_in_the_status_exactly_at_its_instant",
        ],
        evidence: "entries `ledger.reviewed` and `ledger.exported`; `reviews/` of an export",
    },
    Control {
        id: "164.308(a)(3), (4)",
        asks: "access is authorised, supervised and ended",
        how: "Roles by environment, given by the right administrators, held until a second confirms; accounts end at once.",
        files: &["host/server/src/flow/account.rs", "policies/rbac.cedar"],
        tests: &[
            "what_takes_two_is_held_until_a_second_person_confirms_and_nothing_else_is",
            "other_roles_a_reset_and_an_end_of_the_account_end_its_sessions",
        ],
        evidence: "entries `account.written`",
    },
    Control {
        id: "164.308(a)(5)(ii)(C)",
        asks: "log-in is monitored",
        how: "Failed logins count, lock and are recorded; tries are limited by address.",
        files: &["host/domain/src/login.rs", "host/server/src/limits.rs"],
        tests: &[
            "who_tries_to_log_in_has_five_tries_at_once_from_an_address_whatever_the_name",
            "whoever_guesses_the_password_in_a_session_locks_the_login",
        ],
        evidence: "entries `login.*`",
    },
    Control {
        id: "164.308(a)(6)",
        asks: "security incidents are answered and documented",
        how: "Breaking the glass opens an incident that a third person reviews in time; `interlock incident report` writes down what happened.",
        files: &["host/domain/src/incident.rs", "host/server/src/flow/report.rs"],
        tests: &[
            "an_incident_is_reviewed_by_a_third_person_and_is_overdue_after_a_day",
            "an_incident_is_reported_with_its_devices_its_approvals_and_its_receipts_in_every_form",
        ],
        evidence: "entries `incident.*`; the report with its receipts",
    },
    Control {
        id: "164.308(a)(7)",
        asks: "contingency: backup, recovery, emergency mode",
        how: "Backups and drills are the organisation's. A server that was killed anywhere goes on where it was; a database of yesterday is refused by the signer.",
        files: &["host/server/src/reconcile.rs", "host/store/src/signer.rs"],
        tests: &[
            "a_rollback_survives_twenty_kills_on_sqlite",
            "a_database_that_was_cut_off_or_put_back_is_not_signed_until_it_is_whole_again",
        ],
        evidence: "`/ready`; `interlock ledger verify` after a restore",
    },
    Control {
        id: "164.308(a)(8)",
        asks: "periodic evaluation",
        how: "Evaluating is the organisation's; this map and the tests that it names are made anew with each version.",
        files: &[],
        tests: &[],
        evidence: "this page",
    },
    Control {
        id: "164.310",
        asks: "physical safeguards",
        how: "Buildings, workstations and media are the organisation's.",
        files: &[],
        tests: &[],
        evidence: "none of the program's",
    },
    Control {
        id: "164.312(a)(1), (2)(i)",
        asks: "unique user identification",
        how: "Each account is one person's or one program's; a program has an owner, and two accounts of a person count as one.",
        files: &["host/domain/src/actor.rs"],
        tests: &[
            "two_accounts_of_one_person_are_one_person",
            "a_program_needs_an_owner_and_a_person_has_none",
        ],
        evidence: "`actor` in every entry",
    },
    Control {
        id: "164.312(a)(2)(ii)",
        asks: "emergency access",
        how: "Two people let a change proceed for an hour without the approvals that are missing; never past a gate or a signature.",
        files: &["host/domain/src/change/glass.rs"],
        tests: &[
            "two_people_let_a_change_proceed_and_an_incident_is_opened",
            "after_the_hour_the_missing_approvals_are_missing_again",
        ],
        evidence: "entries `change.glass_broken`, `incident.opened`",
    },
    Control {
        id: "164.312(a)(2)(iii)",
        asks: "automatic log-off",
        how: "A session ends when it is idle and when it is old.",
        files: &["host/domain/src/session.rs"],
        tests: &["a_session_ends_when_idle_when_it_is_old_and_when_one_logs_out"],
        evidence: "`interlock sessions`",
    },
    Control {
        id: "164.312(a)(2)(iv)",
        asks: "encryption at rest",
        how: "Artifact content is sealed with keys of its own, which are wrapped; logins are kept encrypted. The database's disk is the organisation's.",
        files: &["host/vault/src/content/cipher.rs", "host/vault/src/kek.rs"],
        tests: &[
            "content_comes_back_as_it_went_in_and_is_not_readable_in_between",
            "after_a_rotation_old_content_opens_and_can_be_rewrapped_without_the_old_key",
        ],
        evidence: "the sealed objects",
    },
    Control {
        id: "164.312(b)",
        asks: "audit controls",
        how: "Every state change, every denial, and what an application was asked are entries of the ledger.",
        files: &["host/store/src/commit.rs", "host/store/src/journal.rs"],
        tests: &["what_was_answered_outlives_a_server_that_was_killed", "the_trace_id_reaches_the_ledger"],
        evidence: "the ledger; `interlock ledger export`",
    },
    Control {
        id: "164.312(c)",
        asks: "integrity: nothing is altered or destroyed unseen",
        how: "The signer signs only what continues what it signed; witnesses cosign; content is checked against its digest when it is read.",
        files: &["host/store/src/signer.rs", "host/witness/src/lib.rs", "host/vault/src/content/get.rs"],
        tests: &[
            "what_continues_is_cosigned_and_nothing_else_is",
            "content_that_was_altered_at_rest_is_not_handed_out",
        ],
        evidence: "checkpoints, cosignatures, receipts",
    },
    Control {
        id: "164.312(d)",
        asks: "person or entity authentication",
        how: "Passkeys, passwords with codes, an identity provider, signed requests and keys, each with limits of its own.",
        files: &["host/server/src/flow/login.rs", "host/server/src/flow/signed.rs"],
        tests: &[
            "a_person_sets_by_what_they_log_in_and_logs_in_either_way",
            "a_signed_request_acts_for_the_account_of_its_key_and_the_record_says_so",
        ],
        evidence: "`actor.auth` in every entry",
    },
    Control {
        id: "164.312(e)",
        asks: "transmission security",
        how: "TLS stands before the server and is the organisation's; what goes out goes over rustls, and webhooks and signed requests are authenticated whole.",
        files: &["host/server/src/message.rs", "host/server/src/outside.rs"],
        tests: &[
            "nothing_of_a_body_is_read_before_its_signature_is_found_good",
            "what_was_altered_on_the_way_or_signed_for_something_else_is_nobody",
        ],
        evidence: "the configuration",
    },
    Control {
        id: "164.316(b)",
        asks: "documentation is kept for six years",
        how: "Entries, bundles and plugins are kept by digest and never deleted.",
        files: &["host/store/src/kept.rs", "host/store/src/ledger.rs"],
        tests: &["what_is_kept_comes_back_by_kind_and_digest", "entries_can_be_neither_altered_nor_deleted"],
        evidence: "the ledger and what it names",
    },
];
