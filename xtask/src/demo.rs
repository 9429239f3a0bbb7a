//! `cargo xtask demo`: build what the demo needs, then tell it.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{plugins, workspace};

/// What `cargo xtask demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Stop when the stories are told
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("building plugins, server and demo; the first time takes some minutes");
    plugins::build_all(None)?;
    let mut build = workspace::cargo(".");
    build.args(["build", "--quiet", "-p", "interlock-cli", "-p", "interlock-demo"]);
    ensure!(build.status().context("cannot run cargo")?.success(), "the build failed");
    let programs = workspace::target_dir().join("debug");
    let mut demo = Command::new(programs.join("interlock-demo"));
    demo.arg("--program").arg(programs.join("interlock"));
    demo.arg("--plugins").arg(workspace::target_dir().join("interlock-plugins"));
    if arguments.once {
        demo.arg("--once");
    }
    ensure!(demo.status().context("cannot start the demo")?.success(), "the demo failed");
    Ok(())
}
