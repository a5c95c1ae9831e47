//! What belongs together, what is held back, and when it is too much.
//!
//! Incidents ([`Touched`]), holds ([`hold`]: maintenance windows, out of service, outage of the
//! parent device) and the alarm flood ([`Flood`]). It writes its own tables alone; rows of alerts
//! are changed in memory and handed back to the register, which writes them with their audit
//! lines. No clock: event times come with the rows, wall time is handed in.
//!
//! What the register does at a raise, in one transaction:
//! 1. [`hold::on_raise`]: what holds the row back (also when it opens again),
//! 2. if it is listed: [`Flood::raise`],
//! 3. [`Touched::join`]: its incident,
//! 4. write the row, [`Touched::row`]`(None, row)`,
//! 5. [`hold::follow`]`(None, row)`: what an outage does to the devices below; write those rows,
//!    each with an audit line, `Touched::row` and `hold::follow`.
//!
//! At any other change: write the row, `Touched::row(before, after)`, `hold::follow`. At the end
//! [`Touched::finish`] writes the incidents. With the timers: [`hold::due`], again while it says
//! that there is more. All in memory ([`Touched`], a clone of [`Flood`]) is dropped with a
//! transaction that fails.

mod cover;
mod flood;
pub(crate) mod hold;
mod incident;
mod list;
mod member;
mod schema;
mod sweep;
#[cfg(test)]
mod tests;
mod touched;
mod tree;

pub use flood::{Flood, FloodChange, FloodState};
pub(crate) use incident::Grouping;
pub(crate) use list::{get, list};
pub(crate) use schema::SCHEMA;
pub(crate) use touched::Touched;
pub use tree::DeviceTree;
