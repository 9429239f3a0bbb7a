//! What was cosigned last of each log: a file each, replaced whole or not at all.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use interlock_ledger::{Checkpoint, SignedNote};
use sha2::{Digest as _, Sha256};

#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    /// Held for as long as this lives: two witnesses of one memory would not see each other's steps.
    _lock: File,
    broken: Option<String>,
}

/// How the file of a log is called: what the log is asked for by.
pub(crate) fn name(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}

impl Memory {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::new(
                ErrorKind::AlreadyExists,
                "another witness uses this folder; stop it, or name another folder",
            ),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self { folder, _lock: lock, broken: None })
    }

    pub(crate) fn text(&self, origin: &str) -> Result<Option<String>, String> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let path = self.folder.join(name(origin));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("`{}`: {error}", path.display())),
        }
    }

    pub(crate) fn newest(&self, origin: &str) -> Result<Option<Checkpoint>, String> {
        let Some(text) = self.text(origin)? else { return Ok(None) };
        let found = crate::read(&text).and_then(|found| match found.origin == origin {
            true => Ok(found),
            false => Err(format!("it is of log `{}`", found.origin)),
        });
        found.map(Some).map_err(|why| format!("what was cosigned of `{origin}` cannot be read: {why}"))
    }

    pub(crate) fn keep(&mut self, checkpoint: &Checkpoint, cosigned: &SignedNote) -> Result<(), String> {
        let path = self.folder.join(name(&checkpoint.origin));
        let done = replace(&self.folder, &path, cosigned.to_string().as_bytes());
        done.map_err(|error| {
            let why = format!("`{}`: {error}", path.display());
            tracing::error!(why, "what was cosigned cannot be kept: nothing is cosigned any more");
            // It may or may not be there now, and trying again can falsely succeed.
            self.broken.get_or_insert(why).clone()
        })
    }
}

fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
