//! `interlock policy`: the loop of whoever writes policies. A server is asked only for recorded decisions.

mod explain;
mod fetch;
mod impact;
mod place;
mod propose;
#[cfg(feature = "prove")]
mod prove;
mod test;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use interlock_drafting::{Checked, check, diff, format as in_form, scaffold};
use interlock_policy::{Bundle, Limits};
use serde_json::{Value, json};

use self::place::{Place, Repository, in_folder};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Start a bundle: schema, one policy, cases. The folder must not be there yet.
    New {
        /// The folder.
        dir: PathBuf,
    },
    /// Write the policies in form; comments stay.
    Fmt {
        /// The folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Write nothing, show what would change. Exit code 1 when something would.
        #[arg(long)]
        check: bool,
    },
    /// Say everything that is wrong: syntax, types, annotations, lints. Exit code 1 when there is anything.
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Run the cases and say which policies they cover. Exit code 1 when one fails or there is none.
    Test(test::Test),
    /// Show why an answer is what it is, clause by clause.
    Explain(explain::Explain),
    /// Compare two bundles by what their policies say.
    Diff {
        /// The folder of the one before; with --git its branch, tag or commit.
        old: PathBuf,
        /// The folder of the one after; with --git its branch, tag or commit.
        new: PathBuf,
        #[command(flatten)]
        repository: Repository,
    },
    /// Ask recorded questions again, and list every answer that would change.
    Impact(impact::Impact),
    /// Propose a change that puts a bundle in force.
    Propose(propose::Propose),
    /// Write the files of a bundle of a server, or of a git repository, into a folder, to read or compare them.
    Fetch(fetch::Fetch),
    /// Prove with a solver what holds for every question: no policy errs, the invariants, and how it differs from another
    /// bundle. Exit code 1 when something does not hold, 3 when it is not known, 4 when there is no solver.
    #[cfg(feature = "prove")]
    Prove(prove::Prove),
}

impl Policy {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Policy::New { dir } => new(&dir),
            Policy::Fmt { dir, check } => fmt(&dir, check, format),
            Policy::Check { place } => checked(&place, format),
            Policy::Test(test) => test.run(format),
            Policy::Explain(explain) => explain.run(connection, format).await,
            Policy::Diff { old, new, repository } => compare(&old, &new, &repository, format),
            Policy::Impact(impact) => impact.run(connection, format).await,
            Policy::Propose(propose) => propose.run(connection, format).await,
            Policy::Fetch(fetch) => fetch.run(connection, format).await,
            #[cfg(feature = "prove")]
            Policy::Prove(prove) => prove.run(format).await,
        }
    }
}

/// The files of a bundle by path.
type Files = BTreeMap<String, Vec<u8>>;

/// Files and bundle, or all that is wrong on stderr.
fn load(place: &Place) -> Result<(Files, Bundle), Failure> {
    let files = place.files()?;
    let bundle = loaded(&files, place)?;
    Ok((files, bundle))
}

fn loaded(files: &Files, place: impl std::fmt::Display) -> Result<Bundle, Failure> {
    Bundle::from_files(files.clone()).map_err(|error| {
        Failure::Refused(format!("{error}\n`interlock policy check {place}` shows each in its place"))
    })
}

fn new(dir: &Path) -> Result<Outcome, Failure> {
    scaffold::create(dir).map_err(|error| Failure::Usage(error.to_string()))?;
    sayln!("made `{0}`; next: interlock policy test {0}", dir.display());
    Ok(Outcome::Done)
}

fn fmt(dir: &Path, check: bool, format: Format) -> Result<Outcome, Failure> {
    let differing = in_form(&in_folder(dir)?).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::Refused(lines.join("\n"))
    })?;
    let names: Vec<&str> = differing.iter().map(|each| each.file.as_str()).collect();
    if format != Format::Table {
        let shown: Vec<Value> =
            differing.iter().map(|each| json!({ "file": each.file, "diff": each.diff() })).collect();
        output::value(&json!({ "files": shown, "written": !check }), format)?;
    }
    if check {
        if format == Format::Table {
            differing.iter().for_each(|each| say!("{}", each.diff()));
        }
        return Ok(if differing.is_empty() { Outcome::Done } else { Outcome::Refused });
    }
    for each in &differing {
        replace(&dir.join(&each.file), &each.after)?;
    }
    if format == Format::Table {
        names.iter().for_each(|name| sayln!("{name}"));
    }
    Ok(Outcome::Done)
}

/// Beside it first, so that a full disk leaves the old text.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let beside = path.with_extension("cedar.new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        // What is left of a failed write; the error that counts is the first.
        let _ = fs::remove_file(&beside);
        Failure::file(path, &error)
    })
}

fn checked(place: &Place, format: Format) -> Result<Outcome, Failure> {
    let (files, checked) = look(place.files()?);
    if format != Format::Table {
        output::value(&json!({ "good": checked.findings.is_empty(), "findings": checked.findings }), format)?;
    }
    tell(&files, &checked, format);
    if let (Format::Table, true, Some(bundle)) = (format, checked.findings.is_empty(), &checked.bundle) {
        sayln!("good: {} policies, {}", bundle.policy_count(), bundle.digest);
    }
    Ok(if checked.findings.is_empty() { Outcome::Done } else { Outcome::Refused })
}

fn look(files: Files) -> (Files, Checked) {
    let checked = check(&files, &Limits::default());
    (files, checked)
}

/// Findings for a person go to stderr, as a compiler's do.
fn tell(files: &Files, checked: &Checked, format: Format) {
    if format == Format::Table {
        for finding in &checked.findings {
            eprintln!("{}\n", finding.show(files));
        }
        match checked.findings.len() {
            0 => {}
            1 => eprintln!("1 problem"),
            many => eprintln!("{many} problems"),
        }
    }
}

/// `interlock bundle check`: one summary of both.
pub(crate) fn check_and_test(dir: &Path, format: Format) -> Result<Outcome, Failure> {
    let (files, checked) = look(in_folder(dir)?);
    tell(&files, &checked, Format::Table);
    let Some(bundle) = &checked.bundle else { return Ok(Outcome::Refused) };
    let results = interlock_policy::run_cases(bundle);
    let failed: Vec<_> = results.iter().filter(|result| !result.holds()).collect();
    let summary = json!({
        "digest": bundle.digest,
        "name": bundle.name,
        "revision": bundle.revision,
        "policies": bundle.policy_count(),
        "problems": checked.findings.len(),
        "cases": results.len(),
        "failed": failed.len(),
    });
    let fields = [
        ("digest", "/digest"),
        ("name", "/name"),
        ("revision", "/revision"),
        ("policies", "/policies"),
        ("problems", "/problems"),
        ("cases", "/cases"),
        ("failed", "/failed"),
    ];
    output::record(&summary, &fields, format)?;
    for result in &failed {
        eprintln!("{} {}: {}", result.file, result.name, result.differences.join("; "));
    }
    let good = failed.is_empty() && checked.findings.is_empty();
    Ok(if good { Outcome::Done } else { Outcome::Refused })
}

fn compare(old: &Path, new: &Path, repository: &Repository, format: Format) -> Result<Outcome, Failure> {
    let files = |named: &Path| match &repository.git {
        None => in_folder(named),
        Some(_) => repository.files(&named.display().to_string()),
    };
    let difference = diff(&files(old)?, &files(new)?).map_err(|error| Failure::Refused(error.to_string()))?;
    match format {
        Format::Table => say!("{}", difference.lines()),
        Format::Json | Format::Yaml => {
            output::value(&serde_json::to_value(&difference).map_err(Failure::local)?, format)?;
        }
    }
    Ok(Outcome::Done)
}
