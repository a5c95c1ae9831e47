//! What holds one alert: the windows that cover it, and the outages above its device.

use std::collections::BTreeSet;

use ioc_model::{
    AlertRow, Entity, Held, HeldBy, Hold, HoldScope, Name, RegisterError, Severity, Timestamp,
};
use rusqlite::{Connection, Transaction, params};

use super::DeviceTree;
use super::incident::{OUTAGE, device_of, outages};
use crate::schema::{parse, store};

/// Windows written down in one alert; another that covers it too is looked up when one ends.
const WINDOWS: usize = 8;
/// Characters of a hold's reason that each alert repeats.
const REASON_CHARS: usize = 200;

/// Brings what holds a row back up to date: the windows and outages that cover it at `now`, the
/// event time of a raise or the wall time of an undo. Its shelf stays. To be called at a raise and
/// when it opens again.
pub(crate) fn on_raise(
    tx: &Transaction<'_>,
    row: &mut AlertRow,
    tree: &DeviceTree,
    now: Timestamp,
) -> Result<(), RegisterError> {
    let mut covered: Vec<Held> = windows(tx, row, tree, now)?.iter().map(held).collect();
    if let Some(device) = device_of(row).filter(|_| can_follow(row)) {
        let out = outages(tx, tree.above(device))?;
        covered.extend(out.into_iter().map(|(device, alert)| held_by_parent(device, alert)));
    }
    row.held.retain(|h| h.by == HeldBy::Shelf || covered.iter().any(|c| c.id == h.id));
    for held in covered {
        add(row, held);
    }
    Ok(())
}

/// It may be a consequence of its parent's outage. A warning of danger is never one: a flood that
/// was measured before the gateway went stays on the operators' list.
pub(super) fn can_follow(row: &AlertRow) -> bool {
    &*row.cause == OUTAGE || row.severity < Severity::Critical
}

/// The running windows that cover an alert, oldest first. One that has begun covers what was
/// raised before it and heard of later; one that is planned, what is raised in its time.
fn windows(
    tx: &Connection,
    row: &AlertRow,
    tree: &DeviceTree,
    now: Timestamp,
) -> Result<Vec<Hold>, RegisterError> {
    let device = device_of(row);
    let chain: BTreeSet<Name> =
        device.into_iter().chain(device.into_iter().flat_map(|d| tree.above(d))).cloned().collect();
    let texts: Vec<String> = tx
        .prepare_cached(
            "SELECT hold FROM hold INDEXED BY hold_now
             WHERE over = 0 AND (begun = 1 OR from_at <= ?1) AND (until_at IS NULL OR until_at > ?1)
               AND (rule IS NULL OR rule = ?2) AND (area IS NULL OR area = ?3)
               AND (service IS NULL OR service = ?4)
               AND (device IS NULL OR device IN (SELECT value FROM json_each(?5)))
             ORDER BY id LIMIT ?6",
        )
        .and_then(|mut s| {
            let (rule, area, service) = (&*row.rule, &*row.area, &*row.service);
            let values = params![now.0, rule, area, service, json(&chain)?, WINDOWS as i64];
            s.query_map(values, |r| r.get(0))?.collect()
        })
        .map_err(store)?;
    texts.iter().map(|t| parse(t)).collect()
}

/// Every field that is given fits.
pub(super) fn covers(scope: &HoldScope, row: &AlertRow, tree: &DeviceTree) -> bool {
    let fits = |wanted: &Option<Name>, has: &Name| wanted.as_ref().is_none_or(|w| w == has);
    fits(&scope.rule, &row.rule)
        && fits(&scope.area, &row.area)
        && fits(&scope.service, &row.service)
        && scope.device.as_ref().is_none_or(|top| match &row.entity {
            Entity::Device(device) => tree.is_within(device, top),
            _ => false,
        })
}

pub(super) fn held(hold: &Hold) -> Held {
    let (who, until) = (hold.who.clone(), hold.until);
    let reason = hold.reason.chars().take(REASON_CHARS).collect();
    Held { by: hold.by, id: hold.id.to_string(), until, who, reason }
}

pub(super) fn held_by_parent(device: &Name, alert: String) -> Held {
    let (who, reason) = ("system".to_owned(), format!("outage of {device}"));
    Held { by: HeldBy::Parent, id: alert, until: None, who, reason }
}

/// False if it is there already, or there are so many windows that one more says nothing.
pub(super) fn add(row: &mut AlertRow, held: Held) -> bool {
    let windows =
        row.held.iter().filter(|h| h.by == HeldBy::Maintenance || h.by == HeldBy::OutOfService);
    let full = held.by != HeldBy::Parent && windows.count() >= WINDOWS;
    if full || row.held.iter().any(|h| h.id == held.id) {
        return false;
    }
    row.held.push(held);
    true
}

/// A list of devices as a query takes it.
pub(super) fn json(devices: &BTreeSet<Name>) -> rusqlite::Result<String> {
    let failed = |e| rusqlite::Error::ToSqlConversionFailure(Box::new(e));
    serde_json::to_string(devices).map_err(failed)
}
