//! What persons do to a change. One `match` over (state, command) with every pair in it.

use super::{Change, State, Transition};
use crate::{
    AccountKind, Action, Actor, Approval, ApprovalFacts, Event, Given, Meaning, NotNow, Permit, Profile,
    Refusal, Role, RollbackCause, SignatureId, Task, Timestamp, UsedDelegation,
};

/// How old an approval must be before the same person can give it again: a day, so that a repetition is a fresh look and
/// not a second click.
const RENEWABLE_AFTER_MS: i64 = 24 * 3_600_000;

/// What a person wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say yes to this digest.
    Approve(Box<Yes>),
    /// Say no to this digest.
    Reject {
        /// The digest that they read.
        digest: interlock_ledger::Digest,
        /// Whether that alone ends the change.
        veto: bool,
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

/// A yes, with all that it is given with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// The digest that they read.
    pub digest: interlock_ledger::Digest,
    /// What they mean.
    pub meaning: Meaning,
    /// The electronic signature that they gave with it, if they signed.
    pub signature: Option<SignatureId>,
    /// The one stage that it is for; absent when it is for the whole change.
    pub stage: Option<u32>,
    /// What was lent to them, when they approve with the roles of somebody else.
    pub borrowed: Option<Borrowed>,
    /// What has come together so far; absent where no approval profile is for the change.
    pub so_far: Option<SoFar>,
}

impl Yes {
    /// A plain yes.
    pub fn to(digest: interlock_ledger::Digest, meaning: Meaning) -> Self {
        Self { digest, meaning, signature: None, stage: None, borrowed: None, so_far: None }
    }
}

/// Roles that were lent by a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Borrowed {
    /// By which delegation.
    pub delegation: UsedDelegation,
    /// The roles that it comes to there today.
    pub roles: Vec<Role>,
}

/// What has come together of an approval profile so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoFar {
    /// The profile.
    pub profile: Profile,
    /// The approvals that hold.
    pub facts: ApprovalFacts,
}

impl Command {
    /// What the policies are asked for.
    pub fn action(&self) -> Action {
        match self {
            Command::Approve(yes) if yes.stage.is_some() => Action::ApproveStage,
            Command::Approve(_) => Action::ApproveChange,
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
            Command::Approve(_) => "approve",
            Command::Reject { .. } => "reject",
            Command::Cancel => "cancel",
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Promote => "promote",
            Command::RollBack => "roll back",
        }
    }
}

impl SoFar {
    /// Whether an approval of theirs is among those that hold and have not expired, whatever level it is for. One that was
    /// given before its turn is not.
    fn counts(&self, by: &Actor, stage: Option<u32>, now: Timestamp) -> bool {
        let tally = self.profile.tally(&self.facts, stage.unwrap_or(0), now);
        let counted = tally.levels.iter().any(|level| level.persons.contains(&by.person));
        // Superfluous approvals do not count either, and need no renewal.
        counted || tally.complete()
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
            (State::Gating | State::Approving, Command::Approve(yes)) => {
                self.approve(verb, yes, by, reason, permit, now)
            }
            // What is for one stage is given while the rollout is under way, too.
            (State::RollingOut | State::Paused, Command::Approve(yes)) if yes.stage.is_some() => {
                self.approve(verb, yes, by, reason, permit, now)
            }
            (State::Expired, Command::Approve(_)) => {
                Err(Refusal::Expired { change: self.id.to_string(), at: self.expires_at })
            }
            (State::Gating | State::Approving, Command::Reject { digest, veto }) => {
                self.answerable(verb, digest)?;
                let approval = self.answer(by, Meaning::Rejection, reason, permit, now);
                Ok(if *veto {
                    self.transition(vec![Event::Rejected { approval, at: now }], vec![Task::Release])
                } else {
                    self.transition(vec![Event::Objected { approval, at: now }], vec![])
                })
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
                Command::Approve(_) | Command::Reject { .. } | Command::Cancel,
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

    /// Whether somebody may sign that they are its author: they are, and it still waits.
    pub fn is_authored(&self, by: &Actor, digest: &interlock_ledger::Digest) -> Result<(), Refusal> {
        let verb = "sign as the author of";
        if by.person != self.author || by.kind == AccountKind::Service {
            return Err(Refusal::NotTheAuthor { verb, change: self.id.to_string() });
        }
        if !matches!(self.state, State::Gating | State::Approving) {
            return Err(self.wrong_state(verb));
        }
        self.answerable(verb, digest)
    }

    pub(super) fn answerable(
        &self,
        verb: &'static str,
        digest: &interlock_ledger::Digest,
    ) -> Result<(), Refusal> {
        if *digest == self.digest {
            return Ok(());
        }
        Err(Refusal::OtherDigest { verb, change: self.id.to_string(), given: *digest, current: self.digest })
    }

    fn approve(
        &self,
        verb: &'static str,
        yes: &Yes,
        by: &Actor,
        reason: String,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Transition, Refusal> {
        self.answerable(verb, &yes.digest)?;
        self.may_approve(yes, by, now)?;
        let mut approval = self.answer(by, yes.meaning, reason, permit, now);
        approval.signature = yes.signature.clone();
        approval.stage = yes.stage;
        if let Some(borrowed) = &yes.borrowed {
            approval.roles.clone_from(&borrowed.roles);
            approval.delegation = Some(borrowed.delegation.clone());
        }
        if let Some(so_far) = &yes.so_far {
            self.in_turn(so_far, &Given::from(&approval), now)?;
        }
        Ok(self.transition(vec![Event::Approved { approval, at: now }], vec![]))
    }

    /// The rules that hold whatever the policies say; a policy can only add to them.
    fn may_approve(&self, yes: &Yes, by: &Actor, now: Timestamp) -> Result<(), Refusal> {
        let change = self.id.to_string();
        if by.kind == AccountKind::Service {
            return Err(Refusal::NotAPerson { change });
        }
        let lender = yes.borrowed.as_ref().map(|borrowed| &borrowed.delegation.on_behalf_of);
        if by.person == self.author || lender == Some(&self.author) {
            return Err(Refusal::OwnChange { change });
        }
        let waits = matches!(self.state, State::Gating | State::Approving);
        if waits && now >= self.expires_at {
            return Err(Refusal::Expired { change, at: self.expires_at });
        }
        if let Some(stage) = yes.stage {
            self.stage(stage)?;
            let next = self.rollout.as_ref().map_or(0, crate::Rollout::next_stage);
            if stage < next {
                return Err(Refusal::StageOver { change, stage, next });
            }
        }
        let earlier = self.approvals.iter().rev().find(|approval| {
            approval.person == by.person && approval.digest == self.digest && approval.stage == yes.stage
        });
        // An approval grows old, or does not count where it was given too early; its giver can renew it then, and still
        // counts once. Whoever said no meanwhile may say yes again, and whoever only said it may sign it.
        let signs = |earlier: &Approval| yes.signature.is_some() && earlier.signature.is_none();
        if let Some(earlier) = earlier
            && earlier.meaning != Meaning::Rejection
            && !signs(earlier)
            && now.millis_since(earlier.at) < RENEWABLE_AFTER_MS
            && yes.so_far.as_ref().is_none_or(|so_far| so_far.counts(by, yes.stage, now))
        {
            return Err(Refusal::AlreadyApproved { change, name: earlier.name.clone(), at: earlier.at });
        }
        Ok(())
    }

    /// An approval that would count for nothing, since it is not its level's turn, is a mistake of its giver.
    fn in_turn(&self, so_far: &SoFar, given: &Given, now: Timestamp) -> Result<(), Refusal> {
        let change = self.id.to_string();
        match so_far.profile.not_now(&so_far.facts, given.stage.unwrap_or(0), given, now) {
            None => Ok(()),
            Some(NotNow::OutOfTurn { level, before }) => Err(Refusal::OutOfTurn { change, level, before }),
            Some(NotNow::Unsigned { level }) => Err(Refusal::Unsigned { change, level }),
        }
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
            stage: None,
            delegation: None,
        }
    }
}
