//! Names that identity providers have for somebody, and who comes with a token of theirs.

use std::collections::BTreeSet;

use interlock_domain::{
    Account, AccountId, Action, Actor, Role, RoleGrant, Scope, Subject, SubjectId, TenantId, TokenSays,
};
use interlock_store::Write;
use serde::{Deserialize, Serialize};

use super::{
    account::{forget, written},
    ask::{may_read, permit},
    change::tenant,
    login::end_all,
    own, owner,
};
use crate::{
    App, FlowError,
    issuers::{Issuer, JwtRefusal, jws::Token},
};

/// Most names of one account.
const NAMES_MAX: usize = 16;

/// A name that an identity provider has for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequest {
    /// The provider: `iss`, as it stands in its tokens.
    #[schema(example = "https://login.mercy.example")]
    pub issuer: String,
    /// Its name for them: `sub`, or whichever claim is configured.
    #[schema(example = "auth0|5f7c8ec7c33c6c004bbafe82")]
    pub subject: String,
}

/// Links a name to an account: whoever comes with a token for that name acts through it. Like a key, so for the account of
/// somebody else who approves or administers it waits for the second administrator and for 24 hours.
pub async fn link(
    app: &App,
    who: &Actor,
    id: &AccountId,
    request: SubjectRequest,
) -> Result<Subject, FlowError> {
    for (field, text) in [("/issuer", &request.issuer), ("/subject", &request.subject)] {
        Subject::check(text).map_err(|error| FlowError::bad_id(field, &error))?;
    }
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::CreateKey, tenant(who), None, now).await?;
    let account = account(app, who, id).await?;
    check_issuer(app, &who.tenant, &request.issuer)?;
    own::check_means(app, who, &account).await?;
    if app.store.subjects(&who.tenant, id).await?.len() >= NAMES_MAX {
        let detail = format!("`{}` has {NAMES_MAX} names already; take one away first", account.name);
        return Err(FlowError::invalid("/subject", detail));
    }
    let subject = Subject {
        id: Subject::id_of(&who.tenant, &request.issuer, &request.subject),
        tenant: who.tenant.clone(),
        account: id.clone(),
        issuer: request.issuer,
        subject: request.subject,
        linked_by: who.person.clone(),
        linked_at: now,
    };
    let mut writes = vec![Write::Decision(Box::new(decision))];
    let held = if account.takes_two() && account.person != who.person {
        account.reset(&who.person, now)
    } else {
        account.clone()
    };
    writes.push(written(&held, Some(account)));
    writes.push(Write::Subject(Box::new(subject.clone())));
    app.commit(who, now, writes).await?;
    let keys = app.store.live_credentials(&who.tenant, id).await?;
    forget(app, &keys.into_iter().map(|key| key.id).collect::<Vec<_>>());
    app.subjects.forget(id);
    Ok(subject)
}

/// Refuses a name of a provider that nobody comes from: a slip of the pen would lie there until somebody configures it.
fn check_issuer(app: &App, tenant: &TenantId, issuer: &str) -> Result<(), FlowError> {
    let mut known: Vec<&str> = app.issuers.of_tenant(tenant).chain(app.providers.of_tenant(tenant)).collect();
    if known.contains(&issuer) {
        return Ok(());
    }
    known.sort_unstable();
    known.dedup();
    let issuer: String = issuer.chars().take(80).collect();
    let named = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
    let detail = format!(
        "`{issuer}` is no identity provider of this tenant ({named}); write it as `identity.jwt.issuer` or `login.oidc.issuer` has it, \
         or configure it first"
    );
    Err(FlowError::invalid("/issuer", detail))
}

/// Takes a name away, and ends the sessions of its account: its tokens prove nothing here from now on, on other replicas within five seconds.
pub async fn unlink(app: &App, who: &Actor, id: &SubjectId) -> Result<Subject, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::RevokeKey, tenant(who), None, now).await?;
    let found = app.store.subject(&who.tenant, id).await?;
    let (subject, account) = found.ok_or_else(|| FlowError::NotFound { what: "name", id: id.to_string() })?;
    let gone = Write::SubjectGone { tenant: who.tenant.clone(), id: subject.id.clone() };
    // Whoever logged in by that name is logged in still; which session that was nothing says, so all of them end.
    let writes = vec![Write::Decision(Box::new(decision)), gone, end_all(&account)];
    app.commit(who, now, writes).await?;
    app.subjects.forget(&subject.account);
    Ok(subject)
}

/// The names of an account.
pub async fn list(app: &App, who: &Actor, id: &AccountId) -> Result<Vec<Subject>, FlowError> {
    may_read(app, who, Action::ReadKey, tenant(who)).await?;
    account(app, who, id).await?;
    Ok(app.store.subjects(&who.tenant, id).await?)
}

async fn account(app: &App, who: &Actor, id: &AccountId) -> Result<Account, FlowError> {
    let found = app.store.account(&who.tenant, id).await?;
    found.ok_or_else(|| FlowError::NotFound { what: "account", id: id.to_string() })
}

/// Why nobody comes with this token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubjectRefusal {
    /// It proves nothing.
    #[error(transparent)]
    Token(#[from] JwtRefusal),
    /// Nobody here has that name.
    #[error(
        "the token is good, and its `{claim}` is no account here: an administrator links it \
         (`interlock account link ACCOUNT --issuer {issuer} --subject …`)"
    )]
    Unlinked {
        /// Which claim names them.
        claim: String,
        /// Who names.
        issuer: String,
    },
    /// Their account may not act any more.
    #[error("the account of this token is not active")]
    Inactive,
    /// It is a program's, and nobody answers for it.
    #[error(
        "this program is suspended: whoever answers for it has no active account; have an administrator activate them, or end this \
         account and make the program anew for somebody else"
    )]
    Ownerless,
}

/// The tenants to which somebody may come with this token: the one that the path names, else those that have its issuer.
pub(crate) fn tenants(app: &App, named: Option<&TenantId>, token: &str) -> Vec<TenantId> {
    match (named, Token::read(token)) {
        (Some(named), _) => vec![named.clone()],
        (None, Some(token)) => app.issuers.tenants_of(&token).cloned().collect(),
        (None, None) => Vec::new(),
    }
}

/// Who comes with this token to this tenant, and what the token is for.
pub(crate) async fn authenticate(
    app: &App,
    tenant: &TenantId,
    token: &str,
) -> Result<Result<(Actor, Vec<Scope>), SubjectRefusal>, FlowError> {
    let now = app.clock.now();
    let Some(token) = Token::read(token) else { return Ok(Err(JwtRefusal::Unreadable.into())) };
    let issuer = match app.issuers.of(tenant, &token) {
        Ok(issuer) => issuer,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let says = match issuer.read(&app.evidence, &token, now).await {
        Ok(says) => says,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let id = Subject::id_of(tenant, &issuer.config.issuer, &says.subject);
    let account = match app.subjects.get(&id, now) {
        Some(account) => account,
        None => {
            let Some((_, account)) = app.store.subject(tenant, &id).await? else {
                let (claim, issuer) = (issuer.config.account_claim.clone(), issuer.config.issuer.clone());
                return Ok(Err(SubjectRefusal::Unlinked { claim, issuer }));
            };
            app.subjects.put(id, account, now)
        }
    };
    if !account.active {
        return Ok(Err(SubjectRefusal::Inactive));
    }
    if owner::is_gone(app, &account).await? {
        return Ok(Err(SubjectRefusal::Ownerless));
    }
    let mut actor = account.actor(format!("jwt:{}", issuer.config.issuer));
    if let Some(roles) = roles(issuer, &account, &says) {
        actor.roles = roles;
    }
    Ok(Ok((actor, issuer.scopes())))
}

/// The roles of the groups that a token names. What takes two administrators is never handed out by a provider alone: the
/// account must hold it too, and holds it only where it does.
fn roles(issuer: &Issuer, account: &Account, says: &TokenSays) -> Option<Vec<RoleGrant>> {
    if issuer.config.roles.is_empty() {
        return None;
    }
    let named: BTreeSet<Role> =
        says.groups.iter().filter_map(|group| issuer.config.roles.get(group)).flatten().copied().collect();
    let own =
        account.roles.iter().filter(|grant| grant.role.takes_two() && named.contains(&grant.role)).cloned();
    let given = named.iter().filter(|role| !role.takes_two());
    let given = given.map(|&role| RoleGrant { role, environment: None });
    let mut roles: Vec<RoleGrant> = given.chain(own).collect();
    roles.sort();
    roles.dedup();
    Some(roles)
}
