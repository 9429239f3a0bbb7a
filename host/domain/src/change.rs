//! A change and its rules.

mod adopt;
mod apply;
mod command;
mod glass;
mod install;
mod pipeline;

use std::fmt;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

pub use command::{Borrowed, Command, SoFar, Yes};
pub use install::Standing;

use crate::{
    AccountId, Action, Approval, ApprovalFacts, ChangeId, DecisionId, DeviceId, Event, GateCounts, GateMode,
    GateReport, GlassBreak, GroupReport, Manifest, Outcome, Permit, PersonId, Refusal, Resource, Role,
    RollbackCause, Rollout, Task, TenantId, Timestamp,
};

/// Where a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its gates are being run.
    Gating,
    /// It waits for approvals, or for the policies to let it proceed.
    Approving,
    /// It is admitted and rolls out.
    RollingOut,
    /// It stands still until a person decides.
    Paused,
    /// Its targets are on their way back.
    RollingBack,
    /// Its targets are back.
    RolledBack,
    /// Its targets are there.
    Completed,
    /// A gate or a person refused it.
    Rejected,
    /// Its author withdrew it.
    Cancelled,
    /// Nobody admitted it in time.
    Expired,
}

impl State {
    /// Its name in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Gating => "gating",
            State::Approving => "approving",
            State::RollingOut => "rolling_out",
            State::Paused => "paused",
            State::RollingBack => "rolling_back",
            State::RolledBack => "rolled_back",
            State::Completed => "completed",
            State::Rejected => "rejected",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
        }
    }

    /// True when nothing more will happen by itself. A completed change can still be rolled back by a person.
    pub fn is_final(self) -> bool {
        match self {
            State::RolledBack | State::Completed | State::Rejected | State::Cancelled | State::Expired => {
                true
            }
            State::Gating | State::Approving | State::RollingOut | State::Paused | State::RollingBack => {
                false
            }
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Gating => "being judged by its gates",
            State::Approving => "waiting for approvals",
            State::RollingOut => "rolling out",
            State::Paused => "paused",
            State::RollingBack => "rolling back",
            State::RolledBack => "rolled back",
            State::Completed => "completed",
            State::Rejected => "rejected",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
        })
    }
}

/// Why the policies do not let a change go on just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What was asked.
    pub action: Action,
    /// Their decision.
    pub decision: DecisionId,
    /// Their reasons, each with the policy's id.
    pub reasons: Vec<String>,
}

/// A level of the approval profile waited too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The profile.
    pub profile: String,
    /// The level.
    pub level: String,
    /// The roles that may fill it, too, from then on.
    pub to: Vec<Role>,
    /// The digest that waits.
    pub digest: Digest,
    /// The stage that waits; absent when the whole change does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// From when on.
    pub since: Timestamp,
}

/// A proposal to move something from one revision to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its id.
    pub id: ChangeId,
    /// Who proposed it.
    pub author: PersonId,
    /// What they are called.
    pub author_name: String,
    /// Through which account.
    pub author_account: AccountId,
    /// What it would do.
    pub manifest: Manifest,
    /// The manifest's digest. Approvals, verdicts and the rollout bind to it.
    pub digest: Digest,
    /// Where it is.
    pub state: State,
    /// What the gates said of this digest.
    pub gates: Vec<GateReport>,
    /// What their groups came to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupReport>,
    /// What persons said, also of older digests.
    pub approvals: Vec<Approval>,
    /// The levels of its approval profile that waited too long, so that more roles may fill them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// Who broke the glass, also over older digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub glass: Vec<GlassBreak>,
    /// Why it is held just now.
    pub hold: Option<Hold>,
    /// The rollout, once admitted.
    pub rollout: Option<Rollout>,
    /// Why it goes or went back.
    pub rollback: Option<RollbackCause>,
    /// Why it stands still, was rejected or withdrawn.
    pub note: Option<String>,
    /// True while it stands still because somebody with clinical safety or regulatory stopped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused_by_safety: bool,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// When it was last revised: since then its digest is what it is. Absent when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revised_at: Option<Timestamp>,
    /// When it expires unless it is admitted.
    pub expires_at: Timestamp,
    /// When something last happened.
    pub updated_at: Timestamp,
    /// How many events it has had. Also its version for `If-Match`.
    pub revision: u64,
}

/// What somebody proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What it would do.
    pub manifest: Manifest,
    /// Whom it would reach, in the rollout's order.
    pub targets: Vec<DeviceId>,
    /// Who proposes it.
    pub author: crate::Actor,
    /// How long it may wait for approvals.
    pub expires_after_ms: u64,
}

/// A change after a step, what to record of it, and what to do with its assignments, all in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The change as it is now.
    pub change: Change,
    /// The revision that it was derived from; 0 when it is new. The store refuses when it has moved on.
    pub from_revision: u64,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// What to do with the assignments.
    pub tasks: Vec<Task>,
}

impl Change {
    /// The change as policies see it.
    pub fn resource(&self) -> Resource {
        Resource::Change {
            id: self.id.to_string(),
            tenant: self.manifest.tenant.clone(),
            environment: self.manifest.environment.clone(),
            change_kind: self.manifest.kind,
            author: self.author.clone(),
            paused_by_safety: self.paused_by_safety,
            back_weakens: self.manifest.plugins.is_some(),
        }
    }

    /// As policies see it, where it is known whether going back would weaken the checks that are in use.
    pub fn resource_going_back(&self, weakens: bool) -> Resource {
        let mut resource = self.resource();
        if let Resource::Change { back_weakens, .. } = &mut resource {
            *back_weakens = weakens;
        }
        resource
    }

    /// In which tenant it is.
    pub fn tenant(&self) -> &TenantId {
        &self.manifest.tenant
    }

    /// Whether it is a gate that keeps it from going on.
    pub fn is_kept_by_a_gate(&self) -> bool {
        let counts = self.gate_counts();
        counts.holding > 0 || counts.failed > 0
    }

    /// How many of the gates that count came to what, each group as one gate.
    pub fn gate_counts(&self) -> GateCounts {
        let alone =
            self.manifest.gates.iter().filter(|gate| gate.mode == GateMode::Enforce && gate.group.is_none());
        let counts = alone.fold(GateCounts::default(), |counts, gate| {
            let report = self.gates.iter().find(|report| report.answers(gate));
            counts.with(report.map(|report| report.verdict.outcome))
        });
        let groups = self.manifest.groups.iter().filter(|group| group.mode == GateMode::Enforce);
        groups.fold(counts, |counts, group| {
            let report = self.groups.iter().find(|report| report.name == group.name);
            counts.with(report.map(|report| report.outcome))
        })
    }

    /// The gates whose findings keep it from going on: those that count by themselves, and the deciding members of
    /// groups that do.
    pub fn keeping_gates(&self) -> impl Iterator<Item = &GateReport> {
        self.gates.iter().filter(|report| match &report.group {
            None => report.mode == GateMode::Enforce && report.verdict.outcome > Outcome::Warn,
            Some(group) => self.groups.iter().any(|judged| {
                judged.name == *group
                    && judged.mode == GateMode::Enforce
                    && judged.outcome > Outcome::Warn
                    && judged
                        .members
                        .iter()
                        .any(|member| member.decides && report.id.as_ref() == Some(&member.id))
            }),
        })
    }

    /// Since when its digest is what it is, and can be approved.
    pub fn digest_since(&self) -> Timestamp {
        self.revised_at.unwrap_or(self.created_at)
    }

    /// What the approvals over the current digest count to.
    pub fn approval_facts(&self) -> ApprovalFacts {
        ApprovalFacts::count(&self.approvals, &self.digest)
    }

    /// The change as its events say it is. `None` when they do not begin with a proposal.
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Change> {
        let mut events = events.into_iter();
        let mut change = Change::begin(events.next()?)?;
        for event in events {
            change.apply(event);
        }
        Some(change)
    }

    fn transition(&self, events: Vec<Event>, tasks: Vec<Task>) -> Transition {
        let mut change = self.clone();
        for event in &events {
            change.apply(event);
        }
        Transition { change, from_revision: self.revision, events, tasks }
    }

    fn permitted(&self, permit: &Permit, action: Action) -> Result<(), Refusal> {
        if permit.covers(action, self.id.as_str()) {
            return Ok(());
        }
        Err(Refusal::WrongPermit {
            permitted: permit.action(),
            needed: action,
            resource: self.id.to_string(),
        })
    }

    fn wrong_state(&self, verb: &'static str) -> Refusal {
        Refusal::WrongState { verb, change: self.id.to_string(), state: self.state }
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
