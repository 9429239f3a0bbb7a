//! `interlock plugin`: the loop of whoever writes one. All but `inspect NAME` goes without a server.

mod bench;
mod check;
mod inspect;
mod run;
mod test;

use std::{fs, path::Path, sync::Arc};

use clap::Subcommand;
use interlock_sandbox::{Examination, Limits, Plugin as Installed, Sandbox};
use serde_json::Value;

use crate::{
    client::{Connection, Failure},
    output::{Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Check a component: imports, exports, size, description, settings schema. Exit code 1 when a server would refuse it.
    Check(check::Check),
    /// Show what a plugin says of itself, with its settings as a table.
    Inspect(inspect::Inspect),
    /// Ask a plugin once. Exit code 1 when the change would not go on: fail, hold or an error.
    Run(run::Run),
    /// Run the cases that stand beside a plugin. Exit code 1 when one fails.
    Test(test::Test),
    /// Ask a plugin what a case asks, many times: time, fuel and memory.
    Bench(bench::Bench),
}

impl Plugin {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Plugin::Check(check) => check.run(format).await,
            Plugin::Inspect(inspect) => inspect.run(connection, format).await,
            Plugin::Run(run) => run.run(format).await,
            Plugin::Test(test) => test.run(format).await,
            Plugin::Bench(bench) => bench.run(format).await,
        }
    }
}

/// A component that was looked at, and the bounds that hold.
struct Looked {
    wasm: Vec<u8>,
    examination: Examination,
    limits: Limits,
}

/// Under the limits that a server has by default, so that what passes here passes there.
async fn look(file: &Path) -> Result<Looked, Failure> {
    let wasm = fs::read(file).map_err(|error| Failure::file(file, &error))?;
    // One author asks one question at a time.
    let limits = Limits { instances_max: 4, ..Limits::default() };
    let sandbox = Sandbox::new(limits.clone(), None).map_err(Failure::local)?;
    let examination = sandbox.examine(wasm.clone()).await;
    Ok(Looked { wasm, examination, limits })
}

/// A plugin that can be asked.
async fn load(file: &Path) -> Result<Arc<Installed>, Failure> {
    look(file).await?.examination.plugin.map_err(|error| {
        let file = file.display();
        Failure::Refused(format!("`{file}` is no plugin: {error}; `interlock plugin check {file}` says more"))
    })
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
