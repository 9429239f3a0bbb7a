//! Where components are published, as the command line names it.

use std::{collections::BTreeSet, path::Path, path::PathBuf, time::Duration};

use clap::Args;
use interlock_registry::{Credentials, Options, Pulled, Reference, Registry};

use crate::client::Failure;

/// How registries are spoken to.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// A registry without TLS, as references write it, such as `127.0.0.1:5000`; may be repeated.
    #[arg(long, value_name = "HOST", env = "INTERLOCK_REGISTRY_PLAIN_HTTP", value_delimiter = ',')]
    plain_http: Vec<String>,
    /// Names and passwords for registries: a `config.json` as `docker login` and `oras login` write it.
    #[arg(long, value_name = "FILE", env = "INTERLOCK_REGISTRY_CREDENTIALS")]
    credentials: Option<PathBuf>,
    /// How long a push or pull may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Place {
    pub(super) fn registry(&self, size_bytes_max: u64) -> Result<Registry, Failure> {
        let credentials = match &self.credentials {
            Some(file) => Credentials::from_file(file).map_err(|error| Failure::Usage(error.to_string()))?,
            None => Credentials::default(),
        };
        let options = Options {
            plain_http: self.plain_http.iter().cloned().collect::<BTreeSet<_>>(),
            credentials,
            timeout: Duration::from_secs(self.timeout),
            size_bytes_max,
            ..Options::default()
        };
        Registry::new(options).map_err(Failure::local)
    }

    /// A file or a reference, with its envelopes.
    pub(super) async fn fetch(&self, named: &str) -> Result<Pulled, Failure> {
        let limits = interlock_sandbox::Limits::default();
        let registry = self.registry(limits.component_bytes_max)?;
        registry.pull(&reference(named)?).await.map_err(Failure::local)
    }
}

/// Whether a text names a component in a registry or folder and not a file.
pub(super) fn is_reference(named: &str) -> bool {
    !Path::new(named).is_file() && named.parse::<Reference>().is_ok()
}

/// What a text names: an existing file is one whatever else it could mean.
pub(super) fn reference(named: &str) -> Result<Reference, Failure> {
    let file = Path::new(named);
    if file.is_file() {
        return Ok(Reference::Folder { file: file.to_owned(), digest: None });
    }
    named.parse().map_err(|error| Failure::Usage(format!("there is no file `{named}`; {error}")))
}
