//! The live state: what every device said last, in one place, with the number of its last change.
//!
//! Writers apply journal entries (≤ 0.3 µs each); readers ask "what changed after n". Nothing is
//! queued per client, so a slow client costs nothing and resume is the same question again.

mod alerts;
mod batch;
mod device;
mod flood;
pub(crate) mod frame;
mod list;
mod snapshot;
mod state;
mod tiles;
mod view;

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ioc_model::{AlertRow, City, Entry, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

pub use alerts::AlertCounts;
use alerts::Recoloured;
pub(crate) use batch::{AlertBatch, alerts_text};
pub use flood::FloodState;
use frame::Header;
pub use snapshot::RestoreError;
use state::State;
pub(crate) use view::View;
use view::Views;

/// Alert batches a socket may be behind before it re-reads the register (full: drop oldest for
/// that socket, which then asks the register for all after its last change: nothing is lost).
const ALERT_BACKLOG: usize = 1_024;
/// Rows of one message, about 100 KB: a request may change 10,000 alerts at once, and a message
/// must go out in `send_timeout_s` on a thin line.
const ALERTS_PER_MESSAGE: usize = 100;
const UNSET: i64 = i64::MIN;

/// Bounds of the live state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveLimits {
    /// Devices shown; records of further ones are counted (`hidden_records`), not shown.
    pub max_devices: usize,
    /// Expected seconds between messages of a device that the configuration does not know;
    /// 0: such devices never turn stale.
    pub discovered_cadence_s: u32,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self { max_devices: 200_000, discovered_cadence_s: 60 }
    }
}

/// The live state of the city, shared by the journal reader and all sockets.
pub struct Live {
    state: Mutex<State>,
    /// The view of the whole city, and those of parts of it.
    whole: Arc<View>,
    views: Views,
    /// The operators' now at the last sweep.
    swept: AtomicI64,
    alerts: broadcast::Sender<Arc<AlertBatch>>,
    flood: flood::Flood,
    epoch: u32,
    event_now: AtomicI64,
    watermark: AtomicI64,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Live {
    /// The configured devices (idx in the order of their ids), never heard, with the alerts that
    /// are open now; default limits.
    pub fn new(city: &City, open_alerts: Vec<AlertRow>) -> Self {
        Self::with_limits(city, open_alerts, LiveLimits::default())
    }

    /// [`Live::new`] with other bounds.
    pub fn with_limits(city: &City, open_alerts: Vec<AlertRow>, limits: LiveLimits) -> Self {
        let state = State::new(city, limits.max_devices, limits.discovered_cadence_s);
        let live = Self::around(state);
        live.take_alerts(&open_alerts);
        live
    }

    fn around(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            whole: Arc::new(View::new(&Scope::city())),
            views: Views::default(),
            swept: AtomicI64::new(UNSET),
            alerts: broadcast::channel(ALERT_BACKLOG).0,
            flood: flood::Flood::default(),
            // Two starts must not share an epoch; 0 is left to mean "none".
            epoch: rand::random_range(1..=u32::MAX),
            event_now: AtomicI64::new(UNSET),
            watermark: AtomicI64::new(UNSET),
        }
    }

    /// The state of [`Live::snapshot`] under the configuration of today, and the position to read
    /// the journal from. Configured devices keep what they said; discovered ones follow. Alerts
    /// are not in it: give the open ones to [`Live::set_open_alerts`].
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a whole snapshot of this version: then start with
    /// [`Live::new`] and the journal's first entry.
    pub fn restore(city: &City, bytes: &[u8]) -> Result<(Self, u64), RestoreError> {
        Self::restore_with_limits(city, bytes, LiveLimits::default())
    }

    /// [`Live::restore`] with other bounds.
    ///
    /// # Errors
    /// As [`Live::restore`].
    pub fn restore_with_limits(
        city: &City,
        bytes: &[u8],
        limits: LiveLimits,
    ) -> Result<(Self, u64), RestoreError> {
        let mut state = State::new(city, limits.max_devices, limits.discovered_cadence_s);
        snapshot::read(&mut state, bytes)?;
        let next = state.next;
        Ok((Self::around(state), next))
    }

    /// Everything but alerts, with the position of the next entry, for a quick restart.
    pub fn snapshot(&self) -> Vec<u8> {
        let body = snapshot::write(&self.lock());
        snapshot::seal(body)
    }

    /// Applies the next entry of the journal.
    pub fn apply(&self, entry: &Entry) {
        let mut state = self.lock();
        state.apply(entry);
        state.next += 1;
    }

    /// Applies a journal batch whose first entry has position `first`; entries that were applied
    /// before are passed over.
    pub fn apply_batch(&self, first: u64, entries: &[Entry]) {
        let mut state = self.lock();
        let seen = state.next.saturating_sub(first).min(entries.len() as u64) as usize;
        for entry in &entries[seen..] {
            state.apply(entry);
        }
        state.next = state.next.max(first + entries.len() as u64);
    }

    /// Takes over what the registry now says of a device. One that was never heard is listed when
    /// it is approved.
    pub fn configure(&self, device: &ioc_model::Device) {
        self.lock().configure(device);
    }

    /// Position of the next journal entry.
    pub fn next_position(&self) -> u64 {
        self.lock().next
    }

    /// New states of alerts (raises, changes, actions, closed ones too), in the order of `change`:
    /// to every socket at once, and into counts, tiles and device colours.
    pub fn alerts_changed(&self, rows: &[AlertRow]) {
        // The sockets first: they must not wait for the lock.
        if self.alerts.receiver_count() > 0 {
            for part in rows.chunks(ALERTS_PER_MESSAGE) {
                let Some(batch) = AlertBatch::new(part) else { continue };
                // No receiver is no error: a socket that subscribes now reads the register first.
                let _ = self.alerts.send(Arc::new(batch));
            }
        }
        self.take_alerts(rows);
    }

    /// The alerts that are open after a restore, all at once or page by page; sent to nobody.
    pub fn set_open_alerts(&self, rows: &[AlertRow]) {
        self.take_alerts(rows);
    }

    fn take_alerts(&self, rows: &[AlertRow]) {
        let mut state = self.lock();
        for row in rows {
            if let Some(Recoloured { device, mixed }) = state.alerts.take(row) {
                let worst = state.alerts.worst_of(&device);
                state.set_severity(&device, worst, mixed);
            }
        }
    }

    /// The operators' now when it is *not* the wall clock: the event time that a replay has come
    /// to. Once called, staleness and ages follow event time. Without a call they follow the wall
    /// clock and the time of arrival.
    pub fn set_now(&self, now: Timestamp) {
        self.event_now.store(now.0, Relaxed);
    }

    /// How far the rules are, for the heartbeat. Without a call: the newest arrival or tick
    /// applied here (newest event time after [`Live::set_now`]).
    pub fn set_watermark(&self, watermark: Timestamp) {
        self.watermark.store(watermark.0, Relaxed);
    }

    /// How far the pipeline is, as the heartbeat says it.
    pub fn watermark(&self) -> Timestamp {
        let set = self.watermark.load(Relaxed);
        if set != UNSET {
            return Timestamp(set);
        }
        let state = self.lock();
        Timestamp(if self.event_clock() { state.newest_event } else { state.newest_wall })
    }

    /// How the load of alerts is now. That a flood begins or ends goes to every socket at once,
    /// figures of one that goes on once a second; so it may be called at each change.
    pub fn set_flood(&self, flood: FloodState) {
        self.flood.set(flood);
    }

    pub(crate) fn subscribe_flood(&self) -> watch::Receiver<FloodState> {
        self.flood.subscribe()
    }

    fn event_clock(&self) -> bool {
        self.event_now.load(Relaxed) != UNSET
    }

    /// The operators' now, given the wall clock.
    pub(crate) fn now(&self, wall: Timestamp) -> Timestamp {
        match self.event_now.load(Relaxed) {
            UNSET => wall,
            event => Timestamp(event),
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Number of the newest change that frames may carry.
    pub(crate) fn seq(&self) -> u32 {
        self.lock().closed()
    }

    pub(crate) fn tally(&self) -> state::Tally {
        self.lock().tally
    }

    pub(crate) fn subscribe_alerts(&self) -> broadcast::Receiver<Arc<AlertBatch>> {
        self.alerts.subscribe()
    }

    /// Ten times a second: what changed until now becomes visible to clients.
    pub(crate) fn close_tick(&self) {
        self.lock().close_tick();
    }

    /// Once a second: staleness, new devices, tiles.
    pub(crate) fn sweep(&self, wall: Timestamp) {
        self.flood.publish();
        let now = self.now(wall).0;
        self.lock().sweep(now, self.event_clock());
        self.make_tiles(now);
    }

    /// A delta that says that nothing changed.
    pub(crate) fn empty_frame(&self, seq: u32, wall: Timestamp) -> Bytes {
        let base_ms = self.now(wall).0;
        let header = Header { kind: frame::DELTA, epoch: self.epoch, seq, base_ms };
        frame::encode(header, &[]).into()
    }

    pub(crate) fn heartbeat(&self, wall: Timestamp) -> Vec<u8> {
        let header = Header {
            kind: frame::HEARTBEAT,
            epoch: self.epoch,
            seq: self.seq(),
            base_ms: self.now(wall).0,
        };
        frame::heartbeat(header, self.watermark().0, wall.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding it is a bug in this crate; the state is still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod scoped;
#[cfg(test)]
mod sums;
#[cfg(test)]
mod tests;
