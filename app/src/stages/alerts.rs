//! What happens to alerts by itself: shelves and windows that end, due times, chains; and the
//! alarm flood as the screens see it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ioc_alerts::Register;
use ioc_alerts::shift::Shifts;
use ioc_dashboard::{FloodState, Live};
use ioc_model::{ShiftStore, Timestamp};
use tokio_util::sync::CancellationToken;

use super::blocking;

/// Time between two looks: a due time is kept within half a second.
const EVERY: Duration = Duration::from_millis(500);

/// Ticks the register.
pub(crate) struct AlertsStage {
    pub register: Arc<Register>,
    pub shifts: Arc<Shifts>,
    pub live: Arc<Live>,
    /// Wall time; in a replay what the readings say.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl AlertsStage {
    /// Runs until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut positions = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            let (register, shifts) = (Arc::clone(&self.register), Arc::clone(&self.shifts));
            let now = (self.clock)();
            let before = positions;
            positions = blocking(move || look(&register, &shifts, before, now)).await?;
            let flood = self.register.flood(now);
            self.live.set_flood(FloodState {
                on: flood.on,
                raised: flood.raised.into(),
                positions: flood.positions,
            });
        }
    }
}

/// Does what is due; gives the operator positions that are manned, at least 1.
fn look(register: &Register, shifts: &Shifts, before: u32, now: Timestamp) -> anyhow::Result<u32> {
    let on_duty = shifts.on_duty().context("cannot read who is on duty")?.len();
    let positions = u32::try_from(on_duty).unwrap_or(u32::MAX).max(1);
    if positions != before {
        register.set_positions(positions);
    }
    loop {
        register.tick(now).context("cannot do what is due")?;
        // One call does a bounded piece.
        if register.next_due()?.is_none_or(|due| due > now) {
            return Ok(positions);
        }
    }
}
