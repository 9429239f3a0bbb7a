//! A new plugin's folder: source, cases, contract and a README with the commands.

use std::fs;
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::error::ToolchainError;
use crate::language::{Kind, Language};
use crate::project::plugin_name;
use crate::template::{self, File};

/// Makes a plugin's folder at `dir`: all of it or nothing.
///
/// # Errors
/// When the name breaks a rule, the folder holds something, or it cannot be written.
pub fn new(dir: &Path, name: &str, kind: Kind, language: Language) -> Result<(), ToolchainError> {
    plugin_name(name).map_err(|rule| ToolchainError::Name { name: name.to_owned(), rule })?;
    let files = template::files(name, kind, language)?;
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => fill(dir, &files),
        Ok(false) => Err(ToolchainError::NotEmpty { dir: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(dir, name, &files),
        Err(_) if dir.is_file() => Err(ToolchainError::NotAFolder { dir: dir.to_owned() }),
        Err(error) => Err(failed(dir, error)),
    }
}

/// Makes a folder that is not there.
fn make(dir: &Path, name: &str, files: &[File]) -> Result<(), ToolchainError> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(ToolchainError::NoParent { dir: dir.to_owned(), parent: parent.to_owned() });
    }
    // Beside its place, so that it can be moved there in one step; one level down, so that it gets usual permissions.
    let unfinished = unfinished(parent)?;
    let whole = unfinished.path().join(name);
    write(&whole, files)?;
    fs::rename(&whole, dir).map_err(|error| failed(dir, error))
}

/// Fills a folder that is there and empty. It stays the same folder: somebody's shell may be in it.
fn fill(dir: &Path, files: &[File]) -> Result<(), ToolchainError> {
    let unfinished = unfinished(dir)?;
    write(unfinished.path(), files)?;
    let entries = fs::read_dir(unfinished.path()).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut moved = Vec::new();
    for entry in entries.map_err(|error| failed(dir, error))? {
        let place = dir.join(entry.file_name());
        if let Err(error) = fs::rename(entry.path(), &place) {
            // Back to where it is cleared away with the rest; what failed is what is told.
            for (from, place) in moved {
                let _ = fs::rename(place, from);
            }
            return Err(failed(&place, error));
        }
        moved.push((entry.path(), place));
    }
    Ok(())
}

fn write(whole: &Path, files: &[File]) -> Result<(), ToolchainError> {
    for (place, content) in files {
        let path = whole.join(place);
        let folder = path.parent().unwrap_or(whole);
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        fs::write(&path, content).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// A folder that is gone when it is dropped.
fn unfinished(parent: &Path) -> Result<TempDir, ToolchainError> {
    let made = tempfile::Builder::new().prefix(".interlock-").tempdir_in(parent);
    // Its kind alone: the text would name a folder that nobody asked for.
    made.map_err(|error| failed(parent, error.kind().into()))
}

fn failed(path: &Path, source: io::Error) -> ToolchainError {
    ToolchainError::File { path: path.to_owned(), source }
}
