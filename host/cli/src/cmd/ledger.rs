//! `interlock ledger`

use std::{path::PathBuf, sync::Arc};

use clap::Subcommand;
use interlock_server::{App, Config, SystemClock, flow::ledger};
use serde_json::{Value, json};

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Re-hash every entry, check chain, root and signatures, rebuild every change. Exit code 3 when something is wrong.
    Verify {
        /// Verify the database of this data folder instead of asking the server.
        #[arg(long)]
        local: bool,
        /// The server's configuration file, for --local.
        #[arg(long, env = "INTERLOCK_CONFIG")]
        config: Option<PathBuf>,
        /// The server's data folder, for --local.
        #[arg(long)]
        data_dir: Option<PathBuf>,
    },
    /// Print the newest signed checkpoint.
    Checkpoint,
}

impl Ledger {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Ledger::Verify { local, config, data_dir } => {
                let body = if local {
                    verify_locally(connection, config, data_dir).await?
                } else {
                    connection.client()?.post("/ledger/verify", &json!({})).await?.body
                };
                report(&body, format)
            }
            Ledger::Checkpoint => {
                let body = connection.client()?.get("/ledger/checkpoint").await?.body;
                print!("{}", body.as_str().unwrap_or_default());
                Ok(Outcome::Done)
            }
        }
    }
}

fn report(body: &Value, format: Format) -> Result<Outcome, Failure> {
    let fields = [
        ("sound", "/sound"),
        ("entries", "/entries"),
        ("root", "/root"),
        ("changes rebuilt", "/changes_rebuilt"),
    ];
    output::record(body, &fields, format)?;
    if format == Format::Table {
        for finding in body.get("findings").and_then(Value::as_array).into_iter().flatten() {
            let index = output::at(finding, "/index");
            let place = if index.is_empty() { "log".to_owned() } else { format!("entry {index}") };
            println!(
                "{place}: {}; expected {}, found {}",
                output::at(finding, "/what"),
                output::at(finding, "/expected"),
                output::at(finding, "/found")
            );
        }
    }
    let sound = body.get("sound").and_then(Value::as_bool) == Some(true);
    Ok(if sound { Outcome::Done } else { Outcome::Unverified })
}

async fn verify_locally(
    connection: &Connection,
    config: Option<PathBuf>,
    data_dir: Option<PathBuf>,
) -> Result<Value, Failure> {
    let mut config = Config::read(config.as_deref()).map_err(Failure::local)?;
    if let Some(data_dir) = data_dir {
        config.server.data_dir = data_dir;
    }
    config.plugins.dir = PathBuf::from("/nonexistent");
    let config = config.checked().map_err(Failure::local)?;
    let app = App::open(config, Arc::new(SystemClock)).await.map_err(Failure::local)?;
    let verification = ledger::verify_log(&app, &connection.tenant).await.map_err(Failure::local)?;
    app.store.close().await;
    serde_json::to_value(verification).map_err(Failure::local)
}
