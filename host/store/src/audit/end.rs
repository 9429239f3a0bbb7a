//! Where a log ends: what its head says against what its entries came to.

use interlock_ledger::{Checkpoint, Finding, Frontier, Hash};

use crate::ledger::{End, StoredHead};

/// What is wrong with the end of a log, given the tree over its entries and the last leaf.
pub(super) fn compare(
    end: &End,
    checkpoint: Option<&Checkpoint>,
    tree: &Frontier,
    last: Option<Hash>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(first) = end.below_zero {
        findings.push(Finding::tampered(
            None,
            "entry stands before the first",
            "entry 0",
            format!("entry {first}"),
        ));
    }
    match &end.head {
        None if end.entries > 0 => {
            let expected = format!("a head over {} entries", end.entries);
            findings.push(Finding::tampered(None, "log has entries but no head", expected, "none"));
        }
        // A head of size 0 stays behind when the first commit was refused.
        None => findings.push(empty()),
        Some(head) if head.size == 0 && end.entries == 0 => findings.push(empty()),
        Some(head) => {
            findings.extend(compare_head(head, end.entries, checkpoint, tree, last));
            if end.checkpoint.is_none() && end.entries > 0 {
                let (expected, found) = ("a signed checkpoint", "none");
                findings.push(Finding::missing(None, "nothing of the log is signed", expected, found));
            }
        }
    }
    findings
}

/// Nothing shows that something was altered: a log that never began looks the same as one that was wiped with its rows.
fn empty() -> Finding {
    Finding::missing(
        None,
        "log is empty, so that there is nothing to verify",
        "entries and a signed head; check the tenant and the data folder, or compare with a backup",
        "neither",
    )
}

fn compare_head(
    head: &StoredHead,
    entries: u64,
    checkpoint: Option<&Checkpoint>,
    tree: &Frontier,
    last: Option<Hash>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let size = u64::try_from(head.size).unwrap_or_default();
    let (of_log, of_head) = (format!("{entries} entries"), format!("{} entries", head.size));
    if head.size < 0 || size < entries {
        findings.push(Finding::tampered(Some(size), "head is smaller than the log", of_log, of_head.clone()));
    } else if size > entries {
        findings.push(Finding::tampered(
            Some(entries),
            "head is larger than the log",
            of_log,
            of_head.clone(),
        ));
    } else if tree.size() == entries {
        // Between entries that are missing the tree cannot be known; their absence is reported.
        let parts = [
            ("head has another root than the log", tree.root().to_vec(), &head.root),
            ("head names another last entry", last.map(|last| last.to_vec()).unwrap_or_default(), &head.prev),
            ("head would continue another tree", tree.to_bytes(), &head.frontier),
        ];
        for (what, expected, found) in parts {
            if expected != *found {
                findings.push(Finding::tampered(None, what, hex(&expected), hex(found)));
            }
        }
    }
    if let Some(signed) = checkpoint.map(|checkpoint| checkpoint.size).filter(|signed| *signed > size) {
        let what = "head is smaller than what was signed";
        findings.push(Finding::tampered(None, what, of_head, format!("{signed} entries")));
    }
    findings
}

fn hex(bytes: &[u8]) -> String {
    // A limit on what is repeated: an altered column may hold anything.
    bytes.iter().take(256).map(|byte| format!("{byte:02x}")).collect()
}
