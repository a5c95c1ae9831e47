//! Every accepted set of rules, durable, with the journal position from which it holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use ioc_model::{RuleChanges, RuleTouched, RuleTrial, RuleVersion, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::files::RuleFiles;

/// Older versions than the newest so many are dropped.
const KEEP: u64 = 1_000;
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS version (
  number INTEGER PRIMARY KEY, parent INTEGER, position INTEGER NOT NULL, at INTEGER NOT NULL,
  author TEXT NOT NULL, note TEXT, change TEXT NOT NULL, trial TEXT, files TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS touched (
  rule TEXT PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL, author TEXT NOT NULL
) STRICT;";
const COLUMNS: &str = "number, parent, position, at, author, note, change, trial";

/// `rules/versions.sqlite` in the data folder.
pub(crate) struct VersionStore(Mutex<Connection>);

/// A version to be made.
pub(crate) struct NewVersion {
    pub parent: Option<u64>,
    pub at: Timestamp,
    pub author: String,
    pub note: Option<String>,
    pub change: RuleChanges,
    pub trial: Option<RuleTrial>,
    pub files: RuleFiles,
}

/// A version and what the engine needs of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub number: u64,
    pub position: u64,
    pub files: RuleFiles,
}

impl VersionStore {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the folder {}", dir.display()))?;
        }
        let db = Connection::open(path)
            .with_context(|| format!("cannot open the rule versions in {}", path.display()))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(db)))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a version durable that holds from `position`, or from where the newest begins if
    /// that is later, and gives its number and position.
    pub(crate) fn insert(&self, position: u64, new: &NewVersion) -> anyhow::Result<(u64, u64)> {
        let mut db = self.db();
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let newest: Option<(u64, u64)> = tx
            .query_row(
                "SELECT number, position FROM version ORDER BY number DESC LIMIT 1",
                [],
                |r| Ok((number(r, 0)?, number(r, 1)?)),
            )
            .optional()?;
        let (last, from) = newest.unwrap_or_default();
        let (own, position) = (last + 1, position.max(from));
        let trial = new.trial.as_ref().map(serde_json::to_string).transpose()?;
        tx.execute(
            "INSERT INTO version VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                own.cast_signed(),
                new.parent.map(u64::cast_signed),
                position.cast_signed(),
                new.at.0,
                new.author,
                new.note,
                serde_json::to_string(&new.change)?,
                trial,
                serde_json::to_string(&new.files)?
            ],
        )?;
        for rule in new.change.added.iter().chain(&new.change.edited) {
            tx.execute(
                "INSERT OR REPLACE INTO touched VALUES (?1, ?2, ?3, ?4)",
                params![&**rule, own.cast_signed(), new.at.0, new.author],
            )?;
        }
        for rule in &new.change.removed {
            tx.execute("DELETE FROM touched WHERE rule = ?1", [&**rule])?;
        }
        let oldest = own.saturating_sub(KEEP);
        tx.execute("DELETE FROM version WHERE number <= ?1", [oldest.cast_signed()])?;
        tx.commit()?;
        Ok((own, position))
    }

    /// The newest version.
    pub(crate) fn latest(&self) -> anyhow::Result<Option<Stored>> {
        self.stored("ORDER BY number DESC LIMIT 1", 0)
    }

    /// The version that judges the entry at `position`; the oldest there is for older entries.
    pub(crate) fn in_force_at(&self, position: u64) -> anyhow::Result<Option<Stored>> {
        let found = self.stored("WHERE position <= ?1 ORDER BY number DESC LIMIT 1", position)?;
        match found {
            Some(found) => Ok(Some(found)),
            None => self.stored("ORDER BY number LIMIT 1", 0),
        }
    }

    /// Versions that begin after `position`, oldest first.
    pub(crate) fn after(&self, position: u64) -> anyhow::Result<Vec<(u64, u64)>> {
        let db = self.db();
        let mut ask =
            db.prepare("SELECT number, position FROM version WHERE position > ?1 ORDER BY number")?;
        let rows =
            ask.query_map([position.cast_signed()], |r| Ok((number(r, 0)?, number(r, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Files of a version.
    pub(crate) fn files(&self, number: u64) -> anyhow::Result<Option<RuleFiles>> {
        Ok(self.stored("WHERE number = ?1", number)?.map(|s| s.files))
    }

    /// One version.
    pub(crate) fn get(&self, number: u64) -> anyhow::Result<Option<RuleVersion>> {
        let db = self.db();
        let sql = format!("SELECT {COLUMNS} FROM version WHERE number = ?1");
        let row = db.query_row(&sql, [number.cast_signed()], |r| Ok(version(r))).optional()?;
        row.transpose()
    }

    /// Versions, newest first.
    pub(crate) fn list(&self, limit: usize) -> anyhow::Result<Vec<RuleVersion>> {
        let db = self.db();
        let sql = format!("SELECT {COLUMNS} FROM version ORDER BY number DESC LIMIT ?1");
        let mut ask = db.prepare(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = ask.query_map([limit], |r| Ok(version(r)))?;
        rows.map(|row| row?).collect()
    }

    /// The last change of each rule.
    pub(crate) fn touched(&self) -> anyhow::Result<BTreeMap<String, RuleTouched>> {
        let db = self.db();
        let mut ask = db.prepare("SELECT rule, number, at, author FROM touched")?;
        let rows = ask.query_map([], |r| {
            let touched =
                RuleTouched { version: number(r, 1)?, at: Timestamp(r.get(2)?), author: r.get(3)? };
            Ok((r.get(0)?, touched))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn stored(&self, which: &str, argument: u64) -> anyhow::Result<Option<Stored>> {
        let db = self.db();
        let mut ask =
            db.prepare(&format!("SELECT number, position, files FROM version {which}"))?;
        let read = |r: &Row<'_>| Ok((number(r, 0)?, number(r, 1)?, r.get::<_, String>(2)?));
        let found = match which.contains("?1") {
            true => ask.query_row([argument.cast_signed()], read),
            false => ask.query_row([], read),
        };
        let Some((number, position, files)) = found.optional()? else { return Ok(None) };
        Ok(Some(Stored { number, position, files: serde_json::from_str(&files)? }))
    }
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn version(r: &Row<'_>) -> anyhow::Result<RuleVersion> {
    let trial: Option<String> = r.get(7)?;
    Ok(RuleVersion {
        number: number(r, 0)?,
        parent: r.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
        position: number(r, 2)?,
        at: Timestamp(r.get(3)?),
        author: r.get(4)?,
        note: r.get(5)?,
        change: serde_json::from_str(&r.get::<_, String>(6)?)?,
        trial: trial.map(|t| serde_json::from_str(&t)).transpose()?,
    })
}
