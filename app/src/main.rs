//! The `ioc` binary: command line, configuration, composition, shutdown. No logic of its own.

mod announce;
mod check;
mod cli;
mod config;
mod exit;
mod metrics;
mod rulebook;
mod run;
mod settings;
mod stages;
mod status;
mod stop;
mod user;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::User(args) => user::user(&args),
        Command::Version => {
            println!("ioc {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    exit::code(result)
}
