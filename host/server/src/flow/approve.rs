//! A person says yes: with their own roles or with those that were lent to them, signed or not, to a whole change or to one
//! stage of it.

use interlock_domain::{
    Action, Actor, Borrowed, Change, ChangeId, Command, DelegationId, Digest, Meaning, Refusal, SignatureId,
    SoFar, Timestamp, Yes,
};
use interlock_store::Write;

use super::{
    anew::commit_anew,
    ask::permit,
    change::{expect_revision, load},
    standing::{self, acting_with},
};
use crate::{App, FlowError};

/// What is said.
#[derive(Debug, Clone)]
pub struct Said {
    /// The digest that was read.
    pub digest: Digest,
    /// What is meant.
    pub meaning: Meaning,
    /// Why.
    pub reason: String,
    /// The electronic signature that was given with it.
    pub signature: Option<SignatureId>,
    /// The one stage that it is for.
    pub stage: Option<u32>,
    /// The delegation under which it is given.
    pub delegation: Option<DelegationId>,
}

/// Records an approval. Which rules hold is asked of the change as it is in the same moment: when somebody else was faster,
/// they are asked again.
pub async fn approve(
    app: &App,
    who: &Actor,
    id: &ChangeId,
    revision: Option<u64>,
    said: &Said,
) -> Result<Change, FlowError> {
    let change = commit_anew(app, who, |now| async move {
        let change = load(app, &who.tenant, id).await?;
        expect_revision(&change, revision)?;
        let borrowed = match &said.delegation {
            Some(delegation) => Some(borrow(app, who, &change, delegation, now).await?),
            None => None,
        };
        let environment = &change.manifest.environment;
        let acting = match &borrowed {
            Some(borrowed) => acting_with(who, &borrowed.roles, environment),
            None => who.clone(),
        };
        let so_far = so_far(app, &change, said.stage, now).await?;
        let command = Command::Approve(Box::new(Yes {
            digest: said.digest,
            meaning: said.meaning,
            signature: said.signature.clone(),
            stage: said.stage,
            borrowed,
            so_far,
        }));
        let action: Action = command.action();
        let (permit, decision) = permit(app, &acting, action, change.resource(), Some(id), now).await?;
        let transition = change.decide(&command, &acting, &said.reason, &permit, now)?;
        let change = transition.change.clone();
        Ok((vec![Write::Decision(Box::new(decision)), Write::Change(Box::new(transition))], change))
    })
    .await?;
    app.wake();
    Ok(change)
}

/// What has come together of the profile for a change; `None` where none is for it.
pub(crate) async fn so_far(
    app: &App,
    change: &Change,
    stage: Option<u32>,
    now: Timestamp,
) -> Result<Option<SoFar>, FlowError> {
    let bundle = app.policies.bundle();
    let Some(profile) = standing::profile(&bundle, change) else { return Ok(None) };
    let facts = standing::facts(app, change, stage, now).await?;
    Ok(Some(SoFar { profile: profile.clone(), facts }))
}

/// Whether one rejection ends a change: unless its profile says otherwise.
pub(crate) fn one_rejection_ends(app: &App, change: &Change) -> bool {
    let bundle = app.policies.bundle();
    standing::profile(&bundle, change).is_none_or(|profile| profile.veto)
}

/// The roles that a delegation lends to `who` for this change.
pub(super) async fn borrow(
    app: &App,
    who: &Actor,
    change: &Change,
    id: &DelegationId,
    now: Timestamp,
) -> Result<Borrowed, FlowError> {
    let found = app.store.delegation(&who.tenant, id).await?;
    let delegation = found.ok_or_else(|| FlowError::NotFound { what: "delegation", id: id.to_string() })?;
    let not_usable = |why| {
        let (change, delegation) = (change.id.to_string(), id.to_string());
        FlowError::from(Refusal::DelegationNotUsable { change, delegation, why })
    };
    if delegation.to_person != who.person {
        return Err(not_usable("it is not for you"));
    }
    if delegation.revoked_at.is_some() {
        return Err(not_usable("it was revoked"));
    }
    if !delegation.is_in_force(now) {
        return Err(not_usable("its time has not come, or is over"));
    }
    let lender = app.store.account(&who.tenant, &delegation.from_account).await?;
    let on_hold = lender.as_ref().and_then(|lender| lender.hold.as_ref()).is_some_and(|hold| hold.lasts(now));
    let roles = lender.map(|lender| delegation.lent_there(&lender, &change.manifest.environment, now));
    match roles {
        _ if on_hold => Err(not_usable("the account that it comes from waits for a second administrator")),
        Some(roles) if !roles.is_empty() => Ok(Borrowed { delegation: delegation.used(), roles }),
        _ => Err(not_usable(
            "whoever made it does not hold its roles here any more, or it is for another environment",
        )),
    }
}
