use std::future::Future;

use crate::{Client, Incoming, IngestError, Intake, SourceHandle, Submitted};

/// Where the doors put what they receive: the [`Intake`], or a test's stand-in whose commits the
/// test holds back.
pub trait MessageSink: Send + Sync + 'static {
    /// The sink's name for one door.
    type Source: Send + Sync + 'static;

    /// Opens the door `name`.
    fn source(&self, name: &str) -> Self::Source;

    /// Judges the messages of one client, in order, and queues the good ones for the journal. Waits while the
    /// journal is behind. The messages may be acknowledged when `durable` has resolved to `Ok`.
    ///
    /// # Errors
    /// When nothing can be taken at all (the journal is gone).
    fn submit(
        &self,
        source: &Self::Source,
        client: &Client,
        messages: &[Incoming<'_>],
    ) -> impl Future<Output = Result<Submitted, IngestError>> + Send;
}

impl MessageSink for Intake {
    type Source = SourceHandle;

    fn source(&self, name: &str) -> SourceHandle {
        Intake::source(self, name)
    }

    fn submit(
        &self,
        source: &SourceHandle,
        client: &Client,
        messages: &[Incoming<'_>],
    ) -> impl Future<Output = Result<Submitted, IngestError>> + Send {
        Intake::submit(self, source, client, messages)
    }
}
