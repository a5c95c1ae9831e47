//! A timer of about 0.1 ms: tokio's own rounds up to the next millisecond, which would be counted
//! as latency of the server under test.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

struct Entry {
    at: Instant,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Default)]
struct State {
    /// At most a few entries per connection: those whose wait was given up leave at their time.
    queue: BinaryHeap<Reverse<Entry>>,
    ended: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread that wakes tasks at their time. Ends with the last handle.
pub struct Pacer(Arc<Shared>);

impl Pacer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let in_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("pacer".into()).spawn(move || run(&in_thread))?;
        Ok(Self(shared))
    }

    /// Gives a receiver that completes at `at`. Keep it while the time stays the same: each call
    /// takes a place in the queue until its time has come.
    pub fn at(&self, at: Instant) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let mut state = self.0.lock();
        let first = state.queue.peek().is_none_or(|Reverse(e)| at < e.at);
        state.queue.push(Reverse(Entry { at, wake }));
        drop(state);
        if first {
            self.0.changed.notify_one();
        }
        woken
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

fn run(shared: &Shared) {
    let mut state = shared.lock();
    while !state.ended {
        let now = Instant::now();
        let wait = state.queue.peek().map(|Reverse(e)| e.at.saturating_duration_since(now));
        state = match wait {
            Some(wait) if wait.is_zero() => {
                if let Some(Reverse(entry)) = state.queue.pop() {
                    // The receiver may have given up.
                    let _ = entry.wake.send(());
                }
                state
            }
            Some(wait) => match shared.changed.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            },
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn wakes_in_order_and_not_early() {
        let pacer = Pacer::start().expect("a thread");
        let start = Instant::now();
        let late = pacer.at(start + Duration::from_millis(30));
        let early = pacer.at(start + Duration::from_millis(10));
        let after = |woken: oneshot::Receiver<()>| async {
            woken.await.expect("the thread runs");
            Instant::now()
        };
        let (late, early) = tokio::join!(after(late), after(early));
        assert!(early >= start + Duration::from_millis(10));
        assert!(late >= start + Duration::from_millis(30));
        assert!(early < late);
    }
}
