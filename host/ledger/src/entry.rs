//! Entries: the leaves of the ledger.
//!
//! A leaf lasts for ever and is shown to witnesses, so it holds digests and ids only. What people wrote, and anything that
//! may have to be erased one day, lies beside it as a payload and stands here by its digest.

mod draft;
mod wire;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use draft::{Emitter, EntryDraft, Sealed, SignedEntry};

use crate::canonical::{CanonicalError, parse_strict};
use crate::digest::Digest;
use crate::keys::Keyring;
use crate::tree::Hash;

/// The entry format that this program writes and reads.
pub const ENTRY_VERSION: u8 = 1;

/// The largest body: tlog-tiles gives its length 16 bits.
pub const BODY_BYTES_MAX: usize = 65_535;

/// The longest id in an entry.
pub const ID_BYTES_MAX: usize = 256;

/// What entry 0 names as its predecessor.
pub const NO_PREDECESSOR: Hash = [0; 32];

/// Why an entry cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Written by a later program, or by nobody.
    #[error("entry version `{found}` is unknown, this program reads `1`: use the program that wrote it")]
    UnknownVersion {
        /// The value of `v`.
        found: String,
    },
    /// Not JSON with one reading.
    #[error("the entry has no single reading: {0}")]
    Json(#[from] CanonicalError),
    /// JSON, but not the one spelling that RFC 8785 gives it.
    #[error("the entry is not in canonical form: its bytes were rewritten after it was sealed")]
    NotCanonical,
    /// A field is missing, unknown, or of the wrong kind.
    #[error("the entry does not have the fields of version 1: {reason}")]
    Fields {
        /// What is wrong.
        reason: String,
    },
    /// Something that is no id where an id belongs.
    #[error(
        "`{found}` in `{field}` is no id: use 1 to 256 bytes without spaces, and put words into the payload"
    )]
    NoId {
        /// The field.
        field: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// More than a leaf may hold.
    #[error("the entry has `{found}` bytes where 65535 fit: put more of it into the payload")]
    TooLong {
        /// How long it is, or would be.
        found: usize,
    },
    /// A time that RFC 3339 cannot write.
    #[error("`{ts_ms}` ms is no time between the years 0 and 9999: check the clock")]
    NoTime {
        /// Milliseconds since 1970.
        ts_ms: i64,
    },
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The account that acted: a login, a service, a device, or a part of the system itself.
    pub account: String,
    /// How it proved itself, such as `webauthn-uv` or `api-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// The human being behind it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The digest that names its content, such as a change's manifest digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Which one.
    pub id: String,
    /// Which kind of thing, such as `change`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Which policies decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// The policy bundle in force.
    pub bundle: Digest,
    /// The ids of the policies that determined the answer.
    pub determining: Vec<String>,
}

/// Which instance wrote the entry, and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmitterMark {
    /// The label of its key: name and key id.
    pub key: String,
    /// Ed25519, in base64, over [`Entry::statement`].
    pub sig: String,
}

/// One leaf of the ledger, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Who did it.
    pub actor: Actor,
    /// The digest of the object's state afterwards.
    #[serde(default)]
    pub after: Option<Digest>,
    /// The digest of the object's state before.
    #[serde(default)]
    pub before: Option<Digest>,
    /// The digest of the payload kept beside the entry.
    #[serde(default)]
    pub data: Option<Digest>,
    /// Who wrote it down.
    pub emitter: EmitterMark,
    /// The entry's own id.
    pub id: String,
    /// Its position in the log.
    #[serde(with = "wire::decimal")]
    pub idx: u64,
    /// What it was done to.
    pub object: Object,
    /// Which log it belongs to.
    pub origin: String,
    /// How it ended, such as `allow` or `deny`.
    #[serde(default)]
    pub outcome: Option<String>,
    /// Which policies decided.
    #[serde(default)]
    pub policy: Option<PolicyRef>,
    /// The leaf hash of the entry before.
    #[serde(with = "wire::hex_hash")]
    pub prev: Hash,
    /// The tenant.
    pub tenant: String,
    /// The trace in which it happened.
    #[serde(default)]
    pub trace: Option<String>,
    /// When: milliseconds since 1970.
    #[serde(rename = "ts", with = "wire::rfc3339")]
    pub ts_ms: i64,
    /// What happened, such as `change.approved`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The format: [`ENTRY_VERSION`].
    v: u8,
}

impl Entry {
    /// Reads a stored body, accepting only the very bytes that sealing it would give.
    ///
    /// # Errors
    /// When the version is unknown, a field is wrong, a key stands twice, or the bytes are not canonical.
    pub fn parse(body: &[u8]) -> Result<Self, EntryError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(EntryError::TooLong { found: body.len() });
        }
        let entry: Self = serde_json::from_slice(body).map_err(|error| explain(body, &error))?;
        if entry.v != ENTRY_VERSION {
            return Err(EntryError::UnknownVersion { found: entry.v.to_string() });
        }
        entry.check_ids()?;
        match entry.to_body()? == body {
            true => Ok(entry),
            false => Err(EntryError::NotCanonical),
        }
    }

    /// The bytes that the emitter signs: the body without `idx`, `prev` and `emitter.sig`, which come later.
    ///
    /// # Errors
    /// When the time cannot be written.
    pub fn statement(&self) -> Result<Vec<u8>, EntryError> {
        wire::statement(self)
    }

    /// Whether the signature is by the trusted key that the entry names; `None` when no trusted key has that label.
    ///
    /// # Errors
    /// When the time cannot be written.
    pub fn is_signed_by(&self, keys: &Keyring) -> Result<Option<bool>, EntryError> {
        let Some(key) = keys.find_labelled(&self.emitter.key) else { return Ok(None) };
        let Ok(signature) = STANDARD.decode(&self.emitter.sig) else { return Ok(Some(false)) };
        Ok(Some(key.verifies(&self.statement()?, &signature)))
    }

    fn to_body(&self) -> Result<Vec<u8>, EntryError> {
        wire::body(self)
    }

    fn check_ids(&self) -> Result<(), EntryError> {
        let Actor { account, auth, person } = &self.actor;
        let always = [
            ("id", &self.id),
            ("type", &self.kind),
            ("tenant", &self.tenant),
            ("origin", &self.origin),
            ("actor.account", account),
            ("object.type", &self.object.kind),
            ("object.id", &self.object.id),
            ("emitter.key", &self.emitter.key),
        ];
        let sometimes = [
            ("actor.auth", auth),
            ("actor.person", person),
            ("outcome", &self.outcome),
            ("trace", &self.trace),
        ];
        let sometimes = sometimes.into_iter().filter_map(|(field, id)| Some((field, id.as_ref()?)));
        let policies = self.policy.iter().flat_map(|p| &p.determining).map(|id| ("policy.determining", id));
        always.into_iter().chain(sometimes).chain(policies).try_for_each(|(field, id)| check_id(field, id))
    }
}

/// A leaf has no room for words: whoever tries to write some is told where they belong.
fn check_id(field: &'static str, id: &str) -> Result<(), EntryError> {
    let fits = !id.is_empty() && id.len() <= ID_BYTES_MAX;
    let plain = if id.is_ascii() {
        id.bytes().all(|b| b.is_ascii_graphic())
    } else {
        !id.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    if fits && plain {
        return Ok(());
    }
    Err(EntryError::NoId { field, found: id.chars().take(80).collect() })
}

/// The best reason for a refusal: a body that is no strict JSON, then one of another version, then the field at fault.
fn explain(body: &[u8], error: &serde_json::Error) -> EntryError {
    let value = match parse_strict(body) {
        Ok(value) => value,
        Err(error) => return error.into(),
    };
    match value.get("v") {
        Some(v) if *v != ENTRY_VERSION => {
            EntryError::UnknownVersion { found: v.to_string().chars().take(80).collect() }
        }
        _ => EntryError::Fields { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
