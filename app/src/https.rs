//! The dashboard's certificate: read, looked at once a second, handed to the dashboard.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ioc_dashboard::{DashboardTlsConfig, TlsSource};
use ioc_ingest::ServerCertificates;
use tokio_util::sync::CancellationToken;

use crate::stages::wall;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the files; a mistake in one is an error here, never a server without TLS.
pub(crate) fn open(config: &DashboardTlsConfig) -> anyhow::Result<Arc<ServerCertificates>> {
    let files = (config.certificate_file.clone(), config.key_file.clone());
    let opened = ServerCertificates::open(files, config.tls12, b"http/1.1");
    opened.map(Arc::new).context("dashboard.tls")
}

/// The certificates as the dashboard takes them.
pub(crate) fn source(certificates: &Arc<ServerCertificates>) -> TlsSource {
    let certificates = Arc::clone(certificates);
    Arc::new(move || certificates.current())
}

/// Looks at the files until `stop`.
pub(crate) async fn watch(
    certificates: Arc<ServerCertificates>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let looking = Arc::clone(&certificates);
        tokio::task::spawn_blocking(move || looking.look(wall())).await?;
    }
}
