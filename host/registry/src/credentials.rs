//! Names and passwords for registries.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thiserror::Error;

/// No file of credentials needs more.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// By host: what is sent as HTTP Basic to the registry, or to the token server that it names.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, String>);

/// Why a file of credentials cannot be used. Nothing of its content is said.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file.
    #[error("cannot read the registry credentials in `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not of the form.
    #[error(
        "`{path}` holds no registry credentials at line {line}: write `{{\"auths\":{{\"HOST\":{{\"auth\":\"BASE64 OF NAME:PASSWORD\"}}}}}}`, as `docker login` does"
    )]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where the parser stopped.
        line: usize,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
}

impl Credentials {
    /// Reads a file as `docker login`, `oras login` and `wkg` write it (`config.json`).
    ///
    /// # Errors
    /// When it cannot be read or is of another form.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        let path = path.as_ref();
        let read = |source| CredentialsError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(read)?.len() > FILE_BYTES_MAX {
            return Err(read(std::io::Error::other("larger than 1 MiB")));
        }
        let text = std::fs::read(path).map_err(read)?;
        let malformed = |line| CredentialsError::Malformed { path: path.to_owned(), line };
        let file: File = serde_json::from_slice(&text).map_err(|error| malformed(error.line()))?;
        let mut all = Self::default();
        for (host, Auth { auth }) in file.auths {
            // An entry without `auth` points to a helper program, which is not run.
            if !auth.is_empty() {
                STANDARD.decode(&auth).map_err(|_| malformed(0))?;
                let host = host.trim_start_matches("https://").trim_start_matches("http://");
                all.0.insert(host.split('/').next().unwrap_or_default().to_owned(), auth);
            }
        }
        Ok(all)
    }

    /// Adds a name and password for a host.
    pub fn add(&mut self, host: impl Into<String>, name: &str, password: &str) {
        self.0.insert(host.into(), STANDARD.encode(format!("{name}:{password}")));
    }

    /// The value of an `Authorization` header.
    pub(crate) fn basic(&self, host: &str) -> Option<String> {
        self.0.get(host).map(|auth| format!("Basic {auth}"))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_docker_login_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        std::fs::write(&file, r#"{"auths":{"https://registry.example/v2/":{"auth":"YTpzZWNyZXQ="},"h":{}}}"#)
            .unwrap();
        let read = Credentials::from_file(&file).unwrap();
        assert_eq!(read.basic("registry.example").unwrap(), "Basic YTpzZWNyZXQ=");
        assert_eq!(format!("{read:?}"), r#"{"registry.example"}"#);
        std::fs::write(&file, "{\n\"auths\": 7 secret").unwrap();
        let error = Credentials::from_file(&file).unwrap_err().to_string();
        assert!(error.contains("at line 2") && !error.contains("secret"), "{error}");
    }
}
