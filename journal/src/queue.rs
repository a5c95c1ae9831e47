//! The bounded way from `append` to the writer's thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};

use crate::JournalError;

/// One `append` that waits for its commit.
pub(crate) struct Append<E> {
    pub entries: Vec<E>,
    pub ticket: oneshot::Sender<Result<u64, JournalError>>,
}

/// What the writer found.
pub(crate) enum Taken<E> {
    Batch(Vec<Append<E>>),
    /// Time to look after other things.
    Nothing,
    /// Closed and empty.
    Closed,
}

/// Entries not yet committed, at most `capacity`; who comes then waits in order.
pub(crate) struct Queue<E> {
    capacity: usize,
    /// One permit per entry; given back when it is committed.
    room: Semaphore,
    state: Mutex<State<E>>,
    wake: Condvar,
}

struct State<E> {
    appends: VecDeque<Append<E>>,
    entries: usize,
    closed: bool,
    /// The writer sleeps until this many entries are here: one wake-up per batch, not per append.
    wake_at: usize,
}

impl<E> Queue<E> {
    pub fn new(capacity: usize) -> Self {
        let state =
            State { appends: VecDeque::new(), entries: 0, closed: false, wake_at: usize::MAX };
        Self {
            capacity,
            room: Semaphore::new(capacity),
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    /// Waits for room, then puts `entries` in. Cancelled before it returns: nothing was put in.
    pub async fn put(
        &self,
        entries: Vec<E>,
    ) -> Result<oneshot::Receiver<Result<u64, JournalError>>, JournalError> {
        let n = entries.len();
        if n > self.capacity {
            return Err(JournalError::AppendTooLarge { entries: n, max: self.capacity });
        }
        let permits = u32::try_from(n).expect("capacity is at most 2^24");
        let room = self.room.acquire_many(permits).await.map_err(|_| JournalError::Closed)?;
        let (ticket, done) = oneshot::channel();
        let mut state = self.lock();
        if state.closed {
            return Err(JournalError::Closed);
        }
        room.forget();
        state.entries += n;
        state.appends.push_back(Append { entries, ticket });
        let wake = state.entries >= state.wake_at || n == 0;
        if wake {
            state.wake_at = usize::MAX;
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(done)
    }

    /// Waits for up to `max` entries: until `not_before` for a full batch, until `until` for any.
    pub fn take(&self, max: usize, not_before: Instant, until: Instant) -> Taken<E> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let empty = state.appends.is_empty();
            if empty && state.closed {
                return Taken::Closed;
            }
            if !empty && (now >= not_before || state.entries >= max || state.closed) {
                return Taken::Batch(state.drain(max));
            }
            if now >= until {
                state.wake_at = usize::MAX;
                return Taken::Nothing;
            }
            state.wake_at = if empty { 1 } else { max };
            let deadline = if empty { until } else { not_before.min(until) };
            let waited = self.wake.wait_timeout(state, deadline - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives room back for entries that were committed.
    pub fn release(&self, entries: usize) {
        self.room.add_permits(entries);
    }

    /// Refuses what comes from now on; what is in stays in.
    pub fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.wake.notify_all();
    }

    /// Sleeps until `until` or until somebody closes the queue; tells whether it is closed.
    pub fn wait_closed(&self, until: Instant) -> bool {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closed || now >= until {
                return state.closed;
            }
            let waited = self.wake.wait_timeout(state, until - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes out all that is left, for a writer that gives up.
    pub fn drain(&self) -> Vec<Append<E>> {
        self.lock().drain(usize::MAX)
    }

    /// Entries waiting.
    pub fn len(&self) -> usize {
        self.lock().entries
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> State<E> {
    /// Whole appends of together at most `max` entries, and at least one append.
    fn drain(&mut self, max: usize) -> Vec<Append<E>> {
        self.wake_at = usize::MAX;
        let mut taken = 0;
        let mut n = 0;
        for append in &self.appends {
            if n > 0 && taken + append.entries.len() > max {
                break;
            }
            taken += append.entries.len();
            n += 1;
        }
        self.entries -= taken;
        self.appends.drain(..n).collect()
    }
}
