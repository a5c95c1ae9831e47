//! Accounts, as they stand in `users.sqlite`. The file is opened for reading only.

use std::collections::BTreeMap;
use std::path::Path;

use ioc_dashboard::{Grant, Role};
use rusqlite::{Connection, OpenFlags};

use super::advice;
use super::{Finding, Patient};

const DAY_MS: i64 = 24 * 3_600_000;
/// An account that nobody used for so long is forgotten.
const UNUSED_MS: i64 = 90 * DAY_MS;

struct Account {
    name: String,
    grants: Vec<Grant>,
    /// When it was made, or used last.
    used: i64,
}

impl Account {
    fn administers(&self) -> bool {
        self.grants.contains(&Grant::city(Role::Administrator))
    }
}

pub(super) fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let path = patient.base.settings.file("users.sqlite");
    if !path.is_file() {
        return;
    }
    let place = path.display().to_string();
    let accounts = match open(&path).and_then(|db| accounts(&db)) {
        Ok(accounts) => accounts,
        Err(error) => {
            findings.push(Finding::new(&advice::FILE_UNREADABLE, place, error));
            return;
        }
    };
    let tell = |advice, value: &str| Finding::new(advice, place.clone(), value);
    let administrators: Vec<&Account> = accounts.iter().filter(|a| a.administers()).collect();
    match administrators[..] {
        [] => findings.push(tell(&advice::NO_ADMINISTRATOR, "")),
        [one] => findings.push(tell(&advice::ONE_ADMINISTRATOR, &one.name)),
        _ => {}
    }
    for account in &accounts {
        if patient.now.0 - account.used > UNUSED_MS {
            findings.push(tell(&advice::ACCOUNT_UNUSED, &account.name));
        }
    }
}

/// Reads what is there, also while the centre writes; makes no file beside it.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if Path::new(&beside).exists() {
        return Connection::open_with_flags(path, flags);
    }
    // Nobody has it open: a reader of a file with a log would make that log.
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
}

/// Those that may sign in.
fn accounts(db: &Connection) -> rusqlite::Result<Vec<Account>> {
    let mut used: BTreeMap<String, i64> = BTreeMap::new();
    for sql in [
        "SELECT user, max(seen) FROM sessions GROUP BY user",
        "SELECT user, max(seen) FROM addresses GROUP BY user",
    ] {
        let mut statement = db.prepare(sql)?;
        let rows =
            statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?)))?;
        for row in rows {
            let (user, seen) = row?;
            let last = used.entry(user).or_insert(seen);
            *last = seen.max(*last);
        }
    }
    let mut statement =
        db.prepare("SELECT name, grants, created FROM users WHERE disabled = 0 ORDER BY name")?;
    let rows = statement.query_map([], |r| {
        let (name, grants): (String, String) = (r.get(0)?, r.get(1)?);
        let created: i64 = r.get(2)?;
        // What is no list of grants gives no right, and so is nobody's.
        let grants = serde_json::from_str(&grants).unwrap_or_default();
        let used = used.get(&name).map_or(created, |seen| created.max(*seen));
        Ok(Account { name, grants, used })
    })?;
    rows.collect()
}
