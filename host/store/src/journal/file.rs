//! What a journal file looks like: frames, one after the other.
//!
//! A frame is the length of what follows the check (32 bits, little-endian), the first 8 bytes of its SHA-256, then the
//! length of the tenant's name (8 bits), the name, and the exact text of the decision.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use interlock_ledger::Digest;

use super::SealedFile;

/// How the file ends that is appended to. Whoever appends holds its lock.
pub(super) const OPEN: &str = "open";
/// How a file ends that waits for the database.
pub(super) const SEALED: &str = "sealed";
/// How a file ends of which not all could be brought into the database. Nobody but a person removes it.
pub(super) const DAMAGED: &str = "damaged";

const LENGTH: usize = 4;
const CHECK: usize = 8;

/// Decisions, ready to be appended.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Adds a tenant's decision. Names of tenants are short; a longer one than a frame can hold is a defect of the caller, and
    /// is cut.
    pub fn push(&mut self, tenant: &str, decision: &str) {
        let name = &tenant.as_bytes()[..tenant.len().min(usize::from(u8::MAX))];
        let start = self.0.len();
        self.0.extend_from_slice(&[0; LENGTH + CHECK]);
        self.0.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(decision.as_bytes());
        let content = start + LENGTH + CHECK;
        let length = u32::try_from(self.0.len() - content).unwrap_or(u32::MAX);
        let check = check(&self.0[content..]);
        self.0[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
        self.0[start + LENGTH..content].copy_from_slice(&check);
    }

    /// How many bytes they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// What was found in a file.
#[derive(Default)]
pub(super) struct Found {
    pub(super) decisions: Vec<(String, String)>,
    pub(super) unread_bytes: u64,
    /// Whether there is more in what could not be read than room that was never written to.
    pub(super) damaged: bool,
}

/// Reads all frames that are whole. One that is damaged says how long it is, and is passed over when another one follows there.
pub(super) fn parse(mut bytes: &[u8]) -> Found {
    let mut found = Found::default();
    while !bytes.is_empty() {
        let rest = if let Some((decision, rest)) = frame(bytes) {
            found.decisions.push(decision);
            rest
        } else {
            let rest = behind(bytes).filter(|rest| frame(rest).is_some()).unwrap_or_default();
            let unread = &bytes[..bytes.len() - rest.len()];
            found.unread_bytes += unread.len() as u64;
            found.damaged |= unread.iter().any(|byte| *byte != 0);
            rest
        };
        bytes = rest;
    }
    found
}

/// What follows a frame, by the length that it says it has.
fn behind(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    rest.get(CHECK.checked_add(length)?..)
}

fn frame(bytes: &[u8]) -> Option<((String, String), &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let (expected, rest) = rest.split_first_chunk::<CHECK>()?;
    let (content, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if check(content) != *expected {
        return None;
    }
    let (length, named) = content.split_first()?;
    let (tenant, decision) = named.split_at_checked(usize::from(*length))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(((text(tenant)?, text(decision)?), rest))
}

fn check(content: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&Digest::of(content).as_bytes()[..CHECK]);
    check
}

/// The files that earlier processes left in a folder, sealed, oldest first: names rise with time. What another process
/// appends to stays.
pub(super) fn left_behind(dir: &Path) -> io::Result<Vec<SealedFile>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(dir)? {
        let mut path = entry?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(SEALED) => {}
            Some(OPEN) => {
                let file = match File::open(&path) {
                    Ok(file) => file,
                    // Sealed or shipped by whoever wrote it, since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => continue,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
                let sealed = path.with_extension(SEALED);
                match fs::rename(&path, &sealed) {
                    // Sealed by whoever wrote it, between the two looks at it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    done => done?,
                }
                path = sealed;
            }
            _ => continue,
        }
        match fs::metadata(&path) {
            Ok(found) => left.push(SealedFile { path, bytes: found.len() }),
            // In the database by now: whoever wrote it is still there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    left.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(left)
}
