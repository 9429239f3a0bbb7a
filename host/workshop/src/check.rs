//! What is good and what is wrong about a component, all of it and why.

use std::collections::BTreeSet;

use interlock_ledger::Digest;
use interlock_sandbox::types::{Description, PluginKind};
use interlock_sandbox::{Examination, InstallError, Limits, Part, Place, Plugin};
use serde::Serialize;
use serde_json::{Value, json};

use crate::schema::{Setting, settings};

/// What a core module begins with; a component has another number there.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component, checked.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// Digest of its bytes.
    pub digest: Digest,
    /// How large it is.
    pub size_bytes: u64,
    /// How large it may be.
    pub size_bytes_max: u64,
    /// What it says of itself; absent when it is no plugin.
    pub plugin: Option<About>,
    /// Its imports and exports, and what is missing.
    pub parts: Vec<Explained>,
    /// Why it is no plugin.
    pub refused: Option<String>,
    /// What its author may want to change.
    pub advice: Vec<String>,
}

/// What a plugin says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its kind, which is also the name of its world.
    pub kind: PluginKind,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// One sentence.
    pub summary: String,
    /// The evidence that it may ask for.
    pub evidence_sources: Vec<String>,
    /// What an operator can set.
    pub settings: Vec<Setting>,
    /// The same as the plugin has it.
    pub settings_schema: Value,
}

/// An import or export, and what it means.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// Which.
    #[serde(flatten)]
    pub part: Part,
    /// In words.
    pub why: &'static str,
}

impl About {
    /// Of an installed plugin.
    #[must_use]
    pub fn of(plugin: &Plugin) -> Self {
        let Description { name, version, summary, settings_schema, evidence_sources } =
            plugin.description().clone();
        // It was valid when it was installed.
        let settings_schema: Value = serde_json::from_str(&settings_schema).unwrap_or_default();
        let (kind, digest, settings) = (plugin.kind(), plugin.digest(), settings(&settings_schema));
        Self { name, version, kind, digest, summary, evidence_sources, settings, settings_schema }
    }
}

impl Checked {
    /// The versions of the contract that it was built for, as its imports and exports name them.
    #[must_use]
    pub fn contract(&self) -> Vec<String> {
        let of = |explained: &Explained| {
            let (_, version) = explained.part.name.strip_prefix("interlock:plugin/")?.split_once('@')?;
            Some(version.split('#').next()?.to_owned())
        };
        // What is missing is named by the version of this host.
        let there = self.parts.iter().filter(|explained| explained.part.place != Place::Missing);
        let versions: BTreeSet<String> = there.filter_map(of).collect();
        versions.into_iter().map(|version| format!("interlock:plugin@{version}")).collect()
    }

    /// What it imports, each with what that is to the host.
    #[must_use]
    pub fn imports(&self) -> Vec<&Explained> {
        let is_import = |place| matches!(place, Place::Import | Place::StandIn | Place::Foreign);
        self.parts.iter().filter(|explained| is_import(explained.part.place)).collect()
    }

    /// Of a component that the sandbox examined.
    pub async fn new(wasm: &[u8], examination: Examination, limits: &Limits) -> Self {
        let Examination { digest, parts, plugin } = examination;
        let mut advice = Vec::new();
        let mut about = None;
        let refused = match plugin {
            Ok(plugin) => {
                let described = About::of(&plugin);
                advise(&plugin, &described, &mut advice).await;
                about = Some(described);
                None
            }
            Err(error) => {
                advice.extend(remedy(wasm, &error).map(str::to_owned));
                Some(error.to_string())
            }
        };
        let parts = parts.into_iter().map(|part| Explained { why: why(part.place), part }).collect();
        let (size_bytes, size_bytes_max) = (wasm.len() as u64, limits.component_bytes_max);
        Self { digest, size_bytes, size_bytes_max, plugin: about, parts, refused, advice }
    }
}

const fn why(place: Place) -> &'static str {
    match place {
        Place::Import => "import that the host provides",
        Place::StandIn => "import that is inert here: no files, no network, a clock that stands still",
        Place::Foreign => "import that no plugin may have: ask for evidence instead",
        Place::Newer => "import of a newer contract, which this host does not have",
        Place::Export => "export that the host calls",
        Place::Extra => "export that nobody calls: harmless",
        Place::Missing => "missing: the host calls it",
    }
}

/// What to do where the refusal alone does not say it.
fn remedy(wasm: &[u8], error: &InstallError) -> Option<&'static str> {
    match error {
        InstallError::Compile { .. } if wasm.starts_with(CORE_MODULE) => Some(
            "this is a core module, not a component: `wasm-tools component new` makes one of it, and `cargo xtask \
             plugins` does for the plugins of this repository",
        ),
        InstallError::Compile { .. } if !wasm.starts_with(b"\0asm") => Some("this is no WebAssembly at all"),
        InstallError::NoWorld => Some(
            "export the interfaces of one world of `wit/interlock.wit`; in Rust `#[gate]`, `#[health]` or `#[strategy]` \
             does",
        ),
        InstallError::SmokeTest(_) => {
            Some("`describe` must answer at once, with constants and without evidence")
        }
        _ => None,
    }
}

async fn advise(plugin: &Plugin, about: &About, advice: &mut Vec<String>) {
    let schema = &about.settings_schema;
    if schema.get("additionalProperties") != Some(&json!(false)) {
        let text = "unknown settings are not refused by the schema: say `\"additionalProperties\": false`, or a \
                    misspelt setting is lost without a word";
        advice.push(text.to_owned());
    }
    for setting in about.settings.iter().filter(|setting| setting.meaning.is_empty()) {
        advice.push(format!(
            "setting `{}` has no description: say what it means and in which unit",
            setting.name
        ));
    }
    match plugin.check_settings(&json!({})).await {
        Err(error) => advice.push(format!("`check-settings` fails for `{{}}`: {error}")),
        Ok(problems) => {
            for problem in problems {
                let at = if problem.path.is_empty() {
                    "the settings".to_owned()
                } else {
                    format!("`{}`", problem.path)
                };
                advice.push(format!("it does not run without settings: {at}: {}", problem.message));
            }
        }
    }
}
