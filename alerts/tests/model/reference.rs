//! The register as plain maps: the rules of the life cycle, of holds and of incidents as the
//! documents say them, written without the register's code and its table.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{
    Action, ActionRequest, Condition, RefusedCode, Severity, Target, Timestamp, Transition,
    TransitionKind, Undo, Work,
};

use crate::world::{self, AUTO_CLOSE, GAP, MAJOR, MINUTE, URGENT};

#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: String,
    pub rule: String,
    pub device: Option<String>,
    pub area: String,
    pub service: String,
    pub cause: String,
    pub latched: bool,
    pub active: bool,
    pub seen: Option<Timestamp>,
    pub seen_by: Option<String>,
    pub work: Work,
    pub severity: Severity,
    pub worst: Severity,
    pub raised: Timestamp,
    /// Since when somebody is waited for.
    pub since: Timestamp,
    pub changed: Timestamp,
    pub cleared: Option<Timestamp>,
    pub resolved: Option<Timestamp>,
    pub overdue: bool,
    pub escalated: u8,
    pub shelf: Option<Timestamp>,
    /// Windows (their numbers) and outages (their alerts).
    pub held: BTreeSet<String>,
    pub assignee: Option<String>,
    pub incident: String,
    pub comments: u32,
    pub links: usize,
    pub ver: u64,
}

impl Alert {
    pub fn is_open(&self) -> bool {
        !matches!(self.work, Work::Closed | Work::Rejected)
    }

    fn is_undone(&self) -> bool {
        self.is_open() && self.work != Work::Resolved
    }

    pub fn is_listed(&self) -> bool {
        self.is_open() && self.held.is_empty() && self.shelf.is_none()
    }

    fn is_urgent(&self) -> bool {
        self.worst >= Severity::Critical
    }

    /// Acknowledge and resolve until.
    fn due(&self) -> Option<(Timestamp, Timestamp)> {
        let (ack, resolve) = match self.worst {
            Severity::Critical | Severity::Emergency => (URGENT.0, URGENT.1),
            Severity::Major => (MAJOR.0, MAJOR.1),
            _ => return None,
        };
        Some((self.since.plus_ms(ack), self.since.plus_ms(resolve)))
    }

    /// A gateway that is not heard.
    fn is_out(&self) -> bool {
        self.is_open()
            && self.active
            && self.cause == "outage"
            && self.device.as_deref() == Some("gw")
    }

    fn can_follow(&self) -> bool {
        self.cause == "outage" || self.severity < Severity::Critical
    }

    fn look(&mut self, at: Timestamp, who: &str) {
        if self.seen.is_none() {
            self.seen = Some(at);
            self.seen_by = Some(who.to_owned());
        }
    }

    fn unsee(&mut self) {
        self.seen = None;
        self.seen_by = None;
    }

    /// Its rule found another severity; true if it never was so bad.
    pub fn found(&mut self, severity: Severity, at: Timestamp) -> bool {
        let worse = severity > self.worst;
        let class = |s: Severity| (s >= Severity::Critical, s >= Severity::Major);
        let waits_anew = self.seen.is_some() || class(severity) != class(self.worst);
        self.severity = severity;
        self.worst = self.worst.max(severity);
        self.changed = at;
        if worse {
            match self.work {
                Work::Acknowledged | Work::Resolved | Work::Rejected => {
                    if self.work != Work::Acknowledged {
                        self.resolved = None;
                    }
                    self.work = Work::New;
                    self.unsee();
                }
                Work::Assigned | Work::InProgress => self.unsee(),
                Work::New | Work::Closed => {}
            }
            if waits_anew {
                (self.since, self.escalated, self.overdue) = (at, 0, false);
            }
        }
        worse
    }

    /// Its condition is over.
    pub fn returned(&mut self, severity: Severity, at: Timestamp) {
        self.severity = severity;
        self.worst = self.worst.max(severity);
        self.changed = at;
        self.active = false;
        self.cleared = Some(at);
        if self.work == Work::Acknowledged && !self.latched {
            self.end(Work::Closed);
        }
    }

    /// A new episode.
    pub fn raised(t: &Transition) -> Self {
        Self {
            id: t.alert.0.clone(),
            rule: t.rule.to_string(),
            device: t.device.as_ref().map(ToString::to_string),
            area: t.area.to_string(),
            service: t.service.to_string(),
            cause: t.cause.to_string(),
            latched: t.latched,
            active: true,
            seen: None,
            seen_by: None,
            work: Work::New,
            severity: t.severity,
            worst: t.severity,
            raised: t.time,
            since: t.time,
            changed: t.time,
            cleared: None,
            resolved: None,
            overdue: false,
            escalated: 0,
            shelf: None,
            held: BTreeSet::new(),
            assignee: None,
            incident: String::new(),
            comments: 0,
            links: 0,
            ver: 1,
        }
    }

    pub fn end(&mut self, work: Work) {
        self.work = work;
        self.shelf = None;
        self.held.clear();
    }
}

#[derive(Clone, Debug, Default)]
pub struct Incident {
    pub merged_into: Option<String>,
    pub manual: bool,
    pub key: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Window {
    pub scope: u8,
    pub from: Timestamp,
    pub until: Option<Timestamp>,
    pub over: bool,
    pub begun: bool,
}

/// A request that changed something: for taking back.
#[derive(Clone, Debug)]
struct Done {
    user: String,
    at: Timestamp,
    undone: bool,
    rows: Vec<(String, Alert, u64)>,
}

/// What a timer does to an alert, at the moment that is handed in.
type Happens = fn(&mut Alert, Timestamp);

/// What is expected of one alert of a request: its version after it, or why not.
pub type Expected = Result<u64, RefusedCode>;

#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    NoIncident,
    KeyReused,
    CannotUndo,
}

/// When a key was first used, for what, and what came of it.
type Kept = (Timestamp, ActionRequest, BTreeMap<String, Expected>);

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub alerts: BTreeMap<String, Alert>,
    pub incidents: BTreeMap<String, Incident>,
    pub windows: Vec<Window>,
    owners: BTreeMap<String, String>,
    done: BTreeMap<u64, Done>,
    /// By user and key.
    keys: BTreeMap<(String, String), Kept>,
    heard: BTreeSet<(u64, usize)>,
    /// Of the transaction that runs.
    merged: BTreeMap<String, String>,
    founded: BTreeSet<String>,
}

impl Model {
    // ---- rules

    /// `n` is the place of the transition in its entry.
    pub fn apply(&mut self, found: &[(usize, Transition)]) {
        for (n, t) in found {
            if self.heard.insert((t.position, *n)) {
                self.transition(t);
            }
        }
        self.commit();
    }

    fn transition(&mut self, t: &Transition) {
        let id = t.alert.0.clone();
        match (self.alerts.get(&id), t.kind) {
            (None, TransitionKind::Raise) => self.raise(t),
            (Some(a), TransitionKind::Severity) if a.active => {
                self.change(&id, t.time, |m, a| {
                    if a.found(t.severity, t.time) {
                        a.held = m.covering(a, t.time);
                    }
                });
            }
            (Some(a), TransitionKind::Clear) if a.active => {
                self.change(&id, t.time, |_, a| a.returned(t.severity, t.time));
            }
            _ => {}
        }
    }

    fn raise(&mut self, t: &Transition) {
        let mut alert = Alert::raised(t);
        alert.held = self.covering(&alert, t.time);
        alert.incident = self.home(&alert);
        let (id, out) = (alert.id.clone(), alert.is_out());
        self.alerts.insert(id.clone(), alert);
        if out {
            self.went_out(&id);
        }
    }

    /// Changes one alert; what its outage did to others follows.
    fn change(&mut self, id: &str, at: Timestamp, how: impl FnOnce(&Self, &mut Alert)) {
        let before = self.alerts[id].clone();
        let mut after = before.clone();
        how(self, &mut after);
        after.ver += 1;
        let (was, is) = (before.is_out(), after.is_out());
        self.alerts.insert(id.to_owned(), after);
        match (was, is) {
            (false, true) => self.went_out(id),
            (true, false) => self.release(id, at),
            _ => self.danger(id),
        }
    }

    // ---- holds and outages

    fn covering(&self, a: &Alert, at: Timestamp) -> BTreeSet<String> {
        let runs = |w: &Window| {
            !w.over && (w.begun || w.from <= at) && w.until.is_none_or(|until| until > at)
        };
        let mut all: BTreeSet<String> = (1..)
            .zip(&self.windows)
            .filter(|(_, w)| runs(w) && covers(w.scope, a))
            .map(|(n, _): (u64, _)| n.to_string())
            .collect();
        let above = a.device.as_deref().and_then(world::above);
        if above.is_some() && a.can_follow() {
            all.extend(self.alerts.values().find(|o| o.is_out()).map(|o| o.id.clone()));
        }
        all
    }

    fn went_out(&mut self, id: &str) {
        let outage = self.alerts[id].clone();
        let since = outage.raised.plus_ms(-5 * MINUTE);
        let manual = |m: &Self, incident: &str| m.incidents.get(incident).is_some_and(|i| i.manual);
        for other in self.ids() {
            let a = &self.alerts[&other];
            let below = a.device.as_deref().and_then(world::above).is_some();
            if below && a.active && a.is_listed() && a.can_follow() && a.raised >= since {
                let stays = manual(self, &a.incident);
                let a = self.alerts.get_mut(&other).expect("listed above");
                a.held.insert(id.to_owned());
                if !stays {
                    a.incident.clone_from(&outage.incident);
                }
                a.ver += 1;
            }
        }
    }

    /// What an outage holds is released when it becomes a danger: it is no consequence then.
    fn danger(&mut self, id: &str) {
        let outages: Vec<String> =
            self.alerts.values().filter(|a| a.is_out()).map(|a| a.id.clone()).collect();
        let a = self.alerts.get_mut(id).expect("just changed");
        let before = a.held.len();
        if !a.can_follow() {
            a.held.retain(|hold| !outages.contains(hold));
        }
        a.ver += u64::from(a.held.len() != before);
    }

    /// What a window or an outage held looks again at what covers it.
    fn release(&mut self, hold: &str, at: Timestamp) {
        for id in self.ids() {
            let a = &self.alerts[&id];
            if a.is_open() && a.held.contains(hold) {
                let held = self.covering(a, at);
                let a = self.alerts.get_mut(&id).expect("listed above");
                if a.held != held {
                    a.held = held;
                    a.ver += 1;
                }
            }
        }
    }

    /// Windows whose time has come begin and end with it, before any timer.
    pub fn open_window(&mut self, window: Window, now: Timestamp) {
        self.windows.push(window);
        self.due_windows(now);
        self.commit();
    }

    pub fn end_window(&mut self, n: usize, at: Timestamp) {
        if !self.windows[n].over {
            self.windows[n].over = true;
            self.release(&(n + 1).to_string(), at);
            self.due_windows(at);
            self.commit();
        }
    }

    /// True if there was one.
    fn due_windows(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        for n in 0..self.windows.len() {
            let w = &mut self.windows[n];
            if !w.over && w.until.is_some_and(|until| until <= now) {
                w.over = true;
                any = true;
                self.release(&(n + 1).to_string(), now);
            }
        }
        for n in 0..self.windows.len() {
            let w = &mut self.windows[n];
            if w.over || w.begun || w.from > now {
                continue;
            }
            (w.begun, any) = (true, true);
            let (scope, name) = (w.scope, (n + 1).to_string());
            for a in self.alerts.values_mut() {
                if a.is_open() && covers(scope, a) && a.held.insert(name.clone()) {
                    a.ver += 1;
                }
            }
        }
        any
    }

    // ---- incidents

    pub fn members(&self, incident: &str) -> impl Iterator<Item = &Alert> {
        self.alerts.values().filter(move |a| a.incident == incident)
    }

    /// The incident of a new alert.
    fn home(&mut self, a: &Alert) -> String {
        let gateway = a.cause == "outage" && a.device.as_deref() == Some("gw");
        let below = a.device.as_deref().and_then(world::above).is_some();
        let family = below || a.device.as_deref() == Some("gw");
        let out = self.alerts.values().any(Alert::is_out);
        let key = if gateway || family && out {
            "gw".to_owned()
        } else {
            format!("{}/{}", a.area, a.cause)
        };
        let owner = self.owners.get(&key).and_then(|owner| self.resolve(owner));
        if let Some(home) = owner {
            let open = self.members(&home).any(Alert::is_open);
            let last = self.members(&home).map(|a| a.raised).max();
            if open || last.is_some_and(|last| a.raised.since_ms(last) <= GAP) {
                return home;
            }
        }
        self.owners.insert(key.clone(), a.id.clone());
        self.found(a.id.clone(), Incident { key: Some(key), ..Incident::default() })
    }

    fn found(&mut self, id: String, incident: Incident) -> String {
        self.incidents.insert(id.clone(), incident);
        self.founded.insert(id.clone());
        id
    }

    /// The incident, or where all its alerts were merged.
    fn resolve(&self, id: &str) -> Option<String> {
        let mut id = id.to_owned();
        loop {
            let incident = self.incidents.get(&id)?;
            if self.members(&id).next().is_some() || self.founded.contains(&id) {
                return Some(id);
            }
            id = self.merged.get(&id).or(incident.merged_into.as_ref())?.clone();
        }
    }

    fn commit(&mut self) {
        let counts: BTreeSet<String> = self.alerts.values().map(|a| a.incident.clone()).collect();
        let founded = std::mem::take(&mut self.founded);
        self.incidents.retain(|id, _| counts.contains(id) || !founded.contains(id));
        let merged = std::mem::take(&mut self.merged);
        for (id, incident) in &mut self.incidents {
            if counts.contains(id) {
                incident.merged_into = None;
            } else if let Some(into) = merged.get(id) {
                incident.merged_into = Some(into.clone());
            }
        }
    }

    fn ids(&self) -> Vec<String> {
        self.alerts.keys().cloned().collect()
    }

    // ---- people

    /// True if a request with this key was done before.
    pub fn knows_key(&self, request: &ActionRequest) -> bool {
        own_key(request).is_some_and(|key| self.keys.contains_key(&key))
    }

    /// `act` is the number that the register gave the request, if it did.
    pub fn act(&mut self, r: &ActionRequest, act: u64) -> Result<Vec<Expected>, Failure> {
        if let Some(key) = own_key(r)
            && let Some((_, before, results)) = self.keys.get(&key)
        {
            let same =
                distinct(&before.targets) == distinct(&r.targets) && before.action == r.action;
            return match same {
                true => Ok(r.targets.iter().map(|t| results[&t.alert.0]).collect()),
                false => Err(Failure::KeyReused),
            };
        }
        let undo = self.clone();
        let mut each: BTreeMap<String, Expected> = BTreeMap::new();
        let mut own = None;
        let mut rows = Vec::new();
        for target in &r.targets {
            let id = &target.alert.0;
            if each.contains_key(id) {
                continue;
            }
            let before = self.alerts.get(id).cloned();
            let result = match self.one(r, id, target.version, &mut own) {
                Ok(result) => result,
                Err(failure) => {
                    *self = undo;
                    return Err(failure);
                }
            };
            if let (Ok(ver), Some(before)) = (&result, before) {
                rows.push((id.clone(), before, *ver));
            }
            each.insert(id.clone(), result);
        }
        self.commit();
        let results: Vec<Expected> = r.targets.iter().map(|t| each[&t.alert.0]).collect();
        if !rows.is_empty() {
            let (user, at) = (r.actor.user.clone(), r.actor.at);
            self.done.insert(act, Done { user, at, undone: false, rows });
        }
        if let Some(key) = own_key(r) {
            self.keys.insert(key, (r.actor.at, r.clone(), each));
        }
        Ok(results)
    }

    fn one(
        &mut self,
        r: &ActionRequest,
        id: &str,
        version: Option<u64>,
        own: &mut Option<String>,
    ) -> Result<Expected, Failure> {
        let Some(a) = self.alerts.get(id) else { return Ok(Err(RefusedCode::NotFound)) };
        if version.is_some_and(|v| v != a.ver) {
            return Ok(Err(RefusedCode::Conflict));
        }
        if let Err(code) = may(a, &r.action) {
            return Ok(Err(code));
        }
        let mut incident = a.incident.clone();
        match &r.action {
            Action::Merge { into } => {
                let into = self.resolve(&into.0).ok_or(Failure::NoIncident)?;
                if into == incident {
                    return Ok(Err(RefusedCode::AlreadyDone));
                }
                let key = self.incidents[&incident].key.clone();
                let target = self.incidents.get_mut(&into).expect("resolved");
                target.manual |= key.is_none() || key != target.key;
                self.merged.insert(incident, into.clone());
                incident = into;
            }
            Action::Split { .. } => {
                let id = match own.take() {
                    Some(id) => id,
                    None => {
                        let new = self.split_id(id);
                        self.found(new, Incident { manual: true, ..Incident::default() })
                    }
                };
                incident.clone_from(&id);
                *own = Some(id);
            }
            _ => {}
        }
        let (at, who) = (r.actor.at, r.actor.user.clone());
        self.change(id, at, |_, a| {
            a.incident = incident;
            act(a, &r.action, at, &who);
        });
        // What the change did to others may have come back to it.
        Ok(Ok(self.alerts[id].ver))
    }

    fn split_id(&self, first: &str) -> String {
        let begins = format!("{first}-");
        let stored = |id: &&String| id.starts_with(&begins) && !self.founded.contains(*id);
        let mut n = self.incidents.keys().filter(stored).count() + 1;
        while self.incidents.contains_key(&format!("{begins}{n}")) {
            n += 1;
        }
        format!("{begins}{n}")
    }

    pub fn undo(&mut self, undo: &Undo) -> Result<Vec<Expected>, Failure> {
        let Some(done) = self.done.get_mut(&undo.act) else { return Err(Failure::CannotUndo) };
        let late = undo.actor.at.since_ms(done.at) > 10_000;
        if done.undone || done.user != undo.actor.user || late {
            return Err(Failure::CannotUndo);
        }
        done.undone = true;
        let at = undo.actor.at;
        let mut results = Vec::new();
        for (id, before, ver) in done.rows.clone() {
            if self.alerts[&id].ver != ver {
                results.push(Err(RefusedCode::ChangedSince));
                continue;
            }
            self.change(&id, at, |m, a| {
                let (was_open, held, ver) = (a.is_open(), a.held.clone(), a.ver);
                *a = before;
                a.ver = ver;
                a.shelf = a.shelf.filter(|until| *until > at);
                a.held = match (was_open, a.is_open()) {
                    (true, _) => held,
                    (false, true) => m.covering(a, at),
                    (false, false) => BTreeSet::new(),
                };
            });
            results.push(Ok(self.alerts[&id].ver));
        }
        self.commit();
        Ok(results)
    }

    // ---- time

    pub fn tick(&mut self, now: Timestamp) {
        loop {
            let mut more = false;
            for id in self.ids() {
                more |= self.timer(&id, now);
            }
            more |= self.due_windows(now);
            self.commit();
            if !more {
                break;
            }
        }
        // Requests are remembered for a day.
        self.keys.retain(|_, (at, ..)| now.since_ms(*at) <= 24 * 60 * MINUTE);
    }

    /// The first thing that is due for one alert.
    fn timer(&mut self, id: &str, now: Timestamp) -> bool {
        let a = &self.alerts[id];
        let mut due: Vec<(Timestamp, Happens)> = Vec::new();
        if let Some(until) = a.shelf {
            due.push((until, |a, _| a.shelf = None));
        }
        let held = a.shelf.is_some() || !a.held.is_empty();
        if let Some((ack, resolve)) = a.due().filter(|_| a.is_undone() && !a.overdue && !held) {
            let at = if a.seen.is_none() { ack.min(resolve) } else { resolve };
            due.push((at, |a, _| a.overdue = true));
        }
        if a.is_urgent() && a.is_undone() && a.seen.is_none() && !held && a.escalated < 2 {
            let at = a.since.plus_ms(URGENT.2[usize::from(a.escalated)]);
            due.push((at, |a, _| a.escalated += 1));
        }
        let lower = a.worst == Severity::Major && a.severity > Severity::Minor;
        if let Some(seen) = a.seen.filter(|_| lower && a.is_undone() && a.active) {
            due.push((seen.max(a.changed).plus_ms(MAJOR.2), |a, now| {
                a.severity = Severity::Minor;
                a.changed = now;
            }));
        }
        if let (Work::Resolved, false, Some(since)) = (a.work, a.active, a.resolved.max(a.cleared))
        {
            due.push((since.plus_ms(AUTO_CLOSE), |a, _| a.end(Work::Closed)));
        }
        // Stable: of two at the same moment the one named first.
        due.sort_by_key(|(at, _)| *at);
        match due.first() {
            Some((at, how)) if *at <= now => {
                let how = *how;
                self.change(id, now, |_, a| how(a, now));
                true
            }
            _ => false,
        }
    }
}

fn covers(scope: u8, a: &Alert) -> bool {
    let device = a.device.as_deref();
    match scope {
        0 => device == Some("gw") || device.and_then(world::above).is_some(),
        1 => device == Some("cam1"),
        2 => a.area == "a",
        3 => a.service == "s2",
        4 => a.rule == "heat0",
        _ => a.area == "b" && a.service == "s1",
    }
}

/// What a person may do to an alert, as `docs/alerts.md` says it.
fn may(a: &Alert, action: &Action) -> Result<(), RefusedCode> {
    let worked_on = matches!(a.work, Work::Assigned | Work::InProgress);
    let done = Err(RefusedCode::AlreadyDone);
    let (allowed, otherwise) = match action {
        Action::Comment { .. }
        | Action::Link { .. }
        | Action::Merge { .. }
        | Action::Split { .. } => {
            return Ok(());
        }
        _ if !a.is_open() => return done,
        Action::Acknowledge { .. } if a.seen.is_some() => return done,
        Action::Acknowledge { .. } => (a.work == Work::New || worked_on, RefusedCode::NotAllowed),
        Action::Resolve { .. } if a.work == Work::Resolved => return done,
        Action::Start { .. } if a.work == Work::InProgress => return done,
        Action::Unshelve { .. } if a.shelf.is_none() => return done,
        Action::Close { .. } => (!a.active, RefusedCode::StillActive),
        Action::Reject { .. } | Action::Unshelve { .. } => (true, RefusedCode::NotAllowed),
        Action::Assign { .. }
        | Action::Start { .. }
        | Action::Resolve { .. }
        | Action::Shelve { .. } => (a.is_undone(), RefusedCode::NotAllowed),
    };
    if allowed { Ok(()) } else { Err(otherwise) }
}

/// What it then is.
pub fn act(a: &mut Alert, action: &Action, at: Timestamp, who: &str) {
    match action {
        Action::Comment { .. } => a.comments += 1,
        Action::Link { .. } => a.links += 1,
        Action::Merge { .. } | Action::Split { .. } => {}
        Action::Shelve { until, .. } => a.shelf = Some(*until),
        Action::Unshelve { .. } => a.shelf = None,
        Action::Acknowledge { .. } => {
            a.look(at, who);
            match a.work {
                Work::New if !a.active && !a.latched => a.end(Work::Closed),
                Work::New => a.work = Work::Acknowledged,
                _ => {}
            }
        }
        Action::Assign { to, .. } => {
            a.look(at, who);
            a.work = Work::Assigned;
            a.assignee = Some(to.name.clone());
        }
        Action::Start { .. } => {
            a.look(at, who);
            a.work = Work::InProgress;
        }
        Action::Resolve { .. } => {
            a.look(at, who);
            a.work = Work::Resolved;
            // The time it was done first: what closes by itself counts from there.
            a.resolved.get_or_insert(at);
        }
        Action::Close { .. } => {
            a.look(at, who);
            a.end(Work::Closed);
        }
        Action::Reject { .. } => {
            a.look(at, who);
            a.resolved.get_or_insert(at);
            a.end(Work::Rejected);
        }
    }
}

fn own_key(r: &ActionRequest) -> Option<(String, String)> {
    r.key.as_ref().map(|key| (r.actor.user.clone(), key.clone()))
}

/// An alert that is named twice is meant once.
fn distinct(targets: &[Target]) -> Vec<&Target> {
    let mut seen = BTreeSet::new();
    targets.iter().filter(|t| seen.insert(&t.alert)).collect()
}

/// The condition's word.
pub fn condition(active: bool) -> Condition {
    if active { Condition::Active } else { Condition::Returned }
}
