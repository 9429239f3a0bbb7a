//! Table `decision_segments`: the answers of a journal's file, of one tenant, packed together. One entry names the digest
//! of all of them.

mod filter;

use std::collections::{BTreeSet, HashSet};

use interlock_domain::{Decision, DecisionId, DecisionOutcome, Digest, Outline, Tag, TenantId, Timestamp};

use crate::{
    DecisionFilter, DecisionPart, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// What entries call a segment.
pub(crate) const OBJECT: &str = "decisions";
/// The type of the entry of one.
pub(crate) const SEALED: &str = "decisions.sealed";
/// Segments looked at together.
const LOOKED_AT: i64 = 200;

/// Answers that come into the database together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub(crate) id: String,
    pub(crate) tenant: TenantId,
    pub(crate) first: DecisionId,
    pub(crate) last: DecisionId,
    pub(crate) newest: Timestamp,
    pub(crate) count: u64,
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    /// Over the exact texts, a line each.
    pub(crate) digest: Digest,
    pub(crate) filter: Vec<u8>,
    pub(crate) packed: Vec<u8>,
}

impl Segment {
    /// Packs the exact texts of decisions of one tenant. `id` is the name of the journal's file: what is in it twice is kept
    /// once.
    pub fn pack(id: String, tenant: TenantId, texts: Vec<String>) -> Result<Self, StoreError> {
        let mut decisions = Vec::with_capacity(texts.len());
        for text in texts {
            let decision =
                Outline::read(&text).map_err(|error| StoreError::corrupt("segment", &id, error))?;
            if decision.tenant != tenant {
                let detail = format!("a decision of `{}` is in a segment of `{tenant}`", decision.tenant);
                return Err(StoreError::Malformed { detail });
            }
            decisions.push((decision, text));
        }
        decisions.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        let (Some((first, _)), Some((last, _))) = (decisions.first(), decisions.last()) else {
            return Err(StoreError::Malformed { detail: "a segment without decisions".to_owned() });
        };
        let (first, last) = (first.id.clone(), last.id.clone());
        let of =
            |outcome| decisions.iter().filter(|(decision, _)| decision.outcome == outcome).count() as u64;
        let (allowed, denied) = (of(DecisionOutcome::Allow), of(DecisionOutcome::Deny));
        let newest = decisions.iter().map(|(decision, _)| decision.at).max();
        let tags: HashSet<&Tag> = decisions.iter().flat_map(|(decision, _)| &decision.tags).collect();
        let found_by: BTreeSet<String> = tags.into_iter().map(Tag::as_text).collect();
        let mut lines = Vec::with_capacity(decisions.iter().map(|(_, text)| text.len() + 1).sum());
        for (_, text) in &decisions {
            lines.extend_from_slice(text.as_bytes());
            lines.push(b'\n');
        }
        Ok(Self {
            id,
            tenant,
            first,
            last,
            newest: newest.unwrap_or(Timestamp::from_millis(0)),
            count: decisions.len() as u64,
            allowed,
            denied,
            digest: Digest::of(&lines),
            filter: filter::of(&found_by),
            packed: lz4_flex::compress_prepend_size(&lines),
        })
    }

    /// What its entry says beside the digest.
    pub(crate) fn summary(&self) -> serde_json::Value {
        serde_json::json!({
            "allowed": self.allowed, "count": self.count, "denied": self.denied,
            "first": self.first, "last": self.last,
        })
    }
}

/// Writes a segment, unless it is there: `AlreadyExists` when it is, `Conflict` when another of its name is.
pub(crate) async fn write(tx: &mut Tx, segment: &Segment) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO decision_segments (tenant, id, first_id, last_id, newest_ms, decisions, digest, filter, packed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        segment.tenant.as_str(),
        &segment.id,
        segment.first.as_str(),
        segment.last.as_str(),
        segment.newest.as_millis(),
        row::column(segment.count),
        segment.digest.to_string(),
        &segment.filter[..],
        &segment.packed[..]
    )?;
    if made > 0 {
        return Ok(());
    }
    let there = fetch_optional!(
        tx.conn(),
        (String,),
        "SELECT digest FROM decision_segments WHERE tenant = $1 AND id = $2",
        segment.tenant.as_str(),
        &segment.id
    )?;
    // The same twice is there once; another of its name is not to be taken for it.
    Err(match there {
        Some((digest,)) if digest == segment.digest.to_string() => StoreError::exists("segment", &segment.id),
        _ => StoreError::conflict("segment", &segment.id),
    })
}

/// The exact texts in a segment, a line each.
pub(crate) fn unpack(id: &str, packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    // Its first four bytes say how much room it takes, and LZ4 makes nothing 255 times as small: whoever altered them does
    // not have the server make room for gigabytes.
    let room = packed.first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    if room > (packed.len() as u64).saturating_mul(255) {
        return Err(StoreError::corrupt("segment", id, format!("it cannot hold {room} bytes")));
    }
    lz4_flex::decompress_size_prepended(packed).map_err(|error| StoreError::corrupt("segment", id, error))
}

fn lines<'a>(id: &str, text: &'a [u8]) -> Result<impl Iterator<Item = &'a str>, StoreError> {
    let text = std::str::from_utf8(text).map_err(|error| StoreError::corrupt("segment", id, error))?;
    Ok(text.lines())
}

impl Store {
    /// The exact text of a decision that is in a segment.
    pub(crate) async fn packed_text(
        &self,
        tenant: &TenantId,
        id: &DecisionId,
    ) -> Result<Option<String>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, Vec<u8>),
            "SELECT id, packed FROM decision_segments
             WHERE tenant = $1 AND last_id >= $2 AND first_id <= $2 ORDER BY last_id, id",
            tenant.as_str(),
            id.as_str()
        )?;
        // The id is the first field of the text.
        let begins = format!("{{\"id\":\"{id}\"");
        for (segment, packed) in rows {
            let text = unpack(&segment, &packed)?;
            if let Some(line) = lines(&segment, &text)?.find(|line| line.starts_with(&begins)) {
                return Ok(Some(line.to_owned()));
            }
        }
        Ok(None)
    }

    /// The decisions of one segment, in their order; none when there is no such segment.
    pub async fn segment_decisions(&self, tenant: &TenantId, id: &str) -> Result<Vec<Decision>, StoreError> {
        let packed = fetch_optional!(
            self.db().reader(),
            (Vec<u8>,),
            "SELECT packed FROM decision_segments WHERE tenant = $1 AND id = $2",
            tenant.as_str(),
            id
        )?;
        let Some((packed,)) = packed else { return Ok(Vec::new()) };
        let text = unpack(id, &packed)?;
        lines(id, &text)?.map(|line| row::body("decision", id, line)).collect()
    }

    /// At most `limit` decisions in segments that fit the filter, newest first and below an id. Once `segments_max` segments were
    /// looked at, whatever is not in the others is there, and nothing that is older than what may be in them counts.
    pub(crate) async fn packed_decisions(
        &self,
        tenant: &TenantId,
        filter: &DecisionFilter,
        below: &str,
        limit: usize,
        segments_max: usize,
    ) -> Result<DecisionPart, StoreError> {
        // They are about no change and of no plugin.
        if filter.change.is_some() || filter.plugin.is_some() {
            return Ok(DecisionPart { found: Vec::new(), reached: None });
        }
        let tags = filter.tags();
        let wanted: Vec<String> = tags.iter().map(Tag::as_text).collect();
        let mut found: Vec<Decision> = Vec::new();
        let (mut after, mut looked_at) = (("~".to_owned(), String::new()), 0);
        loop {
            let segments = self.segments_before(tenant, &after, below, filter.since, segments_max).await?;
            let Some((id, last, _)) = segments.last() else { break };
            after = (last.clone(), id.clone());
            // Those that hold some of the page before as well do not count, or no page might get any further.
            looked_at += segments.iter().filter(|(_, last, _)| last.as_str() < below).count();
            for (id, last, bits) in segments {
                // What is in this one or further back is older than all that is needed.
                if found.iter().filter(|decision| decision.id.as_str() > last.as_str()).count() >= limit {
                    found.truncate(limit);
                    return Ok(DecisionPart { found, reached: None });
                }
                if !wanted.iter().all(|tag| filter::may_hold(&bits, tag)) {
                    continue;
                }
                let packed = fetch_optional!(
                    self.db().reader(),
                    (Vec<u8>,),
                    "SELECT packed FROM decision_segments WHERE tenant = $1 AND id = $2",
                    tenant.as_str(),
                    &id
                )?;
                let Some((packed,)) = packed else { continue };
                let text = unpack(&id, &packed)?;
                for line in lines(&id, &text)? {
                    let decision: Decision = row::body("decision", &id, line)?;
                    if decision.id.as_str() < below && filter.fits(&decision, &tags) {
                        found.push(decision);
                    }
                }
                found.sort_by(|one, other| other.id.cmp(&one.id));
                // Of one segment more than the page holds may fit; what is beyond it is never needed.
                found.truncate(limit);
            }
            // Those that were not looked at end before this one does.
            if looked_at >= segments_max {
                return Ok(DecisionPart { found, reached: Some(after.0) });
            }
        }
        Ok(DecisionPart { found, reached: None })
    }

    /// The segments that begin below an id and end before another segment, with what may be in them: the last first.
    async fn segments_before(
        &self,
        tenant: &TenantId,
        (last, id): &(String, String),
        below: &str,
        since: Option<Timestamp>,
        at_most: usize,
    ) -> Result<Vec<(String, String, Vec<u8>)>, StoreError> {
        Ok(fetch_all!(
            self.db().reader(),
            (String, String, Vec<u8>),
            "SELECT id, last_id, filter FROM decision_segments
             WHERE tenant = $1 AND (last_id < $2 OR (last_id = $2 AND id < $3)) AND first_id < $4 AND newest_ms >= $5
             ORDER BY last_id DESC, id DESC LIMIT $6",
            tenant.as_str(),
            last,
            id,
            below,
            since.map_or(0, Timestamp::as_millis),
            LOOKED_AT.min(i64::try_from(at_most).unwrap_or(LOOKED_AT)).max(1)
        )?)
    }
}
