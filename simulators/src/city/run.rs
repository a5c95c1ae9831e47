use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{CityFeed, CityOptions};
use crate::args::{CityArgs, Switch};
use crate::link::{Counters, Link, LinkOptions};
use crate::pacer::Pacer;
use crate::{shipped, wire};

/// How often the counts are logged.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Lives until its end or until stopped, then prints what was sent.
///
/// # Errors
/// A configuration with mistakes, or a server that refuses the connection; a server that is away
/// is waited for.
pub async fn city(args: &CityArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let city = shipped::city(args.config.as_deref())?;
    let options = CityOptions {
        seed: args.seed,
        speed: args.speed,
        pace: args.pace,
        storm_after_s: args.storm_after,
        storm_length: args.storm_length,
        faults: args.faults == Switch::On,
        max_interval_s: args.max_interval,
        devices: args.devices.0,
        start_ms: args.start.unwrap_or_else(jiff::Timestamp::now).as_millisecond(),
        duration: args.seconds.map(Duration::from_secs_f64),
    };
    let mut feed = CityFeed::new(&city, options);
    println!(
        "simulated city: {} devices to {}, seed {}\n\
         second 2: a street flood tower reads 0.60 m; second 3: a car on the wrong way; second 20: \
         congestion at Ngã Ba Huế; second {:.0}: the storm begins",
        feed.device_count(),
        args.target,
        args.seed,
        args.storm_after
    );
    let counters = Counters::default();
    let pacer = Pacer::start().context("cannot start the timer thread")?;
    let link = LinkOptions {
        target: args.target.clone(),
        client_id: format!("ioc-sim-city-{}", std::process::id()),
        level: wire::V311,
        qos: 1,
        window: 1000,
        give_up: None,
    };
    let result = {
        let run = Link::new(link, &mut feed, &pacer, &counters, stop).run();
        let mut run = std::pin::pin!(run);
        let mut tick = tokio::time::interval(REPORT_EVERY);
        loop {
            tokio::select! {
                result = &mut run => break result,
                _ = tick.tick() => tracing::info!(
                    sent = Counters::get(&counters.sent),
                    acked = Counters::get(&counters.acked),
                    reconnects = Counters::get(&counters.reconnects),
                    "city"
                ),
            }
        }
    };
    println!(
        "total sent={} acked={} resent={} reconnects={}",
        Counters::get(&counters.sent),
        Counters::get(&counters.acked),
        Counters::get(&counters.resent),
        Counters::get(&counters.reconnects)
    );
    if feed.latency.count() > 0 {
        println!("puback_ms {}", feed.latency.summary());
    }
    Ok(result?)
}
