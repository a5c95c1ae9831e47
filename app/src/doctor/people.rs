//! Accounts, as they stand in `users.sqlite`. The file is opened for reading only.

use std::path::Path;

use ioc_dashboard::{Grant, Role};
use rusqlite::{Connection, OpenFlags};

use super::advice;
use super::{Finding, Patient};

const DAY_MS: i64 = 24 * 3_600_000;
/// An account that nobody used for so long is forgotten.
const UNUSED_MS: i64 = 90 * DAY_MS;

/// A token should not hold for longer than so.
const TOKEN_MS: i64 = 180 * DAY_MS;

struct Account {
    name: String,
    grants: Vec<Grant>,
    /// When it was made, or used last.
    used: i64,
    /// Ours, or that of an identity provider.
    second_factor: bool,
    /// The password was made by somebody else.
    initial: bool,
}

impl Account {
    fn administers(&self) -> bool {
        self.grants.iter().any(|g| g.role == Role::Administrator)
    }
}

/// Something that opens the door without a password.
struct Key {
    /// `wall token 3 (…)`.
    name: String,
    expires: Option<i64>,
}

pub(super) fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let path = patient.base.settings.file("users.sqlite");
    if !path.is_file() {
        return;
    }
    let place = path.display().to_string();
    let read = open(&path).and_then(|db| Ok((accounts(&db)?, keys(&db)?)));
    let (accounts, keys) = match read {
        Ok(read) => read,
        Err(error) => {
            findings.push(Finding::new(&advice::FILE_UNREADABLE, place, error));
            return;
        }
    };
    let mut tell = |advice, value: &str| findings.push(Finding::new(advice, &*place, value));
    let whole = Grant::city(Role::Administrator);
    let administrators: Vec<_> = accounts.iter().filter(|a| a.grants.contains(&whole)).collect();
    match administrators[..] {
        [] => tell(&advice::NO_ADMINISTRATOR, ""),
        [one] => tell(&advice::ONE_ADMINISTRATOR, &one.name),
        _ => {}
    }
    for account in &accounts {
        if account.administers() && !account.second_factor {
            tell(&advice::NO_SECOND_FACTOR, &account.name);
        }
        if patient.now.0 - account.used > UNUSED_MS {
            tell(&advice::ACCOUNT_UNUSED, &account.name);
        }
        if account.initial {
            tell(&advice::PASSWORD_INITIAL, &account.name);
        }
    }
    for key in &keys {
        match key.expires {
            None => tell(&advice::TOKEN_ENDLESS, &key.name),
            Some(end) if end - patient.now.0 > TOKEN_MS => tell(&advice::TOKEN_LONG, &key.name),
            Some(_) => {}
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

/// Those that may sign in. A file of a version before a column came has nothing in it.
fn accounts(db: &Connection) -> rusqlite::Result<Vec<Account>> {
    let factor = if has(db, "users", "totp")? { "totp IS NOT NULL" } else { "0" };
    let initial = if has(db, "users", "initial")? { "initial IS NOT NULL" } else { "0" };
    let provider = match has(db, "oidc_accounts", "user")? {
        true => "EXISTS (SELECT 1 FROM oidc_accounts o WHERE o.user = u.name)",
        false => "0",
    };
    let sql = format!(
        "SELECT name, grants, max(created,
           coalesce((SELECT max(seen) FROM sessions s WHERE s.user = u.name), 0),
           coalesce((SELECT max(seen) FROM addresses a WHERE a.user = u.name), 0)),
           {factor} OR {provider}, {initial}
         FROM users u WHERE disabled = 0 ORDER BY name"
    );
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map([], |r| {
        let grants: String = r.get(1)?;
        Ok(Account {
            name: r.get(0)?,
            // What is no list of grants gives no right.
            grants: serde_json::from_str(&grants).unwrap_or_default(),
            used: r.get(2)?,
            second_factor: r.get(3)?,
            initial: r.get(4)?,
        })
    })?;
    rows.collect()
}

/// API tokens and wall tokens.
fn keys(db: &Connection) -> rusqlite::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for (table, kind) in [("tokens", "API token"), ("walls", "wall token")] {
        if !has(db, table, "expires")? {
            continue;
        }
        let mut statement =
            db.prepare(&format!("SELECT id, user, label, expires FROM {table} ORDER BY id"))?;
        let rows = statement.query_map([], |r| {
            let (id, user): (i64, String) = (r.get(0)?, r.get(1)?);
            let label: String = r.get(2)?;
            let name = format!("{kind} {id} ({user}: {label})");
            Ok(Key { name, expires: r.get(3)? })
        })?;
        keys.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(keys)
}

fn has(db: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
    db.query_row(sql, [table, column], |r| Ok(r.get::<_, i64>(0)? > 0))
}
