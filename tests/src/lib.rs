//! What the end-to-end tests share: the real binaries, real servers, a strict fake of InfluxDB 2.
//!
//! Every process is started on free ports in a temporary folder and ended by its id.

pub mod answers;
pub mod certificates;
pub mod feeds;
pub mod http;
pub mod influx_fake;
pub mod process;
pub mod publisher;
pub mod webhook;

pub use certificates::certificates;
pub use http::Api;
pub use process::{Ioc, IocOptions, Mosquitto, now_ms, simulate, wait_until};
