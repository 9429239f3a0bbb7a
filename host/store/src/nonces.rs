//! Table `nonces`: numbers that were used once.

use interlock_domain::{KeyId, Timestamp};

use crate::{
    Store, StoreError,
    db::{execute, text},
};

impl Store {
    /// Uses a number of a key; false when it was used before, on whichever replica.
    pub async fn use_nonce(&self, key: &KeyId, nonce: &str, until: Timestamp) -> Result<bool, StoreError> {
        let used = execute!(
            self.db().writer(),
            "INSERT INTO nonces (key_id, nonce, until_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            key.as_str(),
            text(nonce),
            until.as_millis()
        )?;
        Ok(used > 0)
    }

    /// Forgets numbers of signatures that have ended, and says how many.
    pub async fn prune_nonces(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(execute!(self.db().writer(), "DELETE FROM nonces WHERE until_ms <= $1", now.as_millis())?)
    }
}
