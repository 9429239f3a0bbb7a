//! `interlock device`

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    confirm::Confirm,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// List devices.
    List {
        /// Only in this environment.
        #[arg(long)]
        environment: Option<String>,
        /// Only in this group.
        #[arg(long)]
        group: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Show a device.
    Show {
        /// Its id.
        id: String,
    },
    /// Register a device. Its token is shown once.
    Register {
        /// As the device names itself.
        id: String,
        /// In which environment.
        #[arg(long)]
        environment: String,
        /// Hardware model.
        #[arg(long)]
        model: String,
        /// Where it stands.
        #[arg(long, default_value = "")]
        site: String,
    },
    /// Take a device to another environment. Out of a guarded one only administrators take it.
    Move {
        /// Its id.
        id: String,
        /// The environment that it is in from now on.
        #[arg(long)]
        to: String,
    },
    /// Take a device out of service for good. Asks.
    Retire {
        /// Its id.
        id: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("environment", "/environment"),
    ("model", "/model"),
    ("site", "/site"),
    ("groups", "/groups"),
    ("state", "/state"),
    ("firmware", "/firmware"),
    ("health", "/health"),
    ("last seen", "/last_seen"),
    ("token", "/token"),
];

impl Device {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Device::List { environment, group, limit } => {
                let filters: Vec<String> = [("environment", environment), ("group", group)]
                    .into_iter()
                    .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
                    .collect();
                let path = if filters.is_empty() {
                    "/devices".to_owned()
                } else {
                    format!("/devices?{}", filters.join("&"))
                };
                let items = client.list(&path, limit).await?;
                let columns = [
                    ("ID", "/id"),
                    ("ENVIRONMENT", "/environment"),
                    ("MODEL", "/model"),
                    ("SITE", "/site"),
                    ("FIRMWARE", "/firmware"),
                    ("HEALTH", "/health"),
                    ("STATE", "/state"),
                ];
                output::list(&items, &columns, format)?;
            }
            Device::Show { id } => {
                output::record(&client.get(&format!("/devices/{id}")).await?.body, FIELDS, format)?;
            }
            Device::Register { id, environment, model, site } => {
                let body = json!({ "id": id, "environment": environment, "model": model, "site": site });
                output::record(&client.post("/devices", &body).await?.body, FIELDS, format)?;
            }
            Device::Move { id, to } => {
                let path = format!("/devices/{id}");
                let request = client.request(Method::PATCH, &path).json(&json!({ "environment": to }));
                output::record(&client.send(request).await?.body, FIELDS, format)?;
            }
            Device::Retire { id, confirm } => {
                confirm.ask(&format!("retire device `{id}`"))?;
                output::record(&client.delete(&format!("/devices/{id}")).await?.body, FIELDS, format)?;
            }
        }
        Ok(Outcome::Done)
    }
}
