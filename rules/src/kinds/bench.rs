//! One operator with its ladder on one entity, for the unit tests of the kinds.

use std::path::Path;

use ioc_model::{City, ConfigFiles, Detection, Evidence, Name};

use super::{Context, Message, Operator, Said, Shown, Verdicts};
use crate::fields::{Fields, Report};
use crate::ladder::{Change, LevelState};
use crate::load::{Check, Common};
use crate::rule::{Eras, Ladder, Per, Selection};
use crate::ruleset::CityView;

/// 2025-10-28T00:00:00+07:00; times of the bench count from here.
pub(crate) const T0: i64 = 1_761_584_400_000;

/// The shipped city.
pub(crate) fn city() -> City {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let names =
        ["city.yaml", "properties.yaml", "services.yaml", "thresholds.yaml", "indices.yaml"];
    let tables =
        ["areas.csv", "boundaries.geojson", "devices.csv", "zones.geojson", "calendar.yaml"];
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("a shipped file");
    let files = names.into_iter().chain(tables).map(|n| (n.to_owned(), read(n))).collect();
    let files = ConfigFiles(files);
    City::load(&files).expect("the shipped city is right")
}

/// One rule on one entity.
pub(crate) struct Bench<K: Operator> {
    per: Per,
    pub(crate) kind: K,
    pub(crate) ladder: Ladder,
    pub(crate) state: K::State,
    levels: LevelState,
    limits: Eras,
    view: CityView,
    pub(crate) cadence_s: u32,
    pub(crate) listening_since: i64,
    now: i64,
    changes: Vec<Change>,
    pub(crate) derived: Vec<(Name, i64, f64)>,
}

impl<K: Operator> Bench<K> {
    /// The fields of the kind as YAML, `per` being the kind's default; mistakes are the error.
    pub(crate) fn load(yaml: &str) -> Result<Self, String> {
        Self::load_per(yaml, K::PER[0])
    }

    /// As [`Bench::load`] for another `per`.
    pub(crate) fn load_per(yaml: &str, per: Per) -> Result<Self, String> {
        let city = city();
        let node = crate::yaml::parse("t.yaml", yaml).map_err(|e| e.to_string())?;
        let mut check = Check { city: &city, report: Report::new("t.yaml"), notes: Vec::new() };
        let common = Common { service: None, selection: Selection::default(), per };
        let mut fields = Fields::open(&node, "a rule", &mut check.report).ok_or("no map")?;
        let loaded = K::load(&mut fields, &common, &mut check);
        fields.finish(&mut check.report);
        let errors: Vec<String> = check.report.errors.iter().map(ToString::to_string).collect();
        if !errors.is_empty() {
            return Err(errors.join("\n"));
        }
        let loaded = loaded.ok_or("refused without an error")?;
        let limits = loaded.ladder.limits(None).ok_or("no general limits")?;
        let mut bench = Self {
            per,
            kind: loaded.kind,
            ladder: loaded.ladder,
            state: K::State::default(),
            levels: LevelState::default(),
            limits,
            view: CityView::new(&city),
            cadence_s: 0,
            listening_since: T0,
            now: T0,
            changes: Vec::new(),
            derived: Vec::new(),
        };
        let mut state = K::State::default();
        bench.kind.begin(&mut state, &bench.context(None));
        bench.state = state;
        Ok(bench)
    }

    pub(crate) fn new(yaml: &str) -> Self {
        Self::load(yaml).unwrap_or_else(|e| unreachable!("{e}"))
    }

    fn context<'a>(&'a self, device: Option<&'a Name>) -> Context<'a> {
        Context {
            now: self.now,
            listening_since: self.listening_since,
            cadence_s: self.cadence_s,
            device,
            city: &self.view,
        }
    }

    /// Something said at `t_ms` by device number `device` (id `d<number>`). What was due before
    /// is done first, as the engine does.
    pub(crate) fn say(&mut self, t_ms: i64, device: u32, said: Said<'_>) -> &mut Self {
        self.time(t_ms);
        let name: Name = format!("d{device}").into();
        let t = T0 + t_ms;
        let message =
            Message { t, received: t, clamped: false, bad: false, device, name: &name, said };
        self.message(&message)
    }

    /// A whole message; does not move time.
    pub(crate) fn message(&mut self, message: &Message<'_>) -> &mut Self {
        let mut out = Verdicts::new();
        let mut state = std::mem::take(&mut self.state);
        self.kind.feed(&mut state, &self.context(Some(message.name)), message, &mut out);
        self.state = state;
        self.judge(&out)
    }

    pub(crate) fn value(&mut self, t_ms: i64, value: f64) -> &mut Self {
        self.say(t_ms, 0, Said::Values(&[(0, value)]))
    }

    pub(crate) fn detect(&mut self, t_ms: i64, event: &Detection, key: u64) -> &mut Self {
        self.say(t_ms, 0, Said::Detection(event, key))
    }

    /// Time passes until then.
    pub(crate) fn time(&mut self, t_ms: i64) -> &mut Self {
        let until = T0 + t_ms;
        self.now = self.now.max(until);
        let mut out = Verdicts::new();
        let mut state = std::mem::take(&mut self.state);
        let grace = self.kind.grace_ms();
        let cx = self.context(None);
        while let Some(deadline) = self.kind.deadline(&state, &cx).filter(|d| d + grace <= until) {
            self.kind.wake(&mut state, &cx, deadline, &mut out);
            let next = self.kind.deadline(&state, &cx);
            assert!(next.is_none_or(|d| d > deadline), "deadline {next:?} after {deadline}");
        }
        self.state = state;
        self.judge(&out);
        let (ladder, changes) = (&self.ladder, &mut self.changes);
        self.levels.advance(ladder, until, &mut |c| changes.push(c));
        self
    }

    fn judge(&mut self, out: &Verdicts) -> &mut Self {
        for v in out {
            let (ladder, changes) = (&self.ladder, &mut self.changes);
            let limits = crate::ladder::era(&self.limits, v.t);
            self.levels.observe(ladder, limits, *v, &mut |c| changes.push(c));
        }
        self.kind.derived(&mut self.state, &mut self.derived);
        self
    }

    /// Level changes so far: ms since the start, level after.
    pub(crate) fn levels(&self) -> Vec<(i64, u8)> {
        self.changes.iter().map(|c| (c.time - T0, c.to)).collect()
    }

    /// Values at the level changes.
    pub(crate) fn values(&self) -> Vec<f64> {
        self.changes.iter().map(|c| c.value).collect()
    }

    pub(crate) fn shown(&self) -> Shown {
        self.kind.shown(&self.state, &self.context(None))
    }

    pub(crate) fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::default();
        self.kind.explain(&self.state, &self.context(None), &mut evidence);
        evidence
    }

    /// Reads what the kind prints: equal, or the reason why not.
    pub(crate) fn reads_back(&self) -> Result<(), String> {
        let mut fields = self.kind.print();
        fields.extend(crate::load::print_ladder(&self.ladder));
        let text = crate::print::to_yaml(&crate::print::map(fields));
        let again = Self::load_per(&text, self.per).map_err(|e| format!("{e}\n{text}"))?;
        if again.kind == self.kind && again.ladder == self.ladder {
            return Ok(());
        }
        Err(format!("{:?}\nis not\n{:?}\n{text}", again.kind, self.kind))
    }
}
