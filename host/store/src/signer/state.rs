//! What the signer remembers of each log: a file of its own, outside the database.
//!
//! It is written before a signature is made, whole or not at all, and synced. What could not be synced may or may not be
//! there, and asking again can falsely succeed: after a failure nothing is signed any more until the process begins anew.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use interlock_ledger::{Digest, Frontier, Hash};

const HEADER: &str = "interlock signer v1";

/// A log at the size that was signed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// The tree.
    pub(crate) tree: Frontier,
}

impl State {
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.tree.root()
    }

    fn to_text(&self, origin: &str) -> String {
        let tree: String = self.tree.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{HEADER}\n{origin}\n{}\n{tree}\n", self.size());
        let digest = Digest::of(&text).to_hex();
        format!("{text}{digest}\n")
    }

    fn parse(text: &str, origin: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [header, named, size, tree, digest, ""] = lines[..] else {
            return Err("it does not have five lines".to_owned());
        };
        if header != HEADER || named != origin {
            return Err(format!("it is not the signer's state of `{origin}`"));
        }
        if Digest::of(format!("{header}\n{named}\n{size}\n{tree}\n")).to_hex() != digest {
            return Err("it was altered or cut short".to_owned());
        }
        let bytes = unhex(tree).ok_or("its tree is not hexadecimal")?;
        let tree = Frontier::from_bytes(&bytes).map_err(|error| error.to_string())?;
        if tree.size().to_string() != size {
            return Err("its size is not that of its tree".to_owned());
        }
        Ok(Self { tree })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let (pairs, []) = pairs else { return None };
    pairs.iter().map(byte).collect()
}

/// Where states are kept.
#[derive(Debug)]
pub(crate) enum States {
    /// In a folder, each in a file.
    Folder(PathBuf),
    /// In memory alone: for a store in a test, and for one that has no folder of its own.
    Memory(Mutex<HashMap<String, State>>),
}

impl States {
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        match folder {
            Some(folder) => Self::Folder(folder.to_owned()),
            None => Self::Memory(Mutex::default()),
        }
    }

    /// What was signed last; `None` before the first time.
    pub(crate) fn load(&self, log: &str, origin: &str) -> io::Result<Option<State>> {
        match self {
            Self::Folder(folder) => load(&file(folder, log), origin),
            Self::Memory(states) => {
                Ok(states.lock().unwrap_or_else(PoisonError::into_inner).get(log).cloned())
            }
        }
    }

    /// Puts `next` in the place of `last`. False when something else is there by now, and nothing was written.
    pub(crate) fn swap(
        &self,
        log: &str,
        origin: &str,
        last: Option<&State>,
        next: &State,
    ) -> io::Result<bool> {
        match self {
            Self::Folder(folder) => {
                fs::create_dir_all(folder)?;
                // Several processes may share the folder: what is compared stays until it is replaced.
                let lock = File::create(folder.join("lock"))?;
                lock.lock()?;
                let path = file(folder, log);
                if load(&path, origin)?.as_ref() != last {
                    return Ok(false);
                }
                replace(folder, &path, next.to_text(origin).as_bytes())?;
                Ok(true)
            }
            Self::Memory(states) => {
                let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
                if states.get(log) != last {
                    return Ok(false);
                }
                states.insert(log.to_owned(), next.clone());
                Ok(true)
            }
        }
    }
}

fn file(folder: &Path, log: &str) -> PathBuf {
    folder.join(format!("{log}.signed"))
}

fn load(path: &Path, origin: &str) -> io::Result<Option<State>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let state = State::parse(&text, origin);
    let damaged = |why| {
        io::Error::new(ErrorKind::InvalidData, format!("`{}` cannot be believed: {why}", path.display()))
    };
    state.map(Some).map_err(damaged)
}

fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use interlock_ledger::tree::leaf_hash;

    use super::*;

    const ORIGIN: &str = "interlock.local/ledger/mercy";

    fn state(size: u64) -> State {
        let mut tree = Frontier::new();
        (0..size).for_each(|n| tree.push(leaf_hash(&n.to_be_bytes())));
        State { tree }
    }

    #[test]
    fn a_state_is_swapped_only_for_the_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for states in [States::new(Some(folder.path())), States::new(None)] {
            assert_eq!(states.load("mercy", ORIGIN).unwrap(), None);
            assert!(!states.swap("mercy", ORIGIN, Some(&state(1)), &state(2)).unwrap());
            assert!(states.swap("mercy", ORIGIN, None, &state(3)).unwrap());
            assert!(!states.swap("mercy", ORIGIN, None, &state(4)).unwrap());
            assert!(states.swap("mercy", ORIGIN, Some(&state(3)), &state(7)).unwrap());
            assert_eq!(states.load("mercy", ORIGIN).unwrap(), Some(state(7)));
        }
    }

    #[test]
    fn a_state_that_was_altered_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let states = States::new(Some(folder.path()));
        states.swap("mercy", ORIGIN, None, &state(5)).unwrap();
        let path = folder.path().join("mercy.signed");
        let good = fs::read_to_string(&path).unwrap();
        assert!(states.load("mercy", "interlock.local/ledger/grace").is_err());
        for end in 0..good.len() {
            fs::write(&path, &good[..end]).unwrap();
            assert!(states.load("mercy", ORIGIN).is_err(), "cut at {end}");
            let mut altered = good.clone().into_bytes();
            altered[end] ^= 1;
            fs::write(&path, altered).unwrap();
            assert!(states.load("mercy", ORIGIN).is_err(), "altered at {end}");
        }
    }
}
