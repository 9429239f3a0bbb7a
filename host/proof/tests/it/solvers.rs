//! What a solver may do wrong, and what no solver means.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use interlock_policy::default_files;
use interlock_proof::{Bounds, NoSolver, Plan, Solver, Verdict, prove};
use tempfile::TempDir;

use crate::{bounds, bundle};

/// A program that says that it is cvc5 and then does this.
fn fake(folder: &TempDir, does: &str) -> std::path::PathBuf {
    let path = folder.path().join("fake-cvc5");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'This is cvc5 version 1.0.3'; exit 0; fi\n{does}\n"
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Why `AdmitChange` is not proved with this program for a solver.
async fn why(program: &Path, bounds: Bounds) -> String {
    let solver = Solver::find(Some(program), bounds).await.unwrap();
    let plan = Plan { actions: [interlock_domain::Action::AdmitChange].into(), at_once: 4 };
    let report = prove(&bundle(&default_files()), None, &solver, &plan, |_, _| {}).await.unwrap();
    assert!(!report.holds() && !report.refuted(), "silence proves nothing and refutes nothing");
    let failure = &report.invariants.iter().find(|held| !held.failures.is_empty()).unwrap().failures[0];
    match &failure.verdict {
        Verdict::Unproved { why } => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_solver_that_is_not_there_is_said_with_how_to_get_it() {
    let error = Solver::find(Some(Path::new("/no/such/cvc5")), bounds()).await.unwrap_err();
    assert!(matches!(error, NoSolver::Missing { .. }));
    let said = error.to_string();
    assert!(said.contains("apt-get install cvc5") && said.contains("https://cvc5.github.io"), "{said}");
}

#[tokio::test]
async fn another_program_of_that_name_and_an_old_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (says, expected) in [
        ("echo hello", "it says `hello`"),
        ("echo 'This is cvc5 version 0.9.9'", "it is 0.9.9"),
        ("exec sleep 600", "it does not say its version"),
    ] {
        let path = folder.path().join("named-cvc5");
        fs::write(&path, format!("#!/bin/sh\n{says}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let bounds = Bounds { timeout: Duration::from_secs(1), ..bounds() };
        let error = Solver::find(Some(&path), bounds).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_solver_that_hangs_ends_at_the_timeout_and_nothing_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { timeout: Duration::from_secs(1), ..bounds() };
    let said = why(&fake(&folder, "exec sleep 600"), bounds).await;
    // After some of them it is asked no more.
    assert!(said.contains("did not answer") && said.contains("--timeout"), "{said}");
}

#[tokio::test]
async fn whatever_else_a_solver_says_is_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    for (does, expected) in [
        ("echo unknown", "answers `unknown`"),
        ("exit 3", "exit status: 3"),
        ("echo 'unsatisfied'", "`unsatisfied`"),
        ("kill -9 $$", "signal: 9"),
        ("echo sat", "cannot be used"),
    ] {
        let said = why(&fake(&folder, does), bounds()).await;
        assert!(said.contains(expected), "{does}: {said}");
    }
}

#[tokio::test]
async fn a_solver_that_needs_more_memory_than_it_may_have_proves_nothing() {
    let bounds = Bounds { memory_bytes_max: 8 << 20, ..bounds() };
    let said = why(Path::new("cvc5"), bounds).await;
    assert!(said.contains("--memory-mb"), "{said}");
}
