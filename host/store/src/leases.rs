//! Table `leases`: who acts. A paused holder is no danger, because every commit under a lease checks its token in the
//! same transaction.

use interlock_domain::Timestamp;

use crate::{
    Store, StoreError,
    db::{Tx, execute, fetch_optional},
};

/// A lease that was held when it was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Rises with every new holder.
    pub token: i64,
}

/// Whether the lease still has this token. Writing the row locks it until the transaction ends, so that it cannot be
/// taken over in between.
pub(crate) async fn hold(tx: &mut Tx, name: &str, token: i64) -> Result<bool, StoreError> {
    let held =
        execute!(tx.conn(), "UPDATE leases SET token = token WHERE name = $1 AND token = $2", name, token)?;
    Ok(held > 0)
}

impl Store {
    /// Takes or renews a lease; `None` while somebody else holds it. Renewing in time keeps the token. A lease that
    /// ran out gets a new one even for the same holder, so that whatever it began before is fenced.
    pub async fn acquire(
        &self,
        name: &str,
        holder: &str,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let expires = now.plus_millis(i64::try_from(ttl_ms).unwrap_or(i64::MAX));
        let token = fetch_optional!(
            self.db().writer(),
            (i64,),
            "INSERT INTO leases (name, holder, token, expires_ms) VALUES ($1, $2, 1, $3)
             ON CONFLICT (name) DO UPDATE SET
                 token = CASE WHEN leases.holder = $2 AND leases.expires_ms > $4
                              THEN leases.token ELSE leases.token + 1 END,
                 holder = $2, expires_ms = $3
             WHERE leases.holder = $2 OR leases.expires_ms <= $4
             RETURNING token",
            name,
            holder,
            expires.as_millis(),
            now.as_millis()
        )?;
        Ok(token.map(|(token,)| Lease { name: name.to_owned(), holder: holder.to_owned(), token }))
    }

    /// Gives a lease back, so that somebody else need not wait for its end. The row stays: tokens never fall.
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "UPDATE leases SET expires_ms = 0 WHERE name = $1 AND holder = $2 AND token = $3",
            &lease.name,
            &lease.holder,
            lease.token
        )?;
        Ok(())
    }
}
