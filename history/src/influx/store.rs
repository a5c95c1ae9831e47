use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ioc_model::{
    Entry, Flush, HistoryError, HistoryStats, HistoryStore, LastValue, Ledger, Maintained,
    RangeQuery, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows, Timestamp, WindowQuery,
};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::batch::Finished;
use super::queue::Queue;
use super::sender;
use super::state::{DeadLetter, State};
use super::wire::{Retention, Wire};
use crate::{Error, InfluxConfig};

/// More lanes than any server takes writes at once.
const IN_FLIGHT_MAX: usize = 64;

/// Measurements in an InfluxDB 2. Cheap to clone.
///
/// Position and dead letters lie in `influx.db` in its folder. The task that sends belongs to the
/// store: it ends with the last clone, or by [`InfluxStore::close`].
#[derive(Clone)]
pub struct InfluxStore {
    pub(super) shared: Arc<Shared>,
    sender: Arc<SenderTask>,
}

/// Ends the sender when dropped.
struct SenderTask {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Drop for SenderTask {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What only the InfluxDB store can say of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InfluxStats {
    /// Points rendered and not yet answered.
    pub queued_points: u64,
    /// Points that the server says it stored, since the start of the process.
    pub stored_points: u64,
    /// The same since `influx.db` was made; points sent again after a crash count again.
    pub points: u64,
    /// Series written by this process.
    pub series: u64,
    /// Points of further series than `max_series`; they are dead letters.
    pub refused_series_points: u64,
    /// How long the bucket keeps its points, 0: for ever; `None`: not known.
    pub bucket_retention_s: Option<u64>,
    /// It is not what `retention_days` says; it is left as it is.
    pub bucket_retention_differs: bool,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Dead letters that made room for newer ones.
    pub dead_letters_dropped: u64,
    /// Answers 400, each a mistake of ours; the target is 0.
    pub malformed: u64,
    /// Journal position below which all is stored or a dead letter.
    pub cursor: u64,
}

pub(super) struct Shared {
    pub(super) config: InfluxConfig,
    pub(super) wire: Wire,
    pub(super) ledger: Arc<Ledger>,
    /// Positions below were counted in the ledger by an earlier process.
    pub(super) count_from: u64,
    pub(super) queue: Mutex<Queue>,
    /// There is something to send, for each lane.
    pub(super) work: Vec<Notify>,
    /// Answered batches of lanes whose outcome is not yet on disk.
    pub(super) done: Mutex<Vec<(usize, Finished)>>,
    /// One set-up at a time.
    pub(super) set_up_turn: tokio::sync::Mutex<()>,
    /// How long the bucket keeps its points, once the server has said it.
    pub(super) retention: Mutex<Option<Retention>>,
    /// The cursor, and why nothing is being stored now.
    pub(super) progress: watch::Sender<Progress>,
    pub(super) state: Mutex<State>,
    pub(super) stored_points: AtomicU64,
    pub(super) malformed: AtomicU64,
    /// The sender has ended.
    pub(super) stopped: CancellationToken,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) cursor: u64,
    /// Of each lane.
    pub(super) troubles: Vec<Option<String>>,
}

impl Progress {
    pub(super) fn trouble(&self) -> Option<&String> {
        self.troubles.iter().flatten().next()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InfluxStore {
    /// Opens `influx.db` in `folder` (made if missing) and starts the sender. Records at
    /// positions below `count_from` were counted in the ledger by an earlier process. The server
    /// need not be there yet.
    ///
    /// # Errors
    /// A setting that cannot be used, no readable token file, or trouble with the folder.
    pub async fn open(
        folder: &Path,
        config: InfluxConfig,
        ledger: Arc<Ledger>,
        count_from: u64,
    ) -> Result<Self, Error> {
        check(&config)?;
        let folder = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let token = token(&config)?;
            std::fs::create_dir_all(&folder)
                .map_err(|source| Error::Folder { path: folder.clone(), source })?;
            let state = State::open(&folder.join("influx.db"), config.dead_letters_max)?;
            Shared::new(config, &token, state, ledger, count_from)
        });
        let shared = Arc::new(opened.await??);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        tracker.spawn(sender::run(Arc::clone(&shared), stop.clone()));
        tracker.close();
        Ok(Self { shared, sender: Arc::new(SenderTask { stop, tracker }) })
    }

    /// Ends the sender and waits for its end; what has no answer yet stays in the journal. To
    /// lose no time at the next start, flush before.
    pub async fn close(&self) {
        self.sender.stop.cancel();
        self.sender.tracker.wait().await;
    }

    /// What only this store can say of itself.
    ///
    /// # Errors
    /// Trouble with `influx.db`.
    pub async fn influx_stats(&self) -> Result<InfluxStats, Error> {
        let shared = Arc::clone(&self.shared);
        let counts = tokio::task::spawn_blocking(move || {
            let state = lock(&shared.state);
            Ok::<_, Error>((state.counts()?, state.points()?))
        });
        let ((dead_letters, dead_letters_dropped), points) = counts.await??;
        let kept = lock(&self.shared.retention).map(|r| r.seconds);
        let (queued, series, refused) = {
            let queue = lock(&self.shared.queue);
            (queue.points(), queue.series().len(), queue.series().refused())
        };
        Ok(InfluxStats {
            queued_points: queued as u64,
            points,
            series: series as u64,
            refused_series_points: refused,
            bucket_retention_s: kept,
            bucket_retention_differs: kept.is_some_and(|s| s != self.shared.config.retention_s()),
            stored_points: self.shared.stored_points.load(Relaxed),
            dead_letters,
            dead_letters_dropped,
            malformed: self.shared.malformed.load(Relaxed),
            cursor: self.shared.progress.borrow().cursor,
        })
    }

    /// Points that are not stored and will not be sent again, with the wall time, newest first.
    ///
    /// # Errors
    /// Trouble with `influx.db`.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<(Timestamp, DeadLetter)>, Error> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || lock(&shared.state).letters(limit)).await?
    }

    /// Waits until all that was appended has an answer, the server is in trouble, or `most` is
    /// over; returns the cursor.
    pub(super) async fn settle(&self, most: Duration) -> u64 {
        let mut progress = self.shared.progress.subscribe();
        let target = {
            let mut queue = lock(&self.shared.queue);
            queue.seal();
            queue.next()
        };
        self.shared.wake();
        let there = progress.wait_for(|p| p.cursor >= target || p.trouble().is_some());
        tokio::select! {
            _ = tokio::time::timeout(most, there) => {}
            () = self.shared.stopped.cancelled() => {}
        }
        self.shared.progress.borrow().cursor
    }
}

/// The token from the file, else from the environment; empty if there is none.
fn token(config: &InfluxConfig) -> Result<String, Error> {
    let text = match &config.token_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| Error::TokenFile { path: path.clone(), source })?,
        None => std::env::var("IOC_INFLUX_TOKEN").unwrap_or_default(),
    };
    Ok(text.trim().to_owned())
}

fn check(config: &InfluxConfig) -> Result<(), Error> {
    for (setting, value) in [
        ("batch_points", config.batch_points as u64),
        ("queue_points", config.queue_points as u64),
        ("in_flight", config.in_flight as u64),
        ("max_series", config.max_series as u64),
        ("timeout_ms", config.timeout_ms),
        ("backoff_max_ms", config.backoff_max_ms),
        ("probe_interval_ms", config.probe_interval_ms),
        ("org", config.org.len() as u64),
        ("bucket", config.bucket.len() as u64),
    ] {
        if value == 0 {
            return Err(Error::Setting { setting, why: "must not be empty or 0".into() });
        }
    }
    if config.in_flight > IN_FLIGHT_MAX {
        let why = format!("must not be more than {IN_FLIGHT_MAX}");
        return Err(Error::Setting { setting: "in_flight", why });
    }
    Ok(())
}

#[async_trait]
impl HistoryStore for InfluxStore {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(self.shared.progress.borrow().cursor)
    }

    /// Waits while `queue_points` are not yet answered. Cancel safe: what was taken before is
    /// ignored when the batch is given again.
    async fn append(&self, first: u64, entries: &[Entry]) -> Result<(), HistoryError> {
        loop {
            let mut progress = self.shared.progress.subscribe();
            let (all, sealed) = lock(&self.shared.queue).take(first, entries);
            if sealed || !all {
                self.shared.wake();
            }
            if all {
                return Ok(());
            }
            tokio::select! {
                _ = progress.changed() => {}
                () = self.shared.stopped.cancelled() => {
                    return Err(HistoryError::Unavailable("the sender has stopped".into()));
                }
            }
        }
    }

    /// `All` sends what was appended and waits for the answers, but not for a server in trouble.
    /// `Due` waits for nothing: full and old batches go out by themselves.
    async fn flush(&self, what: Flush) -> Result<u64, HistoryError> {
        let most = Duration::from_millis(self.shared.config.timeout_ms.saturating_mul(2));
        Ok(match what {
            Flush::Due => self.shared.progress.borrow().cursor,
            Flush::All => self.settle(most).await,
        })
    }

    async fn range(&self, query: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        self.read_range(query).await
    }

    async fn windows(&self, query: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        self.read_windows(query).await
    }

    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        self.read_series(filter).await
    }

    async fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError> {
        self.read_last(device, at).await
    }

    /// The bucket's own retention does it.
    async fn maintain(&self, _now: Timestamp) -> Result<Maintained, HistoryError> {
        Ok(Maintained::default())
    }

    async fn stats(&self) -> HistoryStats {
        self.read_stats().await
    }
}

impl Shared {
    fn new(
        config: InfluxConfig,
        token: &str,
        state: State,
        ledger: Arc<Ledger>,
        count_from: u64,
    ) -> Result<Self, Error> {
        let (cursor, lanes) = (state.cursor()?, config.in_flight);
        Ok(Self {
            wire: Wire::new(&config, token)?,
            queue: Mutex::new(Queue::new(cursor, &config)),
            config,
            ledger,
            count_from,
            work: (0..lanes).map(|_| Notify::new()).collect(),
            done: Mutex::default(),
            set_up_turn: tokio::sync::Mutex::default(),
            retention: Mutex::default(),
            progress: watch::Sender::new(Progress { cursor, troubles: vec![None; lanes] }),
            state: Mutex::new(state),
            stored_points: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            stopped: CancellationToken::new(),
        })
    }

    /// Tells every lane to look for work.
    fn wake(&self) {
        self.work.iter().for_each(Notify::notify_one);
    }
}
