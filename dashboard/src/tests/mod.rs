//! The server as a client sees it.

mod actions;
mod alerts;
mod desk;
mod documents;
mod guards;
mod limits;
mod matrix;
mod mqtt;
mod people;
mod personal;
mod registry;
mod rules;
mod second;
mod session;
mod sockets;
