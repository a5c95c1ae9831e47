//! How far each consumer is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cursors by name. Positions are those of the next entry to consume.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<BTreeMap<String, Cursor>>);

#[derive(Default)]
struct Cursor {
    /// What the consumer said; counts before what its reader has handed out.
    said: Option<u64>,
    reading: Option<Arc<AtomicU64>>,
}

impl Cursor {
    fn position(&self) -> Option<u64> {
        self.said.or_else(|| self.reading.as_ref().map(|r| r.load(Ordering::Relaxed)))
    }
}

impl Cursors {
    pub fn set(&self, name: &str, position: u64) {
        let mut all = self.lock();
        match all.get_mut(name) {
            Some(cursor) => cursor.said = Some(position),
            None => {
                all.insert(name.to_owned(), Cursor { said: Some(position), reading: None });
            }
        }
    }

    /// Notes that a reader of this name begins at `from`.
    pub fn begin(&self, name: &str, from: u64) -> Arc<AtomicU64> {
        let reading = Arc::new(AtomicU64::new(from));
        let mut all = self.lock();
        all.entry(name.to_owned()).or_default().reading = Some(Arc::clone(&reading));
        reading
    }

    /// The reader ends. A cursor that was never set ends with it.
    pub fn end(&self, name: &str, reading: &Arc<AtomicU64>) {
        let mut all = self.lock();
        let Some(cursor) = all.get_mut(name) else { return };
        if cursor.reading.as_ref().is_some_and(|r| Arc::ptr_eq(r, reading)) {
            cursor.reading = None;
            if cursor.said.is_none() {
                all.remove(name);
            }
        }
    }

    pub fn all(&self) -> BTreeMap<String, u64> {
        let all = self.lock();
        all.iter().filter_map(|(n, c)| Some((n.clone(), c.position()?))).collect()
    }

    pub fn slowest(&self) -> Option<(String, u64)> {
        self.all().into_iter().min_by_key(|(_, position)| *position)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Cursor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_consumer_said_counts_before_what_was_handed_out() {
        let cursors = Cursors::default();
        let reading = cursors.begin("history", 5);
        reading.store(9, Ordering::Relaxed);
        assert_eq!(cursors.slowest(), Some(("history".to_owned(), 9)));
        cursors.set("history", 7);
        assert_eq!(cursors.slowest(), Some(("history".to_owned(), 7)));
        cursors.end("history", &reading);
        assert_eq!(cursors.slowest(), Some(("history".to_owned(), 7)), "a set cursor stays");
    }

    #[test]
    fn a_passing_reader_leaves_no_cursor() {
        let cursors = Cursors::default();
        let reading = cursors.begin("screen", 5);
        cursors.end("screen", &reading);
        assert_eq!(cursors.slowest(), None);
    }
}
