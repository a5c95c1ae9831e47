//! Measured against segment files.
#![expect(missing_docs, reason = "measurement")]
use std::path::{Path, PathBuf};
use rusqlite::{Connection, params};
use crate::storage::{Record, Storage};
use crate::JournalError;

pub struct SqliteStore { conn: Connection, path: PathBuf }
impl SqliteStore {
    pub fn open(dir: &Path) -> rusqlite::Result<(Self, u64)> {
        let path = dir.join("journal.db");
        let conn = Connection::open(&path)?;
        conn.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            CREATE TABLE IF NOT EXISTS batch(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, raw_len INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL);")?;
        let next: i64 = conn.query_row("SELECT coalesce(max(first+count),0) FROM batch", [], |r| r.get(0))?;
        Ok((Self { conn, path }, next as u64))
    }
    /// (first, count) of every whole batch, as a reader that goes on after each failed row would find them.
    pub fn survivors(&self) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        let mut from = 0i64;
        loop {
            let Ok(mut q) = self.conn.prepare_cached("SELECT first,count,crc,payload FROM batch WHERE first>=?1 ORDER BY first") else { return out };
            let Ok(mut rows) = q.query([from]) else { return out };
            let before = out.len();
            loop {
                match rows.next() {
                    Ok(Some(r)) => {
                        let (Ok(f), Ok(c), Ok(crc), Ok(p)) = (r.get::<_, i64>(0), r.get::<_, u32>(1), r.get::<_, u32>(2), r.get::<_, Vec<u8>>(3)) else { continue };
                        if crc32fast::hash(&p) == crc { out.push((f as u64, c)); }
                        from = f + 1;
                    }
                    Ok(None) => return out,
                    Err(_) => { break }
                }
            }
            if out.len() == before { from += 100; if from > 1_000_000 { return out } }
        }
    }
}
fn full(e: rusqlite::Error, path: &Path) -> JournalError {
    JournalError::Write { path: path.to_owned(), source: std::io::Error::other(e) }
}
impl Storage for SqliteStore {
    fn append(&mut self, r: &Record<'_>, _now_ms: u64) -> Result<bool, JournalError> {
        let mut q = self.conn.prepare_cached("INSERT INTO batch VALUES(?1,?2,?3,?4,?5)").map_err(|e| full(e, &self.path))?;
        q.execute(params![r.first as i64, r.count, r.raw_len, crc32fast::hash(r.payload), r.payload]).map_err(|e| full(e, &self.path))?;
        Ok(false)
    }
    fn sync(&mut self) -> Result<(), JournalError> { Ok(()) }
    fn retain(&mut self, _: Option<(&str, u64)>, _: u64) -> Result<(), JournalError> { Ok(()) }
}
pub struct NullStore;
impl Storage for NullStore {
    fn append(&mut self, _: &Record<'_>, _now_ms: u64) -> Result<bool, JournalError> { Ok(false) }
    fn sync(&mut self) -> Result<(), JournalError> { Ok(()) }
    fn retain(&mut self, _: Option<(&str, u64)>, _: u64) -> Result<(), JournalError> { Ok(()) }
}
impl<C: crate::Codec> crate::Writer<C> {
    #[doc(hidden)]
    pub fn use_store(&mut self, kind: &str, dir: &Path) {
        match kind {
            "sqlite" => self.set_storage(Box::new(SqliteStore::open(dir).expect("opens").0)),
            "null" => self.set_storage(Box::new(NullStore)),
            _ => {}
        }
    }
}
