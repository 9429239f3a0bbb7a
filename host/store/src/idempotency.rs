//! Table `idempotency`: requests that may be repeated, and what they were answered.

use interlock_domain::Timestamp;

use crate::{
    Store, StoreError,
    db::{Conn, execute, fetch_optional, text},
};

/// A request that was begun so long ago and did nothing most likely died with its server; whoever repeats it may do it
/// anew. It need not be certain: should it be alive after all, only one of the two commits can mark the key.
const ABANDONED_AFTER_MS: i64 = 10_000;

/// A request that did what it was asked for and kept no answer for so long lost it in a crash.
const ANSWER_LOST_AFTER_MS: i64 = 10_000;

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
    /// It was done, but the server stopped before it kept the answer.
    AnswerLost {
        /// What it made or altered.
        made: String,
    },
    /// The key was used for another request.
    OtherPayload,
}

/// Marks a request as done. Refused when it was abandoned and somebody else has done or begun it since.
pub(crate) async fn mark(on: Conn<'_>, key: &str, principal: &str, made: &str) -> Result<(), StoreError> {
    let marked = execute!(
        on,
        "UPDATE idempotency SET made = $3
         WHERE principal = $1 AND idem_key = $2 AND status IS NULL AND made IS NULL",
        principal,
        key,
        text(made)
    )?;
    if marked == 0 { Err(StoreError::conflict("idempotency key", key)) } else { Ok(()) }
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
             WHERE idempotency.status IS NULL AND idempotency.made IS NULL
               AND idempotency.fingerprint = excluded.fingerprint AND idempotency.begun_ms <= $5",
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
            (String, Option<i64>, Option<String>, Option<String>, i64),
            "SELECT fingerprint, status, body, made, begun_ms FROM idempotency WHERE principal = $1 AND idem_key = $2",
            principal,
            key
        )?;
        Ok(match found {
            Some((found, ..)) if found != fingerprint => Begin::OtherPayload,
            Some((_, Some(status), Some(body), ..)) => {
                Begin::Done { status: u16::try_from(status).unwrap_or(500), body }
            }
            Some((_, _, _, Some(made), begun_ms)) if begun_ms + ANSWER_LOST_AFTER_MS <= now.as_millis() => {
                Begin::AnswerLost { made }
            }
            // Absent: abandoned just now, and the next try will be fresh.
            Some(_) | None => Begin::InProgress,
        })
    }

    /// Keeps the answer to a request. One that wrote something was marked in its commit, see [`crate::Write::Done`].
    pub async fn idempotency_finish(
        &self,
        key: &str,
        principal: &str,
        status: u16,
        body: &str,
    ) -> Result<(), StoreError> {
        let finished = execute!(
            self.db().writer(),
            "UPDATE idempotency SET status = $3, body = $4
             WHERE principal = $1 AND idem_key = $2 AND status IS NULL",
            principal,
            key,
            i64::from(status),
            body
        )?;
        if finished == 0 { Err(StoreError::conflict("idempotency key", key)) } else { Ok(()) }
    }

    /// Forgets a request that failed before it did anything, so that it can be repeated at once.
    pub async fn idempotency_abandon(&self, key: &str, principal: &str) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "DELETE FROM idempotency WHERE principal = $1 AND idem_key = $2 AND status IS NULL AND made IS NULL",
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
