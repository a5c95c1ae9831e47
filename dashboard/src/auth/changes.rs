//! That something about who may do what has changed, told to whoever holds a connection open.

use tokio::sync::watch;

/// Counts the changes of accounts, grants, sessions and tokens made by this process; what the
/// command line changes is found by looking.
#[derive(Debug)]
pub(crate) struct Changes(watch::Sender<u64>);

impl Default for Changes {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Changes {
    /// Something has changed. Call it after it is in the database.
    pub fn tell(&self) {
        self.0.send_modify(|n| *n += 1);
    }

    /// Hears of each change from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
