//! The quarantine's SQLite file.

use std::path::{Path, PathBuf};

use ioc_model::{QuarantineReason, QuarantineRow, Timestamp};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::Refused;
use super::writer::Settled;
use crate::access::{Client, Standing};

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
        let mut store = Self(db);
        store.migrate()?;
        Ok(store)
    }

    /// What rows did not say at first. Rows of that time are not `whole`: nobody knows whether
    /// they were masked.
    fn migrate(&mut self) -> Result<(), rusqlite::Error> {
        // At once for writing: two that open the file do not both add the columns.
        let change = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version < 1 {
            change.execute_batch(
                "ALTER TABLE refused ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
                 ALTER TABLE refused ADD COLUMN client TEXT NOT NULL DEFAULT '';
                 ALTER TABLE refused ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0;
                 ALTER TABLE refused ADD COLUMN retain INTEGER NOT NULL DEFAULT 0;
                 ALTER TABLE refused ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;
                 CREATE INDEX refused_reason ON refused (reason, device, id);
                 PRAGMA user_version = 1;",
            )?;
        }
        change.commit()
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
        reason: Option<QuarantineReason>,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, rusqlite::Error> {
        let mut query = self.0.prepare_cached(&format!(
            "SELECT at, source, topic, device, reason, detail, substr(payload, 1, {SHOWN_BYTES}) \
             FROM refused WHERE {} ORDER BY id DESC LIMIT ?3",
            filter(device, reason)
        ))?;
        query.query_map(params![device, word(reason), signed(limit)], shown)?.collect()
    }

    /// Rows to look at again: those looked at less often first, the oldest first among them. And
    /// how many there are that cannot be.
    pub(super) fn to_look_at(
        &self,
        device: Option<&str>,
        reason: Option<QuarantineReason>,
        limit: usize,
    ) -> Result<(Vec<i64>, u64), rusqlite::Error> {
        let filter = filter(device, reason);
        let mut ids = self.0.prepare_cached(&format!(
            "SELECT id FROM refused WHERE {filter} AND whole = 1 ORDER BY looks, id LIMIT ?3"
        ))?;
        let of = params![device, word(reason), signed(limit)];
        let ids = ids.query_map(of, |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut masked = self.0.prepare_cached(&format!(
            "SELECT count(*) FROM refused WHERE {filter} AND whole = 0"
        ))?;
        let masked = masked.query_row(params![device, word(reason)], |row| number(row, 0))?;
        Ok((ids, masked))
    }

    /// One row as it came; `None`: it left meanwhile.
    pub(super) fn kept(&self, id: i64) -> Result<Option<Kept>, rusqlite::Error> {
        let mut query = self.0.prepare_cached(
            "SELECT id, at, topic, payload, client, trusted, retain FROM refused \
             WHERE id = ?1 AND whole = 1",
        )?;
        query.query_row([id], Kept::read).optional()
    }

    /// Devices of which messages wait for approval.
    pub(super) fn waiting(&self) -> Result<Vec<String>, rusqlite::Error> {
        let mut query = self.0.prepare_cached(
            "SELECT DISTINCT device FROM refused WHERE reason = ?1 AND device IS NOT NULL",
        )?;
        let reason = QuarantineReason::DevicePending.as_str();
        query.query_map([reason], |row| row.get(0))?.collect()
    }
}

/// A message as it was kept, to be looked at again.
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) at: Timestamp,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) client: Client,
    pub(super) retain: bool,
}

impl Kept {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        let id: String = row.get(4)?;
        let standing = if row.get(5)? { Standing::Trusted } else { Standing::Device };
        Ok(Self {
            id: row.get(0)?,
            at: Timestamp(row.get(1)?),
            topic: row.get(2)?,
            payload: row.get(3)?,
            client: Client { id: id.into(), standing },
            retain: row.get(6)?,
        })
    }
}

/// What `?1` (device) and `?2` (reason) choose; both are bound, or SQLite minds.
fn filter(device: Option<&str>, reason: Option<QuarantineReason>) -> &'static str {
    match (device, reason) {
        (None, None) => "?1 IS NULL AND ?2 IS NULL",
        (Some(_), None) => "device = ?1 AND ?2 IS NULL",
        (None, Some(_)) => "?1 IS NULL AND reason = ?2",
        (Some(_), Some(_)) => "device = ?1 AND reason = ?2",
    }
}

fn word(reason: Option<QuarantineReason>) -> Option<&'static str> {
    reason.map(QuarantineReason::as_str)
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
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
pub(crate) fn visible(text: &str) -> String {
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
            "INSERT INTO refused (at, source, topic, device, reason, detail, payload, whole, \
             client, trusted, retain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        insert.execute(params![
            row.at.0,
            &*row.source,
            row.topic,
            row.device,
            row.reason.as_str(),
            row.detail,
            row.payload,
            row.whole,
            &*row.client.id,
            row.client.standing == Standing::Trusted,
            row.retain,
        ])?;
        Ok(())
    }

    /// Settles a row that was looked at again; the length of its payload if it went.
    pub(super) fn settle(&self, settled: &Settled) -> Result<Option<u64>, rusqlite::Error> {
        let Some((reason, detail)) = &settled.still else {
            let mut delete = self
                .0
                .prepare_cached("DELETE FROM refused WHERE id = ?1 RETURNING length(payload)")?;
            return delete.query_row([settled.id], |row| number(row, 0)).optional();
        };
        let mut update = self.0.prepare_cached(
            "UPDATE refused SET reason = ?2, detail = ?3, looks = looks + 1 WHERE id = ?1",
        )?;
        update.execute(params![settled.id, reason.as_str(), detail])?;
        Ok(None)
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
