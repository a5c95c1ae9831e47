//! From when on each tier is kept.

use ioc_model::{Tier, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::embedded::rollup;
use crate::{Error, Retention};

const DAY: i64 = 86_400_000;

/// What lies before a floor was given up; `i64::MIN`: nothing was. Floors only rise. They are
/// begins of days (UTC): tiers then meet at the begin of an hour, and housekeeping has to look
/// for what is too old once a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floors([i64; 3]);

const KEYS: [&str; 3] = ["raw_from", "minute_from", "hour_from"];

impl Floors {
    /// Of the file.
    pub(crate) fn read(conn: &Connection) -> Result<Self, Error> {
        let mut floors = [i64::MIN; 3];
        for (floor, key) in floors.iter_mut().zip(KEYS) {
            *floor = get(conn, key)?.unwrap_or(i64::MIN);
        }
        Ok(Self(floors))
    }

    /// As the settings want them at `now`.
    pub(crate) fn due(keep: &Retention, now: Timestamp) -> Self {
        let floor = |days: u32| {
            let before = now.0.saturating_sub(i64::from(days).saturating_mul(DAY));
            if days == 0 { i64::MIN } else { before.div_euclid(DAY).saturating_mul(DAY) }
        };
        Self([floor(keep.raw_days), floor(keep.minute_days), floor(keep.hour_days)])
    }

    /// The floor of a tier.
    pub(crate) fn of(&self, tier: Tier) -> i64 {
        self.0[tier as usize]
    }

    /// The floor of a tier as an answer says it.
    pub(crate) fn told(&self, tier: Tier) -> Option<Timestamp> {
        let floor = self.of(tier);
        (floor != i64::MIN).then_some(Timestamp(floor))
    }

    /// Raises the floors of the file to these; `None` when they are there already.
    pub(crate) fn raise(&self, conn: &Connection) -> Result<Option<Self>, Error> {
        let old = Self::read(conn)?;
        let mut new = old;
        for (i, key) in KEYS.iter().enumerate() {
            new.0[i] = old.0[i].max(self.0[i]);
            if new.0[i] != old.0[i] {
                put(conn, key, new.0[i])?;
            }
        }
        if new.of(Tier::Hour) != old.of(Tier::Hour) {
            // Nothing older is known any more, but for the tails of silent sensors.
            let since = "UPDATE meta SET value = max(value, ?1) WHERE key = 'since'";
            conn.execute(since, [new.of(Tier::Hour)])?;
        }
        Ok((new != old).then_some(new))
    }

    /// The floors of one series: where nothing of it was given up, the floor is lower. A block
    /// that stands for itself in a coarser tier outlives the floor of raw points.
    pub(crate) fn of_series(&self, conn: &Connection, series: i64) -> Result<Self, Error> {
        let hour = self.of(Tier::Hour);
        let lower = |tier: Tier, floor: i64, below: i64| -> Result<i64, Error> {
            if floor == i64::MIN || floor <= below {
                return Ok(floor);
            }
            // Points below the floor were given up only if they are in windows.
            Ok(if has_windows_before(conn, tier, series, floor)? { floor } else { below })
        };
        let minute = lower(Tier::Hour, self.of(Tier::Minute), hour)?;
        let raw = lower(Tier::Minute, self.of(Tier::Raw), minute)?;
        Ok(Self([raw, minute, hour]))
    }

    #[cfg(test)]
    pub(crate) fn new(raw: i64, minute: i64, hour: i64) -> Self {
        Self([raw, minute, hour])
    }
}

/// Whether windows of a tier begin before a moment.
fn has_windows_before(
    conn: &Connection,
    tier: Tier,
    series: i64,
    before: i64,
) -> Result<bool, Error> {
    let mut q = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM rollup WHERE tier = ?1 AND series = ?2 AND t_min < ?4)
           OR EXISTS (SELECT 1 FROM rollup_tail WHERE slot = ?3 AND t_min < ?4)",
    )?;
    let slot = series * 2 + rollup::bit(tier) - 1;
    Ok(q.query_row(params![rollup::bit(tier), series, slot, before], |r| r.get(0))?)
}

/// A number kept in the file, if it is there.
pub(super) fn get(conn: &Connection, key: &str) -> Result<Option<i64>, Error> {
    let mut q = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(q.query_row([key], |r| r.get(0)).optional()?)
}

/// Keeps a number in the file.
pub(super) fn put(conn: &Connection, key: &str, value: i64) -> Result<(), Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    q.execute(params![key, value])?;
    Ok(())
}
