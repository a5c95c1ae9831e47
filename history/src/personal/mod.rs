//! Personal data of detections (number plates, links to pictures): basic personal data in Decree
//! 356/2025/NĐ-CP, kept under Law 91/2025/QH15 for a stated purpose and no longer than needed.
//!
//! What it does: a [`Keyring`] seals at the door, before anything is written, what the settings
//! name as needed ([`PersonalConfig`]); a [`PersonalDb`] reads the sealed data out of the journal,
//! lists it masked, and opens one row for one person after the audit log has said so. By age it
//! deletes keys and rows.
//!
//! What it does not do: no measurement has personal data, so history, export and open data cannot
//! reach any. It keeps no picture, only the link, and knows nothing of what a camera writes into
//! other fields (an id or a zone that is a plate).
//!
//! Keys: one of 256 bits for each UTC day, for sealing; one for each month (each `keep_days`, if
//! that is shorter) for the pseudonym. Whoever has the second can try all plates against a
//! pseudonym, so it is deleted when its time is over, which is never later than the first day
//! key of that time: with the key of a day goes all that says which vehicle was seen on it, also
//! in the journal, in copies and in backups, as long as nobody copies the folder of keys.
//!
//! How it fails: what cannot be sealed is forgotten and counted, the detection itself goes on. A
//! view without a durable audit line does not happen.

mod config;
mod database;
mod envelope;
mod expiry;
mod keyfiles;
mod keyring;
mod mask;
#[cfg(test)]
mod tests;

pub use config::PersonalConfig;
pub use database::PersonalDb;
pub use expiry::Expired;
pub use keyfiles::KeyError;
pub use keyring::Keyring;

use std::sync::Arc;

use ioc_model::Actor;

/// An act for the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditAct {
    /// `personal_viewed` or `personal_expired`.
    pub action: &'static str,
    /// Who, and when.
    pub actor: Actor,
    /// The reason that a person gave.
    pub note: Option<String>,
    /// JSON text; holds neither plate nor link nor pseudonym.
    pub detail: String,
}

/// Writes an act into the audit log; it is durable when this returns.
pub type Audit =
    Arc<dyn Fn(&AuditAct) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The UTC day of a time, as keys are numbered.
fn day_of(time: ioc_model::Timestamp) -> u32 {
    u32::try_from(time.0.div_euclid(DAY_MS).max(0)).unwrap_or(u32::MAX)
}
