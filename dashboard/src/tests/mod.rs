//! The server as a client sees it.

mod alerts;
mod documents;
mod guards;
mod limits;
mod session;
mod sockets;
