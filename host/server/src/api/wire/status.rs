//! How it is with one tenant.

use std::collections::BTreeMap;

use interlock_domain::{BundleRef, Digest, Environment, ReviewStanding, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    flow::{Elsewhere, fresh::Shown, status::Status},
    rosters::Unloaded,
};

/// What is amiss for a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantStatus {
    /// `ok`, or `degraded` when something below is amiss.
    #[schema(example = "ok")]
    status: &'static str,
    /// Why its application was refused; null when it has none or all is well.
    application_refused: Option<String>,
    /// Why nothing is admitted: what was found altered in its ledger, until somebody has looked; null when nothing was.
    ledger_altered: Option<String>,
    /// Sources that failed its plugins when they were last asked, with the reason: what needs them is denied.
    #[schema(value_type = BTreeMap<String, String>)]
    evidence_failing: BTreeMap<String, String>,
    /// Plugins that are active in some environment and do not load: what they judge there is denied.
    plugins_unloaded: Vec<UnloadedPlugin>,
    /// How far its ledger was reviewed.
    ledger_review: LedgerReviewed,
    /// The policies in force.
    policies: PoliciesInForce,
    /// How it is with the policies in git; null when they do not come from there, or this tenant does not decide on them.
    policies_in_git: Option<PoliciesInGit>,
    /// What of the tenant's log is elsewhere.
    ledger: LedgerElsewhere,
}

/// What of a log is elsewhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerElsewhere {
    /// Its copies, which nobody overwrites.
    copies: Vec<LedgerCopied>,
    /// Who knows of its checkpoints.
    anchors: Vec<LedgerCopied>,
}

/// A copy or an anchor of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerCopied {
    /// What it is called.
    name: String,
    /// How many entries are there, or are under the checkpoint that it knows of.
    entries: u64,
    /// Since when; null when there are none.
    at: Option<String>,
    /// Why it could not be brought up to date when that was tried last.
    failure: Option<String>,
}

/// How far the ledger was reviewed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerReviewed {
    /// How many entries from the beginning on were reviewed.
    reviewed: u64,
    /// When the oldest of the others was written; null when there is none.
    #[schema(value_type = Option<String>)]
    waiting_since: Option<Timestamp>,
    /// By when that must be reviewed; null when nothing has to be (`ledger.review_within_ms`).
    #[schema(value_type = Option<String>)]
    due_at: Option<Timestamp>,
    /// Whether nobody did in time.
    overdue: bool,
}

impl From<ReviewStanding> for LedgerReviewed {
    fn from(standing: ReviewStanding) -> Self {
        let ReviewStanding { reviewed, waiting_since, due_at, overdue } = standing;
        Self { reviewed, waiting_since, due_at, overdue }
    }
}

/// The policies in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoliciesInForce {
    /// Their digest.
    #[schema(value_type = String)]
    digest: Digest,
    /// What they are called.
    name: String,
    /// Their revision.
    revision: u64,
    /// How long ago they were last known to be the newest: when git was last seen with a head that keeps to the rules, or else
    /// when they came into force. Null where that was never written down.
    age_ms: Option<u64>,
}

/// How it is with the policies in git.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoliciesInGit {
    /// Address, branch and folder.
    source: String,
    /// The newest head that could be read.
    head: Option<String>,
    /// How it stands: in force, or the change that it waits in.
    standing: Option<String>,
    /// Why the newest is not taken, and what to do.
    not_taken: Option<String>,
}

/// A plugin that is active and does not load.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnloadedPlugin {
    /// Where it is active.
    #[schema(value_type = String)]
    environment: Environment,
    /// What it is called.
    plugin: String,
    /// What it is.
    #[schema(value_type = String)]
    digest: Digest,
    /// Why it does not load.
    reason: String,
}

impl From<Status> for TenantStatus {
    fn from(status: Status) -> Self {
        let Status {
            application_refused,
            evidence_failing,
            plugins_unloaded,
            policies_in_git,
            copies,
            anchors,
            ..
        } = status;
        let BundleRef { digest, name, revision } = status.policies;
        let policies = PoliciesInForce { digest, name, revision, age_ms: status.policies_age_ms };
        let git_well = policies_in_git.as_ref().is_none_or(|git| git.failure.is_none() && !git.is_old);
        let well = application_refused.is_none()
            && status.ledger_altered.is_none()
            && evidence_failing.is_empty()
            && plugins_unloaded.is_empty()
            && git_well
            && copies.iter().chain(&anchors).all(|one| one.failure.is_none())
            && !status.ledger_review.overdue;
        Self {
            status: if well { "ok" } else { "degraded" },
            application_refused,
            ledger_altered: status.ledger_altered,
            evidence_failing,
            ledger_review: status.ledger_review.into(),
            policies,
            policies_in_git: policies_in_git.map(PoliciesInGit::from),
            plugins_unloaded: plugins_unloaded.into_iter().map(UnloadedPlugin::from).collect(),
            ledger: LedgerElsewhere {
                copies: copies.into_iter().map(LedgerCopied::from).collect(),
                anchors: anchors.into_iter().map(LedgerCopied::from).collect(),
            },
        }
    }
}

impl From<Elsewhere> for LedgerCopied {
    fn from(found: Elsewhere) -> Self {
        let Elsewhere { name, entries, at, failure } = found;
        Self { name, entries, at: at.map(|at| at.to_string()), failure }
    }
}

impl From<Shown> for PoliciesInGit {
    fn from(shown: Shown) -> Self {
        let Shown { source, head, standing, is_old: _, failure } = shown;
        Self { source, head, standing, not_taken: failure.map(|failure| failure.reason) }
    }
}

impl From<Unloaded> for UnloadedPlugin {
    fn from(unloaded: Unloaded) -> Self {
        let Unloaded { tenant: _, environment, plugin, digest, reason } = unloaded;
        Self { environment, plugin, digest, reason }
    }
}
