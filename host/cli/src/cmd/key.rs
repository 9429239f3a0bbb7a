//! `interlock key`

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;
use interlock_domain::{AccountKind, Environment, Network, PersonId, Role, RoleGrant, Scope, TenantId};
use interlock_server::{App, SystemClock, flow::key};
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    confirm::Confirm,
    local::Local,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key. With --local it is made in the data folder, which is how a tenant gets its first one.
    Create(Box<Create>),
    /// List keys.
    List,
    /// Make a key like another one. Both work until you revoke the old one, or it expires.
    Rotate {
        /// The id of the old one.
        id: String,
        /// How long the new one works, in days, at most 90; as long as the old one did without.
        #[arg(long)]
        expires_in_days: Option<u64>,
    },
    /// Revoke a key at once and for good. Asks.
    Revoke {
        /// Its id.
        id: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

/// What a key is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// What the person or program is called. The same name gets further keys for the same account.
    #[arg(long)]
    name: String,
    /// A role, or `role@environment`; may be repeated. An account that is there keeps its own.
    #[arg(long = "role", value_parser = role_grant)]
    roles: Vec<RoleGrant>,
    /// For a further account of somebody who has one: the person, as `interlock account list` shows it.
    #[arg(long, conflicts_with = "service")]
    person: Option<PersonId>,
    /// For a program: the person who answers for it, as `interlock account list` shows it.
    #[arg(long, requires = "service", required_if_eq("service", "true"))]
    owner: Option<PersonId>,
    /// End the account's other keys. Needed for one that approves or administers, which then waits for a second
    /// administrator and for 24 hours.
    #[arg(long)]
    reset: bool,
    /// What the key may be used for; may be repeated.
    #[arg(long = "scope", default_values = ["read", "write"])]
    scopes: Vec<Scope>,
    /// How long it works, in days, at most 90.
    #[arg(long, default_value_t = 30)]
    expires_in_days: u64,
    /// The key is for a program, which can never approve.
    #[arg(long)]
    service: bool,
    /// What the key is for.
    #[arg(long, default_value = "")]
    label: String,
    /// Where it may be used from, as `10.0.0.0/8` or one address; may be repeated. Anywhere without.
    #[arg(long = "network")]
    networks: Vec<Network>,
    /// Register a key that signs requests instead of being sent: the file with its public half, PEM. Use it with
    /// --signing-key and, as --key, its id.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    #[command(flatten)]
    local: Local,
}

pub(crate) fn role_grant(text: &str) -> Result<RoleGrant, String> {
    let (role, environment) = match text.split_once('@') {
        Some((role, environment)) => (role, Some(environment)),
        None => (text, None),
    };
    let role: Role = role.parse().map_err(|error: interlock_domain::IdError| error.to_string())?;
    let environment =
        environment.map(|name| name.parse::<Environment>()).transpose().map_err(|error| error.to_string())?;
    Ok(RoleGrant { role, environment })
}

impl Key {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Key::Create(create) => {
                let Create {
                    name,
                    roles,
                    person,
                    owner,
                    reset,
                    scopes,
                    expires_in_days,
                    service,
                    label,
                    networks,
                    public,
                    local,
                } = *create;
                let public_key = public.map(|file| read_public(&file)).transpose()?;
                let kind = if service { AccountKind::Service } else { AccountKind::User };
                let expires_in_ms = expires_in_days.saturating_mul(24 * 3_600_000);
                let request = key::KeyRequest {
                    name,
                    kind,
                    roles,
                    person,
                    owner,
                    reset,
                    scopes,
                    expires_in_ms,
                    label,
                    networks,
                    public_key,
                };
                let made = if local.local {
                    create_locally(connection, request, &local).await?
                } else {
                    let body = serde_json::to_value(&request).map_err(Failure::local)?;
                    connection.client()?.post("/keys", &body).await?.body
                };
                show(&made, format)?;
            }
            Key::List => {
                let items = connection.client()?.list("/keys", 1_000).await?;
                let columns = [
                    ("ID", "/id"),
                    ("ACCOUNT", "/account"),
                    ("SCOPES", "/scopes"),
                    ("EXPIRES", "/expires_at"),
                    ("REVOKED", "/revoked_at"),
                    ("LAST USED", "/last_used_at"),
                    ("NETWORKS", "/networks"),
                    ("LABEL", "/label"),
                ];
                output::list(&items, &columns, format)?;
            }
            Key::Rotate { id, expires_in_days } => {
                let rotation = key::Rotation {
                    expires_in_ms: expires_in_days.map(|days| days.saturating_mul(24 * 3_600_000)),
                };
                let body = serde_json::to_value(&rotation).map_err(Failure::local)?;
                let made = connection.client()?.post(&format!("/keys/{id}/rotate"), &body).await?.body;
                show(&made, format)?;
                if format == Format::Table {
                    eprintln!("The old one still works. Once nothing uses it: `interlock key revoke {id}`.");
                }
            }
            Key::Revoke { id, confirm } => {
                let client = connection.client()?;
                confirm.ask(&format!("revoke key `{id}`"))?;
                let body = client.delete(&format!("/keys/{id}")).await?.body;
                output::record(&body, &[("id", "/id"), ("revoked", "/revoked_at")], format)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn read_public(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("cannot read `{}`: {error}", file.display())))
}

fn show(made: &serde_json::Value, format: Format) -> Result<(), Failure> {
    let fields = [
        ("key", "/key"),
        ("id", "/id"),
        ("account", "/account"),
        ("person", "/person"),
        ("expires", "/expires_at"),
    ];
    output::record(made, &fields, format)?;
    if format == Format::Table {
        if made.get("key").is_some_and(|key| !key.is_null()) {
            eprintln!("Keep the key safe: it cannot be shown again.");
        }
        if made.pointer("/hold").is_some_and(|hold| !hold.is_null()) {
            let account = output::at(made, "/account");
            eprintln!(
                "It neither approves nor administers before another administrator confirms it \
                 (`interlock account confirm {account}`); after a reset, not for 24 hours either."
            );
        }
    }
    Ok(())
}

async fn create_locally(
    connection: &Connection,
    request: key::KeyRequest,
    local: &Local,
) -> Result<serde_json::Value, Failure> {
    let tenant: TenantId = connection.tenant.parse().map_err(Failure::local)?;
    let mut config = local.config().map_err(Failure::local)?;
    // No plugin is needed to make a key, and compiling them would only take time.
    config.plugins.dir = PathBuf::from("/nonexistent");
    let config = config.checked().map_err(Failure::local)?;
    let app = App::open(config, Arc::new(SystemClock)).await.map_err(Failure::local)?;
    let made = key::create_locally(&app, &tenant, request).await.map_err(Failure::local)?;
    app.store.close().await;
    Ok(json!({
        "key": made.text,
        "id": made.credential.id,
        "account": made.account.id,
        "person": made.account.person,
        "scopes": made.credential.scopes,
        "expires_at": made.credential.expires_at,
    }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        key: Key,
    }

    fn parses(words: &str) -> bool {
        let words = format!("interlock create --name ci {words}");
        Line::try_parse_from(words.split_whitespace()).is_ok()
    }

    #[test]
    fn a_program_needs_an_owner_and_a_person_has_none() {
        let person = PersonId::new(uuid::Uuid::from_u128(1));
        assert!(parses("--role viewer"));
        assert!(parses(&format!("--role viewer --person {person}")));
        assert!(parses(&format!("--service --owner {person}")));
        assert!(!parses("--service"), "nobody answers for it");
        assert!(!parses(&format!("--owner {person}")), "a person answers for themselves");
        assert!(!parses(&format!("--service --owner {person} --person {person}")));
    }
}
