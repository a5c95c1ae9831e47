//! One incident: what makes alerts belong to it, and its counters.

use ioc_model::{
    AlertRow, Condition, Entity, IncidentId, IncidentKind, IncidentRow, Name, RegisterError,
    Severity, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::DeviceTree;
use crate::schema::{parse, store};

/// Cause of alerts that say that a device is not heard.
pub(crate) const OUTAGE: &str = "outage";

/// Area of what has none.
const UNASSIGNED: &str = "unassigned";

/// What decides which incident an alert joins, besides the alert.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grouping<'a> {
    pub tree: &'a DeviceTree,
    /// A closed incident takes alerts for so long after its last raise, event time, ms.
    pub gap_ms: i64,
    /// [`super::Flood::is_on`] at the raise.
    pub flood: bool,
}

/// Alerts with the same key belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub text: String,
    pub kind: IncidentKind,
    pub parent: Option<Name>,
}

/// The device an alert is about. One about an area is not about the device that tipped it.
pub(super) fn device_of(row: &AlertRow) -> Option<&Name> {
    match &row.entity {
        Entity::Device(id) => Some(id),
        _ => None,
    }
}

/// The device that is out as long as this alert is open and active.
pub(super) fn outage_of(row: &AlertRow) -> Option<&Name> {
    let out = row.is_open() && row.condition == Condition::Active && &*row.cause == OUTAGE;
    device_of(row).filter(|_| out)
}

/// Rank of a parent's outage among the alerts of an incident: 2 for one on top, 1 for one below
/// another, 0 for everything else.
pub(super) fn outage_rank(row: &AlertRow, tree: &DeviceTree) -> u8 {
    match device_of(row).filter(|d| &*row.cause == OUTAGE && tree.is_parent(d)) {
        Some(device) if tree.above(device).is_empty() => 2,
        Some(_) => 1,
        None => 0,
    }
}

/// The open, active outage alerts of devices, in their order, the first of each.
pub(super) fn outages<'a>(
    tx: &Connection,
    devices: impl IntoIterator<Item = &'a Name>,
) -> Result<Vec<(&'a Name, String)>, RegisterError> {
    let mut find = tx
        .prepare_cached("SELECT alert FROM outage WHERE device = ?1 ORDER BY alert LIMIT 1")
        .map_err(store)?;
    let mut found = Vec::new();
    for device in devices {
        let alert = find.query_row([&**device], |r| r.get(0)).optional().map_err(store)?;
        found.extend(alert.map(|alert| (device, alert)));
    }
    Ok(found)
}

impl Key {
    /// The key of an alert at its raise.
    pub(super) fn of(
        tx: &Connection,
        row: &AlertRow,
        grouping: &Grouping<'_>,
    ) -> Result<Self, RegisterError> {
        if let Some(parent) = Self::parent(tx, row, grouping.tree)? {
            return Ok(Self {
                text: format!("parent\0{parent}"),
                kind: IncidentKind::Parent,
                parent: Some(parent),
            });
        }
        let (area, service, cause) = (&row.area, &row.service, &row.cause);
        let of_none = matches!(row.entity, Entity::Service(_) | Entity::Segment(_));
        let (text, kind) = if grouping.flood {
            (format!("flood\0{area}\0{service}"), IncidentKind::Flood)
        } else if &**area == UNASSIGNED && (of_none || device_of(row).is_some()) {
            (format!("entity\0{service}\0{}", row.entity), IncidentKind::Cause)
        } else {
            (format!("cause\0{area}\0{cause}"), IncidentKind::Cause)
        };
        Ok(Self { text, kind, parent: None })
    }

    /// The top of the device's tree, if this is the outage of a parent or one above it is out.
    fn parent(
        tx: &Connection,
        row: &AlertRow,
        tree: &DeviceTree,
    ) -> Result<Option<Name>, RegisterError> {
        let Some(device) = device_of(row) else { return Ok(None) };
        let Some(top) = tree.top(device) else { return Ok(None) };
        let itself = tree.is_parent(device).then_some(device);
        let out = outage_rank(row, tree) > 0
            || !outages(tx, itself.into_iter().chain(tree.above(device)))?.is_empty();
        Ok(out.then(|| top.into()))
    }
}

/// What an alert counts for in its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    pub open: bool,
    pub unacknowledged: bool,
    pub severity: Severity,
    pub worst: Severity,
}

impl Weight {
    pub(super) fn of(row: &AlertRow) -> Self {
        Self {
            open: row.is_open(),
            unacknowledged: row.is_listed() && !row.acknowledged,
            severity: row.severity,
            worst: row.severity_max,
        }
    }
}

/// An incident as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Incident {
    pub row: IncidentRow,
    /// What its first alert had; none after a split.
    pub key: Option<String>,
    /// Where an operator put all of its alerts.
    pub merged_into: Option<IncidentId>,
    /// Open alerts by severity.
    pub open_by: [u32; 6],
    /// All alerts by the worst severity they ever had.
    pub all_by: [u32; 6],
    /// When an alert of it was closed last.
    pub last_close: Option<Timestamp>,
}

impl Incident {
    /// One without alerts, named after its first.
    pub(super) fn founded(id: IncidentId, first: &AlertRow, key: Option<Key>) -> Self {
        let kind = key.as_ref().map_or(IncidentKind::Manual, |k| k.kind);
        let (text, parent) = key.map_or((None, None), |k| (Some(k.text), k.parent));
        let row = IncidentRow {
            id,
            ver: 0,
            kind,
            area: first.area.clone(),
            service: first.service.clone(),
            cause: first.cause.clone(),
            parent,
            root: first.id.clone(),
            name: first.name.clone(),
            severity: first.severity,
            opened_at: first.raised_at,
            last_at: first.raised_at,
            closed_at: None,
            alerts: 0,
            open: 0,
            unacknowledged: 0,
        };
        let (open_by, all_by) = ([0; 6], [0; 6]);
        Self { row, key: text, merged_into: None, open_by, all_by, last_close: None }
    }

    pub(super) fn load(tx: &Connection, id: &IncidentId) -> Result<Option<Self>, RegisterError> {
        tx.prepare_cached("SELECT state FROM incident WHERE id = ?1")
            .and_then(|mut s| s.query_row([&id.0], |r| r.get::<_, String>(0)).optional())
            .map_err(store)?
            .map(|text| parse(&text))
            .transpose()
    }

    pub(super) fn save(&self, tx: &Transaction<'_>) -> Result<(), RegisterError> {
        let state = serde_json::to_string(self).map_err(store)?;
        tx.prepare_cached(
            "INSERT INTO incident (id, key, kind, merged_into, open, alerts, severity, area,
               service, opened_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET kind = ?3, merged_into = ?4, open = ?5, alerts = ?6,
               severity = ?7, area = ?8, service = ?9, opened_at = ?10, state = ?11",
        )
        .and_then(|mut s| {
            s.execute(params![
                self.row.id.0,
                self.key,
                self.row.kind.as_str(),
                self.merged_into.as_ref().map(|i| &i.0),
                self.row.open,
                self.row.alerts,
                self.row.severity as u8,
                &*self.row.area,
                &*self.row.service,
                self.row.opened_at.0,
                state,
            ])
        })
        .map_err(store)?;
        Ok(())
    }

    pub(super) fn add(&mut self, row: &AlertRow, weight: Weight) {
        let first = self.row.alerts == 0;
        self.row.alerts += 1;
        self.all_by[weight.worst as usize] += 1;
        if weight.open {
            self.row.open += 1;
            self.open_by[weight.severity as usize] += 1;
            self.row.closed_at = None;
        } else {
            self.last_close = self.last_close.max(Some(row.closed_at.unwrap_or(row.changed_at)));
        }
        self.row.unacknowledged += u32::from(weight.unacknowledged);
        if first {
            (self.row.opened_at, self.row.last_at) = (row.raised_at, row.raised_at);
        }
        self.row.opened_at = self.row.opened_at.min(row.raised_at);
        self.row.last_at = self.row.last_at.max(row.raised_at);
    }

    pub(super) fn remove(&mut self, weight: Weight) {
        let less = |n: &mut u32| *n = n.saturating_sub(1);
        less(&mut self.row.alerts);
        less(&mut self.all_by[weight.worst as usize]);
        if weight.open {
            less(&mut self.row.open);
            less(&mut self.open_by[weight.severity as usize]);
        }
        if weight.unacknowledged {
            less(&mut self.row.unacknowledged);
        }
    }

    /// Brings what follows from the counters up to date.
    pub(super) fn settle(&mut self) {
        let counts = if self.row.open > 0 { &self.open_by } else { &self.all_by };
        let worst = (1..=5u8).rev().find(|s| counts[usize::from(*s)] > 0);
        if let Some(severity) = worst.and_then(Severity::from_u8) {
            self.row.severity = severity;
        }
        if self.row.open == 0 && self.row.closed_at.is_none() {
            // Its last open alert may also have been put elsewhere.
            self.row.closed_at = self.last_close.or(Some(self.row.last_at));
        }
    }
}
