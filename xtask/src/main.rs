//! The project's own commands, as `cargo xtask COMMAND`.

use clap::{Parser, Subcommand};

mod bench;
mod compliance;
mod demo;
mod examples;
mod languages;
mod plugins;
mod programs;
mod test;
mod toolchain;
mod workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, shows and tests Interlock")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell four stories with a real server and 200 emulated pumps
    Demo(demo::Arguments),
    /// Everything that CI checks: format, lints, dependencies, plugins, unit, doc and end-to-end tests
    Test(test::Arguments),
    /// Measure speed and memory as ratios within one run
    Bench(bench::Arguments),
    /// Build every plugin as a wasm component
    Plugins(plugins::Arguments),
    /// Write `docs/compliance.md` from the controls, when all that they name is there
    Compliance {
        /// Only compare
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Plugins(arguments) => plugins::run(&arguments),
        Command::Compliance { check } => compliance::run(check),
    }
}
