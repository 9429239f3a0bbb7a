//! A new plugin's folder: source, cases, contract and a README with the commands.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::ToolchainError;
use crate::language::{Kind, Language};
use crate::project::plugin_name;
use crate::template;

/// Makes a plugin's folder at `dir`: all of it or nothing.
///
/// # Errors
/// When the name breaks a rule, the folder holds something, or it cannot be written.
pub fn new(dir: &Path, name: &str, kind: Kind, language: Language) -> Result<(), ToolchainError> {
    plugin_name(name).map_err(|rule| ToolchainError::Name { name: name.to_owned(), rule })?;
    let failed = |path: &Path, source| ToolchainError::File { path: path.to_owned(), source };
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => return Err(ToolchainError::NotEmpty { dir: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(dir, error)),
    }
    let files = template::files(name, kind, language)?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside its place, so that it can be moved there in one step; one level down, so that it gets usual permissions.
    let unfinished = tempfile::Builder::new()
        .prefix(".interlock-")
        .tempdir_in(parent)
        .map_err(|error| failed(parent, error))?;
    let whole = unfinished.path().join(name);
    for (place, content) in files {
        let path = whole.join(place);
        let folder = path.parent().unwrap_or(&whole);
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        fs::write(&path, content).map_err(|error| failed(&path, error))?;
    }
    fs::rename(&whole, dir).map_err(|error| failed(dir, error))
}
