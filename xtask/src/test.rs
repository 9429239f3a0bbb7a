//! `cargo xtask test`: everything that CI checks, in the order in which it fails fastest.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::plugins::BuiltPlugin;
use crate::{examples, languages, plugins, programs, workspace};

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out format, lints and dependency checks
    #[arg(long)]
    only_tests: bool,
}

const NEXTEST: (&str, &str) = ("cargo-nextest", "0.9.143");
const DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// The workspaces: the host's and the plugins'.
const WORKSPACES: [&str; 2] = [".", "plugins"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let began = Instant::now();
    programs::ensure_installed(programs::FOR_TESTS)?;
    languages::oras()?;
    languages::oidc_provider()?;
    languages::localstack()?;
    languages::stellar_sdk()?;
    if !arguments.only_tests {
        for dir in WORKSPACES {
            step(
                &format!("format of {}", name(dir)),
                workspace::cargo(dir).args(["fmt", "--all", "--check"]),
            )?;
        }
        dependencies()?;
    }
    let built = plugins::build_all(None)?;
    let examples = examples::build_all()?;
    println!("built {} plugins and {} examples", built.len(), examples.len());
    if !arguments.only_tests {
        for dir in WORKSPACES {
            let mut clippy = workspace::cargo(dir);
            clippy.args([
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ]);
            step(&format!("lints of {}", name(dir)), &mut clippy)?;
        }
    }
    let nextest = programs::cargo_tool(NEXTEST.0, NEXTEST.1)?;
    // The end-to-end tests start the real program. Built together with the tests, so that each dependency is
    // compiled once, with one set of features.
    let mut build = workspace::cargo(".");
    step(
        "the program",
        build.args(["build", "--quiet", "--workspace", "--all-features", "--bins", "--tests"]),
    )?;
    let mut counts = Counts::default();
    for dir in WORKSPACES {
        counts.add(tests(&nextest, dir)?);
    }
    for plugin in &built {
        counts.add(cases(plugin)?);
    }
    for dir in WORKSPACES {
        counts.add(doc_tests(dir)?);
    }
    println!("\ntook {} s", began.elapsed().as_secs());
    println!("{} passed, {} failed", counts.passed, counts.failed);
    ensure!(counts.failed == 0, "{} tests failed", counts.failed);
    Ok(())
}

fn name(dir: &str) -> &str {
    if dir == "." { "the host" } else { dir }
}

fn step(what: &str, command: &mut Command) -> Result<()> {
    println!("checking {what}");
    let status = command.status().with_context(|| format!("cannot check {what}"))?;
    ensure!(status.success(), "{what}: failed; the lines above say where");
    Ok(())
}

/// Licences, sources and bans always; advisories where the database can be reached.
fn dependencies() -> Result<()> {
    let deny = programs::cargo_tool(DENY.0, DENY.1)?;
    for dir in WORKSPACES {
        let check = |what: &[&str]| {
            let mut command = Command::new(&deny);
            command.current_dir(workspace::root().join(dir)).args(["--log-level", "warn", "--config"]);
            command.arg(workspace::root().join("deny.toml")).arg("check").args(what);
            command
        };
        let mut house_rules = check(&["licenses", "bans", "sources"]);
        house_rules.args(lints(dir));
        step(&format!("dependencies of {}", name(dir)), &mut house_rules)?;
        let mut fetch = Command::new(&deny);
        fetch
            .current_dir(workspace::root())
            .args(["fetch", "db"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if fetch.status().is_ok_and(|status| status.success()) {
            step(&format!("advisories against {}", name(dir)), &mut check(&["advisories"]))?;
        } else {
            println!("the advisory database cannot be reached; advisories are not checked");
        }
    }
    Ok(())
}

/// `deny.toml` is written for the host, where an exception that is no longer needed is a fault. The plugins have few
/// dependencies and need few of its exceptions.
fn lints(dir: &str) -> &'static [&'static str] {
    match dir {
        "." => &["--deny", "warnings"],
        _ => &[
            "--allow",
            "unmatched-skip",
            "--allow",
            "unnecessary-skip",
            "--allow",
            "license-not-encountered",
        ],
    }
}

/// How many tests did what.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs a workspace's unit, integration and end-to-end tests.
fn tests(nextest: &Path, dir: &str) -> Result<Counts> {
    println!("testing {}", name(dir));
    let mut command = workspace::cargo(dir);
    // nextest asks cargo, and finds the checkout's configuration by where it is started.
    let cargo = command.get_program().to_owned();
    command = Command::new(nextest);
    command
        .current_dir(workspace::root().join(dir))
        .env("CARGO", cargo)
        .env("CARGO_TARGET_DIR", workspace::target_dir())
        .args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast", "--status-level", "fail"])
        .args(["--final-status-level", "fail", "--color", "never"])
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run nextest")?;
    let output = child.stderr.take().context("nextest has no output")?;
    let mut counts = None;
    for line in BufReader::new(output).lines() {
        let line = line?;
        writeln!(std::io::stderr(), "{line}")?;
        if let Some(summary) = line.trim_start().strip_prefix("Summary") {
            counts = Some(Counts { passed: number(summary, "passed"), failed: number(summary, "failed") });
        }
    }
    let status = child.wait()?;
    match counts {
        Some(counts) if status.success() || counts.failed > 0 => Ok(counts),
        _ => bail!("the tests of {} did not run; the lines above say why", name(dir)),
    }
}

/// Runs the cases that stand beside a plugin, with the program that its author uses. A plugin without cases fails.
fn cases(plugin: &BuiltPlugin) -> Result<Counts> {
    let name = plugin.name();
    println!("testing the cases of {name}");
    // An example that is there in several languages has one table of cases for all of them.
    let folders = plugin.folder.ancestors().take(2);
    let file = folders.map(|folder| folder.join("cases.yaml")).find(|file| file.is_file());
    let file = file.with_context(|| format!("plugin `{name}` has no `cases.yaml` beside it; write one"))?;
    let mut command = Command::new(workspace::target_dir().join("debug").join("interlock"));
    command.args(["--output", "json", "plugin", "test"]).arg(&plugin.path).arg(&file).stdout(Stdio::piped());
    let output = command.spawn().context("cannot start the program")?.wait_with_output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the cases of {name} did not run; the lines above say why"))?;
    let count = |key: &str| report[key].as_u64().unwrap_or_default();
    let counts = Counts { passed: count("passed"), failed: count("failed") };
    if !output.status.success() {
        println!("{report:#}");
        ensure!(counts.failed > 0, "the cases of {name} test nothing");
    }
    Ok(counts)
}

/// Runs the examples in a workspace's documentation: the guide for plugins is one of them.
fn doc_tests(dir: &str) -> Result<Counts> {
    println!("testing the documentation of {}", name(dir));
    let mut command = workspace::cargo(dir);
    command.args(["test", "--quiet", "--workspace", "--doc"]).stdout(Stdio::piped());
    let output = command.spawn()?.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        counts.add(Counts { passed: number(line, "passed"), failed: number(line, "failed") });
    }
    if !output.status.success() {
        print!("{text}");
        ensure!(counts.failed > 0, "the examples in the documentation of {} do not compile", name(dir));
    }
    Ok(counts)
}

/// The number before a word: 44 in `44 passed`.
fn number(text: &str, word: &str) -> u64 {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':')).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn duplicates_and_wildcards_are_refused_and_each_exception_says_why() {
        let rules = include_str!("../../deny.toml");
        for line in ["multiple-versions = \"deny\"", "wildcards = \"deny\""] {
            assert!(rules.lines().any(|rule| rule == line), "`{line}` is missing");
        }
        let exceptions = rules.split("skip = [").nth(1).and_then(|rest| rest.split("\n]").next()).unwrap();
        for exception in exceptions.lines().filter(|line| line.contains("crate =")) {
            assert!(exception.contains("reason = \""), "{exception}");
        }
    }

    #[test]
    fn counts_are_read_from_the_runners_closing_lines() {
        let nextest = " [   0.396s] 44 tests run: 43 passed (1 slow), 1 failed, 0 skipped";
        assert_eq!((number(nextest, "passed"), number(nextest, "failed")), (43, 1));
        let doc = "test result: ok. 3 passed; 0 failed; 0 ignored";
        assert_eq!((number(doc, "passed"), number(doc, "failed")), (3, 0));
    }
}
