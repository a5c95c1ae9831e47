use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ioc_model::{
    Entry, Flush, HistoryError, HistoryStats, HistoryStore, LastValue, Ledger, Maintained,
    RangeQuery, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows, Timestamp, WindowQuery,
};
use rusqlite::Connection;

use super::database;
use super::head::Heads;
use super::layout;
use super::maintain::FileLock;
use super::salvage::{self, Salvaged};
use crate::{EmbeddedConfig, Error};

/// Readers kept open for the next query; further ones are closed after use.
const IDLE_READERS: usize = 4;
/// Repairs of the file by one process: where a disk fails again and again, copying does not help.
const REPAIRS_MAX: u64 = 3;
/// Wait of `append` when memory is full and the disk refused a flush.
const FLUSH_RETRY: Duration = Duration::from_millis(500);

/// Measurements in one SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedStore(pub(super) Arc<Inner>);

/// What only the embedded store can say of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedStats {
    /// Points in memory that no flush has begun to write.
    pub unflushed_points: u64,
    /// Times that a query or flush met a block whose checksum is wrong.
    pub damaged_blocks: u64,
    /// Points refused because there are too many series.
    pub refused_points: u64,
    /// Journal position below which all is on disk.
    pub cursor: u64,
}

pub(super) struct Inner {
    path: PathBuf,
    pub(super) config: EmbeddedConfig,
    pub(super) ledger: Arc<Ledger>,
    pub(super) heads: Mutex<Heads>,
    /// Before `writer`: the connection that is closed last tidies up, and readers may not.
    readers: Mutex<Vec<Connection>>,
    pub(super) writer: Mutex<Writer>,
    /// See the invariant in the module documentation.
    pub(super) gate: RwLock<()>,
    opened: Instant,
    pub(super) cursor: AtomicU64,
    pub(super) points: AtomicU64,
    pub(super) damaged: AtomicU64,
    /// Why the last flush failed, if it did.
    pub(super) trouble: Mutex<Option<String>>,
    /// No other process writes to the file. `None`: nor does this one.
    only_writer: Option<FileLock>,
    /// What the last repair saved of a damaged file.
    salvaged: Mutex<Option<Salvaged>>,
    /// A query or a flush found that SQLite cannot read the file.
    pub(super) unreadable: AtomicBool,
    /// Read: a connection of `readers` is open for use. Write: the file is exchanged. A connection
    /// to the old file must not be closed after that: SQLite would remove the log of the new one.
    file: RwLock<()>,
    repairs: AtomicU64,
}

/// The one connection that writes.
pub(super) struct Writer {
    pub(super) conn: Connection,
    /// Series whose row is in the database.
    pub(super) series: usize,
}

/// A lock that outlives a panic of another holder: every critical section leaves the data whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmbeddedStore {
    /// Opens the file at `path`, making it and its folder if they are missing. Records at
    /// positions below `count_from` were counted in the ledger by an earlier process. Blocks on
    /// the disk.
    ///
    /// Of a file that cannot be read whole, what can be read is copied into a new one; the old one
    /// is kept (`<path>.damaged-1`), and [`HistoryStore::stats`] tells. The same is done by the
    /// next flush when a query or flush finds the file unreadable.
    ///
    /// # Errors
    /// [`Error`] when the folder or file cannot be used; [`Error::InUse`] while another process
    /// writes to it.
    pub fn open(
        path: &Path,
        config: EmbeddedConfig,
        ledger: Arc<Ledger>,
        count_from: u64,
    ) -> Result<Self, Error> {
        config.check()?;
        let path = path.to_owned();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| Error::Folder { path: folder.into(), source })?;
        }
        let only_writer = FileLock::take(&path)?;
        salvage::finish(&path)?;
        let mut salvaged = None;
        let (conn, heads, points) = match load(&path, &config, count_from) {
            Err(e) if layout::is_damaged(&e) => {
                tracing::error!(error = %e, "history database is damaged");
                salvaged = Some(salvage::salvage(&path, &[])?);
                load(&path, &config, count_from)?
            }
            other => other?,
        };
        let inner = Inner::new(path, config, (conn, heads, points));
        Ok(Self(Arc::new(Inner {
            ledger,
            only_writer: Some(only_writer),
            salvaged: Mutex::new(salvaged),
            ..inner
        })))
    }

    /// Opens the file at `path` for queries alone, beside the process that writes to it, if one
    /// does: what that one holds only in memory is not seen, nor series that it begins later.
    /// Nothing may be appended. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error`] when the file is missing, of another layout or damaged.
    pub fn open_read_only(path: &Path) -> Result<Self, Error> {
        if let Err(source) = std::fs::metadata(path) {
            return Err(Error::Folder { path: path.into(), source });
        }
        let config = EmbeddedConfig::default();
        let conn = layout::open_reader(path)?;
        layout::check_layout(&conn, path)?;
        let (heads, points) = load_from(&conn, u32::MAX as usize, u64::MAX)?;
        Ok(Self(Arc::new(Inner::new(path.to_owned(), config, (conn, heads, points)))))
    }

    /// What only this store can say of itself.
    pub fn embedded_stats(&self) -> EmbeddedStats {
        let heads = lock(&self.0.heads);
        EmbeddedStats {
            unflushed_points: heads.unflushed as u64,
            damaged_blocks: self.0.damaged.load(Relaxed),
            refused_points: heads.refused_points,
            cursor: self.0.cursor.load(Relaxed),
        }
    }

    fn is_full(&self) -> bool {
        lock(&self.0.heads).unflushed >= self.0.config.head_max_points
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.map_err(Error::from)?.map_err(HistoryError::from)
    }
}

fn load(
    path: &Path,
    config: &EmbeddedConfig,
    count_from: u64,
) -> Result<(Connection, Heads, u64), Error> {
    let conn = layout::open(path)?;
    let (heads, points) = load_from(&conn, config.max_series, count_from)?;
    Ok((conn, heads, points))
}

fn load_from(conn: &Connection, max_series: usize, count_from: u64) -> Result<(Heads, u64), Error> {
    let mut heads = Heads::new(database::cursor(conn)?, count_from, max_series);
    database::each_series(conn, |row, t_max| {
        // Numbers are indexes: a gap means that rows are missing.
        if row.id != heads.series.len() as i64 {
            return Err(Error::DamagedSeries);
        }
        heads.add(&row.device, &row.property, row.next, t_max);
        Ok(())
    })?;
    let points = database::meta(conn, "points")?;
    Ok((heads, points))
}

impl Inner {
    /// A store that nothing is appended to.
    fn new(
        path: PathBuf,
        config: EmbeddedConfig,
        (conn, heads, points): (Connection, Heads, u64),
    ) -> Self {
        Self {
            cursor: AtomicU64::new(heads.next),
            points: AtomicU64::new(points),
            writer: Mutex::new(Writer { conn, series: heads.series.len() }),
            heads: Mutex::new(heads),
            readers: Mutex::default(),
            gate: RwLock::default(),
            opened: Instant::now(),
            damaged: AtomicU64::new(0),
            trouble: Mutex::default(),
            path,
            config,
            ledger: Arc::default(),
            only_writer: None,
            salvaged: Mutex::default(),
            unreadable: AtomicBool::new(false),
            file: RwLock::default(),
            repairs: AtomicU64::new(0),
        }
    }

    /// Runs a query on a reading connection.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let idle = lock(&self.readers).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => layout::open_reader(&self.path)?,
        };
        let answer = work(&conn);
        if answer.as_ref().is_err_and(layout::is_damaged) {
            self.unreadable.store(true, Relaxed);
        }
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(conn);
        }
        answer
    }

    /// Copies what can be read of an unreadable file into a new one, and goes on with that. When
    /// it cannot, the next flush tries again.
    pub(super) fn repair(&self, writer: &mut Writer) -> Result<(), Error> {
        if self.repairs.load(Relaxed) >= REPAIRS_MAX {
            return Err(Error::DamagedAgain);
        }
        self.unreadable.store(true, Relaxed);
        let known = lock(&self.heads).positions(writer.series);
        let _file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        lock(&self.readers).clear();
        writer.conn = Connection::open_in_memory()?;
        let done = salvage::salvage(&self.path, &known)?;
        writer.conn = layout::open(&self.path)?;
        self.points.store(database::meta(&writer.conn, "points")?, Relaxed);
        *lock(&self.salvaged) = Some(done);
        self.repairs.fetch_add(1, Relaxed);
        self.unreadable.store(false, Relaxed);
        Ok(())
    }

    /// Seconds from the opening of the store to `now`.
    pub(super) fn seconds(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.opened).as_secs().try_into().unwrap_or(u32::MAX)
    }

    /// Takes entries, which came at `now`.
    pub(super) fn append(&self, first: u64, entries: &[Entry], now: Instant) {
        let fate = lock(&self.heads).append(first, entries, self.seconds(now));
        fate.stored.apply(&self.ledger, |c| &c.stored);
        fate.dead.apply(&self.ledger, |c| &c.dead_lettered);
    }

    fn stats(&self) -> Result<HistoryStats, Error> {
        let (bytes, since, raw_from, mut more) = self.read(|conn| {
            let pages: i64 = conn.query_row("PRAGMA page_count", [], |r| r.get(0))?;
            let size: i64 = conn.query_row("PRAGMA page_size", [], |r| r.get(0))?;
            let bytes = pages.saturating_mul(size).max(0) as u64;
            let mut more = BTreeMap::new();
            for name in ["blocks", "late_blocks", "windows_minute", "windows_hour"] {
                more.insert(name, database::meta(conn, name)?);
            }
            let since = database::since(conn)?.max(database::meta_i64(conn, "hour_from")?);
            Ok((bytes, since, database::raw_from(conn)?, more))
        })?;
        let damaged = self.damaged.load(Relaxed);
        let last_flush = lock(&self.trouble).clone();
        let healthy = last_flush.is_none();
        let damage = (damaged > 0).then(|| format!("damaged blocks met: {damaged}"));
        let aside = lock(&self.salvaged).as_ref().map(|s| {
            format!(
                "damaged database kept as {}; copied from it: {} rows, without {} damaged rows and \
                 {} unreadable places",
                s.aside.display(),
                s.rows,
                s.damaged,
                s.gaps
            )
        });
        let trouble: Vec<String> = [last_flush, damage, aside].into_iter().flatten().collect();
        let heads = lock(&self.heads);
        let since = since.unwrap_or(i64::MAX).min(heads.since);
        more.extend([
            ("head_points", heads.unflushed as u64),
            ("head_series", heads.dirty_series() as u64),
            ("damaged_blocks", damaged),
            ("refused_points", heads.refused_points),
        ]);
        Ok(HistoryStats {
            backend: "embedded",
            points: self.points.load(Relaxed) + heads.unflushed as u64,
            series: heads.series.len() as u64,
            bytes,
            healthy,
            raw_from: raw_from.map(Timestamp),
            since: (since < i64::MAX).then_some(Timestamp(since)),
            more,
            trouble: (!trouble.is_empty()).then(|| trouble.join("; ")),
        })
    }
}

#[async_trait]
impl HistoryStore for EmbeddedStore {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(self.0.cursor.load(Relaxed))
    }

    /// A batch is taken whole or not at all. When memory is full this flushes first; while the
    /// disk refuses that, it waits and tries again. Cancel safe.
    async fn append(&self, first: u64, entries: &[Entry]) -> Result<(), HistoryError> {
        while self.is_full() {
            // The reason is in the log and in `stats`.
            if self.flush(Flush::All).await.is_err() {
                tokio::time::sleep(FLUSH_RETRY).await;
            }
        }
        self.0.append(first, entries, Instant::now());
        Ok(())
    }

    /// Not cancelled by dropping the future: the flush then ends in the background.
    async fn flush(&self, what: Flush) -> Result<u64, HistoryError> {
        if self.0.only_writer.is_none() {
            return self.cursor().await;
        }
        self.blocking(move |inner| inner.flush(what, Instant::now())).await
    }

    async fn range(&self, query: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        let query = query.clone();
        self.blocking(move |inner| inner.range(&query)).await
    }

    async fn windows(&self, query: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        let query = query.clone();
        self.blocking(move |inner| inner.windows(&query)).await
    }

    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        let heads = lock(&self.0.heads);
        let numbers = heads.numbers(filter.device.as_deref()).into_iter();
        let keys = numbers.map(|n| &heads.series[n as usize].key).filter(|k| filter.matches(k));
        let mut keys: Vec<SeriesKey> = keys.cloned().collect();
        drop(heads);
        keys.sort_unstable();
        if filter.limit > 0 {
            keys.truncate(filter.limit);
        }
        Ok(keys)
    }

    async fn last(
        &self,
        device: Option<&str>,
        at: Timestamp,
    ) -> Result<Vec<LastValue>, HistoryError> {
        let device = device.map(str::to_owned);
        self.blocking(move |inner| inner.last(device.as_deref(), at)).await
    }

    async fn maintain(&self, now: Timestamp) -> Result<Maintained, HistoryError> {
        if self.0.only_writer.is_none() {
            return Ok(Maintained::default());
        }
        self.blocking(move |inner| inner.maintain(&inner.config.retention, now)).await
    }

    async fn stats(&self) -> HistoryStats {
        match self.blocking(Inner::stats).await {
            Ok(stats) => stats,
            Err(e) => HistoryStats {
                backend: "embedded",
                trouble: Some(e.to_string()),
                ..HistoryStats::default()
            },
        }
    }
}
