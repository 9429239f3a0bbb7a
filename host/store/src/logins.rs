//! Tables `logins`, `sessions` and `ceremonies`: by what persons log in, who is logged in, and what waits for its answer.

use interlock_domain::{Account, AccountId, Login, Session, SessionId, TenantId, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
    writer::Work,
};

/// Whose sessions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsEnd {
    /// Where.
    pub tenant: TenantId,
    /// Whose.
    pub account: AccountId,
    /// This one alone, or all.
    pub only: Option<SessionId>,
}

/// What a challenge is for. Each has a bound of its own, so that no flood of one kind shuts out another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceremony {
    /// Logging in: anybody may ask for one.
    Login,
    /// Following an invitation.
    Enrolment,
    /// Signing.
    Signing,
    /// Signing a review of the ledger.
    Reviewing,
    /// Logging in at an identity provider: anybody may begin.
    Provider,
    /// A login there that waits for the program it was for.
    Handed,
}

impl Ceremony {
    fn as_str(self) -> &'static str {
        match self {
            Ceremony::Login => "login",
            Ceremony::Enrolment => "enrolment",
            Ceremony::Signing => "signing",
            Ceremony::Reviewing => "reviewing",
            Ceremony::Provider => "provider",
            Ceremony::Handed => "handed",
        }
    }
}

/// Writes a login in place of the one of the revision before. Refused when it is of another revision by now.
pub(crate) async fn write(tx: &mut Tx, login: &Login, body: &str) -> Result<(), StoreError> {
    let (account, tenant) = (login.account.as_str(), login.tenant.as_str());
    let written = if login.revision == 1 {
        execute!(
            tx.conn(),
            "INSERT INTO logins (account, tenant, name, revision, body) VALUES ($1, $2, $3, 1, $4) ON CONFLICT DO NOTHING",
            account,
            tenant,
            &login.name,
            body
        )?
    } else {
        execute!(
            tx.conn(),
            "UPDATE logins SET revision = $3, body = $4, name = $5 WHERE account = $1 AND tenant = $2 AND revision = $3 - 1",
            account,
            tenant,
            row::column(login.revision),
            body,
            &login.name
        )?
    };
    if written == 0 { Err(StoreError::conflict("login of", account)) } else { Ok(()) }
}

/// Begins a session, or writes what came of one that is still there. Takes away those that are over.
pub(crate) async fn write_session(tx: &mut Tx, session: &Session, body: &str) -> Result<(), StoreError> {
    if session.created_at == session.seen_at && session.signing.is_none() {
        execute!(tx.conn(), "DELETE FROM sessions WHERE ends_ms <= $1", session.created_at.as_millis())?;
        let begun = execute!(
            tx.conn(),
            "INSERT INTO sessions (id, tenant, account, token_sha256, seen_ms, ends_ms, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            session.id.as_str(),
            session.tenant.as_str(),
            session.account.as_str(),
            &session.token_sha256,
            session.seen_at.as_millis(),
            session.ends_at.as_millis(),
            body
        )?;
        return if begun == 0 { Err(StoreError::exists("session", &session.id)) } else { Ok(()) };
    }
    let written = execute!(
        tx.conn(),
        "UPDATE sessions SET seen_ms = $3, body = $4 WHERE id = $1 AND tenant = $2",
        session.id.as_str(),
        session.tenant.as_str(),
        session.seen_at.as_millis(),
        body
    )?;
    if written == 0 { Err(StoreError::conflict("session", &session.id)) } else { Ok(()) }
}

/// Ends sessions. That there are none is no matter.
pub(crate) async fn end_sessions(tx: &mut Tx, end: &SessionsEnd) -> Result<(), StoreError> {
    let only = end.only.as_ref().map(SessionId::as_str);
    execute!(
        tx.conn(),
        "DELETE FROM sessions WHERE tenant = $1 AND account = $2 AND ($3 IS NULL OR id = $3)",
        end.tenant.as_str(),
        end.account.as_str(),
        only
    )?;
    Ok(())
}

/// Takes a challenge away. Refused when somebody has answered it: each counts once.
pub(crate) async fn use_ceremony(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let used = execute!(tx.conn(), "DELETE FROM ceremonies WHERE id = $1", id)?;
    if used == 0 { Err(StoreError::conflict("challenge", id)) } else { Ok(()) }
}

/// A row that is nobody's.
pub(crate) async fn write_nothing(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO ceremonies (id, expires_ms, body, kind) VALUES ('nobody', $1, '{}', 'nobody')
         ON CONFLICT (id) DO UPDATE SET expires_ms = excluded.expires_ms",
        now.as_millis()
    )?;
    Ok(())
}

impl Store {
    /// By what an account's person logs in.
    pub async fn login(&self, tenant: &TenantId, account: &AccountId) -> Result<Option<Login>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM logins WHERE account = $1 AND tenant = $2",
            account.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("login", account.as_str(), &body)).transpose()
    }

    /// By what the person of this name logs in, and their account.
    pub async fn login_named(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<(Login, Account)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String, String),
            "SELECT l.body, a.body FROM logins l JOIN accounts a ON a.id = l.account AND a.tenant = l.tenant
             WHERE l.tenant = $1 AND l.name = $2",
            tenant.as_str(),
            name
        )?;
        let Some((login, account)) = found else { return Ok(None) };
        Ok(Some((row::body("login", name, &login)?, row::body("account", name, &account)?)))
    }

    /// The session of the token with this digest, with its account, in one round trip. Like a key, the token is what says
    /// which tenant it is.
    pub async fn session(&self, token_sha256: &str) -> Result<Option<(Session, Account)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String, String, i64),
            "SELECT s.body, a.body, s.seen_ms FROM sessions s
             JOIN accounts a ON a.id = s.account AND a.tenant = s.tenant WHERE s.token_sha256 = $1",
            token_sha256
        )?;
        let Some((session, account, seen_ms)) = found else { return Ok(None) };
        let session: Session = row::body("session", "of a token", &session)?;
        let session = Session { seen_at: Timestamp::from_millis(seen_ms), ..session };
        Ok(Some((session, row::body("account", "of a session", &account)?)))
    }

    /// The sessions of an account, oldest first, also those that nobody used for long.
    pub async fn sessions(&self, tenant: &TenantId, account: &AccountId) -> Result<Vec<Session>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT body, seen_ms FROM sessions WHERE tenant = $1 AND account = $2 ORDER BY id",
            tenant.as_str(),
            account.as_str()
        )?;
        let read = |(body, seen_ms): (String, i64)| {
            let session: Session = row::body("session", account.as_str(), &body)?;
            Ok(Session { seen_at: Timestamp::from_millis(seen_ms), ..session })
        };
        rows.into_iter().map(read).collect()
    }

    /// Notes that a session is used. No entry: it says nothing that lasts.
    pub async fn touch_session(&self, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "UPDATE sessions SET seen_ms = $2 WHERE id = $1 AND seen_ms < $2",
            id.as_str(),
            now.as_millis()
        )?;
        Ok(())
    }

    /// Keeps a challenge until it is answered or over, at most `most` of its kind. False when so many wait already.
    pub async fn begin_ceremony(
        &self,
        kind: Ceremony,
        id: &str,
        ceremony: &impl Serialize,
        expires_at: Timestamp,
        now: Timestamp,
        most: u64,
    ) -> Result<bool, StoreError> {
        execute!(self.db().writer(), "DELETE FROM ceremonies WHERE expires_ms <= $1", now.as_millis())?;
        let body = serde_json::to_string(ceremony)?;
        let begun = execute!(
            self.db().writer(),
            "INSERT INTO ceremonies (id, expires_ms, body, kind) SELECT $1, $2, $3, $5
             WHERE (SELECT count(*) FROM ceremonies WHERE kind = $5) < $4",
            id,
            expires_at.as_millis(),
            &body,
            row::column(most),
            kind.as_str()
        )?;
        Ok(begun > 0)
    }

    /// A challenge of this kind that waits for its answer at `now`.
    pub async fn ceremony<T: DeserializeOwned>(
        &self,
        kind: Ceremony,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<T>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM ceremonies WHERE id = $1 AND expires_ms > $2 AND kind = $3",
            id,
            now.as_millis(),
            kind.as_str()
        )?;
        found.map(|(body,)| row::body("challenge", "that waits", &body)).transpose()
    }

    /// Writes as much as a failed login of somebody who is there does, in its turn and its transaction like that one, so that the time it
    /// takes tells nobody apart.
    pub async fn write_nothing_of_a_login(&self, now: Timestamp) -> Result<(), StoreError> {
        self.queue().done(Work::Nothing(now)).await.map(|_| ())
    }
}
