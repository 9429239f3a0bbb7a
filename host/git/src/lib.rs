//! Bundles in git: one branch is fetched, held to what was taken before, and read as files; every commit since then says
//! who signed it. Knows git and nothing of policies.
//!
//! **Invariant:** nothing of the repository is run, checked out or followed: no hook, filter, link, submodule or replacement. A
//! file is a plain blob under a plain path, or the whole head is refused.

mod history;
mod keys;
mod remote;
mod repository;
mod revision;
mod signature;
mod tags;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

pub use self::{
    keys::{AllowedSigners, KeysError},
    repository::fetch,
    revision::Revision,
};

/// The id of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(gix::ObjectId);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for CommitId {
    type Err = GitError;
    fn from_str(text: &str) -> Result<Self, GitError> {
        let id = gix::ObjectId::from_hex(text.as_bytes());
        id.map(CommitId).map_err(|_| GitError::NoCommitId { text: text.chars().take(80).collect() })
    }
}

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A folder on this machine, or an `https://`, `http://` or `ssh://` address.
    pub url: String,
    /// Which commit of it.
    pub revision: Revision,
    /// The folder of the bundle inside the repository; the whole repository when empty.
    pub path: String,
    /// How the names of tags begin that count like a signature of the commit that they name; no tag counts when empty.
    pub tag_prefix: String,
}

/// A secret for HTTP. Its text is in no debug output.
#[derive(Clone)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a server of repositories is shown. A folder needs none of it.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The password for HTTPS.
    pub token: Option<Token>,
    /// The private key for SSH. What ssh's own configuration says when there is none.
    pub ssh_key_file: Option<PathBuf>,
    /// The keys of hosts for SSH, as OpenSSH writes `known_hosts`. Those of ssh's own configuration when there is none.
    pub ssh_known_hosts_file: Option<PathBuf>,
}

/// How much may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the repository may take on disk.
    pub repository_bytes_max: u64,
    /// Commits in its history, and tags.
    pub commits_max: usize,
    /// Files in the bundle's folder.
    pub files_max: usize,
    /// Bytes in one file, and in one commit or list of a folder.
    pub file_bytes_max: u64,
    /// Bytes in all files of the folder.
    pub bundle_bytes_max: u64,
    /// Bytes in one path.
    pub path_bytes_max: usize,
    /// Folders inside each other.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            repository_bytes_max: 256 << 20,
            commits_max: 100_000,
            files_max: 200,
            file_bytes_max: 4 << 20,
            bundle_bytes_max: 16 << 20,
            path_bytes_max: 200,
            depth_max: 8,
        }
    }
}

/// What a head has to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// What was taken last: the head must be it or descend from it.
    pub current: Option<CommitId>,
    /// Where trust begins when nothing was taken yet: this commit and what is before it need no signature. The whole history
    /// needs one otherwise.
    pub trusted: Option<CommitId>,
    /// Whose signatures count. Nobody is asked for one when there are none.
    pub signers: Option<&'a AllowedSigners>,
    /// Whether a commit that none of them signed has the head refused, and is not only said.
    pub must_sign: bool,
    /// The time, in seconds since 1970: a key that ran out signs nothing new.
    pub now_secs: i64,
    /// How much may come.
    pub limits: Limits,
    /// How long it may take.
    pub deadline: Duration,
}

/// A commit and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which.
    pub commit: CommitId,
    /// The principal whose key it is.
    pub signer: Option<String>,
    /// Why none counts, where somebody was asked for one.
    pub fault: Option<String>,
}

/// A head that keeps to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The commit.
    pub head: CommitId,
    /// The files of the bundle's folder, by path inside it.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What came since what was taken last, oldest first.
    pub range: Vec<Signed>,
}

impl Fetched {
    /// Who signed what came, each once.
    pub fn signers(&self) -> Vec<String> {
        let signers: std::collections::BTreeSet<_> =
            self.range.iter().filter_map(|signed| signed.signer.clone()).collect();
        signers.into_iter().collect()
    }
}

/// Why a head is not taken.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No id of a commit.
    #[error("`{text}` is no id of a commit; give all 40 hexadecimal digits")]
    NoCommitId {
        /// What was given.
        text: String,
    },
    /// An address that is not understood, or must not be used like this.
    #[error("`{url}` cannot be fetched from: {reason}")]
    Address {
        /// Without what is secret in it.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// It has no name that git allows, or is not there.
    #[error("there is no {revision} in `{url}`; check how it is called")]
    NoRevision {
        /// Where.
        url: String,
        /// Which.
        revision: Revision,
    },
    /// The server does not answer, or not as a git server does.
    #[error("`{url}` could not be fetched: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("`{url}` was not fetched within {after_ms} ms")]
    TimedOut {
        /// Where.
        url: String,
        /// How long.
        after_ms: u128,
    },
    /// More than the limit.
    #[error("{subject} is larger than the limit of {limit} {unit}")]
    TooLarge {
        /// What.
        subject: String,
        /// Of what.
        unit: &'static str,
        /// How many.
        limit: u64,
    },
    /// Somebody rewound or replaced the branch.
    #[error(
        "head `{head}` does not descend from `{current}`, which was taken before: the branch was rewound or replaced; \
         put `{current}` back and commit on top of it"
    )]
    NotADescendant {
        /// The head.
        head: CommitId,
        /// What was taken.
        current: CommitId,
    },
    /// Parents are not there: a shallow repository, or one that is damaged.
    #[error(
        "the history before commit `{commit}` is missing; signatures cannot be checked in a shallow repository"
    )]
    MissingHistory {
        /// Which.
        commit: CommitId,
    },
    /// Nobody signed it.
    #[error(
        "commit `{commit}` is not signed; every commit since the last one that was taken must be: sign it with an allowed key, or a tag that names it"
    )]
    Unsigned {
        /// Which.
        commit: CommitId,
    },
    /// The signature does not count.
    #[error("the signature of commit `{commit}` does not count: {reason}")]
    BadSignature {
        /// Which.
        commit: CommitId,
        /// Why.
        reason: String,
    },
    /// What has no place in a bundle.
    #[error("`{path}` in commit `{commit}` {reason}")]
    BadPath {
        /// In which head.
        commit: CommitId,
        /// Where.
        path: String,
        /// What it is.
        reason: &'static str,
    },
    /// The bundle's folder is not there.
    #[error("there is no folder `{path}` in commit `{commit}`; check `path`")]
    NoFolder {
        /// In which head.
        commit: CommitId,
        /// Which.
        path: String,
    },
    /// The repository cannot be read.
    #[error("the repository cannot be read: {reason}")]
    Damaged {
        /// Why.
        reason: String,
    },
}

impl GitError {
    /// Whether the head itself is refused, and not only out of reach: somebody has to look at it.
    pub fn refuses(&self) -> bool {
        !matches!(self, GitError::Unreachable { .. } | GitError::TimedOut { .. } | GitError::Address { .. })
    }

    pub(crate) fn damaged(error: impl fmt::Display) -> Self {
        GitError::Damaged { reason: error.to_string() }
    }
}
