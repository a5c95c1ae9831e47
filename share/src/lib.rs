//! Measurements for others: export files, open data, and a SensorThings read interface.
//!
//! What it does: turns what the store of measurements and the city's configuration hold into the
//! documents that other programs read. What it does not do: it stores nothing, knows no sockets
//! and no sessions: whoever serves it says what may be seen ([`Scope`]) and gives the request
//! taken apart ([`Ask`]). Personal data never gets here: no type of this crate can hold any.
//!
//! Data flow: [`Ask`] + [`Scope`] + [`Sources`] → [`Answer`], whose body may be a stream.
//!
//! How it fails: a wrong request is an [`Answer`] of status 4xx with words in it; a store that
//! does not answer is a 503, or a stream that ends with an error.

mod http;
mod scope;
mod sources;

pub mod export;
pub mod opendata;
pub mod sensorthings;

#[cfg(test)]
pub(crate) mod testing;

pub use http::{Answer, Ask, Body, BodyStream};
pub use scope::Scope;
pub use sources::{DeviceView, Sources};
