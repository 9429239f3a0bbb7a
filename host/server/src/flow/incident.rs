//! Breaking the glass, and the incidents that this opens.

use interlock_domain::{Action, Actor, Change, ChangeId, Digest, GlassBreak, Incident, IncidentId, broken};
use interlock_store::{Page, Write};

use super::{
    anew::commit_anew,
    ask::{may_read, permit},
    change::{expect_revision, load, tenant},
};
use crate::{App, FlowError};

/// A person lets a change proceed without the approvals that are missing. The second one opens an incident, in the same
/// transaction.
pub async fn break_glass(
    app: &App,
    who: &Actor,
    id: &ChangeId,
    revision: Option<u64>,
    digest: &Digest,
    reason: &str,
) -> Result<Change, FlowError> {
    let (change, opened) = commit_anew(app, who, |now| async move {
        let change = load(app, &who.tenant, id).await?;
        expect_revision(&change, revision)?;
        let (permit, decision) =
            permit(app, who, Action::BreakGlass, change.resource(), Some(id), now).await?;
        let lasts_ms = app.config.approvals.break_glass_ms;
        let transition = change.break_glass(digest, who, reason, &permit, lasts_ms, now)?;
        let change = transition.change.clone();
        let mut writes = vec![Write::Decision(Box::new(decision)), Write::Change(Box::new(transition))];
        let incident = opened(app, &change);
        let opened = incident.is_some();
        writes.extend(incident.map(|incident| Write::Incident(Box::new(incident))));
        Ok((writes, (change, opened)))
    })
    .await?;
    if opened {
        metrics::counter!("break_glass_total", "tenant" => who.tenant.to_string()).increment(1);
    }
    app.wake();
    Ok(change)
}

/// The incident that the newest break opens; `None` while it takes a second person.
fn opened(app: &App, change: &Change) -> Option<Incident> {
    let pairs = broken(&change.glass, &change.digest);
    let [first, second]: [&GlassBreak; 2] = *pairs.last()?;
    if change.glass.last() != Some(second) {
        return None;
    }
    let review_ms = i64::try_from(app.config.approvals.incident_review_ms).unwrap_or(i64::MAX);
    Some(Incident {
        id: IncidentId::new(app.clock.uuid()),
        tenant: change.tenant().clone(),
        change: change.id.clone(),
        environment: change.manifest.environment.clone(),
        broken_by: vec![first.clone(), second.clone()],
        opened_at: second.at,
        glass_until: second.ends_at(),
        review_due: second.at.plus_millis(review_ms),
        review: None,
    })
}

/// The incidents of the tenant, newest first.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<Incident>, FlowError> {
    may_read(app, who, Action::ReadChange, tenant(who)).await?;
    Ok(app.store.incidents(&who.tenant, page).await?)
}

/// One incident.
pub async fn show(app: &App, who: &Actor, id: &IncidentId) -> Result<Incident, FlowError> {
    let incident = find(app, who, id).await?;
    let change = load(app, &who.tenant, &incident.change).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    Ok(incident)
}

/// Somebody who was not one of the two says what they found.
pub async fn review(app: &App, who: &Actor, id: &IncidentId, findings: &str) -> Result<Incident, FlowError> {
    let now = app.clock.now();
    let incident = find(app, who, id).await?;
    let change = load(app, &who.tenant, &incident.change).await?;
    let asked = permit(app, who, Action::ReviewIncident, change.resource(), Some(&change.id), now).await?;
    let (permit, decision) = asked;
    let reviewed = incident.reviewed(who, findings, &permit, now)?;
    let writes = vec![Write::Decision(Box::new(decision)), Write::Incident(Box::new(reviewed.clone()))];
    app.commit(who, now, writes).await?;
    Ok(reviewed)
}

async fn find(app: &App, who: &Actor, id: &IncidentId) -> Result<Incident, FlowError> {
    let found = app.store.incident(&who.tenant, id).await?;
    found.ok_or_else(|| FlowError::NotFound { what: "incident", id: id.to_string() })
}
