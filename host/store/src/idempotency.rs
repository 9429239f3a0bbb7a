//! Table `idempotency`: requests that may be repeated, and what they were answered.

use interlock_domain::Timestamp;

use crate::{
    Store, StoreError,
    db::{Conn, execute, fetch_optional},
};

/// A request that was begun so long ago and has no answer died with its server; whoever repeats it may do it anew.
/// Should it be alive after all, only one of the two can finish: the answer is part of the commit.
const ABANDONED_AFTER_MS: i64 = 300_000;

/// What to do with a request that carries an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// It is new: do it.
    Fresh,
    /// Its first sending is still being done.
    InProgress,
    /// It was done: answer the same again.
    Done {
        /// The status code of the answer.
        status: u16,
        /// The body of the answer.
        body: String,
    },
    /// The key was used for another request.
    OtherPayload,
}

/// Keeps the answer, unless there is one already.
pub(crate) async fn finish(
    on: Conn<'_>,
    key: &str,
    principal: &str,
    status: u16,
    body: &str,
) -> Result<(), StoreError> {
    let finished = execute!(on, FINISH, principal, key, i64::from(status), body)?;
    finished_one(finished, key)
}

const FINISH: &str =
    "UPDATE idempotency SET status = $3, body = $4 WHERE principal = $1 AND idem_key = $2 AND status IS NULL";

fn finished_one(finished: u64, key: &str) -> Result<(), StoreError> {
    if finished == 0 { Err(StoreError::conflict("idempotency key", key)) } else { Ok(()) }
}

impl Store {
    /// Begins a request. `fingerprint` is a digest of what it asks for.
    pub async fn idempotency_begin(
        &self,
        key: &str,
        principal: &str,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Begin, StoreError> {
        let begun = execute!(
            self.db().writer(),
            "INSERT INTO idempotency (principal, idem_key, fingerprint, begun_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (principal, idem_key) DO UPDATE SET begun_ms = excluded.begun_ms
             WHERE idempotency.status IS NULL AND idempotency.fingerprint = excluded.fingerprint
               AND idempotency.begun_ms <= $5",
            principal,
            key,
            fingerprint,
            now.as_millis(),
            now.as_millis() - ABANDONED_AFTER_MS
        )?;
        if begun > 0 {
            return Ok(Begin::Fresh);
        }
        // From the writers' side: on SQLite that is the connection that has just seen the row.
        let found = fetch_optional!(
            self.db().writer(),
            (String, Option<i64>, Option<String>),
            "SELECT fingerprint, status, body FROM idempotency WHERE principal = $1 AND idem_key = $2",
            principal,
            key
        )?;
        Ok(match found {
            Some((found, ..)) if found != fingerprint => Begin::OtherPayload,
            Some((_, Some(status), Some(body))) => {
                Begin::Done { status: u16::try_from(status).unwrap_or(500), body }
            }
            // Absent: abandoned just now, and the next try will be fresh.
            Some(_) | None => Begin::InProgress,
        })
    }

    /// Keeps the answer to a request that wrote nothing. One that wrote says so in its commit, see
    /// [`crate::Write::Idempotent`].
    pub async fn idempotency_finish(
        &self,
        key: &str,
        principal: &str,
        status: u16,
        body: &str,
    ) -> Result<(), StoreError> {
        let finished = execute!(self.db().writer(), FINISH, principal, key, i64::from(status), body)?;
        finished_one(finished, key)
    }

    /// Forgets a request that failed before it did anything, so that it can be repeated at once.
    pub async fn idempotency_abandon(&self, key: &str, principal: &str) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "DELETE FROM idempotency WHERE principal = $1 AND idem_key = $2 AND status IS NULL",
            principal,
            key
        )?;
        Ok(())
    }

    /// Forgets requests from before this instant and says how many.
    pub async fn idempotency_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(execute!(self.db().writer(), "DELETE FROM idempotency WHERE begun_ms < $1", before.as_millis())?)
    }
}
