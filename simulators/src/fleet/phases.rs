//! The phases, one after the other, each with its line of figures.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Device, Way};
use super::server::{Usage, usage};
use crate::args::FleetArgs;
use crate::latency::Latency;

/// Runs all phases.
///
/// # Errors
/// A file that cannot be read, or a server that takes none of the devices.
pub async fn fleet(args: &FleetArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let way = way(args)?;
    let devices = devices(args)?;
    println!("fleet {} devices, one connection each, to {}", devices.len(), args.target);
    let run = Run { args, way, devices };
    tokio::select! {
        result = run.all() => result,
        () = stop.cancelled() => Ok(()),
    }
}

fn way(args: &FleetArgs) -> anyhow::Result<Way> {
    let Some(ca) = &args.ca else {
        return Ok(Way { target: args.target.clone(), tls: None });
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(ca)
        .with_context(|| format!("cannot read {}", ca.display()))?;
    for certificate in certificates {
        roots.add(certificate.with_context(|| format!("{} holds no PEM", ca.display()))?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // Devices come back from a power cut: every handshake is a full one.
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(args.target.host.clone())?;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(Way { target: args.target.clone(), tls: Some((connector, name)) })
}

/// Ids and tokens of `--tokens` (`id,token` per line), or made-up ids without tokens.
fn devices(args: &FleetArgs) -> anyhow::Result<Vec<Arc<Device>>> {
    let known: Vec<(String, Option<String>)> = match &args.tokens {
        Some(file) => tokens(file)?,
        None => (0..args.devices).map(|n| (format!("fleet-{n:06}"), None)).collect(),
    };
    if known.len() < args.devices as usize {
        bail!("{} tokens for {} devices", known.len(), args.devices);
    }
    let known = known.into_iter().take(args.devices as usize);
    let device = |(id, token): (String, Option<String>)| {
        let topic = format!("{}/{id}/obs", args.topic);
        Arc::new(Device { id, token, topic })
    };
    Ok(known.map(device).collect())
}

fn tokens(file: &Path) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().filter(|l| !l.trim().is_empty());
    let pair = |line: &str| {
        let (id, token) = line.split_once(',').context("a line is not `id,token`")?;
        Ok((id.trim().to_owned(), Some(token.trim().to_owned())))
    };
    lines.map(pair).collect()
}

struct Run<'a> {
    args: &'a FleetArgs,
    way: Way,
    devices: Vec<Arc<Device>>,
}

impl Run<'_> {
    async fn all(&self) -> anyhow::Result<()> {
        let empty = self.usage();
        let mut open = self.connect("connect").await?;
        let n = open.len().max(1) as u64;
        self.idle(&empty, n).await;
        let before = self.talk("talk", &mut open, None).await;
        if self.args.flood {
            let mut flooder = open.swap_remove(0);
            let end = Instant::now() + Duration::from_secs_f64(self.args.seconds);
            let others = self.talk("beside_flood", &mut open, None);
            let (during, flood) = tokio::join!(others, flooder.flood(end));
            println!(
                "flood acked={} per_s={:.0} others_p99_ms before={before:.2} during={during:.2}",
                *flood.as_ref().unwrap_or(&0),
                flood.as_ref().map_or(0.0, |n| *n as f64 / self.args.seconds),
            );
            flood.context("the flooding device")?;
        }
        if self.args.reconnect {
            drop(open);
            open = self.connect("reconnect").await?;
            self.talk("after_reconnect", &mut open, Some(1)).await;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.args.server_pid.and_then(usage).unwrap_or_default()
    }

    /// All at once; whoever fails tries again after a pause, as devices do.
    async fn connect(&self, phase: &str) -> anyhow::Result<Vec<Connection>> {
        let (start, before) = (Instant::now(), self.usage());
        let limit = Duration::from_secs(self.args.patience);
        let mut tries: FuturesUnordered<_> =
            self.devices.iter().map(|d| self.until_open(d, start + limit)).collect();
        let (mut open, mut again, mut last) = (Vec::new(), 0u64, None);
        while let Some((connection, retries)) = tries.next().await {
            again += retries;
            match connection {
                Ok(connection) => open.push(connection),
                Err(error) => last = Some(error),
            }
        }
        let after = self.usage();
        println!(
            "{phase} open={} of={} seconds={:.2} retries={again} server_cpu_s={:.2}",
            open.len(),
            self.devices.len(),
            start.elapsed().as_secs_f64(),
            (after.cpu - before.cpu).as_secs_f64(),
        );
        match last {
            Some(error) if open.is_empty() => Err(error).context("no device could connect"),
            Some(error) => {
                println!("{phase} last_error={error}");
                Ok(open)
            }
            None => Ok(open),
        }
    }

    async fn until_open(
        &self,
        device: &Arc<Device>,
        limit: Instant,
    ) -> (std::io::Result<Connection>, u64) {
        let mut retries = 0;
        loop {
            let end = Connection::open(&self.way, device).await;
            if end.is_ok() || Instant::now() >= limit {
                return (end, retries);
            }
            retries += 1;
            let pause = Duration::from_millis(200 + rand::random_range(0..800));
            tokio::time::sleep(pause).await;
        }
    }

    async fn idle(&self, empty: &Usage, n: u64) {
        let before = self.usage();
        tokio::time::sleep(Duration::from_secs_f64(self.args.idle_seconds)).await;
        let after = self.usage();
        let each = after.rss_bytes.saturating_sub(empty.rss_bytes) / n;
        println!(
            "idle seconds={} bytes_per_connection={each} rss_mib={:.1} server_cpu={:.2}%",
            self.args.idle_seconds,
            after.rss_bytes as f64 / 1_048_576.0,
            (after.cpu - before.cpu).as_secs_f64() * 100.0 / self.args.idle_seconds.max(0.1),
        );
    }

    /// Everybody publishes every `--every` seconds (`rounds` times, or until the time is over);
    /// p99 of PUBACK, ms.
    async fn talk(&self, phase: &str, open: &mut Vec<Connection>, rounds: Option<u32>) -> f64 {
        let before = self.usage();
        let (start, every) = (Instant::now(), Duration::from_secs_f64(self.args.every));
        let end = start + Duration::from_secs_f64(self.args.seconds);
        let n = open.len() as u32;
        let talks: FuturesUnordered<_> = (open.drain(..).enumerate())
            .map(|(i, mut connection)| async move {
                let mut latency = Latency::default();
                // Spread over the interval, as devices are.
                let mut due = start + every * i as u32 / n.max(1);
                let mut said = 0;
                let mut failed = None;
                while due < end && rounds.is_none_or(|r| said < r) {
                    tokio::time::sleep_until(due.into()).await;
                    match connection.say().await {
                        Ok(took) => latency.add(took),
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                    said += 1;
                    due += every;
                }
                (connection, latency, failed)
            })
            .collect();
        let (mut all, mut failures) = (Latency::default(), Vec::new());
        for (connection, latency, failed) in talks.collect::<Vec<_>>().await {
            all.merge(&latency);
            match failed {
                None => open.push(connection),
                Some(error) => failures.push(error),
            }
        }
        let (after, took) = (self.usage(), start.elapsed().as_secs_f64());
        println!(
            "{phase} messages={} failed={} puback_ms {} server_cpu={:.1}%",
            all.count(),
            failures.len(),
            all.summary(),
            (after.cpu - before.cpu).as_secs_f64() * 100.0 / took,
        );
        if let Some(error) = failures.first() {
            println!("{phase} first_error={error}");
        }
        all.quantile_ms(0.99)
    }
}
