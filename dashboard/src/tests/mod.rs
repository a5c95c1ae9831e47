//! The server as a client sees it.

mod alerts;
mod documents;
mod guards;
mod limits;
mod rules;
mod session;
mod sockets;
