//! `cargo xtask bench`: speed and memory, as ratios against a baseline in the same run where there is one.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{plugins, workspace};

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Lines)]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Lines,
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    plugins::build_all(None)?;
    let plugins = workspace::target_dir().join("interlock-plugins");
    build()?;
    let release = workspace::target_dir().join("release");
    let mut sandbox = Command::new(release.join("examples/call_cost"));
    sandbox.arg(plugins.join("size-limit.wasm")).args(["--output", "json"]);
    let mut policy = Command::new(release.join("examples/ask_cost"));
    policy.args(["--output", "json"]);
    let mut server = Command::new(release.join("interlock-bench"));
    server.arg(release.join("interlock")).arg(&plugins);

    let mut figures = Vec::new();
    for command in [&mut sandbox, &mut policy, &mut server] {
        for figure in measure(command)? {
            if arguments.output == Format::Lines {
                println!("{}", line(&figure));
            }
            figures.push(figure);
        }
    }
    let missed = figures.iter().filter(|figure| figure["holds"] == Value::Bool(false)).count();
    if arguments.output == Format::Json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    }
    ensure!(missed == 0, "{missed} of {} bounds do not hold", figures.len());
    Ok(())
}

/// In one go: apart, each would compile its dependencies anew, with features of its own.
fn build() -> Result<()> {
    let mut build = workspace::cargo(".");
    build.args(["build", "--release", "--quiet"]);
    for package in ["interlock-cli", "interlock-tests", "interlock-sandbox", "interlock-policy"] {
        build.args(["-p", package]);
    }
    build.args([
        "--bin",
        "interlock",
        "--bin",
        "interlock-bench",
        "--example",
        "call_cost",
        "--example",
        "ask_cost",
    ]);
    ensure!(build.status().context("cannot run cargo")?.success(), "the build failed");
    Ok(())
}

/// Runs a program that prints one figure a line as JSON.
fn measure(command: &mut Command) -> Result<Vec<Value>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run `{name}`"))?;
    ensure!(output.status.success(), "`{name}` failed with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("`{name}` printed `{line}`")))
        .collect()
}

/// `name value unit bound holds`
fn line(figure: &Value) -> String {
    let text = |key: &str| match &figure[key] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |value| format!("{value:.3}"))
        }
        other => other.to_string(),
    };
    format!("{} {} {} {} {}", text("name"), text("value"), text("unit"), text("bound"), text("holds"))
}
