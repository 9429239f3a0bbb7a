//! The signer: reads again what was committed, hashes it again, and signs only what continues all that it signed before.
//!
//! It believes nobody, the writer of this process included: what it signed last is in a file of its own ([`state`]), so that a
//! database that was cut off, rewritten or put back to yesterday is not signed, whoever did it and however well the head
//! fits. The order is: read, hash, compare, remember, and only then sign.
//!
//! **Fencing.** Several replicas may sign one log. Each claims an epoch; publishing counts only under the newest. One that
//! was paused finds that its epoch is over, drops what it made, and begins again from what is there.
//!
//! **Fatal.** When what it remembers cannot be made durable, it signs nothing more until the process begins anew.

mod lag;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use interlock_domain::Timestamp;
use interlock_ledger::{Checkpoint, Frontier, Hash, tree::leaf_hash};
use tokio::sync::{Mutex as Turn, Notify, watch};

pub use self::lag::Behind;
use self::{
    lag::Lag,
    state::{State, States},
};
use crate::{
    LedgerKeys, Options, StoreError,
    checkpoints::{self, Ends, Signed},
    db::{Db, fetch_all},
    ledger::Grown,
};

/// Entries read at a time.
const ENTRIES: i64 = 1_000;
/// How often somebody else may be faster before it is given up until the next time.
const TRIES: usize = 5;
/// How long a writer waits for the signer to catch up, before it is told that it does not.
const CATCHING_UP: Duration = Duration::from_millis(250);

/// Why nothing is signed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unsigned {
    /// What is stored does not continue what was signed.
    #[error(
        "the signer refuses: {0}; keep the database as it is, and find out who altered it: `interlock ledger verify`"
    )]
    Refused(String),
    /// It cannot be remembered what would be signed.
    #[error("the signer cannot go on: {0}; see to the disk, then start again")]
    Broken(String),
    /// Others sign at the same time.
    #[error("other replicas sign the same log just now; ask again in a moment")]
    Overtaken,
    /// The database did not answer.
    #[error("{0}")]
    Store(StoreError),
}

impl From<StoreError> for Unsigned {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Unsigned {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Signs the logs of a store.
#[derive(Debug)]
pub(crate) struct Signer {
    db: Db,
    keys: Arc<LedgerKeys>,
    origin_prefix: String,
    states: Arc<States>,
    wait: Duration,
    /// The epochs that this process holds. One round at a time.
    epochs: Turn<BTreeMap<String, i64>>,
    /// Logs with entries that are not signed yet.
    waiting: Mutex<BTreeSet<String>>,
    /// Held while all that waits is signed, so that whoever closes the store waits for a round that is under way.
    round: Turn<()>,
    woken: Notify,
    refused: Mutex<BTreeMap<String, String>>,
    lag: Lag,
    entries_max: u64,
    age_ms_max: u64,
    broken: watch::Sender<Option<String>>,
}

/// What a round came to.
#[derive(Debug)]
enum Round {
    /// The newest state is published already, at this size.
    Idle(u64),
    /// Signed, and not published yet.
    Made(Signed),
    /// Another process that shares the folder was faster.
    Overtaken,
}

impl Signer {
    pub(crate) fn new(db: Db, keys: Arc<LedgerKeys>, options: &Options) -> Self {
        Self {
            db,
            keys,
            origin_prefix: options.origin_prefix.clone(),
            states: Arc::new(States::new(options.signer_dir.as_deref())),
            wait: Duration::from_millis(options.sign_every_ms),
            epochs: Turn::default(),
            waiting: Mutex::default(),
            round: Turn::default(),
            woken: Notify::new(),
            refused: Mutex::default(),
            lag: Lag::default(),
            entries_max: options.unsigned_max,
            age_ms_max: options.unsigned_ms_max,
            broken: watch::Sender::new(None),
        }
    }

    /// There are new entries in these logs.
    pub(crate) fn wake<'a>(&self, logs: impl IntoIterator<Item = &'a str>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(logs.into_iter().map(str::to_owned));
        drop(waiting);
        self.woken.notify_one();
    }

    /// These logs grew.
    pub(crate) fn grown(&self, logs: &[Grown]) {
        for Grown { log, before, after, at } in logs {
            self.lag.committed(log, *before, *after, *at);
        }
        self.wake(logs.iter().map(|grown| grown.log.as_str()));
    }

    /// Whether more may be written to a log. When too much of it is not signed yet, whoever writes waits a little for that, so that
    /// nothing piles up faster than it is signed. A log that is refused is no matter of time: what is written to it goes on.
    pub(crate) async fn keeps_up(&self, log: &str, now: Timestamp) -> Result<(), StoreError> {
        if self.too_far(log, now).is_none() || self.refusals().contains_key(log) {
            return Ok(());
        }
        // Rare, and no part of how large every commit is.
        let _ = tokio::time::timeout(CATCHING_UP, Box::pin(self.sign(log))).await;
        match self.too_far(log, now) {
            Some(behind) if !self.refusals().contains_key(log) => Err(StoreError::Behind {
                log: log.to_owned(),
                entries: behind.entries,
                age_ms: now.millis_since(behind.since),
            }),
            _ => Ok(()),
        }
    }

    fn too_far(&self, log: &str, now: Timestamp) -> Option<Behind> {
        let old = |behind: &Behind| {
            u64::try_from(now.millis_since(behind.since)).unwrap_or_default() > self.age_ms_max
        };
        self.lag.of(log).filter(|behind| behind.entries >= self.entries_max || old(behind))
    }

    /// How far each log is behind that is.
    pub(crate) fn behind(&self) -> BTreeMap<String, Behind> {
        self.lag.all()
    }

    /// Nobody signs as long as this is held.
    #[cfg(feature = "testing")]
    pub(crate) async fn hold(&self) -> impl Sized + '_ {
        self.epochs.lock().await
    }

    /// Signs what was written, as long as somebody holds the store.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.woken.notified().await;
            self.sign_waiting().await;
            // Many small commits share a signature.
            tokio::time::sleep(self.wait).await;
        }
    }

    /// Signs all that waits.
    pub(crate) async fn sign_waiting(&self) {
        let _round = self.round.lock().await;
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for log in waiting {
            if let Err(error) = self.sign(&log).await {
                tracing::error!(log, %error, "the newest entries are not signed");
            }
        }
    }

    /// Has the newest state of a log signed and published, unless it is already.
    pub(crate) async fn sign(&self, log: &str) -> Result<(), Unsigned> {
        let mut epochs = self.epochs.lock().await;
        for _ in 0..TRIES {
            let made = match self.make(log).await {
                Ok(made) => made,
                Err(unsigned) => return Err(self.note(log, unsigned)),
            };
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(log);
            let signed = match made {
                Round::Idle(size) => {
                    self.lag.signed(log, size);
                    return Ok(());
                }
                Round::Overtaken => continue,
                Round::Made(signed) => signed,
            };
            let epoch = match epochs.get(log) {
                Some(epoch) => *epoch,
                None => {
                    let epoch = checkpoints::claim(&self.db, log).await?;
                    epochs.insert(log.to_owned(), epoch);
                    // What was read was read before the epoch began: look again.
                    continue;
                }
            };
            if checkpoints::publish(&self.db, log, epoch, &signed).await? {
                self.lag.signed(log, signed.size);
                return Ok(());
            }
            // Its time is over: somebody else signs by now.
            epochs.remove(log);
        }
        Err(Unsigned::Overtaken)
    }

    /// Why a log is not signed any more: the logs and the reasons.
    pub(crate) fn refusals(&self) -> BTreeMap<String, String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why it signs nothing any more, once that is so.
    pub(crate) fn broken(&self) -> watch::Receiver<Option<String>> {
        self.broken.subscribe()
    }

    fn note(&self, log: &str, unsigned: Unsigned) -> Unsigned {
        match &unsigned {
            Unsigned::Refused(why) => {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.insert(log.to_owned(), why.clone());
            }
            Unsigned::Broken(why) => drop(self.broken.send_replace(Some(why.clone()))),
            Unsigned::Overtaken | Unsigned::Store(_) => {}
        }
        unsigned
    }

    /// Reads, hashes, compares, remembers, and then signs.
    async fn make(&self, log: &str) -> Result<Round, Unsigned> {
        if let Some(why) = self.broken.borrow().clone() {
            return Err(Unsigned::Broken(why));
        }
        let origin = format!("{}/{log}", self.origin_prefix);
        let Some(ends) = checkpoints::ends(&self.db, log).await? else {
            return self.absent(log, &origin).await;
        };
        let last = self.load(log, &origin).await?;
        let published = self.published(&origin, &ends)?;
        let tree = self.continued(log, last.as_ref(), published.as_ref(), &ends).await?;
        let next = State { tree };
        if next.size() > 0
            && last.as_ref() != Some(&next)
            && !self.remember(log, &origin, last, next.clone()).await?
        {
            return Ok(Round::Overtaken);
        }
        if next.size() == 0 || published.is_some_and(|published| published.size == next.size()) {
            return Ok(Round::Idle(next.size()));
        }
        let checkpoint = Checkpoint { origin: origin.clone(), size: next.size(), root: next.root() };
        let key = self.keys.log_key(&origin).map_err(StoreError::from)?;
        let note = checkpoint.sign(&key).map_err(StoreError::from)?.to_string();
        Ok(Round::Made(Signed { size: next.size(), note }))
    }

    /// A log without a head is one that nobody wrote to, or one that was wiped.
    async fn absent(&self, log: &str, origin: &str) -> Result<Round, Unsigned> {
        match self.load(log, origin).await?.filter(|last| last.size() > 0) {
            None => Ok(Round::Idle(0)),
            Some(last) => Err(Unsigned::Refused(format!(
                "the log has no head, and {} entries were signed",
                last.size()
            ))),
        }
    }

    /// What stands published, which must be of the log's own hand.
    fn published(&self, origin: &str, ends: &Ends) -> Result<Option<Checkpoint>, Unsigned> {
        let Some(signed) = &ends.signed else { return Ok(None) };
        let keys = self.keys.keyring(origin).map_err(StoreError::from)?;
        let opened = Checkpoint::open(signed.note.as_bytes(), origin, &keys)
            .map_err(|error| Unsigned::Refused(format!("the published checkpoint was altered: {error}")))?;
        Ok(Some(opened.checkpoint().clone()))
    }

    /// The tree over all that is stored, as the continuation of what was signed last.
    async fn continued(
        &self,
        log: &str,
        last: Option<&State>,
        published: Option<&Checkpoint>,
        ends: &Ends,
    ) -> Result<Frontier, Unsigned> {
        let refuse = |why: String| Err(Unsigned::Refused(why));
        let mut tree = last.map(|last| last.tree.clone()).unwrap_or_default();
        let size = u64::try_from(ends.size).unwrap_or_default();
        let known = published.map_or(0, |published| published.size).max(tree.size());
        if size < known {
            return refuse(format!(
                "the log has {size} entries, and {known} were signed: its end was cut off"
            ));
        }
        let differs = |tree: &Frontier| {
            published.is_some_and(|published| published.size == tree.size() && published.root != tree.root())
        };
        let fork = |at: u64| {
            format!("what was published at {at} entries has another root: there are two logs of this name")
        };
        if differs(&tree) {
            return refuse(fork(tree.size()));
        }
        while tree.size() < size {
            let from = i64::try_from(tree.size()).unwrap_or(i64::MAX);
            let rows = fetch_all!(
                self.db.reader(),
                (i64, Vec<u8>),
                "SELECT idx, body FROM ledger_entries WHERE log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx LIMIT $4",
                log,
                from,
                ends.size,
                ENTRIES
            )?;
            if rows.is_empty() {
                return refuse(format!("entry {from} is not there"));
            }
            for (expected, (idx, body)) in (from..).zip(rows) {
                if idx != expected {
                    return refuse(format!("entry {expected} is not there"));
                }
                tree.push(leaf_hash(&body));
                if differs(&tree) {
                    return refuse(fork(tree.size()));
                }
            }
        }
        if tree.root()[..] != ends.root {
            let found: Option<Hash> = ends.root.clone().try_into().ok();
            let found = found.map_or_else(|| "no root".to_owned(), |root| hex(&root));
            return refuse(format!(
                "{size} entries lead to root {}, and the head says {found}",
                hex(&tree.root())
            ));
        }
        Ok(tree)
    }

    async fn load(&self, log: &str, origin: &str) -> Result<Option<State>, Unsigned> {
        let (states, log, origin) = (Arc::clone(&self.states), log.to_owned(), origin.to_owned());
        on_disk(move || states.load(&log, &origin)).await
    }

    async fn remember(
        &self,
        log: &str,
        origin: &str,
        last: Option<State>,
        next: State,
    ) -> Result<bool, Unsigned> {
        let (states, log, origin) = (Arc::clone(&self.states), log.to_owned(), origin.to_owned());
        on_disk(move || states.swap(&log, &origin, last.as_ref(), &next)).await
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Unsigned> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| Unsigned::Broken(error.to_string()))?;
    done.map_err(|error| Unsigned::Broken(error.to_string()))
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(test, feature = "testing"))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
