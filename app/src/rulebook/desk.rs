//! The one place where rules change: by REST, and by the folder.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ioc_model::{
    ConfigError, FolderTrouble, RuleChange, RuleEdit, RuleOutcome, RuleRefusal, RuleTrial,
};
use ioc_rules::RuleInfo;
use tokio::sync::{mpsc, oneshot};

use super::edit::{self, Edited};
use super::files::{Accepted, Folder, Loader, RuleFiles, changes};
use super::trial::{Bench, Jobs, Limits, Progress};
use super::versions::{NewVersion, VersionStore};
use super::view::RulesView;
use crate::stages::{Request, blocking, wall};

/// Longest wait for a change that is under way, and for an answer of the rules stage.
const PATIENCE: Duration = Duration::from_secs(30);
/// These are words of the interface.
const RESERVED: [&str; 3] = ["check", "versions", "backtest"];
const MODES: [&str; 3] = ["on", "shadow", "off"];

/// The set that was accepted last.
pub(super) struct Current {
    pub number: u64,
    pub files: RuleFiles,
    pub accepted: Accepted,
}

/// How a set is tried before it is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrialSettings {
    /// The last so many hours; 0: no trial.
    pub hours: u64,
    pub limits: Limits,
}

/// What the desk is made of.
pub(crate) struct DeskParts {
    pub loader: Arc<Loader>,
    /// `None`: the configuration inside the binary.
    pub folder: Option<PathBuf>,
    pub store: Arc<VersionStore>,
    pub view: Arc<RulesView>,
    pub stage: mpsc::Sender<Request>,
    pub bench: Bench,
    pub trial: TrialSettings,
}

/// Checks, tries, writes and hands over rules.
pub(crate) struct Desk {
    pub(super) parts: DeskParts,
    pub(super) folder: Option<Folder>,
    pub(super) current: tokio::sync::Mutex<Current>,
    trouble: Mutex<Option<FolderTrouble>>,
    pub(super) jobs: Mutex<Jobs>,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// A set that may be adopted.
pub(super) struct Proposal {
    pub files: RuleFiles,
    pub accepted: Accepted,
    pub outcome: RuleOutcome,
}

impl Desk {
    pub(crate) fn new(
        parts: DeskParts,
        (number, files, accepted): (u64, RuleFiles, Accepted),
        trouble: Option<Vec<ConfigError>>,
    ) -> Self {
        let desk = Self {
            folder: parts.folder.clone().map(Folder),
            parts,
            current: tokio::sync::Mutex::new(Current { number, files, accepted }),
            trouble: Mutex::default(),
            jobs: Mutex::default(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        desk.set_trouble(trouble);
        desk
    }

    /// For `GET /api/v1/status`.
    pub(crate) fn status(&self) -> serde_json::Value {
        let running = self.parts.view.running();
        serde_json::json!({
            "version": running.version,
            "position": running.position,
            "rules": running.infos.len(),
            "read_only": self.read_only(),
            "trouble": self.trouble(),
            "swaps": running.swaps,
            "last_swap_us": running.swap_us,
            "engine": running.stats,
        })
    }

    /// The rules stage's own figures.
    pub(crate) fn view(&self) -> &RulesView {
        &self.parts.view
    }

    /// What the folder holds and the centre does not run.
    pub(crate) fn trouble(&self) -> Option<FolderTrouble> {
        lock(&self.trouble).clone()
    }

    /// Says every mistake once, where people look for it.
    fn set_trouble(&self, mistakes: Option<Vec<ConfigError>>) {
        let mut held = lock(&self.trouble);
        if held.as_ref().map(|t| &t.mistakes) == mistakes.as_ref() {
            return;
        }
        for mistake in mistakes.iter().flatten() {
            tracing::warn!(%mistake, "rules in the folder are wrong, the set before them runs on");
        }
        self.refused.fetch_add(u64::from(mistakes.is_some()), Relaxed);
        *held = mistakes.map(|mistakes| FolderTrouble { at: wall(), mistakes });
    }

    /// Why nothing can be changed here.
    pub(super) fn read_only(&self) -> Option<String> {
        let Some(folder) = &self.folder else {
            return Some("the rules are those inside the binary: start with --config DIR".into());
        };
        let rules = folder.0.join("rules");
        let meta = std::fs::metadata(&rules);
        let fixed = meta.is_ok_and(|m| m.permissions().readonly());
        fixed.then(|| format!("{} cannot be written", rules.display()))
    }

    /// Looks at the folder, and takes what has changed there.
    pub(crate) async fn look_at_folder(&self) -> anyhow::Result<()> {
        let mut current = self.current.lock().await;
        self.take_folder(&mut current).await
    }

    /// Afterwards the folder and `current` agree, or there is trouble.
    async fn take_folder(&self, current: &mut Current) -> anyhow::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let root = folder.0.clone();
        let files = match blocking(move || Ok(Folder(root).read()?)).await {
            Ok(files) => files,
            Err(e) => {
                let mistake = ConfigError::new("rules", 0, 0, format!("cannot be read: {e:#}"));
                self.set_trouble(Some(vec![mistake]));
                return Ok(());
            }
        };
        if files == current.files {
            self.set_trouble(None);
            return Ok(());
        }
        match self.propose(current, files).await {
            Ok(proposal) => {
                let changed = proposal.outcome.change.clone();
                let made = self.adopt(current, proposal, (super::FOLDER.into(), None)).await;
                let outcome = made.map_err(anyhow::Error::new)?;
                tracing::info!(
                    version = outcome.version,
                    position = outcome.position,
                    added = changed.added.len(),
                    edited = changed.edited.len(),
                    removed = changed.removed.len(),
                    "rules of the folder taken"
                );
                self.set_trouble(None);
            }
            Err(RuleRefusal::Mistakes(mistakes)) => self.set_trouble(Some(mistakes)),
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// Checks an edit, and makes it when `make`.
    pub(super) async fn edit(
        &self,
        change: RuleChange,
        make: bool,
    ) -> Result<RuleOutcome, RuleRefusal> {
        let waited = tokio::time::timeout(PATIENCE, self.current.lock()).await;
        let busy = |_| RuleRefusal::Busy("another change is under way".into());
        let mut current = waited.map_err(busy)?;
        if make {
            if let Some(why) = self.read_only() {
                return Err(RuleRefusal::ReadOnly(why));
            }
            self.take_folder(&mut current).await.map_err(store_error)?;
            if let Some(trouble) = self.trouble() {
                return Err(RuleRefusal::FolderDiffers(trouble.mistakes));
            }
        }
        if change.expected.is_some_and(|expected| expected != current.number) {
            return Err(RuleRefusal::Outdated { running: current.number });
        }
        let edited = self.edited(&current, &change.edit).await?;
        let proposal = match self.propose(&current, edited.files).await {
            Ok(proposal) => proposal,
            Err(e) => {
                self.refused.fetch_add(u64::from(make), Relaxed);
                return Err(e);
            }
        };
        fits(&change.edit, &current.accepted.set.infos(), &proposal)?;
        if !make || proposal.files == current.files {
            return Ok(proposal.outcome);
        }
        self.write(&current.files, &proposal.files).await?;
        let before = current.files.clone();
        let after = proposal.files.clone();
        let made = self.adopt(&mut current, proposal, (change.author, change.note)).await;
        if made.is_err() {
            // The folder must not say what does not run.
            self.write(&after, &before).await?;
        }
        made
    }

    /// The files after an edit.
    pub(super) async fn edited(
        &self,
        current: &Current,
        edit: &RuleEdit,
    ) -> Result<Edited, RuleRefusal> {
        let infos = current.accepted.set.infos();
        let files = &current.files;
        let find = |id: &str| {
            let found = infos.iter().find(|i| &*i.id == id);
            found.ok_or_else(|| RuleRefusal::NotFound(format!("no rule `{id}`")))
        };
        let made = match edit {
            RuleEdit::Put { id, .. } if RESERVED.contains(&id.as_str()) => {
                Err(format!("`{id}` cannot be the id of a rule"))
            }
            RuleEdit::Put { id, text } => edit::put(files, &infos, id, text),
            RuleEdit::Mode { mode, .. } if !MODES.contains(&mode.as_str()) => {
                Err("mode is `on`, `shadow` or `off`".into())
            }
            RuleEdit::Mode { id, mode } if find(id)?.mode == mode => {
                Ok(Edited { files: files.clone(), file: String::new(), line: 0 })
            }
            RuleEdit::Mode { id, mode } => edit::mode(files, find(id)?, mode),
            RuleEdit::Delete { id } => {
                let rule = find(id)?;
                let last = infos.iter().filter(|i| i.file == rule.file).count() == 1;
                edit::delete(files, rule, last)
            }
            RuleEdit::Rollback { version } => {
                let (store, number) = (Arc::clone(&self.parts.store), *version);
                let held = blocking(move || store.files(number)).await.map_err(store_error)?;
                let held = held
                    .ok_or_else(|| RuleRefusal::NotFound(format!("no version {number} is kept")))?;
                Ok(Edited { files: held, file: String::new(), line: 0 })
            }
        };
        made.map_err(RuleRefusal::Bad)
    }

    /// Loads, tests and tries a set.
    pub(super) async fn propose(
        &self,
        current: &Current,
        files: RuleFiles,
    ) -> Result<Proposal, RuleRefusal> {
        let (loader, held) = (Arc::clone(&self.parts.loader), files.clone());
        let accepted = tokio::task::spawn_blocking(move || loader.accept(&held)).await;
        let accepted = accepted.map_err(store_error)?.map_err(RuleRefusal::Mistakes)?;
        let trial = match files == current.files {
            true => None,
            false => self.try_out(current, &accepted).await,
        };
        let outcome = RuleOutcome {
            version: current.number,
            position: None,
            change: changes(&current.accepted.set.infos(), &accepted.set.infos()),
            rules: accepted.set.len(),
            tests: accepted.tests,
            notes: accepted.set.notes().to_vec(),
            trial,
        };
        Ok(Proposal { files, accepted, outcome })
    }

    /// A trial that fails is none; it decides nothing.
    async fn try_out(&self, current: &Current, accepted: &Accepted) -> Option<RuleTrial> {
        let TrialSettings { hours, limits } = self.parts.trial;
        if hours == 0 {
            return None;
        }
        let now = self.parts.view.running().now.unwrap_or_else(wall);
        let from = now.plus_ms(-i64::try_from(hours.saturating_mul(3_600_000)).unwrap_or(i64::MAX));
        let sets = [current.accepted.set.clone(), accepted.set.clone()];
        let bench = self.parts.bench.clone();
        let run = move || bench.compare(sets, (Some(from), None), limits, &Progress::default());
        match blocking(run).await {
            Ok(trial) => Some(trial),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "rules could not be tried");
                None
            }
        }
    }

    async fn write(&self, before: &RuleFiles, after: &RuleFiles) -> Result<(), RuleRefusal> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let (root, before, after) = (folder.0.clone(), before.clone(), after.clone());
        let written = tokio::task::spawn_blocking(move || Folder(root).write(&before, &after));
        let written = written.await.map_err(store_error)?;
        written.map_err(|e| RuleRefusal::ReadOnly(format!("cannot write the rule files: {e}")))
    }

    /// Hands a set to the rules stage, which makes it durable and then uses it.
    async fn adopt(
        &self,
        current: &mut Current,
        proposal: Proposal,
        (author, note): (String, Option<String>),
    ) -> Result<RuleOutcome, RuleRefusal> {
        let Proposal { files, accepted, mut outcome } = proposal;
        let new = NewVersion {
            parent: Some(current.number),
            at: wall(),
            author,
            note,
            change: outcome.change.clone(),
            trial: outcome.trial.clone(),
            files: files.clone(),
        };
        let set = accepted.set.clone();
        let ask = |reply| Request::Adopt { new: Box::new(new), set, reply };
        let (number, position) = self.ask_stage(ask).await?.map_err(store_error)?;
        (outcome.version, outcome.position) = (number, Some(position));
        *current = Current { number, files, accepted };
        self.accepted.fetch_add(1, Relaxed);
        Ok(outcome)
    }

    /// Asks the rules stage something.
    pub(super) async fn ask_stage<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, RuleRefusal> {
        let (reply, answer) = oneshot::channel();
        let stopping = || RuleRefusal::Busy("the rules are stopping".into());
        self.parts.stage.send(request(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

/// An edit of one rule changes this rule and no other.
fn fits(edit: &RuleEdit, before: &[RuleInfo], proposal: &Proposal) -> Result<(), RuleRefusal> {
    let infos = proposal.accepted.set.infos();
    let change = &proposal.outcome.change;
    let only = |id: &str| {
        let mut touched = change.added.iter().chain(&change.edited).chain(&change.removed);
        touched.all(|other| &**other == id)
    };
    let found = |id: &str| infos.iter().find(|i| &*i.id == id);
    let good = match edit {
        RuleEdit::Put { id, .. } => only(id) && found(id).is_some(),
        RuleEdit::Mode { id, mode } => only(id) && found(id).is_some_and(|i| i.mode == mode),
        RuleEdit::Delete { id } => only(id) && infos.len() + 1 == before.len(),
        RuleEdit::Rollback { .. } => true,
    };
    let message = "the text must be one rule with the id of the request";
    if good { Ok(()) } else { Err(RuleRefusal::Bad(message.into())) }
}

pub(super) fn store_error(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RuleRefusal {
    RuleRefusal::Store(e.into())
}

pub(super) fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
