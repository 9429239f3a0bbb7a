//! Why a rule said no. Written for the person who asked: what, why, and what to do next.

use interlock_ledger::Digest;

use crate::{Action, State};

/// A rule said no. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The permit is for something else. A defect of the caller, answered like a deny.
    #[error("the permit is for `{permitted}`, not for `{needed}` on `{resource}`")]
    WrongPermit {
        /// What the permit covers.
        permitted: Action,
        /// What was needed.
        needed: Action,
        /// On what.
        resource: String,
    },
    /// The change is in a state in which this cannot be done.
    #[error("cannot {verb} `{change}`: it is {state}")]
    WrongState {
        /// What was asked for.
        verb: &'static str,
        /// The change.
        change: String,
        /// Its state.
        state: State,
    },
    /// The answer is to another digest than the change has now.
    #[error("cannot {verb} `{change}`: you answered to {given}, but its digest is {current}; read it again")]
    OtherDigest {
        /// What was asked for.
        verb: &'static str,
        /// The change.
        change: String,
        /// The digest that was answered to.
        given: Digest,
        /// The digest that it has.
        current: Digest,
    },
    /// The author may not approve.
    #[error("cannot approve `{change}`: you proposed it, or signed what it brings; ask somebody else")]
    OwnChange {
        /// The change.
        change: String,
    },
    /// Only the author may.
    #[error("cannot {verb} `{change}`: somebody else proposed it; ask them, or propose a change of your own")]
    NotTheAuthor {
        /// What was asked for.
        verb: &'static str,
        /// The change.
        change: String,
    },
    /// The permit was given to somebody else. A defect of the caller, answered like a deny.
    #[error("the permit to {verb} `{change}` was given to somebody else")]
    NotYourPermit {
        /// What was asked for.
        verb: &'static str,
        /// The change.
        change: String,
    },
    /// Programs may not approve.
    #[error("cannot approve `{change}` with a service account; a person has to do it")]
    NotAPerson {
        /// The change.
        change: String,
    },
    /// Whoever handed out a key or a role does not confirm it, nor does whoever received it.
    #[error(
        "cannot confirm `{name}` ({account}): you handed out a key, role or invitation of it that nobody confirmed, or it is yours; ask another administrator to"
    )]
    SecondPersonNeeded {
        /// The account.
        account: String,
        /// What it is called.
        name: String,
    },
    /// One person counts once.
    #[error("cannot approve `{change}` again: `{name}` approved this digest at {at}; another person has to")]
    AlreadyApproved {
        /// The change.
        change: String,
        /// Who.
        name: String,
        /// When.
        at: crate::Timestamp,
    },
    /// It is another level's turn.
    #[error(
        "cannot approve `{change}` for the level `{level}` yet: the level `{before}` comes before it; ask for that one first"
    )]
    OutOfTurn {
        /// The change.
        change: String,
        /// The level that the approval would be for.
        level: String,
        /// The level whose turn it is.
        before: String,
    },
    /// The level counts signed approvals only.
    #[error(
        "cannot approve `{change}` without a signature: the level `{level}` counts signed approvals only; sign it"
    )]
    Unsigned {
        /// The change.
        change: String,
        /// The level.
        level: String,
    },
    /// The stage was entered already.
    #[error("cannot approve stage {stage} of `{change}`: the next stage is {next}")]
    StageOver {
        /// The change.
        change: String,
        /// The stage.
        stage: u32,
        /// The one that is next.
        next: u32,
    },
    /// A delegation cannot be made so.
    #[error("{detail}")]
    BadDelegation {
        /// JSON pointer to the field.
        field: &'static str,
        /// What does not fit, and what would.
        detail: String,
    },
    /// A delegation cannot be used for this.
    #[error("cannot approve `{change}` under `{delegation}`: {why}")]
    DelegationNotUsable {
        /// The change.
        change: String,
        /// The delegation.
        delegation: String,
        /// Why.
        why: &'static str,
    },
    /// Breaking the glass takes two.
    #[error("you broke the glass for `{change}` already; it takes a second person, before {until}")]
    SecondToBreak {
        /// The change.
        change: String,
        /// How long the first waits.
        until: crate::Timestamp,
    },
    /// What is confirmed is not what was read.
    #[error(
        "cannot confirm `{name}` ({account}): something else was handed out since you read it; read it again, ask the person, then \
         confirm that"
    )]
    OtherHandOut {
        /// The account.
        account: String,
        /// What they are called.
        name: String,
    },
    /// Nobody would administer the tenant any more.
    #[error(
        "cannot take `{name}` ({account}) away: nobody else administers this tenant; have another account hold `administrator` \
         everywhere and be confirmed first"
    )]
    LastAdministrator {
        /// The account.
        account: String,
        /// What they are called.
        name: String,
    },
    /// One of the two who break the glass answers for safety.
    #[error(
        "cannot break the glass for `{change}` with {first}: neither of you answers for safety there; ask somebody who holds \
         clinical safety or regulatory to do so before {until}"
    )]
    SafetyToBreak {
        /// The change.
        change: String,
        /// Who was the first.
        first: String,
        /// How long the first waits.
        until: crate::Timestamp,
    },
    /// Whoever broke the glass does not review that.
    #[error("cannot review `{incident}`: you broke the glass; ask somebody else to review it")]
    OwnIncident {
        /// The incident.
        incident: String,
    },
    /// Somebody reviewed it.
    #[error("cannot review `{incident}`: `{name}` reviewed it already")]
    AlreadyReviewed {
        /// The incident.
        incident: String,
        /// Who.
        name: String,
    },
    /// The time for approvals is over.
    #[error("cannot approve `{change}`: it expired at {at}; propose it again")]
    Expired {
        /// The change.
        change: String,
        /// When.
        at: crate::Timestamp,
    },
    /// A `policy` change has no way back.
    #[error(
        "cannot roll back `{change}`: the policies never go back to a lower revision; propose the earlier ones under a \
         higher `revision`, and have that approved"
    )]
    PoliciesGoForward {
        /// The change.
        change: String,
    },
    /// Nobody answers to a request that is about them, or that they or their program made.
    #[error(
        "cannot {verb} access request `{request}`: it is about you, or you or your program made it; ask somebody else"
    )]
    OwnRequest {
        /// What was asked for.
        verb: &'static str,
        /// The request.
        request: String,
    },
    /// The request is not waiting, or there is nothing to take back.
    #[error("cannot {verb} access request `{request}`: it is {status}")]
    RequestOver {
        /// What was asked for.
        verb: &'static str,
        /// The request.
        request: String,
        /// What became of it.
        status: &'static str,
    },
    /// A reason is missing.
    #[error("cannot {verb} `{change}` without a reason; say why in `reason`")]
    NoReason {
        /// What was asked for.
        verb: &'static str,
        /// The change.
        change: String,
    },
    /// The strategy wants something that the plan does not allow.
    #[error("the strategy asked for stage {asked}, but the next stage is {next}")]
    SkippedStage {
        /// What it asked for.
        asked: u32,
        /// What would be next.
        next: u32,
    },
    /// The strategy wants to complete too early.
    #[error("the strategy asked to complete, but {open} of {targets} targets are not settled yet")]
    NotSettled {
        /// Targets without a final state.
        open: u64,
        /// All targets.
        targets: u64,
    },
    /// A device answered for an action that it does not have.
    #[error("device `{device}` has no action {action}")]
    NoSuchAction {
        /// The device.
        device: String,
        /// What it answered for.
        action: u32,
    },
    /// A device answered for an action that is closed.
    #[error("action {action} of device `{device}` is closed")]
    ActionClosed {
        /// The device.
        device: String,
        /// What it answered for.
        action: u32,
    },
    /// The roster is not what a step was made for.
    #[error("{what} `{name}` is {found} now, and the change was made for {expected}; propose it again")]
    RosterMovedOn {
        /// `plugin`, `binding`, `gate group`, `the grants of`.
        what: &'static str,
        /// Which.
        name: String,
        /// What the step was made for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The roster would not hold together.
    #[error("{0}")]
    BadRoster(String),
    /// The manifest does not hold together.
    #[error("{0}")]
    BadManifest(String),
}
