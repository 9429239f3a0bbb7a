//! Which commit of a repository.

use std::fmt;

use crate::CommitId;

/// Which commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// Where a new copy would begin: what the repository calls `HEAD`.
    Head,
    /// The head of a branch.
    Branch(String),
    /// What a tag names.
    Tag(String),
    /// The head of the branch of this name, or else what the tag of this name names.
    Named(String),
    /// This one.
    Commit(CommitId),
}

impl Revision {
    /// What somebody writes: `HEAD`, all 40 digits of a commit, or the name of a branch or a tag.
    pub fn of(text: &str) -> Self {
        match (text, text.parse()) {
            ("HEAD", _) => Revision::Head,
            (_, Ok(commit)) => Revision::Commit(commit),
            _ => Revision::Named(text.to_owned()),
        }
    }

    /// Whether git allows the name, less what only quoting would save.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Revision::Head | Revision::Commit(_) => true,
            Revision::Branch(name) | Revision::Tag(name) | Revision::Named(name) => {
                !name.is_empty() && is_plain(name) && !name.ends_with(['/', '.'])
            }
        }
    }

    /// The reference that it is, if it is one.
    pub(crate) fn reference(&self) -> Option<String> {
        match self {
            Revision::Head => Some("HEAD".to_owned()),
            Revision::Branch(name) => Some(format!("refs/heads/{name}")),
            Revision::Tag(name) => Some(format!("refs/tags/{name}")),
            Revision::Named(_) | Revision::Commit(_) => None,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name that is refused for its letters is shown, too.
        let short = |name: &str| name.chars().take(80).collect::<String>().escape_debug().to_string();
        match self {
            Revision::Head => f.write_str("`HEAD`"),
            Revision::Branch(name) => write!(f, "branch `{}`", short(name)),
            Revision::Tag(name) => write!(f, "tag `{}`", short(name)),
            Revision::Named(name) => write!(f, "branch or tag `{}`", short(name)),
            Revision::Commit(commit) => write!(f, "commit `{commit}`"),
        }
    }
}

/// The letters that a name, or its beginning, may have.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    name.len() <= 200
        && name.chars().all(plain)
        && !name.starts_with(['-', '/', '.'])
        && !name.contains("..")
        && !name.contains("//")
}
