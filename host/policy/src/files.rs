//! The files of a bundle: which may be there, how large they may be, and how they are read from a folder.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::Path,
};

use crate::BundleError;

/// How large a bundle may be. A bundle comes from outside; without limits a stray file could fill the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files in the bundle.
    pub files_max: usize,
    /// Bytes in one file.
    pub file_bytes_max: usize,
    /// Bytes in all files.
    pub bundle_bytes_max: usize,
    /// Bytes in one path.
    pub path_bytes_max: usize,
    /// Policies in all files.
    pub policies_max: usize,
}

impl Limits {
    /// For what was within somebody's limits when it was taken, and is read again.
    pub const NONE: Self = Self {
        files_max: usize::MAX,
        file_bytes_max: usize::MAX,
        bundle_bytes_max: usize::MAX,
        path_bytes_max: usize::MAX,
        policies_max: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files_max: 200,
            file_bytes_max: 4 << 20,
            bundle_bytes_max: 16 << 20,
            path_bytes_max: 200,
            policies_max: 20_000,
        }
    }
}

pub(crate) const HEADER: &str = "bundle.toml";
pub(crate) const SCHEMA: &str = "schema.cedarschema";
pub(crate) const APPROVALS: &str = "approvals.toml";
const CASES: &str = "cases";
/// In a folder, so that no misspelt file name puts an invariant in force as a policy.
const INVARIANTS: &str = "invariants";

/// What a file in a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Header,
    Schema,
    Approvals,
    Policies,
    Invariants,
    Cases,
    Text,
}

/// What the file at `path` is, or that it has no place in a bundle. Nothing is ignored: a policy in
/// `guardrails.cedar.bak` would otherwise be missing without a word.
pub(crate) fn kind(path: &str) -> Result<Kind, BundleError> {
    let unexpected = || BundleError::Unexpected { path: path.to_owned() };
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let (stem, extension) = name.rsplit_once('.').ok_or_else(unexpected)?;
    if !plain || stem.is_empty() {
        return Err(unexpected());
    }
    match (folder, name, extension) {
        ("", HEADER, _) => Ok(Kind::Header),
        ("", SCHEMA, _) => Ok(Kind::Schema),
        ("", APPROVALS, _) => Ok(Kind::Approvals),
        ("", _, "cedar") => Ok(Kind::Policies),
        (INVARIANTS, _, "cedar") => Ok(Kind::Invariants),
        (CASES, _, "json") => Ok(Kind::Cases),
        ("" | CASES | INVARIANTS, _, "md") => Ok(Kind::Text),
        _ => Err(unexpected()),
    }
}

/// Refuses files that are too many, too large, or of no known kind.
pub(crate) fn check(files: &BTreeMap<String, Vec<u8>>, limits: &Limits) -> Result<(), BundleError> {
    check_sizes(files, limits)?;
    for path in files.keys() {
        kind(path)?;
    }
    for needed in [HEADER, SCHEMA] {
        if !files.contains_key(needed) {
            return Err(BundleError::Absent { path: needed });
        }
    }
    Ok(())
}

/// Refuses files that are too many or too large.
pub(crate) fn check_sizes(files: &BTreeMap<String, Vec<u8>>, limits: &Limits) -> Result<(), BundleError> {
    let too_large = |subject: &str, unit, limit: usize, setting| BundleError::TooLarge {
        subject: subject.to_owned(),
        unit,
        limit: limit as u64,
        setting,
    };
    if files.len() > limits.files_max {
        return Err(too_large("the bundle", "files", limits.files_max, "files_max"));
    }
    for (path, content) in files {
        if path.len() > limits.path_bytes_max {
            let start: String = path.chars().take(40).collect();
            return Err(too_large(
                &format!("{start}…"),
                "bytes in its path",
                limits.path_bytes_max,
                "path_bytes_max",
            ));
        }
        if content.len() > limits.file_bytes_max {
            return Err(too_large(path, "bytes", limits.file_bytes_max, "file_bytes_max"));
        }
    }
    if files.values().map(Vec::len).sum::<usize>() > limits.bundle_bytes_max {
        return Err(too_large("the bundle", "bytes", limits.bundle_bytes_max, "bundle_bytes_max"));
    }
    Ok(())
}

/// Reads the files of a bundle from its folder and from `cases/` and `invariants/` in it. Names that begin with a dot (`.git`) are
/// passed over. The folder itself may be a link, the way deployments switch releases; nothing in it may be.
pub(crate) fn read_dir(root: &Path, limits: &Limits) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    let mut files = BTreeMap::new();
    read_folder(root, "", limits, &mut files)?;
    Ok(files)
}

fn read_folder(
    folder: &Path,
    prefix: &str,
    limits: &Limits,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), BundleError> {
    let unreadable =
        |path: &Path, source: io::Error| BundleError::Unreadable { path: path.display().to_string(), source };
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else {
            return Err(BundleError::Unexpected { path: format!("{prefix}{}", file_name.to_string_lossy()) });
        };
        if name.starts_with('.') {
            continue;
        }
        let inside = format!("{prefix}{name}");
        let path = entry.path();
        // The entry's own type: `metadata` would follow a link.
        let file_type = entry.file_type().map_err(|source| unreadable(&path, source))?;
        if file_type.is_symlink() {
            return Err(BundleError::Symlink { path: inside });
        }
        if file_type.is_dir() && [CASES, INVARIANTS].contains(&inside.as_str()) {
            read_folder(&path, &format!("{inside}/"), limits, files)?;
            continue;
        }
        if !file_type.is_file() {
            return Err(BundleError::Unexpected { path: inside });
        }
        if files.len() >= limits.files_max {
            return Err(BundleError::TooLarge {
                subject: "the bundle".to_owned(),
                unit: "files",
                limit: limits.files_max as u64,
                setting: "files_max",
            });
        }
        // One byte more than allowed, so that `check` sees that it is too large without reading all of it.
        let mut content = Vec::new();
        let file = fs::File::open(&path).map_err(|source| unreadable(&path, source))?;
        file.take(limits.file_bytes_max as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|source| unreadable(&path, source))?;
        files.insert(inside, content);
    }
    Ok(())
}
