//! Shifts: who is on duty, what they wrote down, what they hand over.
//!
//! What it does: keeps shifts and their log in the register's file, each change in one transaction
//! with its line of the audit log, and makes the handover report as data, as a page to print and
//! as CSV.
//! What it does not do: it signs nobody in and checks no role; it reads no clock.
//! Data flow: `dashboard → Shifts → SQLite`; `kpi` reads how many positions were on duty.
//! How it fails: a storage error is returned and nothing of that call is kept.
//!
//! The tables stand in `alerts.sqlite`, not in a file of their own: a change and its audit line
//! must be one transaction, and the audit log has one chain. A second writer does not hurt: it
//! writes a few rows per hour, and the end of the chain is read from the file in the transaction.

mod csv;
mod handover;
mod html;
mod store;
#[cfg(test)]
mod tests;
mod words;

pub use csv::csv;
pub use html::{STYLE_HASH, html};
pub use store::Shifts;
