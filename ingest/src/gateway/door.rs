//! A door for connections that someone else has accepted: MQTT over WebSocket on the dashboard's
//! port.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Shared;
use super::limits::Place;
use super::metrics::add;
use super::peer::{Peer, Via};
use super::serve;
use super::sink::MessageSink;
use super::transport::{Stream, WebSocket};
use crate::Intake;

/// Longest WebSocket message, bytes, where the largest packet is smaller: some clients put
/// several packets in one.
const LEAST_MAX_MESSAGE: usize = 64 * 1024;

/// Takes upgraded connections into the gateway.
pub struct GatewayDoor<S: MessageSink = Intake> {
    shared: Arc<Shared<S>>,
    slots: Arc<Semaphore>,
}

impl<S: MessageSink> Clone for GatewayDoor<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), slots: Arc::clone(&self.slots) }
    }
}

impl<S: MessageSink> std::fmt::Debug for GatewayDoor<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let free = self.slots.available_permits();
        f.debug_struct("GatewayDoor").field("free", &free).finish_non_exhaustive()
    }
}

impl<S: MessageSink> GatewayDoor<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, slots: Arc<Semaphore>) -> Self {
        Self { shared, slots }
    }

    /// A place for one more connection, to be asked for before the upgrade is answered. `None`:
    /// the gateway is full or the address has too many (both counted), or it stops.
    pub fn admit(&self, peer: SocketAddr) -> Option<Seat<S>> {
        add(&self.shared.metrics.accepted, 1);
        if self.shared.stop.is_cancelled() {
            return None;
        }
        let place = serve::place(&self.shared, peer)?;
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            add(&self.shared.metrics.refused_full, 1);
            return None;
        };
        Some(Seat { shared: Arc::clone(&self.shared), peer, hold: (place, slot) })
    }
}

/// A place in the gateway; free again when dropped.
pub struct Seat<S: MessageSink = Intake> {
    shared: Arc<Shared<S>>,
    peer: SocketAddr,
    hold: (Place, OwnedSemaphorePermit),
}

impl<S: MessageSink> std::fmt::Debug for Seat<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<S: MessageSink> Seat<S> {
    /// Serves a WebSocket to its end. `stream` begins right after the answer 101; the frames are
    /// read and written here. Ends when the gateway stops.
    pub async fn serve<T>(self, stream: T)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { shared, peer, hold } = self;
        add(&shared.metrics.websockets, 1);
        let peer = Peer { address: peer, via: Via::WebSocket, names: Vec::new() };
        let max = shared.config.max_packet_bytes.max(LEAST_MAX_MESSAGE);
        let socket = WebSocket::new(Box::new(stream), max);
        let life = shared.stop.clone();
        serve::serve(shared, Stream::WebSocket(Box::new(socket)), peer, life).await;
        drop(hold);
    }
}
