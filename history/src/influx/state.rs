//! Journal position and dead letters, in one small SQLite file.

use std::path::Path;

use ioc_model::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::Error;

const LAYOUT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('cursor', 0), ('dropped', 0);
CREATE TABLE dead_letter (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
  position INTEGER NOT NULL, line TEXT NOT NULL, reason TEXT NOT NULL);
PRAGMA user_version = 1;
";

/// A point that is not stored and will not be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Position in the journal of its record.
    pub position: u64,
    /// Its line; the point in words when no line could be written.
    pub line: String,
    /// Why, in the words of the server or the writer.
    pub reason: String,
}

#[derive(Debug)]
pub(crate) struct State {
    conn: Connection,
    /// Dead letters kept, at most.
    max: u64,
}

impl State {
    pub(crate) fn open(path: &Path, max: u64) -> Result<Self, Error> {
        let mut conn = Connection::open(path)?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        let found: i64 = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if found > LAYOUT {
            return Err(Error::Layout { path: path.into(), found, known: LAYOUT });
        }
        if found == 0 {
            let tx = conn.transaction()?;
            tx.execute_batch(SCHEMA)?;
            tx.commit()?;
        }
        // Additions that a program from before them reads past.
        conn.execute_batch(
            "CREATE INDEX IF NOT EXISTS dead_letter_position ON dead_letter (position);
             INSERT OR IGNORE INTO meta VALUES ('points', 0);",
        )?;
        Ok(Self { conn, max })
    }

    pub(crate) fn cursor(&self) -> Result<u64, Error> {
        self.meta("cursor")
    }

    /// Points stored since this file was made; those sent again after a crash count again.
    pub(crate) fn points(&self) -> Result<u64, Error> {
        self.meta("points")
    }

    /// Number of dead letters kept, and of those that made room for newer ones.
    pub(crate) fn counts(&self) -> Result<(u64, u64), Error> {
        let kept: i64 =
            self.conn.query_row("SELECT count(*) FROM dead_letter", [], |r| r.get(0))?;
        Ok((kept.max(0) as u64, self.meta("dropped")?))
    }

    fn meta(&self, key: &str) -> Result<u64, Error> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        let value: i64 = self.conn.query_row(sql, [key], |r| r.get(0))?;
        Ok(value.max(0) as u64)
    }

    /// Moves the cursor, keeps the dead letters and counts points, together. A letter that is
    /// there already came from before a crash: its lane was ahead of the cursor.
    pub(crate) fn advance<'a>(
        &mut self,
        cursor: u64,
        letters: impl IntoIterator<Item = &'a DeadLetter>,
        points: u64,
    ) -> Result<(), Error> {
        let tx = self.conn.transaction()?;
        let at = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        let mut kept = 0;
        for l in letters {
            kept += tx
                .prepare_cached(
                    "INSERT INTO dead_letter (at, position, line, reason) SELECT ?1, ?2, ?3, ?4
                     WHERE NOT EXISTS
                       (SELECT 1 FROM dead_letter WHERE position = ?2 AND line = ?3)",
                )?
                .execute(params![at, whole(l.position), l.line, l.reason])?;
        }
        if kept > 0 {
            let dropped = tx.execute(
                "DELETE FROM dead_letter WHERE id <=
                   (SELECT id FROM dead_letter ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                [whole(self.max)],
            )?;
            tx.execute(
                "UPDATE meta SET value = value + ?1 WHERE key = 'dropped'",
                [whole(dropped as u64)],
            )?;
        }
        let add = "UPDATE meta SET value = value + ?1 WHERE key = 'points'";
        tx.execute(add, [whole(points)])?;
        tx.execute("UPDATE meta SET value = ?1 WHERE key = 'cursor'", [whole(cursor)])?;
        tx.commit()?;
        Ok(())
    }

    /// Newest first.
    pub(crate) fn letters(&self, limit: usize) -> Result<Vec<(Timestamp, DeadLetter)>, Error> {
        let mut q = self.conn.prepare(
            "SELECT at, position, line, reason FROM dead_letter ORDER BY id DESC LIMIT ?1",
        )?;
        let rows = q.query_map([whole(limit as u64)], |r| {
            let position: i64 = r.get(1)?;
            let letter =
                DeadLetter { position: position.max(0) as u64, line: r.get(2)?, reason: r.get(3)? };
            Ok((Timestamp(r.get(0)?), letter))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_dead_letters_make_room_and_that_is_counted() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("influx.db");
        let mut state = State::open(&path, 3).expect("opens");
        for i in 0..5 {
            let letter =
                DeadLetter { position: i, line: format!("l{i}"), reason: "because".into() };
            state.advance(i + 1, [&letter], 7).expect("advances");
            state.advance(i + 1, [&letter], 0).expect("the same again is known");
        }
        drop(state);
        let state = State::open(&path, 3).expect("opens again");
        assert_eq!((state.cursor().expect("cursor"), state.counts().expect("counts")), (5, (3, 2)));
        assert_eq!(state.points().expect("points"), 35);
        let kept: Vec<u64> =
            state.letters(9).expect("letters").iter().map(|l| l.1.position).collect();
        assert_eq!(kept, [4, 3, 2]);
    }
}
