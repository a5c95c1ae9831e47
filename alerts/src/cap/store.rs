//! What the public knows: stored messages and, for each alert, what was last said of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ioc_model::{AlertId, AlertRow, CapRow, Text, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::document::{Document, Kind, Reference};
use super::warning::{Author, Ending, Stage, ending};
use crate::channel::words::Language;

/// What is remembered of an alert that is not public, so that a late delivery does not bring it
/// back, ms.
const REMEMBER_MS: i64 = 30 * 86_400_000;
/// Most references of one message; more than that, the newest.
const MAX_REFERENCES: usize = 500;

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

/// A stored message of a running thread.
struct Past {
    reference: Reference,
    kind: String,
    digest: String,
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

/// What a batch does to one incident.
#[derive(Default)]
struct Change {
    /// Its public alerts before.
    before: Vec<AlertRow>,
    /// Those of the batch that were public and are not any more, as they are now.
    left: Vec<AlertRow>,
    /// One of them went to another incident.
    moved: bool,
}

/// Brings the remembered alerts up to date; gives the incidents concerned, in their order.
fn apply(
    tx: &Transaction<'_>,
    batch: &Batch<'_>,
    author: &Author<'_>,
) -> Result<BTreeMap<String, Change>, CapError> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let mut news = Vec::new();
    for row in batch.alerts {
        let known = remembered(tx, batch.receiver, &row.id)?;
        let mut row = row.clone();
        if let Some(member) = known.as_ref().filter(|_| !batch.ruled.contains(&row.id)) {
            row.severity = row.severity.max(member.row.severity);
        }
        let (incident, public) = (incident_of(&row), author.is_public(&row));
        match known {
            // A late delivery: the public knows better already.
            Some(member) if member.row.ver > row.ver => continue,
            Some(Member { row: old, public: was }) => {
                let old = incident_of(&old);
                if was && (!public || old != incident) {
                    let change = changes.entry(old.clone()).or_default();
                    change.left.push(row.clone());
                    change.moved |= public && old != incident;
                }
                changes.entry(old).or_default();
            }
            // Never public, never remembered: most alerts are not severe.
            None if !public => continue,
            None => {}
        }
        changes.entry(incident).or_default();
        news.push((row, public));
    }
    for (incident, change) in &mut changes {
        change.before = public_members(tx, batch.receiver, incident)?;
    }
    for (row, public) in news {
        remember(tx, batch, &row, public)?;
    }
    Ok(changes)
}

/// What the public was last told of an alert.
struct Member {
    row: AlertRow,
    public: bool,
}

fn remembered(
    tx: &Transaction<'_>,
    receiver: &str,
    alert: &AlertId,
) -> Result<Option<Member>, CapError> {
    let found: Option<(String, bool)> = tx
        .prepare_cached("SELECT row, public FROM cap_member WHERE receiver = ?1 AND alert = ?2")?
        .query_row([receiver, &alert.0], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let Some((row, public)) = found else { return Ok(None) };
    Ok(Some(Member { row: serde_json::from_str(&row)?, public }))
}

fn remember(
    tx: &Transaction<'_>,
    batch: &Batch<'_>,
    row: &AlertRow,
    public: bool,
) -> Result<(), CapError> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO cap_member (receiver, alert, incident, public, changed, row)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        batch.receiver,
        row.id.0,
        incident_of(row),
        public,
        batch.now.0,
        serde_json::to_string(&without_people(row))?,
    ])?;
    Ok(())
}

/// The public alerts of an incident, the worst first, then the oldest.
fn public_members(
    tx: &Transaction<'_>,
    receiver: &str,
    incident: &str,
) -> Result<Vec<AlertRow>, CapError> {
    let mut statement = tx.prepare_cached(
        "SELECT row FROM cap_member WHERE receiver = ?1 AND incident = ?2 AND public = 1",
    )?;
    let rows = statement.query_map([receiver, incident], |r| r.get::<_, String>(0))?;
    let mut members = Vec::new();
    for row in rows {
        members.push(serde_json::from_str::<AlertRow>(&row?)?);
    }
    members.sort_by(|a, b| (b.severity, a.raised_at, &a.id).cmp(&(a.severity, b.raised_at, &b.id)));
    Ok(members)
}

/// The message that an incident needs now, if any, and the digest of what it says.
fn next(
    tx: &Transaction<'_>,
    batch: &Batch<'_>,
    author: &Author<'_>,
    (incident, change): (String, Change),
) -> Result<Option<(Document, String)>, CapError> {
    let members = public_members(tx, batch.receiver, &incident)?;
    let thread = thread(tx, batch.receiver, &incident, author)?;
    let digest = digest(&members);
    let (kind, members, ending): (_, _, Option<Ending>) = match thread.last() {
        None if members.is_empty() => return Ok(None),
        None => (Kind::Alert, members, None),
        Some(_) if members.is_empty() => {
            let said = if change.before.is_empty() { change.left.clone() } else { change.before };
            if said.is_empty() {
                return Ok(None);
            }
            (Kind::Cancel, said, Some(ending(&change.left, change.moved)))
        }
        Some(last) => {
            let half = author.expires(last.reference.sent).since_ms(last.reference.sent) / 2;
            let fresh = batch.now < last.reference.sent.plus_ms(half);
            if last.digest == digest && fresh {
                return Ok(None);
            }
            (Kind::Update, members, None)
        }
    };
    // Readers order messages by `sent`, which has whole seconds.
    let second = |t: Timestamp| t.0.div_euclid(1000) * 1000;
    let after = thread.last().map_or(i64::MIN, |last| second(last.reference.sent) + 1000);
    let from = thread.len().saturating_sub(MAX_REFERENCES);
    let stage = Stage {
        kind,
        identifier: identifier(batch, &incident),
        sent: Timestamp(second(batch.now).max(after)),
        references: thread.into_iter().skip(from).map(|past| past.reference).collect(),
        incident,
        members,
        ending,
    };
    Ok(Some((author.document(&stage), digest)))
}

/// The messages of an incident since its last `Cancel`, oldest first.
fn thread(
    tx: &Transaction<'_>,
    receiver: &str,
    incident: &str,
    author: &Author<'_>,
) -> Result<Vec<Past>, CapError> {
    let mut statement = tx.prepare_cached(
        "SELECT id, sent, kind, digest FROM cap
         WHERE receiver = ?1 AND incident = ?2 AND status = ?3 ORDER BY seq",
    )?;
    let status = author.settings.spec().status.as_str();
    let rows = statement.query_map([receiver, incident, status], |r| {
        let reference = Reference { identifier: r.get(0)?, sent: Timestamp(r.get(1)?) };
        Ok(Past { reference, kind: r.get(2)?, digest: r.get(3)? })
    })?;
    let mut all: Vec<Past> = rows.collect::<Result<_, _>>()?;
    let ended = all.iter().rposition(|past| past.kind == Kind::Cancel.as_str());
    Ok(all.split_off(ended.map_or(0, |i| i + 1)))
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

fn incident_of(row: &AlertRow) -> String {
    row.incident.as_ref().map_or_else(|| row.id.0.clone(), |incident| incident.0.clone())
}

/// The row without what people or devices wrote: what is not stored cannot be published.
fn without_people(row: &AlertRow) -> AlertRow {
    AlertRow {
        acknowledged_by: None,
        note: None,
        message: Text::default(),
        assignee: None,
        held: Vec::new(),
        links: Vec::new(),
        ..row.clone()
    }
}

/// A function of receiver, delivery and incident alone.
fn identifier(batch: &Batch<'_>, incident: &str) -> String {
    let text = format!("{}\0{}\0{incident}", batch.receiver, batch.delivery);
    format!("ioc-{}", &hex(&Sha256::digest(text))[..32])
}

/// Of what the public is told: severity, alerts, wards.
fn digest(members: &[AlertRow]) -> String {
    let mut said: BTreeSet<String> =
        members.iter().map(|m| format!("{}\0{}", m.id, m.area)).collect();
    if let Some(worst) = members.first() {
        said.insert(format!("\0{}", worst.severity.as_str()));
    }
    let mut hash = Sha256::new();
    for one in said {
        hash.update(one);
        hash.update("\n");
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
