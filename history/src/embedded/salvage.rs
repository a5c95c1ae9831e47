//! What can be read of a damaged file goes into a new one.
//!
//! SQLite has no checksums: a flipped bit inside a block costs that block (its own checksum tells),
//! one in a page's structure makes SQLite refuse the page, or what lies behind it. Here each table
//! is read by its key; where that fails, the search goes on behind the failing key. Rows whose
//! checksum is wrong are left behind. Names of series are in two places (table and index); a
//! series whose name is lost in both is kept as `damaged` / `series-<number>`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ioc_model::SeriesKey;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::block::BlockMeta;
use super::database;
use super::layout;
use super::maintain::fill;
use super::rollup::TIERS;
use super::tiers;
use crate::Error;

/// Bytes of a page, as `layout::open` sets it.
const PAGE: usize = 8_192;
/// Rows copied in one transaction.
const ROWS_PER_WRITE: u64 = 5_000;
/// What retention keeps in `meta`.
const FLOORS: [&str; 3] = ["raw_from", "minute_from", "hour_from"];
/// Numbers of series of a file, at most.
const SERIES_MAX: i64 = u32::MAX as i64;

/// What was saved and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvaged {
    /// Rows of blocks and windows in the new file.
    pub(crate) rows: u64,
    /// Rows whose checksum was wrong.
    pub(crate) damaged: u64,
    /// Places where a table could not be read.
    pub(crate) gaps: u64,
    /// Where the old file lies.
    pub(crate) aside: PathBuf,
}

/// Makes a readable file of the damaged one at `path`, which is kept aside. `known`: series of the
/// file with their positions, in the order of their numbers, as far as they are in memory.
pub(crate) fn salvage(path: &Path, known: &[(SeriesKey, u64)]) -> Result<Salvaged, Error> {
    finish(path)?;
    let new = beside(path);
    remove(&new);
    let mut done = Salvaged::default();
    copy(path, &new, known, &mut done)?;
    done.aside = layout::set_aside(path)?;
    std::fs::rename(&new, path).map_err(|source| Error::Folder { path: new, source })?;
    tracing::error!(?done, "history database was damaged; what can be read was copied");
    Ok(done)
}

/// Ends a salvage that was interrupted between its two renames.
pub(crate) fn finish(path: &Path) -> Result<(), Error> {
    let new = beside(path);
    if !path.exists() && new.exists() {
        std::fs::rename(&new, path).map_err(|source| Error::Folder { path: new, source })?;
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.salvaged", path.display()))
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        // What is not there need not go.
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

fn copy(
    from: &Path,
    to: &Path,
    known: &[(SeriesKey, u64)],
    done: &mut Salvaged,
) -> Result<(), Error> {
    let new = layout::open(to)?;
    new.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let patched = patched(from, to)?;
    let old = Connection::open(patched.as_deref().unwrap_or(from))?;
    // What a file cannot answer is left out, also this.
    let _ = old.execute_batch("PRAGMA query_only = 1; PRAGMA cell_size_check = 1;");
    let mut copy = Copy { old, new, done, points: 0, since: i64::MAX, last_series: -1 };
    copy.new.execute_batch("BEGIN")?;
    for table in &TABLES {
        copy.table(table)?;
    }
    copy.series(known)?;
    copy.meta()?;
    copy.tiers()?;
    copy.new.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
    drop(copy);
    if let Some(patched) = patched {
        remove(&patched);
    }
    Ok(())
}

/// Where SQLite cannot even read the list of tables (the first page), a copy of the file with the
/// first page of a new one: files of this layout have their tables at the same places.
fn patched(from: &Path, new: &Path) -> Result<Option<PathBuf>, Error> {
    let readable = |path: &Path| layout::check_schema(&Connection::open(path)?);
    if readable(from).is_ok() {
        return Ok(None);
    }
    let to = PathBuf::from(format!("{}.patched", from.display()));
    remove(&to);
    let patch = || -> std::io::Result<()> {
        std::fs::copy(from, &to)?;
        let pages = std::fs::metadata(&to)?.len() / PAGE as u64;
        let mut first = vec![0; PAGE];
        std::fs::File::open(new)?.read_exact(&mut first)?;
        // Size of the file in pages, and no list of free pages (file format, 1.3).
        first[28..32].copy_from_slice(&u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes());
        first[32..40].fill(0);
        std::fs::File::options().write(true).open(&to)?.write_all(&first)
    };
    // A file too short to be a database is not worth more.
    if let Err(e) = patch() {
        tracing::warn!(error = %e, "the damaged history database cannot be patched");
        remove(&to);
        return Ok(None);
    }
    Ok(Some(to))
}

/// A table of rows with a checksum: key, series, late or tier, t_min, t_max, n, crc, data, tiers.
struct Table {
    name: &'static str,
    key: &'static str,
    columns: &'static str,
    insert: &'static str,
    /// Of windows: the checksum covers the tier too.
    windows: bool,
}

const TABLES: [Table; 4] = [
    Table {
        name: "block",
        key: "id",
        columns: "id, series, late, t_min, t_max, n, crc, data, tiers",
        insert:
            "INSERT OR IGNORE INTO block
          (id, series, late, t_min, t_max, n, crc, data, tiers) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
        windows: false,
    },
    Table {
        name: "tail",
        key: "slot",
        columns: "slot, slot / 2, slot % 2, t_min, t_max, n, crc, data, 0",
        insert: "INSERT OR IGNORE INTO tail SELECT ?1, ?4, ?5, ?6, ?7, ?8 WHERE ?2 + ?3 + ?9 >= 0",
        windows: false,
    },
    Table {
        name: "rollup",
        key: "id",
        columns: "id, series, tier, t_min, t_max, n, crc, data, 0",
        insert: "INSERT OR IGNORE INTO rollup (id, series, tier, t_min, t_max, n, crc, data)
          SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?9 >= 0",
        windows: true,
    },
    Table {
        name: "rollup_tail",
        key: "slot",
        columns: "slot, slot / 2, slot % 2 + 1, t_min, t_max, n, crc, data, 0",
        insert: "INSERT OR IGNORE INTO rollup_tail
          SELECT ?1, ?4, ?5, ?6, ?7, ?8 WHERE ?2 + ?3 + ?9 >= 0",
        windows: true,
    },
];

struct Copy<'a> {
    old: Connection,
    new: Connection,
    done: &'a mut Salvaged,
    points: i64,
    since: i64,
    /// Largest number of a series of which something was saved.
    last_series: i64,
}

impl Copy<'_> {
    fn table(&mut self, table: &Table) -> Result<(), Error> {
        let Table { name, key, columns, .. } = table;
        let sql = format!("SELECT {columns} FROM {name} WHERE {key} >= ?1 ORDER BY {key}");
        let mut from = 0;
        while let Err(e) = self.rows(table, &sql, &mut from) {
            if !layout::is_damaged(&e) {
                return Err(e);
            }
            self.done.gaps += 1;
            let Some(next) = readable_from(&self.old, table, from) else { break };
            from = next;
        }
        Ok(())
    }

    /// Copies rows until the end or an error; `from` is behind the last good row.
    fn rows(&mut self, table: &Table, sql: &str, from: &mut i64) -> Result<(), Error> {
        // Whatever the old file says: it is what is damaged. Errors of the new one count.
        let mut q = self.old.prepare(sql).map_err(|_| Error::DamagedSchema)?;
        let mut rows = q.query([*from])?;
        while let Some(r) = rows.next().map_err(|_| Error::DamagedSchema)? {
            let Some(row) = read(table, r) else {
                self.done.damaged += 1;
                continue;
            };
            let m = &row.meta;
            let mut put = self.new.prepare_cached(table.insert)?;
            put.execute(params![
                row.key, row.series, row.kind, m.t_min, m.t_max, m.n, row.crc, row.data, row.tiers
            ])?;
            *from = row.key.saturating_add(1);
            self.last_series = self.last_series.max(row.series);
            self.since = self.since.min(m.t_min);
            if !table.windows {
                self.points += m.n;
            }
            self.done.rows += 1;
            if self.done.rows.is_multiple_of(ROWS_PER_WRITE) {
                self.new.execute_batch("COMMIT; BEGIN")?;
            }
        }
        Ok(())
    }

    fn series(&mut self, known: &[(SeriesKey, u64)]) -> Result<(), Error> {
        let mut found: BTreeMap<i64, (String, String, u64)> = BTreeMap::new();
        let mut next_max = cursor(&self.old);
        for (id, (key, next)) in known.iter().enumerate() {
            found.insert(id as i64, (key.device.to_string(), key.property.to_string(), *next));
        }
        let mut from = 0;
        while let Err(()) = good_series(&self.old, &mut from, &mut found) {
            self.done.gaps += 1;
            let Some(next) = readable_from(&self.old, &SERIES, from) else { break };
            from = next;
        }
        next_max = found.values().map(|(_, _, next)| *next).fold(next_max, u64::max);
        let last = found.keys().next_back().copied().unwrap_or(-1).max(self.last_series);
        for (id, device, property) in names_of_index(&self.old) {
            if (0..=last).contains(&id) {
                // Its position is lost: what the journal still has is not taken twice.
                found.entry(id).or_insert((device, property, next_max));
            }
        }
        for id in 0..=last {
            let (device, property, next) = found
                .remove(&id)
                .unwrap_or_else(|| ("damaged".into(), format!("series-{id}"), next_max));
            database::put_series(&self.new, id, (&device, &property), next)?;
        }
        Ok(())
    }

    /// Which windows were lost is not known, so all that can be made again from raw points are:
    /// they go here, their blocks stand for themselves, and housekeeping adds them.
    fn tiers(&mut self) -> Result<(), Error> {
        for series in 0..=self.last_series {
            for tier in TIERS {
                tiers::keep_before_raw(&self.new, series, tier)?;
            }
        }
        self.new.execute("UPDATE block SET tiers = 0", [])?;
        fill::ask(&self.new)
    }

    fn meta(&mut self) -> Result<(), Error> {
        database::set_cursor(&self.new, cursor(&self.old))?;
        database::set_meta(&self.new, "points", self.points.max(0) as u64)?;
        if self.since < i64::MAX {
            database::set_since(&self.new, self.since)?;
        }
        for key in FLOORS {
            if let Ok(Some(floor)) = database::meta_i64(&self.old, key) {
                database::set_meta_i64(&self.new, key, floor)?;
            }
        }
        Ok(())
    }
}

const SERIES: Table = Table { name: "series", key: "id", columns: "", insert: "", windows: false };

struct Saved {
    key: i64,
    series: i64,
    kind: i64,
    meta: BlockMeta,
    crc: u32,
    data: Vec<u8>,
    tiers: i64,
}

/// A row, if its checksum is right.
fn read(table: &Table, r: &Row<'_>) -> Option<Saved> {
    let int = |i: usize| r.get::<_, i64>(i).ok();
    let (key, series, kind, tiers) = (int(0)?, int(1)?, int(2)?, int(8)?);
    if key < 0 || !(0..SERIES_MAX).contains(&series) || !(0..4).contains(&tiers) {
        return None;
    }
    let covered = if table.windows { series * 4 + kind } else { series };
    let meta = BlockMeta { series: covered, t_min: int(3)?, t_max: int(4)?, n: int(5)? };
    let data: Vec<u8> = r.get(7).ok()?;
    let crc = meta.crc(&data);
    let kinds = if table.windows { 1..=2 } else { 0..=1 };
    (int(6)? == i64::from(crc) && kinds.contains(&kind)).then_some(Saved {
        key,
        series,
        kind,
        meta,
        crc,
        data,
        tiers,
    })
}

/// The smallest key from `from` on behind which the table can be read again.
fn readable_from(conn: &Connection, table: &Table, from: i64) -> Option<i64> {
    let Table { name, key, .. } = table;
    let sql = format!("SELECT {key} FROM {name} WHERE {key} >= ?1 ORDER BY {key} LIMIT 1");
    let reads = |at: i64| -> Result<Option<i64>, ()> {
        conn.query_row(&sql, [at], |r| r.get(0)).optional().map_err(|_| ())
    };
    let (mut bad, mut step) = (from, 1);
    let mut good = loop {
        let at = from.checked_add(step)?;
        match reads(at) {
            Ok(None) => return None,
            Ok(Some(_)) => break at,
            Err(()) => (bad, step) = (at, step.checked_mul(2)?),
        }
    };
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        match reads(middle) {
            Ok(_) => good = middle,
            Err(()) => bad = middle,
        }
    }
    Some(good)
}

fn good_series(
    conn: &Connection,
    from: &mut i64,
    found: &mut BTreeMap<i64, (String, String, u64)>,
) -> Result<(), ()> {
    let sql = "SELECT id, device, property, next, crc FROM series WHERE id >= ?1 ORDER BY id";
    let mut q = conn.prepare(sql).map_err(|_| ())?;
    let mut rows = q.query([*from]).map_err(|_| ())?;
    while let Some(r) = rows.next().map_err(|_| ())? {
        if let Ok(Some(row)) = database::series_row(r)
            && (0..SERIES_MAX).contains(&row.id)
        {
            *from = row.id + 1;
            found.entry(row.id).or_insert((row.device, row.property, row.next));
        }
    }
    Ok(())
}

/// Numbers and names as the index has them.
fn names_of_index(conn: &Connection) -> Vec<(i64, String, String)> {
    let sql = "SELECT id, device, property FROM series INDEXED BY series_by_name
               ORDER BY device, property";
    let mut names = Vec::new();
    let Ok(mut q) = conn.prepare(sql) else { return names };
    let Ok(mut rows) = q.query([]) else { return names };
    while let Ok(Some(r)) = rows.next() {
        if let (Ok(id), Ok(device), Ok(property)) = (r.get(0), r.get(1), r.get(2)) {
            names.push((id, device, property));
        }
    }
    names
}

/// 0 when it cannot be read: the positions of the series then tell what is new.
fn cursor(conn: &Connection) -> u64 {
    database::cursor(conn).unwrap_or(0)
}
