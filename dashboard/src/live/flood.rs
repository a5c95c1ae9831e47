//! The alarm flood as the screens are told of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// The load of alerts per operator (ISA-18.2: more than 10 in 10 minutes is a flood).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FloodState {
    /// A flood is on.
    pub on: bool,
    /// Alerts raised in the last ten minutes.
    pub raised: u64,
    /// Operator positions they are shared by.
    pub positions: u32,
}

/// What was said last, and what the screens know of it.
#[derive(Debug)]
pub(crate) struct Flood {
    now: Mutex<FloodState>,
    told: watch::Sender<FloodState>,
}

impl Default for Flood {
    fn default() -> Self {
        Self { now: Mutex::default(), told: watch::Sender::new(FloodState::default()) }
    }
}

impl Flood {
    pub fn set(&self, state: FloodState) {
        *self.lock() = state;
        self.told.send_if_modified(|told| {
            let turned = told.on != state.on;
            if turned {
                *told = state;
            }
            turned
        });
    }

    /// Once a second: new figures of a flood that goes on.
    pub fn publish(&self) {
        let now = *self.lock();
        self.told.send_if_modified(|told| {
            let news = told.on != now.on || (now.on && *told != now);
            if news {
                *told = now;
            }
            news
        });
    }

    pub fn subscribe(&self) -> watch::Receiver<FloodState> {
        self.told.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, FloodState> {
        // It holds plain numbers, whole at any moment.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_told_at_once_and_figures_when_published() {
        let flood = Flood::default();
        let mut told = flood.subscribe();
        let state = |on, raised| FloodState { on, raised, positions: 1 };
        flood.set(state(false, 9));
        flood.publish();
        assert!(!told.has_changed().expect("open"), "figures without a flood are no news");
        flood.set(state(true, 11));
        assert!(told.has_changed().expect("open"), "it does not wait");
        assert_eq!(*told.borrow_and_update(), state(true, 11));
        flood.set(state(true, 12));
        assert!(!told.has_changed().expect("open"));
        flood.publish();
        assert_eq!(*told.borrow_and_update(), state(true, 12));
        flood.set(state(false, 2));
        assert_eq!(*told.borrow_and_update(), state(false, 2));
    }
}
