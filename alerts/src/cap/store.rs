//! What the public knows: stored messages and, for each alert, what was last said of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ioc_model::{AlertId, AlertRow, CapRow, Text, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::document::Document;
use super::stage::{apply, identifier, next};
use super::warning::Author;
use crate::channel::words::Language;

/// What is remembered of an alert that is not public, so that a late delivery does not bring it
/// back, ms.
const REMEMBER_MS: i64 = 30 * 86_400_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS cap (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  receiver TEXT NOT NULL,
  delivery TEXT NOT NULL,
  incident TEXT NOT NULL,
  status TEXT NOT NULL,
  kind TEXT NOT NULL,
  sent INTEGER NOT NULL,
  digest TEXT NOT NULL,
  title_vi TEXT NOT NULL,
  title_en TEXT NOT NULL,
  xml TEXT NOT NULL,
  forwarded INTEGER NOT NULL DEFAULT 0,
  UNIQUE (receiver, delivery, incident)
) STRICT;
CREATE INDEX IF NOT EXISTS cap_thread ON cap (receiver, incident, seq);
CREATE INDEX IF NOT EXISTS cap_sent ON cap (sent);
CREATE TABLE IF NOT EXISTS cap_member (
  receiver TEXT NOT NULL,
  alert TEXT NOT NULL,
  incident TEXT NOT NULL,
  public INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  row TEXT NOT NULL,
  PRIMARY KEY (receiver, alert)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cap_member_incident ON cap_member (receiver, incident, public);
";

/// The store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum CapError {
    /// SQLite.
    #[error("store of public warnings: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row that is not JSON.
    #[error("store of public warnings holds a broken row: {0}")]
    Json(#[from] serde_json::Error),
    /// XML could not be written.
    #[error("writing a public warning: {0}")]
    Xml(#[from] std::io::Error),
}

/// One delivery to a `cap` receiver.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// To whom.
    pub receiver: &'a str,
    /// Its id: the same one never makes a second message.
    pub delivery: &'a str,
    /// The alerts as they stood then.
    pub alerts: &'a [AlertRow],
    /// Those of which the delivery tells that their rule raised them or found another severity.
    /// For the others the public keeps the severity it was told, if that was higher: an alert that
    /// counts less for operators with time (de-escalation) is no smaller danger.
    pub ruled: &'a BTreeSet<AlertId>,
    /// Only to try the way out: one message of status `Test`.
    pub test: bool,
    /// Wall time.
    pub now: Timestamp,
}

/// Stored warnings, in a file of SQLite that may hold other tables too. Calls block on the disk.
#[derive(Debug)]
pub struct CapStore {
    connection: Mutex<Connection>,
}

impl CapStore {
    /// Opens it and makes its tables if there are none.
    ///
    /// # Errors
    /// [`CapError::Sqlite`]
    pub fn open(path: &Path) -> Result<Self, CapError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Stores the messages that a delivery means: one for each incident whose public face it
    /// changes. Of a delivery that was here before, those it made then.
    ///
    /// # Errors
    /// [`CapError`]; nothing of the delivery is kept then.
    pub fn publish(&self, batch: &Batch<'_>, author: &Author<'_>) -> Result<Vec<CapRow>, CapError> {
        let mut connection = self.lock();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = made(&tx, batch)?;
        if !before.is_empty() {
            return Ok(before);
        }
        if batch.test {
            let id = identifier(batch, "");
            let document = author.trial(id, batch.now);
            insert(&tx, batch, &document, "")?;
        } else {
            for (incident, change) in apply(&tx, batch, author)? {
                if let Some((document, digest)) = next(&tx, batch, author, (incident, change))? {
                    insert(&tx, batch, &document, &digest)?;
                }
            }
        }
        forget(&tx, batch.now, author)?;
        let made = made(&tx, batch)?;
        tx.commit()?;
        Ok(made)
    }

    /// Messages of a delivery that were not forwarded (POST, MQTT) yet, oldest first.
    ///
    /// # Errors
    /// [`CapError::Sqlite`]
    pub fn to_forward(&self, receiver: &str, delivery: &str) -> Result<Vec<CapRow>, CapError> {
        let sql = format!(
            "{SELECT} WHERE receiver = ?1 AND delivery = ?2 AND forwarded = 0 ORDER BY seq"
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([receiver, delivery], cap_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes that a message went everywhere it should.
    ///
    /// # Errors
    /// [`CapError::Sqlite`]
    pub fn forwarded(&self, id: &str) -> Result<(), CapError> {
        self.lock().execute("UPDATE cap SET forwarded = 1 WHERE id = ?1", [id])?;
        Ok(())
    }

    /// The newest messages first, at most `limit`.
    ///
    /// # Errors
    /// [`CapError::Sqlite`]
    pub fn feed(&self, limit: usize) -> Result<Vec<CapRow>, CapError> {
        let sql = format!("{SELECT} ORDER BY seq DESC LIMIT ?1");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], cap_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One message.
    ///
    /// # Errors
    /// [`CapError::Sqlite`]
    pub fn get(&self, id: &str) -> Result<Option<CapRow>, CapError> {
        let sql = format!("{SELECT} WHERE id = ?1");
        Ok(self.lock().query_row(&sql, [id], cap_row).optional()?)
    }

    /// A writer that panicked has rolled back: its connection is good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SELECT: &str = "SELECT id, sent, kind, title_vi, title_en, xml FROM cap";

fn cap_row(row: &Row<'_>) -> rusqlite::Result<CapRow> {
    Ok(CapRow {
        id: row.get(0)?,
        sent: Timestamp(row.get(1)?),
        kind: row.get::<_, String>(2)?.into(),
        title: Text { vi: row.get(3)?, en: row.get(4)? },
        xml: row.get(5)?,
    })
}

fn made(tx: &Transaction<'_>, batch: &Batch<'_>) -> Result<Vec<CapRow>, CapError> {
    let sql = format!("{SELECT} WHERE receiver = ?1 AND delivery = ?2 ORDER BY seq");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([batch.receiver, batch.delivery], cap_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn insert(
    tx: &Transaction<'_>,
    batch: &Batch<'_>,
    document: &Document,
    digest: &str,
) -> Result<(), CapError> {
    let title = |language: Language| {
        let i = usize::from(language == Language::En);
        document.infos.get(i).map_or("", |info| info.headline.as_str())
    };
    tx.prepare_cached(
        "INSERT INTO cap (id, receiver, delivery, incident, status, kind, sent, digest, title_vi,
         title_en, xml) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        document.identifier,
        batch.receiver,
        batch.delivery,
        document.incident,
        document.status.as_str(),
        document.kind.as_str(),
        document.sent.0,
        digest,
        title(Language::Vi),
        title(Language::En),
        document.to_xml()?,
    ])?;
    Ok(())
}

fn forget(tx: &Transaction<'_>, now: Timestamp, author: &Author<'_>) -> Result<(), CapError> {
    let keep = i64::from(author.settings.spec().keep_days) * 86_400_000;
    tx.execute("DELETE FROM cap WHERE sent < ?1", [now.plus_ms(-keep).0])?;
    tx.execute(
        "DELETE FROM cap_member WHERE public = 0 AND changed < ?1",
        [now.plus_ms(-REMEMBER_MS).0],
    )?;
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
