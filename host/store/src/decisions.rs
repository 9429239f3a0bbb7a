//! Table `decisions`. The exact text of a row has the digest that its ledger entry names.

use interlock_domain::{ChangeId, Decision, DecisionId, DecisionOutcome, TenantId};

use crate::{
    DecisionFilter, Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Records a decision.
pub(crate) async fn write(tx: &mut Tx, decision: &Decision, body: &str) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO decisions (id, tenant, change_id, outcome, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        decision.id.as_str(),
        decision.tenant.as_str(),
        decision.change.as_ref().map_or("", ChangeId::as_str),
        decision.outcome.as_str(),
        body
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

    /// The decisions of a tenant, newest first.
    pub async fn decisions(
        &self,
        tenant: &TenantId,
        filter: &DecisionFilter,
        page: &Page,
    ) -> Result<Vec<Decision>, StoreError> {
        let outcome = filter.outcome.map_or("", DecisionOutcome::as_str);
        // Two statements, so that each has an index that fits it.
        let rows = match &filter.change {
            Some(change) => fetch_all!(
                self.db().reader(),
                (String, String),
                "SELECT id, body FROM decisions
                 WHERE tenant = $1 AND change_id = $2 AND id < $3 AND ($4 = '' OR outcome = $4)
                 ORDER BY id DESC LIMIT $5",
                tenant.as_str(),
                change.as_str(),
                page.below(),
                outcome,
                page.limit()
            )?,
            None => fetch_all!(
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
