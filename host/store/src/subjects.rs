//! Table `subjects`: whom identity providers mean.

use interlock_domain::{Account, AccountId, Subject, SubjectId, TenantId};

use crate::{
    Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Links a name to an account. It has one account at a time.
pub(crate) async fn link(tx: &mut Tx, subject: &Subject, body: &str) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO subjects (id, tenant, account, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        subject.id.as_str(),
        subject.tenant.as_str(),
        subject.account.as_str(),
        body
    )?;
    if made == 0 { Err(StoreError::exists("subject", &subject.id)) } else { Ok(()) }
}

/// Takes a link away.
pub(crate) async fn unlink(tx: &mut Tx, tenant: &TenantId, id: &SubjectId) -> Result<(), StoreError> {
    let gone = execute!(
        tx.conn(),
        "DELETE FROM subjects WHERE id = $1 AND tenant = $2",
        id.as_str(),
        tenant.as_str()
    )?;
    if gone == 0 { Err(StoreError::missing("subject", id)) } else { Ok(()) }
}

impl Store {
    /// A name's link and the account that it means, in one round trip.
    pub async fn subject(
        &self,
        tenant: &TenantId,
        id: &SubjectId,
    ) -> Result<Option<(Subject, Account)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String, String),
            "SELECT s.body, a.body FROM subjects s JOIN accounts a ON a.id = s.account AND a.tenant = s.tenant
             WHERE s.id = $1 AND s.tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        let Some((subject, account)) = found else { return Ok(None) };
        Ok(Some((row::body("subject", id.as_str(), &subject)?, row::body("account", id.as_str(), &account)?)))
    }

    /// The names of an account, by id.
    pub async fn subjects(&self, tenant: &TenantId, account: &AccountId) -> Result<Vec<Subject>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM subjects WHERE tenant = $1 AND account = $2 ORDER BY id",
            tenant.as_str(),
            account.as_str()
        )?;
        row::bodies("subject", rows)
    }
}
