//! What happened to a change. A change is the fold of its events; each is a ledger entry.

use std::collections::BTreeMap;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    Approval, BundleRef, ChangeId, DecisionId, DeviceId, Escalation, GateReport, GlassBreak, GroupReport,
    HealthVerdict, Hold, Manifest, PersonId, Progress, RosterRecord, StageRecord, Timestamp,
};

/// Why a rollout goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RollbackCause {
    /// The strategy asked for it.
    Strategy {
        /// What it said.
        reason: String,
    },
    /// A person asked for it.
    Person {
        /// Who.
        person: PersonId,
        /// What they are called.
        name: String,
        /// What they said.
        reason: String,
    },
}

impl RollbackCause {
    /// Why, in words.
    pub fn reason(&self) -> &str {
        match self {
            RollbackCause::Strategy { reason } | RollbackCause::Person { reason, .. } => reason,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// It was proposed.
    Proposed {
        /// The change's id.
        id: ChangeId,
        /// What it would do.
        manifest: Box<Manifest>,
        /// The manifest's digest.
        digest: Digest,
        /// Who proposed it.
        author: PersonId,
        /// What they are called.
        author_name: String,
        /// Through which account, so that the policies can be asked on the author's behalf later.
        author_account: crate::AccountId,
        /// The policy decision that let them.
        decision: DecisionId,
        /// When it expires unless it is admitted.
        expires_at: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// Its author changed what it would do; approvals and verdicts of the old digest no longer count.
    Revised {
        /// What it would do now.
        manifest: Box<Manifest>,
        /// The new digest.
        digest: Digest,
        /// The policy decision that let them.
        decision: DecisionId,
        /// When.
        at: Timestamp,
    },
    /// Every gate answered, and none stops it.
    GatesPassed {
        /// What they said.
        reports: Vec<GateReport>,
        /// What their groups came to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<GroupReport>,
        /// When.
        at: Timestamp,
    },
    /// A gate stops it.
    GatesFailed {
        /// What they said.
        reports: Vec<GateReport>,
        /// What their groups came to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<GroupReport>,
        /// When.
        at: Timestamp,
    },
    /// The gates were asked again before it goes on, and say something else than before.
    GatesRejudged {
        /// What they say now.
        reports: Vec<GateReport>,
        /// What their groups came to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<GroupReport>,
        /// When.
        at: Timestamp,
    },
    /// A person said yes.
    Approved {
        /// The approval.
        approval: Approval,
        /// When.
        at: Timestamp,
    },
    /// A person said no.
    Rejected {
        /// The rejection.
        approval: Approval,
        /// When.
        at: Timestamp,
    },
    /// A person said no where one rejection does not end it. Their yes counts no more.
    Objected {
        /// The rejection.
        approval: Approval,
        /// When.
        at: Timestamp,
    },
    /// A level of its approval profile waited too long.
    Escalated {
        /// Which, and who may fill it, too.
        escalation: Escalation,
        /// When.
        at: Timestamp,
    },
    /// A person wants it to proceed without the approvals that are missing. It takes two.
    GlassBroken {
        /// Who, and why.
        glass: GlassBreak,
        /// When.
        at: Timestamp,
    },
    /// It was withdrawn.
    Cancelled {
        /// By whom.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Nobody admitted it in time.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The policies let it proceed.
    Admitted {
        /// Their decision.
        decision: DecisionId,
        /// The policies that allowed it.
        policies: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// The roster moved on after it was proposed, so that it cannot be put into force.
    Overtaken {
        /// What is there now instead.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// The policies do not let it go on; it is asked again.
    Held {
        /// What they said.
        hold: Hold,
        /// When.
        at: Timestamp,
    },
    /// A stage was entered.
    StageEntered {
        /// Which, and by which decision.
        stage: StageRecord,
        /// When.
        at: Timestamp,
    },
    /// The last target of the stage settled.
    StageSettled {
        /// Where the targets are.
        progress: Progress,
        /// When.
        at: Timestamp,
    },
    /// Targets came back to life after the stage had settled.
    StageReopened {
        /// When.
        at: Timestamp,
    },
    /// Health was judged.
    Judged {
        /// One verdict a check.
        verdicts: Vec<HealthVerdict>,
        /// When.
        at: Timestamp,
    },
    /// The rollout stands still.
    Paused {
        /// Who stopped it; the host itself when absent.
        by: Option<PersonId>,
        /// Whether they hold clinical safety or regulatory there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_safety: bool,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// It goes on.
    Resumed {
        /// By whom.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// The current stage may be left without waiting.
    Promoted {
        /// By whom.
        by: PersonId,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// Every touched target is called back.
    RollbackBegun {
        /// Why.
        cause: RollbackCause,
        /// When.
        at: Timestamp,
    },
    /// Every touched target that answers is on its old version, and seen there.
    RolledBack {
        /// Where the targets are.
        progress: Progress,
        /// When.
        at: Timestamp,
    },
    /// Done.
    Completed {
        /// Where the targets are.
        progress: Progress,
        /// When.
        at: Timestamp,
    },
}

impl Event {
    /// The entry type in the ledger.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Proposed { .. } => "change.proposed",
            Event::Revised { .. } => "change.revised",
            Event::GatesPassed { .. } => "change.gates_passed",
            Event::GatesFailed { .. } => "change.gates_failed",
            Event::GatesRejudged { .. } => "change.gates_rejudged",
            Event::Approved { .. } => "change.approved",
            Event::Rejected { .. } => "change.rejected",
            Event::Objected { .. } => "change.objected",
            Event::Escalated { .. } => "change.escalated",
            Event::GlassBroken { .. } => "change.glass_broken",
            Event::Cancelled { .. } => "change.cancelled",
            Event::Expired { .. } => "change.expired",
            Event::Admitted { .. } => "change.admitted",
            Event::Overtaken { .. } => "change.overtaken",
            Event::Held { .. } => "change.held",
            Event::StageEntered { .. } => "rollout.stage_entered",
            Event::StageSettled { .. } => "rollout.stage_settled",
            Event::StageReopened { .. } => "rollout.stage_reopened",
            Event::Judged { .. } => "rollout.judged",
            Event::Paused { .. } => "rollout.paused",
            Event::Resumed { .. } => "rollout.resumed",
            Event::Promoted { .. } => "rollout.promoted",
            Event::RollbackBegun { .. } => "rollout.rollback_begun",
            Event::RolledBack { .. } => "rollout.rolled_back",
            Event::Completed { .. } => "rollout.completed",
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Event::Proposed { at, .. }
            | Event::Revised { at, .. }
            | Event::GatesPassed { at, .. }
            | Event::GatesFailed { at, .. }
            | Event::GatesRejudged { at, .. }
            | Event::Approved { at, .. }
            | Event::Rejected { at, .. }
            | Event::Objected { at, .. }
            | Event::Escalated { at, .. }
            | Event::GlassBroken { at, .. }
            | Event::Cancelled { at, .. }
            | Event::Expired { at }
            | Event::Admitted { at, .. }
            | Event::Overtaken { at, .. }
            | Event::Held { at, .. }
            | Event::StageEntered { at, .. }
            | Event::StageSettled { at, .. }
            | Event::StageReopened { at }
            | Event::Judged { at, .. }
            | Event::Paused { at, .. }
            | Event::Resumed { at, .. }
            | Event::Promoted { at, .. }
            | Event::RollbackBegun { at, .. }
            | Event::RolledBack { at, .. }
            | Event::Completed { at, .. } => *at,
        }
    }
}

/// For each version that targets run now, the artifact that brings them back to it, its signature verified. A version
/// that is not in it has no way back.
pub type WaysBack = BTreeMap<String, Digest>;

/// Work on the assignments of a change, or on a roster, that the store does in the same transaction as the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Make the assignments of the population anew, all pending, in this order.
    Assign {
        /// The targets, by rank.
        targets: Vec<DeviceId>,
    },
    /// Offer the artifact to the pending targets of rank below this.
    ExposeRanks {
        /// One more than the highest rank.
        below: u64,
        /// How they come back.
        back: WaysBack,
    },
    /// Offer the artifact to the pending targets of these sites and groups.
    ExposeGroups {
        /// `site:north`, `group:canaries`.
        names: Vec<String>,
        /// How they come back.
        back: WaysBack,
    },
    /// Offer the artifact to the waiting targets that no other change is at work on any more, and that have a place.
    OfferWaiting {
        /// How they come back.
        back: WaysBack,
    },
    /// Give the targets that were not offered anything while the rollout stood still their time anew.
    Renew,
    /// Send every touched target back and release the others.
    Recall,
    /// Give the called-back targets whose turn it is their old artifact.
    RestoreNext,
    /// Release the targets that were never touched.
    Release,
    /// Have this bundle in force, unless one of its revision or a higher one is.
    Adopt {
        /// Which.
        bundle: BundleRef,
    },
    /// Write the roster of the change's environment, unless it has moved on from the revision before.
    Enroll {
        /// As it is from then on.
        record: Box<RosterRecord>,
    },
}
