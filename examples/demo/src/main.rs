//! `cargo xtask demo`: starts a server on SQLite and a fleet of 200 emulated pumps at three sites, and tells four
//! stories as they happen.

mod stories;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Tells four stories.
#[derive(Debug, Parser)]
struct Arguments {
    /// The `interlock` program.
    #[arg(long)]
    program: PathBuf,
    /// The folder with the plugins.
    #[arg(long)]
    plugins: PathBuf,
    /// Stop when the stories are told, instead of leaving the server running.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tell(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn tell(arguments: Arguments) -> anyhow::Result<()> {
    println!("Interlock demo: 200 infusion pumps at three sites, one server, four stories.\n");
    let mut stage = stories::Stage::set(&arguments.program, &arguments.plugins).await?;
    stage.a_good_release().await?;
    stage.a_bad_release().await?;
    stage.a_tampered_artifact().await?;
    stage.an_author_who_approves().await?;
    stage.the_record().await?;
    if arguments.once {
        return stage.strike().await;
    }
    stage.stay().await
}
