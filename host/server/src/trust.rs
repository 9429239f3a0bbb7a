//! The keys whose signatures on artifacts count, as the folder has them now.
//!
//! A key that is added or revoked while the server runs counts from the next verification on: the folder is looked at
//! before each, and read again when anything in it is not as it was.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use interlock_vault::signature::{TrustError, TrustStore};
use tracing::{info, warn};

/// A folder of trusted keys.
#[derive(Debug)]
pub struct TrustedKeys {
    dir: PathBuf,
    read: Mutex<Read>,
}

/// What was read of it last.
#[derive(Debug)]
struct Read {
    /// The last good one.
    store: Arc<TrustStore>,
    /// How the folder looked then; `None` when it must be read again whatever it looks like.
    seen: Option<Look>,
    /// Why the folder cannot be used as it is now. The last good store counts meanwhile.
    fault: Option<String>,
}

/// How a folder looks from outside: its files, each with what tells one state of it from another.
type Look = BTreeMap<OsString, Stamp>;

/// Size, inode, and the times of the last alteration of content and of metadata. The latter cannot be set, so that a key
/// of the same size that is copied over another with its old date shows all the same.
type Stamp = (u64, u64, i64, i64, i64, i64);

impl TrustedKeys {
    /// Reads a folder for the first time.
    ///
    /// # Errors
    /// When anything in it cannot be understood: there is no last good store to go on with.
    pub fn open(dir: PathBuf) -> Result<Self, TrustError> {
        // Looked at before it is read: what is altered in between is then read twice, and never missed.
        let seen = look(&dir).ok();
        let store = Arc::new(TrustStore::load_dir(&dir)?);
        Ok(Self { dir, read: Mutex::new(Read { store, seen, fault: None }) })
    }

    /// The keys that count now.
    pub fn current(&self) -> Arc<TrustStore> {
        self.fresh().store.clone()
    }

    /// Why the folder cannot be used as it is now; nothing when it can.
    pub fn fault(&self) -> Option<String> {
        self.fresh().fault.clone()
    }

    /// Looks at the folder, and reads it when it has changed.
    fn fresh(&self) -> MutexGuard<'_, Read> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look(&self.dir).ok();
        if seen.is_some() && seen == read.seen {
            return read;
        }
        match TrustStore::load_dir(&self.dir) {
            Ok(store) => {
                info!(keys = store.keys().count(), "the trusted keys were read again");
                *read = Read { store: Arc::new(store), seen, fault: None };
            }
            Err(error) => {
                let fault = said(&error);
                if read.fault.as_ref() != Some(&fault) {
                    warn!(
                        error = fault,
                        "the trusted keys cannot be read; the last good ones count meanwhile"
                    );
                }
                read.fault = Some(fault);
                // A file that could not be read may be readable in a moment, without looking any different.
                read.seen = seen.filter(|_| !matches!(error, TrustError::Read { .. }));
            }
        }
        read
    }
}

fn look(dir: &Path) -> std::io::Result<Look> {
    let mut look = Look::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // Followed through links: orchestrators swap a link when a secret changes. One that leads nowhere is no key.
        let stamp = std::fs::metadata(entry.path()).map_or(Stamp::default(), |file| stamp(&file));
        look.insert(entry.file_name(), stamp);
    }
    Ok(look)
}

fn stamp(file: &Metadata) -> Stamp {
    (file.len(), file.ino(), file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec())
}

/// An error with its causes.
fn said(error: &TrustError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = include_str!("../../vault/testkeys/test-only-rsa4096-a.pem");
    const B: &str = include_str!("../../vault/testkeys/test-only-rsa4096-b.pem");

    fn public(pem: &str) -> (String, String) {
        let key = interlock_vault::SigningKey::from_pkcs8_pem(pem).unwrap();
        (key.key_id(), key.public_pem())
    }

    #[test]
    fn a_key_counts_from_when_it_is_there_until_it_is_revoked_or_gone() {
        let dir = tempfile::tempdir().unwrap();
        let ((a, a_pem), (b, b_pem)) = (public(A), public(B));
        let file = |name: &str| dir.path().join(name);
        let trusted = TrustedKeys::open(dir.path().to_owned()).unwrap();
        let keys = || trusted.current().keys().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(keys(), [""; 0]);
        std::fs::write(file("vendor.pem"), &a_pem).unwrap();
        assert_eq!(keys(), std::slice::from_ref(&a));
        // Another key of the same size in the same file.
        std::fs::write(file("new"), &b_pem).unwrap();
        std::fs::rename(file("new"), file("vendor.pem")).unwrap();
        assert_eq!(keys(), std::slice::from_ref(&b));
        std::fs::write(file("revoked"), format!("{b}\n")).unwrap();
        assert_eq!(keys(), [""; 0]);
        std::fs::remove_file(file("revoked")).unwrap();
        std::fs::write(file("other.pem"), &a_pem).unwrap();
        std::fs::remove_file(file("vendor.pem")).unwrap();
        assert_eq!((keys(), trusted.fault()), (vec![a], None));
    }

    #[test]
    fn a_folder_that_cannot_be_understood_leaves_the_last_good_keys_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let (a, a_pem) = public(A);
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("vendor.pem"), &a_pem).unwrap();
        let trusted = TrustedKeys::open(dir.path().to_owned()).unwrap();
        let keys = || trusted.current().keys().map(str::to_owned).collect::<Vec<_>>();
        std::fs::write(file("broken.pem"), "hello").unwrap();
        assert_eq!(keys(), std::slice::from_ref(&a));
        assert!(trusted.fault().unwrap().contains("is not PEM"), "{:?}", trusted.fault());
        std::fs::remove_file(file("broken.pem")).unwrap();
        assert_eq!((keys(), trusted.fault()), (vec![a.clone()], None));
        // A folder that is gone is no empty one, and is taken up again when it is back.
        let away = dir.path().with_extension("away");
        std::fs::rename(dir.path(), &away).unwrap();
        assert_eq!(keys(), std::slice::from_ref(&a));
        assert!(trusted.fault().unwrap().contains("cannot read"), "{:?}", trusted.fault());
        std::fs::rename(&away, dir.path()).unwrap();
        assert_eq!((keys(), trusted.fault()), (vec![a], None));
    }
}
