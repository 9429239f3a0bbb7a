//! Why there is no component.

use std::path::PathBuf;

use thiserror::Error;

use crate::language::Language;

/// Why a project cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// A file or folder that cannot be read or written.
    #[error("`{path}`: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A name that a plugin may not have.
    #[error("a plugin cannot be called `{name}`: {rule}")]
    Name {
        /// The name.
        name: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A folder that holds something.
    #[error("`{dir}` is not empty; name another folder with `--dir`, or empty it", dir = dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// A place where a folder is to be made, and something else is.
    #[error("`{dir}` is there already and is no folder; name another with `--dir`", dir = dir.display())]
    NotAFolder {
        /// The place.
        dir: PathBuf,
    },
    /// A folder that is to be made in one that is not there.
    #[error("`{dir}` cannot be made: `{parent}` is not there; make that first, or name another folder with `--dir`",
        dir = dir.display(), parent = parent.display())]
    NoParent {
        /// The folder.
        dir: PathBuf,
        /// The one above it.
        parent: PathBuf,
    },
    /// No file says which language it is.
    #[error(
        "`{dir}` is no plugin's folder: it has none of `Cargo.toml` (Rust), `pyproject.toml` (Python), `package.json` \
         (JavaScript) and `plugin.toml` (C); `interlock plugin new` makes one",
        dir = dir.display()
    )]
    NoProject {
        /// The folder.
        dir: PathBuf,
    },
    /// Several files say so.
    #[error(
        "`{dir}` has both `{one}` and `{other}`, so its language is not clear; keep one of them in a folder of its own",
        dir = dir.display()
    )]
    TwoProjects {
        /// The folder.
        dir: PathBuf,
        /// A file.
        one: &'static str,
        /// Another.
        other: &'static str,
    },
    /// A field of the project's file that does not fit.
    #[error("`{file}`: `{field}`: {reason}", file = file.display())]
    Field {
        /// The project's file.
        file: PathBuf,
        /// `tool.interlock.kind`
        field: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A project's file that cannot be read.
    #[error("`{file}` cannot be read: {reason}", file = file.display())]
    Unreadable {
        /// The project's file.
        file: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A compiler that is not here.
    #[error("{what} is not here, and {language} needs it; install it and try again:\n  {}", commands.join("\n  "))]
    Missing {
        /// What is missing.
        what: String,
        /// For which language.
        language: Language,
        /// What to type.
        commands: Vec<String>,
    },
    /// A program that cannot be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program that said no.
    #[error("{what} failed:\n{output}")]
    Failed {
        /// What it was to do.
        what: String,
        /// What it printed.
        output: String,
    },
    /// Compiled, but no component can be made of it.
    #[error("no component can be made of the compiled module: {reason}")]
    Component {
        /// Why not.
        reason: String,
    },
    /// A contract that cannot be used.
    #[error("`{path}` is no usable contract: {reason}", path = path.display())]
    Wit {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
