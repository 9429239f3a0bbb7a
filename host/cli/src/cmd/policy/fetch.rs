//! `interlock policy fetch`

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use clap::Args;
use interlock_git::{AllowedSigners, CommitId, Fetched};
use serde_json::{Value, json};

use super::place::{Asked, Repository};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// From a server by digest, or from a git repository with a report of who signed what.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The digest of the bundle, what is in force when absent; with --git the branch, tag or commit.
    digest: Option<String>,
    /// The folder, which must not be there yet.
    #[arg(long)]
    into: PathBuf,
    #[command(flatten)]
    repository: Repository,
    /// With --git: the keys that may sign, as OpenSSH writes `allowed_signers`. Exit code 3 when a commit is not signed by one.
    #[arg(long, value_name = "FILE", requires = "git")]
    allowed_signers: Option<PathBuf>,
    /// With --git: only the commits after this one; all when absent.
    #[arg(long, value_name = "COMMIT", requires = "git")]
    since: Option<String>,
    /// With --git: how the names of tags begin that count like a signature of the commit that they name.
    #[arg(
        long,
        value_name = "PREFIX",
        requires = "allowed_signers",
        default_value = "",
        hide_default_value = true
    )]
    tag_prefix: String,
}

impl Fetch {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        if self.into.exists() {
            return Err(Failure::Usage(format!(
                "`{}` is there already; name another folder",
                self.into.display()
            )));
        }
        if self.repository.git.is_some() {
            self.take_from_git(format)
        } else {
            self.take_from_server(connection, format).await
        }
    }

    async fn take_from_server(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let digest = match self.digest {
            Some(digest) => digest,
            None => output::at(&client.get("/bundle").await?.body, "/digest"),
        };
        let body = client.get(&format!("/bundles/{digest}")).await?.body;
        let files = body["files"].as_object().into_iter().flatten();
        let files: Vec<(&String, &str)> =
            files.filter_map(|(path, text)| Some((path, text.as_str()?))).collect();
        for (path, text) in &files {
            write(&self.into, path, text.as_bytes())?;
        }
        match format {
            Format::Table => {
                sayln!("wrote {} files of {digest} into `{}`", files.len(), self.into.display())
            }
            Format::Json | Format::Yaml => {
                let paths: Vec<Value> = files.iter().map(|(path, _)| json!(path)).collect();
                output::value(&json!({ "digest": digest, "files": paths }), format)?;
            }
        }
        Ok(Outcome::Done)
    }

    fn take_from_git(self, format: Format) -> Result<Outcome, Failure> {
        let signers = self.allowed_signers.as_ref().map(|path| {
            let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
            AllowedSigners::parse(&text).map_err(|error| Failure::Usage(error.to_string()))
        });
        let signers = signers.transpose()?;
        let since = self.since.as_ref().map(|text| text.parse::<CommitId>()).transpose();
        let since = since.map_err(|error| Failure::Usage(error.to_string()))?;
        let asked = Asked { signers: signers.as_ref(), since, tag_prefix: &self.tag_prefix };
        let fetched = self.repository.fetch(self.digest.as_deref().unwrap_or("HEAD"), &asked)?;
        for (path, content) in &fetched.files {
            write(&self.into, path, content)?;
        }
        let unsigned = fetched.range.iter().filter(|signed| signed.fault.is_some()).count();
        match format {
            Format::Table => say!("{}", report(&fetched, &self.into, signers.is_some())),
            Format::Json | Format::Yaml => output::value(&shown(&fetched), format)?,
        }
        if unsigned > 0 {
            eprintln!(
                "interlock: {unsigned} of {} commits are not signed by an allowed key",
                fetched.range.len()
            );
            return Ok(Outcome::Unverified);
        }
        Ok(Outcome::Done)
    }
}

fn report(fetched: &Fetched, into: &Path, asked: bool) -> String {
    let Fetched { head, files, range } = fetched;
    let mut text = format!("wrote {} files of commit {head} into `{}`\n", files.len(), into.display());
    for signed in range.iter().filter(|_| asked) {
        text.push_str(&match (&signed.signer, &signed.fault) {
            (Some(signer), _) => format!("  {} signed by {signer}\n", signed.commit),
            (None, fault) => format!("  {} {}\n", signed.commit, fault.as_deref().unwrap_or("not signed")),
        });
    }
    if !asked {
        text.push_str("  nobody's signature was looked for; --allowed-signers FILE says whose count\n");
    }
    text
}

fn shown(fetched: &Fetched) -> Value {
    let commits = fetched.range.iter().map(|signed| {
        json!({ "commit": signed.commit.to_string(), "signer": signed.signer, "fault": signed.fault })
    });
    json!({
        "commit": fetched.head.to_string(),
        "files": fetched.files.keys().collect::<Vec<_>>(),
        "commits": commits.collect::<Vec<_>>(),
    })
}

/// Whatever the other side says, nothing is written outside of the folder.
fn write(folder: &Path, path: &str, content: &[u8]) -> Result<(), Failure> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Err(Failure::Refused(format!(
            "the other side names the file `{path}`, which lies outside of the folder"
        )));
    }
    let file = folder.join(path);
    let made = file.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&file, content)).map_err(|error| Failure::file(&file, &error))
}
