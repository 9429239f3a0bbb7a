//! How an entry is written: the one place that knows its JSON.

use serde::Serialize;
use serde::de::Deserializer;

use super::{Actor, BODY_BYTES_MAX, Entry, EntryError, Object, PolicyRef};
use crate::digest::{Digest, hash_from_hex, hash_to_hex};

/// The fields in the order of RFC 8785, so that plain serialisation is canonical. All keys are ASCII; serde_json escapes
/// strings as RFC 8785 asks; there are no floats. A test compares with the general canonical form.
#[derive(Serialize)]
struct Wire<'a> {
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Digest>,
    emitter: WireEmitter<'a>,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    idx: Option<String>,
    object: &'a Object,
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a PolicyRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    ts: String,
    r#type: &'a str,
    v: u8,
}

#[derive(Serialize)]
struct WireEmitter<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<&'a str>,
}

/// The whole leaf.
pub(super) fn body(entry: &Entry) -> Result<Vec<u8>, EntryError> {
    let mut wire = Wire::of(entry)?;
    wire.idx = Some(entry.idx.to_string());
    wire.prev = Some(hash_to_hex(&entry.prev));
    wire.emitter.sig = Some(&entry.emitter.sig);
    let body = wire.bytes()?;
    if body.len() > BODY_BYTES_MAX { Err(EntryError::TooLong { found: body.len() }) } else { Ok(body) }
}

/// The leaf without what is only known when it gets its place.
pub(super) fn statement(entry: &Entry) -> Result<Vec<u8>, EntryError> {
    Wire::of(entry)?.bytes()
}

impl<'a> Wire<'a> {
    fn of(entry: &'a Entry) -> Result<Self, EntryError> {
        Ok(Self {
            actor: &entry.actor,
            after: entry.after,
            before: entry.before,
            data: entry.data,
            emitter: WireEmitter { key: &entry.emitter.key, sig: None },
            id: &entry.id,
            idx: None,
            object: &entry.object,
            origin: &entry.origin,
            outcome: entry.outcome.as_deref(),
            policy: entry.policy.as_ref(),
            prev: None,
            tenant: &entry.tenant,
            trace: entry.trace.as_deref(),
            ts: rfc3339::write(entry.ts_ms)?,
            r#type: &entry.kind,
            v: entry.v,
        })
    }

    fn bytes(&self) -> Result<Vec<u8>, EntryError> {
        let mut bytes = Vec::with_capacity(1024);
        serde_json::to_writer(&mut bytes, self).map_err(|e| EntryError::Fields { reason: e.to_string() })?;
        Ok(bytes)
    }
}

/// Text from JSON without copying it where it has no escapes.
struct Text<F>(F, &'static str);

impl<T, F: FnOnce(&str) -> Option<T>> serde::de::Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).ok_or_else(|| E::custom(format_args!("`{text}` is not {}", self.1)))
    }
}

/// An integer that may outgrow 2^53−1, as a string.
pub(super) mod decimal {
    use super::{Deserializer, Text};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_str(Text(|text: &str| text.parse().ok(), "a decimal number in a string"))
    }
}

/// A hash as 64 hex digits.
pub(super) mod hex_hash {
    use super::{Deserializer, Text, hash_from_hex};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        deserializer.deserialize_str(Text(hash_from_hex, "64 lower-case hex digits"))
    }
}

/// A time in UTC with exactly three digits of a second.
pub(super) mod rfc3339 {
    use super::{Deserializer, EntryError, Text};

    pub(super) fn write(ts_ms: i64) -> Result<String, EntryError> {
        let time = jiff::Timestamp::from_millisecond(ts_ms).map_err(|_| EntryError::NoTime { ts_ms })?;
        let text = format!("{time:.3}");
        // Years outside 0 to 9999 get a sign and more digits, which RFC 3339 does not know.
        if text.len() == "2026-11-20T18:00:00.123Z".len() {
            Ok(text)
        } else {
            Err(EntryError::NoTime { ts_ms })
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let read = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond());
        deserializer.deserialize_str(Text(read, "an RFC 3339 time in UTC with milliseconds"))
    }
}
