//! What an operator does with the file of the embedded store: `ioc history stats|compact|verify`.
//! All of it blocks: call it from a plain thread.

use std::path::Path;

use ioc_model::{Tier, Timestamp};
use rusqlite::Connection;
use serde::Serialize;

use super::FileLock;
use crate::embedded::layout;
use crate::{EmbeddedConfig, Error};

/// How far a long act is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Series that are done.
    pub series: u64,
    /// Series in all.
    pub of: u64,
}

/// What kind of row is damaged or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A closed block of points.
    Block,
    /// The newest block of a series, which grows.
    Tail,
    /// A row of windows.
    Rollup,
    /// The newest row of windows, which grows.
    RollupTail,
    /// The row that says which series it is.
    Series,
    /// The structure of the file: pages and indexes.
    File,
}

/// One thing that `verify` found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Device of the series; empty when the series is not known.
    pub device: String,
    /// Property of the series.
    pub property: String,
    /// Where.
    pub part: Part,
    /// Raw for points, else the tier of the windows.
    pub tier: Tier,
    /// First moment concerned.
    pub from: Timestamp,
    /// Last moment concerned.
    pub to: Timestamp,
    /// Points that cannot be read any more. 0 for windows: while raw points are kept nothing is
    /// lost, they are counted again from those.
    pub points_lost: u64,
    /// What is wrong, in words.
    pub what: String,
}

/// Answer of [`verify`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Series looked at.
    pub series: u64,
    /// Blocks and tails decoded.
    pub blocks: u64,
    /// Points in them.
    pub points: u64,
    /// Rows of windows decoded.
    pub rows: u64,
    /// Windows of tiers that were compared with their raw points.
    pub windows_compared: u64,
    /// Everything that is wrong, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// Further findings.
    pub more_findings: u64,
}

/// Findings listed one by one.
pub const MAX_FINDINGS: usize = 10_000;

impl VerifyReport {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Answer of [`compact`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactReport {
    /// Points given up because they are older than their tier is kept.
    pub expired_points: u64,
    /// Blocks that were made fewer or brought into order.
    pub merged_blocks: u64,
    /// Size of the file before, bytes.
    pub bytes_before: u64,
    /// Size of the file after, bytes.
    pub bytes_after: u64,
}

/// What [`stats`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileStats {
    /// Series.
    pub series: u64,
    /// Points in blocks and tails.
    pub points: u64,
    /// Bytes of the file, with what is free in it.
    pub bytes: u64,
    /// Bytes free in the file, used again for new rows.
    pub free_bytes: u64,
    /// Closed blocks.
    pub blocks: u64,
    /// Of them late ones, not yet merged.
    pub late_blocks: u64,
    /// Compressed bytes of points.
    pub raw_data_bytes: u64,
    /// Windows of a minute.
    pub minute_windows: u64,
    /// Compressed bytes of them.
    pub minute_data_bytes: u64,
    /// Windows of an hour.
    pub hour_windows: u64,
    /// Compressed bytes of them.
    pub hour_data_bytes: u64,
    /// Journal position below which everything is in the file.
    pub cursor: u64,
    /// Oldest moment of which anything is known.
    pub since: Option<Timestamp>,
    /// Newest.
    pub until: Option<Timestamp>,
    /// Raw points before this moment were given up.
    pub raw_from: Option<Timestamp>,
    /// Windows of a minute before this moment were given up.
    pub minute_from: Option<Timestamp>,
    /// Windows of an hour before this moment were given up.
    pub hour_from: Option<Timestamp>,
}

/// Counts what is in the file. Reads the whole file; works while another process writes to it.
///
/// # Errors
/// [`Error`] when the file is missing or no database of ours.
pub fn stats(path: &Path) -> Result<FileStats, Error> {
    super::stats::stats(&open_existing(path)?)
}

/// Decodes every row of the file: checksums, counts, order, and that the windows of a tier are
/// those of the raw points as far as these are kept; then SQLite's own check of pages and indexes.
/// Changes nothing; works while another process
/// writes to the file (each series is looked at in one moment).
///
/// # Errors
/// [`Error`] when the file is missing or no database of ours. What is damaged inside is in the
/// report.
pub fn verify(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, Error> {
    super::verify::verify(&open_existing(path)?, progress)
}

/// Does all housekeeping that is due at `now` and gives free space back to the disk (for which
/// as much room is needed as the file will have).
///
/// # Errors
/// [`Error::InUse`] while another process writes to the file; [`Error`] of the database.
pub fn compact(
    path: &Path,
    config: &EmbeddedConfig,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<CompactReport, Error> {
    drop(open_existing(path)?);
    let _lock = FileLock::take(path)?;
    let mut conn = layout::open(path)?;
    super::turn::to_the_end(&mut conn, config, now, progress)
}

/// Opens a file that must be there, for reading.
fn open_existing(path: &Path) -> Result<Connection, Error> {
    if let Err(source) = std::fs::metadata(path) {
        return Err(Error::Folder { path: path.into(), source });
    }
    layout::open_reader(path)
}
