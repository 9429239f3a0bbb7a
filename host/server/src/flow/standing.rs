//! The approvals that hold, counted for the next question.
//!
//! An approval counts only while its giver may still give it, with the roles of today; one that was given under a delegation
//! only while nobody revoked that, with the roles that the delegator still holds.

use interlock_domain::{
    Action, Actor, Approval, ApprovalFacts, Change, Environment, GlassBreak, Meaning, Profile, Role,
    RoleGrant, Timestamp, broken,
};
use interlock_policy::Bundle;

use super::ask::{ask, question};
use crate::{App, FlowError};

/// What the approvals of a change come to: for its admission, or for one stage.
pub(crate) async fn facts(
    app: &App,
    change: &Change,
    stage: Option<u32>,
    now: Timestamp,
) -> Result<ApprovalFacts, FlowError> {
    let mut standing = Vec::new();
    for approval in change.approvals.iter().filter(|approval| approval.digest == change.digest) {
        // A no stays a no, whoever its giver is by now.
        if approval.meaning == Meaning::Rejection {
            standing.push(approval.clone());
        } else if let Some(roles) = roles_today(app, change, approval, now).await? {
            standing.push(Approval { roles, ..approval.clone() });
        }
    }
    let entered = change.rollout.as_ref().and_then(interlock_domain::Rollout::entered_at);
    Ok(ApprovalFacts {
        since: Some(
            entered.filter(|_| stage.is_some_and(|stage| stage > 0)).unwrap_or(change.digest_since()),
        ),
        glass_until: glass_until(app, change, now).await?,
        ..ApprovalFacts::count_for(&standing, &change.digest, stage)
    })
}

/// The profile for a change, in the policies that are in force.
pub(crate) fn profile<'b>(bundle: &'b Bundle, change: &Change) -> Option<&'b Profile> {
    bundle.profile(change.manifest.kind, &change.manifest.environment)
}

/// The roles that an approval counts for today; `None` when it counts no more.
async fn roles_today(
    app: &App,
    change: &Change,
    approval: &Approval,
    now: Timestamp,
) -> Result<Option<Vec<Role>>, FlowError> {
    let environment = &change.manifest.environment;
    let Some(account) = app.store.account(change.tenant(), &approval.account).await? else { return Ok(None) };
    if !account.active {
        return Ok(None);
    }
    let mut actor = account.actor("standing".to_owned());
    let mut roles = actor.roles_in(Some(environment));
    if let Some(used) = &approval.delegation {
        let Some(delegation) = app.store.delegation(change.tenant(), &used.id).await? else {
            return Ok(None);
        };
        let lender = app.store.account(change.tenant(), &delegation.from_account).await?;
        // It may be over by now: it held when it was used.
        let Some(lender) = lender.filter(|_| delegation.revoked_at.is_none()) else { return Ok(None) };
        let lent = delegation.lent_there(&lender, environment, now);
        actor = acting_with(&actor, &lent, environment);
        roles = lent;
    }
    let action = if approval.stage.is_some() { Action::ApproveStage } else { Action::ApproveChange };
    let decision = ask(app, Some(&change.id), question(&actor, action, change.resource(), now));
    Ok(decision.permit().is_some().then_some(roles))
}

/// Somebody with lent roles there in place of their own. Whoever hands out keys stays one who does: what an administrator may
/// not do, nobody lends to them.
pub(crate) fn acting_with(actor: &Actor, roles: &[Role], environment: &Environment) -> Actor {
    let hands_out_keys = actor.roles_in(Some(environment)).contains(&Role::Administrator);
    let own = hands_out_keys.then_some(&Role::Administrator);
    let grant = |role: &Role| RoleGrant { role: *role, environment: Some(environment.clone()) };
    Actor { roles: roles.iter().chain(own).map(grant).collect(), ..actor.clone() }
}

/// Until when the glass is broken: for as long as both of a pair who broke it may still do so, and one of them still answers for
/// safety. Whoever is left of one pair makes
/// no other with somebody else: nobody would have opened an incident for it.
async fn glass_until(app: &App, change: &Change, now: Timestamp) -> Result<Option<Timestamp>, FlowError> {
    for [first, second] in broken(&change.glass, &change.digest).into_iter().rev() {
        let until = second.ends_at();
        if now >= until {
            continue;
        }
        let (first, second) =
            (stands(app, change, first, now).await?, stands(app, change, second, now).await?);
        if let (Some(first), Some(second)) = (first, second)
            && first.iter().chain(&second).any(|role| role.is_safety())
        {
            return Ok(Some(until));
        }
    }
    Ok(None)
}

/// The roles that somebody who broke the glass holds there today; `None` when they may not do so any more.
async fn stands(
    app: &App,
    change: &Change,
    broke: &GlassBreak,
    now: Timestamp,
) -> Result<Option<Vec<Role>>, FlowError> {
    let found = app.store.account(change.tenant(), &broke.account).await?;
    let Some(account) = found.filter(|account| account.active) else { return Ok(None) };
    let actor = account.actor("standing".to_owned());
    let roles = actor.roles_in(Some(&change.manifest.environment));
    let asked = question(&actor, Action::BreakGlass, change.resource(), now);
    Ok(ask(app, Some(&change.id), asked).permit().map(|_| roles))
}
