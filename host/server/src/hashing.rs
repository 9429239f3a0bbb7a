//! Password hashes off the threads that answer requests, and only so many at once: each takes its memory.
//!
//! **Invariant:** a hash that is at work counts until it is done, also when whoever asked for it has hung up.

use std::sync::Arc;

use interlock_vault::login::{PasswordCost, PasswordError};
use tokio::sync::Semaphore;

use crate::FlowError;

/// How many may wait for each that is at work.
const WAITING: usize = 8;

/// Where passwords are hashed.
///
/// **Invariant:** whoever is known already waits for no stranger: a flood of logins fills its own places, and nobody is kept from
/// signing by it.
#[derive(Debug)]
pub(crate) struct Hashing {
    cost: PasswordCost,
    strangers: Places,
    signers: Places,
}

/// So many at work at once, and so many that wait for it.
#[derive(Debug)]
struct Places {
    at_work: Arc<Semaphore>,
    let_in: Arc<Semaphore>,
}

impl Places {
    fn new(at_once: usize) -> Self {
        let places = |number| Arc::new(Semaphore::new(number));
        Self { at_work: places(at_once), let_in: places(at_once * (WAITING + 1)) }
    }
}

impl Hashing {
    /// So many at once of those who log in or follow an invitation, and so many of those who are logged in.
    pub(crate) fn new(cost: PasswordCost, strangers: usize, signers: usize) -> Self {
        Self { cost, strangers: Places::new(strangers), signers: Places::new(signers) }
    }

    /// Whether the password of somebody who logs in fits a hash; without a hash it takes as long and says no.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, FlowError> {
        let cost = self.cost;
        self.strangers.aside(move || cost.verify(&password, hash.as_deref())).await
    }

    /// Likewise for somebody who is logged in: to sign, or to set another password.
    pub(crate) async fn verify_signer(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, FlowError> {
        let cost = self.cost;
        self.signers.aside(move || cost.verify(&password, hash.as_deref())).await
    }

    /// A hash of the password of somebody who is not logged in yet.
    pub(crate) async fn hash(&self, password: String) -> Result<String, FlowError> {
        Self::hashed(&self.strangers, self.cost, password).await
    }

    /// Likewise of somebody who is.
    pub(crate) async fn hash_of_signer(&self, password: String) -> Result<String, FlowError> {
        Self::hashed(&self.signers, self.cost, password).await
    }

    async fn hashed(places: &Places, cost: PasswordCost, password: String) -> Result<String, FlowError> {
        let hash: Result<String, PasswordError> = places.aside(move || cost.hash(&password)).await?;
        hash.map_err(|error| FlowError::invalid("/password", error.to_string()))
    }

    /// Whether a hash should be made anew.
    pub(crate) fn is_above(&self, hash: &str) -> bool {
        self.cost.is_above(hash)
    }
}

impl Places {
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FlowError> {
        let busy = |_| FlowError::Store(interlock_store::StoreError::Busy);
        let let_in = self.let_in.clone().try_acquire_owned().map_err(busy)?;
        let closed = |_| FlowError::Store(interlock_store::StoreError::Closed);
        let at_work = self.at_work.clone().acquire_owned().await.map_err(closed)?;
        let places = (let_in, at_work);
        let work = move || {
            // Nothing stops a hash that has begun, so its places are its own and not the caller's, who may hang up.
            let _places = places;
            work()
        };
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
        let hashing = Hashing::new(cost, 2, 1);
        let held = hashing.strangers.let_in.clone().try_acquire_many_owned(17).unwrap();
        assert!(hashing.hash("twelve chars".to_owned()).await.is_ok(), "one more may wait");
        let last = hashing.strangers.let_in.clone().try_acquire_owned().unwrap();
        let busy = hashing.verify("twelve chars".to_owned(), None).await;
        assert!(matches!(busy, Err(FlowError::Store(StoreError::Busy))), "{busy:?}");
        // Whoever is known already is not kept by them.
        assert!(!hashing.verify_signer("twelve chars".to_owned(), None).await.unwrap());
        assert!(hashing.hash_of_signer("twelve chars".to_owned()).await.is_ok());
        drop((held, last));
        assert!(!hashing.verify("twelve chars".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_whose_caller_hung_up_keeps_its_places_until_it_is_done() {
        let hashing = Places::new(1);
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let mut caller = Box::pin(hashing.aside(move || {
            began.send(()).unwrap();
            waits.recv().unwrap();
        }));
        tokio::select! {
            _ = &mut caller => panic!("it waits"),
            begun = begun => begun.unwrap(),
        }
        drop(caller);
        assert_eq!((hashing.at_work.available_permits(), hashing.let_in.available_permits()), (0, 8));
        go_on.send(()).unwrap();
        drop(hashing.at_work.acquire().await.unwrap());
        assert_eq!(hashing.let_in.available_permits(), 9);
    }
}
