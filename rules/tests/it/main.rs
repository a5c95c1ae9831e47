//! The rule engine from the outside.

mod all_kinds;
mod backtest;
mod chatter;
mod crash;
mod errors;
mod everywhere;
mod flood_2025;
mod order;
mod semantics;
mod shipped;
mod world;
