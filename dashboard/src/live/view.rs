//! What clients of one scope see of the live state. All of them share one view: which devices are
//! inside, the frames encoded in this tick, the tiles, and which sums of alerts belong to them.
//!
//! A device that leaves the scope is in no frame from that moment on; one that comes into it is
//! shown with the next version of the device list, as a new device is.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ioc_model::{Scope, Timestamp};

use super::device::Device;
use super::frame::{self, Header};
use super::state::State;
use super::{AlertCounts, Live, UNSET, tiles};

/// Encoded frames kept for clients that ask the same question in the same tick.
const CACHED_FRAMES: usize = 16;
/// Views that nobody uses are let go when there are this many; as many as there are sockets may
/// be in use.
const MAX_IDLE: usize = 64;

struct CachedFrame {
    after: Option<u32>,
    seq: u32,
    /// `None`: nothing changed.
    bytes: Option<Bytes>,
}

/// What of the state is inside; empty in the view of the whole city, which needs no list.
#[derive(Default)]
pub(crate) struct Inside {
    /// Indexes of the devices, ascending. A list and not a bitmap: a ward then costs what a ward
    /// has, not what the city has.
    pub members: Vec<u32>,
    /// Whether alerts are inside, by the index of their pair of area and service.
    pub pairs: Vec<bool>,
    /// The devices as they were listed, to see whether the list has changed for this view.
    listed: Vec<Arc<Device>>,
    /// Version of the whole list, and moves of devices, that this was made of.
    made_of: Option<(u32, u64)>,
    /// Version of the whole list with which this view's own list changed last.
    rev: u32,
}

impl Inside {
    fn renew(&mut self, state: &State, scope: &Scope) {
        state.alerts.allow(scope, &mut self.pairs);
        let ((rev, published), moves) = (state.list(), state.moves());
        let made_of = Some((rev, moves));
        if self.made_of == made_of {
            return;
        }
        let inside = |device: &Device| scope.allows(&device.area, &device.service);
        if self.made_of.is_some_and(|(made_of, _)| made_of == rev) {
            // Until the list has been told, devices only leave.
            self.members.retain(|idx| inside(&state.devices[*idx as usize]));
        } else {
            let all = state.devices[..published].iter().enumerate();
            let all = all.filter(|(_, device)| inside(device));
            let (members, listed): (Vec<_>, Vec<_>) =
                all.map(|(idx, device)| (idx as u32, Arc::clone(device))).unzip();
            let same = self.listed.len() == listed.len()
                && self.listed.iter().zip(&listed).all(|(a, b)| Arc::ptr_eq(a, b));
            if !same || self.made_of.is_none() {
                self.rev = rev;
            }
            (self.members, self.listed) = (members, listed);
        }
        self.made_of = made_of;
    }
}

struct Kept {
    inside: Inside,
    frames: Vec<CachedFrame>,
    /// A number that grows with each change of them, and the JSON.
    tiles: (u64, Arc<str>),
}

/// What the clients of one scope share.
pub(crate) struct View {
    scope: Scope,
    whole: bool,
    /// Makes the versions of two views' lists different numbers.
    serial: u64,
    kept: Mutex<Kept>,
}

impl View {
    pub fn new(scope: &Scope) -> Self {
        let whole = scope.is_city();
        Self {
            scope: scope.clone(),
            whole,
            // With the 32 bits of a version it is a whole number to JavaScript.
            serial: if whole { 0 } else { rand::random_range(1..1 << 20) },
            kept: Mutex::new(Kept {
                inside: Inside::default(),
                frames: Vec::new(),
                tiles: (0, "[]".into()),
            }),
        }
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub fn is_city(&self) -> bool {
        self.whole
    }

    /// What is inside now; `None`: everything.
    fn renew<'a>(&self, kept: &'a mut Kept, state: &State) -> Option<&'a Inside> {
        if self.whole {
            return None;
        }
        let before = kept.inside.made_of;
        kept.inside.renew(state, &self.scope);
        if kept.inside.made_of != before {
            // A device may have left the scope since these were made.
            kept.frames.clear();
        }
        Some(&kept.inside)
    }

    fn rev(&self, kept: &Kept, state: &State) -> u64 {
        if self.whole {
            return u64::from(state.list().0);
        }
        self.serial << 32 | u64::from(kept.inside.rev)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What is kept can be made again at any time.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that this view takes besides the frames of the tick.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let kept = self.lock();
        let inside = &kept.inside;
        size_of::<Self>()
            + inside.members.capacity() * size_of::<u32>()
            + inside.listed.capacity() * size_of::<Arc<Device>>()
            + inside.pairs.capacity()
            + kept.tiles.1.len()
    }
}

/// The views in use, and some that were used lately.
#[derive(Default)]
pub(crate) struct Views(Mutex<HashMap<Scope, Arc<View>, ahash::RandomState>>);

impl Views {
    fn of(&self, scope: &Scope) -> Arc<View> {
        let mut held = self.lock();
        if let Some(view) = held.get(scope) {
            return Arc::clone(view);
        }
        if held.len() >= MAX_IDLE {
            held.retain(|_, view| Arc::strong_count(view) > 1);
        }
        let view = Arc::new(View::new(scope));
        held.insert(scope.clone(), Arc::clone(&view));
        view
    }

    /// Those in use; the others make their tiles when they are asked for.
    fn in_use(&self) -> Vec<Arc<View>> {
        let held = self.lock();
        held.values().filter(|view| Arc::strong_count(view) > 1).cloned().collect()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Scope, Arc<View>, ahash::RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// The view of a scope, the same for all who have this scope.
    pub(crate) fn view(&self, scope: &Scope) -> Arc<View> {
        if scope.is_city() { Arc::clone(&self.whole) } else { self.views.of(scope) }
    }

    /// Open alerts of a scope by number; costs the same however many there are.
    pub fn alert_counts(&self, scope: &Scope) -> AlertCounts {
        let view = self.view(scope);
        let state = self.lock();
        let mut kept = view.lock();
        let inside = view.renew(&mut kept, &state);
        state.alerts.counts(inside.map(|inside| inside.pairs.as_slice()))
    }

    /// Version of the device list of a view.
    pub(crate) fn rev(&self, view: &View) -> u64 {
        let state = self.lock();
        let mut kept = view.lock();
        view.renew(&mut kept, &state);
        view.rev(&kept, &state)
    }

    /// The devices of a view with their indexes, and the version of the list.
    pub(super) fn listed(&self, view: &View) -> (u64, Vec<(usize, Arc<Device>)>) {
        let state = self.lock();
        let mut kept = view.lock();
        let at = |idx: usize| (idx, Arc::clone(&state.devices[idx]));
        let devices = match view.renew(&mut kept, &state) {
            None => (0..state.list().1).map(at).collect(),
            Some(inside) => inside.members.iter().map(|idx| at(*idx as usize)).collect(),
        };
        (view.rev(&kept, &state), devices)
    }

    /// Makes the tiles of the whole city and of each view in use.
    pub(super) fn make_tiles(&self, now: i64) {
        self.swept.store(now, Relaxed);
        self.make_tiles_of(&self.whole, now);
        for view in self.views.in_use() {
            self.make_tiles_of(&view, now);
        }
    }

    fn make_tiles_of(&self, view: &View, now: i64) {
        let event_clock = self.event_clock();
        let tiles = {
            let state = self.lock();
            let mut kept = view.lock();
            tiles::tiles(&state, view.renew(&mut kept, &state), now, event_clock)
        };
        let text = serde_json::to_string(&tiles).unwrap_or_else(|_| "[]".into());
        let mut kept = view.lock();
        if *kept.tiles.1 != *text {
            kept.tiles = (kept.tiles.0 + 1, text.into());
        }
    }

    /// The tiles of a socket's view as a JSON array, and a number that grows with each change of
    /// them.
    pub(crate) fn tiles(&self, view: &View) -> (u64, Arc<str>) {
        let held = view.lock().tiles.clone();
        let swept = self.swept.load(Relaxed);
        if held.0 > 0 || swept == UNSET {
            return held;
        }
        self.make_tiles_of(view, swept);
        view.lock().tiles.clone()
    }

    /// The tiles of a scope for somebody who asks once.
    pub(crate) fn tiles_now(&self, scope: &Scope) -> Arc<str> {
        let view = self.view(scope);
        let swept = self.swept.load(Relaxed);
        if !view.is_city() && swept != UNSET {
            self.make_tiles_of(&view, swept);
        }
        view.lock().tiles.1.clone()
    }

    /// A snapshot (`after` none) or what changed in a view after a number; `None` when nothing
    /// did. The number is the one to ask with the next time. Clients that ask the same in one
    /// tick share the bytes.
    pub(crate) fn frame(
        &self,
        view: &View,
        after: Option<u32>,
        wall: Timestamp,
    ) -> (Option<Bytes>, u32) {
        let base_ms = self.now(wall).0;
        let state = self.lock();
        let seq = state.closed();
        let mut kept = view.lock();
        view.renew(&mut kept, &state);
        kept.frames.retain(|f| f.seq == seq);
        if let Some(held) = kept.frames.iter().find(|f| f.after == after) {
            return (held.bytes.clone(), seq);
        }
        let rows = if view.whole {
            state.rows(after, base_ms)
        } else {
            state.rows_within(&kept.inside, after, base_ms)
        };
        drop(state);
        let kind = if after.is_none() { frame::SNAPSHOT } else { frame::DELTA };
        let header = Header { kind, epoch: self.epoch, seq, base_ms };
        let bytes = (after.is_none() || !rows.is_empty())
            .then(|| Bytes::from(frame::encode(header, &rows)));
        // A snapshot is asked for at any time, not on the tick, so it would be old for the next.
        if after.is_some() && kept.frames.len() < CACHED_FRAMES {
            kept.frames.push(CachedFrame { after, seq, bytes: bytes.clone() });
        }
        (bytes, seq)
    }
}
