//! Tables `advisories`, `advisory_packages`, `advisory_ecosystems` and `advisory_heads`: what is known of the weaknesses of
//! packages. Not ledgered row by row: the entry of each import carries the digest of all rows of its tenant, see [`Sum`].

mod import;
mod sum;

use std::collections::BTreeMap;

use interlock_domain::{TenantId, Timestamp};
use interlock_ledger::Digest;

pub use self::import::{AdvisoriesWritten, AdvisoryImport};
pub(crate) use self::{
    import::{IMPORTED, OBJECT, run},
    sum::{Sum, of_ecosystem, of_record},
};
use crate::{
    Store, StoreError,
    db::{Tx, fetch_all, fetch_optional, fetch_rows, pieces, text, values},
    row,
};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// Its id.
    pub id: String,
    /// When its makers last altered it.
    pub modified: Timestamp,
    /// What it says, without `affected`: a JSON object with at least one member. Empty when it was withdrawn.
    pub body: String,
    /// Each package that it is about, and what `affected` has about it: a JSON list. None when it was withdrawn.
    pub packages: Vec<(String, String)>,
}

/// What a tenant has of advisories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryState {
    /// As of when those of each ecosystem are complete; none before the first complete import.
    pub ecosystems: BTreeMap<String, Timestamp>,
    /// How many records, those that were withdrawn included.
    pub records: u64,
}

/// What the advisories say of some packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisoriesFound {
    /// Package, and what one record says of it, by package and id.
    Rows(Vec<(String, String)>),
    /// More bytes than may be read at once.
    TooLarge {
        /// How many.
        bytes: u64,
    },
}

/// A record as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) modified_ms: i64,
    /// What the row says that the digest is.
    pub(crate) digest: String,
    body: String,
    packages: Vec<(String, String)>,
}

impl Advisory {
    /// The digest of what it says, whatever the order of its packages.
    pub fn digest(&self) -> Digest {
        digest(&self.body, &self.packages)
    }
}

impl Kept {
    /// The digest of what it says.
    pub(crate) fn content(&self) -> Digest {
        digest(&self.body, &self.packages)
    }
}

/// Over what a record says: one text for each content.
fn digest(body: &str, packages: &[(String, String)]) -> Digest {
    let mut packages: Vec<&(String, String)> = packages.iter().collect();
    packages.sort_unstable();
    Digest::of(serde_json::json!([body, packages]).to_string())
}

impl Store {
    /// What the advisories say of these packages, unless it is more than `bytes_max`.
    pub async fn advisories_of(
        &self,
        tenant: &TenantId,
        packages: &[String],
        bytes_max: u64,
    ) -> Result<AdvisoriesFound, StoreError> {
        let mut packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        packages.sort_unstable();
        packages.dedup();
        let mut bytes = 0;
        for piece in pieces(&packages) {
            let sql = format!(
                "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM advisory_packages WHERE tenant = $1 AND package IN {}",
                values(1, piece.len(), 2)
            );
            let sums =
                fetch_rows!(self.db().reader(), (i64,), sql, [tenant.as_str()], piece, |package| [text(
                    package
                )])?;
            bytes += sums.into_iter().map(|(sum,)| row::number(sum)).sum::<u64>();
        }
        if bytes > bytes_max {
            return Ok(AdvisoriesFound::TooLarge { bytes });
        }
        let mut found = Vec::new();
        for piece in pieces(&packages) {
            let sql = format!(
                "SELECT p.package, a.body, p.body FROM advisory_packages p
                 JOIN advisories a ON a.tenant = p.tenant AND a.id = p.id
                 WHERE p.tenant = $1 AND p.package IN {} ORDER BY p.package, p.id",
                values(1, piece.len(), 2)
            );
            let rows = fetch_rows!(
                self.db().reader(),
                (String, String, String),
                sql,
                [tenant.as_str()],
                piece,
                |package| [text(package)]
            )?;
            found.extend(rows.into_iter().map(|(package, body, affected)| (package, whole(&body, affected))));
        }
        Ok(AdvisoriesFound::Rows(found))
    }

    /// As of when a tenant's advisories are complete, by ecosystem; none before the first complete import.
    pub async fn advisory_ecosystems(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT ecosystem, as_of_ms FROM advisory_ecosystems WHERE tenant = $1",
            tenant.as_str()
        )?;
        Ok(rows.into_iter().map(|(name, as_of)| (name, Timestamp::from_millis(as_of))).collect())
    }

    /// What a tenant has of advisories.
    pub async fn advisory_state(&self, tenant: &TenantId) -> Result<AdvisoryState, StoreError> {
        let count = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT COUNT(*) FROM advisories WHERE tenant = $1",
            tenant.as_str()
        )?;
        let records = count.map_or(0, |(count,)| row::number(count));
        Ok(AdvisoryState { ecosystems: self.advisory_ecosystems(tenant).await?, records })
    }

    /// As of when the advisories of every tenant that has some are complete: of the ecosystem that waits the longest.
    pub async fn all_advisories_as_of(&self) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT tenant, MIN(as_of_ms) FROM advisory_ecosystems GROUP BY tenant ORDER BY tenant"
        )?;
        rows.into_iter()
            .map(|(tenant, as_of)| {
                Ok((row::word("advisories", &tenant, &tenant)?, Timestamp::from_millis(as_of)))
            })
            .collect()
    }
}

/// What is put between the body of a record and what it says of a package.
const AFFECTED: &str = ",\"affected\":";

/// How many bytes a record has about one of its packages.
fn size(body: &str, affected: &str) -> usize {
    body.len() + AFFECTED.len() + affected.len()
}

/// A record about one package. Both parts are JSON already: put together, not read and written again.
fn whole(body: &str, affected: String) -> String {
    // A record from before records were kept once: the package has it whole.
    let Some(open) = body.strip_suffix('}') else { return affected };
    format!("{open}{AFFECTED}{affected}}}")
}

/// Records of a tenant with all that they say, in the order of their ids, from above one on.
pub(crate) async fn kept(
    tx: &mut Tx,
    tenant: &str,
    above: &str,
    limit: u32,
) -> Result<Vec<Kept>, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String, i64, String, String),
        "SELECT id, modified_ms, digest, body FROM advisories WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        tenant,
        above,
        i64::from(limit)
    )?;
    let Some((last, ..)) = rows.last() else { return Ok(Vec::new()) };
    let packages = fetch_all!(
        tx.conn(),
        (String, String, String),
        "SELECT id, package, body FROM advisory_packages WHERE tenant = $1 AND id > $2 AND id <= $3",
        tenant,
        above,
        last.as_str()
    )?;
    let mut of: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (id, package, body) in packages {
        of.entry(id).or_default().push((package, body));
    }
    let kept = |(id, modified_ms, digest, body): (String, i64, String, String)| {
        let packages = of.remove(&id).unwrap_or_default();
        Kept { id, modified_ms, digest, body, packages }
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// As of when a tenant's advisories of each ecosystem are complete, and when that was said.
pub(crate) async fn ecosystems(
    tx: &mut Tx,
    tenant: &str,
) -> Result<BTreeMap<String, (i64, i64)>, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String, i64, i64),
        "SELECT ecosystem, as_of_ms, imported_ms FROM advisory_ecosystems WHERE tenant = $1",
        tenant
    )?;
    Ok(rows
        .into_iter()
        .map(|(ecosystem, as_of_ms, imported_ms)| (ecosystem, (as_of_ms, imported_ms)))
        .collect())
}

/// The sum over a tenant's rows that its newest import left; `None` before the first one that leaves one.
pub(crate) async fn head(tx: &mut Tx, tenant: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let found =
        fetch_optional!(tx.conn(), (Vec<u8>,), "SELECT sum FROM advisory_heads WHERE tenant = $1", tenant)?;
    Ok(found.map(|(sum,)| sum))
}
