//! `interlock policy propose` and `fetch`

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use clap::Args;
use serde_json::{Value, json};

use super::load;
use crate::{
    client::{Connection, Failure},
    cmd::change,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// The folder of the bundle.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The environment where the server decides on policies.
    #[arg(long)]
    environment: String,
    /// One line for people.
    #[arg(long)]
    title: String,
    /// What brings it about.
    #[arg(long, default_value = "")]
    description: String,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The digest of the bundle; what is in force when absent.
    digest: Option<String>,
    /// The folder, which must not be there yet.
    #[arg(long)]
    into: PathBuf,
}

impl Propose {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        // What does not load is said here, in its place, and sent to nobody.
        let (files, _) = load(&self.dir)?;
        let text = |content: Vec<u8>| String::from_utf8(content).unwrap_or_default();
        let files: BTreeMap<String, String> =
            files.into_iter().map(|(path, content)| (path, text(content))).collect();
        let proposal = json!({
            "kind": "policy",
            "environment": self.environment,
            "title": self.title,
            "description": self.description,
            "policies": { "files": files },
        });
        let body = connection.client()?.post("/changes", &proposal).await?.body;
        output::record(&body, change::FIELDS, format)?;
        Ok(Outcome::Done)
    }
}

impl Fetch {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let digest = match self.digest {
            Some(digest) => digest,
            None => output::at(&client.get("/bundle").await?.body, "/digest"),
        };
        let body = client.get(&format!("/bundles/{digest}")).await?.body;
        if self.into.exists() {
            return Err(Failure::Usage(format!(
                "`{}` is there already; name another folder",
                self.into.display()
            )));
        }
        let files = body["files"].as_object().into_iter().flatten();
        let files: Vec<(&String, &str)> =
            files.filter_map(|(path, text)| Some((path, text.as_str()?))).collect();
        for (path, text) in &files {
            write(&self.into, path, text)?;
        }
        match format {
            Format::Table => {
                println!("wrote {} files of {digest} into `{}`", files.len(), self.into.display())
            }
            Format::Json | Format::Yaml => {
                let paths: Vec<Value> = files.iter().map(|(path, _)| json!(path)).collect();
                output::value(&json!({ "digest": digest, "files": paths }), format)?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// Whatever a server says, nothing is written outside of the folder.
fn write(folder: &Path, path: &str, text: &str) -> Result<(), Failure> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return Err(Failure::Refused(format!(
            "the server names the file `{path}`, which lies outside of the folder"
        )));
    }
    let file = folder.join(path);
    let made = file.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&file, text)).map_err(|error| Failure::file(&file, &error))
}
