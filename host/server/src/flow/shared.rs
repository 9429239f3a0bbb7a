//! What several questions of a batch share is on record once: each record names it by digest.
//!
//! **Invariant:** a part is kept before a record names it, under the digest of its exact text, and nothing alters or removes
//! it: a question is whole again when it is put back.

use std::collections::BTreeMap;

use interlock_domain::Digest;
use interlock_store::Kept;
use serde_json::{Map, Value, json};

use crate::{App, FlowError};

/// Where a record names what it shares: `{"context": "sha256:…"}`.
const SHARED: &str = "shared";
/// What is no longer than this stands in each record, where whoever reads one looks for it.
const BYTES_MIN: usize = 256;

/// What the records of a batch share, by digest.
#[derive(Debug, Default)]
pub(super) struct Shared(BTreeMap<Digest, Vec<u8>>);

impl Shared {
    /// Takes the large ones among these parts out of a question. What it is found by stays: whom and what it is about, and
    /// what is to be done.
    pub(super) fn take_out(&mut self, request: &mut Value, parts: &[&str]) {
        let Some(fields) = request.as_object_mut() else { return };
        let mut names = Map::new();
        for part in parts {
            let Some(text) = fields.get(*part).map(|value| value.to_string().into_bytes()) else { continue };
            if text.len() <= BYTES_MIN {
                continue;
            }
            let digest = Digest::of(&text);
            let stays = fields.remove(*part).map(|whole| found_by(part, whole)).unwrap_or_default();
            if !stays.is_empty() {
                fields.insert((*part).to_owned(), Value::Object(stays));
            }
            names.insert((*part).to_owned(), json!(digest));
            self.0.insert(digest, text);
        }
        if !names.is_empty() {
            fields.insert(SHARED.to_owned(), Value::Object(names));
        }
    }

    /// Keeps it, before any record names it.
    pub(super) async fn keep(&self, app: &App) -> Result<(), FlowError> {
        for (digest, text) in &self.0 {
            app.store.keep(Kept::Shared, digest, text).await?;
        }
        Ok(())
    }
}

/// The part of a subject, resource or action that says which it is. A context has none, and
/// what it holds by these names may be anything.
fn found_by(part: &str, whole: Value) -> Map<String, Value> {
    let Value::Object(fields) = whole else { return Map::new() };
    let names = fields
        .into_iter()
        .filter(|(name, value)| ["type", "id", "name"].contains(&name.as_str()) && value.is_string());
    if part == "context" { Map::new() } else { names.collect() }
}

/// A recorded question as it was asked. The inner error says what is missing.
pub(super) async fn put_back(app: &App, mut request: Value) -> Result<Result<Value, String>, FlowError> {
    let Some(fields) = request.as_object_mut() else { return Ok(Ok(request)) };
    let Some(Value::Object(names)) = fields.remove(SHARED) else { return Ok(Ok(request)) };
    for (part, digest) in names {
        let Ok(digest) = serde_json::from_value::<Digest>(digest) else {
            return Ok(Err(format!("the record names no digest for `{part}`")));
        };
        let Some(text) = app.store.kept(Kept::Shared, &digest).await? else {
            return Ok(Err(format!("`{part}` (`{digest}`) is not kept any more")));
        };
        match serde_json::from_slice(&text) {
            Ok(value) if Digest::of(&text) == digest => fields.insert(part, value),
            _ => return Ok(Err(format!("the kept `{part}` (`{digest}`) was altered"))),
        };
    }
    Ok(Ok(request))
}
