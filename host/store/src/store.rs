//! The store itself: opening, the one write path, closing.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{ChangeId, Digest};
use tokio::task::AbortHandle;

use crate::{
    Commit, Committed, LedgerKeys, Options, StoreError, Write,
    db::{Db, fetch_optional},
    draft::Prepared,
    signer::{Behind, Signer},
    writer::{Queue, Work},
};

/// The store. Cheap to clone; all clones share one writer.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    queue: Queue,
    options: Options,
    keys: Arc<LedgerKeys>,
    signer: Arc<Signer>,
    /// Whether this store may write, and so sign.
    writes: bool,
    signing: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.signing.abort();
    }
}

impl Store {
    /// Opens the database, makes it when it is a file that is not there, brings its tables up to date and starts the
    /// writer. Needs a tokio runtime.
    pub async fn open(options: Options, keys: LedgerKeys) -> Result<Self, StoreError> {
        let db = Db::open(&options).await?;
        let store = Self::on(db, options, keys, true);
        // What a crash left unsigned.
        store.0.signer.wake(store.logs().await?.iter().map(String::as_str));
        Ok(store)
    }

    /// Opens a database that is there, to read it as it is: nothing is made or brought up to date, and the database
    /// refuses every write.
    pub async fn open_to_read(options: Options, keys: LedgerKeys) -> Result<Self, StoreError> {
        let db = Db::open_to_read(&options).await?;
        Ok(Self::on(db, options, keys, false))
    }

    fn on(db: Db, options: Options, keys: LedgerKeys, writes: bool) -> Self {
        let keys = Arc::new(keys);
        let signer = Arc::new(Signer::new(db.clone(), Arc::clone(&keys), &options));
        let queue = Queue::start(db.clone(), Arc::clone(&keys), Arc::clone(&signer), &options);
        let signing = tokio::spawn(Arc::clone(&signer).run()).abort_handle();
        Self(Arc::new(Inner { db, queue, options, keys, signer, writes, signing }))
    }

    /// The one write path: all of the commit is written durably with its ledger entries, or none of it and an error.
    /// Only [`StoreError::Unknown`] leaves open which.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        // Nothing is dropped later, so nothing more is taken now.
        self.0.signer.keeps_up(commit.tenant.as_str(), commit.now).await?;
        let befores = self.befores(&commit).await?;
        let prepared = Prepared::new(commit, &befores, &self.0.options, &self.0.keys)?;
        let committed = self.0.queue.done(Work::Commit(Box::new(prepared))).await?;
        committed.ok_or(StoreError::Closed)
    }

    /// The digest of the state that each change of the commit steps from. A change that has moved on already need not
    /// queue to find that out; one that moves on later is found out in the transaction.
    async fn befores(&self, commit: &Commit) -> Result<Vec<Option<Digest>>, StoreError> {
        let mut befores: Vec<(&ChangeId, u64, Option<Digest>)> = Vec::new();
        for write in &commit.writes {
            let Write::Change(transition) = write else { continue };
            let (id, revision) = (&transition.change.id, transition.from_revision);
            // A commit may take several steps of one change.
            let earlier =
                befores.iter().rev().find(|(earlier, ..)| *earlier == id).map(|(_, revision, _)| *revision);
            let before = match earlier {
                _ if revision == 0 => None,
                Some(earlier) if earlier == revision => None,
                _ => {
                    let digest = self.state_digest(&commit.tenant, id, revision).await?;
                    Some(digest.ok_or_else(|| StoreError::conflict("change", id))?)
                }
            };
            befores.push((id, transition.change.revision, before));
        }
        Ok(befores.into_iter().map(|(_, _, before)| before).collect())
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        fetch_optional!(self.0.db.reader(), (i64,), "SELECT CAST(1 AS BIGINT)")?;
        Ok(())
    }

    /// Writes and signs what waits, then stops the writer and closes every connection. Later commits find the store closed.
    pub async fn close(&self) {
        self.0.queue.stop().await;
        self.0.signer.sign_waiting().await;
        self.0.signing.abort();
        self.0.db.close().await;
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The keys with which it writes the ledger.
    pub fn keys(&self) -> &LedgerKeys {
        &self.0.keys
    }

    /// The logs that the signer refuses, and why: what is stored does not continue what it signed.
    pub fn refusals(&self) -> BTreeMap<String, String> {
        self.0.signer.refusals()
    }

    /// The logs with entries that this process wrote and that are not signed yet.
    pub fn behind(&self) -> BTreeMap<String, Behind> {
        self.0.signer.behind()
    }

    /// Nothing is signed as long as this is held, as if the signer's disk hung.
    #[cfg(feature = "testing")]
    pub async fn hold_signing(&self) -> impl Sized + '_ {
        self.0.signer.hold().await
    }

    /// Waits until the signer cannot go on, and says why. It is no use to go on without it.
    pub async fn signer_broken(&self) -> String {
        let mut broken = self.0.signer.broken();
        let why = broken.wait_for(Option::is_some).await.map(|why| why.clone());
        match why {
            Ok(why) => why.unwrap_or_default(),
            // It is gone with the store.
            Err(_) => std::future::pending().await,
        }
    }

    /// Who signs, where this store may write.
    pub(crate) fn signer(&self) -> Option<&Signer> {
        self.0.writes.then_some(&*self.0.signer)
    }

    /// From now on nothing is signed unless it is asked for.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn stop_signing(&self) {
        self.0.signing.abort();
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.0.queue
    }
}
