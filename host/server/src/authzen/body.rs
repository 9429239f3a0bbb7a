//! Questions as they are sent: unknown fields mean nothing, missing ones are named.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use interlock_domain::canonical::parse_unique;
use interlock_policy::{Thing, Verb};
use serde_json::{Map, Value};

use super::error::Unanswerable;
use crate::{App, api};

/// A JSON object, whatever it holds.
pub(super) struct Question(pub(super) Map<String, Value>);

impl FromRequest<Arc<App>> for Question {
    type Rejection = Unanswerable;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Unanswerable> {
        let (parts, body) = request.into_parts();
        let given = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media =
            given.map(|given| given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        if media.as_deref() != Some("application/json") {
            return Err(Unanswerable::bad("send the question with `Content-Type: application/json`"));
        }
        let bytes = api::read_body(&parts.headers, app.config.server.body_bytes_max, body).await?;
        match parse_unique(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Unanswerable::bad("the body must be a JSON object")),
            Err(error) => Err(Unanswerable::bad(format!("the body is no JSON with one reading: {error}"))),
        }
    }
}

/// A subject or resource. Of what is searched for, the id means nothing and may be missing.
pub(super) fn thing(fields: &Map<String, Value>, field: &str, wanted: bool) -> Result<Thing, String> {
    let object = object(fields, field)?;
    Ok(Thing {
        kind: text(object, field, "type")?,
        id: if wanted { String::new() } else { text(object, field, "id")? },
        properties: optional(object, &format!("{field}.properties"), "properties")?,
    })
}

/// An action.
pub(super) fn verb(fields: &Map<String, Value>) -> Result<Verb, String> {
    let object = object(fields, "action")?;
    Ok(Verb {
        name: text(object, "action", "name")?,
        properties: optional(object, "action.properties", "properties")?,
    })
}

/// The circumstances.
pub(super) fn context(fields: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    optional(fields, "context", "context")
}

/// An object that may be missing.
pub(super) fn optional(
    fields: &Map<String, Value>,
    path: &str,
    name: &str,
) -> Result<Map<String, Value>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(format!("`{path}` must be an object")),
    }
}

fn object<'a>(fields: &'a Map<String, Value>, field: &str) -> Result<&'a Map<String, Value>, String> {
    match fields.get(field) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(format!("`{field}` must be an object")),
        None => Err(format!("`{field}` is missing")),
    }
}

fn text(object: &Map<String, Value>, field: &str, name: &str) -> Result<String, String> {
    match object.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(format!("`{field}.{name}` is empty")),
        Some(_) => Err(format!("`{field}.{name}` must be a text")),
        None => Err(format!("`{field}.{name}` is missing")),
    }
}
