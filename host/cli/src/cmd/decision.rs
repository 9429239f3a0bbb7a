//! `interlock decision`

use clap::Subcommand;
use interlock_domain::{Timestamp, in_address};
use interlock_policy::Explanation;
use serde_json::{Value, json};

use super::plugin::decisions::since;
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Decision {
    /// List decisions, newest first.
    List {
        /// Only about this change.
        #[arg(long)]
        change: Option<String>,
        /// Only with this outcome: `allow` or `deny` of the policies, `answered` or `failed` of a plugin.
        #[arg(long, value_parser = ["allow", "deny", "answered", "failed"])]
        outcome: Option<String>,
        /// Only the answers of this plugin.
        #[arg(long, value_name = "NAME", value_parser = plugin_name)]
        plugin: Option<String>,
        /// Only about this account, person or plugin; of an application's questions, this subject, as `type:id`.
        #[arg(long, value_name = "ID")]
        principal: Option<String>,
        /// Only about the resource with this id; of an application's questions, as `type:id`.
        #[arg(long, value_name = "ID")]
        resource: Option<String>,
        /// Only about this action, such as `AdmitChange`.
        #[arg(long, value_name = "NAME")]
        action: Option<String>,
        /// Only those that the policy with this `@id` decided.
        #[arg(long, value_name = "ID")]
        policy: Option<String>,
        /// Only the answers of the bundle or application with this digest.
        #[arg(long, value_name = "DIGEST")]
        bundle: Option<String>,
        /// Only those since then: `7d`, `12h`, or a time.
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Timestamp>,
        /// At most so many.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show a decision with all that led to it.
    Show {
        /// Its id.
        id: String,
    },
    /// Say why a decision of policies is what it is: every policy of the action, clause by clause, with what came of each.
    Explain {
        /// Its id.
        id: String,
    },
    /// Execute a decision again. Exit code 3 when the answer differs.
    Replay {
        /// Its id.
        id: String,
    },
}

/// It becomes part of an address.
pub(crate) fn plugin_name(text: &str) -> Result<String, String> {
    let fits =
        !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if fits { Ok(text.to_owned()) } else { Err("a plugin's name is lower-case with dashes".to_owned()) }
}

impl Decision {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Decision::List {
                change,
                outcome,
                plugin,
                principal,
                resource,
                action,
                policy,
                bundle,
                since,
                limit,
            } => {
                let since = since.map(|since| since.to_string());
                let filters = [
                    ("change", change),
                    ("outcome", outcome),
                    ("plugin", plugin),
                    ("principal", principal),
                    ("resource", resource),
                    ("action", action),
                    ("policy", policy),
                    ("bundle", bundle),
                    ("since", since),
                ];
                let given = filters
                    .into_iter()
                    .filter_map(|(name, value)| Some(format!("{name}={}", in_address(&value?))));
                let path = format!("/decisions?{}", given.collect::<Vec<_>>().join("&"));
                let items = client.list(path.trim_end_matches('?'), limit as usize).await?;
                let columns = [
                    ("ID", "/id"),
                    ("AT", "/at"),
                    ("OUTCOME", "/outcome"),
                    ("KIND", "/subject/type"),
                    ("PLUGIN", "/subject/name"),
                    ("FUNCTION", "/subject/function"),
                    ("ACTION", "/subject/question/action"),
                    ("MICROSECONDS", "/elapsed_us"),
                ];
                output::list(&items, &columns, format)?;
            }
            Decision::Show { id } => {
                let body = client.get(&format!("/decisions/{id}")).await?.body;
                output::value(&body, format)?;
            }
            Decision::Explain { id } => {
                let body = client.get(&format!("/decisions/{id}/explain")).await?.body;
                match format {
                    Format::Table => {
                        let explanation: Explanation =
                            serde_json::from_value(body).map_err(Failure::local)?;
                        say!("{}", explanation.tree());
                    }
                    Format::Json | Format::Yaml => output::value(&body, format)?,
                }
            }
            Decision::Replay { id } => {
                let body = client.post(&format!("/decisions/{id}/replay"), &json!({})).await?.body;
                let fields = [
                    ("decision", "/decision"),
                    ("identical", "/identical"),
                    ("differences", "/differences"),
                    ("fuel", "/fuel"),
                ];
                output::record(&body, &fields, format)?;
                if body.get("identical").and_then(Value::as_bool) != Some(true) {
                    return Ok(Outcome::Unverified);
                }
            }
        }
        Ok(Outcome::Done)
    }
}
