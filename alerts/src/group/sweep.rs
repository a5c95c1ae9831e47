//! What holds and outages do to alerts that are open, in pieces.

use std::collections::BTreeSet;

use ioc_model::{
    AlertRow, AutoKind, Condition, HeldBy, HoldId, HoldScope, IncidentKind, Name, RegisterError,
    Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::DeviceTree;
use super::cover::{add, can_follow, covers, held, held_by_parent, json, on_raise};
use super::hold::{Changed, HeldChange, ROWS, read};
use super::incident::{device_of, outage_of};
use crate::schema::{parse, read_row, store};

/// Alerts of devices that were raised so long before the outage of their parent are its
/// consequence: a device's silence may be found before that of its gateway. Not a policy: it
/// follows from how far apart the cadences of a gateway and its devices are.
const BEFORE_OUTAGE_MS: i64 = 5 * 60_000;
/// Open alerts that one call looks at while it looks for those of a hold.
const LOOKED_AT: usize = 20_000;

/// A piece of work that is done in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Hold the open alerts that a window covers.
    Begin = 0,
    /// Release what a window or an outage held.
    Release = 1,
    /// Hold the alerts of devices below one that went out.
    Below = 2,
}

/// Notes what is to be done for a hold (its number, or the outage's alert); it takes the place of
/// what was to be done for it before.
pub(super) fn enqueue(
    tx: &Transaction<'_>,
    hold: &str,
    what: What,
    why: &str,
) -> Result<(), RegisterError> {
    tx.prepare_cached(
        "INSERT INTO hold_work (hold, what, after, why) VALUES (?1, ?2, '', ?3)
         ON CONFLICT (hold) DO UPDATE SET what = ?2, after = '', why = ?3",
    )
    .and_then(|mut s| s.execute(params![hold, what as u8, why]))
    .map_err(store)?;
    Ok(())
}

/// What the outage of a device does to the alerts of the devices below it: held from its raise,
/// released with its end; and an alert that such an outage holds is released when it becomes a
/// danger. To be called after [`super::Touched::row`] with every row.
pub(crate) fn follow(
    tx: &Transaction<'_>,
    before: Option<&AlertRow>,
    after: &AlertRow,
    (tree, now): (&DeviceTree, Timestamp),
) -> Result<Changed, RegisterError> {
    match (before.and_then(outage_of), outage_of(after)) {
        (None, Some(device)) if tree.is_parent(device) => {
            enqueue(tx, &after.id.0, What::Below, &format!("outage of {device}"))?;
        }
        (Some(device), None) => {
            // In place of what may be left of its begin.
            enqueue(tx, &after.id.0, What::Release, &format!("outage of {device} is over"))?;
        }
        _ => return Ok(danger(after)),
    }
    work(tx, tree, now)
}

/// An alert that its parent's outage holds and that is no mere consequence any more.
fn danger(row: &AlertRow) -> Changed {
    let mut changed = Changed::default();
    if row.is_held(HeldBy::Parent) && !can_follow(row) {
        let mut after = row.clone();
        after.held.retain(|h| h.by != HeldBy::Parent);
        let why = format!("{} is no mere consequence of an outage", row.severity.as_str());
        let (before, kind) = (row.clone(), AutoKind::Unsuppress);
        changed.rows.push(HeldChange { before, row: after, kind, why });
    }
    changed
}

/// Does what is to be done, oldest first, up to [`ROWS`] rows.
pub(super) fn work(
    tx: &Transaction<'_>,
    tree: &DeviceTree,
    now: Timestamp,
) -> Result<Changed, RegisterError> {
    let mut sweep = Sweep { tx, tree, now, rows: Vec::new(), seen: BTreeSet::new() };
    while let Some(mut task) = Task::next(tx)? {
        let done = match task.what {
            What::Begin => sweep.begin(&mut task)?,
            What::Release => sweep.release(&mut task)?,
            What::Below => sweep.below(&mut task)?,
        };
        task.save(tx, done)?;
        if !done {
            return Ok(Changed { rows: sweep.rows, more: true });
        }
    }
    Ok(Changed { rows: sweep.rows, more: false })
}

/// A line of the table of work.
struct Task {
    id: i64,
    /// Number of the hold, or the outage's alert.
    hold: String,
    what: What,
    /// The alert that was looked at last.
    after: String,
    why: String,
}

impl Task {
    fn next(tx: &Transaction<'_>) -> Result<Option<Self>, RegisterError> {
        tx.prepare_cached("SELECT id, hold, what, after, why FROM hold_work ORDER BY id LIMIT 1")
            .and_then(|mut s| {
                s.query_row([], |r| {
                    let what = match r.get(2)? {
                        0 => What::Begin,
                        1 => What::Release,
                        _ => What::Below,
                    };
                    let (id, hold) = (r.get(0)?, r.get(1)?);
                    Ok(Self { id, hold, what, after: r.get(3)?, why: r.get(4)? })
                })
                .optional()
            })
            .map_err(store)
    }

    fn save(&self, tx: &Transaction<'_>, done: bool) -> Result<(), RegisterError> {
        if done {
            tx.prepare_cached("DELETE FROM hold_work WHERE id = ?1")
                .and_then(|mut s| s.execute([self.id]))
        } else {
            tx.prepare_cached("UPDATE hold_work SET after = ?2 WHERE id = ?1")
                .and_then(|mut s| s.execute(params![self.id, self.after]))
        }
        .map_err(store)?;
        Ok(())
    }
}

struct Sweep<'a> {
    tx: &'a Transaction<'a>,
    tree: &'a DeviceTree,
    now: Timestamp,
    rows: Vec<HeldChange>,
    /// Alerts in `rows`: what the table holds of them is old.
    seen: BTreeSet<String>,
}

impl Sweep<'_> {
    fn push(&mut self, before: AlertRow, row: AlertRow, kind: AutoKind, why: &str) {
        self.seen.insert(row.id.0.clone());
        self.rows.push(HeldChange { before, row, kind, why: why.to_owned() });
    }

    fn begin(&mut self, task: &mut Task) -> Result<bool, RegisterError> {
        let id = task.hold.parse().map(HoldId);
        let Some((hold, false)) = id.map_or(Ok(None), |id| read(self.tx, &id))? else {
            return Ok(true);
        };
        let (tx, tree) = (self.tx, self.tree);
        let HoldScope { rule, device, area, service } = &hold.scope;
        let name = |n: &Option<Name>| n.as_deref().map(str::to_owned);
        let below = device.as_ref().map(|d| json(&tree.with_below(d)));
        let devices = below.transpose().map_err(store)?;
        let page = |after: &str| {
            rows(
                tx,
                "SELECT row FROM alert INDEXED BY alert_open_id
                 WHERE open = 1 AND id > ?1 AND (?2 IS NULL OR service = ?2)
                   AND (?3 IS NULL OR area = ?3) AND (?4 IS NULL OR rule = ?4)
                   AND (?5 IS NULL OR device IN (SELECT value FROM json_each(?5)))
                 ORDER BY id LIMIT ?6",
                params![after, name(service), name(area), name(rule), devices, ROWS as i64],
            )
        };
        let change = |row: &AlertRow| {
            let mut after = row.clone();
            let holds = covers(&hold.scope, row, tree) && add(&mut after, held(&hold));
            Ok(holds.then_some(after))
        };
        self.suppress(task, page, change)
    }

    fn below(&mut self, task: &mut Task) -> Result<bool, RegisterError> {
        let Some(outage) = read_row(self.tx, &task.hold)? else { return Ok(true) };
        let Some(device) = outage_of(&outage) else { return Ok(true) };
        let mut devices = self.tree.with_below(device);
        devices.remove(device);
        let (tx, names) = (self.tx, json(&devices).map_err(store)?);
        let since = outage.raised_at.plus_ms(-BEFORE_OUTAGE_MS);
        let page = |after: &str| {
            rows(
                tx,
                "SELECT row FROM alert INDEXED BY alert_device
                 WHERE open = 1 AND device IN (SELECT value FROM json_each(?1))
                   AND raised_at >= ?2 AND id > ?3
                 ORDER BY id LIMIT ?4",
                params![names, since.0, after, ROWS as i64],
            )
        };
        let change = |row: &AlertRow| {
            let concerned = row.condition == Condition::Active
                && row.is_listed()
                && can_follow(row)
                && device_of(row).is_some_and(|d| devices.contains(d));
            if !concerned {
                return Ok(None);
            }
            let mut after = row.clone();
            add(&mut after, held_by_parent(device, outage.id.0.clone()));
            if found_by_key(tx, row)? {
                after.incident.clone_from(&outage.incident);
            }
            Ok(Some(after))
        };
        self.suppress(task, page, change)
    }

    /// Goes on with the rows of `page`, by id, from where the task stands; those that `change`
    /// changes are held from now on. True when all is done.
    fn suppress(
        &mut self,
        task: &mut Task,
        page: impl Fn(&str) -> Result<Vec<AlertRow>, RegisterError>,
        change: impl Fn(&AlertRow) -> Result<Option<AlertRow>, RegisterError>,
    ) -> Result<bool, RegisterError> {
        for _ in 0..LOOKED_AT / ROWS {
            let rows = page(&task.after)?;
            let last = rows.len() < ROWS;
            for row in rows {
                let id = row.id.0.clone();
                if self.seen.contains(&id) {
                    return Ok(false);
                }
                if let Some(after) = change(&row)? {
                    if self.rows.len() >= ROWS {
                        return Ok(false);
                    }
                    self.push(row, after, AutoKind::Suppress, &task.why);
                }
                task.after = id;
            }
            if last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn release(&mut self, task: &mut Task) -> Result<bool, RegisterError> {
        let ids: Vec<String> = self
            .tx
            .prepare_cached(
                "SELECT alert FROM held WHERE hold = ?1 AND alert > ?2 ORDER BY alert LIMIT ?3",
            )
            .and_then(|mut s| {
                s.query_map(params![task.hold, task.after, ROWS as i64], |r| r.get(0))?.collect()
            })
            .map_err(store)?;
        let last = ids.len() < ROWS;
        for id in ids {
            if self.rows.len() >= ROWS || self.seen.contains(&id) {
                return Ok(false);
            }
            match read_row(self.tx, &id)? {
                Some(row) if row.is_open() => {
                    let mut after = row.clone();
                    on_raise(self.tx, &mut after, self.tree, self.now)?;
                    if after.held != row.held {
                        self.push(row, after, AutoKind::Unsuppress, &task.why);
                    }
                }
                // What is over is held by nothing.
                _ => {
                    self.tx
                        .prepare_cached("DELETE FROM held WHERE hold = ?1 AND alert = ?2")
                        .and_then(|mut s| s.execute([&task.hold, &id]))
                        .map_err(store)?;
                }
            }
            task.after = id;
        }
        Ok(last)
    }
}

/// Its incident was not made by an operator: the alert may go to that of its cause.
fn found_by_key(tx: &Connection, row: &AlertRow) -> Result<bool, RegisterError> {
    let Some(incident) = &row.incident else { return Ok(false) };
    let kind: Option<String> = tx
        .prepare_cached("SELECT kind FROM incident WHERE id = ?1")
        .and_then(|mut s| s.query_row([&incident.0], |r| r.get(0)).optional())
        .map_err(store)?;
    Ok(kind.is_none_or(|kind| kind != IncidentKind::Manual.as_str()))
}

fn rows(
    tx: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<AlertRow>, RegisterError> {
    let texts: Vec<String> = tx
        .prepare_cached(sql)
        .and_then(|mut s| s.query_map(values, |r| r.get(0))?.collect())
        .map_err(store)?;
    texts.iter().map(|t| parse(t)).collect()
}
