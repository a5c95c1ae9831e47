//! One transaction of the register.

use ioc_model::{AlertChanges, AlertRow, City, IncidentId, RegisterError, Timestamp};
use rusqlite::Transaction;

use crate::audit::{self, AuditLine};
use crate::policy::Policy;
use crate::schema::{self, store};

/// What one transaction has changed so far. Every change of an alert goes through
/// [`Batch::write`]; what was written is told to the listener after the commit.
pub(crate) struct Batch<'a> {
    pub tx: Transaction<'a>,
    pub city: &'a City,
    pub policy: &'a Policy,
    /// Number of the newest change.
    change: u64,
    changes: AlertChanges,
}

impl<'a> Batch<'a> {
    pub(super) fn begin(
        tx: Transaction<'a>,
        city: &'a City,
        policy: &'a Policy,
    ) -> Result<Self, RegisterError> {
        let change = schema::newest_change(&tx)?;
        Ok(Self { tx, city, policy, change, changes: AlertChanges::default() })
    }

    /// The row as this transaction sees it.
    pub fn read(&self, id: &str) -> Result<Option<AlertRow>, RegisterError> {
        schema::read_row(&self.tx, id)
    }

    /// Writes `row` as the next change and gives it its numbers and its state. `before` is the row
    /// as it stands in the table; `None`: it is new.
    pub fn write(
        &mut self,
        before: Option<&AlertRow>,
        row: &mut AlertRow,
    ) -> Result<(), RegisterError> {
        self.change += 1;
        row.change = self.change;
        row.ver += 1;
        row.settle();
        let due = self.policy.next_timer(row).map(|(at, _)| at);
        schema::write_row(&self.tx, before, row, due)?;
        self.changes.alerts.push(row.clone());
        Ok(())
    }

    /// Writes a line of the audit log; returns its number.
    pub fn audit(&mut self, line: &AuditLine<'_>) -> Result<u64, RegisterError> {
        audit::append(&self.tx, line)
    }

    /// Finds the incident of a new row.
    pub fn join(&mut self, _row: &mut AlertRow) -> Result<(), RegisterError> {
        Ok(())
    }

    /// Adds to a row what holds it back at `now`.
    pub fn hold_back(&mut self, _row: &mut AlertRow, _now: Timestamp) -> Result<(), RegisterError> {
        Ok(())
    }

    /// Refuses an incident that does not exist.
    pub fn must_be_incident(&self, id: &IncidentId) -> Result<(), RegisterError> {
        Err(RegisterError::NoIncident(id.clone()))
    }

    /// Puts a row into another incident.
    pub fn merge(&mut self, row: &mut AlertRow, into: &IncidentId) -> Result<(), RegisterError> {
        row.incident = Some(into.clone());
        Ok(())
    }

    /// Puts a row into an incident of its own, or into `own` that an earlier row of the same split
    /// got.
    pub fn split(
        &mut self,
        row: &mut AlertRow,
        own: Option<&IncidentId>,
    ) -> Result<IncidentId, RegisterError> {
        let own = own.cloned().unwrap_or_else(|| IncidentId(format!("{}-1", row.id)));
        row.incident = Some(own.clone());
        Ok(own)
    }

    pub(super) fn commit(self) -> Result<AlertChanges, RegisterError> {
        schema::set_newest_change(&self.tx, self.change)?;
        self.tx.commit().map_err(store)?;
        Ok(self.changes)
    }
}
