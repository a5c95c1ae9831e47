//! The rule engine from the outside.

mod backtest;
mod crash;
mod errors;
mod flood_2025;
mod semantics;
mod shipped;
mod world;
