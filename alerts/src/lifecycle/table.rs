//! The table, and how the documents draw it.

use std::fmt::Write;

use ioc_model::{ActionKind, AutoKind, Condition, Work};

use super::{Event, State};

/// When a row holds; what is not named may be anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    work: &'static [Work],
    condition: Option<Condition>,
    acknowledged: Option<bool>,
    latched: Option<bool>,
    shelved: Option<bool>,
    suppressed: Option<bool>,
}

/// What a row changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    Condition(Condition),
    Acknowledged(bool),
    Work(Work),
    Shelved(bool),
    Suppressed(bool),
}

/// One row; of several that fit, the first holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub on: Event,
    pub when: When,
    pub then: &'static [Effect],
    about: &'static str,
}

impl When {
    const fn work(work: &'static [Work]) -> Self {
        Self {
            work,
            condition: None,
            acknowledged: None,
            latched: None,
            shelved: None,
            suppressed: None,
        }
    }

    const fn active(self) -> Self {
        Self { condition: Some(Condition::Active), ..self }
    }

    const fn returned(self) -> Self {
        Self { condition: Some(Condition::Returned), ..self }
    }

    const fn acknowledged(self, yes: bool) -> Self {
        Self { acknowledged: Some(yes), ..self }
    }

    const fn latched(self, yes: bool) -> Self {
        Self { latched: Some(yes), ..self }
    }

    const fn shelved(self, yes: bool) -> Self {
        Self { shelved: Some(yes), ..self }
    }

    const fn suppressed(self, yes: bool) -> Self {
        Self { suppressed: Some(yes), ..self }
    }

    pub(super) fn fits(&self, s: State) -> bool {
        self.work.contains(&s.work)
            && self.condition.is_none_or(|c| c == s.condition)
            && self.acknowledged.is_none_or(|a| a == s.acknowledged)
            && self.latched.is_none_or(|l| l == s.latched)
            && self.shelved.is_none_or(|x| x == s.shelved)
            && self.suppressed.is_none_or(|x| x == s.suppressed)
    }
}

const fn act(kind: ActionKind, when: When, then: &'static [Effect], about: &'static str) -> Row {
    Row { on: Event::Act(kind), when, then, about }
}

const fn auto(kind: AutoKind, when: When, then: &'static [Effect], about: &'static str) -> Row {
    Row { on: Event::Auto(kind), when, then, about }
}

use ActionKind as A;
use Work::{Acknowledged, Assigned, Closed, InProgress, New, Rejected, Resolved};

const OPEN: &[Work] = &[New, Acknowledged, Assigned, InProgress, Resolved];
const UNDONE: &[Work] = &[New, Acknowledged, Assigned, InProgress];
const SEEN: Effect = Effect::Acknowledged(true);

pub(super) const TABLE: &[Row] = &[
    act(
        A::Acknowledge,
        When::work(&[New]).returned().latched(false),
        &[SEEN, Effect::Work(Closed)],
        "nothing is left to do",
    ),
    act(A::Acknowledge, When::work(&[New]), &[SEEN, Effect::Work(Acknowledged)], ""),
    act(
        A::Acknowledge,
        When::work(&[Assigned, InProgress]).acknowledged(false),
        &[SEEN],
        "got worse while somebody works on it",
    ),
    act(A::Assign, When::work(UNDONE), &[SEEN, Effect::Work(Assigned)], "who assigns has seen it"),
    act(
        A::Start,
        When::work(&[New, Acknowledged, Assigned]),
        &[SEEN, Effect::Work(InProgress)],
        "",
    ),
    act(
        A::Resolve,
        When::work(UNDONE),
        &[SEEN, Effect::Work(Resolved)],
        "releases a latch once the condition has returned",
    ),
    act(A::Close, When::work(OPEN).returned(), &[SEEN, Effect::Work(Closed)], "not while active"),
    act(A::Reject, When::work(OPEN), &[SEEN, Effect::Work(Rejected)], "false alarm"),
    act(A::Shelve, When::work(UNDONE), &[Effect::Shelved(true)], "again: another time"),
    act(A::Unshelve, When::work(OPEN).shelved(true), &[Effect::Shelved(false)], ""),
    act(A::Comment, When::work(&Work::ALL), &[], "always"),
    act(A::Link, When::work(&Work::ALL), &[], "always"),
    act(A::Merge, When::work(&Work::ALL), &[], "always"),
    act(A::Split, When::work(&Work::ALL), &[], "always"),
    auto(
        AutoKind::Clear,
        When::work(&[Acknowledged]).active().latched(false),
        &[Effect::Condition(Condition::Returned), Effect::Work(Closed)],
        "seen, returned, nobody works on it",
    ),
    auto(
        AutoKind::Clear,
        When::work(&Work::ALL).active(),
        &[Effect::Condition(Condition::Returned)],
        "",
    ),
    Row {
        on: Event::Worse,
        when: When::work(&[Acknowledged, Resolved, Rejected]).active(),
        then: &[Effect::Acknowledged(false), Effect::Work(New)],
        about: "what was seen was less: it begins anew",
    },
    Row {
        on: Event::Worse,
        when: When::work(&[Assigned, InProgress]).active().acknowledged(true),
        then: &[Effect::Acknowledged(false)],
        about: "the work goes on, somebody has to look",
    },
    auto(AutoKind::ShelfExpired, When::work(OPEN).shelved(true), &[Effect::Shelved(false)], ""),
    auto(
        AutoKind::Suppress,
        When::work(OPEN).suppressed(false),
        &[Effect::Suppressed(true)],
        "maintenance, parent out, out of service",
    ),
    auto(
        AutoKind::Unsuppress,
        When::work(OPEN).suppressed(true),
        &[Effect::Suppressed(false)],
        "the last of these ended",
    ),
    auto(
        AutoKind::AutoClose,
        When::work(&[Resolved]).returned(),
        &[SEEN, Effect::Work(Closed)],
        "after `auto_close`",
    ),
    auto(
        AutoKind::Overdue,
        When::work(UNDONE).shelved(false).suppressed(false),
        &[],
        "a mark; the work goes on",
    ),
    auto(
        AutoKind::Escalate,
        When::work(UNDONE).acknowledged(false).shelved(false).suppressed(false),
        &[],
        "tells the next in the chain",
    ),
    auto(
        AutoKind::Deescalate,
        When::work(UNDONE).active().acknowledged(true),
        &[],
        "one severity less; never worse by it",
    ),
];

/// The table as `docs/alerts.md` shows it.
pub fn markdown() -> String {
    let mut out =
        String::from("| what happens | to an alert that is | then | |\n|---|---|---|---|\n");
    for row in TABLE {
        let (when, then) = (when_words(&row.when), then_words(row.then));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {} | {when} | {then} | {} |", row.on.word(), row.about);
    }
    out
}

fn when_words(when: &When) -> String {
    let mut words = Vec::new();
    words.push(if when.work.len() == Work::ALL.len() {
        "anything".into()
    } else {
        when.work.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(" / ")
    });
    words.extend(when.condition.map(|c| condition(c).into()));
    let flags = [
        (when.acknowledged, "seen"),
        (when.latched, "latched"),
        (when.shelved, "shelved"),
        (when.suppressed, "suppressed"),
    ];
    for (flag, word) in flags {
        words.extend(flag.map(|yes| if yes { word.into() } else { format!("not {word}") }));
    }
    words.join(", ")
}

fn then_words(effects: &[Effect]) -> String {
    let word = |e: &Effect| match *e {
        Effect::Condition(c) => condition(c).to_owned(),
        Effect::Acknowledged(true) => "seen".into(),
        Effect::Acknowledged(false) => "not seen".into(),
        Effect::Work(w) => format!("**{}**", w.as_str()),
        Effect::Shelved(yes) => if yes { "shelved" } else { "not shelved" }.into(),
        Effect::Suppressed(yes) => if yes { "suppressed" } else { "not suppressed" }.into(),
    };
    if effects.is_empty() {
        return "as it was".into();
    }
    effects.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn condition(c: Condition) -> &'static str {
    match c {
        Condition::Active => "active",
        Condition::Returned => "returned",
    }
}
