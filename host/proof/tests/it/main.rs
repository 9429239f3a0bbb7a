//! What is proved of the default bundle and of copies with one thing weaker, with the real cvc5.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bundles;
mod solvers;

use std::{collections::BTreeMap, time::Duration};

use interlock_domain::Action;
use interlock_policy::{Bundle, default_files};
use interlock_proof::{Bounds, Plan, Report, Solver, prove};

type Files = BTreeMap<String, Vec<u8>>;

/// The default bundle with a piece of one file replaced.
fn edited(file: &str, from: &str, to: &str) -> Files {
    let mut files = default_files();
    edit(&mut files, file, from, to);
    files
}

fn edit(files: &mut Files, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    files.insert(file.to_owned(), text.replace(from, to).into_bytes());
}

/// The default bundle without one policy.
fn without(file: &str, id: &str) -> Files {
    let text = String::from_utf8(default_files()[file].clone()).unwrap();
    let start = text.find(&format!("@id(\"{id}\")")).expect("the policy is there");
    let end = start + text[start..].find(";\n").unwrap() + 2;
    edited(file, &text[start..end], "")
}

fn bundle(files: &Files) -> Bundle {
    Bundle::from_files(files.clone()).unwrap()
}

fn bounds() -> Bounds {
    Bounds { timeout: Duration::from_secs(120), memory_bytes_max: 4 << 30 }
}

/// The report about a bundle, and about how it differs from another; about all actions, or these.
async fn report(files: &Files, old: Option<&Files>, actions: &[Action]) -> Report {
    let solver = Solver::find(None, bounds()).await.expect("the tests need Debian's `cvc5`");
    let plan = Plan { at_once: interlock_proof::processors(), actions: actions.iter().copied().collect() };
    prove(&bundle(files), old.map(bundle).as_ref(), &solver, &plan, |_, _| {}).await.unwrap()
}

/// What is asked about a change on its way.
const WAY: &[Action] = &[Action::ApproveChange, Action::AdmitChange];

/// What a person reads, without what the next edit of the bundle or another solver changes.
fn told(report: &Report) -> String {
    let lines = report.lines();
    let (head, rest) = lines.split_once('\n').unwrap();
    assert!(head.starts_with("interlock-default revision ") && head.contains("asked of cvc5 "), "{head}");
    rest.replace(&format!("revision {}", report.bundle.revision), "revision [now]")
}
