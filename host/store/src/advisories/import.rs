//! Writing a part of an import, in the transaction of its entry.

use std::collections::BTreeMap;

use interlock_domain::{TenantId, Timestamp};
use interlock_ledger::{Digest, to_canonical};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Advisory, Sum, ecosystems, head, kept, size,
    sum::{of_ecosystem, of_record},
};
use crate::{
    LedgerKeys, Store, StoreError,
    db::{Tx, execute, execute_rows, fetch_optional, fetch_rows, pieces, text, values},
    draft::{Happening, Scribe, Staged},
    row,
};

/// The type of an import's entry.
pub(crate) const IMPORTED: &str = "advisories.imported";
/// What it is about.
pub(crate) const OBJECT: &str = "tenant";
/// Records read at a time when those from before get their digests.
const PAGE: u32 = 200;
/// Most ids that an entry names of those that were withdrawn, and of those that were replaced.
const IDS_MAX: usize = 1_000;

/// A part of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryImport {
    /// Whose advisories.
    pub tenant: TenantId,
    /// A record that is newer already stays.
    pub records: Vec<Advisory>,
    /// As of when `ecosystems` are complete; an earlier instant than the one on record leaves it.
    pub as_of: Option<Timestamp>,
    /// What is complete then.
    pub ecosystems: Vec<String>,
    /// A record that is kept as altered later than this gives way: none is taken in that says so.
    pub modified_max: Timestamp,
}

/// What became of a part of an import: the payload of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoriesWritten {
    /// So many are as they came.
    pub written: u64,
    /// So many are older than what was there, which stays.
    pub older: u64,
    /// Those that are withdrawn now and were not before.
    withdrawn: Named,
    /// Those that said something else before.
    replaced: Named,
    /// Over id, time and digest of each record of the part.
    records: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    ecosystems: Vec<String>,
}

/// How many, and which: not more than [`IDS_MAX`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    count: u64,
    ids: Vec<String>,
}

impl Named {
    fn push(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < IDS_MAX {
            self.ids.push(id.to_owned());
        }
    }
}

impl Store {
    /// What became of an import, by the place of its entry.
    pub async fn advisories_written(
        &self,
        tenant: &TenantId,
        idx: u64,
    ) -> Result<AdvisoriesWritten, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (Vec<u8>,),
            "SELECT payload FROM ledger_entries WHERE log = $1 AND idx = $2 AND payload IS NOT NULL",
            tenant.as_str(),
            row::column(idx)
        )?;
        let (payload,) = found.ok_or_else(|| StoreError::missing("entry", idx))?;
        serde_json::from_slice(&payload).map_err(|error| StoreError::corrupt("entry", idx, error))
    }
}

/// Writes the records and returns the entry, which says what became of them and what all rows come to. Nobody else writes
/// rows of the tenant meanwhile: the head of its log is locked.
pub(crate) async fn run(
    tx: &mut Tx,
    scribe: &Scribe,
    import: &AdvisoryImport,
    ids: &[Uuid],
    keys: &LedgerKeys,
) -> Result<Vec<Staged>, StoreError> {
    let tenant = import.tenant.as_str();
    let (mut sum, before) = open(tx, tenant).await?;
    let written = write(tx, import, &mut sum).await?;
    complete(tx, import, scribe.now, &mut sum).await?;
    execute!(
        tx.conn(),
        "INSERT INTO advisory_heads (tenant, sum) VALUES ($1, $2)
         ON CONFLICT (tenant) DO UPDATE SET sum = excluded.sum",
        tenant,
        sum.to_bytes()
    )?;
    let id = ids.first().ok_or_else(|| StoreError::Malformed { detail: "an id is missing".to_owned() })?;
    let happening = Happening {
        kind: IMPORTED,
        object_kind: OBJECT,
        object_id: tenant.to_owned(),
        before,
        after: Some(sum.digest()),
        payload: Some(to_canonical(&written)?),
        ..Happening::default()
    };
    Ok(vec![scribe.sign(*id, happening, keys)?])
}

/// The sum over what is there, and its digest when an entry carries it.
async fn open(tx: &mut Tx, tenant: &str) -> Result<(Sum, Option<Digest>), StoreError> {
    if let Some(bytes) = head(tx, tenant).await? {
        let sum = Sum::from_bytes(&bytes)
            .ok_or_else(|| StoreError::corrupt("advisories", tenant, "their sum has another length"))?;
        let digest = sum.digest();
        return Ok((sum, Some(digest)));
    }
    let mut sum = Sum::new();
    let mut above = String::new();
    loop {
        let page = kept(tx, tenant, &above, PAGE).await?;
        let Some(last) = page.last() else { break };
        above.clone_from(&last.id);
        for record in &page {
            let digest = record.content().to_string();
            execute!(
                tx.conn(),
                "UPDATE advisories SET digest = $3 WHERE tenant = $1 AND id = $2",
                tenant,
                record.id.as_str(),
                digest.as_str()
            )?;
            sum.add(&of_record(&record.id, record.modified_ms, &digest));
        }
    }
    for (name, (as_of_ms, imported_ms)) in ecosystems(tx, tenant).await? {
        sum.add(&of_ecosystem(&name, as_of_ms, imported_ms));
    }
    Ok((sum, None))
}

/// A record that is to be written.
struct Fresh<'a> {
    record: &'a Advisory,
    digest: String,
}

async fn write(tx: &mut Tx, import: &AdvisoryImport, sum: &mut Sum) -> Result<AdvisoriesWritten, StoreError> {
    let tenant = import.tenant.as_str();
    let mut records: Vec<&Advisory> = import.records.iter().collect();
    records.sort_by(|a, b| (&a.id, a.modified).cmp(&(&b.id, b.modified)));
    let there = there(tx, tenant, &records).await?;
    let mut written = AdvisoriesWritten {
        written: 0,
        older: 0,
        withdrawn: Named::default(),
        replaced: Named::default(),
        records: Digest::of(records.iter().map(|record| line(record) + "\n").collect::<String>()),
        as_of: import.as_of,
        ecosystems: if import.as_of.is_some() { import.ecosystems.clone() } else { Vec::new() },
    };
    // The last of an id is the newest.
    let mut newest: BTreeMap<&str, &Advisory> = BTreeMap::new();
    for record in records {
        let held = there.get(&record.id).map(|(modified_ms, _)| *modified_ms);
        let held = held.filter(|modified_ms| *modified_ms <= import.modified_max.as_millis());
        if held.is_some_and(|held| held > record.modified.as_millis()) {
            written.older += 1;
        } else {
            written.written += 1;
            newest.insert(&record.id, record);
        }
    }
    let (mut fresh, mut gone) = (Vec::new(), Vec::new());
    for (id, record) in newest {
        let (modified_ms, digest) = (record.modified.as_millis(), record.digest().to_string());
        let before = there.get(id);
        if before.is_some_and(|before| *before == (modified_ms, digest.clone())) {
            continue;
        }
        if let Some((modified_ms, digest)) = before {
            sum.take(&of_record(id, *modified_ms, digest));
            gone.push(id);
        }
        sum.add(&of_record(id, modified_ms, &digest));
        let says_the_same = before.is_some_and(|(_, before)| *before == digest);
        if record.body.is_empty() && !says_the_same {
            written.withdrawn.push(id);
        } else if before.is_some() && !says_the_same {
            written.replaced.push(id);
        }
        fresh.push(Fresh { record, digest });
    }
    for piece in pieces(&gone) {
        let sql = format!(
            "DELETE FROM advisory_packages WHERE tenant = $1 AND id IN {}",
            values(1, piece.len(), 2)
        );
        execute_rows!(tx.conn(), sql, [tenant], piece, |id| [text(id)])?;
    }
    insert(tx, tenant, &fresh).await?;
    Ok(written)
}

fn line(record: &Advisory) -> String {
    of_record(&record.id, record.modified.as_millis(), &record.digest().to_string())
}

/// Time and digest of those that are there.
async fn there(
    tx: &mut Tx,
    tenant: &str,
    records: &[&Advisory],
) -> Result<BTreeMap<String, (i64, String)>, StoreError> {
    let mut there = BTreeMap::new();
    for piece in pieces(records) {
        let sql = format!(
            "SELECT id, modified_ms, digest FROM advisories WHERE tenant = $1 AND id IN {}",
            values(1, piece.len(), 2)
        );
        let rows =
            fetch_rows!(tx.conn(), (String, i64, String), sql, [tenant], piece, |record| [text(&record.id)])?;
        there.extend(rows.into_iter().map(|(id, modified_ms, digest)| (id, (modified_ms, digest))));
    }
    Ok(there)
}

async fn insert(tx: &mut Tx, tenant: &str, fresh: &[Fresh<'_>]) -> Result<(), StoreError> {
    for piece in pieces(fresh) {
        let sql = format!(
            "INSERT INTO advisories (tenant, id, modified_ms, body, digest) VALUES {}
             ON CONFLICT (tenant, id) DO UPDATE SET modified_ms = excluded.modified_ms, body = excluded.body,
                 digest = excluded.digest",
            values(piece.len(), 5, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |fresh| [
            tenant,
            text(&fresh.record.id),
            fresh.record.modified.as_millis(),
            text(&fresh.record.body),
            &fresh.digest,
        ])?;
    }
    let packages: Vec<(&Advisory, &str, &str)> = fresh
        .iter()
        .flat_map(|Fresh { record, .. }| {
            record.packages.iter().map(|(package, affected)| (*record, package.as_str(), affected.as_str()))
        })
        .collect();
    for piece in pieces(&packages) {
        let sql = format!(
            "INSERT INTO advisory_packages (tenant, package, id, bytes, body) VALUES {}",
            values(piece.len(), 5, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |(record, package, affected)| [
            tenant,
            text(package),
            text(&record.id),
            row::column(size(&record.body, affected) as u64),
            text(affected),
        ])?;
    }
    Ok(())
}

/// Says of the ecosystems that they are complete.
async fn complete(
    tx: &mut Tx,
    import: &AdvisoryImport,
    now: Timestamp,
    sum: &mut Sum,
) -> Result<(), StoreError> {
    let Some(as_of) = import.as_of else { return Ok(()) };
    let tenant = import.tenant.as_str();
    let mut there = ecosystems(tx, tenant).await?;
    for name in &import.ecosystems {
        let before = there.get(name).copied();
        if before.is_some_and(|(before_ms, _)| before_ms > as_of.as_millis()) {
            continue;
        }
        if let Some((as_of_ms, imported_ms)) = before {
            sum.take(&of_ecosystem(name, as_of_ms, imported_ms));
        }
        let after = (as_of.as_millis(), now.as_millis());
        sum.add(&of_ecosystem(name, after.0, after.1));
        there.insert(name.clone(), after);
        execute!(
            tx.conn(),
            "INSERT INTO advisory_ecosystems (tenant, ecosystem, as_of_ms, imported_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, ecosystem) DO UPDATE SET as_of_ms = excluded.as_of_ms,
                 imported_ms = excluded.imported_ms",
            tenant,
            name.as_str(),
            after.0,
            after.1
        )?;
    }
    Ok(())
}
