//! Public warnings: alerts that are severe enough become messages of the Common Alerting Protocol
//! 1.2 (OASIS, July 2010; ITU-T X.1303 bis), and an Atom feed (RFC 4287) of them.
//!
//! What it does: keeps, for each receiver, what the public knows of each incident; every delivery
//! of the notifier is compared with it and becomes an `Alert` (the first), an `Update` (severity,
//! members or wards changed, or it would expire), a `Cancel` (over) or nothing.
//! What it does not do: it tells nothing that a device or a person wrote, only what the
//! configuration says (names of rules, devices and wards, units) and numbers.
//! Data flow: delivery → [`CapStore::publish`] → table `cap` → feed, REST, POST, MQTT.
//! How it fails: a message is stored in one transaction under the delivery's id before anything is
//! sent; the same delivery again finds it and makes no second one.

mod area;
mod atom;
mod channel;
mod document;
mod settings;
mod stage;
mod store;
mod warning;
mod xml;

pub use atom::{Feed, atom};
pub use channel::{CapChannel, CapParts};
pub use document::{Area, Document, Info, Kind, Reference, Shape, Status};
pub use settings::{CapSettings, CapSpec, ServiceSpec};
pub use store::{Batch, CapError, CapStore};
pub use warning::Author;
