//! One plausible question for every action, for smoke tests and benchmarks.

use std::collections::BTreeSet;

use interlock_domain::{
    AccountKind, Action, Actor, AdmissionFacts, ApprovalFacts, ChangeKind, Environment, Facts, Outcome,
    PersonId, Principal, Question, Resource, Role, RoleGrant, SignatureOutcome, TenantId, Timestamp,
};
use interlock_ledger::Digest;

/// A plausible question for `action`: a release manager of `acme` (a plugin for `ReadEvidence`), a change of somebody
/// else in production, everything in order. Always the same.
pub fn sample_question(action: Action) -> Question {
    let tenant: TenantId = literal("acme");
    let environment: Environment = literal("production");
    let now = Timestamp::from_millis(1_795_176_000_000);
    let author = person('a');
    let change_kind = ChangeKind::Release;
    let resource = match action {
        Action::ProposeChange => Resource::Environment {
            tenant: tenant.clone(),
            environment: environment.clone(),
            change_kind: Some(change_kind),
        },
        Action::ReadChange
        | Action::ApproveChange
        | Action::RejectChange
        | Action::CancelChange
        | Action::AdmitChange
        | Action::EnterStage
        | Action::PauseRollout
        | Action::ResumeRollout
        | Action::PromoteRollout
        | Action::RollBackRollout
        | Action::ApproveStage
        | Action::BreakGlass
        | Action::ReviewIncident => Resource::Change {
            id: "chg_00000000000000000000000000000001".to_owned(),
            tenant: tenant.clone(),
            environment: environment.clone(),
            change_kind,
            author: author.clone(),
            paused_by_safety: false,
            back_weakens: false,
        },
        Action::RegisterDevice
        | Action::UpdateDevice
        | Action::MoveDevice
        | Action::RetireDevice
        | Action::DelegateRoles => Resource::Environment {
            tenant: tenant.clone(),
            environment: environment.clone(),
            change_kind: None,
        },
        Action::ReadLedger | Action::VerifyLedger => Resource::Ledger { tenant: tenant.clone() },
        Action::ReadEvidence => {
            Resource::EvidenceSource { tenant: tenant.clone(), name: "artifact".to_owned() }
        }
        Action::PushArtifact
        | Action::PushPlugin
        | Action::ImportAdvisories
        | Action::ReadArtifact
        | Action::ReadDevice
        | Action::ManageGroup
        | Action::ReadDecision
        | Action::ReplayDecision
        | Action::CreateKey
        | Action::RevokeKey
        | Action::ReadKey
        | Action::GrantRoles
        | Action::ConfirmAccount
        | Action::DeactivateAccount
        | Action::ActivateAccount
        | Action::ReloadBundle
        | Action::ReadBundle
        | Action::EvaluateAccess
        | Action::ApproveAccess
        | Action::ReadPlugin => Resource::Tenant { tenant: tenant.clone() },
    };
    let facts = match action {
        Action::AdmitChange | Action::EnterStage => Facts::Admission(Box::new(AdmissionFacts {
            approvals: ApprovalFacts::none()
                .with(person('c'), &[Role::ClinicalSafety], now.plus_millis(-3_600_000))
                .with(person('d'), &[Role::Regulatory], now.plus_millis(-1_800_000)),
            gates_passed: 2,
            gates_warned: 0,
            gates_failed: 0,
            gates_holding: 0,
            gates_missing: 0,
            signature: SignatureOutcome::Verified,
            rollback_complete: true,
            weakens: false,
            exposure_bp: 500,
            stage: 0,
            health: Outcome::Pass,
        })),
        _ => Facts::None,
    };
    let principal = match action {
        Action::ReadEvidence => {
            let granted = BTreeSet::from(["artifact".to_owned()]);
            Principal::Plugin {
                tenant,
                name: "signature".to_owned(),
                digest: Digest::of(b"signature"),
                granted,
            }
        }
        _ => Principal::Actor(Actor {
            tenant,
            account: literal("acc_0000000000000000000000000000000b"),
            person: person('b'),
            name: "Sample".to_owned(),
            kind: AccountKind::User,
            roles: vec![RoleGrant { role: Role::ReleaseManager, environment: None }],
            auth: "sample".to_owned(),
            hold: None,
        }),
    };
    Question { principal, action, resource, facts, now, freshness: None }
}

fn person(digit: char) -> PersonId {
    literal(&format!("per_{digit:0>32}"))
}

#[expect(
    clippy::expect_used,
    reason = "only called with the literals above, all of which every smoke test touches"
)]
fn literal<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a literal id parses")
}
