//! `interlock change`

mod levels;
pub(crate) mod sheet;
mod sign;
mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};
use interlock_domain::State as ChangeState;
use serde_json::{Value, json};

use crate::{
    client::{Client, Connection, Failure},
    confirm::Confirm,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Change {
    /// Propose a change: from a file, or a release from flags. `interlock plugin activate` and its like propose plugin changes.
    Propose(Proposal),
    /// List changes, newest first.
    List {
        /// Only in this state.
        #[arg(long)]
        state: Option<String>,
    },
    /// Show all that a change would do, and how far it has come.
    Show {
        /// Its id.
        id: String,
    },
    /// Say yes to a change as it is now. Shows all that it would do, and asks.
    Approve {
        #[command(flatten)]
        answer: Answer,
        /// The one stage of the rollout that it is for, counted from 0; for the whole change when absent.
        #[arg(long)]
        stage: Option<u32>,
        /// The delegation under which you approve; with your own roles when absent.
        #[arg(long)]
        delegation: Option<String>,
    },
    /// Say no to a change as it is now. Shows all that it would do, and asks.
    Reject(Answer),
    /// Sign a change with your password and, the first time, a code; that approves or rejects it. Shows what you sign. Log in
    /// first: `interlock login`.
    Sign(sign::Sign),
    /// List the electronic signatures of a change, or write them into a folder.
    Signatures(sign::Signatures),
    /// In an emergency, and together with a second person, let a change proceed without the approvals that are missing. One of the
    /// two holds clinical safety or regulatory. It opens an incident. Shows all that the change would do, and asks.
    BreakGlass(Answer),
    /// Withdraw a change.
    Cancel(Because),
    /// Stop a rollout where it is.
    Pause(Because),
    /// Let a paused rollout go on.
    Resume(Because),
    /// Leave a stage without waiting for its hold time.
    Promote(Because),
    /// Send every touched target back, also after the change completed.
    Rollback(Because),
    /// Say why a change is where it is, and what would move it.
    Explain {
        /// Its id.
        id: String,
    },
    /// Watch a change until it ends, or gets where you want it. Exit code 0 when it completed or got there, 1 when it ended
    /// otherwise.
    Watch {
        /// Its id.
        id: String,
        /// Stop watching in this state, for example `approving`; may be repeated.
        #[arg(long, value_name = "STATE")]
        until: Vec<State>,
    },
}

/// A state of a change, as people name it on the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State(ChangeState);

impl ValueEnum for State {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            State(ChangeState::Gating),
            State(ChangeState::Approving),
            State(ChangeState::RollingOut),
            State(ChangeState::Paused),
            State(ChangeState::RollingBack),
            State(ChangeState::RolledBack),
            State(ChangeState::Completed),
            State(ChangeState::Rejected),
            State(ChangeState::Cancelled),
            State(ChangeState::Expired),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Proposal {
    /// A file with the proposal (JSON or YAML).
    #[arg(long, short, conflicts_with_all = ["environment", "title", "artifact"])]
    file: Option<PathBuf>,
    /// In which environment.
    #[arg(long, required_unless_present = "file")]
    environment: Option<String>,
    /// One line for people.
    #[arg(long, required_unless_present = "file")]
    title: Option<String>,
    /// NAME:VERSION
    #[arg(long, required_unless_present = "file")]
    artifact: Option<String>,
    /// Every device of the environment.
    #[arg(long)]
    all: bool,
    /// Only devices of this model.
    #[arg(long)]
    model: Option<String>,
    /// Only devices at this site; may be repeated.
    #[arg(long = "site")]
    sites: Vec<String>,
    /// Only devices in this group; may be repeated.
    #[arg(long = "group")]
    groups: Vec<String>,
    /// Of each site or group whose name begins so, at most so many devices are on their way at once: `site:=2`,
    /// `group:pair-=1`; may be repeated. What the operator configured counts as well.
    #[arg(long, value_name = "OF=DEVICES")]
    at_once: Vec<String>,
    /// The strategy plugin.
    #[arg(long)]
    strategy: Option<String>,
    /// Its settings (JSON).
    #[arg(long, requires = "strategy")]
    settings: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The change's id.
    id: String,
    /// Why.
    #[arg(long)]
    reason: String,
    /// The digest that you read; the change's digest of now when absent, after asking.
    #[arg(long)]
    digest: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Because {
    /// The change's id.
    id: String,
    /// Why.
    #[arg(long)]
    reason: String,
}

pub(crate) const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("title", "/manifest/title"),
    ("description", "/manifest/description"),
    ("state", "/state"),
    ("environment", "/manifest/environment"),
    ("digest", "/digest"),
    ("author", "/author_name"),
    ("targets", "/manifest/population/size"),
    ("note", "/note"),
    ("held", "/hold/reasons"),
    ("policies", "/manifest/bundle"),
    ("proposed", "/created_at"),
    ("updated", "/updated_at"),
];

impl Change {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Change::Propose(proposal) => {
                let body = client.post("/changes", &proposal.body()?).await?.body;
                output::record(&body, FIELDS, format)?;
            }
            Change::List { state } => {
                let path = state.map_or("/changes".to_owned(), |state| format!("/changes?state={state}"));
                let items = client.list(&path, 200).await?;
                let columns = [
                    ("ID", "/id"),
                    ("STATE", "/state"),
                    ("ENVIRONMENT", "/manifest/environment"),
                    ("TITLE", "/manifest/title"),
                    ("AUTHOR", "/author_name"),
                    ("UPDATED", "/updated_at"),
                ];
                output::list(&items, &columns, format)?;
            }
            Change::Show { id } => {
                let change = client.get(&format!("/changes/{id}")).await?.body;
                match format {
                    Format::Table => say!("{}", sheet::sheet(&change)),
                    Format::Json | Format::Yaml => output::value(&change, format)?,
                }
            }
            Change::Sign(sign) => sign.run(&client, format).await?,
            Change::Signatures(signatures) => signatures.run(&client, format).await?,
            Change::Approve { answer, stage, delegation } => {
                let mut more = json!({});
                if let Some(stage) = stage {
                    more["stage"] = json!(stage);
                }
                if let Some(delegation) = delegation {
                    more["delegation"] = json!(delegation);
                }
                answer.give(&client, "approve", more, format).await?;
            }
            Change::Reject(answer) => answer.give(&client, "reject", json!({}), format).await?,
            Change::BreakGlass(answer) => answer.give(&client, "break-glass", json!({}), format).await?,
            Change::Cancel(because) => because.tell(&client, "cancel", format).await?,
            Change::Pause(because) => because.tell(&client, "pause", format).await?,
            Change::Resume(because) => because.tell(&client, "resume", format).await?,
            Change::Promote(because) => because.tell(&client, "promote", format).await?,
            Change::Rollback(because) => because.tell(&client, "rollback", format).await?,
            Change::Explain { id } => {
                let body = client.get(&format!("/changes/{id}/explain")).await?.body;
                explain(&body, format)?;
            }
            Change::Watch { id, until } => return watch::watch(&client, &id, &until, format).await,
        }
        Ok(Outcome::Done)
    }
}

impl Proposal {
    fn body(&self) -> Result<Value, Failure> {
        if let Some(file) = &self.file {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            // Every JSON document is YAML, so one reader serves both.
            return serde_yaml_ng::from_str(&text)
                .map_err(|error| Failure::Usage(format!("`{}`: {error}", file.display())));
        }
        let artifact = self.artifact.as_deref().unwrap_or_default();
        let Some((name, version)) = artifact.split_once(':') else {
            return Err(Failure::Usage(format!("`{artifact}` is not NAME:VERSION")));
        };
        let mut selector = json!({});
        if self.all {
            selector["all"] = json!(true);
        }
        if let Some(model) = &self.model {
            selector["model"] = json!(model);
        }
        if !self.sites.is_empty() {
            selector["sites"] = json!(self.sites);
        }
        if !self.groups.is_empty() {
            selector["groups"] = json!(self.groups);
        }
        let mut body = json!({
            "environment": self.environment,
            "title": self.title,
            "artifacts": [{ "name": name, "version": version }],
            "selector": selector,
        });
        if !self.at_once.is_empty() {
            let rules: Result<Vec<Value>, Failure> = self.at_once.iter().map(|rule| pace(rule)).collect();
            body["at_once"] = rules?.into();
        }
        if let Some(strategy) = &self.strategy {
            let settings: Value = match &self.settings {
                Some(text) => serde_json::from_str(text)
                    .map_err(|error| Failure::Usage(format!("--settings is no JSON: {error}")))?,
                None => json!({}),
            };
            body["strategy"] = json!({ "plugin": strategy, "settings": settings });
        }
        Ok(body)
    }
}

/// `OF=DEVICES`. A name may hold `=` itself.
fn pace(rule: &str) -> Result<Value, Failure> {
    let parsed = rule.rsplit_once('=').and_then(|(of, targets)| Some((of, targets.parse::<u32>().ok()?)));
    let (of, targets) = parsed.ok_or_else(|| {
        Failure::Usage(format!("--at-once is `OF=DEVICES`, for example `group:pair-=1`, not `{rule}`"))
    })?;
    Ok(json!({ "of": of, "targets": targets }))
}

impl Answer {
    async fn give(self, client: &Client, verb: &str, more: Value, format: Format) -> Result<(), Failure> {
        let digest = match self.digest {
            Some(digest) => digest,
            None => {
                let change = client.get(&format!("/changes/{}", self.id)).await?.body;
                if !self.confirm.yes {
                    // Not to stdout, which holds the answer alone.
                    eprintln!("{}", sheet::sheet(&change));
                    self.confirm.ask(&format!("{verb} this change"))?;
                }
                output::at(&change, "/digest")
            }
        };
        let mut body = more;
        body["digest"] = json!(digest);
        body["reason"] = json!(self.reason);
        let body = client.post(&format!("/changes/{}/{verb}", self.id), &body).await?.body;
        output::record(&body, FIELDS, format)
    }
}

impl Because {
    async fn tell(self, client: &Client, verb: &str, format: Format) -> Result<(), Failure> {
        let body = client
            .post(&format!("/changes/{}/{verb}", self.id), &json!({ "reason": self.reason }))
            .await?
            .body;
        output::record(&body, FIELDS, format)
    }
}

fn explain(body: &Value, format: Format) -> Result<(), Failure> {
    if format != Format::Table {
        return output::value(body, format);
    }
    let summary = output::at(body, "/summary");
    sayln!("{}: {summary}", output::at(body, "/change"));
    let rows = |pointer: &str| body.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(age_ms) = body.pointer("/policies/age_ms").and_then(Value::as_u64) {
        let (name, revision) = (output::at(body, "/policies/name"), output::at(body, "/policies/revision"));
        sayln!(
            "  policies: {name}, revision {revision}, known to be the newest {} ago",
            output::span(age_ms)
        );
    }
    for reason in rows("/next/reasons").iter().filter_map(Value::as_str) {
        if !summary.contains(reason) {
            sayln!("  because: {reason}");
        }
    }
    for gate in rows("/findings") {
        for finding in gate.pointer("/findings").and_then(Value::as_array).into_iter().flatten() {
            sayln!(
                "  gate {}: {} ({})",
                output::at(&gate, "/gate"),
                output::at(finding, "/message"),
                output::at(finding, "/code")
            );
        }
        let decision = output::at(&gate, "/decision");
        if !decision.is_empty() {
            sayln!("    what it saw: interlock decision show {decision}");
            sayln!("    once more, here: interlock plugin replay {decision}");
        }
    }
    for group in rows("/groups") {
        sayln!("  {}", sheet::group(&group));
    }
    for place in rows("/full") {
        sayln!(
            "  at most {} of {} at once; on their way, or failed: {}",
            output::at(&place, "/targets"),
            output::at(&place, "/name"),
            output::at(&place, "/devices")
        );
    }
    for line in levels::levels(body.pointer("/approvals").unwrap_or(&Value::Null)).lines() {
        sayln!("  {line}");
    }
    for (index, need) in rows("/missing/needed").iter().enumerate() {
        let persons: Vec<String> = need
            .pointer("/persons")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|person| output::at(person, "/name"))
            .collect();
        sayln!("  missing approval {}: {} ({})", index + 1, persons.join(" or "), output::at(need, "/roles"));
    }
    Ok(())
}
