//! Gates that other engines ask: made, listed and revoked like keys, because their tokens are some.
//!
//! A token is `ilg_<id>_<secret>`; only SHA-256 of the secret is kept. It opens one gate, and nothing else.

use interlock_domain::{
    Account, AccountId, AccountKind, Action, Actor, Engine, GateEndpoint, GateEndpointId, GateName,
    GateQuestion, PersonId, Role, RoleGrant, Timestamp,
};
use interlock_store::{Page, Write};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{
    ask::{may_ask, may_read, permit},
    change::tenant,
    device::token_hash,
    owner,
};
use crate::{App, FlowError};

/// A gate to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GateRequest)]
pub struct GateRequest {
    /// What it is called: 1 to 63 of a-z, 0-9 and -. Of those that are not revoked, no two share a name.
    #[schema(value_type = String, example = "shop-canary")]
    pub name: GateName,
    /// The engine that asks: `flagger`, `argo`, `kayenta` or `kubernetes`.
    #[schema(value_type = String, example = "flagger")]
    pub engine: Engine,
    /// What it asks: `{"about": "change"}`, with `"content": true` when what the engine brings must be among the change's
    /// artifacts, or `{"about": "access"}`, the tenant's application.
    #[schema(value_type = Object, example = json!({ "about": "change" }))]
    pub question: GateQuestion,
    /// The person who answers for it; whoever makes it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<PersonId>,
    /// How long its token works, in milliseconds; at most `engines.token_life_ms_max`.
    pub expires_in_ms: u64,
}

/// A new gate. The token cannot be read again.
#[derive(Debug)]
pub struct NewGate {
    /// `ilg_…`
    pub(crate) token: String,
    /// Where the engine asks.
    pub(crate) url: String,
    /// The gate as it is kept.
    pub(crate) gate: GateEndpoint,
}

/// An engine that asks, through its gate.
#[derive(Debug, Clone)]
pub(crate) struct Through {
    pub(crate) gate: GateEndpoint,
    pub(crate) actor: Actor,
}

/// Makes a gate, with an account of its own: a program with the role viewer, for which its owner answers.
pub(crate) async fn create(app: &App, who: &Actor, request: GateRequest) -> Result<NewGate, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::CreateKey, tenant(who), None, now).await?;
    let most = app.config.engines.token_life_ms_max;
    if request.expires_in_ms == 0 || request.expires_in_ms > most {
        let detail = format!("a token works for 1 to {most} ms (`engines.token_life_ms_max`)");
        return Err(FlowError::invalid("/expires_in_ms", detail));
    }
    let owner = owner(app, who, request.owner).await?;
    if app.store.gate_endpoint_named(&who.tenant, &request.name).await?.is_some() {
        return Err(FlowError::Exists { what: "gate", id: request.name.to_string() });
    }
    let id = GateEndpointId::new(app.clock.uuid());
    let account = Account {
        id: AccountId::new(app.clock.uuid()),
        tenant: who.tenant.clone(),
        kind: AccountKind::Service,
        person: owner,
        name: format!("gate {}", request.name),
        roles: vec![RoleGrant { role: Role::Viewer, environment: None }],
        active: true,
        created_at: now,
        hold: None,
    };
    let secret = app.secret()?;
    let token = format!("ilg_{}_{secret}", id.as_str().trim_start_matches("gte_"));
    let gate = GateEndpoint {
        id,
        tenant: who.tenant.clone(),
        name: request.name,
        account: account.id.clone(),
        engine: request.engine,
        question: request.question,
        secret_sha256: token_hash(&secret),
        created_at: now,
        expires_at: now.plus_millis(i64::try_from(request.expires_in_ms).unwrap_or(i64::MAX)),
        revoked_at: None,
    };
    let writes = vec![
        Write::Decision(Box::new(decision)),
        Write::Account { account: Box::new(account), from: None },
        Write::GateEndpoint(Box::new(gate.clone())),
    ];
    app.commit(who, now, writes).await?;
    let base = app.config.server.public_url.trim_end_matches('/');
    let url = format!("{base}/gate/{token}/{}", gate.engine);
    Ok(NewGate { token, url, gate })
}

/// Somebody who answers for a gate: a person with an active account.
async fn owner(app: &App, who: &Actor, wished: Option<PersonId>) -> Result<PersonId, FlowError> {
    let Some(wished) = wished else { return Ok(who.person.clone()) };
    let accounts = app.store.accounts(&who.tenant).await?;
    let is_person =
        |account: &Account| account.kind == AccountKind::User && account.active && account.person == wished;
    if accounts.iter().any(is_person) {
        return Ok(wished);
    }
    let detail = format!("there is no active account of a person `{wished}`; `GET /accounts` lists them");
    Err(FlowError::invalid("/owner", detail))
}

/// The gates of the tenant, newest first, without tokens.
pub(crate) async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<GateEndpoint>, FlowError> {
    may_read(app, who, Action::ReadKey, tenant(who)).await?;
    Ok(app.store.gate_endpoints(&who.tenant, page).await?)
}

/// Revokes a gate at once, and ends its account.
pub(crate) async fn revoke(app: &App, who: &Actor, name: &GateName) -> Result<GateEndpoint, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::RevokeKey, tenant(who), None, now).await?;
    let mut gate = named(app, who, name).await?;
    gate.revoked_at = Some(now);
    let mut writes = vec![Write::Decision(Box::new(decision)), Write::GateEndpoint(Box::new(gate.clone()))];
    if let Some(account) = app.store.account(&who.tenant, &gate.account).await?.filter(|each| each.active) {
        let ended = Account { active: false, ..account.clone() };
        writes.push(Write::Account { account: Box::new(ended), from: Some(Box::new(account)) });
    }
    app.commit(who, now, writes).await?;
    Ok(gate)
}

async fn named(app: &App, who: &Actor, name: &GateName) -> Result<GateEndpoint, FlowError> {
    let found = app.store.gate_endpoint_named(&who.tenant, name).await?;
    found.ok_or_else(|| FlowError::NotFound { what: "gate", id: name.to_string() })
}

/// The gate of this name, for a program whose own key says who it is. It has to be one that may ask: a key that only reads neither
/// has a judge work nor tells what is put on record.
pub(crate) async fn by_name(app: &App, who: &Actor, name: &GateName) -> Result<Through, FlowError> {
    may_ask(app, who).await?;
    Ok(Through { gate: named(app, who, name).await?, actor: who.clone() })
}

/// Why a token opens no gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefusal {
    /// It is none, or the secret is another: alike, so that nobody learns which gates there are.
    #[error("this token opens no gate; check it or have a new gate made")]
    Unknown,
    /// It is over.
    #[error("this gate's token has expired; have a new gate made")]
    Expired,
    /// Somebody revoked it.
    #[error("this gate was revoked; have a new one made")]
    Revoked,
    /// Its account may not act any more.
    #[error("the account of this gate is not active")]
    Inactive,
    /// Nobody answers for it.
    #[error(
        "this gate is suspended: whoever answers for it has no active account; have an administrator activate them, or revoke this \
         gate and make it anew for somebody else"
    )]
    Ownerless,
}

/// The gate that a token opens.
pub(crate) async fn by_token(app: &App, token: &str) -> Result<Result<Through, TokenRefusal>, FlowError> {
    let parts = token.strip_prefix("ilg_").and_then(|rest| rest.split_once('_'));
    let id =
        parts.and_then(|(id, secret)| Some((format!("gte_{id}").parse::<GateEndpointId>().ok()?, secret)));
    let Some((id, secret)) = id else { return Ok(Err(TokenRefusal::Unknown)) };
    let Some((gate, account)) = app.store.gate_endpoint(&id).await? else {
        return Ok(Err(TokenRefusal::Unknown));
    };
    let given = token_hash(secret);
    if !bool::from(given.as_bytes().ct_eq(gate.secret_sha256.as_bytes())) {
        return Ok(Err(TokenRefusal::Unknown));
    }
    // After the secret, so that only its holder learns why.
    Ok(match standing(&gate, &account, app.clock.now()) {
        Some(refusal) => Err(refusal),
        None if owner::is_gone(app, &account).await? => Err(TokenRefusal::Ownerless),
        None => {
            let actor = account.actor(format!("gate:{}", gate.id));
            Ok(Through { gate, actor })
        }
    })
}

fn standing(gate: &GateEndpoint, account: &Account, now: Timestamp) -> Option<TokenRefusal> {
    if gate.revoked_at.is_some() {
        return Some(TokenRefusal::Revoked);
    }
    if now >= gate.expires_at {
        return Some(TokenRefusal::Expired);
    }
    (!account.active).then_some(TokenRefusal::Inactive)
}
