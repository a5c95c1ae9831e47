//! What the register remembers of requests: for a repetition with the same key, for going on after
//! a crash, and for taking back.

use ioc_model::{
    ActionRequest, AlertId, AlertRow, IncidentId, Refused, RegisterError, RowResult, Target,
    Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};

use crate::schema::{self, parse, store};

/// Requests with a key are remembered for so long, ms.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Those without one only for taking back, and some slack for a clock that is set, ms.
const UNDO_KEPT_MS: i64 = 60_000;
/// Most rows of requests that are remembered; beyond it the oldest requests go first.
const ROWS_MAX: u64 = 200_000;
/// Most of them that go in one transaction.
const FORGET_ROWS: usize = 1_000;
/// Rows of one request are numbered within this.
const ROWS_PER_ACT: i64 = 1 << 14;
const ROWS: &str = "act_rows";

/// One request as it stands in the table.
pub(super) struct Act {
    pub id: i64,
    pub hash: Vec<u8>,
    pub user: String,
    /// When it first came, wall time.
    pub at: Timestamp,
    /// An [`ioc_model::ActionKind`] word.
    pub action: String,
    /// Alerts named.
    pub targets: u32,
    /// Of them looked at so far, in order.
    pub done: u32,
    /// Of them changed so far.
    pub changed: u32,
    /// The incident that a split made.
    pub split: Option<IncidentId>,
    pub undone: bool,
}

const COLUMNS: &str = "id, hash, user, at, action, targets, done, changed, split, undone";

/// The request as a number: what it asks, of which alerts, by whom.
pub(super) fn hash(request: &ActionRequest, targets: &[&Target]) -> Result<Vec<u8>, RegisterError> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(request.actor.user.as_bytes());
    part(&serde_json::to_vec(&request.action).map_err(store)?);
    for target in targets {
        part(target.alert.0.as_bytes());
        part(&target.version.map_or([0; 9], |v| {
            let mut bytes = [1; 9];
            bytes[1..].copy_from_slice(&v.to_be_bytes());
            bytes
        }));
    }
    Ok(hash.finalize().to_vec())
}

/// The request of this user with this key: whether somebody else used it, nobody is told. (A key
/// of an earlier version stands there without its user.)
pub(super) fn by_key(db: &Connection, user: &str, key: &str) -> Result<Option<Act>, RegisterError> {
    let sql = format!("SELECT {COLUMNS} FROM act WHERE key IN (?1, ?2) AND user = ?3");
    db.prepare_cached(&sql)
        .and_then(|mut s| s.query_row([&own(user, key), key, user], read).optional())
        .map_err(store)
}

/// The key as it is kept. A key has no line feed, so no two pairs are the same text.
fn own(user: &str, key: &str) -> String {
    format!("{user}\n{key}")
}

pub(super) fn by_id(db: &Connection, id: i64) -> Result<Option<Act>, RegisterError> {
    let sql = format!("SELECT {COLUMNS} FROM act WHERE id = ?1");
    db.prepare_cached(&sql).and_then(|mut s| s.query_row([id], read).optional()).map_err(store)
}

fn read(r: &Row<'_>) -> rusqlite::Result<Act> {
    Ok(Act {
        id: r.get(0)?,
        hash: r.get(1)?,
        user: r.get(2)?,
        at: Timestamp(r.get(3)?),
        action: r.get(4)?,
        targets: r.get(5)?,
        done: r.get(6)?,
        changed: r.get(7)?,
        split: r.get::<_, Option<String>>(8)?.map(IncidentId),
        undone: r.get(9)?,
    })
}

pub(super) fn begin(
    tx: &Transaction<'_>,
    request: &ActionRequest,
    hash: Vec<u8>,
    targets: u32,
) -> Result<Act, RegisterError> {
    let (user, at) = (&request.actor.user, request.actor.at);
    let action = request.action.kind().as_str();
    let key = request.key.as_ref().map(|key| own(user, key));
    tx.prepare_cached(
        "INSERT INTO act (key, hash, user, at, action, targets, done, changed, undone)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0)",
    )
    .and_then(|mut s| s.execute(params![key, hash, user, at.0, action, targets]))
    .map_err(store)?;
    let id = tx.last_insert_rowid();
    let rows = schema::meta(tx, ROWS)?;
    schema::set_meta(tx, ROWS, rows.saturating_add(targets.into()))?;
    Ok(Act {
        id,
        hash,
        user: user.clone(),
        at,
        action: action.to_owned(),
        targets,
        done: 0,
        changed: 0,
        split: None,
        undone: false,
    })
}

/// How far it is.
pub(super) fn save(tx: &Transaction<'_>, act: &Act) -> Result<(), RegisterError> {
    tx.prepare_cached(
        "UPDATE act SET done = ?2, changed = ?3, split = ?4, undone = ?5 WHERE id = ?1",
    )
    .and_then(|mut s| {
        let split = act.split.as_ref().map(|i| &i.0);
        s.execute(params![act.id, act.done, act.changed, split, act.undone])
    })
    .map_err(store)?;
    Ok(())
}

/// The row as it is before the action, for taking back.
pub(super) struct Before {
    /// JSON text.
    pub row: String,
    /// First acknowledgement of the episode.
    pub acked_at: Option<i64>,
}

pub(super) fn before(db: &Connection, alert: &AlertId) -> Result<Option<Before>, RegisterError> {
    db.prepare_cached("SELECT row, acked_at FROM alert WHERE id = ?1")
        .and_then(|mut s| {
            s.query_row([&alert.0], |r| Ok(Before { row: r.get(0)?, acked_at: r.get(1)? }))
                .optional()
        })
        .map_err(store)
}

/// Keeps what became of one alert: what taking it back needs, and for a request with a key the
/// whole answer.
pub(super) fn keep(
    tx: &Transaction<'_>,
    act: &Act,
    (n, keyed): (u32, bool),
    (before, result): (Option<&Before>, &RowResult),
) -> Result<(), RegisterError> {
    let text = |row: &AlertRow| serde_json::to_string(row).map_err(store);
    let row = result.row.as_ref().filter(|_| keyed).map(text).transpose()?;
    let refused = result.refused.as_ref().map(serde_json::to_string).transpose().map_err(store)?;
    let done = result.row.as_ref().filter(|_| result.refused.is_none());
    let ver = done.map(|row| row.ver.cast_signed());
    let before = before.filter(|_| done.is_some());
    tx.prepare_cached(
        "INSERT INTO act_row (id, alert, ver, before, acked_at, row, refused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .and_then(|mut s| {
        s.execute(params![
            number(act.id, n),
            result.alert.0,
            ver,
            before.map(|b| &b.row),
            before.and_then(|b| b.acked_at),
            row,
            refused
        ])
    })
    .map_err(store)?;
    Ok(())
}

/// What became of the alerts `from..to` of a request with a key.
pub(super) fn results(
    db: &Connection,
    act: &Act,
    from: u32,
    to: u32,
) -> Result<Vec<RowResult>, RegisterError> {
    let mut statement = db
        .prepare_cached(
            "SELECT alert, row, refused FROM act_row WHERE id >= ?1 AND id < ?2 ORDER BY id",
        )
        .map_err(store)?;
    let mut rows = statement.query([number(act.id, from), number(act.id, to)]).map_err(store)?;
    let mut results = Vec::new();
    while let Some(r) = rows.next().map_err(store)? {
        let row: Option<String> = r.get(1).map_err(store)?;
        let refused: Option<String> = r.get(2).map_err(store)?;
        results.push(RowResult {
            alert: AlertId(r.get(0).map_err(store)?),
            row: row.map(|t| parse(&t)).transpose()?,
            refused: refused.map(|t| parse::<Refused>(&t)).transpose()?,
        });
    }
    Ok(results)
}

/// An alert that a request changed.
pub(super) struct Changed {
    pub n: u32,
    pub alert: AlertId,
    /// Version that the request gave it.
    pub ver: u64,
    pub before: AlertRow,
    /// First acknowledgement before it.
    pub acked_at: Option<i64>,
    pub undone: bool,
}

/// The next alerts that it changed, from `from` on, at most `limit`.
pub(super) fn changed(
    db: &Connection,
    act: &Act,
    from: u32,
    limit: usize,
) -> Result<Vec<Changed>, RegisterError> {
    let mut statement = db
        .prepare_cached(
            "SELECT id, alert, ver, before, acked_at, undone FROM act_row
             WHERE id >= ?1 AND id < ?2 AND ver IS NOT NULL AND before IS NOT NULL
             ORDER BY id LIMIT ?3",
        )
        .map_err(store)?;
    let end = number(act.id, act.targets);
    let mut rows =
        statement.query(params![number(act.id, from), end, limit as i64]).map_err(store)?;
    let mut changed = Vec::new();
    while let Some(r) = rows.next().map_err(store)? {
        let id: i64 = r.get(0).map_err(store)?;
        changed.push(Changed {
            n: u32::try_from(id % ROWS_PER_ACT).map_err(store)?,
            alert: AlertId(r.get(1).map_err(store)?),
            ver: r.get::<_, i64>(2).map_err(store)?.cast_unsigned(),
            before: parse(&r.get::<_, String>(3).map_err(store)?)?,
            acked_at: r.get(4).map_err(store)?,
            undone: r.get(5).map_err(store)?,
        });
    }
    Ok(changed)
}

pub(super) fn set_undone(tx: &Transaction<'_>, act: &Act, n: u32) -> Result<(), RegisterError> {
    tx.prepare_cached("UPDATE act_row SET undone = 1 WHERE id = ?1")
        .and_then(|mut s| s.execute([number(act.id, n)]))
        .map_err(store)?;
    Ok(())
}

/// Forgets it.
pub(super) fn forget(tx: &Transaction<'_>, act: &Act) -> Result<(), RegisterError> {
    tx.prepare_cached("DELETE FROM act_row WHERE id >= ?1 AND id < ?2")
        .and_then(|mut s| s.execute([number(act.id, 0), number(act.id, act.targets)]))
        .map_err(store)?;
    tx.prepare_cached("DELETE FROM act WHERE id = ?1")
        .and_then(|mut s| s.execute([act.id]))
        .map_err(store)?;
    let rows = schema::meta(tx, ROWS)?;
    schema::set_meta(tx, ROWS, rows.saturating_sub(act.targets.into()))
}

/// Forgets requests that are too old, and the oldest if there are too many; not all at once.
pub(super) fn forget_old(tx: &Transaction<'_>, now: Timestamp) -> Result<(), RegisterError> {
    let mut left = FORGET_ROWS;
    while left > 0 {
        let many = schema::meta(tx, ROWS)? > ROWS_MAX;
        let unkeyed = oldest(tx, "WHERE key IS NULL")?.filter(|a| a.at.0 < now.0 - UNDO_KEPT_MS);
        let old = match unkeyed {
            Some(act) => Some(act),
            None => oldest(tx, "")?.filter(|a| a.at.0 < now.0 - KEPT_MS || many),
        };
        let Some(act) = old else { break };
        let gone = tx
            .prepare_cached(
                "DELETE FROM act_row WHERE id IN
                   (SELECT id FROM act_row WHERE id >= ?1 AND id < ?2 LIMIT ?3)",
            )
            .and_then(|mut s| {
                s.execute(params![number(act.id, 0), number(act.id, act.targets), left as i64])
            })
            .map_err(store)?;
        if gone < left {
            forget(tx, &act)?;
        } else {
            // The rest the next time; nobody finds half of it.
            tx.prepare_cached("UPDATE act SET key = NULL, undone = 1 WHERE id = ?1")
                .and_then(|mut s| s.execute([act.id]))
                .map_err(store)?;
        }
        left -= gone.clamp(1, left);
    }
    Ok(())
}

fn oldest(db: &Connection, which: &str) -> Result<Option<Act>, RegisterError> {
    let sql = format!("SELECT {COLUMNS} FROM act {which} ORDER BY id LIMIT 1");
    db.prepare_cached(&sql).and_then(|mut s| s.query_row([], read).optional()).map_err(store)
}

fn number(act: i64, n: u32) -> i64 {
    // At most 10,000 alerts in one request.
    act.saturating_mul(ROWS_PER_ACT).saturating_add(n.into())
}
