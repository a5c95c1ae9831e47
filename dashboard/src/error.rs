use std::net::SocketAddr;

use crate::ConfigMistake;

/// Why the dashboard cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Which.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigMistake),
}
