use std::path::Path;

use ioc_model::{AlertId, AlertRow, AuditRow, RegisterError};
use rusqlite::Connection;

use crate::query;
use crate::schema::{self, Age};

/// Fewer digits of an id name too many alerts.
const MIN_PREFIX: usize = 4;

/// The register's file for reading only, while its owner may be writing to it.
pub struct Archive {
    db: Connection,
    age: Age,
}

/// What a piece of an id names.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The one alert.
    One(Box<AlertRow>),
    /// Several alerts begin like this; at most 10 of them.
    Several(Vec<AlertRow>),
    /// No alert begins like this, or it is no id.
    None,
}

impl Archive {
    /// Opens the register at `path`; one of an earlier version is read as it is.
    ///
    /// # Errors
    /// When there is no such file or it is not a register.
    pub fn open(path: &Path) -> Result<Self, RegisterError> {
        let (db, age) = schema::open_for_reading(path)?;
        Ok(Self { db, age })
    }

    /// The alert with this id, or whose id begins so (at least 4 hex digits).
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn find(&self, id: &str) -> Result<Found, RegisterError> {
        let id = id.to_ascii_lowercase();
        if id.len() < MIN_PREFIX || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Found::None);
        }
        let rows = query::begins_with(&self.db, &id, 10)?;
        let mut rows: Vec<_> = rows.into_iter().map(|row| self.age.row(row)).collect();
        Ok(match (rows.pop(), rows.is_empty()) {
            (None, _) => Found::None,
            (Some(one), true) => Found::One(Box::new(one)),
            (Some(last), false) => {
                rows.push(last);
                Found::Several(rows)
            }
        })
    }

    /// Everything that happened to one alert, oldest first.
    ///
    /// # Errors
    /// The store's own trouble.
    pub fn audit(&self, id: &AlertId) -> Result<Vec<AuditRow>, RegisterError> {
        query::audit(&self.db, id)
    }
}
