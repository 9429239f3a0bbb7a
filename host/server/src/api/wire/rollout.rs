//! A rollout and its targets, as the domain writes them.

use super::{names, shape};

names! {
    /// The answers, from best to worst. `hold` is good, but not now.
    Outcome { Pass, Warn, Hold, Fail }
    /// How much a finding weighs.
    Severity { Info, Warning, Critical }
    /// Where one target is. *Installed* is what its client says; *verified* is what it reports after that, healthy.
    AssignmentState {
        Pending, Waiting, Offered, Downloading, Installing, Installed, Verified, Failed, Silent, Cancelling,
        Confirming, Recalled, Restoring, RolledBack, RollbackFailed, Released, Superseded,
    }
}

shape! {
    /// An outcome and what led to it.
    Verdict {
        /// The answer.
        outcome: Outcome,
        /// What led to it.
        findings: Vec<Finding>,
    }
    /// One thing that was noticed.
    Finding {
        /// Stable and machine-readable.
        #[schema(example = "signature-missing")]
        code: String,
        /// How much it weighs.
        severity: Severity,
        /// One sentence for a person.
        message: String,
        /// What it is about; may be empty.
        subject: String,
    }
    /// One step of a plan.
    Stage {
        /// For people.
        #[schema(example = "canary 5 %")]
        name: String,
        /// Whom it reaches. Exposure is cumulative.
        exposure: Exposure,
        /// How long health must stay good after the stage settled.
        hold_ms: u64,
    }
    /// The state of a rollout.
    Rollout {
        /// When the change was admitted.
        admitted_at: String,
        /// The stages entered so far, oldest first.
        stages: Vec<StageRecord>,
        /// When the last target of the current stage settled.
        settled_at: Option<String>,
        /// An operator asked to leave the current stage without waiting.
        promoted: bool,
        /// The newest verdict of each health check.
        health: Vec<HealthVerdict>,
    }
    /// A stage that was entered.
    StageRecord {
        /// Its index in the plan.
        index: u32,
        /// When.
        entered_at: String,
        /// The policy decision that allowed it.
        decision: String,
    }
    /// The newest verdict of one health check.
    HealthVerdict {
        /// The id of its binding.
        check: String,
        /// Whether it counts; absent when it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<super::change::GateMode>,
        /// When it judged.
        at: String,
        /// What it said.
        outcome: Outcome,
        /// Why.
        findings: Vec<Finding>,
        /// The recorded call.
        decision: String,
    }
    /// How many targets are in which state.
    Progress {
        /// Not reached yet.
        pending: u64,
        /// Reached, but another change is at work on it.
        waiting: u64,
        /// Reached, not started.
        offered: u64,
        /// Fetching the artifact.
        downloading: u64,
        /// Writing it.
        installing: u64,
        /// The client says that it is done.
        installed: u64,
        /// The target reports the new version and is healthy.
        verified: u64,
        /// It did not work.
        failed: u64,
        /// Nothing was heard for too long.
        silent: u64,
        /// On its way back.
        rolling_back: u64,
        /// Back on its old version, and seen there.
        rolled_back: u64,
        /// Could not be brought back; needs a person.
        rollback_failed: u64,
        /// Let go untouched when the rollout ended.
        released: u64,
        /// Taken over by a later change.
        superseded: u64,
    }
    /// One target in one rollout.
    Assignment {
        /// In which tenant.
        tenant: String,
        /// Of which change.
        change: String,
        /// Which target.
        #[schema(example = "pump-0001")]
        device: String,
        /// Its place in the rollout's order.
        rank: u32,
        /// Where it is.
        state: AssignmentState,
        /// The number under which the device protocol knows it.
        action: u32,
        /// Digest of the artifact that it is given.
        artifact: String,
        /// The version that it reports once it runs the artifact.
        version: String,
        /// The version that it reported before.
        version_before: Option<String>,
        /// Digest of the artifact that brings it back.
        artifact_before: Option<String>,
        /// It fetched or installed something, so its report is still to come.
        begun: bool,
        /// It answered that it is done with coming back, well or not; what it reports next is the end of it.
        answered_back: bool,
        /// When something last happened.
        touched_at: String,
        /// What it last said, for people.
        detail: String,
        /// Rises with every write.
        revision: u64,
    }
}

/// Whom a stage reaches.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(not(test), expect(dead_code, reason = "describes a type of the domain"))]
pub(crate) enum Exposure {
    /// Offered to nobody.
    Shadow,
    /// A share of the population.
    Percent {
        /// In basis points: 500 is 5 %.
        basis_points: u32,
    },
    /// All targets of these sites and groups (`site:north`, `group:canaries`).
    Groups {
        /// Their names.
        names: Vec<String>,
    },
    /// Everybody.
    All,
}
