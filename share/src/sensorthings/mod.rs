//! The OGC SensorThings API 1.1 (18-088), Sensing part, for reading.
//!
//! A thing is a device, a datastream a property of a device, an observation a point of the store
//! as it was measured (never a window). Nothing is kept here: ids lead back to device, property
//! and time (see `id`), so every answer is made from the catalogue of one moment and the store.
//! What it does not do: it creates, changes and deletes nothing, and has no MQTT.
//!
//! Data flow: path → what is named (`path`, `answer`) → options (`options`, `parse`) → page
//! (`list`, `read`, `eval`) → JSON (`render`, `entity`).
//!
//! How it fails: 400 with the option, the character and a hint; 404; 501 for options that the
//! standard does not have; 503 when the store does not answer. Work is bounded per request
//! (`work`): a page that would need more ends early with a link to the next; where not even its
//! first entity can be had the answer is a 400 that says what to ask instead.

mod answer;
mod catalogue;
mod entity;
mod eval;
mod expr;
mod fault;
mod functions;
mod geometry;
mod id;
mod kind;
mod limits;
mod list;
mod options;
mod parse;
mod path;
mod read;
mod render;
mod units;
mod value;
mod when;
mod work;

pub use answer::answer;
