//! By what right somebody signs, and what it does to the change: the same rules as an answer without a signature has.

use interlock_domain::{
    Action, Actor, Change, Command, Decision, DelegationId, Digest, Extent, Meaning, Permit, SignatureId,
    Timestamp, Transition, Yes,
};

use crate::{
    App, FlowError,
    flow::{
        approve::{borrow, one_rejection_ends, so_far},
        ask::permit,
        standing::acting_with,
    },
};

/// What somebody wants to sign.
pub(super) struct Wish<'a> {
    pub(super) digest: Digest,
    pub(super) meaning: Meaning,
    pub(super) sig_id: &'a SignatureId,
    pub(super) stage: Option<u32>,
    pub(super) delegation: Option<&'a DelegationId>,
}

/// The right to it, as of now.
pub(super) struct Right {
    /// The signer with the roles that count: their own, or those that were lent to them.
    pub(super) acting: Actor,
    /// How far it reaches.
    pub(super) extent: Extent,
    digest: Digest,
    /// What it answers; nothing when it only says who made the change.
    answer: Option<Command>,
}

impl Right {
    /// Works it out.
    pub(super) async fn to(
        app: &App,
        who: &Actor,
        change: &Change,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> Result<Self, FlowError> {
        let borrowed = match wish.delegation {
            Some(id) => Some(borrow(app, who, change, id, now).await?),
            None => None,
        };
        let acting = match &borrowed {
            Some(borrowed) => acting_with(who, &borrowed.roles, &change.manifest.environment),
            None => who.clone(),
        };
        let delegation = borrowed.as_ref().map(|borrowed| borrowed.delegation.clone());
        let extent = Extent { stage: wish.stage, delegation };
        let answer = match wish.meaning {
            Meaning::Authorship | Meaning::Rejection if extent != Extent::default() => {
                let field = if wish.stage.is_some() { "/stage" } else { "/delegation" };
                let detail = "only a yes is for one stage or on somebody's behalf; leave it away";
                return Err(FlowError::invalid(field, detail));
            }
            Meaning::Authorship => None,
            Meaning::Rejection => {
                Some(Command::Reject { digest: wish.digest, veto: one_rejection_ends(app, change) })
            }
            Meaning::Review | Meaning::Approval | Meaning::Responsibility => {
                let so_far = so_far(app, change, wish.stage, now).await?;
                Some(Command::Approve(Box::new(Yes {
                    signature: Some(wish.sig_id.clone()),
                    stage: wish.stage,
                    borrowed,
                    so_far,
                    ..Yes::to(wish.digest, wish.meaning)
                })))
            }
        };
        Ok(Self { acting, extent, digest: wish.digest, answer })
    }

    /// Asks the policies. Whoever only says that they are the author must be able to read what they say it of.
    pub(super) async fn permit(
        &self,
        app: &App,
        change: &Change,
        now: Timestamp,
    ) -> Result<(Permit, Decision), FlowError> {
        let action = self.answer.as_ref().map_or(Action::ReadChange, Command::action);
        permit(app, &self.acting, action, change.resource(), Some(&change.id), now).await
    }

    /// What the change becomes; nothing when it stays as it is.
    pub(super) fn step(
        &self,
        change: &Change,
        reason: &str,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Option<Transition>, FlowError> {
        match &self.answer {
            Some(command) => Ok(Some(change.decide(command, &self.acting, reason, permit, now)?)),
            None => {
                change.is_authored(&self.acting, &self.digest)?;
                Ok(None)
            }
        }
    }
}
