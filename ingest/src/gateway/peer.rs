use std::net::SocketAddr;

/// How a client reached the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Tcp,
    Tls,
    WebSocket,
}

/// Who is at the other end of a socket, as far as the transport knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) via: Via,
    /// Names of the client's certificate (subject CN, and DNS and URI alternative names), which
    /// the transport has verified against the configured authority; empty: it showed none.
    pub(super) names: Vec<String>,
}
