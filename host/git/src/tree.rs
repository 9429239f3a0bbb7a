//! The files of a folder in a commit: plain blobs under plain paths, or none at all.

use std::collections::{BTreeMap, HashSet};

use gix::{ObjectId, object::tree::EntryKind};

use crate::{CommitId, GitError, Limits, Rules};

type Files = BTreeMap<String, Vec<u8>>;

/// The files below `path` in the commit's tree.
pub(crate) fn files(
    repo: &gix::Repository,
    commit: CommitId,
    root: ObjectId,
    path: &str,
    rules: &Rules<'_>,
) -> Result<Files, GitError> {
    let mut reading =
        Reading { repo, commit, limits: rules.limits, files: Files::new(), seen: HashSet::new(), bytes: 0 };
    let mut tree = root;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let no_folder = || GitError::NoFolder { commit, path: path.to_owned() };
        let object = sized(repo, tree, "a folder", rules.limits.file_bytes_max)?;
        let found = object.try_into_tree().map_err(GitError::damaged)?;
        let decoded = found.decode().map_err(GitError::damaged)?;
        let entry = decoded.entries.iter().find(|entry| entry.filename == part).ok_or_else(no_folder)?;
        if entry.mode.kind() != EntryKind::Tree {
            return Err(no_folder());
        }
        tree = entry.oid.to_owned();
    }
    reading.folder(tree, "", 0)?;
    Ok(reading.files)
}

struct Reading<'a> {
    repo: &'a gix::Repository,
    commit: CommitId,
    limits: Limits,
    files: Files,
    /// In small letters: two that differ in case only would be one file elsewhere.
    seen: HashSet<String>,
    bytes: u64,
}

impl Reading<'_> {
    fn folder(&mut self, tree: ObjectId, prefix: &str, depth: usize) -> Result<(), GitError> {
        if depth > self.limits.depth_max {
            return Err(self.bad(prefix, "is too deep inside other folders"));
        }
        let object = sized(self.repo, tree, "a folder", self.limits.file_bytes_max)?;
        let tree = object.try_into_tree().map_err(GitError::damaged)?;
        let decoded = tree.decode().map_err(GitError::damaged)?;
        for entry in &decoded.entries {
            let Ok(name) = std::str::from_utf8(entry.filename) else {
                return Err(self.bad(&format!("{prefix}{}", entry.filename), "is not UTF-8"));
            };
            let path = format!("{prefix}{name}");
            if is_crooked(name) {
                return Err(self.bad(&path, "is no plain path"));
            }
            if path.len() > self.limits.path_bytes_max {
                return Err(self.large(
                    format!("the path `{path}`"),
                    "bytes",
                    self.limits.path_bytes_max as u64,
                ));
            }
            if !self.seen.insert(path.to_lowercase()) {
                return Err(self.bad(&path, "is there twice, but for capital letters"));
            }
            match entry.mode.kind() {
                EntryKind::Tree => self.folder(entry.oid.to_owned(), &format!("{path}/"), depth + 1)?,
                EntryKind::Blob => self.file(entry.oid.to_owned(), path)?,
                EntryKind::BlobExecutable => {
                    return Err(self.bad(&path, "is executable; nothing in a bundle is run"));
                }
                EntryKind::Link => {
                    return Err(self.bad(&path, "is a symbolic link; put the file itself there"));
                }
                EntryKind::Commit => {
                    return Err(self.bad(&path, "is a submodule; put the files themselves there"));
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, id: ObjectId, path: String) -> Result<(), GitError> {
        if self.files.len() >= self.limits.files_max {
            return Err(self.large("the bundle".to_owned(), "files", self.limits.files_max as u64));
        }
        let mut object = sized(self.repo, id, &format!("`{path}`"), self.limits.file_bytes_max)?;
        if object.kind != gix::object::Kind::Blob {
            return Err(self.bad(&path, "is no file"));
        }
        self.bytes += object.data.len() as u64;
        if self.bytes > self.limits.bundle_bytes_max {
            return Err(self.large("the bundle".to_owned(), "bytes", self.limits.bundle_bytes_max));
        }
        self.files.insert(path, std::mem::take(&mut object.data));
        Ok(())
    }

    fn bad(&self, path: &str, reason: &'static str) -> GitError {
        GitError::BadPath { commit: self.commit, path: path.escape_debug().to_string(), reason }
    }

    fn large(&self, subject: String, unit: &'static str, limit: u64) -> GitError {
        GitError::TooLarge { subject, unit, limit }
    }
}

/// Names that mean something else somewhere.
fn is_crooked(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    matches!(small.as_str(), "" | "." | ".." | ".git" | "git~1")
        || name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
        || name.ends_with(['.', ' '])
}

/// An object that is no larger than this and is what it is named; its size is looked at before it is unpacked.
pub(crate) fn sized<'repo>(
    repo: &'repo gix::Repository,
    id: ObjectId,
    subject: &str,
    limit: u64,
) -> Result<gix::Object<'repo>, GitError> {
    let header = repo.find_header(id).map_err(GitError::damaged)?;
    if header.size() > limit {
        return Err(GitError::TooLarge { subject: subject.to_owned(), unit: "bytes", limit });
    }
    let object = repo.find_object(id).map_err(GitError::damaged)?;
    // Git looks when it receives an object, and not when it reads one: whoever can write to the folder could put another there.
    let found = gix::objs::compute_hash(id.kind(), object.kind, &object.data).map_err(GitError::damaged)?;
    if found != id {
        return Err(GitError::Damaged { reason: format!("object `{id}` was altered: it is `{found}`") });
    }
    Ok(object)
}
