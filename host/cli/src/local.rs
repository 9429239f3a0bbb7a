//! Working on the server's own data folder instead of asking the server.

use std::path::PathBuf;

use interlock_server::{Config, config::ConfigError};

/// Whether to, and where it is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Local {
    /// Work on the data folder of this machine instead of asking the server.
    #[arg(long)]
    pub(crate) local: bool,
    /// The server's configuration file, for --local.
    #[arg(long, env = "INTERLOCK_CONFIG")]
    config: Option<PathBuf>,
    /// The server's data folder, for --local.
    #[arg(long)]
    data_dir: Option<PathBuf>,
}

impl Local {
    /// In this folder.
    #[cfg(test)]
    pub(crate) fn at(data_dir: &std::path::Path) -> Self {
        Self { local: true, config: None, data_dir: Some(data_dir.to_owned()) }
    }

    /// The configuration of the server whose data it is, not checked yet.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::read(self.config.as_deref())?;
        if let Some(data_dir) = &self.data_dir {
            config.server.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }
}
