//! From a delivery to the next message of each incident it changes.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{AlertId, AlertRow, Text, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use super::document::{Document, Kind, Reference};
use super::store::{Batch, CapError};
use super::warning::{Author, Ending, Stage, ending};

/// Most references of one message; more than that, the newest.
const MAX_REFERENCES: usize = 500;

/// A stored message of a running thread.
struct Past {
    reference: Reference,
    kind: String,
    digest: String,
}

/// What a batch does to one incident.
#[derive(Default)]
pub(super) struct Change {
    /// Its public alerts before.
    before: Vec<AlertRow>,
    /// Those of the batch that were public and are not any more, as they are now.
    left: Vec<AlertRow>,
    /// One of them went to another incident.
    moved: bool,
}

/// Brings the remembered alerts up to date; gives the incidents concerned, in their order.
pub(super) fn apply(
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
pub(super) fn next(
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
pub(super) fn identifier(batch: &Batch<'_>, incident: &str) -> String {
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
