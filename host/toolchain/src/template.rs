//! What stands in a new plugin's folder. The templates are real plugins called `my-plugin`.

use toml::Table;

use crate::error::ToolchainError;
use crate::javascript::COMPONENTIZE_QJS;
use crate::language::{Kind, Language};
use crate::{WIT, c, javascript, python, rust};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// What the templates are called.
const NAME: &str = "my-plugin";

const README: &str = include_str!("../templates/README.md.in");
const IGNORED: &str = "*.wasm\n/target/\n/.venv/\n/node_modules/\n__pycache__/\n";

/// A file by its place in the folder.
pub(crate) type File = (&'static str, String);

/// All files of a new plugin.
pub(crate) fn files(name: &str, kind: Kind, language: Language) -> Result<Vec<File>, ToolchainError> {
    let named = |text: &str| text.replace(NAME, name);
    let mut files = vec![
        ("README.md", named(&readme(kind, language))),
        ("cases.yaml", named(cases(kind))),
        ("wit/interlock.wit", WIT.to_owned()),
        (".gitignore", IGNORED.to_owned()),
    ];
    let own = |text: &str| named(&text.replace("KIND", kind.name()).replace("COMPILER", COMPONENTIZE_QJS));
    let (project, source) = (own(project(language)), named(source(kind, language)));
    files.push((language.project_file(), project));
    files.push((source_file(language), source));
    match language {
        Language::Rust => {
            files.push(("Cargo.lock", include_str!("../../../plugins/Cargo.lock").to_owned()));
            files.push(("vendor/Cargo.toml", vendored_workspace()?));
            files.extend(SDK.iter().map(|(place, content)| (*place, (*content).to_owned())));
        }
        Language::C => {
            files.push(("settings.schema.json", schema(kind).to_owned()));
            files.push(("interlock.h", include_str!("../../../plugins/sdk-c/interlock.h").to_owned()));
            files.push(("interlock.c", include_str!("../../../plugins/sdk-c/interlock.c").to_owned()));
        }
        Language::Python | Language::Javascript => {}
    }
    Ok(files)
}

const fn cases(kind: Kind) -> &'static str {
    match kind {
        Kind::Gate => include_str!("../templates/gate.yaml"),
        Kind::Health => include_str!("../templates/health.yaml"),
        Kind::Strategy => include_str!("../templates/strategy.yaml"),
    }
}

const fn project(language: Language) -> &'static str {
    match language {
        Language::Rust => include_str!("../templates/rust/Cargo.toml.in"),
        Language::Python => include_str!("../templates/python/pyproject.toml.in"),
        Language::Javascript => include_str!("../templates/javascript/package.json.in"),
        Language::C => include_str!("../templates/c/plugin.toml.in"),
    }
}

const fn source_file(language: Language) -> &'static str {
    match language {
        Language::Rust => "src/lib.rs",
        Language::Python => "plugin.py",
        Language::Javascript => "plugin.js",
        Language::C => "plugin.c",
    }
}

const fn source(kind: Kind, language: Language) -> &'static str {
    match (language, kind) {
        (Language::Rust, Kind::Gate) => include_str!("../templates/rust/gate.rs"),
        (Language::Rust, Kind::Health) => include_str!("../templates/rust/health.rs"),
        (Language::Rust, Kind::Strategy) => include_str!("../templates/rust/strategy.rs"),
        (Language::Python, Kind::Gate) => include_str!("../templates/python/gate.py"),
        (Language::Python, Kind::Health) => include_str!("../templates/python/health.py"),
        (Language::Python, Kind::Strategy) => include_str!("../templates/python/strategy.py"),
        (Language::Javascript, Kind::Gate) => include_str!("../templates/javascript/gate.js"),
        (Language::Javascript, Kind::Health) => include_str!("../templates/javascript/health.js"),
        (Language::Javascript, Kind::Strategy) => include_str!("../templates/javascript/strategy.js"),
        (Language::C, Kind::Gate) => include_str!("../templates/c/gate.c"),
        (Language::C, Kind::Health) => include_str!("../templates/c/health.c"),
        (Language::C, Kind::Strategy) => include_str!("../templates/c/strategy.c"),
    }
}

const fn schema(kind: Kind) -> &'static str {
    match kind {
        Kind::Gate => include_str!("../templates/c/gate.schema.json"),
        Kind::Health => include_str!("../templates/c/health.schema.json"),
        Kind::Strategy => include_str!("../templates/c/strategy.schema.json"),
    }
}

fn readme(kind: Kind, language: Language) -> String {
    let summary = match kind {
        Kind::Gate => "A compliance gate: refuses artifacts that are larger than the operator allows.",
        Kind::Health => {
            "A health check: fails when treated targets report more errors than the operator allows."
        }
        Kind::Strategy => "A rollout strategy: reaches a few targets first, then all.",
    };
    let (prepare, extra) = match language {
        Language::Rust => (
            rust::install()[0].clone(),
            "| `vendor` | the SDK of the program that made this folder |\n\n`cargo test` runs the tests in the source, natively.\n",
        ),
        Language::Python => (python::install().join("\n"), ""),
        Language::Javascript => (
            javascript::install(),
            "\nA number of 64 bits arrives as a `number`, so beyond 2^53 it is rounded, or negative: ask `Number.isSafeInteger` before \
             it is judged. In JSON, `JSON.parse` with a reviver sees each number's `source`, of which `BigInt` makes an exact one.\n",
        ),
        Language::C => (
            c::install()[0].clone(),
            "| `settings.schema.json` | the JSON Schema of its settings |\n| `interlock.c`, `interlock.h` | texts and JSON |\n\nThe \
             functions that a plugin defines and calls are in the contract; `plugin.h` is generated from it while building.\n",
        ),
    };
    README
        .replace("SUMMARY", summary)
        .replace("PREPARE", &prepare)
        .replace("SOURCE", source_file(language))
        .replace("PROJECT", language.project_file())
        .replace("EXTRA\n", &format!("{extra}\n"))
}

/// The SDK's manifests take versions from their workspace, so it comes along; without its other members.
fn vendored_workspace() -> Result<String, ToolchainError> {
    let broken = |reason: String| ToolchainError::Component { reason };
    let text = include_str!("../../../plugins/Cargo.toml");
    let whole: Table = text.parse().map_err(|error: toml::de::Error| broken(error.to_string()))?;
    let mut workspace = whole.get("workspace").and_then(|it| it.as_table()).cloned().unwrap_or_default();
    workspace.insert("members".to_owned(), vec!["sdk", "sdk-macros"].into());
    let vendored = Table::from_iter([("workspace".to_owned(), toml::Value::Table(workspace))]);
    toml::to_string(&vendored).map_err(|error| broken(error.to_string()))
}
