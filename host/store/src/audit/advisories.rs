//! Advisories against the entries of their imports: each import continues from what the one before left, and the newest one
//! left what is there.
//!
//! Imports from before their entries carried a digest are not compared; the tenant's next import carries it for all rows.

use interlock_ledger::{Digest, Entry, Finding, Verifier};

use super::{AuditStep, ENTRIES, ROWS, aside};
use crate::{
    Store, StoreError,
    advisories::{self, IMPORTED, Kept, OBJECT, Sum, of_ecosystem, of_record},
    db::{Tx, fetch_all},
    row,
};

/// What the entries of imports say.
#[derive(Default)]
struct Said {
    /// How many there are.
    imports: u64,
    /// What the newest left, with its place.
    left: Option<(u64, Digest)>,
    findings: Vec<Finding>,
}

impl Store {
    /// Compares a tenant's advisories with what their imports say, and says how many records that were.
    pub(super) async fn compare_advisories(
        &self,
        log: &str,
        verifier: &mut Verifier,
        progress: &mut (impl FnMut(AuditStep) + Send),
    ) -> Result<u64, StoreError> {
        let mut tx = self.db().snapshot().await?;
        let said = said(&mut tx, log).await?;
        said.findings.into_iter().for_each(|finding| verifier.note(finding));
        let (mut sum, mut compared, mut above) = (Sum::new(), 0, String::new());
        loop {
            let page = advisories::kept(&mut tx, log, &above, ROWS).await?;
            let Some(last) = page.last() else { break };
            above.clone_from(&last.id);
            compared += page.len() as u64;
            let left = said.left;
            let (summed, findings) = aside(move || add(sum, &page, left)).await?;
            sum = summed;
            findings.into_iter().for_each(|finding| verifier.note(finding));
            progress(AuditStep::Rows { done: compared });
        }
        let ecosystems = advisories::ecosystems(&mut tx, log).await?;
        for (name, (as_of_ms, imported_ms)) in &ecosystems {
            sum.add(&of_ecosystem(name, *as_of_ms, *imported_ms));
        }
        let rows = compared > 0 || !ecosystems.is_empty();
        match said.left {
            Some((idx, left)) => {
                let head = advisories::head(&mut tx, log).await?;
                let head = head.map(Digest::of);
                for (what, found) in [
                    ("advisories are not what their newest import left", Some(sum.digest())),
                    ("the sum beside the advisories is not what their newest import left", head),
                ] {
                    if found != Some(left) {
                        let found = found.map_or("nothing".to_owned(), |found| found.to_string());
                        verifier.note(Finding::tampered(Some(idx), what, left.to_string(), found));
                    }
                }
            }
            None if rows && said.imports == 0 => {
                let expected = "an entry that records their import";
                let found = "only rows of table `advisories`";
                verifier.note(Finding::tampered(None, "advisories have no entry", expected, found));
            }
            None => {}
        }
        Ok(compared)
    }
}

/// Adds a page to the sum. A record whose row contradicts itself is named.
fn add(mut sum: Sum, page: &[Kept], left: Option<(u64, Digest)>) -> (Sum, Vec<Finding>) {
    let mut findings = Vec::new();
    for record in page {
        let content = record.content().to_string();
        sum.add(&of_record(&record.id, record.modified_ms, &content));
        if let Some((idx, _)) = left.filter(|_| content != record.digest) {
            // A limit on what is repeated: whoever altered the row may have chosen its id.
            let id: String = record.id.chars().take(200).collect();
            let says: String = record.digest.chars().take(200).collect();
            let what = format!("advisory `{id}` is not what was imported");
            findings.push(Finding::tampered(Some(idx), what, says, content));
        }
    }
    (sum, findings)
}

/// Reads the entries of imports, oldest first. Entries that cannot be read are reported where the log is.
async fn said(tx: &mut Tx, log: &str) -> Result<Said, StoreError> {
    let (mut said, mut above) = (Said::default(), -1);
    loop {
        let page = fetch_all!(
            tx.conn(),
            (i64, Vec<u8>),
            "SELECT idx, body FROM ledger_entries
             WHERE log = $1 AND object_kind = $2 AND object_id = $1 AND kind = $3 AND idx > $4
             ORDER BY idx LIMIT $5",
            log,
            OBJECT,
            IMPORTED,
            above,
            i64::from(ENTRIES)
        )?;
        let Some((last, _)) = page.last() else { return Ok(said) };
        above = *last;
        for (idx, body) in &page {
            said.imports += 1;
            let Ok(entry) = Entry::parse(body) else { continue };
            let idx = row::number(*idx);
            let before = said.left.map(|(_, left)| left);
            if entry.before != before {
                let shown =
                    |digest: Option<Digest>| digest.map_or("nothing".to_owned(), |digest| digest.to_string());
                let what = "advisories were altered between this import and the one before";
                said.findings.push(Finding::tampered(Some(idx), what, shown(before), shown(entry.before)));
            }
            said.left = entry.after.map(|after| (idx, after)).or(said.left);
        }
    }
}
