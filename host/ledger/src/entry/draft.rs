//! From what happened to a leaf: draft, signed by its emitter, sealed at its place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Actor, ENTRY_VERSION, EmitterMark, Entry, EntryError, NO_PREDECESSOR, Object, PolicyRef};
use crate::digest::Digest;
use crate::keys::{SigningKey, VerifyingKey};
use crate::tree::{Hash, leaf_hash};

/// The instance that writes entries down, with its key. Without it, whoever can write to the database could add entries that
/// the log would then sign as genuine.
#[derive(Debug)]
pub struct Emitter {
    key: SigningKey,
    label: String,
}

impl Emitter {
    /// An emitter that signs with this key and is named by its label.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self { label: key.verifying_key().label(), key }
    }

    /// What verifiers must trust.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }
}

/// What happened, before it has a place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// The entry's own id.
    pub id: String,
    /// When: milliseconds since 1970.
    pub ts_ms: i64,
    /// What happened, such as `change.approved`.
    pub kind: String,
    /// The tenant.
    pub tenant: String,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    pub object: Object,
    /// The digest of the object's state before.
    pub before: Option<Digest>,
    /// The digest of the object's state afterwards.
    pub after: Option<Digest>,
    /// The digest of the payload kept beside the entry.
    pub data: Option<Digest>,
    /// How it ended, such as `allow` or `deny`.
    pub outcome: Option<String>,
    /// Which policies decided.
    pub policy: Option<PolicyRef>,
    /// The trace in which it happened.
    pub trace: Option<String>,
}

/// An entry with its emitter's signature, waiting for its place. Signing is the slow part and needs no order; sealing is fast
/// and happens one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEntry(Entry);

/// A leaf, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The exact bytes to keep.
    pub body: Vec<u8>,
    /// The RFC 6962 leaf hash of the body: the next entry's `prev`.
    pub leaf_hash: Hash,
}

impl EntryDraft {
    /// Signs the draft for the log `origin`.
    ///
    /// # Errors
    /// When a field holds no id or time, or the leaf would not fit at every place of the log.
    pub fn sign(self, origin: &str, emitter: &Emitter) -> Result<SignedEntry, EntryError> {
        let mut entry = Entry {
            actor: self.actor,
            after: self.after,
            before: self.before,
            data: self.data,
            emitter: EmitterMark { key: emitter.label.clone(), sig: String::new() },
            id: self.id,
            // The longest index: an entry that fits there fits anywhere, so that sealing does not fail on length.
            idx: u64::MAX,
            object: self.object,
            origin: origin.to_owned(),
            outcome: self.outcome,
            policy: self.policy,
            prev: NO_PREDECESSOR,
            tenant: self.tenant,
            trace: self.trace,
            ts_ms: self.ts_ms,
            kind: self.kind,
            v: ENTRY_VERSION,
        };
        entry.check_ids()?;
        entry.emitter.sig = STANDARD.encode(emitter.key.sign(&entry.statement()?));
        entry.to_body()?;
        Ok(SignedEntry(entry))
    }

    /// Signs and seals in one step.
    ///
    /// # Errors
    /// As [`EntryDraft::sign`].
    pub fn seal(self, origin: &str, idx: u64, prev: Hash, emitter: &Emitter) -> Result<Sealed, EntryError> {
        self.sign(origin, emitter)?.seal(idx, prev)
    }
}

impl SignedEntry {
    /// Gives the entry its place: `prev` is the leaf hash of the entry before, or [`NO_PREDECESSOR`] for the first.
    ///
    /// # Errors
    /// Never for an entry that was signed: its fields and length have been checked.
    pub fn seal(mut self, idx: u64, prev: Hash) -> Result<Sealed, EntryError> {
        self.0.idx = idx;
        self.0.prev = prev;
        let body = self.0.to_body()?;
        Ok(Sealed { leaf_hash: leaf_hash(&body), body })
    }
}
