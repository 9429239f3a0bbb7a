//! Table `decisions`. The exact text of a row has the digest that its ledger entry names.

use interlock_domain::{
    ChangeId, Decision, DecisionId, DecisionOutcome, DecisionSubject, Digest, Tag, TenantId,
};

use crate::{
    DecisionFilter, DecisionPart, Page, Store, StoreError,
    db::{Db, Tx, execute, execute_rows, fetch_all, fetch_optional, values},
    row,
};

/// Rows tagged in one transaction when an older store is opened.
const TAGGED_AT_ONCE: i64 = 500;

/// Records a decision.
pub(crate) async fn write(tx: &mut Tx, decision: &Decision, body: &str) -> Result<(), StoreError> {
    let (plugin, digest) = match &decision.subject {
        DecisionSubject::Plugin { name, digest, .. } => (name.as_str(), digest.to_string()),
        DecisionSubject::Policy { .. } | DecisionSubject::Access { .. } | DecisionSubject::Gate { .. } => {
            ("", String::new())
        }
    };
    let made = execute!(
        tx.conn(),
        "INSERT INTO decisions (id, tenant, change_id, outcome, body, plugin, plugin_digest, tagged)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1) ON CONFLICT DO NOTHING",
        decision.id.as_str(),
        decision.tenant.as_str(),
        decision.change.as_ref().map_or("", ChangeId::as_str),
        decision.outcome.as_str(),
        body,
        plugin,
        digest
    )?;
    if made == 0 {
        return Err(StoreError::exists("decision", &decision.id));
    }
    tag(tx, decision).await
}

/// Notes by what a decision is found.
async fn tag(tx: &mut Tx, decision: &Decision) -> Result<(), StoreError> {
    let tags: Vec<String> = decision.tags().iter().map(Tag::as_text).collect();
    if tags.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO decision_tags (tenant, id, tag) VALUES {} ON CONFLICT DO NOTHING",
        values(tags.len(), 3, 1)
    );
    execute_rows!(tx.conn(), sql, [], &tags, |tag| [decision.tenant.as_str(), decision.id.as_str(), tag])?;
    Ok(())
}

/// Tags the decisions that were recorded before there were tags.
pub(crate) async fn tag_older(db: &Db) -> Result<(), StoreError> {
    loop {
        let mut tx = db.begin().await?;
        let rows = fetch_all!(
            tx.conn(),
            (String, String),
            "SELECT id, body FROM decisions WHERE tagged = 0 ORDER BY id LIMIT $1",
            TAGGED_AT_ONCE
        )?;
        if rows.is_empty() {
            return Ok(());
        }
        for (id, body) in rows {
            // One that cannot be read is found by its id alone, and by whoever verifies the ledger.
            if let Ok(decision) = row::body::<Decision>("decision", &id, &body) {
                tag(&mut tx, &decision).await?;
            }
            execute!(tx.conn(), "UPDATE decisions SET tagged = 1 WHERE id = $1", &id)?;
        }
        tx.commit().await?;
    }
}

impl Store {
    /// A decision.
    pub async fn decision(&self, tenant: &TenantId, id: &DecisionId) -> Result<Option<Decision>, StoreError> {
        let text = self.decision_text(tenant, id).await?;
        text.map(|body| row::body("decision", id.as_str(), &body)).transpose()
    }

    /// The exact text of a decision, which its ledger entry names by digest.
    pub async fn decision_text(
        &self,
        tenant: &TenantId,
        id: &DecisionId,
    ) -> Result<Option<String>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM decisions WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        match found {
            Some((body,)) => Ok(Some(body)),
            None => self.packed_text(tenant, id).await,
        }
    }

    /// Whether this component ever answered a question of the tenant.
    pub async fn has_answered(&self, tenant: &TenantId, plugin: &Digest) -> Result<bool, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT id FROM decisions WHERE tenant = $1 AND plugin_digest = $2 AND plugin_digest <> '' LIMIT 1",
            tenant.as_str(),
            plugin.to_string()
        )?;
        Ok(found.is_some())
    }

    /// The decisions of a tenant, newest first. At most so many segments are looked at for one page, which may then be short,
    /// or empty, and say how far it reached.
    pub async fn decisions(
        &self,
        tenant: &TenantId,
        filter: &DecisionFilter,
        page: &Page,
        segments_max: usize,
    ) -> Result<DecisionPart, StoreError> {
        let mut found = self.decision_rows(tenant, filter, page).await?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let packed = self.packed_decisions(tenant, filter, page.below(), limit, segments_max).await?;
        found.extend(packed.found);
        found.sort_by(|one, other| other.id.cmp(&one.id));
        found.truncate(limit);
        let mut reached = packed.reached;
        if let Some(reached) = &reached {
            // What is further back comes with the next page, and what is not looked at yet among it.
            found.retain(|decision| decision.id.as_str() >= reached.as_str());
        }
        if found.len() == limit {
            reached = None;
        }
        if let Some(since) = filter.since {
            // Ids rise with time, so that what follows the last one that is new enough need not be looked at.
            let kept = found.iter().rposition(|decision| decision.at >= since).map_or(0, |last| last + 1);
            reached = reached.filter(|_| kept == found.len());
            found.truncate(kept);
        }
        Ok(DecisionPart { found, reached })
    }

    /// Those that have a row.
    async fn decision_rows(
        &self,
        tenant: &TenantId,
        filter: &DecisionFilter,
        page: &Page,
    ) -> Result<Vec<Decision>, StoreError> {
        let outcome = filter.outcome.map_or("", DecisionOutcome::as_str);
        let plugin = filter.plugin.as_deref().unwrap_or_default();
        let mut tags = filter.tags().into_iter().map(|tag| tag.as_text());
        // One statement for each index that fits.
        let rows = match (tags.next(), &filter.change, &filter.plugin) {
            (Some(tag), change, _) => {
                let mut more = || tags.next().unwrap_or_default();
                fetch_all!(
                    self.db().reader(),
                    (String, String),
                    "SELECT d.id, d.body FROM decision_tags t JOIN decisions d ON d.id = t.id
                     WHERE t.tenant = $1 AND t.tag = $2 AND t.id < $3 AND ($4 = '' OR d.outcome = $4)
                     AND ($5 = '' OR d.plugin = $5) AND ($6 = '' OR d.change_id = $6)
                     AND ($7 = '' OR EXISTS (SELECT 1 FROM decision_tags x WHERE x.tenant = $1 AND x.tag = $7 AND x.id = t.id))
                     AND ($8 = '' OR EXISTS (SELECT 1 FROM decision_tags x WHERE x.tenant = $1 AND x.tag = $8 AND x.id = t.id))
                     AND ($9 = '' OR EXISTS (SELECT 1 FROM decision_tags x WHERE x.tenant = $1 AND x.tag = $9 AND x.id = t.id))
                     AND ($10 = '' OR EXISTS (SELECT 1 FROM decision_tags x WHERE x.tenant = $1 AND x.tag = $10 AND x.id = t.id))
                     ORDER BY t.id DESC LIMIT $11",
                    tenant.as_str(),
                    &tag,
                    page.below(),
                    outcome,
                    plugin,
                    change.as_ref().map_or("", ChangeId::as_str),
                    more(),
                    more(),
                    more(),
                    more(),
                    page.limit()
                )?
            }
            (None, Some(change), _) => fetch_all!(
                self.db().reader(),
                (String, String),
                "SELECT id, body FROM decisions
                 WHERE tenant = $1 AND change_id = $2 AND id < $3 AND ($4 = '' OR outcome = $4)
                 AND ($5 = '' OR plugin = $5) ORDER BY id DESC LIMIT $6",
                tenant.as_str(),
                change.as_str(),
                page.below(),
                outcome,
                plugin,
                page.limit()
            )?,
            (None, None, Some(plugin)) => fetch_all!(
                self.db().reader(),
                (String, String),
                "SELECT id, body FROM decisions
                 WHERE tenant = $1 AND plugin = $2 AND plugin <> '' AND id < $3 AND ($4 = '' OR outcome = $4)
                 ORDER BY id DESC LIMIT $5",
                tenant.as_str(),
                plugin,
                page.below(),
                outcome,
                page.limit()
            )?,
            (None, None, None) => fetch_all!(
                self.db().reader(),
                (String, String),
                "SELECT id, body FROM decisions
                 WHERE tenant = $1 AND id < $2 AND ($3 = '' OR outcome = $3) ORDER BY id DESC LIMIT $4",
                tenant.as_str(),
                page.below(),
                outcome,
                page.limit()
            )?,
        };
        row::bodies("decision", rows)
    }
}
