//! Who may do it, to what may it be done, what may be done?

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::{Actor, Digest};
use interlock_policy::{Part, Search, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    body::{Parts, Question, optional},
    error::Unanswerable,
};
use crate::{
    App,
    api::{Caller, Read},
    flow::access,
};

pub(super) async fn subject(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Question(fields): Question,
) -> Result<Json<Value>, Unanswerable> {
    answer(&app, &caller.actor, Wanted::Subject, &fields).await
}

pub(super) async fn resource(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Question(fields): Question,
) -> Result<Json<Value>, Unanswerable> {
    answer(&app, &caller.actor, Wanted::Resource, &fields).await
}

pub(super) async fn action(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Question(fields): Question,
) -> Result<Json<Value>, Unanswerable> {
    answer(&app, &caller.actor, Wanted::Action, &fields).await
}

async fn answer(
    app: &App,
    who: &Actor,
    wanted: Wanted,
    fields: &Map<String, Value>,
) -> Result<Json<Value>, Unanswerable> {
    let limits = &app.config.policies;
    let (search, bytes) = search(wanted, Parts { fields, at: "", limits }).map_err(Unanswerable::bad)?;
    let page = optional(fields, "page", "page").map_err(Unanswerable::bad)?;
    // A token goes on with the same question, or it means nothing.
    let of = Digest::of(serde_json::to_vec(&search).unwrap_or_default());
    let after = match page.get("token") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) if token.is_empty() => None,
        Some(Value::String(token)) => Some(Token::read(token, of)?.after),
        Some(_) => return Err(Unanswerable::bad("`page.token` must be a text")),
    };
    let max = app.config.policies.results_max;
    let limit = match page.get("limit") {
        None | Some(Value::Null) => max,
        Some(limit) => match limit.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
            Some(limit @ 1..) => limit.min(max),
            _ => return Err(Unanswerable::bad("`page.limit` must be a number from 1")),
        },
    };
    // Whoever is tried is asked about with all that the search says.
    let tries = limits.batch_bytes_max / bytes.max(1);
    let kind = match wanted {
        Wanted::Subject => Some(search.subject.kind.clone()),
        Wanted::Resource => Some(search.resource.kind.clone()),
        Wanted::Action => None,
    };
    let found = access::search(app, who, search, Part { after: after.as_deref(), limit, tries }).await?;
    let results: Vec<Value> = found
        .found
        .iter()
        .map(|found| match &kind {
            Some(kind) => json!({ "type": kind, "id": found }),
            None => json!({ "name": found }),
        })
        .collect();
    let mut answer = json!({ "results": results });
    if found.next.is_some() || !page.is_empty() {
        let next_token = found.next.map(|after| Token { after, of }.write()).unwrap_or_default();
        answer["page"] = json!({ "next_token": next_token, "count": found.found.len() });
    }
    Ok(Json(answer))
}

/// The search, and what one question of it weighs.
fn search(wanted: Wanted, parts: Parts<'_>) -> Result<(Search, usize), String> {
    let subject = parts.thing("subject", wanted == Wanted::Subject)?;
    let action = if wanted == Wanted::Action { None } else { Some(parts.verb()?) };
    let resource = parts.thing("resource", wanted == Wanted::Resource)?;
    let context = parts.context()?;
    let bytes =
        [subject.bytes, action.as_ref().map_or(0, |action| action.bytes), resource.bytes, context.bytes];
    let search = Search {
        search: wanted,
        subject: subject.part,
        action: action.map(|action| action.part),
        resource: resource.part,
        context: context.part,
    };
    Ok((search, bytes.into_iter().fold(0, usize::saturating_add)))
}

/// Where a search goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    after: String,
    of: Digest,
}

impl Token {
    fn read(text: &str, of: Digest) -> Result<Self, Unanswerable> {
        let read =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice::<Token>(&bytes).ok());
        match read {
            Some(token) if token.of == of => Ok(token),
            Some(_) => {
                Err(Unanswerable::bad("`page.token` belongs to another search; begin this one without it"))
            }
            None => Err(Unanswerable::bad("`page.token` is not one that this server gave")),
        }
    }

    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}
