//! Password hashes off the threads that answer requests, and only so many at once: each takes its memory.

use interlock_vault::login::{PasswordCost, PasswordError};
use tokio::sync::Semaphore;

use crate::FlowError;

/// How many may wait for each that is at work.
const WAITING: usize = 8;

/// Where passwords are hashed.
#[derive(Debug)]
pub(crate) struct Hashing {
    cost: PasswordCost,
    at_work: Semaphore,
    let_in: Semaphore,
}

impl Hashing {
    pub(crate) fn new(cost: PasswordCost, at_once: usize) -> Self {
        Self { cost, at_work: Semaphore::new(at_once), let_in: Semaphore::new(at_once * (WAITING + 1)) }
    }

    /// Whether a password fits a hash; without a hash it takes as long and says no.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, FlowError> {
        let cost = self.cost;
        self.aside(move || cost.verify(&password, hash.as_deref())).await
    }

    /// A hash of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, FlowError> {
        let cost = self.cost;
        let hash: Result<String, PasswordError> = self.aside(move || cost.hash(&password)).await?;
        hash.map_err(|error| FlowError::invalid("/password", error.to_string()))
    }

    /// Whether a hash should be made anew.
    pub(crate) fn is_above(&self, hash: &str) -> bool {
        self.cost.is_above(hash)
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FlowError> {
        let busy = |_| FlowError::Store(interlock_store::StoreError::Busy);
        let _let_in = self.let_in.try_acquire().map_err(busy)?;
        let closed = |_| FlowError::Store(interlock_store::StoreError::Closed);
        let _at_work = self.at_work.acquire().await.map_err(closed)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| FlowError::Store(interlock_store::StoreError::Closed))
    }
}

#[cfg(test)]
mod tests {
    use interlock_store::StoreError;

    use super::*;

    #[tokio::test]
    async fn no_more_passwords_wait_than_may() {
        let cost = PasswordCost { memory_kib: 64, passes: 1, lanes: 1 };
        let hashing = Hashing::new(cost, 2);
        let held = hashing.let_in.try_acquire_many(17).unwrap();
        assert!(hashing.hash("twelve chars".to_owned()).await.is_ok(), "one more may wait");
        let last = hashing.let_in.try_acquire().unwrap();
        let busy = hashing.verify("twelve chars".to_owned(), None).await;
        assert!(matches!(busy, Err(FlowError::Store(StoreError::Busy))), "{busy:?}");
        drop((held, last));
        assert!(!hashing.verify("twelve chars".to_owned(), None).await.unwrap());
    }
}
