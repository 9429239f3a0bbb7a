//! Segments of decisions against their entries: each is packed anew from the texts in it, and has to come out as it is.

use interlock_domain::TenantId;
use interlock_ledger::{Entry, Finding, Verifier};

use super::{AuditStep, ENTRIES, aside};
use crate::{
    Segment, Store, StoreError,
    db::fetch_all,
    row,
    segments::{OBJECT, SEALED, unpack},
};

/// Segments read at a time: each may hold some megabytes.
const SEGMENTS: i64 = 4;

/// A row, and the entry that names it.
type Columns = (String, String, String, i64, i64, String, Vec<u8>, Vec<u8>, Option<i64>, Option<Vec<u8>>);

impl Store {
    /// Compares a tenant's segments with their entries, and says how many that were.
    pub(super) async fn compare_segments(
        &self,
        log: &str,
        verifier: &mut Verifier,
        progress: &mut (impl FnMut(AuditStep) + Send),
    ) -> Result<u64, StoreError> {
        // Only a tenant has some.
        let Ok(tenant) = log.parse::<TenantId>() else { return Ok(0) };
        let (mut compared, mut above) = (0, String::new());
        loop {
            let page = fetch_all!(
                self.db().reader(),
                Columns,
                "SELECT s.id, s.first_id, s.last_id, s.newest_ms, s.decisions, s.digest, s.filter, s.packed, e.idx, e.body
                 FROM decision_segments s
                 LEFT JOIN ledger_entries e ON e.log = s.tenant AND e.object_kind = $3 AND e.object_id = s.id AND e.kind = $4
                 WHERE s.tenant = $1 AND s.id > $2 ORDER BY s.id, e.idx LIMIT $5",
                log,
                &above,
                OBJECT,
                SEALED,
                SEGMENTS
            )?;
            let Some(last) = page.last() else { break };
            above.clone_from(&last.0);
            compared += page.len() as u64;
            let of = tenant.clone();
            let findings = aside(move || {
                page.into_iter().filter_map(|columns| compare(&of, columns)).collect::<Vec<_>>()
            });
            findings.await?.into_iter().for_each(|finding| verifier.note(finding));
            progress(AuditStep::Rows { done: compared });
        }
        self.find_lost(log, verifier).await?;
        Ok(compared)
    }

    /// Entries whose segment is gone.
    async fn find_lost(&self, log: &str, verifier: &mut Verifier) -> Result<(), StoreError> {
        let mut above = -1;
        loop {
            let page = fetch_all!(
                self.db().reader(),
                (i64, String),
                "SELECT e.idx, e.object_id FROM ledger_entries e
                 WHERE e.log = $1 AND e.object_kind = $2 AND e.kind = $3 AND e.idx > $4
                 AND NOT EXISTS (SELECT 1 FROM decision_segments s WHERE s.tenant = $1 AND s.id = e.object_id)
                 ORDER BY e.idx LIMIT $5",
                log,
                OBJECT,
                SEALED,
                above,
                i64::from(ENTRIES)
            )?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            above = *last;
            for (idx, id) in page {
                let what = format!("decisions `{id}` are gone");
                let found = "no row of table `decision_segments`";
                verifier.note(Finding::tampered(Some(row::number(idx)), what, "their segment", found));
            }
        }
    }
}

fn compare(tenant: &TenantId, columns: Columns) -> Option<Finding> {
    let (id, first, last, newest_ms, decisions, digest, filter, packed, idx, entry) = columns;
    // A limit on what is repeated: whoever put a row there chose its id.
    let name = format!("decisions `{}`", id.chars().take(200).collect::<String>());
    let idx = idx.map(row::number);
    let Some(entry) = entry else {
        let found = "only a row of table `decision_segments`";
        return Some(Finding::tampered(
            None,
            format!("{name} have no entry"),
            "an entry that records them",
            found,
        ));
    };
    // An entry that cannot be read is reported where the log is.
    let said = Entry::parse(&entry).ok()?.after?;
    let anew = unpack(&id, &packed).and_then(|text| {
        let text = String::from_utf8(text).map_err(|error| StoreError::corrupt("segment", &id, error))?;
        Segment::pack(id.clone(), tenant.clone(), text.lines().map(str::to_owned).collect())
    });
    let anew = match anew {
        Ok(anew) => anew,
        Err(error) => {
            let what = format!("{name} cannot be read");
            return Some(Finding::tampered(idx, what, said.to_string(), error.to_string()));
        }
    };
    if anew.digest != said {
        let what = format!("{name} are not what their entry says");
        return Some(Finding::tampered(idx, what, said.to_string(), anew.digest.to_string()));
    }
    let is = (first.as_str(), last.as_str(), newest_ms, row::number(decisions), digest, filter);
    let says = (
        anew.first.as_str(),
        anew.last.as_str(),
        anew.newest.as_millis(),
        anew.count,
        anew.digest.to_string(),
        anew.filter.clone(),
    );
    let what = || format!("the columns of {name} are not what the decisions in them say");
    (is != says).then(|| Finding::tampered(idx, what(), "what is found by them", "something else"))
}
