//! Groups whose time has come become deliveries.

use std::collections::BTreeSet;

use ioc_model::{
    AlertId, AlertRow, AlertStore, Condition, IncidentRow, Name, RegisterError, Scope, Timestamp,
};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::ESCALATION;
use super::config::NotifyConfig;
use super::route::Times;
use super::schema::{self, all, run};
use crate::channel::{Change, MAX_ALERTS, Notification};
use crate::schema::store;

/// Alerts that a row of the delivery log names.
const NAMED: usize = 20;

/// Puts out what is due, within one transaction.
pub(super) struct Flush<'a> {
    pub(super) db: &'a Connection,
    pub(super) config: &'a NotifyConfig,
    pub(super) alerts: &'a dyn AlertStore,
    pub(super) now: Timestamp,
    /// Wall time: deliveries live in it, even when groups live in the time of their lines.
    pub(super) wall: Timestamp,
}

#[derive(Clone)]
struct Group {
    receiver: Name,
    route: Name,
    grp: String,
    due_at: Option<Timestamp>,
    repeats: u32,
    last_seq: u64,
}

impl Flush<'_> {
    /// All groups that are due; how many.
    pub(super) fn due(&self) -> Result<usize, RegisterError> {
        let sql = "SELECT receiver, route, grp, due_at, repeats, last_seq FROM grp
                   WHERE due_at <= ?1 ORDER BY due_at, receiver, route, grp";
        let due = self.groups(sql)?;
        for group in &due {
            self.put_out(group)?;
        }
        let sql = "SELECT receiver, route, grp, due_at, repeats, last_seq FROM grp
                   WHERE repeat_at <= ?1 ORDER BY repeat_at, receiver, route, grp";
        for group in self.groups(sql)? {
            self.repeat(&group)?;
        }
        Ok(due.len())
    }

    fn groups(&self, sql: &str) -> Result<Vec<Group>, RegisterError> {
        all(self.db, sql, params![self.now.0], |r| {
            Ok(Group {
                receiver: r.get::<_, String>(0)?.into(),
                route: r.get::<_, String>(1)?.into(),
                grp: r.get(2)?,
                due_at: schema::time(r, 3)?,
                repeats: r.get(4)?,
                last_seq: r.get::<_, i64>(5)?.cast_unsigned(),
            })
        })
    }

    fn put_out(&self, group: &Group) -> Result<(), RegisterError> {
        let key = params![&*group.receiver, &*group.route, group.grp];
        let sql = "SELECT change FROM pending WHERE receiver = ?1 AND route = ?2 AND grp = ?3
                   ORDER BY seq";
        let texts: Vec<String> = all(self.db, sql, key, |r| r.get(0))?;
        let mut changes = Vec::with_capacity(texts.len());
        for text in &texts {
            changes.push(crate::schema::parse::<Change>(text)?);
        }
        if let (Some(first), Some(last)) = (changes.first(), changes.last()) {
            let (first, last) = (first.seq, last.seq);
            let id = delivery_id(group, first, last, 0);
            let worst = changes.iter().map(|c| c.severity as u8).max().unwrap_or(0);
            self.deliver(group, id, changes)?;
            let repeat_at = self.times(&group.route).repeat_ms.map(|ms| self.now.plus_ms(ms).0);
            let sql = "UPDATE grp SET flushed_at = ?4, severity = max(severity, ?5),
                         repeat_at = ?6, last_seq = ?7
                       WHERE receiver = ?1 AND route = ?2 AND grp = ?3";
            let (receiver, route, grp) = (&*group.receiver, &*group.route, &group.grp);
            let last = last.cast_signed();
            // The interval counts from when it was due, so that lines that are read again later
            // come together as they did.
            let flushed_at = group.due_at.unwrap_or(self.now).0;
            let values = params![receiver, route, grp, flushed_at, worst, repeat_at, last];
            run(self.db, sql, values)?;
            let sql = "UPDATE told SET state = 1 WHERE state = 0 AND receiver = ?1 AND grp = ?3
                         AND route = ?2 AND alert IN (SELECT alert FROM pending
                           WHERE receiver = ?1 AND route = ?2 AND grp = ?3)";
            run(self.db, sql, params![receiver, route, grp])?;
        }
        let key = params![&*group.receiver, &*group.route, group.grp];
        let sql = "DELETE FROM pending WHERE receiver = ?1 AND route = ?2 AND grp = ?3";
        run(self.db, sql, key)?;
        let key = params![&*group.receiver, &*group.route, group.grp];
        let sql = "UPDATE grp SET due_at = NULL WHERE receiver = ?1 AND route = ?2 AND grp = ?3";
        run(self.db, sql, key).map(drop)
    }

    fn times(&self, route: &str) -> Times {
        if route == ESCALATION {
            return Times::ESCALATION;
        }
        self.config.route_by_id(route).map(|r| r.times).unwrap_or_default()
    }

    /// Tells again what is still so and nobody has taken on. A public warning is told again also
    /// when somebody has: it would expire.
    fn repeat(&self, group: &Group) -> Result<(), RegisterError> {
        let (receiver, route, grp) = (&*group.receiver, &*group.route, &group.grp);
        let repeat_at = self.times(route).repeat_ms.map(|ms| self.now.plus_ms(ms).0);
        let told: Vec<String> = all(
            self.db,
            "SELECT alert FROM told WHERE receiver = ?1 AND route = ?2 AND grp = ?3 AND state = 1",
            params![receiver, route, grp],
            |r| r.get(0),
        )?;
        let again = repeat_at.filter(|_| !told.is_empty());
        let busy: i64 = schema::one(
            self.db,
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE receiver = ?1 AND grp = ?2 AND state = 0)
                 OR EXISTS (SELECT 1 FROM pending
                            WHERE receiver = ?1 AND route = ?3 AND grp = ?2)",
            params![receiver, grp, route],
            |r| r.get(0),
        )?;
        let mut changes = Vec::new();
        let always = self.config.receiver_by_id(receiver).is_some_and(|r| r.way.warns_the_public());
        for id in told.iter().filter(|_| busy == 0 && again.is_some()) {
            let Some(row) = self.row(&AlertId(id.clone()))? else { continue };
            if row.condition == Condition::Active
                && row.is_listed()
                && (always || !row.acknowledged)
            {
                changes.push(repetition(&row, self.wall));
            }
        }
        let repeats = group.repeats + u32::from(!changes.is_empty());
        if !changes.is_empty() {
            let id = delivery_id(group, group.last_seq, group.last_seq, repeats);
            self.deliver(group, id, changes)?;
        }
        let sql = "UPDATE grp SET repeat_at = ?4, repeats = ?5
                   WHERE receiver = ?1 AND route = ?2 AND grp = ?3";
        run(self.db, sql, params![receiver, route, grp, again, repeats]).map(drop)
    }

    fn row(&self, id: &AlertId) -> Result<Option<AlertRow>, RegisterError> {
        match self.alerts.get(id, &Scope::city()) {
            Ok(row) => Ok(Some(row)),
            Err(RegisterError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn deliver(
        &self,
        group: &Group,
        id: String,
        mut changes: Vec<Change>,
    ) -> Result<(), RegisterError> {
        let mut ids: Vec<AlertId> = Vec::new();
        let mut seen = BTreeSet::new();
        for c in &changes {
            if seen.insert(c.alert.clone()) {
                ids.push(c.alert.clone());
            }
        }
        let mut rows = Vec::with_capacity(ids.len().min(MAX_ALERTS));
        for id in &ids {
            rows.extend(self.row(id)?);
        }
        let incident = self.incident(&rows)?;
        let rank = |r: &AlertRow| (r.condition == Condition::Active, r.severity);
        rows.sort_by_key(|r| std::cmp::Reverse(rank(r)));
        rows.truncate(MAX_ALERTS);
        let mut reasons: Vec<Name> = Vec::new();
        for c in &changes {
            if !reasons.contains(&c.reason) {
                reasons.push(c.reason.clone());
            }
        }
        changes.retain(|c| rows.iter().any(|r| r.id == c.alert));
        // The newest say how it stands.
        changes.drain(..changes.len().saturating_sub(MAX_ALERTS));
        let language = self.config.receiver_by_id(&group.receiver).map(|r| r.language);
        let n = Notification {
            id,
            receiver: group.receiver.clone(),
            route: group.route.clone(),
            group: group.grp.clone(),
            reasons,
            incident,
            more: ids.len() - rows.len(),
            alerts: rows,
            changes,
            at: self.wall,
            test: false,
            language: language.unwrap_or_default(),
        };
        let expires_at = self.wall.plus_ms(self.config.give_up_ms);
        insert(self.db, &n, &ids, expires_at).map(drop)
    }

    /// The incident, if all are of one.
    fn incident(&self, rows: &[AlertRow]) -> Result<Option<IncidentRow>, RegisterError> {
        let Some(id) = rows.first().and_then(|r| r.incident.as_ref()) else { return Ok(None) };
        if rows.iter().any(|r| r.incident.as_ref() != Some(id)) {
            return Ok(None);
        }
        match self.alerts.incident(id, &Scope::city(), 1) {
            Ok((incident, _)) => Ok(Some(incident)),
            Err(RegisterError::NoIncident(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn repetition(row: &AlertRow, at: Timestamp) -> Change {
    Change {
        seq: 0,
        alert: row.id.clone(),
        reason: "repeat".into(),
        actor: "system".into(),
        at,
        severity: row.severity,
        note: None,
    }
}

/// Writes a delivery; false if it is there already (a new outbox that reads old lines again).
pub(super) fn insert(
    db: &Connection,
    n: &Notification,
    alerts: &[AlertId],
    expires_at: Timestamp,
) -> Result<bool, RegisterError> {
    let json = |value: &[Name]| serde_json::to_string(value).map_err(store);
    let named: Vec<Name> = alerts.iter().take(NAMED).map(|a| a.0.as_str().into()).collect();
    let body = serde_json::to_string(n).map_err(store)?;
    let sql = "INSERT OR IGNORE INTO delivery (id, receiver, route, grp, reasons, alerts, body,
                 state, created_at, next_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?8, ?9)";
    let values = params![
        n.id,
        &*n.receiver,
        &*n.route,
        n.group,
        json(&n.reasons)?,
        json(&named)?,
        body,
        n.at.0,
        expires_at.0
    ];
    if run(db, sql, values)? == 0 {
        tracing::warn!(delivery = %n.id, "delivery is in the outbox already");
        return Ok(false);
    }
    let seq = db.last_insert_rowid();
    for alert in alerts {
        run(db, "INSERT OR IGNORE INTO delivery_alert VALUES (?1, ?2)", params![alert.0, seq])?;
    }
    Ok(true)
}

/// A function of receiver, route, group and lines alone: a rebuilt outbox gives the same name.
fn delivery_id(group: &Group, first: u64, last: u64, repeat: u32) -> String {
    let Group { receiver, route, grp, .. } = group;
    hashed(&format!("{receiver}\0{route}\0{grp}\0{first}\0{last}\0{repeat}"))
}

/// 32 hex digits.
pub(super) fn hashed(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).map(|b| format!("{b:02x}")).collect()
}
