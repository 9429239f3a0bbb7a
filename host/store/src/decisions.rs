//! Table `decisions`. The exact text of a row has the digest that its ledger entry names.

use interlock_domain::{ChangeId, Decision, DecisionId, DecisionOutcome, DecisionSubject, Digest, TenantId};

use crate::{
    DecisionFilter, Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

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
        "INSERT INTO decisions (id, tenant, change_id, outcome, body, plugin, plugin_digest)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
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
    Ok(())
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
        Ok(found.map(|(body,)| body))
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

    /// The decisions of a tenant, newest first.
    pub async fn decisions(
        &self,
        tenant: &TenantId,
        filter: &DecisionFilter,
        page: &Page,
    ) -> Result<Vec<Decision>, StoreError> {
        let outcome = filter.outcome.map_or("", DecisionOutcome::as_str);
        let plugin = filter.plugin.as_deref().unwrap_or_default();
        // One statement for each index that fits.
        let rows = match (&filter.change, &filter.plugin) {
            (Some(change), _) => fetch_all!(
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
            (None, Some(plugin)) => fetch_all!(
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
            (None, None) => fetch_all!(
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
        let mut found: Vec<Decision> = row::bodies("decision", rows)?;
        if let Some(since) = filter.since {
            // Ids rise with time, so that what follows the last one that is new enough need not be looked at.
            let kept = found.iter().rposition(|decision| decision.at >= since).map_or(0, |last| last + 1);
            found.truncate(kept);
        }
        Ok(found)
    }
}
