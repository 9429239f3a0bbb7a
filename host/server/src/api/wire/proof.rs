//! Proofs from the ledger.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_ledger::VerifyingKey;
use interlock_store::Anchored;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::tlog::{self, Continued, Proved};

/// The receipt of an entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// The entry's place in the log.
    #[schema(example = 41)]
    index: u64,
    /// The entry's type.
    #[schema(example = "change.approved")]
    kind: String,
    /// The receipt (C2SP tlog-proof): keep it as a file `.tlog-proof`.
    receipt: String,
}

impl From<Proved> for Receipt {
    fn from(proved: Proved) -> Self {
        let kind = proved.row.projection.map(|projection| projection.kind).unwrap_or_default();
        Self { index: proved.row.idx, kind, receipt: proved.receipt.to_string() }
    }
}

/// The proof that a log continues what it was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Consistency {
    /// The earlier size.
    from: u64,
    /// The later size.
    to: u64,
    /// The hashes in the order of RFC 6962, each in base64.
    proof: Vec<String>,
    /// The newest checkpoint.
    checkpoint: String,
}

impl From<Continued> for Consistency {
    fn from(continued: Continued) -> Self {
        let Continued { from, to, proof, checkpoint } = continued;
        Self { from, to, proof: proof.iter().map(|hash| STANDARD.encode(hash)).collect(), checkpoint }
    }
}

/// A checkpoint that somebody outside knows of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Anchor {
    /// Which anchor.
    anchor: String,
    /// `timestamp` (RFC 3161), `git`, `webhook` or `stellar`.
    #[schema(example = "timestamp")]
    kind: String,
    /// How many entries the checkpoint is over.
    size: u64,
    /// When.
    at: String,
    /// SHA-256 of the checkpoint's text, hexadecimal: what the anchor knows.
    sha256: String,
    /// Where to look for it: time and number, commit, message, transaction.
    reference: String,
    /// The checkpoint.
    checkpoint: String,
    /// What shows it, base64: the authority's answer, the commit, the message, the signed transaction.
    proof: String,
}

impl From<Anchored> for Anchor {
    fn from(anchored: Anchored) -> Self {
        let Anchored { log: _, anchor, kind, size, digest, note, reference, proof, at } = anchored;
        Self {
            anchor,
            kind,
            size,
            at: at.to_string(),
            sha256: digest.to_hex(),
            reference,
            checkpoint: note,
            proof: STANDARD.encode(proof),
        }
    }
}

/// The public keys of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerKeys {
    /// What the log is called.
    #[schema(example = "interlock.example.com/ledger/mercy")]
    origin: String,
    /// The keys.
    keys: Vec<LedgerKey>,
}

/// A public key of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerKey {
    /// What it signs: `log` checkpoints, `emitter` entries, `witness` cosignatures.
    #[serde(rename = "for")]
    purpose: &'static str,
    /// The key, as C2SP signed notes write verifier keys.
    vkey: String,
}

impl LedgerKeys {
    pub(crate) fn new(origin: String, keys: &[VerifyingKey]) -> Self {
        let keys = keys
            .iter()
            .map(|key| LedgerKey { purpose: tlog::purpose(key, &origin), vkey: key.to_string() })
            .collect();
        Self { origin, keys }
    }
}
