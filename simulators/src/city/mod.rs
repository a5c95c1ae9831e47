//! A simulated city: the devices of the configuration with a plausible life of their own.
//!
//! The world ([`World`]) is a pure function of time; each device adds luck of its own generator,
//! seeded by the city's seed and its id, so that leaving devices out does not change the others.

mod device;
mod faults;
mod feed;
mod run;
mod senses;
#[cfg(test)]
mod tests;
mod world;

pub use feed::{CityFeed, CityOptions};
pub use run::city;
pub use world::World;
