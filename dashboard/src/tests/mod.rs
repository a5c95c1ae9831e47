//! The server as a client sees it.

mod actions;
mod alerts;
mod attacks;
mod desk;
mod documents;
mod guards;
mod limits;
mod matrix;
mod mqtt;
mod people;
mod personal;
mod proxies;
mod registry;
mod rules;
mod scopes;
mod second;
mod session;
mod signed_in;
mod sockets;
mod stalled;
mod tls;
