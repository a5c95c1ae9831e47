//! Personal data of a detection: number plates and links to pictures (basic personal data in
//! Decree 356/2025/NĐ-CP). They are sealed before anything is written: the journal, history,
//! logs and screens only ever hold what is in [`Sealed`].

use std::fmt;

use serde::Serialize;

use crate::{Actor, Name, Scope, Timestamp};

/// Personal data in clear, as a device sent it. Never written, logged or shown.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Private<'a> {
    /// Number plate.
    pub plate: Option<&'a str>,
    /// Link to a picture.
    pub snapshot: Option<&'a str>,
}

impl Private<'_> {
    /// There is nothing to seal.
    pub fn is_empty(&self) -> bool {
        self.plate.is_none() && self.snapshot.is_none()
    }
}

/// Says what is there, never what it is.
impl fmt::Debug for Private<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hidden(f, "Private", self.plate.is_some(), self.snapshot.is_some())
    }
}

fn hidden(f: &mut fmt::Formatter<'_>, name: &str, plate: bool, snapshot: bool) -> fmt::Result {
    let word = |there| if there { "***" } else { "-" };
    write!(f, "{name} {{ plate: {}, snapshot: {} }}", word(plate), word(snapshot))
}

/// Personal data encrypted with the key of a day. Deleting the key deletes the data everywhere:
/// in the journal, in copies, in backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Number of the key: days since 1970-01-01 (UTC) of the time it was sealed.
    pub key: u32,
    /// The plate as it may be shown, such as `51F-***.12`; empty without a plate.
    pub mask: Name,
    /// Keyed hash of the normalised plate, for matching: the same for one plate while one key
    /// lasts, which is a month at most. 0 without a plate.
    pub pseudonym: u64,
    /// What is in it, nonce, and authenticated ciphertext.
    pub bytes: Box<[u8]>,
}

/// Seals personal data at the door.
pub trait Seal: Send + Sync {
    /// `None`: data of this service and kind of event is not kept, or cannot be sealed now; what
    /// was given is forgotten.
    fn seal(
        &self,
        service: &str,
        kind: &str,
        now: Timestamp,
        private: &Private<'_>,
    ) -> Option<Sealed>;
}

/// One detection with personal data, as everyone who may see the list sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonalRow {
    /// Number of the row.
    pub id: u64,
    /// Device id.
    pub device: Name,
    /// Area id.
    pub area: Name,
    /// Service code.
    pub service: Name,
    /// Kind of event.
    pub kind: Name,
    /// When it was seen.
    pub time: Timestamp,
    /// The plate, masked; empty without one.
    pub mask: Name,
    /// The same for one plate within a month, as hexadecimal text; empty without a plate.
    pub pseudonym: String,
    /// There is a link to a picture.
    pub has_snapshot: bool,
    /// When it will be deleted at the latest.
    pub expires: Timestamp,
}

/// Which detections with personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalFilter {
    /// Only those that who asks may see.
    pub scope: Scope,
    /// Only of this device.
    pub device: Option<Name>,
    /// Only of this plate, by its pseudonym.
    pub pseudonym: Option<u64>,
    /// Seen at or after.
    pub from: Option<Timestamp>,
    /// Seen before.
    pub to: Option<Timestamp>,
    /// Only rows before this one (they come newest first).
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl PersonalFilter {
    /// All of a scope, with a limit of 0 rows to be set.
    pub fn of(scope: Scope) -> Self {
        Self { scope, device: None, pseudonym: None, from: None, to: None, before: None, limit: 0 }
    }
}

/// What was sealed, opened for one person.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Revealed {
    /// Number plate.
    pub plate: Option<String>,
    /// Link to a picture.
    pub snapshot: Option<String>,
}

/// Says what is there, never what it is.
impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hidden(f, "Revealed", self.plate.is_some(), self.snapshot.is_some())
    }
}

/// Why personal data cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PersonalError {
    /// No such row, or deleted by age.
    #[error("not there, or deleted because of its age")]
    NotThere,
    /// The store's own trouble; also when the audit line could not be written: then nothing is
    /// shown.
    #[error("personal data: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where sealed personal data is found again. All calls block on the disk.
pub trait PersonalStore: Send + Sync {
    /// Rows, newest first.
    ///
    /// # Errors
    /// Trouble with the database.
    fn list(&self, filter: &PersonalFilter) -> Result<Vec<PersonalRow>, PersonalError>;

    /// Opens one row for a person; one outside of the scope does not exist. The view is in the audit log, with the reason, before the
    /// data is returned.
    ///
    /// # Errors
    /// [`PersonalError`]; without an audit line nothing is returned.
    fn reveal(
        &self,
        id: u64,
        scope: &Scope,
        reason: &str,
        actor: &Actor,
    ) -> Result<Revealed, PersonalError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_says_what_is_there_and_not_what_it_is() {
        let private = Private { plate: Some("51F-123.45"), snapshot: None };
        assert_eq!(format!("{private:?}"), "Private { plate: ***, snapshot: - }");
        let revealed = Revealed { plate: None, snapshot: Some("http://x/1.jpg".into()) };
        assert_eq!(format!("{revealed:?}"), "Revealed { plate: -, snapshot: *** }");
    }
}
