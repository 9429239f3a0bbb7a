//! The one who appends: a thread of its own, because a sync of the disk keeps whoever asks for it waiting.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{State, file::OPEN};
use crate::StoreError;

/// Most appends in one sync.
const BATCH_MAX: usize = 1_024;

/// What the thread does.
#[derive(Debug)]
pub(super) enum Job {
    /// Append and sync.
    Append {
        /// Frames.
        bytes: Vec<u8>,
        /// Who waits for it.
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Begin a new file with the next append.
    Seal {
        /// Who waits for it.
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
}

pub(super) struct Writer {
    state: Arc<State>,
    jobs: mpsc::Receiver<Job>,
    uuid: Box<dyn FnMut() -> Uuid + Send>,
    open: Option<Open>,
}

/// By how much a file grows ahead of what is written into it: first by little, since most are sealed with little in them.
const GROWS_FIRST: usize = 256 << 10;
const GROWS: usize = 1 << 20;
static ZEROS: [u8; GROWS] = [0; GROWS];

/// The file that is appended to. Its lock says that somebody does.
///
/// It is written full of zeros ahead of what is appended. A sync after writing over bytes that are there already has to wait
/// for those bytes alone; after making the file longer it has to wait for the file system's own journal, and so for whatever
/// else this machine writes: on a busy disk milliseconds instead of a fraction of one.
pub(super) struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
    grown: u64,
}

impl Writer {
    pub(super) fn new(
        state: Arc<State>,
        jobs: mpsc::Receiver<Job>,
        uuid: Box<dyn FnMut() -> Uuid + Send>,
    ) -> Self {
        Self { state, jobs, uuid, open: None }
    }

    /// Until nobody can append any more.
    pub(super) fn run(mut self) {
        let (mut appended, mut waiting) = (Vec::new(), Vec::new());
        while let Some(job) = self.jobs.blocking_recv() {
            let mut next = Some(job);
            let mut seal = None;
            // Whatever waits goes into the same sync.
            while let Some(job) = next {
                match job {
                    Job::Append { bytes, reply } => {
                        appended.extend_from_slice(&bytes);
                        waiting.push(reply);
                    }
                    Job::Seal { reply } => {
                        seal = Some(reply);
                        break;
                    }
                }
                next = (waiting.len() < BATCH_MAX).then(|| self.jobs.try_recv().ok()).flatten();
            }
            let written = self.write(&appended);
            appended.clear();
            for reply in waiting.drain(..) {
                // Whoever asked may have gone; what is on the disk stays.
                let _ = reply.send(written.clone());
            }
            if let Some(reply) = seal {
                let sealed = self.seal().map_err(|error| self.fail(&error));
                let _ = reply.send(sealed);
            }
        }
        if let Err(error) = self.seal() {
            self.fail(&error);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        // A sync that failed may have thrown away what it was to write, and the next one would not say so.
        if let Some(detail) = self.state.broken.lock().ok().and_then(|broken| broken.clone()) {
            return Err(StoreError::Journal { detail });
        }
        self.append(bytes).map_err(|error| self.fail(&error))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(begin(&self.state, &mut self.uuid)?),
        };
        open.append(bytes)?;
        self.state.grown(bytes.len() as u64);
        if open.bytes >= self.state.options.file_bytes_max {
            self.seal()?;
        }
        Ok(())
    }

    fn seal(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some(open) => {
                // The zeros behind it are read as its end, should this be lost.
                open.file.set_len(open.bytes)?;
                self.state.seal(&open.path, open.bytes)
            }
            None => Ok(()),
        }
    }

    fn fail(&self, error: &io::Error) -> StoreError {
        let failed = StoreError::journal(&self.state.options.dir, error);
        tracing::error!(error = %failed, "the journal is broken: no answer that belongs in it is given any more");
        self.state.break_down(match &failed {
            StoreError::Journal { detail } => detail.clone(),
            other => other.to_string(),
        });
        failed
    }
}

/// Begins a file that is nobody else's.
fn begin(state: &State, uuid: &mut dyn FnMut() -> Uuid) -> io::Result<Open> {
    loop {
        let path = state.path(uuid(), OPEN);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        if let Some(open) = locked(file, path)? {
            // Its name is on the disk before anything in it is confirmed.
            File::open(&state.options.dir)?.sync_all()?;
            return Ok(open);
        }
    }
}

/// The file, once it is locked. `None` when its name is gone: before there was a lock, another process that started on the
/// same folder took it for one that was left behind, and what is appended to it now would be lost.
pub(super) fn locked(file: File, path: PathBuf) -> io::Result<Option<Open>> {
    file.lock()?;
    Ok(path.try_exists()?.then_some(Open { file, path, bytes: 0, grown: 0 }))
}

impl Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.bytes + bytes.len() as u64;
        while self.grown < end {
            let by = if self.grown == 0 { &ZEROS[..GROWS_FIRST] } else { &ZEROS[..] };
            self.file.write_all_at(by, self.grown)?;
            self.grown += by.len() as u64;
        }
        self.file.write_all_at(bytes, self.bytes)?;
        self.file.sync_data()?;
        self.bytes = end;
        Ok(())
    }
}
