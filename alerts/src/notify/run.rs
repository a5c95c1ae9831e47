//! The run loop: takes what is new, sends what is due, sleeps until something is.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ioc_model::{AlertStore, Name, RegisterError, Timestamp};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::NotifyConfig;
use super::desk::Desk;
use super::handle::NotifyHandle;
use super::log::{Done, Job};
use super::ways::Channels;
use crate::cap::CapStore;
use crate::channel::{Channel, Clock, SEND_TIMEOUT, SendError};

/// The wall clock may jump: nothing sleeps longer.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// After trouble with the disk.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two rounds of housekeeping.
const SWEEP_EVERY_MS: i64 = 600_000;
/// What is under way may end when the program stops.
const GRACE: Duration = Duration::from_secs(5);

/// What a notifier works with.
#[derive(Clone)]
pub struct NotifierParts {
    /// Receivers and routes.
    pub config: NotifyConfig,
    /// The register, whose audit log is read.
    pub alerts: Arc<dyn AlertStore>,
    /// One way for each receiver (see [`NotifyConfig::channels`]).
    pub channels: Channels,
    /// Where public warnings are kept, for the feed.
    pub cap: Option<Arc<CapStore>>,
    /// Wall time.
    pub clock: Clock,
}

/// The notifier: owns the outbox and sends what is in it.
pub struct Notifier {
    desk: Arc<Desk>,
    channels: Channels,
    cap: Option<Arc<CapStore>>,
    clock: Clock,
    wake: Arc<Notify>,
    /// Deliveries that are being sent, by receiver.
    busy: HashMap<Name, HashSet<i64>>,
    swept_at: Option<Timestamp>,
}

/// What the notifier did until it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyStats {
    /// Audit lines that were taken.
    pub lines: u64,
    /// Sendings that ended, well or not.
    pub sendings: u64,
}

impl Notifier {
    /// Opens or creates the outbox at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened or is not an outbox.
    pub fn open(path: &Path, parts: NotifierParts) -> Result<Self, RegisterError> {
        let NotifierParts { config, alerts, channels, cap, clock } = parts;
        let desk = Arc::new(Desk::open(path, config, alerts)?);
        Ok(Self {
            desk,
            channels,
            cap,
            clock,
            wake: Arc::default(),
            busy: HashMap::new(),
            swept_at: None,
        })
    }

    /// The same notifier, looking for news whenever `wake` is rung: the register's listener rings.
    #[must_use]
    pub fn woken_by(self, wake: Arc<Notify>) -> Self {
        Self { wake, ..self }
    }

    /// For the screens, the metrics, and to be woken when the register has changed.
    pub fn handle(&self) -> NotifyHandle {
        let targets = self.channels.iter();
        NotifyHandle {
            desk: Arc::clone(&self.desk),
            targets: targets.map(|(id, c)| (id.clone(), (c.kind(), c.target()))).collect(),
            cap: self.cap.clone(),
            clock: Arc::clone(&self.clock),
            wake: Arc::clone(&self.wake),
            tests: Arc::default(),
        }
    }

    /// Runs until `stop`; what is under way then has a few seconds to end. Dropping the future
    /// loses nothing: what was being sent is sent again under the same id.
    pub async fn run(mut self, stop: CancellationToken) -> NotifyStats {
        let mut stats = NotifyStats::default();
        let mut sending: JoinSet<Done> = JoinSet::new();
        while !stop.is_cancelled() {
            let sleep = match self.round(&mut sending, &mut stats) {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::warn!(%error, "notification: outbox or register trouble");
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = sending.join_next() => self.done(done, &mut stats).await,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        let end = tokio::time::Instant::now() + GRACE;
        while let Ok(Some(done)) = tokio::time::timeout_at(end, sending.join_next()).await {
            self.done(done, &mut stats).await;
        }
        stats
    }

    /// Takes, starts sendings; how long nothing is to be done unless somebody wakes us.
    fn round(
        &mut self,
        sending: &mut JoinSet<Done>,
        stats: &mut NotifyStats,
    ) -> Result<Duration, RegisterError> {
        let now = (self.clock)();
        let desk = &self.desk;
        let taken = on_disk(|| desk.take(now))?;
        stats.lines += taken.lines as u64;
        let mut more = taken.more;
        if self.swept_at.is_none_or(|at| now.since_ms(at).abs() >= SWEEP_EVERY_MS) {
            let unfinished = on_disk(|| desk.sweep(now))?;
            more |= unfinished;
            self.swept_at = if unfinished { None } else { Some(now) };
        }
        self.start(sending, now)?;
        if more {
            return Ok(Duration::ZERO);
        }
        let next = on_disk(|| self.desk.next_due(now))?;
        let wait = next.map_or(LONGEST_SLEEP, |at| {
            Duration::from_millis(at.since_ms(now).max(0).cast_unsigned())
        });
        Ok(wait.min(LONGEST_SLEEP))
    }

    fn start(&mut self, sending: &mut JoinSet<Done>, now: Timestamp) -> Result<(), RegisterError> {
        for receiver in &self.desk.config.receivers {
            let Some(channel) = self.channels.get(&receiver.id) else { continue };
            let busy = self.busy.entry(receiver.id.clone()).or_default();
            let room = receiver.at_once.saturating_sub(busy.len());
            if room == 0 {
                continue;
            }
            let limit = room + busy.len();
            let jobs = on_disk(|| self.desk.jobs(&receiver.id, now, limit))?;
            for job in jobs {
                if busy.len() >= receiver.at_once || !busy.insert(job.seq) {
                    continue;
                }
                sending.spawn(send(Arc::clone(channel), job));
            }
        }
        Ok(())
    }

    /// Writes what came of a sending, and does not let go before it is written: forgetting it
    /// would only send it twice, but at once and for ever.
    async fn done(&mut self, done: Result<Done, tokio::task::JoinError>, stats: &mut NotifyStats) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // The delivery stays busy until the next start: a message that breaks its channel
                // must not break it in a circle.
                tracing::error!(%error, "a notification channel panicked");
                return;
            }
        };
        stats.sendings += 1;
        if let Err(e) = &done.result {
            tracing::warn!(receiver = %done.receiver, delivery = %done.id, answer = %e.answer,
                permanent = e.permanent, "notification not delivered");
        }
        let desk = Arc::clone(&self.desk);
        while let Err(error) = on_disk(|| desk.settle(&done, (self.clock)())) {
            tracing::warn!(%error, "notification: cannot write what came of a sending");
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(busy) = self.busy.get_mut(&done.receiver) {
            busy.remove(&done.seq);
        }
    }
}

async fn send(channel: Arc<dyn Channel>, job: Job) -> Done {
    let n = &job.notification;
    let result = match tokio::time::timeout(SEND_TIMEOUT, channel.send(n)).await {
        Ok(result) => result,
        Err(_) => Err(SendError::again("no answer in time")),
    };
    Done {
        seq: job.seq,
        id: n.id.clone(),
        attempts: job.attempts,
        expires_at: job.expires_at,
        receiver: n.receiver.clone(),
        result,
    }
}

/// Work on the disk that does not keep other tasks of a multi-threaded runtime waiting.
fn on_disk<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
