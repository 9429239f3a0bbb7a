//! `interlock account`

use clap::Subcommand;
use interlock_domain::RoleGrant;
use reqwest::Method;
use serde_json::{Value, json};

use super::key::role_grant;
use crate::{
    client::{Client, Connection, Failure},
    confirm::Confirm,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// List accounts and the persons behind them.
    List,
    /// Give an account these roles and no others. The first one that approves or administers ends its keys, its login and its names.
    Roles {
        /// Its id.
        id: String,
        /// A role, or `role@environment`; may be repeated, and is left out to take all away.
        #[arg(long = "role", value_parser = role_grant)]
        roles: Vec<RoleGrant>,
    },
    /// Say, as the second administrator, that an account is in the right hands. Shows what was handed out; ask the person before.
    Confirm {
        /// Its id.
        id: String,
        /// The digest of what was handed out, when you have read it already; without it, it is shown and asked about.
        #[arg(long)]
        digest: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Invite the person of an account to set by what they log in. Prints the code, this once; what they logged in with before
    /// ends.
    Invite {
        /// Its id.
        id: String,
    },
    /// End an account at once, with its keys, its login and its names. What it approved no longer counts.
    Deactivate {
        /// Its id.
        id: String,
    },
    /// Link a name that an identity provider has for somebody: their tokens act through the account from then on.
    Link {
        /// The account's id.
        id: String,
        /// The provider: `iss` in its tokens.
        #[arg(long)]
        issuer: String,
        /// Its name for them: `sub`, or whichever claim is configured.
        #[arg(long)]
        subject: String,
    },
    /// Take such a link away.
    Unlink {
        /// The link's id, as `account names` shows it.
        name: String,
    },
    /// List the names that identity providers have for whoever acts through an account.
    Names {
        /// The account's id.
        id: String,
    },
    /// Let an account act again. It needs a new key or invitation.
    Activate {
        /// Its id.
        id: String,
    },
}

const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("kind", "/kind"),
    ("person", "/person"),
    ("roles", "/roles"),
    ("active", "/active"),
    ("handed out by", "/hold/by"),
    ("confirmed by", "/hold/confirmed_by"),
    ("held until", "/hold/until"),
];

const NAME: &[output::Column] = &[
    ("id", "/id"),
    ("account", "/account"),
    ("issuer", "/issuer"),
    ("name", "/subject"),
    ("linked", "/linked_at"),
];

impl Account {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let verb = match self {
            Account::List => {
                let mut items = client.list("/accounts", 10_000).await?;
                items.iter_mut().for_each(|account| readable(account, format));
                let columns = [
                    ("ID", "/id"),
                    ("NAME", "/name"),
                    ("KIND", "/kind"),
                    ("PERSON", "/person"),
                    ("ROLES", "/roles"),
                    ("ACTIVE", "/active"),
                    ("HANDED OUT BY", "/hold/by"),
                    ("CONFIRMED BY", "/hold/confirmed_by"),
                    ("OWNER ACTIVE", "/owner_active"),
                ];
                output::list(&items, &columns, format)?;
                return Ok(Outcome::Done);
            }
            Account::Roles { id, roles } => {
                let path = format!("/accounts/{id}/roles");
                let request = client.request(Method::PUT, &path).json(&json!({ "roles": roles }));
                show(client.send(request).await?.body, format)?;
                return Ok(Outcome::Done);
            }
            Account::Invite { id } => {
                let body = client.post(&format!("/accounts/{id}/enrolment"), &json!({})).await?.body;
                let fields = [("code", "/code"), ("account", "/account"), ("until", "/expires_at")];
                output::record(&body, &fields, format)?;
                return Ok(Outcome::Done);
            }
            Account::Link { id, issuer, subject } => {
                let request = json!({ "issuer": issuer, "subject": subject });
                let linked = client.post(&format!("/accounts/{id}/subjects"), &request).await?.body;
                output::record(&linked, NAME, format)?;
                return Ok(Outcome::Done);
            }
            Account::Unlink { name } => {
                let gone = client.delete(&format!("/subjects/{name}")).await?.body;
                output::record(&gone, NAME, format)?;
                return Ok(Outcome::Done);
            }
            Account::Names { id } => {
                let body = client.get(&format!("/accounts/{id}/subjects")).await?.body;
                let items = body["items"].as_array().cloned().unwrap_or_default();
                let columns =
                    [("ID", "/id"), ("ISSUER", "/issuer"), ("NAME", "/subject"), ("LINKED", "/linked_at")];
                output::list(&items, &columns, format)?;
                return Ok(Outcome::Done);
            }
            Account::Confirm { id, digest, yes } => {
                let digest = match digest {
                    Some(digest) => digest,
                    None => read(&client, &id, Confirm { yes }).await?,
                };
                let request = json!({ "digest": digest });
                let body = client.post(&format!("/accounts/{id}/confirm"), &request).await?.body;
                show(body, format)?;
                return Ok(Outcome::Done);
            }
            Account::Deactivate { id } => format!("{id}/deactivate"),
            Account::Activate { id } => format!("{id}/activate"),
        };
        let body = client.post(&format!("/accounts/{verb}"), &json!({})).await?.body;
        show(body, format)?;
        Ok(Outcome::Done)
    }
}

/// Shows what was handed out, and asks. What is confirmed is what is shown here, whatever somebody hands out meanwhile.
async fn read(client: &Client, id: &str, confirm: Confirm) -> Result<String, Failure> {
    let items = client.list("/accounts", 10_000).await?;
    let found = items.into_iter().find(|account| account["id"] == id);
    let mut account = found.ok_or_else(|| Failure::Refused(format!("there is no account `{id}`")))?;
    let Some(digest) = account["hold"]["digest"].as_str().map(str::to_owned) else {
        return Err(Failure::Refused(format!("nothing of `{id}` waits to be confirmed")));
    };
    readable(&mut account, Format::Table);
    // Not to stdout, which holds the answer alone.
    for (name, pointer) in FIELDS {
        eprintln!("{name:>14}  {}", output::at(&account, pointer));
    }
    eprintln!("{:>14}  {digest}", "digest");
    confirm.ask("confirm that this is in the hands of the person whose it is")?;
    Ok(digest)
}

fn show(mut account: Value, format: Format) -> Result<(), Failure> {
    readable(&mut account, format);
    output::record(&account, FIELDS, format)
}

/// For people, roles as they are given on the command line: `viewer@staging`.
fn readable(account: &mut Value, format: Format) {
    if format != Format::Table {
        return;
    }
    for grant in account["roles"].as_array_mut().into_iter().flatten() {
        let role = grant["role"].as_str().unwrap_or_default();
        *grant = match grant["environment"].as_str() {
            Some(environment) => format!("{role}@{environment}").into(),
            None => role.into(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_roles_as_they_write_them() {
        let grants = json!([{ "role": "viewer", "environment": "staging" }, { "role": "auditor" }]);
        let mut account = json!({ "id": "acc_1", "roles": grants });
        readable(&mut account, Format::Json);
        assert_eq!(account["roles"], grants, "programs read what the API says");
        readable(&mut account, Format::Table);
        assert_eq!(output::at(&account, "/roles"), "viewer@staging, auditor");
    }
}
