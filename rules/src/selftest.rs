//! Tests that rules carry: readings in, transitions out, run by `ioc check`.

use ioc_model::{
    Body, ConfigError, Detection, Entry, Name, Quality, Record, Severity, Status, Timestamp,
    Transition, TransitionKind,
};
use smallvec::smallvec;

use crate::engine::{ClockMode, Engine, EngineConfig};
use crate::fields::{Fields, Report, duration, number, severity, text};
use crate::kinds::Wanted;
use crate::rule::{Per, Rule};
use crate::ruleset::RuleSet;
use crate::yaml::{Node, Value};

/// Tests begin at local midnight, so that windows are easy to reason about.
const START_MS: i64 = 1_761_584_400_000; // 2025-10-28T00:00:00+07:00

/// One test of one rule.
#[derive(Clone, Debug)]
pub(crate) struct SelfTest {
    rule: Name,
    file: String,
    line: usize,
    column: usize,
    device: Option<Name>,
    steps: Vec<Step>,
    until_ms: i64,
    expect: Vec<Expected>,
}

#[derive(Clone, Debug)]
struct Step {
    at_ms: i64,
    /// Who says it; `None`: the tested device.
    device: Option<Name>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Values { values: Vec<(Name, f64)>, bad: bool },
    Value { value: f64, bad: bool },
    Detection(Detection),
    Online(bool),
}

#[derive(Clone, Debug, PartialEq)]
struct Expected {
    at_ms: i64,
    kind: TransitionKind,
    /// Not asked of a clear.
    severity: Option<Severity>,
}

/// Reads `tests:`.
pub(crate) fn parse(node: &Node, rule: Option<&Name>, report: &mut Report) -> Vec<SelfTest> {
    let Value::List(items) = &node.value else {
        report.error(node, format!("expected a list of tests, found {}", node.value.kind()));
        return Vec::new();
    };
    items.iter().filter_map(|n| test(n, rule?, report)).collect()
}

fn test(node: &Node, rule: &Name, report: &mut Report) -> Option<SelfTest> {
    let mut fields = Fields::open(node, "a test", report)?;
    let device = fields.get("device").and_then(|n| text(n, report)).map(Name::from);
    let readings = fields.require("readings", report);
    let until = fields.get("until").map(|n| duration(n, 0, report));
    let expect = fields.require("expect", report);
    fields.finish(report);
    let steps: Vec<Step> = list(readings?, report, step)?;
    let expect: Vec<Expected> = list(expect?, report, expected)?;
    let last = steps.iter().map(|s| s.at_ms).chain(expect.iter().map(|e| e.at_ms)).max();
    Some(SelfTest {
        rule: rule.clone(),
        file: report.file.clone(),
        line: node.line,
        column: node.column,
        device,
        steps,
        until_ms: until.flatten().or(last).unwrap_or(0),
        expect,
    })
}

fn list<T>(
    node: &Node,
    report: &mut Report,
    mut one: impl FnMut(&Node, &mut Report) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::List(items) = &node.value else {
        report.error(node, format!("expected a list, found {}", node.value.kind()));
        return None;
    };
    let all: Vec<Option<T>> = items.iter().map(|n| one(n, report)).collect();
    all.into_iter().collect()
}

/// `{at: 10m, value: 2.5}`, `{at: 1s, values: {speed: 4, occupancy: 80}}`,
/// `{at: 0s, detection: wrong_way, object: car}` or `{at: 0s, online: false}`.
fn step(node: &Node, report: &mut Report) -> Option<Step> {
    let mut fields = Fields::open(node, "a reading", report)?;
    let at_ms = fields.require("at", report).and_then(|n| duration(n, 0, report));
    let value = fields.get("value").map(|n| number(n, report));
    let values = fields.get("values").map(|n| value_map(n, report));
    let device = fields.get("device").and_then(|n| text(n, report)).map(Name::from);
    let bad = fields.get("quality").is_some_and(|n| text(n, report) == Some("bad"));
    let detects = fields.get("detection").map(|n| text(n, report).map(Name::from));
    let online = fields.get("online").map(|n| crate::fields::boolean(n, report));
    let name =
        |n: Option<&Node>, report: &mut Report| n.and_then(|n| text(n, report)).map(Name::from);
    let object = name(fields.get("object"), report);
    let zone = name(fields.get("zone"), report);
    let id = name(fields.get("id"), report);
    let confidence = fields.get("confidence").and_then(|n| number(n, report));
    let count = fields.get("count").and_then(|n| number(n, report));
    fields.finish(report);
    let what = match (value, values, detects, online) {
        (Some(value), None, None, None) => What::Value { value: value?, bad },
        (None, Some(values), None, None) => What::Values { values: values?, bad },
        (None, None, Some(kind), None) => What::Detection(Detection {
            kind: kind?,
            id,
            object,
            confidence,
            count,
            zone,
            personal: None,
        }),
        (None, None, None, Some(online)) => What::Online(online?),
        _ => {
            let hint = "one of `value`, `values`, `detection`, `online`";
            report.hinted(node, "a reading says exactly one thing", hint);
            return None;
        }
    };
    Some(Step { at_ms: at_ms?, device, what })
}

fn value_map(node: &Node, report: &mut Report) -> Option<Vec<(Name, f64)>> {
    let Value::Map(entries) = &node.value else {
        report.error(node, format!("expected a map of values, found {}", node.value.kind()));
        return None;
    };
    entries.iter().map(|(k, n)| Some((Name::from(k.name.as_str()), number(n, report)?))).collect()
}

/// `{at: 10m, raise: major}`, `{at: 20m, severity: minor}`, `{at: 30m, clear: true}`.
fn expected(node: &Node, report: &mut Report) -> Option<Expected> {
    let mut fields = Fields::open(node, "an expected transition", report)?;
    let at_ms = fields.require("at", report).and_then(|n| duration(n, 0, report));
    let raise = fields.get("raise").map(|n| severity(n, report));
    let change = fields.get("severity").map(|n| severity(n, report));
    let clear = fields.get("clear");
    fields.finish(report);
    let (kind, severity) = match (raise, change, clear) {
        (Some(s), None, None) => (TransitionKind::Raise, Some(s?)),
        (None, Some(s), None) => (TransitionKind::Severity, Some(s?)),
        (None, None, Some(_)) => (TransitionKind::Clear, None),
        _ => {
            report.error(node, "expected exactly one of `raise`, `severity`, `clear`");
            return None;
        }
    };
    Some(Expected { at_ms: at_ms?, kind, severity })
}

/// Runs all tests of a set.
pub(crate) fn run(set: &RuleSet) -> Result<usize, Vec<ConfigError>> {
    let failures: Vec<ConfigError> =
        set.tests.iter().filter_map(|test| run_one(set, test)).collect();
    if failures.is_empty() { Ok(set.tests.len()) } else { Err(failures) }
}

fn run_one(set: &RuleSet, test: &SelfTest) -> Option<ConfigError> {
    let rule = set.rules.iter().find(|r| r.id == test.rule)?;
    let fail = |message: String, hint: &str| {
        ConfigError::new(&test.file, test.line, test.column, message).hint(hint)
    };
    let Some(device) = test.device.clone().or_else(|| set.some_device(rule)) else {
        return Some(fail("no configured device fits this rule".into(), "name one with `device:`"));
    };
    let config = EngineConfig {
        clock: ClockMode::Wall,
        max_tick_gap_ms: i64::MAX,
        ..EngineConfig::default()
    };
    let mut engine = Engine::new(set.only(&test.rule), config);
    let mut out = Vec::new();
    let mut position = 0;
    let mut feed = |entry: Entry| {
        engine.step(position, &entry, &mut out);
        position += 1;
    };
    feed(Entry::Tick(Timestamp(START_MS)));
    for step in &test.steps {
        let at = Timestamp(START_MS + step.at_ms);
        let device = step.device.as_ref().unwrap_or(&device);
        feed(Entry::Tick(at));
        feed(Entry::Record(set.test_record(rule, device, at, &step.what)));
    }
    feed(Entry::Tick(Timestamp(START_MS + test.until_ms)));
    out.extend(engine.take_shadow());
    let got: Vec<Expected> =
        out.iter().filter(|t| about(t, rule, &device)).map(Expected::of).collect();
    let same = got.len() == test.expect.len()
        && got.iter().zip(&test.expect).all(|(g, e)| {
            g.at_ms == e.at_ms
                && g.kind == e.kind
                && (e.severity.is_none() || g.severity == e.severity)
        });
    if same {
        return None;
    }
    let show = |list: &[Expected]| {
        let words: Vec<String> = list.iter().map(Expected::to_string).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    };
    let message =
        format!("test of `{}`: expected {}, got {}", rule.id, show(&test.expect), show(&got));
    Some(fail(message, "correct the rule or the test"))
}

/// Transitions of the rule on the tested device or its area.
fn about(t: &Transition, rule: &Rule, device: &Name) -> bool {
    let other = matches!(&t.entity, ioc_model::Entity::Device(d) if d != device);
    t.rule == rule.id && !other
}

impl Expected {
    fn of(t: &Transition) -> Self {
        let severity = (t.kind != TransitionKind::Clear).then_some(t.severity);
        Self { at_ms: t.time.0 - START_MS, kind: t.kind, severity }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.kind {
            TransitionKind::Raise => "raise",
            TransitionKind::Severity => "severity",
            TransitionKind::Clear => "clear",
        };
        write!(f, "{word}")?;
        if let Some(severity) = self.severity {
            write!(f, " {}", severity.as_str())?;
        }
        write!(f, " at {} s", self.at_ms as f64 / 1000.0)
    }
}

impl RuleSet {
    /// A configured device that the rule looks at.
    fn some_device(&self, rule: &Rule) -> Option<Name> {
        let inputs = rule.kind.inputs();
        let first = inputs.first();
        let fits = |(id, d): &(&Name, &crate::ruleset::DeviceView)| {
            let property = match first.map(|i| &i.what) {
                Some(Wanted::Property(p) | Wanted::AnyQuality(p)) => Some(p),
                _ => None,
            };
            let selection = first.and_then(|i| i.selection.as_ref()).unwrap_or(&rule.selection);
            selection.matches(id, Some(&d.kind), &d.service, &d.area)
                && property.is_none_or(|p| d.properties.contains(p))
                && (rule.per != Per::Device || rule.ladder.limits(Some(id)).is_some())
                && (rule.per != Per::Segment || d.segment.is_some())
        };
        self.city.devices.iter().find(fits).map(|(id, _)| id.clone())
    }

    fn test_record(&self, rule: &Rule, device: &Name, at: Timestamp, what: &What) -> Record {
        let view = self.city.devices.get(device);
        let service = view.map_or(&rule.service, |v| &v.service);
        let area = view.map_or_else(|| "unassigned".into(), |v| v.area.clone());
        let quality = |bad: bool| if bad { Quality::Bad } else { Quality::Good };
        let body = match what {
            What::Value { value, bad } => {
                let property = main_property(rule);
                Body::Observation { quality: quality(*bad), values: smallvec![(property, *value)] }
            }
            What::Values { values, bad } => Body::Observation {
                quality: quality(*bad),
                values: values.iter().cloned().collect(),
            },
            What::Detection(d) => Body::Detection(Box::new(d.clone())),
            What::Online(online) => Body::Status(Status { online: *online, battery: None }),
        };
        Record {
            device: device.clone(),
            area,
            service: service.clone(),
            source: 0,
            time: at,
            received: at,
            seq: None,
            clock_clamped: false,
            derived: false,
            body,
        }
    }
}

/// The property that `value` means.
fn main_property(rule: &Rule) -> Name {
    let property = |i: &crate::kinds::Input| match &i.what {
        Wanted::Property(p) | Wanted::AnyQuality(p) => Some(p.clone()),
        Wanted::Detection | Wanted::Presence | Wanted::Rule(_) => None,
    };
    rule.kind.inputs().iter().find_map(property).unwrap_or_else(|| "temperature".into())
}
