//! Table `policy_sync`: what was last seen of the policies in git. Every replica shows the same.

use interlock_domain::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Store, StoreError,
    db::{execute, fetch_optional},
    row,
};

/// What came of looking at the policies in git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySync {
    /// Where they are: address, branch and folder. What was seen elsewhere says nothing.
    pub source: String,
    /// When they were first looked at.
    pub followed_since: Timestamp,
    /// When they were last looked at.
    pub looked_at: Timestamp,
    /// The newest head that could be read.
    pub head: Option<String>,
    /// The bundle at that head, when it keeps to the rules.
    pub digest: Option<Digest>,
    /// When a head was last seen that keeps to the rules: it is signed, descends from what was taken, loads, and is not older
    /// than what is in force.
    pub confirmed_at: Option<Timestamp>,
    /// How the head stands: `in force`, or the change that it waits in.
    pub standing: Option<String>,
    /// Why the last look came to nothing.
    pub failure: Option<SyncFailure>,
}

/// Why the policies in git were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailure {
    /// Since when it is so.
    pub since: Timestamp,
    /// What is wrong and what to do.
    pub reason: String,
    /// Whether what is in git is refused, and not only out of reach.
    pub refused: bool,
}

impl Store {
    /// What was last seen; nothing before the first look.
    pub async fn policy_sync(&self) -> Result<Option<PolicySync>, StoreError> {
        let found =
            fetch_optional!(self.db().reader(), (String,), "SELECT body FROM policy_sync WHERE one = 1")?;
        found.map(|(body,)| row::body("policy sync", "git", &body)).transpose()
    }

    /// Notes what was seen. No entry: what is refused, proposed or taken has one of its own.
    pub async fn write_policy_sync(&self, seen: &PolicySync) -> Result<(), StoreError> {
        let body =
            serde_json::to_string(seen).map_err(|error| StoreError::corrupt("policy sync", "git", error))?;
        execute!(
            self.db().writer(),
            "INSERT INTO policy_sync (one, body) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET body = $1",
            body
        )?;
        Ok(())
    }
}
