//! Where a log is: a folder, a server, or a database; and its files, whichever it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use interlock_ledger::{
    Tile,
    copy::{CHECKPOINT, Files, ReadError},
};
use interlock_store::{LedgerKeys, Options, Store};
use tokio::runtime::Handle;

use super::trust::{Found, Problem};
use crate::client::{Client, Connection, Failure};

/// More than any file of a log has: a bundle of the longest entries.
const FILE_BYTES_MAX: usize = 32 << 20;
/// How deep the folders of a log go: a path has at most nine parts.
const DEPTH_MAX: usize = 16;

/// Where a log is.
pub(super) enum Source {
    /// The files are in this folder.
    Folder(PathBuf),
    /// They are served below this path.
    Server(Box<Client>, String),
    /// The entries are rows.
    Database(Store),
}

impl Source {
    /// Opens what the person named: `server`, an address, a database's, a folder, or an SQLite file.
    pub(super) async fn open(text: &str, origin: &str, connection: &Connection) -> Result<Self, Problem> {
        let scheme = text.split(':').next().unwrap_or_default();
        match scheme {
            "server" if text == "server" => {
                let client = connection.client().map_err(malformed)?;
                Ok(Self::Server(Box::new(client), format!("/ledger/{}", connection.tenant)))
            }
            "http" | "https" => {
                // A key goes to the server that it is for, and to no other.
                let known = text.starts_with(&format!("{}/", connection.address()));
                let client = if known { connection.client() } else { connection.nobody() };
                Ok(Self::Server(Box::new(client.map_err(malformed)?.at(text)), String::new()))
            }
            "sqlite" | "postgres" | "postgresql" => Self::database(text, origin).await,
            _ => match fs::metadata(text) {
                Ok(found) if found.is_dir() => Ok(Self::Folder(PathBuf::from(text))),
                Ok(_) => Self::database(&format!("sqlite:{text}"), origin).await,
                Err(error) => Err(Problem::malformed(format!(
                    "`{text}`: {error}; name a folder with a log's files, a database, an address, or `server`"
                ))),
            },
        }
    }

    async fn database(url: &str, origin: &str) -> Result<Self, Problem> {
        let (prefix, _) = parts(origin)?;
        let options = Options { origin_prefix: prefix.to_owned(), ..Options::at(url) };
        let keys = LedgerKeys::of_nobody().map_err(malformed)?;
        Ok(Self::Database(Store::open_to_read(options, keys).await.map_err(malformed)?))
    }

    /// Its files. Give them to other threads than those that serve the runtime.
    pub(super) fn files(&self, origin: &str) -> Result<LogFiles<'_>, Problem> {
        let (_, log) = parts(origin)?;
        Ok(LogFiles { source: self, log: log.to_owned(), runtime: Handle::current() })
    }
}

/// The prefix that all logs of a server share, and the log.
pub(super) fn parts(origin: &str) -> Result<(&str, &str), Problem> {
    origin.rsplit_once('/').ok_or_else(|| {
        Problem::malformed(format!("--log-key: `{origin}` names no tenant's log, such as `…/ledger/mercy`"))
    })
}

fn malformed(error: impl std::fmt::Display) -> Problem {
    Problem::malformed(error.to_string())
}

/// The files of a source. Whoever reads waits.
pub(super) struct LogFiles<'a> {
    source: &'a Source,
    log: String,
    runtime: Handle,
}

impl Files for LogFiles<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.source {
            Source::Folder(folder) => match fs::read(folder.join(path)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(ReadError::new(path, error)),
            },
            Source::Server(client, below) => {
                let address = format!("{below}/{path}");
                let read = client.file(&address, FILE_BYTES_MAX);
                self.runtime.block_on(read).map_err(|failure: Failure| ReadError::new(path, failure))
            }
            Source::Database(store) => self.row(store, path).map_err(|error| ReadError::new(path, error)),
        }
    }

    fn each(&self, visit: &mut dyn FnMut(&str) -> Result<(), ReadError>) -> Result<bool, ReadError> {
        match self.source {
            Source::Folder(folder) => walk(folder, "", DEPTH_MAX, visit).map(|()| true),
            Source::Server(..) | Source::Database(_) => Ok(false),
        }
    }
}

impl LogFiles<'_> {
    fn row(&self, store: &Store, path: &str) -> Result<Option<Vec<u8>>, interlock_store::StoreError> {
        if path == CHECKPOINT {
            let signed = self.runtime.block_on(store.signed(&self.log))?;
            return Ok(signed.map(|signed| signed.note.into_bytes()));
        }
        let Ok(tile) = path.parse::<Tile>() else { return Ok(None) };
        self.runtime.block_on(store.tile(&self.log, tile))
    }
}

/// Shows every file below a folder. Links are shown and not followed.
fn walk(
    root: &Path,
    below: &str,
    depth: usize,
    visit: &mut dyn FnMut(&str) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let unreadable = |error: io::Error| ReadError::new(below, error);
    for item in fs::read_dir(root.join(below)).map_err(unreadable)? {
        let item = item.map_err(unreadable)?;
        let name = item.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        match item.file_type().map_err(unreadable)?.is_dir() && depth > 0 {
            true => walk(root, &path, depth - 1, visit)?,
            false => visit(&path)?,
        }
    }
    Ok(())
}

impl From<interlock_ledger::copy::CopyError> for Problem {
    fn from(error: interlock_ledger::copy::CopyError) -> Self {
        match error {
            interlock_ledger::copy::CopyError::Checkpoint(error) => error.into(),
            error => Self { found: Found::Unverifiable, said: error.to_string() },
        }
    }
}
