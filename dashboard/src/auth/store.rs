//! The tables behind [`super::Auth`].

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ioc_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{AuthError, Source, UserRow};
use crate::{Grant, Identity, Role};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (
  name TEXT PRIMARY KEY, hash TEXT NOT NULL, grants TEXT NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
  hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE,
  began INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_user ON sessions(user, began);
CREATE TABLE IF NOT EXISTS links (
  hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE,
  expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS addresses (
  user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE, address TEXT NOT NULL,
  seen INTEGER NOT NULL, PRIMARY KEY (user, address)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recovery (
  user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE, hash BLOB NOT NULL,
  PRIMARY KEY (user, hash)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE, hash BLOB NOT NULL UNIQUE,
  label TEXT NOT NULL, grants TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
  used INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS walls (
  id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  label TEXT NOT NULL, view TEXT NOT NULL, grants TEXT NOT NULL, created INTEGER NOT NULL,
  expires INTEGER, used INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS wall_sessions (
  hash BLOB PRIMARY KEY, wall INTEGER NOT NULL REFERENCES walls(id) ON DELETE CASCADE,
  began INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Columns that came later: table, name, rest.
const LATER: [(&str, &str, &str); 8] = [
    // When the password was set last.
    ("users", "changed", "INTEGER NOT NULL DEFAULT 0"),
    // A password that somebody else made ends then, and is to be changed.
    ("users", "initial", "INTEGER"),
    // Secret of the second factor; the one that waits for its first code; the last used step.
    ("users", "totp", "BLOB"),
    ("users", "totp_new", "BLOB"),
    ("users", "totp_step", "INTEGER NOT NULL DEFAULT 0"),
    ("sessions", "address", "TEXT NOT NULL DEFAULT ''"),
    ("sessions", "agent", "TEXT NOT NULL DEFAULT ''"),
    // When the person last showed that they are themselves.
    ("sessions", "confirmed", "INTEGER NOT NULL DEFAULT 0"),
];

/// Sessions kept per user, and per wall token; the oldest ends when one more begins.
pub(super) const SESSIONS_PER_USER: i64 = 50;
/// Use of a session or a token is written at most this often.
pub(super) const SEEN_STEP_MS: i64 = 60_000;

/// A user with the hash of the password.
pub(crate) struct StoredUser {
    pub hash: String,
    pub grants: Vec<Grant>,
    pub disabled: bool,
    /// Made by somebody else, ends then.
    pub initial: Option<Timestamp>,
    /// Secret of the second factor.
    pub totp: Option<Vec<u8>>,
}

pub(crate) struct Store {
    /// Also for the accounts of identity providers (`oidc/store.rs`).
    pub(super) db: Connection,
}

impl Store {
    pub fn open(path: &Path) -> Result<Self, AuthError> {
        protect(path)?;
        let db = Connection::open(path)?;
        // The command line changes users while the server runs.
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        migrate(&db)?;
        db.execute_batch(SCHEMA)?;
        for (table, column, rest) in LATER {
            add_column(&db, table, column, rest)?;
        }
        db.execute_batch(super::oidc::SCHEMA)?;
        Ok(Self { db })
    }

    /// `initial`: the password was made by somebody else and ends then.
    pub fn add(
        &self,
        (user, hash): (&str, &str),
        grants: &[Grant],
        initial: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let sql = "INSERT INTO users (name, hash, grants, created, changed, initial)
                   VALUES (?1, ?2, ?3, ?4, ?4, ?5) ON CONFLICT DO NOTHING";
        let initial = initial.map(|t| t.0);
        match self.db.execute(sql, params![user, hash, text_of(grants), now.0, initial])? {
            0 => Err(AuthError::Exists(user.into())),
            _ => Ok(()),
        }
    }

    pub fn find(&self, user: &str) -> Result<Option<StoredUser>, AuthError> {
        let sql = "SELECT hash, grants, disabled, initial, totp FROM users WHERE name = ?1";
        let row = self.db.prepare_cached(sql)?.query_row([user], |r| {
            Ok(StoredUser {
                hash: r.get(0)?,
                grants: grants_of(r, 1)?,
                disabled: r.get(2)?,
                initial: r.get::<_, Option<i64>>(3)?.map(Timestamp),
                totp: r.get(4)?,
            })
        });
        Ok(row.optional()?)
    }

    pub fn list(&self) -> Result<Vec<UserRow>, AuthError> {
        let sql = "SELECT name, grants, disabled, created, totp IS NOT NULL,
                     EXISTS (SELECT 1 FROM oidc_accounts o WHERE o.user = name),
                     (SELECT max(seen) FROM addresses a WHERE a.user = name)
                   FROM users ORDER BY name";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |r| {
            Ok(UserRow {
                name: r.get(0)?,
                grants: grants_of(r, 1)?,
                disabled: r.get(2)?,
                created: Timestamp(r.get(3)?),
                totp: r.get(4)?,
                source: if r.get(5)? { Source::Oidc } else { Source::Local },
                seen: r.get::<_, Option<i64>>(6)?.map(Timestamp),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sets a password and ends the sessions but `kept`.
    pub fn set_password(
        &mut self,
        (user, hash): (&str, &str),
        initial: Option<Timestamp>,
        kept: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let tx = self.db.transaction()?;
        let sql = "UPDATE users SET hash = ?2, initial = ?3, changed = ?4 WHERE name = ?1
                   AND NOT EXISTS (SELECT 1 FROM oidc_accounts o WHERE o.user = name)";
        let n = tx.execute(sql, params![user, hash, initial.map(|t| t.0), now.0])?;
        let kept = kept.map_or_else(Vec::new, |k| k.to_vec());
        tx.execute("DELETE FROM sessions WHERE user = ?1 AND hash <> ?2", params![user, kept])?;
        tx.execute("DELETE FROM links WHERE user = ?1", [user])?;
        found(n, user)?;
        tx.commit()?;
        Ok(())
    }

    /// Forgets a user with all that is theirs.
    pub fn remove(&mut self, user: &str) -> Result<(), AuthError> {
        let tx = self.db.transaction()?;
        let did = administers(&tx, user)?;
        let n = tx.execute("DELETE FROM users WHERE name = ?1", [user])?;
        keep_an_administrator(&tx, user, did)?;
        found(n, user)?;
        tx.commit()?;
        Ok(())
    }

    pub fn set_grants(&mut self, user: &str, grants: &[Grant]) -> Result<(), AuthError> {
        let tx = self.db.transaction()?;
        let did = administers(&tx, user)?;
        let n =
            tx.execute("UPDATE users SET grants = ?2 WHERE name = ?1", [user, &text_of(grants)])?;
        keep_an_administrator(&tx, user, did)?;
        tx.commit()?;
        found(n, user)
    }

    pub fn set_disabled(&mut self, user: &str, disabled: bool) -> Result<(), AuthError> {
        let tx = self.db.transaction()?;
        let did = administers(&tx, user)?;
        let sql = "UPDATE users SET disabled = ?2 WHERE name = ?1";
        let n = tx.execute(sql, params![user, disabled])?;
        keep_an_administrator(&tx, user, did)?;
        if disabled {
            tx.execute("DELETE FROM sessions WHERE user = ?1", [user])?;
            tx.execute("DELETE FROM links WHERE user = ?1", [user])?;
        }
        tx.commit()?;
        found(n, user)
    }

    pub fn add_link(
        &mut self,
        user: &str,
        hash: &[u8; 32],
        expires: Timestamp,
    ) -> Result<(), AuthError> {
        let tx = self.db.transaction()?;
        tx.execute("DELETE FROM links WHERE user = ?1", [user])?;
        let sql = "INSERT INTO links (hash, user, expires) SELECT ?2, name, ?3 FROM users
                   WHERE name = ?1";
        let n = tx.execute(sql, params![user, hash, expires.0])?;
        tx.commit()?;
        found(n, user)
    }

    /// Takes a link away and says whose it was; `None` when unknown, used up or too old.
    pub fn use_link(
        &mut self,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Identity>, AuthError> {
        let tx = self.db.transaction()?;
        let sql = "SELECT u.name, u.grants FROM links l JOIN users u ON u.name = l.user
                   WHERE l.hash = ?1 AND l.expires > ?2 AND u.disabled = 0";
        let who = tx.query_row(sql, params![hash, now.0], identity).optional()?;
        // Two requests with one link: the deletion decides who was first.
        let taken = tx.execute("DELETE FROM links WHERE hash = ?1", [hash])?;
        tx.commit()?;
        Ok(who.filter(|_| taken == 1))
    }

    pub fn add_session(
        &mut self,
        hash: &[u8; 32],
        user: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let tx = self.db.transaction()?;
        let from = from.to_string();
        tx.execute(
            "INSERT INTO sessions (hash, user, began, seen, confirmed, address)
             VALUES (?1, ?2, ?3, ?3, ?3, ?4)",
            params![hash, user, now.0, from],
        )?;
        tx.execute(
            "DELETE FROM sessions WHERE user = ?1 AND hash NOT IN
             (SELECT hash FROM sessions WHERE user = ?1 ORDER BY began DESC LIMIT ?2)",
            params![user, SESSIONS_PER_USER],
        )?;
        tx.execute(
            "INSERT INTO addresses (user, address, seen) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET seen = ?3",
            params![user, from, now.0],
        )?;
        tx.commit()?;
        Ok(())
    }

    pub fn end_session(&self, hash: &[u8; 32]) -> Result<(), AuthError> {
        self.db.execute("DELETE FROM sessions WHERE hash = ?1", [hash])?;
        self.db.execute("DELETE FROM wall_sessions WHERE hash = ?1", [hash])?;
        Ok(())
    }

    pub fn knows_address(
        &self,
        user: &str,
        from: IpAddr,
        since: Timestamp,
    ) -> Result<bool, AuthError> {
        let sql = "SELECT 1 FROM addresses WHERE user = ?1 AND address = ?2 AND seen > ?3";
        let row = self
            .db
            .prepare_cached(sql)?
            .query_row(params![user, from.to_string(), since.0], |_| Ok(()));
        Ok(row.optional()?.is_some())
    }

    /// Deletes what has ended.
    pub fn purge(
        &self,
        idle: Timestamp,
        oldest: Timestamp,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let sql = "DELETE FROM sessions WHERE seen <= ?1 OR began <= ?2";
        self.db.execute(sql, params![idle.0, oldest.0])?;
        self.db.execute("DELETE FROM links WHERE expires <= ?1", [now.0])?;
        self.db.execute("DELETE FROM tokens WHERE expires <= ?1", [now.0])?;
        self.db.execute("DELETE FROM walls WHERE expires <= ?1", [now.0])?;
        let old = now.plus_ms(-super::REMEMBERED_ADDRESS_MS);
        self.db.execute("DELETE FROM addresses WHERE seen <= ?1", [old.0])?;
        Ok(())
    }
}

/// Makes the file, before SQLite does, so that nobody else can read it.
fn protect(path: &Path) -> Result<(), AuthError> {
    let failed = |source| AuthError::File { path: path.display().to_string(), source };
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(failed)
}

pub(super) fn found(n: usize, user: &str) -> Result<(), AuthError> {
    if n == 0 { Err(AuthError::NotFound(user.into())) } else { Ok(()) }
}

/// Is this an administrator of the whole city who may sign in?
fn administers(tx: &Connection, user: &str) -> Result<bool, AuthError> {
    Ok(administrators(tx)?.iter().any(|name| name == user))
}

/// Refuses (and so rolls back) a change that took the last administrator away.
fn keep_an_administrator(tx: &Connection, user: &str, did: bool) -> Result<(), AuthError> {
    let some = !did || !administrators(tx)?.is_empty();
    if some { Ok(()) } else { Err(AuthError::LastAdministrator(user.into())) }
}

fn administrators(tx: &Connection) -> Result<Vec<String>, AuthError> {
    let whole = Grant::city(Role::Administrator);
    let mut statement = tx.prepare("SELECT name, grants FROM users WHERE disabled = 0")?;
    let rows = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, grants_of(r, 1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let all = rows.into_iter().filter(|(_, grants)| grants.contains(&whole));
    Ok(all.map(|(name, _)| name).collect())
}

fn identity(row: &rusqlite::Row<'_>) -> rusqlite::Result<Identity> {
    Ok(Identity::person(row.get::<_, String>(0)?, grants_of(row, 1)?))
}

pub(super) fn text_of(grants: &[Grant]) -> String {
    serde_json::json!(grants).to_string()
}

pub(super) fn grants_of(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Vec<Grant>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, e.into())
    })
}

fn add_column(db: &Connection, table: &str, column: &str, rest: &str) -> Result<(), AuthError> {
    let sql = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
    if db.query_row(sql, [table, column], |_| Ok(())).optional()?.is_none() {
        db.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {rest}"))?;
    }
    Ok(())
}

/// Files of versions before grants had one role per user.
fn migrate(db: &Connection) -> Result<(), AuthError> {
    let sql = "SELECT 1 FROM pragma_table_info('users') WHERE name = 'role'";
    if db.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        return Ok(());
    }
    db.execute_batch(
        "BEGIN IMMEDIATE;
         ALTER TABLE users RENAME COLUMN role TO grants;
         UPDATE users SET grants = json_array(json_object('role', grants));
         COMMIT;",
    )?;
    Ok(())
}
