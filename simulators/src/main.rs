//! `ioc-sim`: simulated devices for the centre of operations.

use clap::Parser;
use ioc_sim::args::{Cli, Command};
use tokio_util::sync::CancellationToken;

/// One thread is enough for several 100,000 messages a second, and leaves the rest of the machine
/// to the centre under test.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    let stop = CancellationToken::new();
    let work = async {
        match &cli.command {
            Command::City(args) => ioc_sim::city::city(args, stop.clone()).await,
            Command::Replay(args) => ioc_sim::replay::replay(args, stop.clone()).await,
            Command::Load(args) => ioc_sim::load::load(args, stop.clone()).await,
            Command::Fleet(args) => ioc_sim::fleet::fleet(args, stop.clone()).await,
            Command::Nab(args) => ioc_sim::nab::nab(args),
        }
    };
    let mut work = std::pin::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        () = interrupted() => stop.cancel(),
    }
    // Stopping drains what is in flight; a second signal ends at once.
    tokio::select! {
        result = &mut work => result,
        () = interrupted() => anyhow::bail!("interrupted before everything was acknowledged"),
    }
}

/// Ctrl-C or SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGTERM");
            // An error here leaves no way to be told; the process then ends by SIGKILL.
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
