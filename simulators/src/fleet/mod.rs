//! Many devices with a connection of their own each: what does a connection cost, how fast are all
//! back, does one that floods hurt the others?

mod connection;
mod phases;
mod server;

pub use phases::fleet;
