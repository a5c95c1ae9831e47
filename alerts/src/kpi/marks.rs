//! What is wrong with single alerts: chattering, fleeting, standing, stale.

use super::episode::{CHATTER, Episode, HELD, Sample};
use super::load::{Asked, DAY, HOUR};
use super::targets::Counting;

/// Marks of one alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark(u8);

const LOAD: u8 = 1;
const CHATTERING: u8 = 2;
const FLEETING: u8 = 4;
const STANDING: u8 = 8;
const STALE: u8 = 16;
const UNACKNOWLEDGED: u8 = 32;

impl Mark {
    /// Load of the time asked for; chattering and fleeting ones are always load.
    pub fn load(self) -> bool {
        self.0 & LOAD != 0
    }

    pub fn chattering(self) -> bool {
        self.0 & CHATTERING != 0
    }

    pub fn fleeting(self) -> bool {
        self.0 & FLEETING != 0
    }

    /// Active at the end.
    pub fn standing(self) -> bool {
        self.0 & STANDING != 0
    }

    /// Standing, and active for too long.
    pub fn stale(self) -> bool {
        self.0 & STALE != 0
    }

    /// Neither acknowledged nor closed at the end.
    pub fn unacknowledged(self) -> bool {
        self.0 & UNACKNOWLEDGED != 0
    }
}

/// The alerts in the order of rule, alarm and raise: those of one rule side by side, and in them
/// those of one alarm.
pub(crate) fn by_alarm(episodes: &[Episode]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(episodes.len()).unwrap_or(u32::MAX)).collect();
    order.sort_unstable_by_key(|i| {
        let e = &episodes[*i as usize];
        (e.rule, e.alarm, e.raised, *i)
    });
    order
}

/// Marks all alerts, each at the place of its alert. Alerts that were held back when they were
/// raised get none: nobody was bothered by them.
pub(crate) fn marks(
    sample: &Sample,
    order: &[u32],
    asked: &Asked,
    counting: &Counting,
) -> Vec<Mark> {
    let mut marks: Vec<Mark> =
        sample.episodes.iter().map(|e| Mark(state(e, asked, counting))).collect();
    let chatters = |i: u32| {
        let e = &sample.episodes[i as usize];
        (e, asked.loads(e))
    };
    let listed: Vec<u32> = order.iter().copied().filter(|i| chatters(*i).1).collect();
    for run in listed.windows(counting.chatter_raises) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let (first, last) = (chatters(*first).0, chatters(*last).0);
        let near = last.raised.saturating_sub(first.raised) < counting.chatter_within_s * 1000;
        if first.alarm == last.alarm && first.rule == last.rule && near {
            for i in run {
                marks[*i as usize].0 |= CHATTERING;
            }
        }
    }
    marks
}

fn state(e: &Episode, asked: &Asked, counting: &Counting) -> u8 {
    if e.is(HELD) || e.raised >= asked.to {
        return 0;
    }
    let mut mark = 0;
    if asked.loads(e) {
        mark |= LOAD;
        if e.is(CHATTER) {
            mark |= CHATTERING;
        }
        if e.is_fleeting(counting.fleeting_s * 1000) {
            mark |= FLEETING;
        }
    }
    if e.end() >= asked.to {
        mark |= STANDING;
        if asked.to - e.raised > counting.stale_h * HOUR {
            mark |= STALE;
        }
    }
    if e.acked >= asked.to && e.closed >= asked.to {
        mark |= UNACKNOWLEDGED;
    }
    mark
}

/// The most alerts that were stale at some moment of one day; days begin at `from`.
pub(crate) fn most_stale(episodes: &[Episode], asked: &Asked, counting: &Counting) -> u32 {
    // What is added at each day: +1 where one begins to be stale, -1 after it ended.
    let mut change = vec![0i64; asked.periods(DAY) + 1];
    let day = |t: i64| usize::try_from((t - asked.from) / DAY).unwrap_or(0);
    for e in episodes.iter().filter(|e| !e.is(HELD)) {
        let first =
            (e.raised.saturating_add(counting.stale_h * HOUR).saturating_add(1)).max(asked.from);
        let end = e.end().min(asked.to);
        if first >= end {
            continue;
        }
        if let Some(n) = change.get_mut(day(first)) {
            *n += 1;
        }
        if let Some(n) = change.get_mut(day(end - 1) + 1) {
            *n -= 1;
        }
    }
    let mut running = 0;
    let most = change.iter().map(|n| {
        running += n;
        running
    });
    u32::try_from(most.max().unwrap_or(0)).unwrap_or(0)
}

/// Share of the load by the ten alarms with most alerts, %.
pub(crate) fn top_ten(sample: &Sample, order: &[u32], marks: &[Mark]) -> Option<f64> {
    let load = order.iter().filter(|i| marks[**i as usize].load());
    let load: Vec<&Episode> = load.map(|i| &sample.episodes[*i as usize]).collect();
    let mut counts: Vec<usize> =
        load.chunk_by(|a, b| a.alarm == b.alarm && a.rule == b.rule).map(<[_]>::len).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    super::load::percent(counts.iter().take(10).sum(), load.len())
}
