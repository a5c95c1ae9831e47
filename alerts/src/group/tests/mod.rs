//! A small register that does what the module's documentation asks of one, and scenarios on it.

mod floods;
mod holds;
mod incidents;
mod property;

use std::collections::BTreeMap;

use ioc_model::{
    Actor, AlertId, AlertRow, City, Condition, ConfigFiles, DeviceSpec, Entity, Evidence, HeldBy,
    Hold, HoldId, HoldRequest, HoldScope, IncidentFilter, IncidentId, IncidentRow, Scope, Severity,
    Text, Timestamp, Transition, TransitionKind, Work,
};
use rusqlite::{Connection, Transaction};

use super::hold::{self, Changed};
use super::{DeviceTree, Flood, Grouping, SCHEMA, Touched};
use crate::policy::{FloodLimits, Policy};
use crate::schema;

pub(super) const LIMITS: FloodLimits =
    FloodLimits { raised: 10, within_ms: 600_000, ends_below: 5 };
const GAP_MS: i64 = 30 * 60_000;
/// 2025-10-28, the day of a flood.
pub(super) const T0: i64 = 1_761_588_000_000;

/// A time in minutes after the begin of the scenario.
pub(super) fn min(minutes: i64) -> Timestamp {
    Timestamp(T0 + minutes * 60_000)
}

/// A city of devices and their parents; parents are devices too.
pub(in crate::group) fn city(parents: &[(&str, &str)]) -> City {
    let mut city = City::default();
    let mut add = |id: &str, parent: Option<&str>| {
        let spec = DeviceSpec {
            id: id.into(),
            name: Text::default(),
            kind: "camera".into(),
            service: "cameras".into(),
            area: "hai-chau".into(),
            lat: 16.0,
            lon: 108.2,
            properties: Vec::new(),
            cadence_s: 60,
            parent: parent.map(Into::into),
            segment: None,
        };
        let known = city.devices.entry(id.into()).or_insert(spec);
        if let Some(parent) = parent {
            known.parent = Some(parent.into());
        }
    };
    for (device, parent) in parents {
        add(device, Some(parent));
        add(parent, None);
    }
    city
}

/// A raise by a rule on a device.
pub(super) fn raise(device: &str, cause: &str, at: Timestamp) -> Transition {
    raise_of(Entity::Device(device.into()), cause, at)
}

pub(super) fn raise_of(entity: Entity, cause: &str, at: Timestamp) -> Transition {
    let rule = format!("{cause}.rule");
    Transition {
        position: 0,
        alert: AlertId::new(&rule, &entity, at),
        rule: (&*rule).into(),
        device: match &entity {
            Entity::Device(id) => Some(id.clone()),
            _ => None,
        },
        area: match &entity {
            Entity::Area(id) => id.clone(),
            Entity::Device(_) => "hai-chau".into(),
            _ => "unassigned".into(),
        },
        entity,
        service: "cameras".into(),
        time: at,
        kind: TransitionKind::Raise,
        severity: Severity::Major,
        value: None,
        limit: None,
        unit: "".into(),
        name: Text { vi: rule.clone(), en: rule },
        message: Text::default(),
        cause: cause.into(),
        latched: false,
        evidence: Box::new(Evidence::default()),
    }
}

pub(super) fn with(t: Transition, severity: Severity) -> Transition {
    Transition { severity, ..t }
}

pub(super) fn clear(raised: &Transition, at: Timestamp) -> Transition {
    Transition { kind: TransitionKind::Clear, time: at, ..raised.clone() }
}

pub(super) struct Desk {
    pub db: Connection,
    pub tree: DeviceTree,
    pub flood: Flood,
    change: u64,
}

impl Desk {
    pub fn new(parents: &[(&str, &str)]) -> Self {
        let mut db = Connection::open_in_memory().expect("memory");
        let policy = Policy::load(&ConfigFiles::default(), &City::default()).expect("defaults");
        schema::take_over(&mut db, &policy).expect("tables");
        db.execute_batch(SCHEMA).expect("our tables");
        let tree = DeviceTree::new(&city(parents));
        Self { db, tree, flood: Flood::new(LIMITS, 1), change: 0 }
    }

    /// One call of the register's `apply`.
    pub fn apply(&mut self, transitions: &[Transition]) -> Vec<IncidentRow> {
        self.apply_until(transitions, usize::MAX).expect("committed")
    }

    /// The same; `None` when it was killed before transition `crash`.
    pub fn apply_until(
        &mut self,
        transitions: &[Transition],
        crash: usize,
    ) -> Option<Vec<IncidentRow>> {
        let tx = self.db.transaction().expect("begins");
        let mut flood = self.flood.clone();
        let mut desk = Writer::new(&tx, &self.tree, self.change);
        for (n, t) in transitions.iter().enumerate() {
            if n == crash {
                return None;
            }
            desk.apply(t, &mut flood);
        }
        let (change, incidents) = desk.finish();
        tx.commit().expect("commits");
        self.change = change;
        self.flood = flood;
        Some(incidents)
    }

    /// One transaction.
    pub fn write<T>(&mut self, act: impl FnOnce(&mut Writer<'_>) -> T) -> T {
        let tx = self.db.transaction().expect("begins");
        let mut writer = Writer::new(&tx, &self.tree, self.change);
        let out = act(&mut writer);
        self.change = writer.finish().0;
        tx.commit().expect("commits");
        out
    }

    /// Changes one row as an action would.
    pub fn set(&mut self, id: &AlertId, change: impl FnOnce(&mut AlertRow)) {
        self.write(|w| {
            let before = w.row(&id.0);
            let mut row = before.clone();
            change(&mut row);
            w.write(Some(&before), row);
        });
    }

    pub fn close(&mut self, t: &Transition) {
        self.set(&t.alert, |row| {
            row.condition = Condition::Returned;
            row.work = Work::Closed;
            row.held.clear();
        });
    }

    pub fn merge(&mut self, ids: &[&AlertId], into: &IncidentId) {
        self.write(|w| {
            for id in ids {
                let before = w.row(&id.0);
                let mut row = before.clone();
                if w.touched.merge(w.tx, &mut row, into, &Scope::city()).expect("merges") {
                    w.write(Some(&before), row);
                }
            }
        });
    }

    pub fn split(&mut self, ids: &[&AlertId]) -> IncidentId {
        self.write(|w| {
            let first = w.row(&ids[0].0);
            let own = w.touched.split(w.tx, &first).expect("splits");
            for id in ids {
                let before = w.row(&id.0);
                let row = AlertRow { incident: Some(own.clone()), ..before.clone() };
                w.write(Some(&before), row);
            }
            own
        })
    }

    pub fn open_hold(&mut self, request: &HoldRequest, now: Timestamp) -> Hold {
        let hold = self.write(|w| {
            let (hold, changed) = hold::open(w.tx, request, w.tree, now).expect("opens");
            w.changed(changed);
            hold
        });
        self.due(now);
        hold
    }

    pub fn end_hold(&mut self, id: HoldId, now: Timestamp) -> Hold {
        let tree = self.tree.clone();
        let hold = self.write(|w| {
            let (hold, changed) =
                hold::end(w.tx, &id, (&lan(now), Some("xong")), &tree).expect("ends");
            w.changed(changed);
            hold
        });
        self.due(now);
        hold
    }

    /// Rows that the timers changed, call by call.
    pub fn due(&mut self, now: Timestamp) -> Vec<usize> {
        let mut calls = Vec::new();
        loop {
            let (more, rows) = self.write(|w| {
                let changed = hold::due(w.tx, w.tree, now).expect("due");
                let found = (changed.more, changed.rows.len());
                w.changed(changed);
                found
            });
            calls.push(rows);
            if !more {
                return calls;
            }
        }
    }

    pub fn row(&self, t: &Transition) -> AlertRow {
        schema::read_row(&self.db, &t.alert.0).expect("reads").expect("is there")
    }

    pub fn rows(&self) -> BTreeMap<String, AlertRow> {
        let mut statement = self.db.prepare("SELECT row FROM alert").expect("sql");
        let texts: Vec<String> =
            statement.query_map([], |r| r.get(0)).and_then(Iterator::collect).expect("reads");
        let rows = texts.iter().map(|t| schema::parse::<AlertRow>(t).expect("a row"));
        rows.map(|r| (r.id.0.clone(), r)).collect()
    }

    pub fn listed(&self) -> usize {
        self.rows().values().filter(|r| r.is_listed()).count()
    }

    /// Newest first.
    pub fn incidents(&self) -> Vec<IncidentRow> {
        let filter = IncidentFilter { limit: 1_000, ..IncidentFilter::of(Scope::city()) };
        super::list(&self.db, &filter).expect("lists").0
    }

    pub fn incident(&self, t: &Transition) -> IncidentRow {
        let id = self.row(t).incident.expect("joined one");
        super::get(&self.db, &id, &Scope::city(), 1).expect("is there").0
    }
}

/// One transaction of the desk.
pub(super) struct Writer<'a> {
    pub tx: &'a Transaction<'a>,
    pub tree: &'a DeviceTree,
    pub touched: Touched,
    change: u64,
}

impl<'a> Writer<'a> {
    fn new(tx: &'a Transaction<'a>, tree: &'a DeviceTree, change: u64) -> Self {
        Self { tx, tree, touched: Touched::default(), change }
    }

    pub fn row(&self, id: &str) -> AlertRow {
        schema::read_row(self.tx, id).expect("reads").expect("is there")
    }

    fn apply(&mut self, t: &Transition, flood: &mut Flood) {
        let before = schema::read_row(self.tx, &t.alert.0).expect("reads");
        match (before, t.kind) {
            (None, TransitionKind::Raise) => {
                let mut row = AlertRow::raised(t);
                hold::on_raise(self.tx, &mut row, self.tree, t.time).expect("looks");
                if row.is_listed() {
                    flood.raise(t.time);
                }
                let flood = flood.is_on(t.time);
                let grouping = Grouping { tree: self.tree, gap_ms: GAP_MS, flood };
                self.touched.join(self.tx, &mut row, &grouping).expect("joins");
                self.write(None, row);
            }
            (Some(before), TransitionKind::Severity | TransitionKind::Clear) => {
                let mut row = before.clone();
                row.severity = t.severity;
                row.severity_max = row.severity_max.max(t.severity);
                if t.kind == TransitionKind::Clear {
                    row.condition = Condition::Returned;
                }
                // Stands for those that somebody has seen.
                if t.kind == TransitionKind::Clear && &*t.cause == "seen" {
                    row.work = Work::Closed;
                    row.held.clear();
                }
                self.write(Some(&before), row);
            }
            _ => {}
        }
    }

    pub fn write(&mut self, before: Option<&AlertRow>, mut row: AlertRow) {
        self.change += 1;
        row.change = self.change;
        row.ver += 1;
        row.settle();
        schema::write_row(self.tx, before, &row, None).expect("writes");
        self.touched.row(self.tx, before, &row).expect("counts");
        let now = row.changed_at;
        let changed = hold::follow(self.tx, before, &row, (self.tree, now)).expect("follows");
        self.changed(changed);
    }

    pub fn changed(&mut self, changed: Changed) {
        for change in changed.rows {
            assert_eq!(self.row(&change.row.id.0), change.before, "not what is in the table");
            assert!(!change.why.is_empty());
            self.write(Some(&change.before), change.row);
        }
    }

    fn finish(self) -> (u64, Vec<IncidentRow>) {
        (self.change, self.touched.finish(self.tx).expect("finishes"))
    }
}

pub(super) fn lan(at: Timestamp) -> Actor {
    Actor { user: "lan".into(), origin: None, at }
}

pub(super) fn window(scope: HoldScope, from: Option<Timestamp>, until: Timestamp) -> HoldRequest {
    HoldRequest {
        by: HeldBy::Maintenance,
        scope,
        from,
        until: Some(until),
        reason: "thay pin".into(),
        actor: lan(min(0)),
        within: Scope::city(),
    }
}
