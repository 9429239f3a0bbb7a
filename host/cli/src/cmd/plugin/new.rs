//! `interlock plugin new`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use interlock_toolchain::{Kind, Language, new};
use serde_json::json;

use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What it is called: lower-case letters, digits and dashes.
    name: String,
    /// What it is for.
    #[arg(long, value_enum, default_value_t = KindArgument::Gate)]
    kind: KindArgument,
    /// What it is written in.
    #[arg(long = "lang", value_enum, default_value_t = LanguageArgument::Rust)]
    language: LanguageArgument,
    /// The folder to make; the name when absent. It must not hold anything.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArgument {
    /// Judges a change.
    Gate,
    /// Judges a rollout.
    Health,
    /// Leads a rollout.
    Strategy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LanguageArgument {
    Rust,
    Python,
    Javascript,
    C,
}

impl New {
    pub(super) fn run(self, format: Format) -> Result<Outcome, Failure> {
        let kind = match self.kind {
            KindArgument::Gate => Kind::Gate,
            KindArgument::Health => Kind::Health,
            KindArgument::Strategy => Kind::Strategy,
        };
        let language = match self.language {
            LanguageArgument::Rust => Language::Rust,
            LanguageArgument::Python => Language::Python,
            LanguageArgument::Javascript => Language::Javascript,
            LanguageArgument::C => Language::C,
        };
        let dir = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        new(&dir, &self.name, kind, language).map_err(Failure::local)?;
        if format != Format::Table {
            let body = json!({ "dir": dir, "name": self.name, "kind": kind, "language": language });
            output::value(&body, format)?;
            return Ok(Outcome::Done);
        }
        sayln!("made {}", dir.display());
        sayln!("its README.md says what to install; then, in that folder:");
        sayln!("  interlock plugin build");
        sayln!("  interlock plugin test {}.wasm cases.yaml", self.name);
        Ok(Outcome::Done)
    }
}
