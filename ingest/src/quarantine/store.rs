//! The quarantine's SQLite file.

use std::path::{Path, PathBuf};

use ioc_model::{QuarantineReason, QuarantineRow, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

use super::Refused;

/// Characters of a payload that are shown.
const SHOWN_BYTES: usize = 1_024;

pub(super) struct Store(Connection);

/// Opens the file; one that is damaged is renamed and a new one made.
pub(super) fn open_or_set_aside(path: &Path) -> Result<Store, rusqlite::Error> {
    let opened = Store::open(path).and_then(|s| s.totals().map(|_| s));
    match opened {
        Err(rusqlite::Error::SqliteFailure(e, _))
            if matches!(e.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
        {
            tracing::warn!(path = %path.display(), "quarantine is damaged, starting a new one");
            for suffix in ["", "-wal", "-shm"] {
                let from = with_suffix(path, suffix);
                // A part that does not exist cannot stand in the way of the new file.
                let _ = std::fs::rename(&from, with_suffix(&from, ".damaged"));
            }
            Store::open(path)
        }
        other => other,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let db = Connection::open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "journal_size_limit", 8 << 20)?;
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS refused (
                 id INTEGER PRIMARY KEY AUTOINCREMENT,
                 at INTEGER NOT NULL,
                 source TEXT NOT NULL,
                 topic TEXT NOT NULL,
                 device TEXT,
                 reason TEXT NOT NULL,
                 detail TEXT NOT NULL,
                 payload BLOB NOT NULL);
             CREATE INDEX IF NOT EXISTS refused_device ON refused (device, id);",
        )?;
        Ok(Self(db))
    }

    /// Rows and payload bytes held.
    pub(super) fn totals(&self) -> Result<(u64, u64), rusqlite::Error> {
        self.0.query_row(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM refused",
            [],
            |row| Ok((number(row, 0)?, number(row, 1)?)),
        )
    }

    pub(super) fn transaction(&mut self) -> Result<Changes<'_>, rusqlite::Error> {
        self.0.transaction().map(Changes)
    }

    pub(super) fn newest(
        &self,
        device: Option<&str>,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, rusqlite::Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = |filter: &str| {
            format!(
                "SELECT at, source, topic, device, reason, detail, substr(payload, 1, {}) \
                 FROM refused {filter} ORDER BY id DESC LIMIT ?1",
                SHOWN_BYTES
            )
        };
        match device {
            None => {
                let mut query = self.0.prepare_cached(&sql(""))?;
                query.query_map([limit], shown)?.collect()
            }
            Some(device) => {
                let mut query = self.0.prepare_cached(&sql("WHERE device = ?2"))?;
                query.query_map(params![limit, device], shown)?.collect()
            }
        }
    }
}

fn shown(row: &rusqlite::Row<'_>) -> Result<QuarantineRow, rusqlite::Error> {
    let reason: String = row.get(4)?;
    let payload: Vec<u8> = row.get(6)?;
    let device: Option<String> = row.get(3)?;
    Ok(QuarantineRow {
        at: Timestamp(row.get(0)?),
        source: row.get(1)?,
        topic: visible(&row.get::<_, String>(2)?),
        device: device.as_deref().map(visible),
        // A later version may know reasons that this one does not.
        reason: (QuarantineReason::ALL.into_iter())
            .find(|r| r.as_str() == reason)
            .unwrap_or(QuarantineReason::Malformed),
        detail: visible(&row.get::<_, String>(5)?),
        payload: visible(&cut(&payload)),
    })
}

/// The text of the first 1 KiB; a character that the cut has split is left out.
fn cut(payload: &[u8]) -> String {
    let kept = &payload[..payload.len().min(SHOWN_BYTES)];
    let end = match std::str::from_utf8(kept) {
        // Only the last character is incomplete: the cut, not the sender, did this.
        Err(e) if e.error_len().is_none() && payload.len() >= SHOWN_BYTES => e.valid_up_to(),
        _ => kept.len(),
    };
    String::from_utf8_lossy(&kept[..end]).into_owned()
}

/// Control characters and those that change the direction of text become U+FFFD.
pub(super) fn visible(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{fff9}'..='\u{fffb}')
    };
    text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
}

/// One open transaction.
pub(super) struct Changes<'a>(Transaction<'a>);

impl Changes<'_> {
    pub(super) fn insert(&self, row: &Refused) -> Result<(), rusqlite::Error> {
        let mut insert = self.0.prepare_cached(
            "INSERT INTO refused (at, source, topic, device, reason, detail, payload) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![
            row.at.0,
            &*row.source,
            row.topic,
            row.device,
            row.reason.as_str(),
            row.detail,
            row.payload
        ])?;
        Ok(())
    }

    /// Drops the oldest rows of a device beyond `keep`; rows and bytes that went.
    pub(super) fn trim_device(
        &self,
        device: Option<&str>,
        keep: u64,
    ) -> Result<(u64, u64), rusqlite::Error> {
        let mut last = self.0.prepare_cached(
            "SELECT id FROM refused WHERE device IS ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2",
        )?;
        let last: Option<i64> =
            last.query_row(params![device, keep as i64], |row| row.get(0)).optional()?;
        let Some(last) = last else { return Ok((0, 0)) };
        let mut delete = self.0.prepare_cached(
            "DELETE FROM refused WHERE device IS ?1 AND id <= ?2 RETURNING length(payload)",
        )?;
        sum(delete.query_map(params![device, last], |row| number(row, 0))?)
    }

    /// Drops the `n` oldest rows; rows and bytes that went.
    pub(super) fn trim_oldest(&self, n: u64) -> Result<(u64, u64), rusqlite::Error> {
        let mut delete = self.0.prepare_cached(
            "DELETE FROM refused WHERE id IN (SELECT id FROM refused ORDER BY id LIMIT ?1) \
             RETURNING length(payload)",
        )?;
        sum(delete.query_map([n as i64], |row| number(row, 0))?)
    }

    pub(super) fn commit(self) -> Result<(), rusqlite::Error> {
        self.0.commit()
    }
}

/// A count or length, which SQLite keeps as a signed number.
fn number(row: &rusqlite::Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

fn sum(
    lengths: impl Iterator<Item = Result<u64, rusqlite::Error>>,
) -> Result<(u64, u64), rusqlite::Error> {
    let mut total = (0, 0);
    for length in lengths {
        total = (total.0 + 1, total.1 + length?);
    }
    Ok(total)
}
