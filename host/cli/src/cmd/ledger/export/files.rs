//! The files of an export, from a zip file or the folder that it was unpacked to.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use zip::ZipArchive;

use super::super::trust::{Found, Problem};

/// Most bytes of all files together: a few bytes of a zip file may stand for very many.
const BYTES_MAX: u64 = 4 << 30;

/// All files, by name.
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    pub(super) fn read(path: &Path) -> Result<Self, Problem> {
        let mut files = BTreeMap::new();
        if path.is_dir() {
            folder(path, "", &mut files)?;
        } else {
            archive(path, &mut files)?;
        }
        Ok(Self(files))
    }

    pub(super) fn get(&self, name: &str) -> Result<&[u8], Problem> {
        let file = self.0.get(name).map(Vec::as_slice);
        let said = || format!("there is no `{name}`; is this an export, and all of it?");
        file.ok_or_else(|| Problem { found: Found::Unverifiable, said: said() })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let below = self.0.iter().filter(move |(name, _)| name.starts_with(folder));
        below.map(|(name, content)| (name.as_str(), content.as_slice()))
    }

    /// The lines of a file; none when it is not there.
    pub(super) fn lines(&self, name: &str) -> Vec<&[u8]> {
        let content = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
    }
}

fn folder(path: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Problem> {
    let listed = std::fs::read_dir(path).map_err(|error| Problem::file(path, &error))?;
    for entry in listed {
        let entry = entry.map_err(|error| Problem::file(path, &error))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            folder(&entry.path(), &format!("{name}/"), files)?;
        } else {
            let content =
                std::fs::read(entry.path()).map_err(|error| Problem::file(&entry.path(), &error))?;
            files.insert(name, content);
        }
    }
    Ok(())
}

fn archive(path: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Problem> {
    let file = File::open(path).map_err(|error| Problem::file(path, &error))?;
    let malformed = |why: String| Problem::malformed(format!("`{}`: {why}", path.display()));
    let mut zip = ZipArchive::new(file).map_err(|error| malformed(format!("no zip file: {error}")))?;
    let mut left = BYTES_MAX;
    for at in 0..zip.len() {
        let inside = zip.by_index(at).map_err(|error| malformed(error.to_string()))?;
        if inside.is_dir() {
            continue;
        }
        let (name, mut content) =
            (inside.name().map_err(|error| malformed(error.to_string()))?.into_owned(), Vec::new());
        let read =
            inside.take(left + 1).read_to_end(&mut content).map_err(|error| malformed(error.to_string()))?;
        left = left.checked_sub(read as u64).ok_or_else(|| {
            malformed(format!("it holds more than {BYTES_MAX} bytes; unpack it and give the folder"))
        })?;
        if files.insert(name.clone(), content).is_some() {
            return Err(malformed(format!("`{name}` is in it twice")));
        }
    }
    Ok(())
}
