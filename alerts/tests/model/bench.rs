//! The real register beside the reference, on a file system in memory, and what must hold after
//! every step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use ioc_alerts::lifecycle::{Event, State};
use ioc_alerts::policy::Policy;
use ioc_alerts::{Register, RegisterParts, verify};
use ioc_model::{
    Action, ActionRequest, Actor, AlarmState, AlertChanges, AlertFilter, AlertId, AlertRow,
    AlertStore, Assignee, AssigneeKind, City, HeldBy, HoldId, HoldRequest, HoldScope,
    IncidentFilter, IncidentId, Link, RegisterError, RowResult, Scope, Severity, Target, Timestamp,
    Transition, TransitionKind, Undo,
};

use crate::rebuild::Told;
use crate::reference::{Expected, Failure, Model, Window, condition};
use crate::steps::{Crash, Do, Found, Step, Version, What};
use crate::world::{self, MINUTE, SLOTS, START};

const USERS: [&str; 2] = ["lan", "minh"];
/// A file that each sequence begins with: making one costs more than a sequence.
static EMPTY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = folder();
    let path = dir.path().join("alerts.sqlite");
    drop(Register::open(&path, parts(&Arc::default())).expect("opens"));
    std::fs::read(path).expect("closed and whole")
});
static CITY: LazyLock<Arc<City>> = LazyLock::new(|| Arc::new(world::city()));
static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(world::policy()));
/// States that an alert can get into by the table.
static LEGAL: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let begin = |latched| State {
        condition: ioc_model::Condition::Active,
        acknowledged: false,
        latched,
        work: ioc_model::Work::New,
        shelved: false,
        suppressed: false,
    };
    let mut todo = vec![begin(false), begin(true)];
    let mut seen = BTreeSet::new();
    while let Some(state) = todo.pop() {
        if seen.insert(format!("{state:?}")) {
            todo.extend(Event::all().filter_map(|e| state.after(e).ok()));
        }
    }
    seen
});

type Heard = Arc<Mutex<Vec<AlertChanges>>>;

fn parts(heard: &Heard) -> RegisterParts {
    let heard = Arc::clone(heard);
    RegisterParts {
        city: Arc::clone(&CITY),
        policy: Arc::clone(&POLICY),
        listener: Arc::new(move |changes| {
            heard.lock().expect("no panic").push(changes.clone());
        }),
    }
}

/// In memory if there is such a file system: a crash here is of the process, not of the power.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.expect("a temporary folder")
}

type Entry = Vec<(usize, Transition)>;
type Check = Result<(), String>;

/// What the test knows besides the reference.
#[derive(Clone, Default)]
struct Known {
    model: Model,
    /// Requests with the numbers that the register gave them, newest last.
    requests: Vec<(ActionRequest, u64)>,
    told: Told,
    /// Last line of the audit log and last change that were looked at.
    seq: u64,
    change: u64,
    /// Entries of the journal that were applied.
    applied: usize,
}

pub struct Bench {
    dir: tempfile::TempDir,
    files: u32,
    register: Option<Register>,
    heard: Heard,
    now: Timestamp,
    journal: Vec<Entry>,
    /// Start and severity of the episode that runs, and the start of the newest.
    slots: [(Option<Timestamp>, Timestamp, Severity); SLOTS.len()],
    /// Alerts in the order of their raise.
    ids: Vec<AlertId>,
    known: Known,
}

fn text<E: std::fmt::Display>(e: E) -> String {
    e.to_string()
}

/// Fails with the two values when they differ.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Check {
    if is == should { Ok(()) } else { Err(format!("{what}: is {is:?}, should be {should:?}")) }
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self {
            dir: folder(),
            files: 0,
            register: None,
            heard: Arc::default(),
            now: START,
            journal: Vec::new(),
            slots: [(None, START, Severity::Info); SLOTS.len()],
            ids: Vec::new(),
            known: Known::default(),
        };
        std::fs::write(bench.path(), &*EMPTY).expect("writable");
        bench
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join(format!("alerts{}.sqlite", self.files))
    }

    fn wal(&self) -> PathBuf {
        self.dir.path().join(format!("alerts{}.sqlite-wal", self.files))
    }

    fn register(&mut self) -> Result<&Register, String> {
        if self.register.is_none() {
            let register = Register::open(&self.path(), parts(&self.heard)).map_err(text)?;
            register.keep_anchors(&self.dir.path().join("audit.anchors")).map_err(text)?;
            self.register = Some(register);
        }
        Ok(self.register.as_ref().expect("opened above"))
    }

    pub fn run(&mut self, steps: &[Step]) -> Check {
        for (n, step) in steps.iter().enumerate() {
            self.step(step).map_err(|e| format!("step {n}: {e}"))?;
        }
        self.whole()
    }

    fn step(&mut self, step: &Step) -> Check {
        self.now = self.now.plus_ms(i64::from(step.after_s) * 1_000);
        self.register()?;
        let before = self.known.clone();
        let wal = std::fs::metadata(self.wal()).map_or(0, |m| m.len());
        self.does(&step.what)?;
        match step.crash {
            None => self.check(),
            Some(crash) => {
                // Only what is one transaction can be torn into all or nothing.
                let one = matches!(
                    step.what,
                    What::Apply(..) | What::Act { .. } | What::Repeat(_) | What::Undo { .. }
                );
                let after = std::fs::metadata(self.wal()).map_or(0, |m| m.len());
                let cut = match crash {
                    Crash::Torn(part) if one && after > wal => {
                        Some(wal + (after - wal) * u64::from(part) / 256)
                    }
                    _ => None,
                };
                self.check()?;
                if cut.is_some() {
                    self.known = before;
                }
                self.reboot(cut)?;
                self.check()?;
                // As the centre does: the journal once more, from somewhere before the end.
                self.replay(self.journal.len() - self.known.applied + 2)?;
                self.check()
            }
        }
    }

    /// The files as they are now, in part if `cut` says where the last write was torn, are all
    /// that is left.
    fn reboot(&mut self, cut: Option<u64>) -> Check {
        let (old, old_wal) = (self.path(), self.wal());
        self.files += 1;
        std::fs::copy(&old, self.path()).map_err(text)?;
        std::fs::copy(&old_wal, self.wal()).map_err(text)?;
        if let Some(cut) = cut {
            let file = std::fs::OpenOptions::new().write(true).open(self.wal()).map_err(text)?;
            file.set_len(cut).map_err(text)?;
            // Anchors tell of a commit that the disk of the database lost: a disk that lies.
            for name in ["audit.anchors", "audit.head"] {
                let _ = std::fs::remove_file(self.dir.path().join(name));
            }
        }
        self.register = None;
        for file in [old, old_wal] {
            let _ = std::fs::remove_file(file);
        }
        if cut.is_some() {
            for name in ["audit.anchors", "audit.head"] {
                let _ = std::fs::remove_file(self.dir.path().join(name));
            }
        }
        self.heard.lock().expect("no panic").clear();
        self.whole()?;
        self.register().map(|_| ())
    }

    /// The audit log is whole, also for its anchors.
    fn whole(&self) -> Check {
        let anchors = self.dir.path().join("audit.anchors");
        let report = verify(&self.path(), Some(&anchors), &mut |_, _| {}).map_err(text)?;
        same("first bad line", report.first_bad, None)?;
        same("lines of the log", report.lines, self.known.seq)
    }

    // ---- what steps do

    fn does(&mut self, what: &What) -> Check {
        match what {
            What::Apply(found, one) => self.apply(found, *one),
            What::Act { who, targets, action, key } => {
                let request = self.request(*who, targets, *action, *key);
                self.act(request)
            }
            What::Repeat(n) => match self.asked(*n) {
                Some((mut request, _)) if request.key.is_some() => {
                    // A shelf that is over by now cannot be asked for.
                    if !matches!(request.action, Action::Shelve { until, .. } if until <= self.now)
                    {
                        request.actor.at = self.now;
                    }
                    self.act(request)
                }
                _ => Ok(()),
            },
            What::Undo { request, who } => self.undo(*request, *who),
            What::Tick(minutes) => {
                self.now = self.now.plus_ms(i64::from(*minutes) * MINUTE);
                self.tick()
            }
            What::Hold { scope, in_min, for_min, out_of_service } => {
                self.hold(*scope, (*in_min, *for_min), *out_of_service)
            }
            What::EndHold(n) => self.end_hold(usize::from(*n)),
            What::Replay(back) => self.replay(usize::from(*back)),
        }
    }

    fn asked(&self, ago: u8) -> Option<(ActionRequest, u64)> {
        let requests = &self.known.requests;
        requests.len().checked_sub(1 + usize::from(ago)).map(|n| requests[n].clone())
    }

    fn apply(&mut self, found: &[Found], one: bool) -> Check {
        let mut entries: Vec<Entry> = Vec::new();
        for found in found {
            let position = (self.journal.len() + entries.len()) as u64;
            let Some(make) = self.find(*found) else { continue };
            match entries.last_mut() {
                Some(entry) if one => {
                    let n = entry.len();
                    entry.push((n, make(position - 1)));
                }
                _ => entries.push(vec![(0, make(position))]),
            }
        }
        self.journal.extend(entries);
        let from = self.known.applied;
        self.heard_from(from)
    }

    fn find(&mut self, found: Found) -> Option<impl FnOnce(u64) -> Transition + use<>> {
        let now = self.now;
        let severity = |n: u8| Severity::from_u8(n).expect("1 to 5");
        let (slot, start, kind, severity) = match found {
            Found::Severity(slot, n) => {
                let state = &mut self.slots[usize::from(slot)];
                let kind = match state.0 {
                    Some(_) => TransitionKind::Severity,
                    None => TransitionKind::Raise,
                };
                let start = *state.0.get_or_insert(now);
                (state.1, state.2) = (start, severity(n));
                (slot, start, kind, state.2)
            }
            Found::Clear(slot) => {
                let state = &mut self.slots[usize::from(slot)];
                (slot, state.0.take()?, TransitionKind::Clear, state.2)
            }
            Found::Nonsense(slot, kind) => {
                let state = self.slots[usize::from(slot)];
                let (start, kind) = match kind {
                    0 => (state.1, TransitionKind::Raise),
                    1 => (now.plus_ms(7), TransitionKind::Clear),
                    _ => (state.1, TransitionKind::Severity),
                };
                // A raise of what never was would be one.
                let never = state.1 == START && kind == TransitionKind::Raise;
                if never || state.0.is_some() && kind == TransitionKind::Severity {
                    return None;
                }
                (slot, start, kind, Severity::Emergency)
            }
        };
        Some(move |position| {
            world::transition((position, usize::from(slot)), start, now, (kind, severity))
        })
    }

    /// The journal from entry `from` on, as far as it goes, in one call.
    fn heard_from(&mut self, from: usize) -> Check {
        let entries: Entry = self.journal[from..].iter().flatten().cloned().collect();
        let next = self.journal.len() as u64;
        let transitions: Vec<Transition> = entries.iter().map(|(_, t)| t.clone()).collect();
        self.register()?.apply(next, &transitions).map_err(text)?;
        self.known.model.apply(&entries);
        for t in transitions {
            if self.known.model.alerts.contains_key(&t.alert.0) && !self.ids.contains(&t.alert) {
                self.ids.push(t.alert);
            }
        }
        self.known.applied = self.known.applied.max(self.journal.len());
        Ok(())
    }

    fn replay(&mut self, back: usize) -> Check {
        // Never beyond what was applied: a reader's cursor is at most there.
        let from = self.journal.len().saturating_sub(back).min(self.known.applied);
        self.heard_from(from)
    }

    fn request(
        &self,
        who: u8,
        targets: &[(u8, Version)],
        action: Do,
        key: Option<u8>,
    ) -> ActionRequest {
        let target = |(n, version): &(u8, Version)| {
            let n = usize::from(*n);
            let known = self.ids.len();
            let alert = match (n, known) {
                (9, _) | (_, 0) => AlertId("f".repeat(32)),
                _ => self.ids[known - 1 - n % known].clone(),
            };
            let ver = self.known.model.alerts.get(&alert.0).map_or(0, |a| a.ver);
            let version = match version {
                Version::Any => None,
                Version::Present => Some(ver),
                Version::Old => Some(ver.saturating_sub(1)),
            };
            Target { alert, version }
        };
        ActionRequest {
            targets: targets.iter().map(target).collect(),
            action: self.action(action),
            actor: self.actor(who),
            key: key.map(|k| format!("key-{k}")),
            scope: Scope::city(),
        }
    }

    fn actor(&self, who: u8) -> Actor {
        let user = USERS[usize::from(who) % 2].into();
        Actor { user, origin: Some("10.0.0.7".into()), at: self.now }
    }

    fn action(&self, action: Do) -> Action {
        let note = Some("đã báo phường".to_owned());
        match action {
            Do::Acknowledge => Action::Acknowledge { note },
            Do::Assign(agency) => {
                let (kind, name) = match agency {
                    true => (AssigneeKind::Agency, "hai_chau"),
                    false => (AssigneeKind::Person, "lan"),
                };
                Action::Assign { to: Assignee { kind, name: name.into() }, note: None }
            }
            Do::Comment => Action::Comment { text: "=1+1 <b>".into() },
            Do::Link => Action::Link { link: Link { url: "/history".into(), title: "x".into() } },
            Do::Shelve(minutes) => Action::Shelve {
                until: self.now.plus_ms(i64::from(minutes) * MINUTE),
                reason: "works".into(),
            },
            Do::Unshelve => Action::Unshelve { note: None },
            Do::Start => Action::Start { note },
            Do::Resolve => Action::Resolve { note },
            Do::Close => Action::Close { note: None },
            Do::Reject => Action::Reject { reason: "dust".into() },
            Do::Merge(n) => {
                let all: Vec<&String> = self.known.model.incidents.keys().collect();
                let into = all.get(usize::from(n) % (all.len() + 1));
                Action::Merge { into: IncidentId(into.map_or("nowhere".into(), |i| (*i).clone())) }
            }
            Do::Split => Action::Split { note },
        }
    }

    fn act(&mut self, request: ActionRequest) -> Check {
        let repeated = self.known.model.knows_key(&request);
        let is = self.register()?.act(&request);
        let number = is.as_ref().map_or(0, |o| o.act);
        let should = self.known.model.act(&request, number);
        if let (Ok(outcome), Ok(results)) = (&is, &should) {
            same("repeated", outcome.repeated, repeated)?;
            same("something was done", outcome.act > 0, results.iter().any(Result::is_ok))?;
            let names: Vec<&AlertId> = outcome.results.iter().map(|r| &r.alert).collect();
            same("targets", names, request.targets.iter().map(|t| &t.alert).collect())?;
            if !repeated {
                self.known.requests.push((request, outcome.act));
            }
        }
        compare("results", is.map(|o| o.results), should)
    }

    fn undo(&mut self, ago: u8, who: u8) -> Check {
        let Some((_, act)) = self.asked(ago) else { return Ok(()) };
        let undo = Undo { act, actor: self.actor(who), scope: Scope::city() };
        let is = self.register()?.undo(&undo);
        let should = self.known.model.undo(&undo);
        compare("taking back", is.map(|o| o.results), should)
    }

    /// Time goes on to now. Windows begin and end one after the other, as they do where time
    /// passes second by second: of two at once it would be left open what comes first.
    fn tick(&mut self) -> Check {
        let windows = &self.known.model.windows;
        let from = windows.iter().filter(|w| !w.over && !w.begun).map(|w| w.from);
        let until = windows.iter().filter(|w| !w.over).filter_map(|w| w.until);
        let mut times: Vec<Timestamp> = from.chain(until).filter(|t| *t <= self.now).collect();
        times.sort();
        times.push(self.now);
        times.into_iter().try_for_each(|now| self.tick_at(now))
    }

    fn tick_at(&mut self, now: Timestamp) -> Check {
        let register = self.register()?;
        // As the centre does: again while something is due, such as the timers of what a window
        // released.
        for round in 0.. {
            register.tick(now).map_err(text)?;
            match register.next_due().map_err(text)? {
                Some(due) if due <= now && round == 20 => {
                    return Err(format!("after 20 ticks of {now} something is due at {due}"));
                }
                Some(due) if due <= now => {}
                _ => break,
            }
        }
        self.known.model.tick(now);
        Ok(())
    }

    fn hold(&mut self, scope: u8, (in_min, for_min): (u8, u8), out_of_service: bool) -> Check {
        if self.known.model.windows.len() >= 6 {
            return Ok(());
        }
        self.tick()?;
        // No two begin or end at the same moment.
        let n = self.known.model.windows.len() as i64;
        let from = self.now.plus_ms(i64::from(in_min) * MINUTE + i64::from(in_min > 0) * (n + 1));
        let forever = out_of_service && for_min > 40;
        let until = (!forever).then(|| from.plus_ms(i64::from(for_min) * MINUTE + 10 * (n + 1)));
        let by = if out_of_service { HeldBy::OutOfService } else { HeldBy::Maintenance };
        let mut fits = HoldScope::default();
        match scope {
            0 => fits.device = Some("gw".into()),
            1 => fits.device = Some("cam1".into()),
            2 => fits.area = Some("a".into()),
            3 => fits.service = Some("s2".into()),
            4 => fits.rule = Some("heat0".into()),
            _ => (fits.area, fits.service) = (Some("b".into()), Some("s1".into())),
        }
        let request = HoldRequest {
            by,
            scope: fits,
            from: (in_min > 0).then_some(from),
            until,
            reason: "works".into(),
            actor: self.actor(0),
            within: Scope::city(),
        };
        let hold = self.register()?.hold(&request).map_err(text)?;
        let window = Window { scope, from, until, over: false, begun: false };
        self.known.model.open_window(window, self.now);
        same("number of the hold", hold.id.0, self.known.model.windows.len() as u64)?;
        // What is left of it is done by the next tick.
        self.tick()
    }

    fn end_hold(&mut self, n: usize) -> Check {
        self.tick()?;
        let (actor, all) = (self.actor(1), self.known.model.windows.len());
        let id = HoldId(n as u64 + 1);
        let is = self.register()?.end_hold(&id, &Scope::city(), &actor, None);
        match (is, n < all) {
            (Ok(_), true) => {
                self.known.model.end_window(n, actor.at);
                self.tick()
            }
            (Err(RegisterError::NoHold(_)), false) => Ok(()),
            (is, _) => Err(format!("end of hold {n} of {all}: {is:?}")),
        }
    }

    // ---- what must hold

    fn check(&mut self) -> Check {
        self.register()?;
        let register = self.register.as_ref().expect("open");
        let everything = AlertFilter { limit: 10_000, ..AlertFilter::of(Scope::city()) };
        let (rows, change) = register.list(&everything).map_err(text)?;
        same("cursor", register.cursor().map_err(text)?, self.known.applied as u64)?;
        let lines = register.audit_after(self.known.seq, 10_000).map_err(text)?;
        for line in lines {
            same("number of a line", line.seq, self.known.seq + 1)?;
            self.known.seq = line.seq;
            if line.alert.0.is_empty() {
                continue;
            }
            let Some(alert) = self.known.model.alerts.get(&line.alert.0) else {
                return Err(format!("line {} is about an alert that is not", line.seq));
            };
            self.known.told.line(&line, alert)?;
        }
        same("alerts", rows.len(), self.known.model.alerts.len())?;
        for row in &rows {
            self.row(row).map_err(|e| format!("{} ({}): {e}", row.id, row.rule))?;
        }
        self.incidents()?;
        self.changes(&rows, change)
    }

    fn row(&self, row: &AlertRow) -> Check {
        let Some(should) = self.known.model.alerts.get(&row.id.0) else {
            return Err("is not".into());
        };
        same("work", row.work, should.work)?;
        same("seen", row.acknowledged, should.seen.is_some())?;
        same("seen at", row.acknowledged_at, should.seen)?;
        same("seen by", &row.acknowledged_by, &should.seen_by)?;
        same("condition", row.condition, condition(should.active))?;
        same("severity", row.severity, should.severity)?;
        same("worst", row.severity_max, should.worst)?;
        let shelf = row.held.iter().find(|h| h.by == HeldBy::Shelf).and_then(|h| h.until);
        same("shelf", shelf, should.shelf)?;
        let held: BTreeSet<String> =
            row.held.iter().filter(|h| h.by != HeldBy::Shelf).map(|h| h.id.clone()).collect();
        same("held", &held, &should.held)?;
        same("assignee", row.assignee.as_ref().map(|a| &a.name), should.assignee.as_ref())?;
        let incident = row.incident.as_ref().map(|i| i.0.as_str());
        same("incident", incident, Some(should.incident.as_str()))?;
        same("overdue", row.overdue, should.overdue)?;
        same("escalated", row.escalated, should.escalated)?;
        same("comments", row.comments, should.comments)?;
        same("links", row.links.len(), should.links)?;
        same("resolved", row.resolved_at, should.resolved)?;
        same("closed", row.closed_at.is_some(), !should.is_open())?;
        same("version", row.ver, should.ver)?;
        same("state that is shown", row.state, AlarmState::of(row))?;
        let state = format!("{:?}", State::of(row));
        if !LEGAL.contains(&state) {
            return Err(format!("an illegal state: {state}"));
        }
        same("lines of the log", self.known.told.lines(&row.id.0), row.ver)?;
        self.known.told.differs(should).map_or(Ok(()), Err)
    }

    fn incidents(&self) -> Check {
        let register = self.register.as_ref().expect("open");
        let filter = IncidentFilter { limit: 10_000, ..IncidentFilter::of(Scope::city()) };
        let (rows, _) = register.incidents(&filter).map_err(text)?;
        let model = &self.known.model;
        let mut named = BTreeSet::new();
        for row in &rows {
            let members: Vec<_> = model.members(&row.id.0).collect();
            let open = members.iter().filter(|a| a.is_open()).count();
            let unseen = members.iter().filter(|a| a.is_listed() && a.seen.is_none()).count();
            let worst = match open {
                0 => members.iter().map(|a| a.worst).max(),
                _ => members.iter().filter(|a| a.is_open()).map(|a| a.severity).max(),
            };
            let counts = (row.alerts as usize, row.open as usize, row.unacknowledged as usize);
            let times = (Some(row.opened_at), Some(row.last_at), Some(row.severity));
            let raised = || members.iter().map(|a| a.raised);
            same(&format!("counters of {}", row.id), counts, (members.len(), open, unseen))?;
            same("times and severity", times, (raised().min(), raised().max(), worst))?;
            same("over", row.closed_at.is_some(), open == 0)?;
            if !members.iter().any(|a| a.id == row.root.0) {
                return Err(format!("the root of {} is not in it", row.id));
            }
            named.insert(row.id.0.clone());
        }
        let should: BTreeSet<String> = model.alerts.values().map(|a| a.incident.clone()).collect();
        same("incidents", named, should)
    }

    /// The listener heard of every change once, in order, and last of each row as it is.
    fn changes(&mut self, rows: &[AlertRow], newest: u64) -> Check {
        let heard = std::mem::take(&mut *self.heard.lock().expect("no panic"));
        let mut last: BTreeMap<AlertId, AlertRow> = BTreeMap::new();
        for row in heard.into_iter().flat_map(|c| c.alerts) {
            same("number of a change", row.change, self.known.change + 1)?;
            self.known.change = row.change;
            last.insert(row.id.clone(), row);
        }
        // After a crash nobody heard of what was committed just before it.
        self.known.change = newest;
        for row in rows {
            if let Some(heard) = last.get(&row.id) {
                same("row that was heard of", heard, row)?;
            }
        }
        Ok(())
    }
}

fn compare(
    what: &str,
    is: Result<Vec<RowResult>, RegisterError>,
    should: Result<Vec<Expected>, Failure>,
) -> Check {
    let is = match is {
        Ok(results) => Ok(results
            .into_iter()
            .map(|r| match (r.refused, r.row) {
                (Some(refused), _) => Err(refused.code),
                (None, Some(row)) => Ok(row.ver),
                (None, None) => Ok(0),
            })
            .collect::<Vec<Expected>>()),
        Err(RegisterError::NoIncident(_)) => Err(Failure::NoIncident),
        Err(RegisterError::KeyReused(_)) => Err(Failure::KeyReused),
        Err(RegisterError::CannotUndo(_)) => Err(Failure::CannotUndo),
        Err(e) => return Err(format!("{what}: {e}")),
    };
    same(what, is, should)
}
