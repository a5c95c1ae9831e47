use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A text file with a line `device seq time_ms` for each acknowledged message.
#[derive(Clone)]
pub struct LedgerOut(Arc<Mutex<BufWriter<std::fs::File>>>);

impl LedgerOut {
    /// Starts an empty file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(BufWriter::new(std::fs::File::create(path)?)))))
    }

    /// Adds lines that are complete.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, lines: &str) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes())
    }

    /// Brings all lines to the file.
    ///
    /// # Errors
    /// The disk's.
    pub fn flush(&self) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
