//! The `interlock` program: the server, and everything that a person or a script does with one.

#![warn(clippy::print_stdout)]

// First, since its macros are what everybody prints with.
#[macro_use]
mod output;

mod browser;
mod client;
mod cmd;
mod confirm;
mod failure;
mod local;
mod login;
mod signer;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use interlock_sandbox::Compiler;

use crate::{
    client::Connection,
    failure::Exit,
    output::{Format, Outcome},
};

/// A server allocates for thousands of small answers a second, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A change gate for fleets that must not fail.
///
/// Exit codes: 0 done, 1 refused or denied, 2 wrong usage, 3 the server cannot be reached or did not do its part, or
/// something cannot be verified, 4 a program that the command needs is not installed.
#[derive(Debug, Parser)]
#[command(name = "interlock", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    /// How to print: a table for people, JSON or YAML for programs.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(cmd::serve::Serve),
    /// Make, list, replace and revoke API keys.
    #[command(subcommand)]
    Key(cmd::key::Key),
    /// Log in with your password and a code.
    Login(cmd::person::Login),
    /// Log out.
    Logout(cmd::person::Logout),
    /// Show who you are to the server.
    Me(cmd::person::Me),
    /// Set another password.
    Password(cmd::person::Password),
    /// Show where you are logged in, or end one of those sessions.
    Sessions(cmd::person::Sessions),
    /// Follow an invitation: set your password, and the app that shows codes.
    Enrol(cmd::person::Enrol),
    /// Verify electronic signatures, without a server.
    #[command(subcommand)]
    Signature(cmd::signature::Signature),
    /// List, invite, confirm and end accounts, alter their roles.
    #[command(subcommand)]
    Account(cmd::account::Account),
    /// Show what is amiss for the tenant: its application, its plugins, what they look up.
    Status(cmd::status::Status),
    /// Import advisories about packages, for gates that ask.
    #[command(subcommand)]
    Advisory(cmd::advisory::Advisory),
    /// Push and list artifacts, make signing keys.
    #[command(subcommand)]
    Artifact(cmd::artifact::Artifact),
    /// Propose, approve, watch and roll back changes.
    #[command(subcommand)]
    Change(cmd::change::Change),
    /// Lend your roles to somebody who approves while you are away.
    #[command(subcommand)]
    Delegation(cmd::delegation::Delegation),
    /// List and review incidents: where a change was let through in an emergency.
    #[command(subcommand)]
    Incident(cmd::incident::Incident),
    /// Register and list devices.
    #[command(subcommand)]
    Device(cmd::device::Device),
    /// Emulate a fleet of devices.
    #[command(subcommand)]
    Fleet(cmd::fleet::Fleet),
    /// Read decisions and execute them again.
    #[command(subcommand)]
    Decision(cmd::decision::Decision),
    /// Read requests for access that the tenant's application denied, and answer them.
    #[command(subcommand)]
    Access(cmd::access::Access),
    /// Make, list, try and revoke gates that other engines ask.
    #[command(subcommand)]
    Gate(cmd::gate::Gate),
    /// Read and verify the ledger.
    #[command(subcommand)]
    Ledger(cmd::ledger::Ledger),
    /// Check, show and reload the policy bundle.
    #[command(subcommand)]
    Bundle(cmd::bundle::Bundle),
    /// Check, try and test plugins while they are written, and look at installed ones.
    #[command(subcommand)]
    Plugin(cmd::plugin::Plugin),
    /// Write, check, test and compare policies, without a server.
    #[command(subcommand)]
    Policy(cmd::policy::Policy),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

fn main() -> ExitCode {
    if let Some(code) = Compiler::enter() {
        return code;
    }
    // Wrong usage ends here, with 2.
    let cli = Cli::parse();
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => match runtime.block_on(run(cli)) {
            Ok(outcome) => outcome.exit(),
            Err(failure) => {
                eprintln!("interlock: {failure}");
                failure.exit()
            }
        },
        Err(error) => {
            eprintln!("interlock: cannot start: {error}");
            Exit::Failed
        }
    };
    ExitCode::from(exit as u8)
}

async fn run(cli: Cli) -> Result<Outcome, client::Failure> {
    let Cli { connection, output, command } = cli;
    match command {
        Command::Serve(serve) => serve.run().await,
        Command::Key(key) => key.run(&connection, output).await,
        Command::Account(account) => account.run(&connection, output).await,
        Command::Login(login) => login.run(&connection, output).await,
        Command::Logout(logout) => logout.run(&connection).await,
        Command::Me(me) => me.run(&connection, output).await,
        Command::Password(password) => password.run(&connection, output).await,
        Command::Sessions(sessions) => sessions.run(&connection, output).await,
        Command::Enrol(enrol) => enrol.run(&connection, output).await,
        Command::Signature(signature) => signature.run(output),
        Command::Status(status) => status.run(&connection, output).await,
        Command::Advisory(advisory) => advisory.run(&connection, output).await,
        Command::Artifact(artifact) => artifact.run(&connection, output).await,
        Command::Change(change) => change.run(&connection, output).await,
        Command::Delegation(delegation) => delegation.run(&connection, output).await,
        Command::Incident(incident) => incident.run(&connection, output).await,
        Command::Device(device) => device.run(&connection, output).await,
        Command::Fleet(fleet) => fleet.run(output).await,
        Command::Decision(decision) => decision.run(&connection, output).await,
        Command::Access(access) => access.run(&connection, output).await,
        Command::Gate(gate) => gate.run(&connection, output).await,
        Command::Ledger(ledger) => ledger.run(&connection, output).await,
        Command::Bundle(bundle) => bundle.run(&connection, output).await,
        Command::Plugin(plugin) => plugin.run(&connection, output).await,
        Command::Policy(policy) => policy.run(&connection, output).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "interlock", &mut script);
            output::bytes(&script);
            Ok(Outcome::Done)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(client::Failure::local)?;
            output::bytes(&page);
            Ok(Outcome::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
