use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ioc_model::{Entry, Timestamp};
use tokio_util::sync::CancellationToken;

use super::EntryJournal;

/// The wall clock, ms since the epoch.
pub(crate) fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |d| d.as_millis() as i64))
}

/// A clock that only goes forward, ns: what rules cost is measured with it.
pub(crate) fn nanos() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    u64::try_from(ZERO.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Writes what the wall clock says into the journal once a second, so that rules need no clock.
/// A full journal makes it wait; a missed second is not made up for.
pub(crate) async fn tick(journal: EntryJournal, stop: CancellationToken) -> anyhow::Result<()> {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = every.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            appended = journal.append(vec![Entry::Tick(wall())]) => drop(appended?),
        }
    }
}
