//! Open-loop load: messages are due at fixed times whatever the server does. When the window of a
//! connection is full its schedule slips, and latency still counts from the due time.

mod cpu;
mod feed;
mod ledger;
mod run;
#[cfg(test)]
mod tests;
mod watch;

pub use cpu::process_cpu;
pub use feed::{LoadFeed, LoadPlan};
pub use ledger::LedgerOut;
pub use run::load;
pub use watch::{WatchFeed, WatchOptions};
