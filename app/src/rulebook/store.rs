//! The rules as the dashboard reaches them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use ioc_model::{
    BacktestAsk, Entity, RuleChange, RuleEntity, RuleList, RuleOutcome, RuleRefusal, RuleRow,
    RuleStore, RuleText, RuleTouched, RuleVersion, RuleVersionText, Transition,
};
use ioc_rules::RuleInfo;
use serde_json::{Value, json};
use similar::TextDiff;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::desk::{Desk, lock, store_error};
use super::files::RuleFiles;
use super::trial::{Job, Progress};
use super::view::Running;
use crate::backtest::{self, BacktestError};
use crate::stages::{Request, blocking, wall};

/// Longest wait for a question to the rules stage.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Episodes a backtest lists for each set; further ones are counted.
const EPISODES: usize = 1_000;
/// A backtest that does not say from when begins so much earlier than it ends.
const DAY_MS: i64 = 86_400_000;
/// Finished backtests kept.
const JOBS_KEPT: usize = 16;

/// The desk behind the dashboard's trait.
pub(crate) struct Book {
    desk: Arc<Desk>,
    /// Edits under way.
    edits: TaskTracker,
}

impl Book {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, edits: TaskTracker::new() }
    }

    /// Versions are read from disk.
    async fn disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Desk) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, RuleRefusal> {
        let desk = Arc::clone(&self.desk);
        blocking(move || read(&desk)).await.map_err(store_error)
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, RuleRefusal> {
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.desk.ask_stage(request)).await;
        answer.map_err(|_| RuleRefusal::Busy("the rules do not answer in time".into()))?
    }

    async fn touched(&self) -> Result<BTreeMap<String, RuleTouched>, RuleRefusal> {
        self.disk(|desk| desk.parts.store.touched()).await
    }

    /// Changes are made to their end also when the client goes away.
    async fn edit(&self, change: RuleChange, make: bool) -> Result<RuleOutcome, RuleRefusal> {
        let desk = Arc::clone(&self.desk);
        let made = self.edits.spawn(async move { desk.edit(change, make).await });
        made.await.map_err(store_error)?
    }
}

fn row(info: &RuleInfo, running: &Running, touched: &BTreeMap<String, RuleTouched>) -> RuleRow {
    RuleRow {
        id: info.id.clone(),
        kind: info.kind.into(),
        per: info.per.into(),
        mode: info.mode.into(),
        service: info.service.clone(),
        name: info.name.clone(),
        file: info.file.clone(),
        line: info.line,
        source: info.source.clone(),
        cost: running.loads.get(&info.id).cloned().unwrap_or_default(),
        changed: touched.get(&*info.id).cloned(),
    }
}

fn no_rule(id: &str) -> RuleRefusal {
    RuleRefusal::NotFound(format!("no rule `{id}`"))
}

#[async_trait]
impl RuleStore for Book {
    async fn list(&self) -> Result<RuleList, RuleRefusal> {
        let touched = self.touched().await?;
        let running = self.desk.parts.view.running();
        Ok(RuleList {
            version: running.version,
            read_only: self.desk.read_only(),
            trouble: self.desk.trouble(),
            rules: running.infos.iter().map(|i| row(i, &running, &touched)).collect(),
        })
    }

    async fn get(&self, id: &str) -> Result<RuleText, RuleRefusal> {
        let touched = self.touched().await?;
        let running = self.desk.parts.view.running();
        let info = running.infos.iter().find(|i| &*i.id == id).ok_or_else(|| no_rule(id))?;
        Ok(RuleText {
            row: row(info, &running, &touched),
            canonical: running.set.print(id).unwrap_or_default(),
            running: running.version,
        })
    }

    async fn check(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal> {
        self.edit(change, false).await
    }

    async fn change(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal> {
        self.edit(change, true).await
    }

    async fn versions(&self, limit: usize) -> Result<Vec<RuleVersion>, RuleRefusal> {
        self.disk(move |desk| desk.parts.store.list(limit)).await
    }

    async fn version(&self, number: u64) -> Result<RuleVersionText, RuleRefusal> {
        let read = move |desk: &Desk| {
            let store = &desk.parts.store;
            let Some(version) = store.get(number)? else { return Ok(None) };
            let files = store.files(number)?.unwrap_or_default();
            let before = match version.parent {
                Some(parent) => store.files(parent)?.unwrap_or_default(),
                None => RuleFiles::new(),
            };
            let diff = diff(&before, &files);
            Ok(Some(RuleVersionText { version, files, diff }))
        };
        let found = self.disk(read).await?;
        found.ok_or_else(|| RuleRefusal::NotFound(format!("no version {number} is kept")))
    }

    async fn explain(&self, id: &str, entity: &Entity) -> Result<Value, RuleRefusal> {
        let (rule, entity) = (id.to_owned(), entity.clone());
        let answer = self.ask(|reply| Request::Explain { rule, entity, reply }).await?;
        answer.map_err(|e| RuleRefusal::NotFound(e.to_string()))
    }

    async fn entities(
        &self,
        id: &str,
        limit: usize,
    ) -> Result<(Vec<RuleEntity>, usize), RuleRefusal> {
        let rule = id.to_owned();
        let answer = self.ask(|reply| Request::Entities { rule, limit, reply }).await?;
        answer.map_err(|e| RuleRefusal::NotFound(e.to_string()))
    }

    async fn shadow(&self, id: &str) -> Result<Vec<Transition>, RuleRefusal> {
        let view = &self.desk.parts.view;
        if !view.running().infos.iter().any(|i| &*i.id == id) {
            return Err(no_rule(id));
        }
        Ok(view.shadow_of(id))
    }

    async fn backtest(&self, ask: BacktestAsk) -> Result<u64, RuleRefusal> {
        let desk = &self.desk;
        let current = desk.current.lock().await;
        let present = current.accepted.set.clone();
        let proposed = match &ask.edit {
            None => None,
            Some(edit) => {
                let files = desk.edited(&current, edit).await?.files;
                let loader = Arc::clone(&desk.parts.loader);
                let loaded = tokio::task::spawn_blocking(move || loader.load(&files)).await;
                Some(loaded.map_err(store_error)?.map_err(RuleRefusal::Mistakes)?)
            }
        };
        drop(current);
        let progress = Arc::<Progress>::default();
        let mut jobs = lock(&desk.jobs);
        if jobs.jobs.values().any(|job| job.result.is_none()) {
            return Err(RuleRefusal::Busy("a backtest is running".into()));
        }
        jobs.last += 1;
        let number = jobs.last;
        jobs.jobs.insert(number, Job { progress: Arc::clone(&progress), result: None });
        while jobs.jobs.len() > JOBS_KEPT {
            jobs.jobs.pop_first();
        }
        drop(jobs);
        let to = ask.to.or(desk.parts.view.running().now).unwrap_or_else(wall);
        let (rules, against) = match proposed {
            None => (present, None),
            Some(proposed) => (proposed, Some(present)),
        };
        let anywhere = ask.from.is_none();
        let mut work = backtest::Job {
            journal: desk.parts.journal_dir.clone(),
            rules,
            against,
            engine: desk.parts.bench.config.clone(),
            from: ask.from.unwrap_or_else(|| to.plus_ms(-DAY_MS)),
            to,
            warm_up_ms: None,
            max_episodes: EPISODES,
        };
        let desk = Arc::clone(desk);
        tokio::task::spawn_blocking(move || {
            let tell = |p: backtest::Progress| {
                progress.done.store(p.done, Relaxed);
                progress.total.store(p.of, Relaxed);
                !desk.parts.stage.is_closed()
            };
            let mut found = backtest::run(&work, tell);
            if let (Err(BacktestError::Retained { first, .. }), true) = (&found, anywhere) {
                work.from = *first; // A journal that is younger than a day.
                found = backtest::run(&work, tell);
            }
            let found = found.map_err(|e| e.to_string());
            let told = found.and_then(|o| serde_json::to_value(o).map_err(|e| e.to_string()));
            if let Some(job) = lock(&desk.jobs).jobs.get_mut(&number) {
                job.result = Some(told);
            }
        });
        Ok(number)
    }

    async fn backtest_state(&self, job: u64) -> Result<Value, RuleRefusal> {
        let jobs = lock(&self.desk.jobs);
        let Some(found) = jobs.jobs.get(&job) else {
            return Err(RuleRefusal::NotFound(format!("no backtest {job}")));
        };
        let (done, total) = (&found.progress.done, &found.progress.total);
        let mut state = json!({
            "job": job,
            "state": "running",
            "entries": done.load(Relaxed),
            "of": total.load(Relaxed),
        });
        match &found.result {
            None => {}
            Some(Ok(found)) => {
                state["state"] = json!("done");
                state["result"] = found.clone();
            }
            Some(Err(why)) => {
                state["state"] = json!("failed");
                state["message"] = json!(why);
            }
        }
        Ok(state)
    }
}

/// One unified diff of all files.
fn diff(before: &RuleFiles, after: &RuleFiles) -> String {
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut out = String::new();
    for path in paths {
        let text = |files: &RuleFiles| files.get(path).cloned().unwrap_or_default();
        let (old, new) = (text(before), text(after));
        if old != new {
            let diff = TextDiff::from_lines(&old, &new);
            let name = |files: &RuleFiles, side: &str| match files.contains_key(path) {
                true => format!("{side}/{path}"),
                false => "/dev/null".into(),
            };
            let mut text = diff.unified_diff();
            out += &text.header(&name(before, "a"), &name(after, "b")).to_string();
        }
    }
    out
}
