//! What engines send, as far as it is read.

use std::sync::Arc;

use axum::{body::Body, http::HeaderMap};
use interlock_domain::canonical::parse_unique;
use interlock_policy::{Access, Thing, Verb};
use serde_json::{Map, Value, json};

use crate::{App, api};

/// Longest text that is read of what an engine says, in bytes.
const TEXT_MAX: usize = 512;

/// A JSON object with one reading, or why it is none.
pub(super) async fn object(app: &App, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, String> {
    let most = app.config.engines.body_bytes_max;
    let bytes = api::read_body(headers, most, body).await.map_err(|problem| problem.detail().to_owned())?;
    match parse_unique(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("the body must be a JSON object".to_owned()),
        Err(error) => Err(format!("the body is no JSON with one reading: {error}")),
    }
}

/// A text; nothing when it is missing, empty, no text, or longer than is read. Never cut: what is cut may name another.
pub(super) fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?;
    (!text.is_empty() && text.len() <= TEXT_MAX).then(|| text.to_owned())
}

/// One of several names of a text, the first that is there.
pub(super) fn one_of(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(fields, name))
}

/// The names under which a change is named, and its digest.
pub(super) const CHANGE: [&str; 2] = ["interlock/change", "change"];
pub(super) const DIGEST: [&str; 2] = ["interlock/digest", "digest"];

/// A question for the tenant's application.
pub(super) fn access(
    subject: (&str, String, Value),
    action: &str,
    resource: (&str, String, Value),
    context: Value,
) -> Access {
    let thing = |(kind, id, properties): (&str, String, Value)| {
        let properties = fields(properties);
        Arc::new(Thing { kind: kind.to_owned(), id, properties })
    };
    Access {
        subject: thing(subject),
        action: Arc::new(Verb { name: action.to_owned(), properties: Map::new() }),
        resource: thing(resource),
        context: Arc::new(fields(context)),
    }
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// `namespace/name`, or what there is of it.
pub(super) fn place(namespace: Option<&str>, name: Option<&str>) -> String {
    [namespace, name].into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// What is there of these.
pub(super) fn some(pairs: &[(&str, Option<String>)]) -> Value {
    let there = pairs.iter().filter_map(|(name, text)| Some(((*name).to_owned(), json!(text.as_ref()?))));
    Value::Object(there.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_none_and_never_the_beginning_of_one() {
        let read = |text: &str| super::text(&Map::from_iter([("name".to_owned(), json!(text))]), "name");
        assert_eq!(read(&"n".repeat(TEXT_MAX)), Some("n".repeat(TEXT_MAX)));
        assert_eq!(read(&"n".repeat(TEXT_MAX + 1)), None);
        assert_eq!(read(""), None);
    }
}
