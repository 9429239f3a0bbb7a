//! An anchor in a git repository: each checkpoint is a commit on a branch, pushed where others fetch it. By the `git` program, which
//! knows the operator's ways to log in.

use std::{path::PathBuf, process::Stdio};

use interlock_domain::Timestamp;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{Known, Proof};
use crate::config::LedgerAnchor;

/// A bare repository, and where it is pushed to.
#[derive(Debug)]
pub(super) struct Repository {
    folder: PathBuf,
    branch: String,
    remote: String,
}

impl Repository {
    pub(super) fn new(config: &LedgerAnchor) -> Self {
        Self { folder: config.git_dir.clone(), branch: config.git_branch.clone(), remote: config.url.clone() }
    }

    pub(super) async fn know(&self, known: &Known<'_>) -> Result<Proof, String> {
        if !self.folder.join("HEAD").exists() {
            let folder = self.folder.to_string_lossy().into_owned();
            self.program(&["init", "--quiet", "--bare", &folder], known.now, "").await?;
        }
        let head = format!("refs/heads/{}", self.branch);
        let parent = self.git(&["rev-parse", "--verify", "--quiet", &head], known.now, "").await.ok();
        let blob = self.git(&["hash-object", "-w", "--stdin"], known.now, known.note).await?;
        // The branch holds each log's newest checkpoint; all that were are in its history.
        let path = format!("{}/checkpoint", known.log);
        let entry = format!("100644,{blob},{path}");
        match &parent {
            Some(parent) => self.git(&["read-tree", parent], known.now, "").await?,
            None => self.git(&["read-tree", "--empty"], known.now, "").await?,
        };
        self.git(&["update-index", "--add", "--cacheinfo", &entry], known.now, "").await?;
        let tree = self.git(&["write-tree"], known.now, "").await?;
        let message =
            format!("{} at {} entries\n\nsha256 {}\n", known.origin, known.size, known.digest.to_hex());
        let mut commit = vec!["commit-tree", tree.as_str(), "-F", "-"];
        commit.extend(parent.iter().flat_map(|parent| ["-p", parent.as_str()]));
        let commit = self.git(&commit, known.now, &message).await?;
        // Only from where it was read: somebody else's commit is not lost.
        let before = parent.unwrap_or_default();
        self.git(&["update-ref", &head, &commit, &before], known.now, "").await?;
        if !self.remote.is_empty() {
            self.git(&["push", "--quiet", &self.remote, &format!("{head}:{head}")], known.now, "").await?;
            let there = self.git(&["ls-remote", &self.remote, &head], known.now, "").await?;
            if !there.starts_with(&commit) {
                return Err(format!("`{}` does not have {commit} after it was pushed there", self.branch));
            }
        }
        let proof = self.git(&["cat-file", "commit", &commit], known.now, "").await?;
        Ok(Proof { reference: commit, proof: proof.into_bytes() })
    }

    async fn git(&self, arguments: &[&str], now: Timestamp, input: &str) -> Result<String, String> {
        let folder = format!("--git-dir={}", self.folder.display());
        let all: Vec<&str> = [folder.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        self.program(&all, now, input).await
    }

    /// What the program says. It asks nobody anything, and ends when nobody waits for it any more.
    async fn program(&self, arguments: &[&str], now: Timestamp, input: &str) -> Result<String, String> {
        let date = format!("{} +0000", now.as_millis() / 1_000);
        let mut command = Command::new("git");
        command.args(arguments).env("GIT_TERMINAL_PROMPT", "0").env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Interlock");
            command.env(format!("GIT_{role}_EMAIL"), "ledger@interlock.invalid");
            command.env(format!("GIT_{role}_DATE"), &date);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|error| format!("the program `git` cannot be started: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that has ended wants no more of it, and says why below.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect();
        let verb = arguments.iter().find(|argument| !argument.starts_with('-')).unwrap_or(&"git");
        // An address may hold a password.
        let said = if self.remote.is_empty() { said } else { said.replace(&self.remote, "the repository") };
        Err(format!("`git {verb}`: {said}"))
    }
}
