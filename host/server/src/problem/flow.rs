//! What flows, store and vault refuse, as problems: the one table from errors to status codes.

use interlock_domain::Refusal;
use interlock_store::StoreError;
use interlock_vault::VaultError;
use serde_json::json;

use super::{Kind, Problem};
use crate::FlowError;

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        let detail = error.to_string();
        match error {
            FlowError::NotFound { .. } => Problem::new(Kind::NotFound, detail),
            FlowError::Denied { reasons, determining, decision, .. } => Problem::new(Kind::Denied, detail)
                .with("reasons", reasons)
                .with("policies", json!(determining))
                .with("decision", decision.to_string()),
            FlowError::SelfApproval { reasons, determining, decision, .. } => {
                Problem::new(Kind::SelfApproval, detail)
                    .with("reasons", reasons)
                    .with("policies", json!(determining))
                    .with("decision", decision.to_string())
            }
            FlowError::OutOfScope { scope } => Problem::new(Kind::OutOfScope, detail).with("missing", scope),
            FlowError::LoginRefused => Problem::new(Kind::LoginRefused, detail),
            FlowError::ClockOff(_) => Problem::new(Kind::ClockOff, detail),
            FlowError::ProviderRefused(_) => Problem::new(Kind::ProviderRefused, detail),
            FlowError::ProviderUnreachable(_) => Problem::new(Kind::IssuerUnreachable, detail),
            FlowError::NotLinked { issuer, subject, .. } => {
                Problem::new(Kind::NotLinked, detail).with("issuer", issuer).with("subject", subject)
            }
            FlowError::InvitationRefused => Problem::new(Kind::InvitationRefused, detail),
            FlowError::OnlyInPerson => Problem::new(Kind::OnlyInPerson, detail),
            FlowError::FullSignatureRequired => Problem::new(Kind::FullSignatureRequired, detail),
            FlowError::SignatureRefused => Problem::new(Kind::SignatureRefused, detail),
            FlowError::Outdated { .. } => Problem::new(Kind::Conflict, detail),
            FlowError::Refused(refusal) => refusal.into(),
            FlowError::Invalid { field, .. } => Problem::invalid(field, detail),
            FlowError::Parameter { name, .. } => Problem::parameter(name, detail),
            FlowError::Beyond(_) => Problem::new(Kind::NotFound, detail),
            FlowError::Unsound(_) => {
                tracing::error!(%detail, "the ledger was altered");
                Problem::new(
                    Kind::LedgerUnsound,
                    "what is stored of the ledger does not lead to its signed checkpoint, so that nothing can be proved from \
                     it; verify it: `interlock ledger verify`",
                )
            }
            FlowError::Busy(_) => Problem::new(Kind::Busy, detail),
            FlowError::Exists { .. } => Problem::new(Kind::Exists, detail),
            FlowError::Stale { current, .. } => Problem::new(Kind::Stale, detail).with("current", current),
            FlowError::Plugin { plugin, .. } => {
                Problem::new(Kind::PluginUnusable, detail).with("plugin", plugin)
            }
            FlowError::Install(_) => Problem::new(Kind::PluginRefused, detail),
            FlowError::Bundle(error) => {
                Problem::new(Kind::BundleRefused, detail).with("faults", json!(error.faults()))
            }
            FlowError::Vault(error) => error.into(),
            FlowError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::WrongPermit { .. } => Problem::new(Kind::Denied, detail),
            Refusal::WrongState { .. } | Refusal::PoliciesGoForward { .. } => {
                Problem::new(Kind::WrongState, detail)
            }
            Refusal::OtherDigest { current, .. } => Problem::new(Kind::OtherDigest, detail)
                .with("field", "/digest")
                .with("current", current.to_string()),
            Refusal::OwnChange { .. } => Problem::new(Kind::SelfApproval, detail),
            Refusal::OwnRequest { .. } => Problem::new(Kind::OwnRequest, detail),
            Refusal::RequestOver { .. } => Problem::new(Kind::WrongState, detail),
            Refusal::NotTheAuthor { .. } => Problem::new(Kind::NotTheAuthor, detail),
            Refusal::NotYourPermit { .. } => Problem::new(Kind::Denied, detail),
            Refusal::NotAPerson { .. } => Problem::new(Kind::NotAPerson, detail),
            Refusal::SecondPersonNeeded { .. } => Problem::new(Kind::SecondPersonNeeded, detail),
            Refusal::AlreadyApproved { .. } => Problem::new(Kind::AlreadyApproved, detail),
            Refusal::Expired { .. } => Problem::new(Kind::Expired, detail),
            Refusal::OutOfTurn { level, before, .. } => {
                Problem::new(Kind::OutOfTurn, detail).with("level", level).with("before", before)
            }
            Refusal::Unsigned { level, .. } => Problem::new(Kind::Unsigned, detail).with("level", level),
            Refusal::StageOver { .. } => Problem::new(Kind::StageOver, detail).with("field", "/stage"),
            Refusal::BadDelegation { field, .. } => Problem::invalid(field, detail),
            Refusal::DelegationNotUsable { .. } => Problem::new(Kind::DelegationNotUsable, detail),
            Refusal::SecondToBreak { .. } => Problem::new(Kind::SecondToBreak, detail),
            Refusal::OtherHandOut { .. } => Problem::new(Kind::OtherHandOut, detail).with("field", "/digest"),
            Refusal::LastAdministrator { .. } => Problem::new(Kind::LastAdministrator, detail),
            Refusal::SafetyToBreak { .. } => Problem::new(Kind::SafetyToBreak, detail),
            Refusal::OwnIncident { .. } => Problem::new(Kind::OwnIncident, detail),
            Refusal::AlreadyReviewed { .. } => Problem::new(Kind::AlreadyReviewed, detail),
            Refusal::NoReason { .. } => Problem::new(Kind::NoReason, detail).with("field", "/reason"),
            Refusal::SkippedStage { .. } => Problem::new(Kind::SkippedStage, detail),
            Refusal::NotSettled { .. } => Problem::new(Kind::NotSettled, detail),
            Refusal::NoSuchAction { .. } => Problem::new(Kind::NoSuchAction, detail),
            Refusal::ActionClosed { .. } => Problem::new(Kind::ActionClosed, detail),
            Refusal::RosterMovedOn { .. } => Problem::new(Kind::RosterMovedOn, detail),
            Refusal::BadRoster(_) => Problem::new(Kind::BadRoster, detail),
            Refusal::BadManifest(_) => Problem::new(Kind::BadManifest, detail),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        let detail = error.to_string();
        match error {
            VaultError::CutShort { .. } => Problem::new(Kind::CutShort, detail),
            VaultError::LongerThanAnnounced { .. } => Problem::new(Kind::LongerThanAnnounced, detail),
            VaultError::TooLarge { size_bytes_max, .. } => {
                Problem::new(Kind::ArtifactTooLarge, detail).with("limit_bytes", size_bytes_max)
            }
            VaultError::DigestMismatch { expected, found } => Problem::new(Kind::DigestMismatch, detail)
                .with("expected", expected.to_string())
                .with("found", found.to_string()),
            VaultError::Interrupted { .. } => Problem::new(Kind::Interrupted, detail),
            VaultError::RangeOutside { .. } => Problem::new(Kind::RangeOutside, detail),
            VaultError::Absent { .. }
            | VaultError::StoredSize { .. }
            | VaultError::ChunkAltered { .. }
            | VaultError::ChunkOutOfPlace { .. }
            | VaultError::SealAltered { .. }
            | VaultError::SealUnknown { .. }
            | VaultError::KekUnknown { .. } => {
                tracing::error!(%error, "stored content is damaged");
                Problem::new(
                    Kind::ContentDamaged,
                    "stored content cannot be read; restore it from a backup or push it again",
                )
            }
            error => Problem::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Behind { .. } => Problem::new(Kind::Busy, error.to_string()),
            StoreError::Closed => Problem::new(Kind::Stopping, error.to_string()),
            StoreError::Conflict { .. } => Problem::new(Kind::Conflict, error.to_string()),
            StoreError::Fenced { .. } => {
                Problem::new(Kind::Conflict, "another replica acts on this by now; read it again")
            }
            StoreError::AlreadyExists { .. } => Problem::new(Kind::Exists, error.to_string()),
            StoreError::Missing { .. } => Problem::new(Kind::NotFound, error.to_string()),
            StoreError::Full { .. } => Problem::new(Kind::TooManyPending, error.to_string()),
            StoreError::ActionsExhausted { .. } => Problem::new(Kind::ActionsExhausted, error.to_string()),
            StoreError::Database(_)
            | StoreError::Journal { .. }
            | StoreError::Key(_)
            | StoreError::Checkpoint(_) => {
                tracing::error!(%error, "the store failed");
                Problem::new(
                    Kind::AuditUnavailable,
                    "the database does not answer as it should; try again in a moment",
                )
            }
            StoreError::Unknown(_) => {
                tracing::error!(%error, "the store did not confirm");
                Problem::new(
                    Kind::OutcomeUnknown,
                    "the database did not confirm; read it again before you repeat",
                )
            }
            StoreError::Malformed { .. }
            | StoreError::Entry(_)
            | StoreError::Canonical(_)
            | StoreError::Json(_)
            | StoreError::Corrupt { .. }
            | StoreError::Migrate(_)
            | StoreError::Url { .. } => Problem::internal(&error),
        }
    }
}
