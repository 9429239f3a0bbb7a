//! Components and their envelopes as files.

use std::path::{Path, PathBuf};

use interlock_ledger::Digest;
use interlock_vault::envelope::{ENVELOPE_BYTES_MAX, Envelope};
use tokio::io::AsyncReadExt as _;

use crate::RegistryError;

/// Where the envelope of `NAME.wasm` lies: beside it, in `NAME.wasm.dsse.json`.
#[must_use]
pub fn sidecar(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".dsse.json");
    PathBuf::from(name)
}

pub(crate) fn file_error(path: &Path, source: std::io::Error) -> RegistryError {
    RegistryError::File { path: path.display().to_string(), source }
}

/// A file of at most `limit` bytes; `None` when there is none.
pub(crate) async fn read(
    path: &Path,
    limit: u64,
    what: &'static str,
) -> Result<Option<Vec<u8>>, RegistryError> {
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path, error)),
    };
    let mut bytes = Vec::new();
    // One more than may be: a file can grow while it is read.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes).await;
    let found = read.map_err(|error| file_error(path, error))? as u64;
    if found > limit {
        return Err(RegistryError::TooLarge { reference: path.display().to_string(), what, found, limit });
    }
    Ok(Some(bytes))
}

/// The envelopes beside a component: one, or none.
pub(crate) async fn envelopes(component: &Path) -> Result<Vec<Envelope>, RegistryError> {
    let file = sidecar(component);
    let Some(text) = read(&file, ENVELOPE_BYTES_MAX as u64, "envelope").await? else { return Ok(Vec::new()) };
    let envelope = Envelope::from_json(&text)
        .map_err(|source| RegistryError::Envelope { reference: file.display().to_string(), source })?;
    Ok(vec![envelope])
}

/// The component with this digest among the files of a folder.
pub(crate) async fn find(dir: &Path, digest: Digest, limit: u64) -> Option<(PathBuf, Vec<u8>)> {
    let mut entries = tokio::fs::read_dir(dir).await.ok()?;
    while let Ok(Some(entry)) = entries.next_entry().await {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        // A file that cannot be read is not the one that was asked for.
        if let Ok(Some(bytes)) = read(&path, limit, "component").await
            && Digest::of(&bytes) == digest
        {
            return Some((path, bytes));
        }
    }
    None
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) async fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), RegistryError> {
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::io::AsyncWriteExt as _;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let error = |source| file_error(path, source);
    if let Some(dir) = path.parent() {
        tokio::fs::create_dir_all(dir).await.map_err(error)?;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}-{number}.new", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let written = async {
        let mut file =
            tokio::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        tokio::fs::rename(&unfinished, path).await
    };
    if let Err(source) = written.await {
        let _ = tokio::fs::remove_file(&unfinished).await;
        return Err(error(source));
    }
    Ok(())
}
