//! Copies of every log that nobody overwrites: its bundles, tiles and checkpoints as C2SP tlog-tiles lays them out, in a folder or in
//! storage with Object Lock.
//!
//! **Invariant:** nothing is copied that does not lead to the checkpoint that the log signed: the database is read again, and what it
//! says now is proved. **Invariant:** the checkpoint comes last, so that whoever has it has all that is under it.
//!
//! Each copy goes on from its own place, which is kept in the database. One that fails is tried again, and keeps no other waiting.

mod folder;
mod proved;
mod s3;
mod sigv4;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use interlock_domain::{Digest, Timestamp};
use interlock_ledger::{Checkpoint, Frontier, Tile, TileKind};
use interlock_store::{Copied, Pin, Signed, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{folder::Folder, proved::Proved, s3::Bucket};
use crate::{
    App, StartError,
    config::{Ledger, LedgerCopy},
    flow::Elsewhere,
    rounds::rounds,
};

/// How often it is looked whether there is something to copy.
const LOOK: Duration = Duration::from_secs(5);
/// How long a replica that copies may be silent before another one does.
const LEASE_MS: u64 = 300_000;

/// The copies of this server's logs.
#[derive(Debug)]
pub(crate) struct Copies {
    each: Vec<CopyOf>,
}

#[derive(Debug)]
struct CopyOf {
    config: LedgerCopy,
    place: Place,
    /// What came of the last round.
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
enum Place {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

#[derive(Debug, Clone)]
struct Last {
    at: Timestamp,
    /// Why nothing came of it, by log; of all of them under no name. Each is for those alone who may read the log.
    failures: BTreeMap<String, String>,
}

/// How it is with a copy.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) name: String,
    /// Entries that it has not, of the log with most.
    pub(crate) behind_entries: u64,
    /// For how long it lacks something.
    pub(crate) behind_ms: i64,
    /// Whether that is longer than it should be.
    pub(crate) is_late: bool,
    /// When it was tried last on this replica.
    pub(crate) tried_at: Option<Timestamp>,
    /// Whether that came to nothing.
    pub(crate) failed: bool,
}

impl Copies {
    pub(crate) fn open(config: &Ledger) -> Result<Self, StartError> {
        let each = config.copies.iter().map(|config| {
            let place = if config.is_in_bucket() {
                let bucket = Bucket::open(config).map_err(|error| {
                    StartError::Copy(format!("copy `{}` of the ledger: {error}", config.name))
                })?;
                Place::Bucket(Box::new(bucket))
            } else {
                Place::Folder(Folder::new(config.folder.clone()))
            };
            Ok(CopyOf { config: config.clone(), place, last: Mutex::default() })
        });
        Ok(Self { each: each.collect::<Result<_, StartError>>()? })
    }

    /// How it is with each, as the database has it.
    pub(crate) async fn standing(&self, app: &App) -> Result<Vec<Standing>, StoreError> {
        let now = app.clock.now();
        let mut standing = Vec::new();
        for copy in &self.each {
            let (behind_entries, since) = app.store.copy_behind(&copy.config.name).await?;
            let behind_ms = since.map_or(0, |since| now.millis_since(since));
            let last = copy.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let tried_at = last.as_ref().map(|last| last.at);
            let every_ms = i64::try_from(copy.config.every_ms).unwrap_or(i64::MAX);
            standing.push(Standing {
                name: copy.config.name.clone(),
                behind_entries,
                behind_ms,
                is_late: behind_ms > every_ms.saturating_mul(2),
                tried_at,
                failed: last.is_some_and(|last| !last.failures.is_empty()),
            });
        }
        Ok(standing)
    }

    /// How far each has come with one log, and what keeps it.
    pub(crate) async fn of_log(&self, app: &App, log: &str) -> Result<Vec<Elsewhere>, StoreError> {
        let mut found = Vec::new();
        for copy in &self.each {
            let copied = app.store.copied(&copy.config.name, log).await?;
            let entries = copied.as_ref().map_or(0, |copied| copied.tree.size());
            let last = copy.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            found.push(Elsewhere {
                name: copy.config.name.clone(),
                entries,
                at: copied.map(|copied| copied.at).filter(|_| entries > 0),
                failure: last.and_then(|mut last| last.failures.remove(log).or(last.failures.remove(""))),
            });
        }
        Ok(found)
    }
}

/// Copies until it is told to stop.
pub(crate) async fn run(app: Arc<App>, holder: String, stop: CancellationToken) {
    if app.copies.each.is_empty() {
        return;
    }
    rounds(&stop, LOOK, || round(&app, &holder)).await;
}

/// Brings every copy up to date, where it is time.
pub(crate) async fn round(app: &App, holder: &str) {
    join_all(app.copies.each.iter().map(|copy| copy.round(app, holder))).await;
}

impl CopyOf {
    async fn round(&self, app: &App, holder: &str) {
        let name = &self.config.name;
        let failures = match self.all(app, holder).await {
            Ok(None) => return,
            Ok(Some(failures)) => failures,
            Err(error) => BTreeMap::from([(String::new(), error.to_string())]),
        };
        for (log, failure) in &failures {
            warn!(copy = name, log, failure, "the ledger was not copied; it is tried again");
            metrics::counter!("ledger_copy_failures_total", "copy" => name.clone()).increment(1);
        }
        let last = Last { at: app.clock.now(), failures };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// All logs, and what failed of each; `None` when another replica copies. One log keeps no other from being copied.
    async fn all(&self, app: &App, holder: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let name = format!("ledger/copy/{}", self.config.name);
        if app.store.acquire(&name, holder, LEASE_MS, app.clock.now()).await?.is_none() {
            return Ok(None);
        }
        let mut failures = BTreeMap::new();
        for log in app.store.logs().await? {
            if let Err(failure) = self.log(app, &log).await {
                failures.insert(log, failure);
            }
        }
        Ok(Some(failures))
    }

    /// One log, when a bundle is full that the copy has not, or it has waited long enough.
    async fn log(&self, app: &App, log: &str) -> Result<(), String> {
        let text = |error: StoreError| error.to_string();
        let Some(signed) = app.store.signed(log).await.map_err(text)? else { return Ok(()) };
        let now = app.clock.now();
        let copied = app.store.copied(&self.config.name, log).await.map_err(text)?;
        let known = copied.clone().unwrap_or(Copied { tree: Frontier::new(), at: now });
        if copied.is_none() {
            // From now on it is known how long the copy has waited.
            app.store.write_copied(&self.config.name, log, &known).await.map_err(text)?;
        }
        let is_full = signed.size / 256 > known.tree.size() / 256;
        let waited = u64::try_from(now.millis_since(known.at)).unwrap_or_default();
        if signed.size <= known.tree.size()
            || !(is_full || waited >= self.config.every_ms || known.tree.size() == 0)
        {
            return Ok(());
        }
        let tree = self.copy(app, log, &signed, known.tree, now).await?;
        app.store.write_copied(&self.config.name, log, &Copied { tree, at: now }).await.map_err(text)
    }

    /// Copies what a log has grown by, its checkpoint last.
    async fn copy(
        &self,
        app: &App,
        log: &str,
        signed: &Signed,
        from: Frontier,
        now: Timestamp,
    ) -> Result<Frontier, String> {
        let old = from.size();
        let proved = match self.proved(app, log, signed, from).await {
            Ok(proved) => proved,
            // Where the copy is said to be may have been altered; what was signed is from the log's own beginning.
            Err(_) if old > 0 => self.proved(app, log, signed, Frontier::new()).await?,
            Err(why) => return Err(why),
        };
        self.expect_lock(now).await?;
        for tile in Tile::grown(old, signed.size) {
            let path = tile.to_string();
            let pinned = app.store.pin(&self.config.name, log, &path).await;
            if pinned.map_err(|error| error.to_string())?.is_some() {
                continue;
            }
            let bytes = bytes(app, log, tile).await?;
            if !proved.holds(tile, &bytes) {
                return Err(format!(
                    "`{tile}` of the log `{log}` does not lead to what was signed; nothing more is copied"
                ));
            }
            let years = match tile.kind() {
                TileKind::Entries => self.config.keep_entries_years,
                TileKind::Hashes(_) => self.config.keep_proofs_years,
            };
            self.put(app, log, &path, &bytes, years, now).await?;
        }
        let note = signed.note.as_bytes();
        let years = self.config.keep_proofs_years;
        self.put(app, log, &format!("checkpoints/{}", signed.size), note, years, now).await?;
        self.point_at(log, note, years, now).await?;
        Ok(proved.tree)
    }

    /// The tree over what is stored, when it is the one that was signed.
    async fn proved(&self, app: &App, log: &str, signed: &Signed, from: Frontier) -> Result<Proved, String> {
        let origin = app.store.options().origin(log);
        let keys = app.store.keys().keyring(&origin).map_err(|error| error.to_string())?;
        let opened =
            Checkpoint::open(signed.note.as_bytes(), &origin, &keys).map_err(|error| error.to_string())?;
        let old = from.size();
        let mut proved = Proved::from(from);
        for tile in Tile::grown(old, signed.size).filter(|tile| tile.kind() == TileKind::Entries) {
            proved.add(tile, &bytes(app, log, tile).await?)?;
        }
        let Checkpoint { size, root, .. } = opened.checkpoint();
        if (proved.tree.size(), proved.tree.root()) != (*size, *root) {
            return Err(format!(
                "the entries of the log `{log}` do not lead to the checkpoint at {size}; nothing is copied: `interlock ledger verify`"
            ));
        }
        Ok(proved)
    }

    async fn expect_lock(&self, now: Timestamp) -> Result<(), String> {
        match &self.place {
            Place::Folder(_) => Ok(()),
            Place::Bucket(bucket) => bucket.expect_lock(now).await,
        }
    }

    /// Puts something in its place for good, and pins what was put.
    async fn put(
        &self,
        app: &App,
        log: &str,
        path: &str,
        bytes: &[u8],
        years: u16,
        now: Timestamp,
    ) -> Result<(), String> {
        let key = format!("{log}/{path}");
        let (version, kept_until) = match &self.place {
            Place::Folder(folder) => {
                let (folder, bytes) = (folder.clone(), bytes.to_vec());
                on_disk(move || folder.put(&key, &bytes)).await?;
                (String::new(), String::new())
            }
            Place::Bucket(bucket) => {
                let until = self.until(now, years)?;
                (bucket.put(&key, bytes, &until, now).await?.version, until)
            }
        };
        let pin = Pin { path: path.to_owned(), digest: Digest::of(bytes), version, kept_until };
        app.store.write_pin(&self.config.name, log, &pin).await.map_err(|error| error.to_string())
    }

    /// Has `checkpoint` be the newest. All that ever were are in `checkpoints`.
    async fn point_at(&self, log: &str, note: &[u8], years: u16, now: Timestamp) -> Result<(), String> {
        let key = format!("{log}/checkpoint");
        match &self.place {
            Place::Folder(folder) => {
                let (folder, note) = (folder.clone(), note.to_vec());
                on_disk(move || folder.replace(&key, &note)).await
            }
            Place::Bucket(bucket) => {
                bucket.replace(&key, note, &self.until(now, years)?, now).await.map(drop)
            }
        }
    }

    fn until(&self, now: Timestamp, years: u16) -> Result<String, String> {
        until(now, years, self.config.keep_margin_days)
    }
}

async fn bytes(app: &App, log: &str, tile: Tile) -> Result<Vec<u8>, String> {
    let bytes = app.store.tile(log, tile).await.map_err(|error| error.to_string())?;
    bytes.ok_or_else(|| format!("`{tile}` of the log `{log}` is not whole"))
}

async fn on_disk(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The end of the day so many years and days from now.
fn until(now: Timestamp, years: u16, margin_days: u16) -> Result<String, String> {
    let beyond = |error: jiff::Error| format!("the clock is beyond the calendar: {error}");
    let today = jiff::Timestamp::from_millisecond(now.as_millis()).map_err(beyond)?;
    let today = today.to_zoned(jiff::tz::TimeZone::UTC).date();
    let span = jiff::Span::new().years(i64::from(years));
    let day = today.checked_add(span).map_err(beyond)?;
    let day = day.checked_add(jiff::Span::new().days(i64::from(margin_days) + 1)).map_err(beyond)?;
    Ok(format!("{day}T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_kept_to_the_end_of_a_day_of_the_calendar() {
        for (now, years, margin, expected) in [
            ("2026-11-20T18:00:00.123Z", 10, 31, "2036-12-22T00:00:00Z"),
            ("2026-11-20T00:00:00.000Z", 1, 0, "2027-11-21T00:00:00Z"),
            // A day that the other year has not.
            ("2028-02-29T23:59:59.999Z", 1, 0, "2029-03-01T00:00:00Z"),
            ("2026-12-31T23:59:59.999Z", 5, 1, "2032-01-02T00:00:00Z"),
        ] {
            assert_eq!(until(now.parse().unwrap(), years, margin).unwrap(), expected, "{now}");
        }
    }
}
