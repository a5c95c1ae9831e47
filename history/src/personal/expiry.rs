use ioc_model::{Actor, PersonalError, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::database::store;
use super::{AuditAct, PersonalDb};

/// What was deleted because of its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows.
    pub rows: u64,
    /// Keys of days.
    pub days: u64,
}

impl PersonalDb {
    /// Deletes keys and rows that are older than the settings say at `now`, tells the audit log
    /// how many, and makes the keys of the coming hour. To be called each minute; costs nothing
    /// when nothing is due.
    ///
    /// The keys go first: from then on nothing can be opened, wherever it is copied. What the
    /// audit log has not been told (a crash, a full disk) it is told by the next call. A crash
    /// just between two of the files makes it be told twice, or of too few keys.
    ///
    /// # Errors
    /// Trouble with the keys, the database or the audit log; the next call goes on from there.
    pub fn expire(&self, now: Timestamp) -> Result<Expired, PersonalError> {
        self.keyring.prepare(now).map_err(store)?;
        let days = self.keyring.delete_expired(now).map_err(store)?;
        let first_kept = self.keyring.first_kept(now);
        let mut writer = self.writer();
        let tx = writer.db.transaction().map_err(store)?;
        let rows = tx
            .prepare_cached("DELETE FROM detection WHERE key < ?1")
            .and_then(|mut s| s.execute([first_kept]))
            .map_err(store)? as u64;
        if rows + days > 0 {
            tx.execute(
                "INSERT INTO unreported VALUES (1, ?1, ?2)
                 ON CONFLICT (one) DO UPDATE SET rows = rows + ?1, days = days + ?2",
                params![rows.cast_signed(), days.cast_signed()],
            )
            .map_err(store)?;
            tx.commit().map_err(store)?;
            // Without this the deleted rows would stay in the write-ahead log for a while.
            writer
                .db
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .map_err(store)?;
        } else {
            drop(tx);
        }
        let unreported = writer
            .db
            .prepare_cached("SELECT rows, days FROM unreported")
            .and_then(|mut s| s.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(store)?;
        let Some((rows, days)) = unreported else { return Ok(Expired::default()) };
        let told = Expired { rows: i64::cast_unsigned(rows), days: i64::cast_unsigned(days) };
        (self.audit)(&AuditAct {
            action: "personal_expired",
            actor: Actor { user: "system".into(), origin: None, at: now },
            note: None,
            detail: serde_json::json!({ "rows": told.rows, "days": told.days }).to_string(),
        })
        .map_err(PersonalError::Store)?;
        writer.db.execute("DELETE FROM unreported", []).map_err(store)?;
        Ok(told)
    }
}
