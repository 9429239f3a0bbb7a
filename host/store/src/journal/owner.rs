//! Whose folder it is. A copy of another server's folder, or a disk that was mounted at the wrong place, would otherwise be taken
//! for what an earlier process left, and somebody else's answers would come into this ledger.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::Path,
};

use crate::StoreError;

/// The file that says whose folder it is.
const NAME: &str = "ledger";
/// Longer ones are none of ours.
const BYTES_MAX: u64 = 4_096;

/// Makes the folder this ledger's, or finds that it is. One of before this file was written has none, and is taken.
pub(super) fn claim(dir: &Path, ledger: &str) -> Result<(), StoreError> {
    let path = dir.join(NAME);
    let failed = |error: io::Error| StoreError::journal(&path, error);
    loop {
        match read(&path) {
            Ok(found) if found == ledger => return Ok(()),
            Ok(found) => return Err(refused(dir, &found, ledger)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        match write(dir, &path, ledger) {
            Ok(()) => return Ok(()),
            // Another process on the same folder was faster: whose it made it is read again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "it names no ledger"));
    }
    Ok(fs::read_to_string(path)?.trim().to_owned())
}

/// All of it or nothing, and never over what is there.
fn write(dir: &Path, path: &Path, ledger: &str) -> io::Result<()> {
    let whole = dir.join(format!("{NAME}.{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&whole)?;
    file.write_all(format!("{ledger}\n").as_bytes())?;
    file.sync_all()?;
    let done = fs::hard_link(&whole, path);
    fs::remove_file(&whole)?;
    done
}

fn refused(dir: &Path, found: &str, ledger: &str) -> StoreError {
    let (dir, found): (_, String) = (dir.display(), found.chars().take(400).collect());
    StoreError::Journal {
        detail: format!(
            "the folder `{dir}` holds answers of the ledger `{found}`, and this is `{ledger}`: start the server whose folder it is so \
             that it brings them in, or set `decisions.dir` to a folder of this server's own; if it is the same ledger under \
             another key or `ledger.origin`, let the server bring in what is there with the old one first, then remove `{dir}/{NAME}`"
        ),
    }
}
