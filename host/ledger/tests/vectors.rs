//! The proof vectors of another transparency log's library: what it accepts we accept, what it refuses we refuse.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_ledger::{
    Hash,
    tree::{verify_consistency, verify_inclusion},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    file: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    file: String,
    size1: u64,
    size2: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// A hash, when it is one: some vectors are about others.
fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A root. Where a vector does not care which, it gives a few letters: they stand for a hash here.
fn root(text: &str) -> Option<Hash> {
    let mut bytes = STANDARD.decode(text).ok()?;
    if bytes.starts_with(b"don't care") {
        bytes.resize(32, 0);
    }
    bytes.try_into().ok()
}

fn proof(lines: Option<Vec<String>>) -> Option<Vec<Hash>> {
    lines.unwrap_or_default().iter().map(|line| hash(line)).collect()
}

#[test]
fn inclusion_proofs_are_accepted_and_refused_as_elsewhere() {
    let mut seen = 0;
    for line in include_str!("vectors/inclusion.jsonl").lines() {
        let vector: Inclusion = serde_json::from_str(line).unwrap();
        let holds = || {
            let (leaf, root) = (hash(&vector.leaf_hash)?, hash(&vector.root)?);
            verify_inclusion(&leaf, vector.leaf_idx, vector.tree_size, &proof(vector.proof)?, &root).ok()
        };
        assert_eq!(holds().is_none(), vector.want_err, "{}", vector.file);
        seen += 1;
    }
    assert!(seen > 90, "{seen}");
}

#[test]
fn consistency_proofs_are_accepted_and_refused_as_elsewhere() {
    let mut seen = 0;
    for line in include_str!("vectors/consistency.jsonl").lines() {
        let vector: Consistency = serde_json::from_str(line).unwrap();
        let holds = || {
            let (old, new) = (root(vector.root1.as_deref()?)?, root(vector.root2.as_deref()?)?);
            verify_consistency((vector.size1, &old), (vector.size2, &new), &proof(vector.proof)?).ok()
        };
        assert_eq!(holds().is_none(), vector.want_err, "{}", vector.file);
        seen += 1;
    }
    assert!(seen > 90, "{seen}");
}
