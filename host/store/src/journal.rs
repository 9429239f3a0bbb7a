//! The journal: answers that are on the local disk before they are given, thousands in one sync of the disk.
//!
//! A transaction for each answer to somebody else's question would make the database the limit of how fast an application
//! may ask. So such answers are appended to a file first, and a file that is sealed goes into the database as one
//! [`Segment`](crate::Segment) with one ledger entry over all of it.
//!
//! **Invariants.** What [`Journal::append`] has confirmed is on the disk. A file is removed only once all that is in it is in
//! the database; one that is damaged is set aside and never removed. What is in it twice is there once: the segment is named like its file. A folder belongs to one ledger, which it names. After the disk refused a
//! sync once, nothing more is confirmed: what a second sync says of the first one's bytes is not to be believed.

mod file;
mod owner;
mod writer;

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use self::file::Frames;
use self::{
    file::{DAMAGED, Found, OPEN, SEALED},
    writer::{Job, Writer},
};
use crate::StoreError;

/// Most appends that wait for one sync.
const WAITING_MAX: usize = 4_096;

/// Where a journal is, and how large it may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalOptions {
    /// Its folder.
    pub dir: PathBuf,
    /// Whose answers these are: the ledger's public key as a verifier has it, which begins with its origin.
    pub ledger: String,
    /// At which size a file is sealed, in bytes.
    pub file_bytes_max: u64,
    /// Most bytes that are not in the database yet; beyond it nothing is confirmed.
    pub backlog_bytes_max: u64,
}

/// The journal of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    jobs: mpsc::Sender<Job>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    options: JournalOptions,
    /// What is on the disk and not in the database.
    backlog: AtomicU64,
    /// Files that wait for the database, oldest first.
    sealed: Mutex<VecDeque<SealedFile>>,
    /// Why nothing is confirmed any more.
    broken: Mutex<Option<String>>,
}

/// A file that nobody appends to any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFile {
    path: PathBuf,
    bytes: u64,
}

/// What a sealed file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journaled {
    /// Tenants and exact texts, in the order in which they were appended.
    pub decisions: Vec<(String, String)>,
    /// How many bytes could not be read: what was being appended when the process or the machine stopped, which nobody was
    /// told of; or damage.
    pub unread_bytes: u64,
    /// Whether there may be something in those bytes that somebody was told of, so that the file has to stay.
    pub damaged: bool,
}

impl Journal {
    /// Opens the journal in its folder, made when it is not there. What an earlier process left in it is sealed. `uuid` names
    /// the files. A folder in which the answers of another ledger are is refused: they would come into this one as its own.
    pub fn open(
        options: JournalOptions,
        uuid: impl FnMut() -> Uuid + Send + 'static,
    ) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::journal(&options.dir, error);
        fs::create_dir_all(&options.dir).map_err(failed)?;
        owner::claim(&options.dir, &options.ledger)?;
        let left = file::left_behind(&options.dir).map_err(failed)?;
        let state = Arc::new(State {
            backlog: AtomicU64::new(left.iter().map(|file| file.bytes).sum()),
            sealed: Mutex::new(left.into()),
            broken: Mutex::default(),
            options,
        });
        let (jobs, received) = mpsc::channel(WAITING_MAX);
        let writer = Writer::new(Arc::clone(&state), received, Box::new(uuid));
        let spawned = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        spawned.map_err(|error| StoreError::journal(&state.options.dir, error))?;
        Ok(Self { jobs, state })
    }

    /// Appends, and comes back once it is on the disk. Nothing is confirmed while too much waits for the database.
    pub async fn append(&self, frames: Frames) -> Result<(), StoreError> {
        if let Some(why) = self.broken() {
            return Err(StoreError::Journal { detail: why });
        }
        if self.backlog_bytes() >= self.state.options.backlog_bytes_max {
            return Err(StoreError::Busy);
        }
        let (reply, done) = oneshot::channel();
        self.jobs.try_send(Job::Append { bytes: frames.into_bytes(), reply }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            },
        )?;
        done.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Seals the file that is appended to, if anything is in it.
    pub async fn seal(&self) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        self.jobs.send(Job::Seal { reply }).await.map_err(|_| StoreError::Closed)?;
        done.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The oldest file that waits for the database.
    pub fn oldest(&self) -> Option<SealedFile> {
        self.state.sealed.lock().unwrap_or_else(PoisonError::into_inner).front().cloned()
    }

    /// What is in a file is in the database: the file is removed.
    pub fn shipped(&self, file: &SealedFile) -> Result<(), StoreError> {
        self.done_with(file, fs::remove_file(&file.path))
    }

    /// Not all that is in a file can be brought into the database: it stays, under another name, until a person has looked
    /// at it. Those behind it go on.
    pub fn set_aside(&self, file: &SealedFile) -> Result<(), StoreError> {
        self.done_with(file, fs::rename(&file.path, file.path.with_extension(DAMAGED)))
    }

    fn done_with(&self, file: &SealedFile, done: std::io::Result<()>) -> Result<(), StoreError> {
        match done {
            // Another process on the same folder was faster.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::journal(&file.path, error));
            }
            _ => {}
        }
        let mut sealed = self.state.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = sealed.iter().position(|waiting| waiting == file) {
            sealed.remove(at);
            self.state.backlog.fetch_sub(file.bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How many bytes are on the disk and not in the database.
    pub fn backlog_bytes(&self) -> u64 {
        self.state.backlog.load(Ordering::Relaxed)
    }

    /// Why nothing is confirmed any more, if that is so.
    pub fn broken(&self) -> Option<String> {
        self.state.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SealedFile {
    /// The name of the segment that it becomes.
    pub fn segment(&self) -> String {
        let name = self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        format!("seg_{}", name.unwrap_or_default())
    }

    /// Reads it whole; `None` when it is gone, because another process on the same folder has brought it into the database.
    pub fn read(&self) -> Result<Option<Journaled>, StoreError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::journal(&self.path, error)),
        };
        let Found { decisions, unread_bytes, damaged } = file::parse(&bytes);
        Ok(Some(Journaled { decisions, unread_bytes, damaged }))
    }
}

impl State {
    fn path(&self, id: Uuid, ending: &str) -> PathBuf {
        self.options.dir.join(format!("{}.{ending}", id.simple()))
    }

    fn grown(&self, bytes: u64) {
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
    }

    fn seal(&self, open: &Path, bytes: u64) -> std::io::Result<()> {
        let path = open.with_extension(SEALED);
        debug_assert_eq!(open.extension().and_then(|ending| ending.to_str()), Some(OPEN));
        fs::rename(open, &path)?;
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner).push_back(SealedFile { path, bytes });
        Ok(())
    }

    fn break_down(&self, why: String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}

#[cfg(test)]
mod tests;
