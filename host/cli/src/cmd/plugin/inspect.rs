//! `interlock plugin inspect`

use std::collections::BTreeSet;

use clap::Args;
use interlock_ledger::Digest;
use interlock_workshop::{About, Checked, settings};
use serde_json::{Value, json};

use super::{
    component, in_use, json, look_at,
    place::{Place, is_reference},
};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// How much of a default the table shows.
const DEFAULT_CHARS_MAX: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A component, where one is published, or the name or digest of a plugin of the server's.
    #[arg(value_name = "FILE|REFERENCE|NAME|DIGEST")]
    plugin: String,
    /// As this environment uses it: what is granted to it there, and what it lacks.
    #[arg(long, short)]
    environment: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Inspect {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let named = &self.plugin;
        let body = if let Some(environment) = &self.environment {
            active(connection, named, environment).await?
        } else if let Ok(digest) = named.parse::<Digest>() {
            described(component::download(&connection.client()?, &digest).await?, named).await?
        } else if component::is_file(named) || is_reference(named) {
            published(&self.place, named).await?
        } else {
            installed(connection, named).await?
        };
        match format {
            Format::Table => print(&body),
            Format::Json | Format::Yaml => output::value(&body, format)?,
        }
        Ok(Outcome::Done)
    }
}

/// What a component says of itself, and what it is made of.
async fn described(wasm: Vec<u8>, named: &str) -> Result<Value, Failure> {
    let looked = look_at(wasm).await?;
    let about = match &looked.examination.plugin {
        Ok(plugin) => About::of(plugin),
        Err(error) => return Err(component::refused(named, error)),
    };
    let checked = Checked::new(&looked.wasm, looked.examination, &looked.limits).await;
    let Value::Object(mut body) = json(&about)? else { return Ok(Value::Null) };
    body.insert("size_bytes".to_owned(), checked.size_bytes.into());
    body.insert("contract".to_owned(), json(&checked.contract())?);
    body.insert("imports".to_owned(), json(&checked.imports())?);
    Ok(Value::Object(body))
}

/// As an environment uses it: what it declares, may read and may not.
async fn active(connection: &Connection, name: &str, environment: &str) -> Result<Value, Failure> {
    let client = connection.client()?;
    let roster = in_use::roster(&client, environment).await?;
    let Some(mut plugin) = roster["plugins"].get(name).cloned() else {
        return Err(Failure::Refused(format!(
            "plugin `{name}` is not active in `{environment}`; `interlock plugin list --environment {environment}` says \
             which are"
        )));
    };
    plugin["name"] = name.into();
    plugin["environment"] = environment.into();
    plugin["evidence_sources"] = plugin["declared"].clone();
    if plugin["unloaded"].is_null()
        && let Ok(wasm) = component::download(&client, &component::digest_of(&plugin)?).await
        && let (Some(plugin), Value::Object(about)) = (plugin.as_object_mut(), described(wasm, name).await?)
    {
        plugin.extend(about);
    }
    Ok(plugin)
}

/// The same, and who signed it.
async fn published(place: &Place, named: &str) -> Result<Value, Failure> {
    let pulled = place.fetch(named).await?;
    let ids = pulled.envelopes.iter().flat_map(|envelope| &envelope.signatures);
    let ids: BTreeSet<&str> = ids.map(|signature| signature.keyid.as_str()).collect();
    let (manifest, ids) = (json(&pulled.manifest_digest)?, json(&ids)?);
    let mut body = described(pulled.wasm, named).await?;
    if let Some(body) = body.as_object_mut() {
        body.insert("manifest_digest".to_owned(), manifest);
        // Not verified: that needs to know whom to trust.
        body.insert("signatures".to_owned(), ids);
    }
    Ok(body)
}

/// As the server has it: what it lists, and the component itself for whoever may fetch it.
async fn installed(connection: &Connection, name: &str) -> Result<Value, Failure> {
    let client = connection.client()?;
    let mut plugin = component::listed(&client, name).await?;
    let component = match component::download(&client, &component::digest_of(&plugin)?).await {
        Ok(wasm) => described(wasm, name).await?,
        // What the list says is worth showing to whoever may not have more.
        Err(Failure::Problem { .. }) => {
            let rows = settings(plugin.get("settings_schema").unwrap_or(&Value::Null));
            json!({ "settings": json(&rows)? })
        }
        Err(failure) => return Err(failure),
    };
    if let (Some(plugin), Value::Object(component)) = (plugin.as_object_mut(), component) {
        plugin.extend(component);
    }
    Ok(plugin)
}

fn print(body: &Value) {
    say!("{}", identity(body));
    if body["signatures"].as_array().is_some_and(|signatures| !signatures.is_empty()) {
        sayln!("\nWhether these signatures count, `interlock plugin verify` says.");
    }
    for part in [imports(body), settings_table(body)] {
        sayln!("\n{}", part.trim_end());
    }
}

/// Who it is.
fn identity(body: &Value) -> String {
    let fields = [
        ("name", "/name"),
        ("version", "/version"),
        ("kind", "/kind"),
        ("contract", "/contract"),
        ("summary", "/summary"),
        ("digest", "/digest"),
        ("bytes", "/size_bytes"),
        ("manifest", "/manifest_digest"),
        ("signed", "/signatures"),
        ("evidence", "/evidence_sources"),
    ];
    let in_use = [
        ("environment", "/environment"),
        ("may read", "/granted"),
        ("may not read", "/missing"),
        ("does not load", "/unloaded"),
    ];
    let mut text = output::lines(body, &fields);
    if body.get("environment").is_some() {
        text.push_str(&output::lines(body, &in_use));
    }
    text.push_str(&lacking(body));
    text
}

/// What to do about evidence that it declares and may not read. A grant names all of it, so what it has stays in.
fn lacking(body: &Value) -> String {
    let words = |member: &str| -> Vec<String> {
        let list = body.get(member).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let missing = words("missing");
    if missing.is_empty() {
        return String::new();
    }
    format!(
        "\nIt declares {} and may not read it. To propose that it may: interlock plugin grant {} {} --environment {}\n",
        missing.join(", "),
        output::at(body, "/name"),
        [words("granted"), missing].concat().join(" "),
        output::at(body, "/environment")
    )
}

/// What it reaches for.
fn imports(body: &Value) -> String {
    match body.get("imports").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => "It imports nothing.".to_owned(),
        Some(imports) => output::rows(imports, &[("IMPORT", "/name"), ("IS", "/why")]),
        None => "Its imports are not known without the component.".to_owned(),
    }
}

/// What an operator can set.
fn settings_table(body: &Value) -> String {
    let rows = body.get("settings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "There is nothing to set.".to_owned();
    }
    let rows: Vec<Value> = rows.iter().cloned().map(with_default).collect();
    let columns = [
        ("SETTING", "/name"),
        ("TYPE", "/kind"),
        ("DEFAULT", "/default"),
        ("RANGE", "/range"),
        ("MEANING", "/meaning"),
    ];
    output::rows(&rows, &columns)
}

/// A setting that must be given says so where its default would stand. A long default is cut: JSON has all of it.
fn with_default(mut row: Value) -> Value {
    let required = row.get("required").and_then(Value::as_bool) == Some(true);
    if let Some(default) = row.get_mut("default") {
        match default.as_str() {
            None if required => *default = "required".into(),
            Some(text) if text.chars().count() > DEFAULT_CHARS_MAX => {
                *default = text.chars().take(DEFAULT_CHARS_MAX).chain(['…']).collect::<String>().into();
            }
            _ => {}
        }
    }
    row
}
