//! What persons do to a change, and reading it.

use interlock_domain::{Action, Actor, Assignment, Change, ChangeId, Command, Progress, TenantId};
use interlock_store::{AssignmentFilter, ChangeFilter, Page, Write};

use super::{
    anew::commit_anew,
    approve::one_rejection_ends,
    ask::{may_read, permit},
    levels::{self, ProfileShown},
    roster,
    sight::Sight,
};
use crate::{App, FlowError};

/// A person rejects, cancels, pauses, resumes, promotes or rolls back.
pub async fn decide(
    app: &App,
    who: &Actor,
    id: &ChangeId,
    revision: Option<u64>,
    command: Command,
    reason: &str,
) -> Result<Change, FlowError> {
    let asked = &command;
    // Whoever gave no revision did not mean one; the digest in the command binds.
    let change = commit_anew(app, who, |now| async move {
        let change = load(app, &who.tenant, id).await?;
        expect_revision(&change, revision)?;
        let mut command = asked.clone();
        if let Command::Reject { veto, .. } = &mut command {
            *veto = one_rejection_ends(app, &change);
        }
        let (resource, in_use) = match (&command, &change.manifest.plugins) {
            (Command::RollBack, Some(plan)) => {
                let in_use = roster::in_use(app, &who.tenant, &change.manifest.environment).await?;
                // One that cannot be taken back any more is refused below, whoever asks.
                let weakens =
                    in_use.roster.undo(plan).map_or(true, |back| in_use.roster.is_weakened_by(&back));
                (change.resource_going_back(weakens), Some(in_use))
            }
            _ => (change.resource(), None),
        };
        let (permit, decision) = permit(app, who, command.action(), resource, Some(id), now).await?;
        let transition = match &in_use {
            Some(in_use) => change.put_back(who, reason, &permit, in_use.standing(), now)?,
            None => change.decide(&command, who, reason, &permit, now)?,
        };
        let change = transition.change.clone();
        Ok((vec![Write::Decision(Box::new(decision)), Write::Change(Box::new(transition))], change))
    })
    .await?;
    if command == Command::RollBack {
        metrics::counter!("rollbacks_initiated_total", "tenant" => who.tenant.to_string()).increment(1);
        if change.manifest.plugins.is_some() {
            app.alter();
        }
    }
    app.wake();
    Ok(change)
}

/// A change, for somebody who may read it, with what has come together of its approval profile.
pub async fn show(
    app: &App,
    who: &Actor,
    id: &ChangeId,
) -> Result<(Change, Progress, Option<ProfileShown>), FlowError> {
    let change = load(app, &who.tenant, id).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    let progress = app.store.progress(&who.tenant, id).await?;
    let profile = levels::show(app, &change, app.clock.now()).await?;
    Ok((change, progress, profile))
}

/// The changes of the tenant, newest first. What is in environments of which the reader may not read is left out.
pub async fn list(
    app: &App,
    who: &Actor,
    filter: &ChangeFilter,
    page: &Page,
) -> Result<Vec<Change>, FlowError> {
    let mut sight = Sight::of(app, who, Action::ReadChange, filter.environment.as_ref()).await?;
    let part = |environment, page| {
        let filter = ChangeFilter { environment, ..filter.clone() };
        async move { app.store.changes(&who.tenant, &filter, &page).await }
    };
    let mut found =
        sight.list(page, part, |change| (&change.manifest.environment, change.id.as_str())).await?;
    found.sort_by(|one, other| other.id.cmp(&one.id));
    found.truncate(page.limit as usize);
    Ok(found)
}

/// The targets of a change, by device.
pub async fn assignments(
    app: &App,
    who: &Actor,
    id: &ChangeId,
    filter: &AssignmentFilter,
    page: &Page,
) -> Result<Vec<Assignment>, FlowError> {
    let change = load(app, &who.tenant, id).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    Ok(app.store.assignments(&who.tenant, id, filter, page).await?)
}

/// The tenant as a resource.
pub(crate) fn tenant(who: &Actor) -> interlock_domain::Resource {
    interlock_domain::Resource::Tenant { tenant: who.tenant.clone() }
}

/// A change of this tenant, or the same answer as for one that does not exist.
pub(crate) async fn load(app: &App, tenant: &TenantId, id: &ChangeId) -> Result<Change, FlowError> {
    let change = app.store.change(tenant, id).await?;
    change.ok_or_else(|| FlowError::NotFound { what: "change", id: id.to_string() })
}

/// The caller's `If-Match` must be about the change as it is.
pub(crate) fn expect_revision(change: &Change, given: Option<u64>) -> Result<(), FlowError> {
    match given {
        Some(given) if given != change.revision => {
            Err(FlowError::Stale { id: change.id.to_string(), given, current: change.revision })
        }
        Some(_) | None => Ok(()),
    }
}
