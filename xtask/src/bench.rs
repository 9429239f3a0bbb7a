//! `cargo xtask bench`: speed and memory, as ratios against a baseline in the same run where there is one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use interlock_toolchain::rust::TARGET;
use serde_json::{Value, json};

use crate::{plugins, toolchain, workspace};

/// A call has to be three times as fast as Extism's.
const EXTISM_RATIO_MAX: f64 = 1.0 / 3.0;

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
    let extism = Extism::build()?;
    let rego = build_rego()?;
    let release = workspace::target_dir().join("release");
    let example = |name: &str| {
        let mut example = Command::new(release.join("examples").join(name));
        example.args(["--output", "json"]);
        example
    };
    let gate = plugins.join("size-limit.wasm");
    let mut server = Command::new(release.join("interlock-bench"));
    server.arg(release.join("interlock")).arg(&plugins);
    let mut crowd = example("crowd_cost");
    crowd.arg(&gate).arg(guest("rust", &plugins.join("storage-fit.wasm")));
    for language in ["python", "javascript", "c"] {
        let component = format!("interlock-examples/storage-fit-{language}.wasm");
        crowd.arg(guest(language, &workspace::target_dir().join(component)));
    }

    let mut figures = Figures { output: arguments.output, all: Vec::new() };
    figures.extend(measure(example("call_cost").arg(&gate))?);
    figures.extend(measure(&mut extism.command(example("call_cost").arg("--question"))?)?);
    // Again behind it: of two figures of ours, the worse one is compared.
    let again = measure(example("call_cost").arg(&gate))?;
    figures.against_extism(&again)?;
    figures.extend(measure(&mut crowd)?);
    figures.extend(measure(example("warm_start").arg(&gate))?);
    figures.extend(measure(&mut example("ask_cost"))?);
    figures.extend(measure(&mut example("append_rate"))?);
    figures.extend(measure(&mut example("ledger_cost"))?);
    figures.extend(measure(&mut server)?);
    let mut access = Command::new(release.join("interlock-access-bench"));
    figures.extend(measure(access.arg(release.join("interlock")).arg(&plugins).arg(&rego))?);
    figures.finish()
}

/// `LANGUAGE=FILE`. A guest that was not built is reported as that: `cargo xtask plugins --examples` builds them.
fn guest(language: &str, component: &Path) -> OsString {
    let mut guest = OsString::from(format!("{language}="));
    guest.push(component);
    guest
}

/// What was measured so far.
struct Figures {
    output: Format,
    all: Vec<Value>,
}

impl Figures {
    fn extend(&mut self, figures: Vec<Value>) {
        for figure in figures {
            if self.output == Format::Lines {
                println!("{}", line(&figure));
            }
            self.all.push(figure);
        }
    }

    /// Ours over Extism's: with the same bounds on both sides and an instance for each call, which is what isolation asks for;
    /// and, for the record, over an instance that Extism keeps.
    fn against_extism(&mut self, again: &[Value]) -> Result<()> {
        const OURS: &str = "gate_call_sandboxed";
        let ours = value(&self.all, OURS)?.max(value(again, OURS)?);
        let mut ratios = Vec::new();
        for (name, theirs, bound) in [
            ("gate_call_over_extism_fresh_bounded", "extism_call_fresh_bounded", Some(EXTISM_RATIO_MAX)),
            ("gate_call_over_extism_fresh", "extism_call_fresh", None),
            ("gate_call_over_extism_reused", "extism_call_reused", None),
        ] {
            let ratio = ours / value(&self.all, theirs)?;
            let holds = bound.is_none_or(|bound| ratio <= bound);
            ratios.push(
                json!({ "name": name, "value": ratio, "unit": "ratio", "bound": bound, "holds": holds }),
            );
        }
        self.extend(ratios);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let missed = self.all.iter().filter(|figure| figure["holds"] == Value::Bool(false)).count();
        if self.output == Format::Json {
            println!("{}", serde_json::to_string_pretty(&self.all)?);
        }
        ensure!(missed == 0, "{missed} of {} bounds do not hold", self.all.len());
        Ok(())
    }
}

fn value(figures: &[Value], name: &str) -> Result<f64> {
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.and_then(|figure| figure["value"].as_f64()).with_context(|| format!("no figure `{name}`"))
}

/// In one go: apart, each would compile its dependencies anew, with features of its own.
fn build() -> Result<()> {
    let mut build = workspace::cargo(".");
    build.args(["build", "--release", "--quiet"]);
    for package in [
        "interlock-cli",
        "interlock-tests",
        "interlock-sandbox",
        "interlock-policy",
        "interlock-ledger",
        "interlock-store",
    ] {
        build.args(["-p", package]);
    }
    for bin in ["interlock", "interlock-bench", "interlock-access-bench"] {
        build.args(["--bin", bin]);
    }
    // What starts databases for measurements is what does for tests.
    build.args(["--features", "interlock-store/testing"]);
    for example in ["call_cost", "crowd_cost", "warm_start", "ask_cost", "append_rate", "ledger_cost"] {
        build.args(["--example", example]);
    }
    ensure!(build.status().context("cannot run cargo")?.success(), "the build failed");
    Ok(())
}

/// The server of `tests/rego`, a workspace of its own: with its features our dependencies would be others.
fn build_rego() -> Result<PathBuf> {
    let target = workspace::target_dir().join("rego");
    let mut build = workspace::cargo("tests/rego");
    build.env("CARGO_TARGET_DIR", &target).args(["build", "--release", "--quiet", "--locked"]);
    ensure!(build.status().context("cannot run cargo")?.success(), "the server with Rego does not compile");
    Ok(target.join("release/interlock-rego"))
}

/// Extism with the logic of `size-limit`, from `tests/extism`: a workspace of its own, because Extism pins another wasmtime.
struct Extism {
    program: PathBuf,
    guest: PathBuf,
}

impl Extism {
    fn build() -> Result<Self> {
        const FOLDER: &str = "tests/extism";
        let target = workspace::target_dir().join("extism");
        let cargo = || {
            let mut build = workspace::cargo(FOLDER);
            build.env("CARGO_TARGET_DIR", &target).args(["build", "--release", "--quiet", "--locked"]);
            build
        };
        let mut guest = cargo();
        toolchain::find_or_install()?.configure(&mut guest, &workspace::root().join(FOLDER));
        guest.args(["--package", "interlock-extism-guest"]);
        ensure!(guest.status().context("cannot run cargo")?.success(), "Extism's guest does not compile");
        let mut host = cargo();
        // Its wasmtime asks for a newer compiler than ours, and does without it.
        host.args(["--package", "interlock-extism", "--ignore-rust-version"]);
        ensure!(host.status().context("cannot run cargo")?.success(), "Extism does not compile");
        Ok(Self {
            program: target.join("release/interlock-extism"),
            guest: target.join(TARGET).join("release/interlock_extism_guest.wasm"),
        })
    }

    /// With the very question that ours is asked.
    fn command(&self, question: &mut Command) -> Result<Command> {
        let path = self.program.with_file_name("question.json");
        let printed = question.output().context("cannot run `call_cost`")?;
        ensure!(printed.status.success(), "`call_cost` prints no question");
        std::fs::write(&path, printed.stdout)?;
        let mut command = Command::new(&self.program);
        command.arg(&self.guest).arg(path);
        Ok(command)
    }
}

/// Runs a program that prints one figure a line as JSON.
fn measure(command: &mut Command) -> Result<Vec<Value>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run `{name}`"))?;
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let figures: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("`{name}` printed `{line}`")))
        .collect::<Result<_>>()?;
    // A program fails too when a bound does not hold; then it has said which, and the others are measured all the same.
    let explained = figures.iter().any(|figure| figure["holds"] == Value::Bool(false));
    ensure!(output.status.success() || explained, "`{name}` failed with {}", output.status);
    Ok(figures)
}

/// `name value unit bound holds`
fn line(figure: &Value) -> String {
    let text = |key: &str| match &figure[key] {
        Value::String(text) => text.clone(),
        Value::Null if key == "value" => "not-built".to_owned(),
        Value::Null => "-".to_owned(),
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |value| format!("{value:.3}"))
        }
        other => other.to_string(),
    };
    format!("{} {} {} {} {}", text("name"), text("value"), text("unit"), text("bound"), text("holds"))
}
