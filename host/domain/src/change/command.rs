//! What persons do to a change. One `match` over (state, command) with every pair in it.

use super::{Change, State, Transition};
use crate::{
    AccountKind, Action, Actor, Approval, Event, Meaning, Permit, Refusal, RollbackCause, SignatureId, Task,
    Timestamp,
};

/// How old an approval must be before the same person can give it again: a day, so that a repetition is a fresh look and
/// not a second click.
const RENEWABLE_AFTER_MS: i64 = 24 * 3_600_000;

/// What a person wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say yes to this digest.
    Approve {
        /// The digest that they read.
        digest: interlock_ledger::Digest,
        /// What they mean.
        meaning: Meaning,
        /// The electronic signature that they gave with it, if they signed.
        signature: Option<SignatureId>,
    },
    /// Say no to this digest.
    Reject {
        /// The digest that they read.
        digest: interlock_ledger::Digest,
    },
    /// Withdraw it.
    Cancel,
    /// Stop it where it is.
    Pause,
    /// Let it go on.
    Resume,
    /// Leave the current stage without waiting.
    Promote,
    /// Send every touched target back, also after it completed.
    RollBack,
}

impl Command {
    /// What the policies are asked for.
    pub fn action(&self) -> Action {
        match self {
            Command::Approve { .. } => Action::ApproveChange,
            Command::Reject { .. } => Action::RejectChange,
            Command::Cancel => Action::CancelChange,
            Command::Pause => Action::PauseRollout,
            Command::Resume => Action::ResumeRollout,
            Command::Promote => Action::PromoteRollout,
            Command::RollBack => Action::RollBackRollout,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Command::Approve { .. } => "approve",
            Command::Reject { .. } => "reject",
            Command::Cancel => "cancel",
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Promote => "promote",
            Command::RollBack => "roll back",
        }
    }
}

impl Change {
    /// A person does something. Why they do it belongs to the record, so it may not be empty.
    pub fn decide(
        &self,
        command: &Command,
        by: &Actor,
        reason: &str,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        self.permitted(permit, command.action())?;
        let verb = command.verb();
        if !permit.held_by(&by.account) {
            return Err(Refusal::NotYourPermit { verb, change: self.id.to_string() });
        }
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason { verb, change: self.id.to_string() });
        }
        let reason = reason.trim().to_owned();
        let person = by.person.clone();
        match (self.state, command) {
            (State::Gating | State::Approving, Command::Approve { digest, meaning, signature }) => {
                self.answerable(verb, digest)?;
                self.may_approve(by, now)?;
                let given = self.answer(by, *meaning, reason, permit, now);
                let approval = Approval { signature: signature.clone(), ..given };
                Ok(self.transition(vec![Event::Approved { approval, at: now }], vec![]))
            }
            (State::Gating | State::Approving, Command::Reject { digest }) => {
                self.answerable(verb, digest)?;
                let approval = self.answer(by, Meaning::Rejection, reason, permit, now);
                Ok(self.transition(vec![Event::Rejected { approval, at: now }], vec![Task::Release]))
            }
            (State::Gating | State::Approving, Command::Cancel) => {
                let event = Event::Cancelled { by: person, reason, at: now };
                Ok(self.transition(vec![event], vec![Task::Release]))
            }
            (State::RollingOut, Command::Pause) => {
                let there = by.roles_in(Some(&self.manifest.environment));
                let by_safety = there.into_iter().any(crate::Role::is_safety);
                let event = Event::Paused { by: Some(person), by_safety, reason, at: now };
                Ok(self.transition(vec![event], vec![]))
            }
            (State::Paused, Command::Resume) => {
                Ok(self.transition(vec![Event::Resumed { by: person, reason, at: now }], vec![Task::Renew]))
            }
            (State::RollingOut, Command::Promote) => {
                Ok(self.transition(vec![Event::Promoted { by: person, reason, at: now }], vec![]))
            }
            // Policies never go back to a lower revision.
            (State::Completed, Command::RollBack) if self.manifest.policies.is_some() => {
                Err(Refusal::PoliciesGoForward { change: self.id.to_string() })
            }
            // That alters a roster, which is not known here: see `Change::put_back`.
            (State::Completed, Command::RollBack) if self.manifest.plugins.is_some() => {
                Err(self.wrong_state("roll back the targets of"))
            }
            (State::RollingOut | State::Paused | State::Completed, Command::RollBack) => {
                let cause = RollbackCause::Person { person, name: by.name.clone(), reason };
                Ok(self.transition(vec![Event::RollbackBegun { cause, at: now }], vec![Task::Recall]))
            }
            (
                State::RollingOut
                | State::Paused
                | State::RollingBack
                | State::RolledBack
                | State::Completed
                | State::Rejected
                | State::Cancelled
                | State::Expired,
                Command::Approve { .. } | Command::Reject { .. } | Command::Cancel,
            )
            | (
                State::Gating
                | State::Approving
                | State::Paused
                | State::RollingBack
                | State::RolledBack
                | State::Completed
                | State::Rejected
                | State::Cancelled
                | State::Expired,
                Command::Pause | Command::Promote,
            )
            | (
                State::Gating
                | State::Approving
                | State::RollingOut
                | State::RollingBack
                | State::RolledBack
                | State::Completed
                | State::Rejected
                | State::Cancelled
                | State::Expired,
                Command::Resume,
            )
            | (
                State::Gating
                | State::Approving
                | State::RollingBack
                | State::RolledBack
                | State::Rejected
                | State::Cancelled
                | State::Expired,
                Command::RollBack,
            ) => Err(self.wrong_state(verb)),
        }
    }

    fn answerable(&self, verb: &'static str, digest: &interlock_ledger::Digest) -> Result<(), Refusal> {
        if *digest == self.digest {
            return Ok(());
        }
        Err(Refusal::OtherDigest { verb, change: self.id.to_string(), given: *digest, current: self.digest })
    }

    /// The rules that hold whatever the policies say; a policy can only add to them.
    fn may_approve(&self, by: &Actor, now: Timestamp) -> Result<(), Refusal> {
        let change = self.id.to_string();
        if by.kind == AccountKind::Service {
            return Err(Refusal::NotAPerson { change });
        }
        if by.person == self.author {
            return Err(Refusal::OwnChange { change });
        }
        if now >= self.expires_at {
            return Err(Refusal::Expired { change, at: self.expires_at });
        }
        let earlier = self.approvals.iter().rev().find(|approval| {
            approval.person == by.person
                && approval.digest == self.digest
                && approval.meaning != Meaning::Rejection
        });
        // An approval grows old in the eyes of the policies; its giver can renew it then, and still counts once.
        if let Some(earlier) = earlier
            && now.millis_since(earlier.at) < RENEWABLE_AFTER_MS
        {
            return Err(Refusal::AlreadyApproved { change, name: earlier.name.clone(), at: earlier.at });
        }
        Ok(())
    }

    fn answer(
        &self,
        by: &Actor,
        meaning: Meaning,
        reason: String,
        permit: &Permit,
        now: Timestamp,
    ) -> Approval {
        Approval {
            person: by.person.clone(),
            account: by.account.clone(),
            name: by.name.clone(),
            roles: by.roles_in(Some(&self.manifest.environment)),
            meaning,
            reason,
            digest: self.digest,
            at: now,
            decision: permit.decision().clone(),
            signature: None,
        }
    }
}
