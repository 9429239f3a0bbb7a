//! `interlock plugin list`, `roster`, `activate`, `bind`, `grant`, `back`: what an environment uses. Whatever alters it is a
//! change: proposed here, judged, approved and put into force like any other.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, ValueEnum};
use interlock_registry::sidecar;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::publish::read_envelope;
use crate::{
    client::{Client, Connection, Failure},
    cmd::change::{FIELDS, sheet::sheet},
    confirm::Confirm,
    output::{self, Format, Outcome},
};

/// How many changes `back` looks through.
const CHANGES_MAX: usize = 1_000;
/// As much of a key's id as tells it from others; `--output json` has all of it.
const KEY_ID_SHOWN: usize = 12;

#[derive(Debug, Args)]
pub(crate) struct List {
    /// What is active in this environment; else what is installed for all.
    #[arg(long, short)]
    environment: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Roster {
    /// The environment.
    #[arg(long, short)]
    environment: String,
}

/// Where, and what to call it.
#[derive(Debug, Args)]
struct About {
    /// In which environment.
    #[arg(long, short)]
    environment: String,
    /// One line for people; made up when absent.
    #[arg(long)]
    title: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// A component (`*.wasm`), which is pushed first; the digest of one that was pushed; or `HOST/REPOSITORY@sha256:…`.
    #[arg(value_name = "FILE|DIGEST|REFERENCE")]
    component: String,
    /// It may be of an older version than what is active.
    #[arg(long)]
    older: bool,
    #[command(flatten)]
    about: About,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    /// Recorded, and leads to nothing.
    Monitor,
    /// Counts.
    Enforce,
}

#[derive(Debug, Args)]
pub(crate) struct Bind {
    /// The binding's id; the plugin's name, where one binding is all it has.
    id: String,
    /// The plugin's name, when it is not the id.
    #[arg(long)]
    plugin: Option<String>,
    /// Its settings (JSON); as they are when absent.
    #[arg(long)]
    settings: Option<String>,
    /// Whether what it says counts.
    #[arg(long)]
    mode: Option<Mode>,
    /// A kind of change that a gate judges; may be repeated.
    #[arg(long = "kind")]
    kinds: Vec<String>,
    /// The gate group that it is a member of; none when empty.
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    about: About,
}

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// The plugin's name.
    plugin: String,
    /// The evidence sources that it may read: all of them; none takes everything back.
    sources: Vec<String>,
    #[command(flatten)]
    about: About,
}

#[derive(Debug, Args)]
pub(crate) struct Back {
    /// The plugin's name.
    plugin: String,
    /// In which environment.
    #[arg(long, short)]
    environment: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
}

impl List {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let items = match &self.environment {
            None => client.list("/plugins", 1_000).await?,
            Some(environment) => active(&roster(&client, environment).await?),
        };
        let mut columns =
            vec![("NAME", "/name"), ("VERSION", "/version"), ("KIND", "/kind"), ("DIGEST", "/digest")];
        if self.environment.is_some() {
            columns.push(("SIGNED BY", "/signed_by"));
        }
        output::list(&items, &columns, format)?;
        Ok(Outcome::Done)
    }
}

impl Roster {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let roster = roster(&connection.client()?, &self.environment).await?;
        if format != Format::Table {
            output::value(&roster, format)?;
            return Ok(Outcome::Done);
        }
        let fields = [
            ("environment", "/environment"),
            ("revision", "/revision"),
            ("change", "/change"),
            ("since", "/at"),
            ("configured", "/configured"),
            ("faults", "/faults"),
        ];
        sayln!("{}", output::lines(&roster, &fields));
        let plugins = [
            ("PLUGIN", "/name"),
            ("VERSION", "/version"),
            ("MAY READ", "/granted"),
            ("MAY NOT READ", "/missing"),
            ("DOES NOT LOAD", "/unloaded"),
            ("SIGNED BY", "/signed_by"),
            ("DIGEST", "/digest"),
        ];
        sayln!("{}", output::rows(&active(&roster), &plugins));
        let bindings = [
            ("BINDING", "/name"),
            ("ROLE", "/role"),
            ("PLUGIN", "/plugin"),
            ("MODE", "/mode"),
            ("KINDS", "/kinds"),
            ("GROUP", "/group"),
            ("SETTINGS", "/shown"),
        ];
        sayln!("{}", output::rows(&named(&roster, "bindings"), &bindings));
        let groups = named(&roster, "groups");
        if !groups.is_empty() {
            let columns = [("GATE GROUP", "/name"), ("MODE", "/mode"), ("EXPRESSION", "/expression")];
            sayln!("{}", output::rows(&groups, &columns));
        }
        Ok(Outcome::Done)
    }
}

impl Activate {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let path = Path::new(&self.component);
        // What is written like a file is meant as one.
        let as_file = path.extension().is_some_and(|extension| extension == "wasm");
        let (wish, shown) = if path.is_file() || as_file {
            let pushed = push(&client, path.to_owned()).await?;
            let shown = format!("{} {}", output::at(&pushed, "/name"), output::at(&pushed, "/version"));
            (json!({ "digest": pushed["digest"] }), shown)
        } else if self.component.starts_with("sha256:") {
            (json!({ "digest": self.component }), self.component.clone())
        } else {
            (json!({ "reference": self.component }), self.component.clone())
        };
        let mut wish = wish;
        if self.older {
            wish["older"] = true.into();
        }
        let step = json!({ "activate": wish });
        self.about.propose(&client, vec![step], format!("Activate {shown}"), format).await
    }
}

impl Bind {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let mut wish = json!({ "id": self.id });
        let bound = roster(&client, &self.about.environment).await?;
        // A new binding is of the plugin that is called like it, unless another is named.
        let is_new = bound["bindings"].get(&self.id).is_none();
        if let Some(plugin) = self.plugin.or_else(|| is_new.then(|| self.id.clone())) {
            wish["plugin"] = plugin.into();
        }
        if let Some(settings) = &self.settings {
            wish["settings"] = serde_json::from_str(settings)
                .map_err(|error| Failure::Usage(format!("--settings is no JSON: {error}")))?;
        }
        if let Some(mode) = self.mode {
            wish["mode"] = match mode {
                Mode::Monitor => "monitor".into(),
                Mode::Enforce => "enforce".into(),
            };
        }
        if !self.kinds.is_empty() {
            wish["kinds"] = json!(self.kinds);
        }
        if let Some(group) = self.group {
            wish["group"] = group.into();
        }
        let step = json!({ "bind": wish });
        self.about.propose(&client, vec![step], format!("Bind {}", self.id), format).await
    }
}

impl Grant {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let title = match self.sources.as_slice() {
            [] => format!("Grant {} nothing", self.plugin),
            sources => format!("Grant {} {}", self.plugin, sources.join(", ")),
        };
        let step = json!({ "grant": { "plugin": self.plugin, "sources": self.sources } });
        self.about.propose(&client, vec![step], title, format).await
    }
}

impl Back {
    /// Rolls back the newest completed change that brought a version of the plugin into use, with whatever else it did.
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let changes = client.list("/changes?state=completed", CHANGES_MAX).await?;
        let newest = changes.iter().find(|change| {
            change["manifest"]["environment"] == self.environment.as_str() && activates(change, &self.plugin)
        });
        let Some(newest) = newest else {
            return Err(Failure::Refused(format!(
                "no completed change in `{}` brought a version of plugin `{}` into use, so there is nothing to go back \
                 from; what other changes did is taken back by `interlock change rollback`",
                self.environment, self.plugin
            )));
        };
        if !self.confirm.yes {
            // Not to stdout, which holds the answer alone.
            eprintln!("{}", sheet(newest));
            self.confirm.ask("take this change back")?;
        }
        let path = format!("/changes/{}/rollback", output::at(newest, "/id"));
        let body = client.post(&path, &json!({ "reason": self.reason })).await?.body;
        output::record(&body, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}

impl About {
    async fn propose(
        self,
        client: &Client,
        steps: Vec<Value>,
        title: String,
        format: Format,
    ) -> Result<Outcome, Failure> {
        let title = self.title.unwrap_or(title);
        let proposal =
            json!({ "kind": "plugin", "environment": self.environment, "title": title, "plugins": steps });
        let body = client.post("/changes", &proposal).await?.body;
        output::record(&body, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}

/// Whether a change brought a version of a plugin into use.
fn activates(change: &Value, plugin: &str) -> bool {
    let steps = change.pointer("/manifest/plugins/steps").and_then(Value::as_array);
    steps.into_iter().flatten().any(|step| step["step"] == "activate" && step["name"] == plugin)
}

pub(super) async fn roster(client: &Client, environment: &str) -> Result<Value, Failure> {
    if environment.is_empty() || environment.contains(['/', '?', '#', '%']) {
        return Err(Failure::Usage(format!("`{environment}` is not the name of an environment")));
    }
    Ok(client.get(&format!("/rosters/{environment}")).await?.body)
}

async fn push(client: &Client, file: PathBuf) -> Result<Value, Failure> {
    let wasm = std::fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
    let mut request =
        client.request(Method::POST, "/plugins").header(header::CONTENT_TYPE, "application/wasm").body(wasm);
    if let Some(envelope) = read_envelope(&sidecar(&file))? {
        let json = envelope.to_json().map_err(Failure::local)?;
        request = request.header("Interlock-Envelope", URL_SAFE_NO_PAD.encode(json));
    }
    Ok(client.send(request).await?.body)
}

fn active(roster: &Value) -> Vec<Value> {
    let mut plugins = named(roster, "plugins");
    for plugin in &mut plugins {
        plugin["signed_by"] = signed_by(&plugin["signers"]).into();
    }
    plugins
}

/// Whose signatures of a component count: `vendor (3f2a91c04d5e…)`.
pub(crate) fn signed_by(signers: &Value) -> String {
    let each = signers.as_object().into_iter().flatten().map(|(id, name)| {
        let id: String = id.chars().take(KEY_ID_SHOWN).collect();
        format!("{} ({id}…)", output::at(name, ""))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { "nobody".to_owned() } else { each.join(", ") }
}

/// The values of a map as rows, each with its key as `name`, and its settings as text.
fn named(roster: &Value, member: &str) -> Vec<Value> {
    let rows = roster[member].as_object().into_iter().flatten().map(|(name, value)| {
        let mut row = value.clone();
        row["shown"] = match value.get("settings") {
            Some(Value::Object(settings)) if !settings.is_empty() => json!(value["settings"].to_string()),
            _ => json!(""),
        };
        row["name"] = json!(name);
        row
    });
    rows.collect()
}
