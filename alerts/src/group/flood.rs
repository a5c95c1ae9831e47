//! The alarm flood of ISA-18.2: it begins with more than 10 alarms in 10 minutes per operator and
//! ends when there are fewer than 5 in 10 minutes.

use std::collections::BTreeMap;

use ioc_model::{RegisterError, Timestamp};
use rusqlite::Connection;

use crate::policy::FloodLimits;
use crate::schema::store;

/// The flood as it stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodState {
    /// There is one.
    pub on: bool,
    /// Event time of its begin; of the newest one when it is over.
    pub since: Option<Timestamp>,
    /// Alarms within the window.
    pub raised: u32,
    /// Operator positions that share them.
    pub positions: u32,
}

/// A flood began or ended; to be told to the screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodChange(pub FloodState);

/// Counts raises by event time. Only listed alerts are counted: what is held back loads nobody.
/// A replay of the same raises gives the same floods.
#[derive(Clone, Debug)]
pub struct Flood {
    limits: FloodLimits,
    positions: u32,
    /// Raises by second of event time, of one window at most.
    raises: BTreeMap<i64, u32>,
    since: Option<Timestamp>,
    /// Changed by raises alone, never by [`Flood::tick`].
    on: bool,
    /// What was told last.
    told: bool,
}

impl Flood {
    /// A raise this old cannot matter to a flood that runs now; bounds [`Flood::load`].
    const LOOK_BACK_MS: i64 = 24 * 3_600_000;

    /// None yet.
    pub fn new(limits: FloodLimits, positions: u32) -> Self {
        let (since, positions) = (None, positions.max(1));
        Self { limits, positions, raises: BTreeMap::new(), since, on: false, told: false }
    }

    /// The flood as it was when the register was closed, from the listed raises of the day before
    /// the newest one.
    pub(crate) fn load(
        db: &Connection,
        limits: FloodLimits,
        positions: u32,
    ) -> Result<Self, RegisterError> {
        let mut flood = Self::new(limits, positions);
        let mut statement = db
            .prepare(
                "SELECT raised_at FROM alert INDEXED BY alert_all
                 WHERE held_at_raise = 0
                   AND raised_at >= (SELECT max(raised_at) FROM alert) - ?1
                 ORDER BY raised_at, id",
            )
            .map_err(store)?;
        let mut rows = statement.query([Self::LOOK_BACK_MS]).map_err(store)?;
        while let Some(row) = rows.next().map_err(store)? {
            flood.raise(Timestamp(row.get(0).map_err(store)?));
        }
        Ok(flood)
    }

    /// Other people came on duty; counts from the next raise on.
    pub fn set_positions(&mut self, positions: u32) {
        self.positions = positions.max(1);
    }

    /// A listed alert was raised at `t`.
    pub fn raise(&mut self, t: Timestamp) -> Option<FloodChange> {
        let newest = self.newest().max(t.0);
        // Before this raise it may have been quiet for long: that ended the flood.
        self.on = self.is_on(Timestamp(newest));
        if t.0 > newest - self.limits.within_ms {
            *self.raises.entry(t.0.div_euclid(1000)).or_default() += 1;
        }
        let first = (newest - self.limits.within_ms).div_euclid(1000);
        self.raises = self.raises.split_off(&first);
        let over = self.limits.raised.saturating_mul(self.positions);
        if !self.on && self.count(newest) > over {
            self.on = true;
            self.since = Some(Timestamp(newest));
        }
        self.tell(Timestamp(newest))
    }

    /// Time passes without raises, which is how most floods end.
    pub fn tick(&mut self, now: Timestamp) -> Option<FloodChange> {
        self.tell(now)
    }

    /// There is one at `t`.
    pub fn is_on(&self, t: Timestamp) -> bool {
        let at = t.0.max(self.newest());
        self.on && self.count(at) >= self.limits.ends_below.saturating_mul(self.positions)
    }

    /// How it stands at `t`.
    pub fn state(&self, t: Timestamp) -> FloodState {
        FloodState {
            on: self.is_on(t),
            since: self.since,
            raised: self.count(t.0.max(self.newest())),
            positions: self.positions,
        }
    }

    fn tell(&mut self, t: Timestamp) -> Option<FloodChange> {
        let state = self.state(t);
        let changed = state.on != self.told;
        self.told = state.on;
        changed.then_some(FloodChange(state))
    }

    /// Begin of the second of the newest raise.
    fn newest(&self) -> i64 {
        self.raises.last_key_value().map_or(i64::MIN / 2, |(s, _)| s * 1000)
    }

    /// Raises in the window that ends at `t`, ms, to the second.
    fn count(&self, t: i64) -> u32 {
        let first = (t - self.limits.within_ms).div_euclid(1000) + 1;
        self.raises.range(first..).map(|(_, n)| n).sum()
    }
}
