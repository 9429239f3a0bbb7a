//! `interlock gate`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use interlock_domain::{Engine, GateName, GateQuestion, PersonId, object_content};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Connection, Failure},
    confirm::Confirm,
    output::{self, Format, Outcome},
};

/// What a gate asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum About {
    /// The change that the request names.
    Change,
    /// What the policies of the tenant's application say.
    Access,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Gate {
    /// Make a gate that another engine asks. Prints its token and address, this once.
    Create {
        /// What it is called: 1 to 63 of a-z, 0-9 and -.
        name: GateName,
        /// Who asks: flagger, argo, kayenta or kubernetes.
        #[arg(long)]
        engine: Engine,
        /// What it asks about.
        #[arg(long, value_enum, default_value_t = About::Change)]
        about: About,
        /// What Kubernetes lets in must be among the change's artifacts, by digest.
        #[arg(long)]
        content: bool,
        /// The person who answers for it, as `interlock account list` shows it; you when left out.
        #[arg(long)]
        owner: Option<PersonId>,
        /// How long its token works, in days, at most 90 unless the operator says otherwise.
        #[arg(long, default_value_t = 90)]
        expires_in_days: u64,
    },
    /// List gates.
    List,
    /// Revoke a gate at once and for good. Asks.
    Revoke {
        /// Its name.
        name: GateName,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Send a gate what its engine would send, with your own key, and show what it answers. Exit code 1 when it is no yes.
    Try {
        /// Its name.
        name: GateName,
        /// What comes after the gate's address: `flagger/confirm-promotion`, `argo`, `kubernetes`, `kayenta/judge`.
        path: String,
        /// The body, as JSON.
        file: PathBuf,
    },
    /// Print what an object of Kubernetes holds, in the one form whose digest a gate with --content compares: push it as an
    /// artifact.
    Content {
        /// The object, as JSON.
        file: PathBuf,
    },
}

const FIELDS: [output::Column; 7] = [
    ("name", "/name"),
    ("id", "/id"),
    ("engine", "/engine"),
    ("asks", "/question"),
    ("expires", "/expires_at"),
    ("token", "/token"),
    ("url", "/url"),
];

impl Gate {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Gate::Create { name, engine, about, content, owner, expires_in_days } => {
                let question = match about {
                    About::Change => GateQuestion::Change { content },
                    About::Access if content => {
                        let detail = "--content compares with a change; leave it out, or ask --about change";
                        return Err(Failure::Usage(detail.to_owned()));
                    }
                    About::Access => GateQuestion::Access,
                };
                let mut body = json!({
                    "name": name, "engine": engine, "question": question,
                    "expires_in_ms": expires_in_days.saturating_mul(24 * 3_600_000),
                });
                if let Some(owner) = owner {
                    body["owner"] = json!(owner);
                }
                let made = connection.client()?.post("/gates", &body).await?.body;
                output::record(&made, &FIELDS, format)?;
                if format == Format::Table {
                    eprintln!("Keep the token and the address safe: they cannot be shown again.");
                }
                Ok(Outcome::Done)
            }
            Gate::List => {
                let items = connection.client()?.list("/gates", 1_000).await?;
                let columns = [
                    ("NAME", "/name"),
                    ("ENGINE", "/engine"),
                    ("ASKS", "/question/about"),
                    ("EXPIRES", "/expires_at"),
                    ("REVOKED", "/revoked_at"),
                    ("ID", "/id"),
                ];
                output::list(&items, &columns, format)?;
                Ok(Outcome::Done)
            }
            Gate::Revoke { name, confirm } => {
                let client = connection.client()?;
                confirm.ask(&format!("revoke gate `{name}`"))?;
                let body = client.delete(&format!("/gates/{name}")).await?.body;
                output::record(&body, &[("name", "/name"), ("revoked", "/revoked_at")], format)?;
                Ok(Outcome::Done)
            }
            Gate::Try { name, path, file } => attempt(connection, &name, &path, &read(&file)?, format).await,
            Gate::Content { file } => {
                let content = object_content(&read(&file)?).map_err(Failure::Local)?;
                output::bytes(&content);
                Ok(Outcome::Done)
            }
        }
    }
}

async fn attempt(
    connection: &Connection,
    name: &GateName,
    path: &str,
    body: &Value,
    format: Format,
) -> Result<Outcome, Failure> {
    let path = path.trim_matches('/');
    let request = connection.client()?.request(Method::POST, &format!("/gates/{name}/{path}")).json(body);
    let answer = request.send().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
    let said: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    output::value(&json!({ "status": status, "answer": said }), format)?;
    Ok(if is_yes(status, &said) { Outcome::Done } else { Outcome::Refused })
}

/// Whether an engine would take this for a yes.
fn is_yes(status: u16, said: &Value) -> bool {
    let allowed = said.pointer("/response/allowed").and_then(Value::as_bool);
    let decision = said.get("decision").and_then(Value::as_str).map(|decision| decision == "allow");
    let judged = said.pointer("/score/classification").and_then(Value::as_str).map(|class| class == "Pass");
    (200..=202).contains(&status) && allowed.or(decision).or(judged).unwrap_or(true)
}

fn read(file: &PathBuf) -> Result<Value, Failure> {
    let said = |error: &dyn std::fmt::Display| Failure::Usage(format!("`{}`: {error}", file.display()));
    let text = std::fs::read(file).map_err(|error| said(&error))?;
    serde_json::from_slice(&text).map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_what_the_engine_takes_for_one() {
        for (status, said, yes) in [
            (200, json!("allow: …"), true),
            (403, json!("deny: …"), false),
            (204, json!(""), false),
            (200, json!({ "decision": "allow" }), true),
            (200, json!({ "decision": "pending" }), false),
            (200, json!({ "response": { "allowed": false } }), false),
            (200, json!({ "response": { "allowed": true } }), true),
            (200, json!({ "score": { "classification": "Marginal" } }), false),
        ] {
            assert_eq!(is_yes(status, &said), yes, "{status} {said}");
        }
    }
}
