//! `interlock plugin`: the loop of whoever writes one. A server is asked only for what it has: its plugins and its decisions.

mod bench;
mod build;
mod check;
mod component;
pub(crate) mod decisions;
mod in_use;
mod inspect;
mod new;
mod place;
mod publish;
mod replay;
mod run;
mod test;

pub(crate) use in_use::signed_by;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;
use interlock_sandbox::{Compiler, Examination, Limits, Plugin as Installed, Sandbox};
use serde_json::Value;

use crate::{
    client::{Connection, Failure},
    output::{Format, Outcome},
};

/// How long one component may take to compile here. A server has others to serve meanwhile.
const COMPILE_TIMEOUT_MS: u64 = 600_000;
/// Compiled components that are kept: those of Python have 50 MB.
const CACHE_ENTRIES_MAX: u32 = 8;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Make a plugin's folder: source, cases that pass, the contract, and a README with the commands.
    New(new::New),
    /// Build a plugin's folder: `Cargo.toml`, `pyproject.toml`, `package.json` or `plugin.toml` (C) says its language.
    Build(build::Build),
    /// Check a component: imports, exports, size, description, settings schema. Exit code 1 when a server would refuse it.
    Check(check::Check),
    /// Show what a plugin says of itself, with its settings as a table.
    Inspect(inspect::Inspect),
    /// Ask a plugin once. Exit code 1 when the change would not go on: fail, hold or an error.
    Run(run::Run),
    /// Run the cases that stand beside a plugin. Exit code 1 when one fails.
    Test(test::Test),
    /// List the plugins that are installed, or those that an environment uses.
    List(in_use::List),
    /// Show what an environment uses: active plugins with their grants, bindings, gate groups.
    Roster(in_use::Roster),
    /// Propose that an environment uses a component.
    Activate(in_use::Activate),
    /// Propose a binding: which gate, health check or strategy, with which settings, in which mode.
    Bind(in_use::Bind),
    /// Propose what evidence a plugin may read in an environment.
    Grant(in_use::Grant),
    /// Go back to what a plugin was before the newest change that is about it.
    Back(in_use::Back),
    /// Put a recorded decision, or all since a time, to any version of the plugin and compare. Exit code 1 when what was decided
    /// does not come out again.
    Replay(replay::Replay),
    /// Ask a plugin what a case asks, many times: time, fuel and memory.
    Bench(bench::Bench),
    /// Make an Ed25519 key for signing plugins: NAME.key.pem (private) and NAME.pem (public, for whoever trusts it).
    Keygen(publish::Keygen),
    /// Sign a component, beside whoever signed it before: FILE.dsse.json.
    Sign(publish::Sign),
    /// Check who vouches for a component. Exit code 1 when too few of the trusted keys do.
    Verify(publish::Verify),
    /// Publish a component with its signatures, in an OCI registry or a folder.
    Push(publish::Push),
    /// Fetch a component with its signatures, which are not checked here: see `verify`.
    Pull(publish::Pull),
}

impl Plugin {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Plugin::New(new) => new.run(format),
            Plugin::Build(build) => build.run(format).await,
            Plugin::Check(check) => check.run(format).await,
            Plugin::Inspect(inspect) => inspect.run(connection, format).await,
            Plugin::Run(run) => run.run(format).await,
            Plugin::Test(test) => test.run(connection, format).await,
            Plugin::List(list) => list.run(connection, format).await,
            Plugin::Roster(roster) => roster.run(connection, format).await,
            Plugin::Activate(activate) => activate.run(connection, format).await,
            Plugin::Bind(bind) => bind.run(connection, format).await,
            Plugin::Grant(grant) => grant.run(connection, format).await,
            Plugin::Back(back) => back.run(connection, format).await,
            Plugin::Replay(replay) => replay.run(connection, format).await,
            Plugin::Bench(bench) => bench.run(format).await,
            Plugin::Keygen(keygen) => keygen.run(format),
            Plugin::Sign(sign) => sign.run(format).await,
            Plugin::Verify(verify) => verify.run(format).await,
            Plugin::Push(push) => push.run(format).await,
            Plugin::Pull(pull) => pull.run(format).await,
        }
    }
}

/// A component that was looked at, and the bounds that hold.
struct Looked {
    wasm: Vec<u8>,
    examination: Examination,
    limits: Limits,
}

async fn look(file: &Path) -> Result<Looked, Failure> {
    look_at(fs::read(file).map_err(|error| Failure::file(file, &error))?).await
}

/// Under the limits that a server has by default, so that what passes here passes there.
async fn look_at(wasm: Vec<u8>) -> Result<Looked, Failure> {
    // One author asks one question at a time, and waits for a slow compiler rather than for nothing.
    let limits = Limits {
        instances_max: 4,
        compile_timeout_ms: COMPILE_TIMEOUT_MS,
        cache_entries_max: CACHE_ENTRIES_MAX,
        ..Limits::default()
    };
    let compiler = Compiler::own_program().map_err(Failure::local)?;
    let open = |dir: Option<&Path>| Sandbox::with_compiler(limits.clone(), dir, compiler.clone());
    let sandbox = match cache_dir().map(|dir| open(Some(&dir))) {
        Some(Ok(sandbox)) => sandbox,
        // A home that cannot be written to costs time, nothing else.
        Some(Err(_)) | None => open(None).map_err(Failure::local)?,
    };
    let examination = sandbox.examine(wasm.clone()).await;
    Ok(Looked { wasm, examination, limits })
}

/// Where compiled components are kept: those of Python take seconds, and a test run follows the build.
fn cache_dir() -> Option<PathBuf> {
    let dir = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = dir("XDG_CACHE_HOME").or_else(|| dir("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("interlock").join("compiled"))
}

/// A plugin that can be asked.
async fn load(file: &Path) -> Result<Arc<Installed>, Failure> {
    let wasm = fs::read(file).map_err(|error| Failure::file(file, &error))?;
    component::ready(wasm, &file.display().to_string()).await
}

/// A value that cannot fail to be one, for printing.
fn json(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::local)
}

/// `87 µs`, `1.3 ms`
fn time(micros: u64) -> String {
    if micros < 1000 {
        return format!("{micros} µs");
    }
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

/// `1.2 MiB`
fn size(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
