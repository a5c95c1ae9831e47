//! The `ioc` binary: command line, configuration, composition, shutdown. No logic of its own.

mod alerting;
mod announce;
mod audit;
mod backtest;
mod check;
mod cli;
mod config;
mod decode;
mod device;
mod doctor;
mod doors;
mod exit;
mod explain;
mod history;
mod https;
mod metrics;
mod rulebook;
mod run;
mod settings;
mod stages;
mod status;
mod stop;
mod user;
mod words;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Backtest(args) => backtest::command(&args),
        Command::Explain(args) => explain::command(&args),
        Command::Audit(args) => audit::command(&args),
        Command::Decode(args) => decode::command(&args),
        Command::History(args) => history::command(&args),
        Command::Device(args) => device::command(&args),
        Command::Doctor(args) => doctor::command(&args),
        Command::User(args) => user::user(&args),
        Command::Version => {
            println!("ioc {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    exit::code(result)
}
