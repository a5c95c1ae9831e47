//! The rule engine from the outside.

mod all_kinds;
mod crash;
mod errors;
mod flood_2025;
mod order;
mod semantics;
mod shipped;
mod world;
