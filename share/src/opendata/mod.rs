//! Open data: a DCAT catalogue, pages, and CSV, GeoJSON and NGSI-LD distributions of chosen
//! measurements (Nghị định 47/2020/NĐ-CP).
//!
//! What it does: shows for each dataset of `opendata.yaml` the measurements of one service's
//! devices. What it does not do: it never passes on text that a device sent. Devices are those of
//! `devices.csv`, with the names and places written there; events and positions of what
//! moves cannot be named in the file. So only numbers and times come from outside.
//!
//! Data flow: [`crate::Ask`] → dataset and range → store, up to the *horizon* (the last moment of
//! publishing) → [`crate::Answer`]. Between two moments of publishing a document does not change,
//! which is what its ETag and its age in caches say, and the latest values are read only once.
//!
//! How it fails: a wrong request is a 400 or 404 in both languages; a store that does not answer,
//! or too many readers at once, is a 503.

mod answer;
mod catalog;
mod config;
mod csv;
mod geojson;
mod limit;
mod load;
mod models;
mod ngsi;
mod page;
mod params;
mod read;
mod reply;
mod update;

#[cfg(test)]
mod tests;

pub use answer::OpenData;
pub use config::{Catalogue, Contact, Dataset, Licence, Limits, Publisher};
pub use limit::RateLimit;
pub use page::STYLE_HASH;
pub use update::Update;
