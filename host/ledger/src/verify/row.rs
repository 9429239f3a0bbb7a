//! What can be said of one row without its neighbours.

use std::sync::Arc;

use super::report::{Finding, FindingKind};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::keys::Keyring;
use crate::tree::{Hash, leaf_hash};

/// One entry as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// The position under which it is stored.
    pub idx: u64,
    /// The exact bytes of the leaf.
    pub body: Vec<u8>,
    /// The hash stored beside it.
    pub leaf_hash: Vec<u8>,
    /// The payload that the entry's `data` names, if it is still kept.
    pub payload: Option<Vec<u8>>,
    /// What the store repeats of the entry so that it can be found; absent where nothing is repeated, as in tiles.
    pub projection: Option<Projection>,
}

/// Fields of an entry as a store repeats them beside it, for queries. People read what queries find, so a projection that says
/// something else than its entry hides or invents what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// What happened.
    pub kind: String,
    /// To which kind of thing.
    pub object_kind: String,
    /// To which one.
    pub object_id: String,
    /// When: milliseconds since 1970.
    pub at_ms: i64,
}

/// Checks single rows: cheap to clone, and each check is independent of every other.
#[derive(Debug, Clone)]
pub struct RowChecker {
    origin: Arc<str>,
    keys: Arc<Keyring>,
    emitter_signatures: bool,
}

/// What was found about one row, for [`super::Verifier::accept`].
#[derive(Debug, Clone)]
pub struct RowCheck {
    pub(super) idx: u64,
    pub(super) leaf: Hash,
    pub(super) stored: Option<Hash>,
    pub(super) prev: Option<Hash>,
    pub(super) entry: Option<Entry>,
    pub(super) findings: Vec<Finding>,
}

impl RowChecker {
    pub(super) fn new(origin: &str, keys: Keyring) -> Self {
        Self { origin: origin.into(), keys: Arc::new(keys), emitter_signatures: true }
    }

    pub(super) fn without_emitter_signatures(self) -> Self {
        Self { emitter_signatures: false, ..self }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// Hashes the body anew and compares all that the row says about itself.
    #[must_use]
    pub fn check(&self, row: &StoredRow) -> RowCheck {
        let leaf = leaf_hash(&row.body);
        let stored = Hash::try_from(&row.leaf_hash[..]).ok();
        let mut check =
            RowCheck { idx: row.idx, leaf, stored, prev: None, entry: None, findings: Vec::new() };
        if stored != Some(leaf) {
            check.tampered(
                "body does not have the stored hash",
                hex::encode(&row.leaf_hash),
                hex::encode(leaf),
            );
        }
        match Entry::parse(&row.body) {
            Ok(entry) => {
                self.check_entry(&mut check, &entry);
                check_payload(&mut check, entry.data, row.payload.as_deref());
                if let Some(projection) = &row.projection {
                    check_projection(&mut check, &entry, projection);
                }
                check.prev = Some(entry.prev);
                check.entry = Some(entry);
            }
            Err(error) => check.no_entry(error.to_string()),
        }
        check
    }

    /// Checks an entry of which there is nothing but its bytes, as in a bundle.
    #[must_use]
    pub fn check_body(&self, idx: u64, body: &[u8]) -> RowCheck {
        let mut check = RowCheck::unseen(idx, leaf_hash(body));
        match Entry::parse(body) {
            Ok(entry) => {
                self.check_entry(&mut check, &entry);
                check.prev = Some(entry.prev);
            }
            Err(error) => check.no_entry(error.to_string()),
        }
        check
    }

    fn check_entry(&self, check: &mut RowCheck, entry: &Entry) {
        if entry.idx != check.idx {
            check.tampered("entry belongs to another place", check.idx.to_string(), entry.idx.to_string());
        }
        if *entry.origin != *self.origin {
            check.tampered("entry belongs to another log", self.origin.to_string(), entry.origin.clone());
        }
        if self.emitter_signatures {
            self.check_emitter(check, entry);
        }
    }

    fn check_emitter(&self, check: &mut RowCheck, entry: &Entry) {
        let key = &entry.emitter.key;
        match entry.is_signed_by(&self.keys) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => {
                let found = entry.emitter.sig.chars().take(88).collect();
                check.tampered("emitter did not sign this", format!("a signature by {key}"), found);
            }
            Ok(None) => check.tampered("emitter is not trusted", "a known emitter key".into(), key.clone()),
            Err(error) => check.tampered("body is no entry", "a canonical entry".into(), error.to_string()),
        }
    }
}

fn check_payload(check: &mut RowCheck, data: Option<Digest>, payload: Option<&[u8]>) {
    match (data, payload) {
        (None, None) => {}
        (Some(digest), Some(payload)) => {
            let found = Digest::of(payload);
            if found != digest {
                check.tampered(
                    "payload does not have the entry's digest",
                    digest.to_string(),
                    found.to_string(),
                );
            }
        }
        // Retention may have removed it: the digest still stands for what it was.
        (Some(digest), None) => {
            check.note(FindingKind::Missing, "payload is not kept", digest.to_string(), "nothing".into());
        }
        (None, Some(payload)) => {
            check.tampered("payload was added", "nothing".into(), Digest::of(payload).to_string());
        }
    }
}

fn check_projection(check: &mut RowCheck, entry: &Entry, projection: &Projection) {
    let Projection { kind, object_kind, object_id, at_ms } = projection;
    let texts = [
        ("projection `kind` is not what the entry says", &entry.kind, kind),
        ("projection `object_kind` is not what the entry says", &entry.object.kind, object_kind),
        ("projection `object_id` is not what the entry says", &entry.object.id, object_id),
    ];
    for (what, said, repeated) in texts {
        if said != repeated {
            check.tampered(what, said.clone(), repeated.clone());
        }
    }
    if entry.ts_ms != *at_ms {
        let what = "projection `at_ms` is not what the entry says";
        check.tampered(what, entry.ts_ms.to_string(), at_ms.to_string());
    }
}

impl RowCheck {
    /// An entry of which only the leaf hash is known.
    pub(crate) fn unseen(idx: u64, leaf: Hash) -> Self {
        Self { idx, leaf, stored: Some(leaf), prev: None, entry: None, findings: Vec::new() }
    }

    pub(crate) fn idx(&self) -> u64 {
        self.idx
    }

    pub(crate) fn leaf(&self) -> &Hash {
        &self.leaf
    }

    fn no_entry(&mut self, why: String) {
        self.tampered("body is no entry", "a canonical entry of version 1".into(), why);
    }

    fn tampered(&mut self, what: &'static str, expected: String, found: String) {
        self.note(FindingKind::Tampered, what, expected, found);
    }

    fn note(&mut self, kind: FindingKind, what: &'static str, expected: String, found: String) {
        self.findings.push(Finding { idx: Some(self.idx), kind, what: what.into(), expected, found });
    }
}
