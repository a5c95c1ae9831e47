//! The MQTT gateway: MQTT 3.1.1 and 5 over TCP, TLS and WebSocket, so that a device's PUBACK means "on disk".
//!
//! What it does: accepts publishes from devices and hands them to the intake in chunks, answers
//! only when the intake's `durable` has resolved, and serves subscriptions to what the IOC itself
//! publishes. What it deliberately does not do: it is not a broker. A device's publish never
//! reaches another device, and no filter that could match one is granted.
//!
//! Data flow per connection (one task, no task or lock per message):
//! ```text
//! socket ─read (shared 64 KiB buffer)─▶ frames ─▶ one chunk ─▶ sink.submit ─▶ queue of chunks
//! socket ◀─one write per commit── acks of every chunk whose commit is done, in order ◀─┘
//! ```
//! Parsing: PUBLISH and the acks are read and written in place (`frame`, `encode`); the packets
//! with structure (CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT) go through `mqtt-protocol-core`.
//!
//! How it fails: a malformed packet ends its own connection with a reason code; a failed commit
//! ends the connection without an ack, so that the device sends again; a full intake stops the
//! reading of sockets. Nothing a client sends reaches a panic or another client's state.

mod buffers;
mod config;
#[cfg(test)]
mod conformance;
mod connect;
mod connection;
mod control;
mod door;
mod encode;
mod end;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod identity;
mod inbound;
mod limits;
mod listener;
mod metrics;
mod outbound;
mod peer;
mod serve;
mod session;
mod sink;
mod strict;
#[cfg(test)]
pub(crate) mod tests;
mod transport;

pub use config::GatewayConfig;
pub use door::{GatewayDoor, Seat};
pub use identity::Anonymous;
pub use limits::{Rate, Rates};
pub use listener::{Gateway, GatewayAddresses, GatewayStats};
pub use metrics::GatewayMetrics;
pub use sink::MessageSink;
pub use transport::{
    ClientCertificates, GatewayTlsConfig, ServerCertificates, TlsError, TlsHandle, TlsStatus,
};
