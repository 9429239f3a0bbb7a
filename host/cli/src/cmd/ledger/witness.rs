//! `interlock ledger witness`: a witness of other people's logs.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use interlock_ledger::{SigningKey, VerifyingKey, witness::KnownLogs};
use interlock_server::{Clock as _, SystemClock};
use interlock_witness::Witness;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{client::Failure, cmd::serve::stop_on_signal, output::Outcome};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// What the witness is called: an address without scheme, such as `witness.example.com/w1`.
    #[arg(long)]
    name: String,
    /// The file with its private key; made when there is none. Only its owner may read it.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The folder in which it remembers what it cosigned. Without it, it would cosign anything again.
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The public key of a log, or the file with it. May be given several times; other logs are unknown.
    #[arg(long, value_name = "VKEY", required = true)]
    log_key: Vec<String>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        interlock_server::serve::log_to_stderr();
        let logs = self.log_key.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>()?;
        let logs: KnownLogs = logs.into_iter().collect();
        let own = own_key(&self.name, &self.key_file)?;
        let clock = || u64::try_from(SystemClock.now().as_millis() / 1_000).unwrap_or_default();
        let witness = Witness::open(own, logs, self.state.clone(), Arc::new(clock))
            .map_err(|error| Failure::file(&self.state, &error))?;
        let listener = TcpListener::bind(self.listen).await.map_err(|error| {
            Failure::Local(format!("cannot listen on {}: {error}; is another server there?", self.listen))
        })?;
        // What logs and verifiers have to be given.
        sayln!("{}", witness.vkey().map_err(Failure::local)?);
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone()));
        let served = interlock_witness::serve(Arc::new(witness), listener, stop.cancelled_owned()).await;
        served.map_err(|error| Failure::Local(error.to_string()))?;
        Ok(Outcome::Done)
    }
}

fn key(text: &str) -> Result<VerifyingKey, Failure> {
    let text = fs::read_to_string(text).unwrap_or_else(|_| text.to_owned());
    text.trim().parse().map_err(|error| Failure::Usage(format!("--log-key: {error}")))
}

/// The witness's key, made when there is none.
fn own_key(name: &str, path: &Path) -> Result<SigningKey, Failure> {
    match fs::read(path) {
        Ok(pkcs8) => SigningKey::from_pkcs8(name, &pkcs8)
            .map_err(|error| Failure::Usage(format!("`{}`: {error}", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = SigningKey::generate(name).map_err(|error| Failure::Usage(error.to_string()))?;
            let pkcs8 = key.to_pkcs8().map_err(Failure::local)?;
            let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = made.and_then(|mut file| {
                file.write_all(&pkcs8)?;
                file.sync_all()
            });
            written.map_err(|error| Failure::file(path, &error))?;
            Ok(key)
        }
        Err(error) => Err(Failure::file(path, &error)),
    }
}
