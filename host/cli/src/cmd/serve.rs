//! `interlock serve`

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use interlock_server::{App, Config, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{client::Failure, output::Outcome};

/// Run the server.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, short, env = "INTERLOCK_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen; overrides the file.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where everything is kept; overrides the file.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The folder with the plugins; overrides the file.
    #[arg(long)]
    plugins_dir: Option<PathBuf>,
    /// Check the configuration, print it with secrets masked, and stop.
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<Outcome, Failure> {
        let config = self.config()?;
        if self.check {
            sayln!("{}", config.shown());
            return Ok(Outcome::Done);
        }
        interlock_server::serve::log_to_stdout();
        let address = config.server.listen;
        let app = App::open(config, Arc::new(SystemClock)).await.map_err(Failure::local)?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::Local(format!("cannot listen on {address}: {error}; is another server there?"))
        })?;
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone()));
        interlock_server::serve::serve(app, listener, stop).await.map_err(Failure::local)?;
        Ok(Outcome::Done)
    }

    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::read(self.config.as_deref()).map_err(Failure::local)?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(data_dir) = &self.data_dir {
            config.server.data_dir.clone_from(data_dir);
        }
        if let Some(plugins_dir) = &self.plugins_dir {
            config.plugins.dir.clone_from(plugins_dir);
        }
        config.checked().map_err(Failure::local)
    }
}

/// Stops at Ctrl-C, and at the signal that service managers send.
pub(super) async fn stop_on_signal(stop: CancellationToken) {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    stop.cancel();
}
