//! `interlock plugin inspect`

use std::path::Path;

use clap::Args;
use interlock_workshop::{About, settings};
use serde_json::Value;

use super::{json, load};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// How much of a default the table shows.
const DEFAULT_CHARS_MAX: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A component, or the name of a plugin that is installed on the server.
    #[arg(value_name = "FILE|NAME")]
    plugin: String,
}

impl Inspect {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let path = Path::new(&self.plugin);
        let is_path = path.is_file() || self.plugin.contains('/') || self.plugin.ends_with(".wasm");
        let body = if is_path {
            json(&About::of(&*load(path).await?))?
        } else {
            installed(connection, &self.plugin).await?
        };
        print(&body, format)?;
        Ok(Outcome::Done)
    }
}

/// As the server has it.
async fn installed(connection: &Connection, name: &str) -> Result<Value, Failure> {
    let items = connection.client()?.list("/plugins", 1000).await?;
    let names: Vec<String> = items.iter().map(|item| output::at(item, "/name")).collect();
    let mut plugin = items.into_iter().find(|item| output::at(item, "/name") == name).ok_or_else(|| {
        let names = names.join(", ");
        Failure::Refused(format!(
            "the server has no plugin `{name}`, and there is no such file; it has: {names}"
        ))
    })?;
    let rows = json(&settings(plugin.get("settings_schema").unwrap_or(&Value::Null)))?;
    if let Some(plugin) = plugin.as_object_mut() {
        plugin.insert("settings".to_owned(), rows);
    }
    Ok(plugin)
}

fn print(body: &Value, format: Format) -> Result<(), Failure> {
    let fields = [
        ("name", "/name"),
        ("version", "/version"),
        ("kind", "/kind"),
        ("summary", "/summary"),
        ("digest", "/digest"),
        ("evidence", "/evidence_sources"),
    ];
    output::record(body, &fields, format)?;
    if format != Format::Table {
        return Ok(());
    }
    let rows = body.get("settings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        println!("\nThere is nothing to set.");
        return Ok(());
    }
    let rows: Vec<Value> = rows.iter().cloned().map(with_default).collect();
    let columns = [
        ("SETTING", "/name"),
        ("TYPE", "/kind"),
        ("DEFAULT", "/default"),
        ("RANGE", "/range"),
        ("MEANING", "/meaning"),
    ];
    println!("\n{}", output::rows(&rows, &columns).trim_end());
    Ok(())
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
