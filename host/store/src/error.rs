//! What can go wrong in the store.

use std::sync::Arc;

use interlock_ledger::{CanonicalError, CheckpointError, EntryError, KeyError};

/// Why the store did not do what it was asked for. Unless it says otherwise, nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too many commits wait. Ask again after a moment.
    #[error("the store has too many commits waiting; try again in a moment")]
    Busy,
    /// Too much of a log is not signed yet. Ask again after a moment.
    #[error(
        "{entries} entries of the ledger are not signed yet, the oldest for {age_ms} ms, and no more are taken until they are; \
         try again in a moment"
    )]
    Behind {
        /// Of which log.
        log: String,
        /// How many.
        entries: u64,
        /// How long ago the oldest of them was written.
        age_ms: i64,
    },
    /// The store was closed.
    #[error("the store is closed; the server is stopping")]
    Closed,
    /// Somebody else was faster.
    #[error("{what} `{id}` was changed by somebody else meanwhile; read it again")]
    Conflict {
        /// For example `change`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// There is one already.
    #[error("{what} `{id}` is there already")]
    AlreadyExists {
        /// For example `device`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// As many wait as may.
    #[error(
        "there are {most} {what} {whose} that wait for an answer, and no more may; have some answered first"
    )]
    Full {
        /// Of what.
        what: &'static str,
        /// Whose.
        whose: &'static str,
        /// How many may wait.
        most: u64,
    },
    /// There is none to alter, or to refer to.
    #[error("there is no {what} `{id}`")]
    Missing {
        /// For example `group`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// The lease under which this was written belongs to somebody else by now.
    #[error("lease `{lease}` is held by somebody else by now; stop acting on it")]
    Fenced {
        /// Its name.
        lease: String,
    },
    /// Action numbers are 31 bits wide in the device protocol.
    #[error("tenant `{tenant}` has used up the action numbers of the device protocol; start a new tenant")]
    ActionsExhausted {
        /// Whose.
        tenant: String,
    },
    /// The commit does not hold together: a defect of the caller.
    #[error("the commit does not hold together: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// It cannot be a ledger entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It cannot be written as canonical JSON.
    #[error("it cannot be recorded: {0}")]
    Canonical(#[from] CanonicalError),
    /// It cannot be written as JSON.
    #[error("it cannot be stored: {0}")]
    Json(Arc<serde_json::Error>),
    /// A key of the ledger cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A checkpoint cannot be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A row is not what was written.
    #[error("{what} `{id}` in the database cannot be read: {detail}; verify the ledger and restore a backup")]
    Corrupt {
        /// Which kind of row.
        what: &'static str,
        /// Which.
        id: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The database did not say whether it committed. Read again before anything else.
    #[error(
        "the database did not confirm the commit, so it may or may not have been written; read again: {0}"
    )]
    Unknown(Arc<sqlx::Error>),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
    /// The database cannot be brought to this program's tables.
    #[error("the database cannot be migrated: {0}")]
    Migrate(Arc<sqlx::migrate::MigrateError>),
    /// The journal on the local disk cannot be used.
    #[error("{detail}")]
    Journal {
        /// Where, and what is wrong.
        detail: String,
    },
    /// The address names no database that this program knows.
    #[error("`{scheme}` is no database; use `sqlite:PATH` or `postgres://USER@HOST/NAME`")]
    Url {
        /// What the address begins with. Never the whole of it: it may hold a password.
        scheme: String,
    },
}

impl StoreError {
    /// True when this commit alone is refused, by a check, while the transaction stays usable for others: nothing of it
    /// was written.
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::Conflict { .. }
            | StoreError::AlreadyExists { .. }
            | StoreError::Missing { .. }
            | StoreError::Full { .. }
            | StoreError::Fenced { .. }
            | StoreError::ActionsExhausted { .. }
            | StoreError::Malformed { .. }
            | StoreError::Entry(_)
            | StoreError::Canonical(_)
            | StoreError::Json(_) => true,
            StoreError::Busy
            | StoreError::Behind { .. }
            | StoreError::Closed
            | StoreError::Key(_)
            | StoreError::Checkpoint(_)
            | StoreError::Corrupt { .. }
            | StoreError::Unknown(_)
            | StoreError::Database(_)
            | StoreError::Migrate(_)
            | StoreError::Journal { .. }
            | StoreError::Url { .. } => false,
        }
    }

    pub(crate) fn journal(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        let path = path.display();
        Self::Journal {
            detail: format!(
                "the journal of answers at `{path}` cannot be used: {error}; see to the disk, then start the server again"
            ),
        }
    }

    pub(crate) fn conflict(what: &'static str, id: impl ToString) -> Self {
        Self::Conflict { what, id: id.to_string() }
    }

    pub(crate) fn exists(what: &'static str, id: impl ToString) -> Self {
        Self::AlreadyExists { what, id: id.to_string() }
    }

    pub(crate) fn missing(what: &'static str, id: impl ToString) -> Self {
        Self::Missing { what, id: id.to_string() }
    }

    pub(crate) fn corrupt(what: &'static str, id: impl ToString, detail: impl ToString) -> Self {
        Self::Corrupt { what, id: id.to_string(), detail: detail.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            error => Self::Database(Arc::new(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migrate(Arc::new(error))
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(Arc::new(error))
    }
}
