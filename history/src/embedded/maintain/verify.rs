//! Decodes every row and compares the tiers with their raw points.

use ioc_model::{Point, Tier, Timestamp, Window};
use rusqlite::{Connection, params};

use super::floors::Floors;
use super::maintenance::{Finding, MAX_FINDINGS, Part, Progress, VerifyReport};
use crate::Error;
use crate::aggregate;
use crate::embedded::block::BlockMeta;
use crate::embedded::database::{self, Lane, Stored};
use crate::embedded::layout;
use crate::embedded::query::rollup_row;
use crate::embedded::rollup::{self, TIERS};

pub(super) fn verify(
    conn: &Connection,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, Error> {
    let mut report = VerifyReport::default();
    let series = all_series(conn, &mut report)?;
    let of = series.len() as u64;
    for (id, device, property) in series {
        // One moment per series: a long transaction would keep the log of the writer growing.
        let tx = conn.unchecked_transaction()?;
        let mut check = Check { conn: &tx, id, device, property, report: &mut report };
        match check.all() {
            Err(e) if layout::is_damaged(&e) => {
                check.finding(Part::Block, Tier::Raw, (i64::MIN, i64::MAX), 0, e.to_string());
            }
            other => other?,
        }
        report.series += 1;
        progress(Progress { series: report.series, of });
    }
    structure(conn, &mut report)?;
    Ok(report)
}

/// Pages and indexes, by SQLite's own check: what an index does not find, no row can tell.
fn structure(conn: &Connection, report: &mut VerifyReport) -> Result<(), Error> {
    let mut q = conn.prepare("PRAGMA integrity_check")?;
    let mut lines = q.query([])?;
    loop {
        let (what, last): (String, bool) = match lines.next() {
            Ok(Some(line)) => (line.get(0)?, false),
            Ok(None) => return Ok(()),
            Err(e) => (e.to_string(), true),
        };
        if what != "ok" {
            push(report, of_file(Part::File, what));
        }
        if last {
            return Ok(());
        }
    }
}

/// A finding that belongs to no series.
fn of_file(part: Part, what: String) -> Finding {
    Finding {
        device: String::new(),
        property: String::new(),
        part,
        tier: Tier::Raw,
        from: Timestamp(i64::MIN),
        to: Timestamp(i64::MAX),
        points_lost: 0,
        what,
    }
}

/// Numbers and names; a damaged row is reported and still looked into, by its number.
fn all_series(
    conn: &Connection,
    report: &mut VerifyReport,
) -> Result<Vec<(i64, String, String)>, Error> {
    let mut q = conn.prepare("SELECT id, device, property, next, crc FROM series ORDER BY id")?;
    let mut rows = q.query([])?;
    let mut series = Vec::new();
    while let Some(r) = rows.next()? {
        match database::series_row(r)? {
            Some(row) => series.push((row.id, row.device, row.property)),
            None => {
                let id: i64 = r.get(0)?;
                let what = format!("row of series {id} is damaged: its name is not known");
                push(report, of_file(Part::Series, what));
                series.push((id, String::new(), String::new()));
            }
        }
    }
    Ok(series)
}

fn push(report: &mut VerifyReport, finding: Finding) {
    if report.findings.len() < MAX_FINDINGS {
        report.findings.push(finding);
    } else {
        report.more_findings += 1;
    }
}

struct Check<'a> {
    conn: &'a Connection,
    id: i64,
    device: String,
    property: String,
    report: &'a mut VerifyReport,
}

/// One tier of a series, for comparison.
struct Compared {
    tier: Tier,
    /// As its rows say.
    kept: Vec<Window>,
    /// As the raw points say.
    counted: Vec<Window>,
}

/// Stretches of time in which the one or the other is not known, because a row is damaged.
type Unknown = Vec<(i64, i64)>;

impl Check<'_> {
    fn all(&mut self) -> Result<(), Error> {
        let raw_from = Floors::read(self.conn)?.of(Tier::Raw);
        let mut unknown = Unknown::new();
        let mut tiers = TIERS.map(|tier| Compared { tier, kept: vec![], counted: vec![] });
        for lane in [Lane::InOrder, Lane::Late] {
            self.blocks(lane, &mut tiers, &mut unknown, raw_from)?;
        }
        for of in &mut tiers {
            self.rows(of, &mut unknown, raw_from)?;
        }
        for of in tiers {
            self.compare(of, &unknown)?;
        }
        Ok(())
    }

    fn finding(
        &mut self,
        part: Part,
        tier: Tier,
        (from, to): (i64, i64),
        points_lost: u64,
        what: impl Into<String>,
    ) {
        let (device, property) = (self.device.clone(), self.property.clone());
        let (from, to, what) = (Timestamp(from), Timestamp(to), what.into());
        push(self.report, Finding { device, property, part, tier, from, to, points_lost, what });
    }

    fn blocks(
        &mut self,
        lane: Lane,
        tiers: &mut [Compared],
        unknown: &mut Unknown,
        raw_from: i64,
    ) -> Result<(), Error> {
        let mut before: Option<i64> = None;
        let conn = self.conn;
        let mut q = conn.prepare_cached(
            "SELECT id, tiers FROM block WHERE series = ?1 AND late = ?2 ORDER BY t_min, t_max",
        )?;
        let ids = q.query_map(params![self.id, lane as i64], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let ids: Vec<(i64, i64)> = ids.collect::<Result<_, _>>()?;
        for (id, bits) in ids {
            let stored = readable(database::block(conn, self.id, id))?;
            let stretch = stored.as_ref().map_or((i64::MIN, i64::MAX), times);
            let Some(points) = self.points(Part::Block, stored) else {
                unknown.push(stretch);
                continue;
            };
            if lane == Lane::InOrder {
                self.order(&mut before, stretch, Part::Block);
            }
            for of in tiers.iter_mut().filter(|of| bits & rollup::bit(of.tier) != 0) {
                let step = ioc_model::Step::of(rollup::length(of.tier));
                let windows = aggregate::windows_of(step, &points);
                of.counted.extend(windows.into_iter().filter(|w| w.start.0 >= raw_from));
            }
        }
        let Some(tail) = readable(database::tail(conn, self.id, lane))? else { return Ok(()) };
        if let Some(tail) = tail {
            let stretch = times(&tail);
            if self.points(Part::Tail, Some(tail)).is_some() && lane == Lane::InOrder {
                self.order(&mut before, stretch, Part::Tail);
            }
        }
        Ok(())
    }

    /// In-order blocks lie one after the other.
    fn order(&mut self, before: &mut Option<i64>, stretch: (i64, i64), part: Part) {
        if before.is_some_and(|b| stretch.0 < b) {
            self.finding(part, Tier::Raw, stretch, 0, "overlaps the block before it");
        }
        *before = (*before).max(Some(stretch.1));
    }

    /// The points of a block that is whole; else it is reported.
    fn points(&mut self, part: Part, stored: Option<Stored>) -> Option<Vec<Point>> {
        self.report.blocks += 1;
        let stretch = stored.as_ref().map_or((i64::MIN, i64::MAX), times);
        let lost = stored.as_ref().map_or(0, |s| s.meta.n.clamp(0, MOST_POINTS) as u64);
        let Some(points) = stored.as_ref().and_then(Stored::points) else {
            self.finding(part, Tier::Raw, stretch, lost, "checksum or coding is wrong");
            return None;
        };
        self.report.points += points.len() as u64;
        if !points.is_sorted_by_key(|p| p.time) {
            self.finding(part, Tier::Raw, stretch, 0, "points are not in the order of time");
        }
        let says = BlockMeta::of(self.id, &points);
        if says.as_ref() != stored.as_ref().map(|s| &s.meta) {
            self.finding(part, Tier::Raw, stretch, 0, "times or count are not those of its points");
        }
        Some(points)
    }

    fn rows(
        &mut self,
        of: &mut Compared,
        unknown: &mut Unknown,
        raw_from: i64,
    ) -> Result<(), Error> {
        let (conn, tier) = (self.conn, of.tier);
        let mut q = conn
            .prepare_cached("SELECT id FROM rollup WHERE tier = ?1 AND series = ?2 ORDER BY id")?;
        let ids = q.query_map([rollup::bit(tier), self.id], |r| r.get(0))?;
        let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
        for id in ids {
            let row = readable(rollup_row(conn, tier, self.id, id))?;
            self.row(Part::Rollup, of, row, unknown, raw_from);
        }
        match readable(database::rollup_tail(conn, self.id, tier))? {
            Some(None) => {}
            Some(tail) => self.row(Part::RollupTail, of, tail, unknown, raw_from),
            None => self.row(Part::RollupTail, of, None, unknown, raw_from),
        }
        Ok(())
    }

    fn row(
        &mut self,
        part: Part,
        of: &mut Compared,
        row: Option<Stored>,
        unknown: &mut Unknown,
        raw_from: i64,
    ) {
        self.report.rows += 1;
        let length = rollup::length(of.tier);
        let stretch = row.as_ref().map_or((i64::MIN, i64::MAX), |r| {
            (r.meta.t_min, r.meta.t_max.saturating_add(length - 1))
        });
        let windows = row.as_ref().and_then(|r| rollup::decode(of.tier, &r.meta, r.crc, &r.data));
        let Some(windows) = windows else {
            unknown.push(stretch);
            self.finding(part, of.tier, stretch, 0, "checksum or coding is wrong");
            return;
        };
        if !windows.is_sorted_by(|a, b| a.start < b.start) {
            self.finding(part, of.tier, stretch, 0, "windows are not in the order of time");
        }
        if rollup::meta(of.tier, self.id, &windows).as_ref() != row.as_ref().map(|r| &r.meta) {
            self.finding(part, of.tier, stretch, 0, "times or count are not those of its windows");
        }
        of.kept.extend(windows.into_iter().filter(|w| w.start.0 >= raw_from));
    }

    /// The windows of the rows are those of the raw points.
    fn compare(&mut self, of: Compared, unknown: &Unknown) -> Result<(), Error> {
        let length = rollup::length(of.tier);
        let known = |w: &Window| {
            !unknown.iter().any(|(a, b)| w.start.0 <= *b && w.start.0.saturating_add(length) > *a)
        };
        let kept = rollup::combine(of.kept.into_iter().filter(|w| known(w)).collect());
        let counted = rollup::combine(of.counted.into_iter().filter(|w| known(w)).collect());
        let (mut kept, mut counted) = (kept.iter().peekable(), counted.iter().peekable());
        loop {
            let (a, b) = (kept.peek().map(|w| w.start), counted.peek().map(|w| w.start));
            let Some(start) = [a, b].into_iter().flatten().min() else { return Ok(()) };
            let (a, b) =
                (kept.next_if(|w| w.start == start), counted.next_if(|w| w.start == start));
            self.report.windows_compared += 1;
            let stretch = (start.0, start.0.saturating_add(length - 1));
            let what = match (a, b) {
                (Some(a), Some(b)) => match self.difference(a, b)? {
                    Some(what) => what,
                    None => continue,
                },
                (Some(_), None) => "a window without raw points".into(),
                _ => "the window of these raw points is missing".into(),
            };
            self.finding(Part::Rollup, of.tier, stretch, 0, what);
        }
    }

    fn difference(&self, kept: &Window, counted: &Window) -> Result<Option<String>, Error> {
        let figures = |w: &Window| (w.count, w.uncertain, w.bad, w.last_time);
        let bits = |w: &Window| (w.min.to_bits(), w.max.to_bits());
        if figures(kept) != figures(counted) || bits(kept) != bits(counted) {
            return Ok(Some(format!("kept {kept:?}, raw points say {counted:?}")));
        }
        // The sum of floats depends on the order in which they are added.
        let scale = kept.count as f64 * kept.min.abs().max(kept.max.abs());
        if (kept.sum - counted.sum).abs() > 1e-9 * scale {
            return Ok(Some(format!("sum {}, of raw points {}", kept.sum, counted.sum)));
        }
        if kept.last.to_bits() != counted.last.to_bits()
            && !self.is_of_moment(kept.last, kept.last_time)?
        {
            return Ok(Some(format!("last {}, of raw points {}", kept.last, counted.last)));
        }
        Ok(None)
    }

    /// Whether a value is one of several of a moment: of those of different rows it is not known
    /// any more which came last.
    fn is_of_moment(&self, value: f64, at: Timestamp) -> Result<bool, Error> {
        for lane in [Lane::InOrder, Lane::Late] {
            let to = at.0.saturating_add(1);
            for id in database::blocks_in(self.conn, self.id, lane, at.0, to)? {
                let points = readable(database::block(self.conn, self.id, id))?;
                let points = points.and_then(|b| b.points()).unwrap_or_default();
                if points.iter().any(|p| p.time == at && p.value.to_bits() == value.to_bits()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Points that a block holds, at most: a damaged count can say anything.
const MOST_POINTS: i64 = 2_000;

/// `None` when the page cannot be read.
fn readable<T>(row: Result<T, Error>) -> Result<Option<T>, Error> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(e) if layout::is_damaged(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn times(row: &Stored) -> (i64, i64) {
    (row.meta.t_min, row.meta.t_max)
}
