//! Simulated devices: a city, recorded feeds, load.
//!
//! What it does: makes messages ([`city`], [`replay`], [`load`]), each behind the trait
//! [`link::Feed`], and publishes them with one hand-written MQTT client ([`link`], [`wire`]).
//! [`fleet`] gives each device a connection of its own, by TLS where asked for; [`nab`] scores
//! anomaly detectors by a published benchmark.
//! What it does not do: subscribe, or hold anything that the centre itself needs.
//!
//! ```text
//! city │ recording │ schedule ─▶ Feed ─▶ Link (window, batches, reconnect) ─▶ MQTT
//!                                 ▲────── acknowledged, latency ◀──┘
//! ```
//!
//! How it fails: a broken connection is opened again and what was not acknowledged is sent once
//! more; a server that stays away ends replay and load with an error, the city waits.

pub mod args;
pub mod city;
pub mod fleet;
pub mod latency;
pub mod link;
pub mod load;
pub mod nab;
pub mod pacer;
pub mod replay;
pub mod shipped;
pub mod target;
pub mod wire;
