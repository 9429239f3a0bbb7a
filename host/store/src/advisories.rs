//! Tables `advisories`, `advisory_packages` and `advisory_imports`: what is known of the weaknesses of packages. Not
//! ledgered row by row; each import has an entry, and what a plugin was told is in its decision.

use interlock_domain::{TenantId, Timestamp};

use crate::{
    Store, StoreError,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, fetch_rows, pieces, text, values},
    row,
};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// Its id.
    pub id: String,
    /// When its makers last altered it.
    pub modified: Timestamp,
    /// Each package that it is about, and what it says of it (JSON). None when it was withdrawn.
    pub packages: Vec<(String, String)>,
}

/// What became of the records of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdvisoriesWritten {
    /// So many are as they came.
    pub written: u64,
    /// So many are older than what was there, which stays.
    pub older: u64,
}

/// What a tenant has of advisories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvisoryState {
    /// They are complete as of then; `None` before the first complete import.
    pub as_of: Option<Timestamp>,
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

impl Store {
    /// Writes records, all or none of them; a record that is newer already stays. With `as_of` the database is complete
    /// as of then; an earlier instant than the one on record leaves it.
    pub async fn import_advisories(
        &self,
        tenant: &TenantId,
        records: &[Advisory],
        as_of: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<AdvisoriesWritten, StoreError> {
        // One order for all, so that two imports at once wait for each other instead of locking each other out.
        let mut records: Vec<&Advisory> = records.iter().collect();
        records.sort_by(|a, b| (&a.id, a.modified).cmp(&(&b.id, b.modified)));
        let mut done = AdvisoriesWritten::default();
        let mut tx = self.db().begin().await?;
        for record in records {
            if write(&mut tx, tenant, record).await? {
                done.written += 1;
            } else {
                done.older += 1;
            }
        }
        if let Some(as_of) = as_of {
            execute!(
                tx.conn(),
                "INSERT INTO advisory_imports (tenant, as_of_ms, imported_ms) VALUES ($1, $2, $3)
                 ON CONFLICT (tenant) DO UPDATE SET as_of_ms = excluded.as_of_ms, imported_ms = excluded.imported_ms
                 WHERE advisory_imports.as_of_ms <= excluded.as_of_ms",
                tenant.as_str(),
                as_of.as_millis(),
                now.as_millis()
            )?;
        }
        tx.commit().await?;
        Ok(done)
    }

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
                "SELECT package, body FROM advisory_packages WHERE tenant = $1 AND package IN {} ORDER BY package, id",
                values(1, piece.len(), 2)
            );
            found.extend(fetch_rows!(
                self.db().reader(),
                (String, String),
                sql,
                [tenant.as_str()],
                piece,
                |package| [text(package)]
            )?);
        }
        Ok(AdvisoriesFound::Rows(found))
    }

    /// As of when a tenant's advisories are complete; `None` before the first complete import.
    pub async fn advisories_as_of(&self, tenant: &TenantId) -> Result<Option<Timestamp>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT as_of_ms FROM advisory_imports WHERE tenant = $1",
            tenant.as_str()
        )?;
        Ok(found.map(|(as_of,)| Timestamp::from_millis(as_of)))
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
        Ok(AdvisoryState { as_of: self.advisories_as_of(tenant).await?, records })
    }

    /// As of when the advisories of every tenant that has some are complete.
    pub async fn all_advisories_as_of(&self) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT tenant, as_of_ms FROM advisory_imports ORDER BY tenant"
        )?;
        rows.into_iter()
            .map(|(tenant, as_of)| {
                Ok((row::word("advisories", &tenant, &tenant)?, Timestamp::from_millis(as_of)))
            })
            .collect()
    }
}

/// Writes one record; false when what is there is newer.
async fn write(tx: &mut Tx, tenant: &TenantId, record: &Advisory) -> Result<bool, StoreError> {
    let newer = execute!(
        tx.conn(),
        "INSERT INTO advisories (tenant, id, modified_ms) VALUES ($1, $2, $3)
         ON CONFLICT (tenant, id) DO UPDATE SET modified_ms = excluded.modified_ms
         WHERE advisories.modified_ms <= excluded.modified_ms",
        tenant.as_str(),
        text(&record.id),
        record.modified.as_millis()
    )?;
    if newer == 0 {
        return Ok(false);
    }
    execute!(
        tx.conn(),
        "DELETE FROM advisory_packages WHERE tenant = $1 AND id = $2",
        tenant.as_str(),
        text(&record.id)
    )?;
    for piece in pieces(&record.packages) {
        let sql = format!(
            "INSERT INTO advisory_packages (tenant, package, id, bytes, body) VALUES {}",
            values(piece.len(), 5, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |(package, body)| [
            tenant.as_str(),
            text(package),
            text(&record.id),
            row::column(body.len() as u64),
            text(body),
        ])?;
    }
    Ok(true)
}
