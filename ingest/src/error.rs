use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a [`crate::RecordSink`] did not keep records.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// The journal has stopped.
    #[error("journal is closed")]
    Closed,
    /// The journal could not write.
    #[error("journal could not write")]
    Write(#[source] Arc<dyn Error + Send + Sync>),
}

/// Why ingest could not do its work.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// Records were not taken, or are not durable.
    #[error("records were not kept")]
    Sink(#[from] SinkError),
    /// The first delivery of a duplicate was given up before it was durable.
    #[error("the first delivery of a duplicate was not kept")]
    FirstDelivery,
    /// The quarantine file cannot be opened.
    #[error("quarantine {path} cannot be opened")]
    QuarantineOpen {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// A refused message could not be written to the quarantine.
    #[error("quarantine could not write")]
    QuarantineWrite(#[source] Arc<rusqlite::Error>),
    /// The quarantine's writer has stopped.
    #[error("quarantine is closed")]
    QuarantineClosed,
    /// A thread could not be started.
    #[error("quarantine writer cannot be started")]
    Thread(#[source] Arc<std::io::Error>),
    /// The device registry cannot be opened.
    #[error("device registry {path} cannot be opened")]
    RegistryOpen {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The device registry is damaged, and this is not the one to mend it.
    #[error("device registry {path} is damaged: {what}; a start of the centre takes its copy")]
    RegistryDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The device registry was written by a later version.
    #[error("device registry {path} was written by a later version ({version})")]
    RegistryLater {
        /// The file.
        path: PathBuf,
        /// Version of its tables.
        version: i64,
    },
    /// The device registry cannot be written.
    #[error("device registry could not write")]
    RegistryWrite(#[source] Arc<ioc_model::DeviceError>),
    /// The gateway cannot have its port.
    #[error("gateway cannot listen on {address}")]
    Listen {
        /// The address of the configuration.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The TLS listener cannot use its files.
    #[error("gateway cannot use its TLS files")]
    Tls(#[from] crate::gateway::TlsError),
    /// A setting of the subscriber cannot be used.
    #[error("subscriber {name}: {what}")]
    SubscriberConfig {
        /// Name of the subscriber.
        name: String,
        /// What is wrong with it.
        what: String,
    },
}

impl IngestError {
    /// Whether the same call may succeed later; `false` when a part has stopped for good.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Sink(SinkError::Closed) | Self::QuarantineClosed)
    }
}
