//! Brings one batch to the server, whatever the server says.

use std::collections::HashSet;
use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use rand::Rng;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::wire::{Answer, dropped};
use crate::InfluxConfig;

/// Points sent singly at the same time after a partial write.
const SINGLES_IN_FLIGHT: usize = 8;
/// After a partial write so many lines are sent singly; more are halved before, unless the server
/// says that half of them are refused. One refused line of 5,000 then costs about 35 requests.
const SINGLES_MAX: usize = 16;

/// The server as the delivery needs it; tests put another in its place.
pub(crate) trait Server: Sync {
    fn write(&self, lines: &str) -> impl Future<Output = Answer> + Send;
    /// Set-up again: the bucket was not found.
    fn set_up(&self) -> impl Future<Output = ()> + Send;
    /// Told of every change: why nothing is being stored now, or that it is again.
    fn trouble(&self, why: Option<String>);
    /// Told of every 400, which is a mistake of ours.
    fn malformed(&self);
}

/// Sends a batch until each line is stored or refused for good; returns the refused lines with
/// the reason. `None`: told to stop before that.
pub(crate) async fn deliver(
    batch: &Batch,
    server: &impl Server,
    config: &InfluxConfig,
    stop: &CancellationToken,
) -> Option<Vec<(usize, String)>> {
    let sender = Sender { batch, server, config, stop };
    let mut dead = Vec::new();
    let mut todo = Vec::new();
    if batch.len() > 0 {
        todo.push(0..batch.len());
    }
    // The last is sent first: lines go out in their order.
    while let Some(lines) = todo.pop() {
        match sender.send(&lines).await? {
            Verdict::Stored => {}
            Verdict::Dead(why) => dead.push((lines.start, why)),
            Verdict::Halve => {
                let middle = lines.start + lines.len() / 2;
                todo.push(middle..lines.end);
                todo.push(lines.start..middle);
            }
            Verdict::Singly(why) => dead.extend(sender.singly(lines, &why).await?),
        }
    }
    dead.sort_unstable_by_key(|d| d.0);
    Some(dead)
}

enum Verdict {
    Stored,
    /// The only line is refused for good.
    Dead(String),
    Halve,
    Singly(String),
}

impl Verdict {
    /// A line that is refused by itself is dead; several have to be told apart.
    fn refused(single: bool, status: u16, why: &str, several: Self) -> Self {
        if single { Self::Dead(format!("{status}: {why}")) } else { several }
    }
}

struct Sender<'a, S> {
    batch: &'a Batch,
    server: &'a S,
    config: &'a InfluxConfig,
    stop: &'a CancellationToken,
}

impl<S: Server> Sender<'_, S> {
    /// Sends lines until the server takes a stand.
    async fn send(&self, lines: &Range<usize>) -> Option<Verdict> {
        let text = self.batch.text(lines);
        let single = lines.len() == 1;
        let mut backoff = Backoff::new(self.config);
        let mut set_up_first = false;
        loop {
            let attempt = async {
                if std::mem::take(&mut set_up_first) {
                    self.server.set_up().await;
                }
                self.server.write(text).await
            };
            let answer = tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                answer = attempt => answer,
            };
            let wait = match answer {
                Answer::Refused(status, why) => {
                    self.server.trouble(Some(format!("server refuses us: status {status}: {why}")));
                    set_up_first = status == 404;
                    Duration::from_millis(self.config.probe_interval_ms)
                }
                Answer::Busy(why, retry_after) => {
                    self.server.trouble(Some(why));
                    backoff.next(retry_after)
                }
                Answer::Stored => return self.decided(Verdict::Stored),
                Answer::Malformed(why) => {
                    self.server.malformed();
                    return self.decided(Verdict::refused(single, 400, &why, Verdict::Halve));
                }
                Answer::TooLarge(why) => {
                    return self.decided(Verdict::refused(single, 413, &why, Verdict::Halve));
                }
                Answer::Partial(why) => {
                    // The lines that were stored overwrite themselves. Halving finds few refused
                    // ones soonest, but not many.
                    let few = dropped(&why).is_none_or(|n| n < lines.len() / 2);
                    let halve = few && lines.len() > SINGLES_MAX;
                    let on = if halve { Verdict::Halve } else { Verdict::Singly(why.clone()) };
                    return self.decided(Verdict::refused(single, 422, &why, on));
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The server took a stand, so it can be reached and knows us.
    fn decided(&self, verdict: Verdict) -> Option<Verdict> {
        self.server.trouble(None);
        Some(verdict)
    }

    /// After a partial write: each line by itself, once, to find the refused ones. The others
    /// overwrite themselves.
    async fn singly(&self, lines: Range<usize>, why: &str) -> Option<Vec<(usize, String)>> {
        // Two lines for one place are sent one after the other: the later has to stay.
        let mut places = HashSet::new();
        let apart = lines.clone().all(|i| places.insert(self.batch.place(i)));
        let at_once = if apart { SINGLES_IN_FLIGHT } else { 1 };
        let sends = lines.map(|i| async move { (i, self.send(&(i..i + 1)).await) });
        let answers: Vec<_> =
            futures::stream::iter(sends).buffer_unordered(at_once).collect().await;
        let mut dead = Vec::new();
        for (i, verdict) in answers {
            if let Verdict::Dead(why) = verdict? {
                dead.push((i, why));
            }
        }
        if dropped(why).is_some_and(|n| n != dead.len()) {
            tracing::warn!(named = why, found = dead.len(), "influxdb partial write differs");
        }
        Some(dead)
    }
}

/// Waits that double, with jitter.
struct Backoff {
    next_ms: u64,
    max_ms: u64,
}

impl Backoff {
    fn new(config: &InfluxConfig) -> Self {
        Self { next_ms: config.backoff_min_ms.max(1), max_ms: config.backoff_max_ms.max(1) }
    }

    /// The longer of the own wait and what the server asks for, up to the longest wait.
    fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let max = Duration::from_millis(self.max_ms);
        let full = self.next_ms.min(self.max_ms);
        self.next_ms = full.saturating_mul(2);
        // Half fixed, half random: many clients do not come back together.
        let own = Duration::from_millis(rand::rng().random_range(full.div_ceil(2)..=full));
        own.max(retry_after.unwrap_or_default()).min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_the_servers_wish_wins_when_longer() {
        let config = InfluxConfig { backoff_min_ms: 500, ..InfluxConfig::default() };
        let mut backoff = Backoff::new(&config);
        let mut full = 500;
        for _ in 0..12 {
            let wait = backoff.next(None).as_millis() as u64;
            assert!((full / 2..=full).contains(&wait), "{wait} of {full}");
            full = (full * 2).min(60_000);
        }
        let seconds = Duration::from_secs;
        assert_eq!(Backoff::new(&config).next(Some(seconds(7))), seconds(7));
        assert_eq!(Backoff::new(&config).next(Some(seconds(3_600))), seconds(60));
        assert!(Backoff::new(&config).next(Some(seconds(0))) >= Duration::from_millis(250));
    }
}
