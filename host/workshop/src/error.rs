//! Why a file cannot be used.

use thiserror::Error;

/// Why cases or an input cannot be used. The path names the field: `cases[2].expect.outcome`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkshopError {
    /// The file cannot be read.
    #[error("`{path}`: {source}")]
    File {
        /// Which file or folder.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Its name does not say what it is.
    #[error("`{path}`: name it `.yaml`, `.yml`, `.toml` or `.json`, so that it is clear how to read it")]
    Extension {
        /// Which file.
        path: String,
    },
    /// Not what its name says.
    #[error("`{file}` is not valid {format}: {reason}")]
    Syntax {
        /// Which file.
        file: String,
        /// YAML, TOML or JSON.
        format: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// A field that does not fit.
    #[error("`{file}`: `{path}`: {reason}")]
    Field {
        /// Which file.
        file: String,
        /// The way to the field.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl WorkshopError {
    pub(crate) fn field(file: &str, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { file: file.to_owned(), path: path.into(), reason: reason.into() }
    }
}
