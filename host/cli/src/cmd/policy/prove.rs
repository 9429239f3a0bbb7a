//! `interlock policy prove`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use interlock_domain::Action;
use interlock_policy::Bundle;
use interlock_proof::{Bounds, NoSolver, Overall, Plan, Report, Solver, processors, prove};

use super::{
    loaded, look,
    place::{Place, in_folder},
    tell,
};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

/// Of the solver cvc5 a process for each question is asked, within these bounds.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    #[command(flatten)]
    place: Place,
    /// The folder of the bundle before, with --git its branch, tag or commit: say what is allowed now that was not, and what is
    /// no longer.
    #[arg(long, value_name = "DIR|REV")]
    against: Option<PathBuf>,
    /// With --against: exit code 1 when the bundle is otherwise.
    #[arg(long, value_enum, requires = "against")]
    require: Option<Required>,
    /// Only these actions, such as `ApproveChange`.
    #[arg(long, value_name = "ACTION", num_args = 1.., value_parser = action)]
    action: Vec<Action>,
    /// The solver, when it is not `cvc5` on the PATH.
    #[arg(long, value_name = "PROGRAM", env = "CVC5")]
    solver: Option<PathBuf>,
    /// Seconds for each question.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Memory for each question, in MiB; held on Linux alone.
    #[arg(long, value_name = "MIB", default_value_t = 2_048, value_parser = clap::value_parser!(u64).range(64..=1_048_576))]
    memory_mb: u64,
    /// Questions at once; as many as there are processors when it is not said.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    jobs: Option<u16>,
}

/// How a bundle may differ from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Required {
    /// Not at all.
    Equivalent,
    /// It may deny more.
    NotLooser,
    /// It may allow more.
    NotTighter,
}

fn action(name: &str) -> Result<Action, String> {
    Action::ALL.iter().find(|action| action.as_str() == name).copied().ok_or_else(|| {
        let all: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        format!("there is no such action; there are {}", all.join(", "))
    })
}

impl Prove {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let Some(bundle) = self.bundle(format)? else { return Ok(Outcome::Refused) };
        let old = self.against.as_deref().map(|named| self.old(named)).transpose()?;
        let report = tokio::select! {
            report = self.prove(&bundle, old.as_ref()) => report?,
            // Whoever stops waiting ends the solvers.
            () = stopped() => {
                return Err(Failure::Local("interrupted; nothing is proved".to_owned()));
            }
        };
        match format {
            Format::Table => say!("{}", report.lines()),
            Format::Json | Format::Yaml => {
                output::value(&serde_json::to_value(&report).map_err(Failure::local)?, format)?;
            }
        }
        Ok(self.outcome(&report))
    }

    /// What is wrong with it is shown as `check` shows it.
    fn bundle(&self, format: Format) -> Result<Option<Bundle>, Failure> {
        let (files, mut checked) = look(self.place.files()?);
        let bundle = checked.bundle.take();
        if bundle.is_none() {
            tell(&files, &checked, Format::Table);
            if format != Format::Table {
                output::value(&serde_json::json!({ "good": false, "findings": checked.findings }), format)?;
            }
        }
        Ok(bundle)
    }

    fn old(&self, named: &Path) -> Result<Bundle, Failure> {
        let repository = &self.place.repository;
        let files = match &repository.git {
            None => in_folder(named)?,
            Some(_) => repository.files(&named.display().to_string())?,
        };
        loaded(&files, named.display())
    }

    async fn prove(&self, bundle: &Bundle, old: Option<&Bundle>) -> Result<Report, Failure> {
        let bounds =
            Bounds { timeout: Duration::from_secs(self.timeout), memory_bytes_max: self.memory_mb << 20 };
        let missing = |error: NoSolver| Failure::Missing(error.to_string());
        let solver = Solver::find(self.solver.as_deref(), bounds).await.map_err(missing)?;
        let plan = Plan {
            actions: self.action.iter().copied().collect::<BTreeSet<_>>(),
            at_once: self.jobs.map_or_else(processors, usize::from),
        };
        // It draws nothing where there is no terminal.
        let bar = ProgressBar::no_length().with_message("kinds of question");
        let report = prove(bundle, old, &solver, &plan, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        })
        .await;
        bar.finish_and_clear();
        report.map_err(Failure::local)
    }

    fn outcome(&self, report: &Report) -> Outcome {
        let overall = report.against.as_ref().map(|against| against.overall);
        let otherwise = match (self.require, overall) {
            (Some(required), Some(overall)) => !required.allows(overall),
            _ => false,
        };
        if report.refuted() || otherwise {
            Outcome::Refused
        } else if !report.holds() {
            Outcome::Unverified
        } else {
            Outcome::Done
        }
    }
}

impl Required {
    /// What is not known is not decided here: it ends as unverified.
    fn allows(self, overall: Overall) -> bool {
        match overall {
            Overall::Equivalent | Overall::Unproved => true,
            Overall::Tighter => self == Required::NotLooser,
            Overall::Looser => self == Required::NotTighter,
            Overall::Incomparable => false,
        }
    }
}

/// Ctrl-C, or the signal that a CI server sends.
async fn stopped() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
