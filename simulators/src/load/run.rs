use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::watch::{Watched, Watcher};
use super::{LedgerOut, LoadFeed, LoadPlan, WatchFeed, WatchOptions, process_cpu};
use crate::args::LoadArgs;
use crate::latency::Latency;
use crate::link::{Counters, Link, LinkError, LinkOptions};
use crate::pacer::Pacer;
use crate::wire;

/// Between the call and the first message, so that all connections stand before it.
const LEAD: Duration = Duration::from_millis(300);

/// Runs the load to its end and prints the figures.
///
/// # Errors
/// No server, a refused sign-in, or messages that stay unacknowledged; the figures are printed
/// before that is said.
pub async fn load(args: &LoadArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let pacer = Pacer::start().context("cannot start the timer thread")?;
    let counters = Counters::default();
    let ledger = args.ledger_out.as_deref().map(LedgerOut::create).transpose();
    let ledger = ledger.context("cannot create the file of --ledger-out")?;
    let watch_options = args.watch_options();
    let watcher = match &watch_options {
        Some(options) => Some(Watcher::connect(options).await?),
        None => None,
    };
    let cpu_before = process_cpu();
    let start = Instant::now() + LEAD;
    let start_ms = jiff::Timestamp::now().as_millisecond() + LEAD.as_millis() as i64;
    let mut feeds: Vec<LoadFeed> = (0..args.connections)
        .map(|c| LoadFeed::new(plan(args, c, start, start_ms), ledger.clone()))
        .collect();
    println!(
        "load {} msg/s for {} s: {} devices over {} connections, QoS {}, {} B payload, {} values, to {}",
        args.rate,
        args.seconds,
        args.devices,
        args.connections,
        args.qos,
        args.payload_bytes,
        args.values,
        args.target
    );
    let watching = watch(&watch_options, watcher, start, start_ms, args, &pacer);
    let links = feeds
        .iter_mut()
        .enumerate()
        .map(|(c, feed)| Link::new(options(args, c), feed, &pacer, &counters, stop.clone()).run());
    let (results, watched) = tokio::join!(futures::future::join_all(links), watching);
    let took = start.elapsed();
    for feed in &mut feeds {
        feed.finish();
    }
    let cpu = cpu_before.and_then(|before| Some(process_cpu()? - before));
    report(args, &feeds, &counters, took, cpu);
    finish(results, &mut feeds, watched)
}

fn finish(
    results: Vec<Result<(), LinkError>>,
    feeds: &mut [LoadFeed],
    watched: anyhow::Result<Option<Watched>>,
) -> anyhow::Result<()> {
    if let Some(seen) = watched? {
        println!(
            "alert_frame_ms n={} missing={} {}",
            seen.latency.count(),
            seen.missing,
            seen.latency.summary()
        );
    }
    for feed in feeds {
        if let Some(e) = feed.ledger_error.take() {
            return Err(e).context("cannot write the file of --ledger-out");
        }
    }
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(())
}

fn options(args: &LoadArgs, connection: usize) -> LinkOptions {
    LinkOptions {
        target: args.target.clone(),
        client_id: format!("ioc-sim-load-{}-{connection}", std::process::id()),
        level: if args.mqtt5 { wire::V5 } else { wire::V311 },
        qos: args.qos,
        window: args.window,
        give_up: Some(Duration::from_secs(args.retry_seconds)),
    }
}

fn plan(args: &LoadArgs, connection: u32, start: Instant, start_ms: i64) -> LoadPlan {
    // Devices are dealt in turn, so the first ones may have one more.
    let mine = (args.devices + args.connections - 1 - connection) / args.connections;
    LoadPlan {
        start,
        start_ms,
        rate: args.rate * f64::from(mine) / f64::from(args.devices),
        duration: Duration::from_secs_f64(args.seconds),
        first: connection,
        step: args.connections,
        devices: args.devices,
        payload_bytes: args.payload_bytes,
        values: args.values,
    }
}

/// Publishes the watched device on a connection of its own and reads the alerts.
async fn watch(
    options: &Option<WatchOptions>,
    watcher: Option<Watcher>,
    start: Instant,
    start_ms: i64,
    args: &LoadArgs,
    pacer: &Pacer,
) -> anyhow::Result<Option<Watched>> {
    let (Some(options), Some(watcher)) = (options, watcher) else { return Ok(None) };
    let duration = Duration::from_secs_f64(args.seconds);
    let mut feed = WatchFeed::new(options, start, start_ms, duration);
    let waiting = feed.pending();
    let counters = Counters::default();
    let link = LinkOptions {
        client_id: format!("ioc-sim-watch-{}", std::process::id()),
        qos: 1,
        level: wire::V311,
        window: 1000,
        ..self::options(args, 0)
    };
    let sent = CancellationToken::new();
    let publish = async {
        let result = Link::new(link, &mut feed, pacer, &counters, CancellationToken::new()).run();
        let result = result.await;
        sent.cancel();
        result
    };
    let (published, seen) = tokio::join!(publish, watcher.run(waiting, sent.clone()));
    published?;
    Ok(Some(seen?))
}

fn report(
    args: &LoadArgs,
    feeds: &[LoadFeed],
    counters: &Counters,
    took: Duration,
    cpu: Option<Duration>,
) {
    let mut latency = Latency::default();
    for feed in feeds {
        latency.merge(&feed.latency);
    }
    let sent = Counters::get(&counters.sent);
    let acked = Counters::get(&counters.acked);
    let unsent: u64 = feeds.iter().map(LoadFeed::unsent).sum();
    let seconds = took.as_secs_f64();
    println!(
        "total sent={sent} acked={acked} refused={} resent={} reconnects={} unsent={unsent} seconds={seconds:.3}",
        Counters::get(&counters.refused),
        Counters::get(&counters.resent),
        Counters::get(&counters.reconnects),
    );
    let done = if args.qos == 0 { sent } else { acked };
    println!("rate_per_s achieved={:.0} asked={:.0}", done as f64 / seconds, args.rate);
    if latency.count() > 0 {
        println!("puback_ms {}", latency.summary());
    }
    if let Some(cpu) = cpu {
        println!(
            "own_cpu_s {:.2} us_per_message={:.2} of_a_core={:.0}%",
            cpu.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / sent.max(1) as f64,
            cpu.as_secs_f64() * 100.0 / seconds
        );
    }
}
