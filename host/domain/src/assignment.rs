//! Assignments: one target in one rollout.
//!
//! *Installed* and *verified* differ: a client that says "success" may not have rebooted yet, so only the version
//! that the target itself reports moves it to verified. Coming back works the same way: a target is rolled back
//! when it reports its old version, not when somebody has told it to go there.

use std::fmt;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{ChangeId, DeviceHealth, DeviceId, Refusal, TenantId, Timestamp};

/// Where one target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentState {
    /// No stage has reached it.
    Pending,
    /// A stage has reached it, but another change is at work on it; it is offered when that is done.
    Waiting,
    /// It will be told at its next poll.
    Offered,
    /// It fetches the artifact.
    Downloading,
    /// It writes the artifact.
    Installing,
    /// Its client says that it is done.
    Installed,
    /// It reports the new version and is healthy.
    Verified,
    /// It did not work.
    Failed,
    /// Nothing was heard for too long. Counts as failed, until it is heard again.
    Silent,
    /// It is asked to stop what it is doing.
    Cancelling,
    /// It is asked which version it runs.
    Confirming,
    /// It is to be given its old artifact when it is its turn: others of its site or group are on their way.
    Recalled,
    /// It is given its old artifact.
    Restoring,
    /// It reports its old version.
    RolledBack,
    /// It could not be brought back; needs a person.
    RollbackFailed,
    /// The rollout ended without touching it.
    Released,
    /// A later change took it over, so this one neither waits for it nor brings it back.
    Superseded,
}

impl AssignmentState {
    /// Every state.
    pub const ALL: [AssignmentState; 17] = [
        AssignmentState::Pending,
        AssignmentState::Waiting,
        AssignmentState::Offered,
        AssignmentState::Downloading,
        AssignmentState::Installing,
        AssignmentState::Installed,
        AssignmentState::Verified,
        AssignmentState::Failed,
        AssignmentState::Silent,
        AssignmentState::Cancelling,
        AssignmentState::Confirming,
        AssignmentState::Recalled,
        AssignmentState::Restoring,
        AssignmentState::RolledBack,
        AssignmentState::RollbackFailed,
        AssignmentState::Released,
        AssignmentState::Superseded,
    ];

    /// Its name in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            AssignmentState::Pending => "pending",
            AssignmentState::Waiting => "waiting",
            AssignmentState::Offered => "offered",
            AssignmentState::Downloading => "downloading",
            AssignmentState::Installing => "installing",
            AssignmentState::Installed => "installed",
            AssignmentState::Verified => "verified",
            AssignmentState::Failed => "failed",
            AssignmentState::Silent => "silent",
            AssignmentState::Cancelling => "cancelling",
            AssignmentState::Confirming => "confirming",
            AssignmentState::Recalled => "recalled",
            AssignmentState::Restoring => "restoring",
            AssignmentState::RolledBack => "rolled_back",
            AssignmentState::RollbackFailed => "rollback_failed",
            AssignmentState::Released => "released",
            AssignmentState::Superseded => "superseded",
        }
    }

    /// On its way forward and not settled.
    pub fn is_advancing(self) -> bool {
        use AssignmentState::{Downloading, Installed, Installing, Offered};
        matches!(self, Offered | Downloading | Installing | Installed)
    }

    /// On its way back.
    pub fn is_returning(self) -> bool {
        use AssignmentState::{Cancelling, Confirming, Recalled, Restoring};
        matches!(self, Cancelling | Confirming | Recalled | Restoring)
    }

    /// Whether a target in this state takes a place of its site and groups, see [`crate::Places`]. On the way forward one
    /// that failed or is silent may be down, and the next must not join it. On the way `back` it must: what is wrong
    /// there is the new revision, and a target that is lost for good must not keep the others on it.
    pub fn takes_a_place(self, back: bool) -> bool {
        use AssignmentState::{Cancelling, Confirming, Failed, Restoring, RollbackFailed, Silent};
        let on_the_way_back = matches!(self, Cancelling | Confirming | Restoring);
        on_the_way_back || !back && (self.is_advancing() || matches!(self, Failed | Silent | RollbackFailed))
    }

    /// States in which the device protocol has something to say or to ask.
    pub fn is_live(self) -> bool {
        self.is_advancing() || self.is_returning() || self == AssignmentState::Silent
    }

    /// Where a recall sends a target: nothing open means that only its version is asked for. A settled target that
    /// runs what a later change brought (`taken_over`) stays there: what this change replaced is not what it came from.
    /// Of a change that is `paced`, a target that is at rest waits for its turn.
    pub fn recalled(self, taken_over: bool, paced: bool) -> Option<AssignmentState> {
        use AssignmentState::{
            Cancelling, Confirming, Downloading, Failed, Installed, Installing, Offered, Pending, Recalled,
            Released, Restoring, RollbackFailed, RolledBack, Silent, Superseded, Verified, Waiting,
        };
        match self {
            Pending | Waiting => Some(Released),
            Offered | Downloading | Installing => Some(Cancelling),
            Failed | Verified if taken_over => Some(Superseded),
            Verified if paced => Some(Recalled),
            // It may still have to restart into what it installed, and reports its old version until then: asking
            // would tell nothing.
            Installed | Verified => Some(Restoring),
            Failed | Silent => Some(Confirming),
            Cancelling | Confirming | Recalled | Restoring | RolledBack | RollbackFailed | Released
            | Superseded => None,
        }
    }
}

impl fmt::Display for AssignmentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far an action is, as hawkBit DDI puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// It is over.
    Closed,
    /// It goes on.
    Proceeding,
    /// It was cancelled.
    Canceled,
    /// It is put off.
    Scheduled,
    /// It is refused.
    Rejected,
    /// It goes on again.
    Resumed,
    /// The artifact is there.
    Downloaded,
    /// The artifact is being fetched.
    Download,
}

/// How an action ended, as hawkBit DDI puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finished {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// Not said.
    None,
}

/// What a device says of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// How far it is.
    pub execution: Execution,
    /// How it ended.
    pub finished: Finished,
    /// What it says in words, shortened by the edge.
    pub details: Vec<String>,
}

/// What a device says of itself, as far as it says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceReport<'a> {
    /// The version that it runs.
    pub version: Option<&'a str>,
    /// How it is.
    pub health: Option<DeviceHealth>,
    /// How long it may take to restart into what it installed, in milliseconds.
    pub restart_ms: i64,
}

/// What the device protocol should say to a target at its next poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Nothing.
    Nothing,
    /// Install this artifact.
    Deploy {
        /// The action it answers under.
        action: u32,
        /// The artifact.
        artifact: Digest,
    },
    /// Stop this action.
    Cancel {
        /// The action to stop.
        action: u32,
    },
    /// Say which version you run.
    Report,
}

/// One target in one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// In which tenant.
    pub tenant: TenantId,
    /// Of which change.
    pub change: ChangeId,
    /// Which target.
    pub device: DeviceId,
    /// Its place in the rollout's order.
    pub rank: u32,
    /// Where it is.
    pub state: AssignmentState,
    /// The action under which it goes forward. It comes back under the next number.
    pub action: u32,
    /// The artifact that it is given.
    pub artifact: Digest,
    /// The version that it reports once it runs the artifact.
    pub version: String,
    /// The version that it reported before.
    pub version_before: Option<String>,
    /// The artifact that brings it back.
    pub artifact_before: Option<Digest>,
    /// It fetched or installed something, so its report is still to come whatever happens to the rollout.
    pub begun: bool,
    /// It answered that it is done with coming back, well or not. What it reports after that is the end of it.
    pub answered_back: bool,
    /// When something last happened.
    pub touched_at: Timestamp,
    /// What it last said, for people.
    pub detail: String,
    /// Rises with every write.
    pub revision: u64,
}

/// A step of one target, for the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentEvent {
    /// Of which change.
    pub change: ChangeId,
    /// Which target.
    pub device: DeviceId,
    /// Where it was.
    pub from: AssignmentState,
    /// Where it is.
    pub to: AssignmentState,
    /// Why, for people.
    pub detail: String,
}

/// A step to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentTransition {
    /// The assignment after the step.
    pub assignment: Assignment,
    /// The step.
    pub event: AssignmentEvent,
}

impl Assignment {
    /// The action under which it comes back.
    pub fn restore_action(&self) -> u32 {
        self.action + 1
    }

    /// What to say to the target. `withheld` is true while the rollout is paused: work that has not begun is
    /// not offered then, but work that has begun stays visible so that its report arrives.
    pub fn offer(&self, withheld: bool) -> Offer {
        use AssignmentState as S;
        let deploy = Offer::Deploy { action: self.action, artifact: self.artifact };
        match self.state {
            S::Offered | S::Silent if withheld && !self.begun => Offer::Nothing,
            S::Offered | S::Silent | S::Downloading | S::Installing => deploy,
            S::Installed | S::Confirming => Offer::Report,
            S::Cancelling => Offer::Cancel { action: self.action },
            S::Restoring => match self.artifact_before {
                Some(artifact) => Offer::Deploy { action: self.restore_action(), artifact },
                None => Offer::Nothing,
            },
            S::Pending
            | S::Waiting
            | S::Recalled
            | S::Verified
            | S::Failed
            | S::RolledBack
            | S::RollbackFailed
            | S::Released
            | S::Superseded => Offer::Nothing,
        }
    }

    /// The target says something of a deployment action.
    pub fn feedback(
        &self,
        action: u32,
        feedback: &Feedback,
        now: Timestamp,
    ) -> Result<Option<AssignmentTransition>, Refusal> {
        use AssignmentState as S;
        if action != self.action && action != self.restore_action() {
            return Err(Refusal::NoSuchAction { device: self.device.to_string(), action });
        }
        let forward = action == self.action;
        let closed = Refusal::ActionClosed { device: self.device.to_string(), action };
        let open = if forward {
            self.state.is_advancing() && self.state != S::Installed || self.state == S::Silent
        } else {
            self.state == S::Restoring
        };
        // A target that is asked to stop may finish first: its last words still count.
        let late = forward && self.state == S::Cancelling;
        if !open && !late {
            return Err(closed);
        }
        let said = feedback.details.last().cloned().unwrap_or_default();
        let to = match (feedback.execution, feedback.finished) {
            (Execution::Closed, Finished::Success) if forward && !late => S::Installed,
            // Too late to stop: it has installed, and may still have to restart into it.
            (Execution::Closed, Finished::Success) if late => S::Restoring,
            (Execution::Closed, Finished::Success | Finished::None) => S::Confirming,
            (Execution::Closed, Finished::Failure) if forward && !late => S::Failed,
            // Whatever it says of its way back, the version that it runs decides: it may refuse to install what it has.
            (Execution::Closed, Finished::Failure) => S::Confirming,
            (Execution::Canceled, _) if forward && !late => S::Failed,
            (Execution::Canceled, _) if late => S::Confirming,
            (Execution::Rejected, _) if forward && !late => S::Failed,
            (Execution::Download | Execution::Downloaded, _) if forward && !late => S::Downloading,
            (Execution::Proceeding | Execution::Resumed, _) if forward && !late => S::Installing,
            (
                Execution::Download
                | Execution::Downloaded
                | Execution::Proceeding
                | Execution::Resumed
                | Execution::Scheduled
                | Execution::Canceled
                | Execution::Rejected,
                _,
            ) => self.state,
        };
        // "Closed" without a result is no success: the version that the target reports decides.
        let to = if forward && !late && to == S::Confirming { S::Installed } else { to };
        Ok(self.step(to, said, now))
    }

    /// The target says something of a cancellation.
    pub fn cancel_feedback(
        &self,
        action: u32,
        feedback: &Feedback,
        now: Timestamp,
    ) -> Result<Option<AssignmentTransition>, Refusal> {
        if action != self.action {
            return Err(Refusal::NoSuchAction { device: self.device.to_string(), action });
        }
        if self.state != AssignmentState::Cancelling {
            return Err(Refusal::ActionClosed { device: self.device.to_string(), action });
        }
        let said = feedback.details.last().cloned().unwrap_or_default();
        let to = match feedback.execution {
            Execution::Closed | Execution::Canceled => AssignmentState::Confirming,
            // Too late to stop: how the installation ends is still to be said, and asking before that tells nothing.
            Execution::Rejected
            | Execution::Proceeding
            | Execution::Scheduled
            | Execution::Resumed
            | Execution::Downloaded
            | Execution::Download => self.state,
        };
        Ok(self.step(to, said, now))
    }

    /// The target fetched its deployment or began to fetch its artifact.
    pub fn fetched(&self, now: Timestamp) -> Option<AssignmentTransition> {
        match self.state {
            AssignmentState::Offered | AssignmentState::Silent => {
                self.step(AssignmentState::Downloading, "fetches the artifact".to_owned(), now)
            }
            _ => None,
        }
    }

    /// The target reports what it is. Something that it did not mention decides nothing.
    pub fn reported(&self, report: &DeviceReport<'_>, now: Timestamp) -> Option<AssignmentTransition> {
        use AssignmentState as S;
        let critical = report.health == Some(DeviceHealth::Critical);
        let Some(version) = report.version else {
            let failed = self.state == S::Verified && critical;
            let detail = || "was verified, but now reports critical health".to_owned();
            return failed.then(|| self.step(S::Failed, detail(), now)).flatten();
        };
        let runs_new = version == self.version;
        let runs_old = self.version_before.as_deref() == Some(version);
        // A client may say that it is done before it has restarted into what it installed.
        let may_restart = now.millis_since(self.touched_at) < report.restart_ms;
        match self.state {
            S::Installed | S::Installing | S::Silent if runs_new && critical => {
                self.step(S::Failed, format!("runs {version}, but reports critical health"), now)
            }
            S::Installed | S::Installing | S::Silent if runs_new => {
                self.step(S::Verified, format!("reports {version}"), now)
            }
            S::Installed if !may_restart => {
                self.step(S::Failed, format!("said it was installed, but reports {version}"), now)
            }
            S::Verified if !runs_new => {
                self.step(S::Failed, format!("was verified, but now reports {version}"), now)
            }
            S::Verified if critical => {
                self.step(S::Failed, "was verified, but now reports critical health".to_owned(), now)
            }
            S::Confirming | S::Recalled | S::Restoring | S::RollbackFailed if runs_old => {
                self.step(S::RolledBack, format!("reports {version}"), now)
            }
            // It was asked to stop and ran on, or restarted into the new version after it was seen on the old one.
            S::Cancelling | S::RolledBack if runs_new => {
                self.step(S::Restoring, format!("reports {version}; its old artifact is offered"), now)
            }
            S::Confirming if !self.answered_back => {
                self.step(S::Restoring, format!("reports {version}; its old artifact is offered"), now)
            }
            S::Confirming if !may_restart => self.step(
                S::RollbackFailed,
                format!("was given its old artifact, but reports {version}; install it by hand"),
                now,
            ),
            _ => None,
        }
    }

    /// Nothing was heard for too long. What was not begun while the rollout stands still (`withheld`) was not offered,
    /// so its silence means nothing. On the way back a silent target stays on its way: the offer must be there when it
    /// returns.
    pub fn silence(&self, withheld: bool, now: Timestamp) -> Option<AssignmentTransition> {
        if !self.state.is_advancing() || withheld && !self.begun {
            return None;
        }
        self.step(AssignmentState::Silent, format!("silent since {}", self.touched_at), now)
    }

    /// The rollout is called back. `taken_over` is true when the target runs what a later change brought.
    pub fn recall(&self, taken_over: bool, paced: bool, now: Timestamp) -> Option<AssignmentTransition> {
        let to = self.state.recalled(taken_over, paced)?;
        self.step(to, "the rollout was called back".to_owned(), now)
    }

    /// It is the turn of a target that was called back.
    pub fn restore(&self, now: Timestamp) -> Option<AssignmentTransition> {
        if self.state != AssignmentState::Recalled {
            return None;
        }
        self.step(AssignmentState::Restoring, "its old artifact is offered".to_owned(), now)
    }

    fn step(&self, to: AssignmentState, detail: String, now: Timestamp) -> Option<AssignmentTransition> {
        if to == self.state {
            return None;
        }
        // Nothing to restore from: say so at once instead of offering nothing for ever.
        let (to, detail) = match (to, &self.artifact_before) {
            (AssignmentState::Recalled | AssignmentState::Restoring, None) => (
                AssignmentState::RollbackFailed,
                "no stored artifact brings it back; install it by hand".to_owned(),
            ),
            _ => (to, detail),
        };
        let event = AssignmentEvent {
            change: self.change.clone(),
            device: self.device.clone(),
            from: self.state,
            to,
            detail: detail.clone(),
        };
        let begun = self.begun
            || matches!(
                to,
                AssignmentState::Downloading | AssignmentState::Installing | AssignmentState::Installed
            );
        let revision = self.revision + 1;
        let answered_back = match (self.state, to) {
            (AssignmentState::Restoring, AssignmentState::Confirming) => true,
            (_, AssignmentState::Restoring) => false,
            _ => self.answered_back,
        };
        let assignment =
            Assignment { state: to, begun, answered_back, touched_at: now, detail, revision, ..self.clone() };
        Some(AssignmentTransition { assignment, event })
    }
}

#[cfg(test)]
#[path = "assignment_tests.rs"]
mod tests;
