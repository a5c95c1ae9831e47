//! Maintenance windows and what is out of service: asked for, begun, ended.
//!
//! What a hold does to alerts is in [`super::sweep`]; it takes at most [`ROWS`] rows at a time, so
//! that a window over the whole city never makes one long transaction.

use ioc_model::{
    Actor, AlertRow, AutoKind, City, HeldBy, Hold, HoldId, HoldRequest, HoldScope, Name,
    RegisterError, Scope, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::DeviceTree;
pub(crate) use super::cover::on_raise;
pub(crate) use super::sweep::follow;
use super::sweep::{What, enqueue, work};
use crate::schema::{parse, store};

/// Most rows that one call changes.
pub(crate) const ROWS: usize = 500;
/// Most holds that run or are to come.
pub(crate) const RUNNING: usize = 1_000;
/// Most ended holds that are listed.
const ENDED: usize = 1_000;
/// Longest maintenance window, ms: 90 days. What lasts longer is out of service.
const WINDOW_MS: i64 = 90 * 86_400_000;
/// How far ahead a hold may be planned, ms: one year.
const AHEAD_MS: i64 = 365 * 86_400_000;
const REASON_CHARS: usize = 2_000;
const NAME_BYTES: usize = 200;

/// A row that a hold changed; not written yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeldChange {
    /// As it is in the table.
    pub before: AlertRow,
    /// As it is to be written.
    pub row: AlertRow,
    /// [`AutoKind::Suppress`] or [`AutoKind::Unsuppress`].
    pub kind: AutoKind,
    /// For the audit line.
    pub why: String,
}

/// What a call changed. The register writes the rows before it calls again.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changed {
    /// No alert is in it twice.
    pub rows: Vec<HeldChange>,
    /// Something is left for [`due`], which may be called at once.
    pub more: bool,
}

/// Opens a hold at `now`, wall time. Alerts that it covers are held from then on, the open ones
/// as they are found.
///
/// # Errors
/// [`RegisterError::Bad`] says what is wrong with the request.
pub(crate) fn open(
    tx: &Transaction<'_>,
    request: &HoldRequest,
    tree: &DeviceTree,
    now: Timestamp,
) -> Result<(Hold, Changed), RegisterError> {
    let from = request.from.unwrap_or(now).max(now);
    check(request, from, now)?;
    let running: i64 = tx
        .query_row("SELECT count(*) FROM hold WHERE over = 0", [], |r| r.get(0))
        .map_err(store)?;
    if running >= RUNNING as i64 {
        return Err(RegisterError::Bad(format!("{RUNNING} holds run already: end some")));
    }
    let newest: i64 =
        tx.query_row("SELECT coalesce(max(id), 0) FROM hold", [], |r| r.get(0)).map_err(store)?;
    let hold = Hold {
        id: HoldId(newest.cast_unsigned() + 1),
        by: request.by,
        scope: request.scope.clone(),
        from,
        until: request.until,
        reason: request.reason.trim().to_owned(),
        who: request.actor.user.clone(),
        ended: None,
    };
    let scope = &hold.scope;
    let text = serde_json::to_string(&hold).map_err(store)?;
    tx.prepare_cached(
        "INSERT INTO hold (id, over, begun, from_at, until_at, rule, device, area, service, hold)
         VALUES (?1, 0, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .and_then(|mut s| {
        s.execute(params![
            hold.id.0.cast_signed(),
            from.0,
            hold.until.map(|t| t.0),
            scope.rule.as_deref(),
            scope.device.as_deref(),
            scope.area.as_deref(),
            scope.service.as_deref(),
            text,
        ])
    })
    .map_err(store)?;
    let changed = due(tx, tree, now)?;
    Ok((hold, changed))
}

/// Ends a hold at the actor's time. One that is over stays as it ended.
///
/// # Errors
/// [`RegisterError::NoHold`].
pub(crate) fn end(
    tx: &Transaction<'_>,
    id: &HoldId,
    (actor, note): (&Actor, Option<&str>),
    tree: &DeviceTree,
) -> Result<(Hold, Changed), RegisterError> {
    let Some((mut hold, over)) = read(tx, id)? else { return Err(RegisterError::NoHold(*id)) };
    if over {
        return Ok((hold, Changed::default()));
    }
    hold.ended = Some((actor.at, actor.user.clone()));
    let text = serde_json::to_string(&hold).map_err(store)?;
    tx.prepare_cached("UPDATE hold SET over = 1, hold = ?2 WHERE id = ?1")
        .and_then(|mut s| s.execute(params![id.0.cast_signed(), text]))
        .map_err(store)?;
    let note = note.map_or(String::new(), |n| format!(": {n}"));
    let why = format!("{} ended by {}{note}", named(&hold), actor.user);
    enqueue(tx, &id.to_string(), What::Release, &why)?;
    let changed = due(tx, tree, actor.at)?;
    Ok((hold, changed))
}

/// Ends what is over at `now`, wall time, begins what was planned, and goes on with the rows that
/// calls before have left.
pub(crate) fn due(
    tx: &Transaction<'_>,
    tree: &DeviceTree,
    now: Timestamp,
) -> Result<Changed, RegisterError> {
    for hold in select(tx, "over = 0 AND until_at <= ?1", now)? {
        set(tx, "over", hold.id)?;
        enqueue(tx, &hold.id.to_string(), What::Release, &format!("{} is over", named(&hold)))?;
    }
    for hold in select(tx, "over = 0 AND begun = 0 AND from_at <= ?1", now)? {
        set(tx, "begun", hold.id)?;
        enqueue(tx, &hold.id.to_string(), What::Begin, &why(&hold))?;
    }
    work(tx, tree, now)
}

/// When [`due`] has something to do next; at once while something is left of a call before.
pub(crate) fn next_due(db: &Connection) -> Result<Option<Timestamp>, RegisterError> {
    let next: Option<i64> = db
        .prepare_cached(
            "SELECT min(at) FROM (
               SELECT 0 AS at WHERE EXISTS (SELECT 1 FROM hold_work)
               UNION ALL SELECT min(from_at) FROM hold WHERE over = 0 AND begun = 0
               UNION ALL SELECT min(until_at) FROM hold WHERE over = 0)",
        )
        .and_then(|mut s| s.query_row([], |r| r.get(0)))
        .map_err(store)?;
    Ok(next.map(Timestamp))
}

/// Running ones and those to come, newest first; then the newest ended ones.
pub(crate) fn list(db: &Connection, with_ended: bool) -> Result<Vec<Hold>, RegisterError> {
    let mut holds = read_all(db, 0, RUNNING)?;
    if with_ended {
        holds.extend(read_all(db, 1, ENDED)?);
    }
    Ok(holds)
}

/// One hold.
///
/// # Errors
/// [`RegisterError::NoHold`].
pub(crate) fn get(db: &Connection, id: &HoldId) -> Result<Hold, RegisterError> {
    Ok(read(db, id)?.ok_or(RegisterError::NoHold(*id))?.0)
}

/// What a hold may cover that somebody asks for who may act within a scope; `None`: it reaches
/// beyond. A hold of a device is given the device's own area, service or both if it is inside only
/// with them, so it never covers alerts of devices below it that are elsewhere.
pub(crate) fn narrowed(within: &Scope, asked: &HoldScope, city: &City) -> Option<HoldScope> {
    let mut ways = vec![asked.clone()];
    if let Some(device) = asked.device.as_ref().and_then(|id| city.devices.get(id)) {
        let area = asked.area.clone().or(Some(device.area.clone()));
        let service = asked.service.clone().or(Some(device.service.clone()));
        ways.extend([
            HoldScope { area: area.clone(), ..asked.clone() },
            HoldScope { service: service.clone(), ..asked.clone() },
            HoldScope { area, service, ..asked.clone() },
        ]);
        // Naming another part of the city does not make a foreign device one's own.
        if !within.allows(&device.area, &device.service) {
            return None;
        }
    }
    ways.into_iter().find(|way| within.covers(&way.part()))
}

/// Whether a hold covers anything that belongs to a scope.
pub(crate) fn touches(scope: &Scope, hold: &HoldScope, (city, tree): (&City, &DeviceTree)) -> bool {
    let part = hold.part();
    if scope.and(&Scope::of([part.clone()])).is_nothing() {
        return false;
    }
    let Some(top) = &hold.device else { return true };
    let below = tree.with_below(top);
    let mut known = below.iter().filter_map(|id| city.devices.get(id)).peekable();
    if known.peek().is_none() {
        // Nobody can say where it is.
        return scope.covers(&part);
    }
    known.any(|d| part.allows(&d.area, &d.service) && scope.allows(&d.area, &d.service))
}

/// A hold and whether it is over.
pub(super) fn read(db: &Connection, id: &HoldId) -> Result<Option<(Hold, bool)>, RegisterError> {
    let found: Option<(String, bool)> = db
        .prepare_cached("SELECT hold, over FROM hold WHERE id = ?1")
        .and_then(|mut s| {
            s.query_row([id.0.cast_signed()], |r| Ok((r.get(0)?, r.get(1)?))).optional()
        })
        .map_err(store)?;
    found.map(|(text, over)| Ok((parse(&text)?, over))).transpose()
}

/// `maintenance 12`.
fn named(hold: &Hold) -> String {
    let what = if hold.by == HeldBy::Maintenance { "maintenance" } else { "out of service" };
    format!("{what} {}", hold.id)
}

/// For the audit line of an alert that the hold holds.
fn why(hold: &Hold) -> String {
    format!("{}: {}", named(hold), hold.reason)
}

fn select(
    tx: &Transaction<'_>,
    condition: &str,
    now: Timestamp,
) -> Result<Vec<Hold>, RegisterError> {
    let sql = format!("SELECT hold FROM hold WHERE {condition} ORDER BY id");
    texts(tx, &sql, [now.0])
}

fn read_all(db: &Connection, over: u8, most: usize) -> Result<Vec<Hold>, RegisterError> {
    // The number is in the text, so that the index of what runs is used.
    let sql = format!("SELECT hold FROM hold WHERE over = {over} ORDER BY id DESC LIMIT ?1");
    texts(db, &sql, [most as i64])
}

fn texts(db: &Connection, sql: &str, values: [i64; 1]) -> Result<Vec<Hold>, RegisterError> {
    let mut statement = db.prepare_cached(sql).map_err(store)?;
    let texts = statement
        .query_map(values, |r| r.get::<_, String>(0))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(store)?;
    texts.iter().map(|t| parse(t)).collect()
}

fn set(tx: &Transaction<'_>, mark: &str, id: HoldId) -> Result<(), RegisterError> {
    tx.prepare_cached(&format!("UPDATE hold SET {mark} = 1 WHERE id = ?1"))
        .and_then(|mut s| s.execute([id.0.cast_signed()]))
        .map_err(store)?;
    Ok(())
}

fn check(request: &HoldRequest, from: Timestamp, now: Timestamp) -> Result<(), RegisterError> {
    let bad = |why: &str| Err(RegisterError::Bad(why.to_owned()));
    let HoldScope { rule, device, area, service } = &request.scope;
    let named: Vec<&Name> = [rule, device, area, service].into_iter().flatten().collect();
    if !matches!(request.by, HeldBy::Maintenance | HeldBy::OutOfService) {
        return bad("a hold is `maintenance` or `out_of_service`");
    }
    if named.is_empty() {
        return bad("a hold covers a rule, a device, an area or a service: name at least one");
    }
    if named.iter().any(|n| n.trim().is_empty() || n.len() > NAME_BYTES) {
        return bad("a name in the scope is empty or too long");
    }
    if request.reason.trim().is_empty() || request.reason.chars().count() > REASON_CHARS {
        return bad("a hold needs a reason of at most 2000 characters");
    }
    if from.since_ms(now) > AHEAD_MS {
        return bad("a hold begins at most a year from now");
    }
    match request.until {
        None if request.by == HeldBy::Maintenance => bad("a maintenance window needs `until`"),
        Some(until) if until <= from => bad("`until` must come after `from` and now"),
        Some(until) if request.by == HeldBy::Maintenance && until.since_ms(from) > WINDOW_MS => {
            bad("a maintenance window lasts at most 90 days: what lasts longer is out of service")
        }
        _ => Ok(()),
    }
}
