//! Tables `accounts`, `credentials` and `key_uses`.

use interlock_domain::{Account, AccountId, AccountKind, Credential, KeyId, Login, TenantId, Timestamp};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Makes an account, or alters it unless it is no longer what it was derived from: two administrators at once must not
/// undo each other, or an account that one of them just ended would act again.
pub(crate) async fn write(
    tx: &mut Tx,
    account: &Account,
    from: Option<&Account>,
    body: &str,
) -> Result<(), StoreError> {
    let (id, tenant) = (account.id.as_str(), account.tenant.as_str());
    let Some(from) = from else {
        hold_name(tx, account).await?;
        let made = execute!(
            tx.conn(),
            "INSERT INTO accounts (id, tenant, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            id,
            tenant,
            body
        )?;
        return if made == 0 { Err(StoreError::exists("account", id)) } else { Ok(()) };
    };
    let stored = stored(tx, from).await?;
    let altered = execute!(
        tx.conn(),
        "UPDATE accounts SET body = $3 WHERE id = $1 AND tenant = $2 AND body = $4",
        id,
        tenant,
        body,
        &stored
    )?;
    if altered == 0 { Err(StoreError::conflict("account", id)) } else { Ok(()) }
}

/// The text of this account as it is stored. Refused when the account is another by now.
pub(crate) async fn stored(tx: &mut Tx, account: &Account) -> Result<String, StoreError> {
    let (id, tenant) = (account.id.as_str(), account.tenant.as_str());
    let found = fetch_optional!(
        tx.conn(),
        (String,),
        "SELECT body FROM accounts WHERE id = $1 AND tenant = $2",
        id,
        tenant
    )?;
    // Compared as accounts: an older version of the program may have written the same one in other words.
    let stored = found.map(|(stored,)| stored).ok_or_else(|| StoreError::conflict("account", id))?;
    if row::body::<Account>("account", id, &stored)? != *account {
        return Err(StoreError::conflict("account", id));
    }
    Ok(stored)
}

/// Refuses a name that another account of its kind has: a name is by what somebody logs in, and how keys are made for them. Exact
/// also with several replicas: whoever writes for a tenant has its log locked.
async fn hold_name(tx: &mut Tx, account: &Account) -> Result<(), StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String, String),
        "SELECT id, body FROM accounts WHERE tenant = $1",
        account.tenant.as_str()
    )?;
    let others: Vec<Account> = row::bodies("account", rows)?;
    // A program that has ended, such as a gate's, leaves its name to the next one.
    let has_name = |other: &Account| other.active || other.kind == AccountKind::User;
    let taken = |other: &Account| other.name == account.name && other.kind == account.kind && has_name(other);
    if others.iter().any(taken) { Err(StoreError::exists("account", &account.name)) } else { Ok(()) }
}

/// Makes a key, or revokes one that is not revoked yet.
pub(crate) async fn write_credential(
    tx: &mut Tx,
    credential: &Credential,
    body: &str,
) -> Result<(), StoreError> {
    let (id, tenant) = (credential.id.as_str(), credential.tenant.as_str());
    let Some(revoked_at) = credential.revoked_at else {
        let made = execute!(
            tx.conn(),
            "INSERT INTO credentials (id, tenant, account, revoked_ms, body) VALUES ($1, $2, $3, NULL, $4)
             ON CONFLICT DO NOTHING",
            id,
            tenant,
            credential.account.as_str(),
            body
        )?;
        return if made == 0 { Err(StoreError::exists("key", id)) } else { Ok(()) };
    };
    let revoked = execute!(
        tx.conn(),
        "UPDATE credentials SET revoked_ms = $3, body = $4 WHERE id = $1 AND tenant = $2 AND revoked_ms IS NULL",
        id,
        tenant,
        revoked_at.as_millis(),
        body
    )?;
    if revoked == 0 { Err(StoreError::conflict("key", id)) } else { Ok(()) }
}

/// Refuses when more keys of an account work than may. Exact also with several replicas: whoever writes for a tenant has
/// its log locked.
pub(crate) async fn hold_live(
    tx: &mut Tx,
    tenant: &TenantId,
    account: &AccountId,
    most: usize,
    now: Timestamp,
) -> Result<(), StoreError> {
    if live(tx, tenant, account, now).await? > most {
        return Err(StoreError::conflict("account", account));
    }
    Ok(())
}

/// Refuses when anything lets somebody act through an account.
pub(crate) async fn hold_powerless(
    tx: &mut Tx,
    tenant: &TenantId,
    account: &AccountId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let keys = live(tx, tenant, account, now).await?;
    let (of, tenant) = (account.as_str(), tenant.as_str());
    let login = fetch_optional!(
        tx.conn(),
        (String,),
        "SELECT body FROM logins WHERE account = $1 AND tenant = $2",
        of,
        tenant
    )?;
    let login: Option<Login> = login.map(|(body,)| row::body("login", of, &body)).transpose()?;
    let name = fetch_optional!(
        tx.conn(),
        (String,),
        "SELECT id FROM subjects WHERE tenant = $1 AND account = $2 LIMIT 1",
        tenant,
        of
    )?;
    if keys > 0 || name.is_some() || login.is_some_and(|login| login.opens()) {
        return Err(StoreError::conflict("means of", account));
    }
    Ok(())
}

/// How many keys of an account work.
async fn live(
    tx: &mut Tx,
    tenant: &TenantId,
    account: &AccountId,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String, String),
        "SELECT id, body FROM credentials WHERE tenant = $1 AND account = $2 AND revoked_ms IS NULL",
        tenant.as_str(),
        account.as_str()
    )?;
    let keys: Vec<Credential> = row::bodies("key", rows)?;
    Ok(keys.iter().filter(|key| key.is_live(now)).count())
}

impl Store {
    /// An account.
    pub async fn account(&self, tenant: &TenantId, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM accounts WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("account", id.as_str(), &body)).transpose()
    }

    /// All accounts of a tenant by id.
    pub async fn accounts(&self, tenant: &TenantId) -> Result<Vec<Account>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM accounts WHERE tenant = $1 ORDER BY id",
            tenant.as_str()
        )?;
        row::bodies("account", rows)
    }

    /// Accounts of a tenant by id, in parts.
    pub async fn accounts_page(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Account>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM accounts WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
            tenant.as_str(),
            page.above(),
            page.limit()
        )?;
        row::bodies("account", rows)
    }

    /// The keys of an account that nobody revoked, oldest first; expired ones too.
    pub async fn live_credentials(
        &self,
        tenant: &TenantId,
        account: &AccountId,
    ) -> Result<Vec<Credential>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM credentials
             WHERE tenant = $1 AND account = $2 AND revoked_ms IS NULL ORDER BY id",
            tenant.as_str(),
            account.as_str()
        )?;
        row::bodies("key", rows)
    }

    /// The key with this id and the account behind it, in one round trip. The only read without a tenant: the key is
    /// what says which tenant it is.
    pub async fn credential(&self, id: &KeyId) -> Result<Option<(Credential, Account)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String, String),
            "SELECT k.body, a.body FROM credentials k JOIN accounts a ON a.id = k.account AND a.tenant = k.tenant
             WHERE k.id = $1",
            id.as_str()
        )?;
        let Some((credential, account)) = found else { return Ok(None) };
        Ok(Some((row::body("key", id.as_str(), &credential)?, row::body("account", id.as_str(), &account)?)))
    }

    /// Notes that a key was used; an older instant does not replace a newer one.
    pub async fn key_used(&self, tenant: &TenantId, key: &KeyId, at: Timestamp) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "INSERT INTO key_uses (tenant, key_id, used_ms) VALUES ($1, $2, $3)
             ON CONFLICT (tenant, key_id) DO UPDATE SET used_ms = excluded.used_ms
             WHERE key_uses.used_ms < excluded.used_ms",
            tenant.as_str(),
            key.as_str(),
            at.as_millis()
        )?;
        Ok(())
    }

    /// The keys of a tenant, newest first, and when each was last used.
    pub async fn credentials_used(
        &self,
        tenant: &TenantId,
        page: &Page,
    ) -> Result<Vec<(Credential, Option<Timestamp>)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String, Option<i64>),
            "SELECT k.id, k.body, u.used_ms FROM credentials k
             LEFT JOIN key_uses u ON u.tenant = k.tenant AND u.key_id = k.id
             WHERE k.tenant = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3",
            tenant.as_str(),
            page.below(),
            page.limit()
        )?;
        let listed = |(id, text, used): (String, String, Option<i64>)| {
            Ok((row::body("key", &id, &text)?, used.map(Timestamp::from_millis)))
        };
        rows.into_iter().map(listed).collect()
    }

    /// The keys of a tenant, newest first.
    pub async fn credentials(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Credential>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM credentials WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            tenant.as_str(),
            page.below(),
            page.limit()
        )?;
        row::bodies("key", rows)
    }
}
