//! Where a bundle is: in a folder, or in a git repository, which is read without a working tree of one's own.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::Args;
use interlock_git::{
    AllowedSigners, CommitId, Fetched, GitError, Limits, Login, Revision, Rules, Source, Token,
};
use interlock_policy::Bundle;
use interlock_server::{Clock as _, SystemClock};

use super::Files;
use crate::client::Failure;

/// How long a repository may take to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A repository.
#[derive(Debug, Clone, Args)]
pub(crate) struct Repository {
    /// The git repository, in place of a folder: a folder with one, or an `https://` or `ssh://` address. What is committed
    /// counts, not what lies in the working tree.
    #[arg(long, value_name = "URL")]
    pub(super) git: Option<String>,
    /// With --git: the folder of the bundle in the repository, when it is not all of it.
    #[arg(long, value_name = "DIR", requires = "git", default_value = "", hide_default_value = true)]
    path: String,
    /// With --git: a file with the token for HTTPS.
    #[arg(long, value_name = "FILE", requires = "git")]
    git_token_file: Option<PathBuf>,
}

/// One bundle.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The folder.
    #[arg(default_value = ".", conflicts_with = "git")]
    dir: PathBuf,
    #[command(flatten)]
    pub(super) repository: Repository,
    /// With --git: the branch, tag or commit.
    #[arg(long, value_name = "REV", requires = "git", default_value = "HEAD")]
    rev: String,
}

/// Whose signatures are looked for, and since when.
pub(super) struct Asked<'a> {
    pub(super) signers: Option<&'a AllowedSigners>,
    pub(super) since: Option<CommitId>,
    pub(super) tag_prefix: &'a str,
}

impl Place {
    /// Its files by path inside the bundle.
    pub(super) fn files(&self) -> Result<Files, Failure> {
        match &self.repository.git {
            None => in_folder(&self.dir),
            Some(_) => self.repository.files(&self.rev),
        }
    }
}

impl Repository {
    /// The files at a revision.
    pub(super) fn files(&self, rev: &str) -> Result<Files, Failure> {
        let nobody = Asked { signers: None, since: None, tag_prefix: "" };
        Ok(self.fetch(rev, &nobody)?.files)
    }

    /// All that git has of a revision.
    pub(super) fn fetch(&self, rev: &str, asked: &Asked<'_>) -> Result<Fetched, Failure> {
        let token = self.git_token_file.as_ref().map(|path| {
            let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
            Ok(Token(text.trim().to_owned()))
        });
        let login = Login { token: token.transpose()?, ..Login::default() };
        let source = Source {
            url: self.git.clone().unwrap_or_default(),
            revision: Revision::of(rev),
            path: self.path.clone(),
            tag_prefix: asked.tag_prefix.to_owned(),
        };
        let rules = Rules {
            current: asked.since,
            trusted: None,
            signers: asked.signers,
            must_sign: false,
            now_secs: SystemClock.now().as_millis() / 1_000,
            limits: Limits::default(),
            deadline: PATIENCE,
        };
        let cache = cache_dir();
        // It blocks, and brings its own client for HTTP, which no other runtime may hold.
        let fetched = thread::scope(|scope| {
            scope.spawn(|| interlock_git::fetch(&source, &login, &cache, &rules)).join()
        });
        match fetched {
            Ok(fetched) => fetched.map_err(failed),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repository.git {
            None => write!(f, "{}", self.dir.display()),
            Some(url) => write!(f, "--git {url} --rev {} --path '{}'", self.rev, self.repository.path),
        }
    }
}

/// The files in a folder.
pub(super) fn in_folder(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    if !dir.is_dir() {
        return Err(Failure::Usage(format!("`{}` is no folder; name that of a bundle", dir.display())));
    }
    Bundle::read_dir(dir).map_err(|error| Failure::Refused(error.to_string()))
}

fn failed(error: GitError) -> Failure {
    let text = error.to_string();
    match error {
        GitError::Unreachable { .. } | GitError::TimedOut { .. } => Failure::Unreachable(text),
        GitError::Address { .. }
        | GitError::NoRevision { .. }
        | GitError::NoFolder { .. }
        | GitError::NoCommitId { .. } => Failure::Usage(text),
        _ => Failure::Refused(text),
    }
}

/// Where copies of repositories are kept, so that the next command needs only what is new.
fn cache_dir() -> PathBuf {
    let dir = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = dir("XDG_CACHE_HOME").or_else(|| dir("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_else(env::temp_dir).join("interlock").join("policies-git")
}
