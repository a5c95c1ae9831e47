//! Refused messages as the dashboard sees them.

use async_trait::async_trait;
use serde::Serialize;

use crate::{QuarantineReason, Rerun, Timestamp};

/// One refused message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuarantineRow {
    /// When it reached us.
    pub at: Timestamp,
    /// Door.
    pub source: String,
    /// Topic, control characters replaced.
    pub topic: String,
    /// Device, as far as the topic named one.
    pub device: Option<String>,
    /// Why.
    pub reason: QuarantineReason,
    /// Why, in words for the device's owner.
    pub detail: String,
    /// The payload as text, cut at 1 KiB, control characters replaced.
    pub payload: String,
}

/// The quarantine as the dashboard uses it. Calls block on the disk.
pub trait QuarantineStore: Send + Sync {
    /// Newest first, optionally of one device.
    ///
    /// # Errors
    /// The store's own trouble.
    fn newest(
        &self,
        device: Option<&str>,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, Box<dyn std::error::Error + Send + Sync>>;

    /// Newest first of one reason, optionally of one device.
    ///
    /// # Errors
    /// The store's own trouble.
    fn newest_of(
        &self,
        device: Option<&str>,
        reason: QuarantineReason,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, Box<dyn std::error::Error + Send + Sync>> {
        let mut rows = self.newest(device, usize::MAX)?;
        rows.retain(|r| r.reason == reason);
        rows.truncate(limit);
        Ok(rows)
    }
}

/// A second look at refused messages, after a decoder or the registry was mended.
#[async_trait]
pub trait QuarantineRerun: Send + Sync {
    /// Puts the kept messages of a device (all devices: `None`) and reason (all: `None`) through
    /// the intake again, oldest first, at most `limit`. What is accepted now leaves the
    /// quarantine; it keeps its own time and the time of its first arrival.
    ///
    /// # Errors
    /// The quarantine's or the journal's trouble; what was done before stays done.
    async fn rerun(
        &self,
        device: Option<&str>,
        reason: Option<QuarantineReason>,
        limit: usize,
    ) -> Result<Rerun, Box<dyn std::error::Error + Send + Sync>>;
}
