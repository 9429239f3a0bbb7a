//! Questions as they are sent: unknown fields mean nothing, missing ones are named, and what is too large is refused before
//! anybody looks at it.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request},
    http::header,
};
use interlock_domain::canonical::parse_unique;
use interlock_policy::{Thing, Verb};
use serde_json::{Map, Value};

use super::error::Unanswerable;
use crate::{App, api, config::Policies};

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

/// A part of a question, for every question that takes it, and what it weighs in bytes.
#[derive(Debug, Clone)]
pub(super) struct Weighed<T> {
    pub(super) part: Arc<T>,
    pub(super) bytes: usize,
}

/// Where the parts of a question are read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) fields: &'a Map<String, Value>,
    /// The JSON pointer to them, for errors about sizes.
    pub(super) at: &'a str,
    pub(super) limits: &'a Policies,
}

impl Parts<'_> {
    /// A subject or resource. Of what is searched for, the id means nothing and may be missing.
    pub(super) fn thing(&self, field: &str, wanted: bool) -> Result<Weighed<Thing>, String> {
        let object = object(self.fields, field)?;
        let kind = self.text(object, field, "type")?;
        let id = if wanted { String::new() } else { self.text(object, field, "id")? };
        let (properties, bytes) = self.weighed(object, &[field, "properties"])?;
        let bytes = bytes + kind.len() + id.len();
        Ok(Weighed { part: Arc::new(Thing { kind, id, properties }), bytes })
    }

    /// An action.
    pub(super) fn verb(&self) -> Result<Weighed<Verb>, String> {
        let object = object(self.fields, "action")?;
        let name = self.text(object, "action", "name")?;
        let (properties, bytes) = self.weighed(object, &["action", "properties"])?;
        let bytes = bytes + name.len();
        Ok(Weighed { part: Arc::new(Verb { name, properties }), bytes })
    }

    /// The circumstances.
    pub(super) fn context(&self) -> Result<Weighed<Map<String, Value>>, String> {
        let (context, bytes) = self.weighed(self.fields, &["context"])?;
        Ok(Weighed { part: Arc::new(context), bytes })
    }

    fn text(&self, object: &Map<String, Value>, field: &str, name: &str) -> Result<String, String> {
        let max = self.limits.id_bytes_max;
        match object.get(name) {
            Some(Value::String(text)) if text.len() > max => Err(format!(
                "`{}/{field}/{name}` is {} bytes long, and at most {max} are taken (`policies.id_bytes_max`)",
                self.at,
                text.len()
            )),
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_)) => Err(format!("`{field}.{name}` is empty")),
            Some(_) => Err(format!("`{field}.{name}` must be a text")),
            None => Err(format!("`{field}.{name}` is missing")),
        }
    }

    /// The last of the path, which may be missing, and its size.
    fn weighed(
        &self,
        object: &Map<String, Value>,
        path: &[&str],
    ) -> Result<(Map<String, Value>, usize), String> {
        let name = path.last().copied().unwrap_or_default();
        let bytes = object.get(name).map_or(0, size);
        let max = self.limits.properties_bytes_max;
        if bytes > max {
            return Err(format!(
                "`{}/{}` holds {bytes} bytes, and at most {max} are taken (`policies.properties_bytes_max`)",
                self.at,
                path.join("/")
            ));
        }
        let found = optional(object, &path.join("."), name)?;
        Ok((found, bytes))
    }
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

/// How many bytes of JSON it is, written by nobody.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // A value is always JSON; what were none would be too large.
        Err(_) => usize::MAX,
    }
}
