use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Read buffers shared by all connections, so that an idle connection holds none.
#[derive(Debug)]
pub(super) struct Buffers {
    permits: Arc<Semaphore>,
    /// Last in, first out: the hottest buffer is used again.
    free: Mutex<Vec<Box<[u8]>>>,
    size: usize,
}

impl Buffers {
    pub(super) fn new(count: usize, size: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))),
            free: Mutex::default(),
            size,
        }
    }

    /// Waits for a buffer. `None` never happens while the pool lives: it is never closed.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Buffer> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let bytes = self.free.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let bytes = bytes.unwrap_or_else(|| vec![0; self.size].into_boxed_slice());
        Some(Buffer { bytes, pool: Arc::clone(self), _permit: permit })
    }
}

/// A buffer on loan.
pub(super) struct Buffer {
    pub(super) bytes: Box<[u8]>,
    pool: Arc<Buffers>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.free.lock().unwrap_or_else(|e| e.into_inner()).push(bytes);
    }
}
