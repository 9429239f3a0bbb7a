//! The checkpoint of the last sound verification, kept where the database's owner cannot reach it.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use interlock_ledger::Remembered;

use crate::client::Failure;

/// A file with a checkpoint; at first there is none.
#[derive(Debug)]
pub(super) struct Memory {
    file: PathBuf,
    earlier: Option<(String, Remembered)>,
}

impl Memory {
    pub(super) fn open(file: &Path) -> Result<Self, Failure> {
        let earlier = match fs::read_to_string(file) {
            Ok(text) => {
                let remembered = Remembered::parse(text.as_bytes()).map_err(|error| {
                    Failure::Usage(format!(
                        "`{}`: {error}; name a file that `interlock ledger verify --remember` wrote, or a new one",
                        file.display()
                    ))
                })?;
                Some((text, remembered))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file(file, &error)),
        };
        Ok(Self { file: file.to_owned(), earlier })
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.earlier.as_ref().map(|(text, _)| text.as_str())
    }

    pub(super) fn remembered(&self) -> Option<&Remembered> {
        self.earlier.as_ref().map(|(_, remembered)| remembered)
    }

    /// Refuses a newer checkpoint that cannot continue the remembered one, whatever was said about it.
    pub(super) fn leads_to(&self, newer: &str) -> Result<(), Failure> {
        let newer = parse(newer)?;
        let Some(earlier) = self.remembered().map(Remembered::checkpoint) else { return Ok(()) };
        let newer = newer.checkpoint();
        let same_root = newer.size > earlier.size || newer.root == earlier.root;
        if newer.origin == earlier.origin && newer.size >= earlier.size && same_root {
            return Ok(());
        }
        Err(Failure::Local(format!(
            "the server says that its ledger is sound, but its checkpoint of {} entries of `{}` does not continue the one of {} \
             entries of `{}` in `{}`; verify with --local, and do not trust this server until you know why",
            newer.size,
            newer.origin,
            earlier.size,
            earlier.origin,
            self.file.display()
        )))
    }

    /// Puts a newer checkpoint in the place of the earlier one: whole or not at all, also when the power fails.
    pub(super) fn keep(&self, newer: &str) -> Result<(), Failure> {
        parse(newer)?;
        let write = || {
            let mut name = self.file.file_name().unwrap_or_default().to_owned();
            name.push(".new");
            let unfinished = self.file.with_file_name(name);
            let mut file = fs::File::create(&unfinished)?;
            file.write_all(newer.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.file)?;
            let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
            fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| Failure::file(&self.file, &error))
    }
}

fn parse(text: &str) -> Result<Remembered, Failure> {
    Remembered::parse(text.as_bytes())
        .map_err(|error| Failure::Local(format!("the ledger gave no checkpoint to remember: {error}")))
}
