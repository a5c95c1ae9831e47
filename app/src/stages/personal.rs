use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ioc_alerts::Register;
use ioc_history::personal::{Audit, Keyring, PersonalDb};
use ioc_model::Flush;
use tokio_util::sync::CancellationToken;

use super::{EntryJournal, blocking, wall};
use crate::settings::Settings;

/// Time between two attempts to make rows durable; until then they are in no list.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks for what is too old.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// Sealed personal data: its keys and its rows.
#[derive(Clone)]
pub(crate) struct Personal {
    pub keyring: Arc<Keyring>,
    pub db: Arc<PersonalDb>,
}

impl Personal {
    /// Opens the folder `personal` of the data folder. `None` when nothing is kept and nothing is
    /// left from when something was.
    pub(crate) fn open(
        settings: &Settings,
        register: &Arc<Register>,
    ) -> anyhow::Result<Option<Self>> {
        let folder = settings.file("personal");
        if settings.personal.is_off() && !folder.exists() {
            return Ok(None);
        }
        let keyring = Keyring::open(&folder.join("keys"), settings.personal.clone())?;
        let keyring = Arc::new(keyring);
        let register = Arc::clone(register);
        let audit: Audit = Arc::new(move |act| {
            let words = (act.note.as_deref(), Some(&*act.detail));
            Ok(register.note_act(act.action, &act.actor, words)?)
        });
        let db = PersonalDb::open(&folder.join("personal.sqlite"), Arc::clone(&keyring), audit)
            .context("cannot open the personal data")?;
        Ok(Some(Self { keyring, db: Arc::new(db) }))
    }
}

/// Reads sealed personal data out of the journal, and deletes by age. A disk that is full only
/// makes its cursor lag.
pub(crate) struct PersonalStage {
    pub db: Arc<PersonalDb>,
    pub journal: EntryJournal,
}

impl PersonalStage {
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut reader = self.journal.reader("personal", self.db.cursor());
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        expire.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut full = false;
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = expire.tick() => {
                    self.expire().await?;
                    continue;
                }
                _ = flush.tick() => {
                    full = !self.flush(Flush::Due).await?;
                    continue;
                }
                batch = reader.next(), if !full => batch?,
            };
            let Some(batch) = batch else { break };
            let db = Arc::clone(&self.db);
            let taken = blocking(move || Ok(db.append(batch.first, &batch.entries))).await?;
            if let Err(error) = taken {
                tracing::warn!(%error, "personal data is not durable yet, the journal keeps it");
                full = true;
            }
        }
        self.flush(Flush::All).await?;
        Ok(())
    }

    /// `false`: not possible now.
    async fn flush(&self, what: Flush) -> anyhow::Result<bool> {
        let db = Arc::clone(&self.db);
        match blocking(move || Ok(db.flush(what))).await? {
            Ok(cursor) => {
                self.journal.set_cursor("personal", cursor);
                Ok(true)
            }
            Err(error) => {
                tracing::warn!(%error, "personal data is not durable yet, the journal keeps it");
                Ok(false)
            }
        }
    }

    async fn expire(&self) -> anyhow::Result<()> {
        let db = Arc::clone(&self.db);
        match blocking(move || Ok(db.expire(wall()))).await? {
            Ok(told) if told.rows + told.days > 0 => {
                tracing::info!(rows = told.rows, days = told.days, "personal data deleted by age");
            }
            Ok(_) => {}
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::error!(error = format!("{error:#}"), "personal data not deleted by age");
            }
        }
        Ok(())
    }
}
