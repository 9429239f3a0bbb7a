//! Delegations: a person lends roles to somebody who approves while they are away.

use interlock_domain::{
    AccountId, Action, Actor, Delegation, DelegationDraft, DelegationId, Environment, Resource, Role,
    Timestamp,
};
use interlock_store::{Page, Write};
use serde::Deserialize;

use super::{
    ask::{may_read, permit},
    change::tenant,
};
use crate::{App, FlowError};

/// What somebody wants to lend.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationRequest {
    /// The account that may approve with the roles.
    #[schema(value_type = String)]
    pub to: AccountId,
    /// The roles: some of one's own.
    #[schema(value_type = Vec<String>, example = json!(["regulatory"]))]
    pub roles: Vec<Role>,
    /// Where; everywhere in the tenant when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "production")]
    pub environment: Option<Environment>,
    /// From when on; from now on when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub from: Option<Timestamp>,
    /// When it ends.
    #[schema(value_type = String, example = "2026-12-04T18:00:00.000Z")]
    pub until: Timestamp,
    /// Why.
    #[schema(example = "on leave until Friday")]
    pub reason: String,
}

/// Lends roles of one's own to somebody else.
pub async fn create(app: &App, who: &Actor, request: DelegationRequest) -> Result<Delegation, FlowError> {
    let now = app.clock.now();
    let place = match &request.environment {
        Some(environment) => Resource::Environment {
            tenant: who.tenant.clone(),
            environment: environment.clone(),
            change_kind: None,
        },
        None => tenant(who),
    };
    let (permit, decision) = permit(app, who, Action::DelegateRoles, place, None, now).await?;
    let to = app.store.account(&who.tenant, &request.to).await?;
    let to = to.ok_or_else(|| FlowError::invalid("/to", format!("there is no account `{}`", request.to)))?;
    let draft = DelegationDraft {
        roles: request.roles,
        environment: request.environment,
        starts_at: request.from.unwrap_or(now),
        ends_at: request.until,
        reason: request.reason,
    };
    let id = DelegationId::new(app.clock.uuid());
    let longest = app.config.approvals.delegation_ms_max;
    let made = Delegation::make(draft, id, who, &to, &permit, longest, now)?;
    let writes = vec![Write::Decision(Box::new(decision)), Write::Delegation(Box::new(made.clone()))];
    app.commit(who, now, writes).await?;
    Ok(made)
}

/// Takes a delegation back: whoever made it, or an administrator. What was approved under it counts no more.
pub async fn revoke(app: &App, who: &Actor, id: &DelegationId) -> Result<Delegation, FlowError> {
    let now = app.clock.now();
    let found = app.store.delegation(&who.tenant, id).await?;
    let found = found.ok_or_else(|| FlowError::NotFound { what: "delegation", id: id.to_string() })?;
    let mut writes = Vec::new();
    if found.from_person != who.person {
        let (_, decision) = permit(app, who, Action::GrantRoles, tenant(who), None, now).await?;
        writes.push(Write::Decision(Box::new(decision)));
    }
    let revoked = found.revoke(now);
    if revoked == found {
        return Ok(found);
    }
    writes.push(Write::Delegation(Box::new(revoked.clone())));
    app.commit(who, now, writes).await?;
    app.wake();
    Ok(revoked)
}

/// The delegations of the tenant, newest first.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<Delegation>, FlowError> {
    may_read(app, who, Action::ReadChange, tenant(who)).await?;
    Ok(app.store.delegations(&who.tenant, page).await?)
}
