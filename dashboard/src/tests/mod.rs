//! The server as a client sees it.

mod actions;
mod alerts;
mod desk;
mod documents;
mod guards;
mod limits;
mod matrix;
mod mqtt;
mod personal;
mod registry;
mod rules;
mod scopes;
mod session;
mod sockets;
