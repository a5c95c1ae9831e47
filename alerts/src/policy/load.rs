//! `alerts.yaml` to a [`Policy`], all mistakes at once.

use ioc_model::{City, ConfigError, ConfigFiles, Name, Severity, Text};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Class, Deescalate, FloodLimits, Policy, Span, Step, WorkTime};

const FILE: &str = "alerts.yaml";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MAX_STEPS: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    shelving: Shelving,
    auto_close: Spanned<String>,
    incidents: Incidents,
    flood: Flood,
    working_time: Working,
    classes: Vec<ClassFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shelving {
    max: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incidents {
    gap: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flood {
    raised: u32,
    within: Spanned<String>,
    ends_below: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Working {
    days: Vec<Spanned<String>>,
    hours: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassFile {
    id: Spanned<String>,
    name: Text,
    #[serde(default)]
    severities: Vec<Severity>,
    #[serde(default)]
    services: Vec<Spanned<String>>,
    #[serde(default)]
    acknowledge: Option<Within>,
    #[serde(default)]
    resolve: Option<Within>,
    #[serde(default)]
    escalation: Vec<StepFile>,
    #[serde(default)]
    deescalate: Option<DeescalateFile>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    effective: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Within {
    within: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    after: Spanned<String>,
    to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeescalateFile {
    after: Spanned<String>,
    to: Severity,
}

fn word(text: &str) -> Spanned<String> {
    Spanned::new(text.into(), serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

impl Default for PolicyFile {
    fn default() -> Self {
        Self {
            shelving: Shelving { max: word("12h") },
            auto_close: word("24h"),
            incidents: Incidents { gap: word("30m") },
            flood: Flood { raised: 10, within: word("10m"), ends_below: 5 },
            working_time: Working {
                days: DAYS[..5].iter().map(|d| word(d)).collect(),
                hours: ["07:30-11:30", "13:30-17:30"].map(word).into(),
            },
            classes: Vec::new(),
        }
    }
}

/// Mistakes as they are found.
struct Report(Vec<ConfigError>);

impl Report {
    fn at(&mut self, node: &Spanned<String>, message: impl Into<String>, hint: &str) {
        let place = node.referenced;
        let (line, column) = (place.line() as usize, place.column() as usize);
        self.0.push(ConfigError::new(FILE, line, column, message).hint(hint));
    }

    fn span(&mut self, node: &Spanned<String>) -> Option<Span> {
        let span = Span::parse(&node.value);
        if span.is_none() {
            let message = format!("`{}` is not a span of time", node.value);
            self.at(node, message, "write 90s, 5m, 4h, 7d, 1 workday or 3 workdays");
        }
        span
    }

    /// A span by the clock, ms.
    fn clock(&mut self, node: &Spanned<String>) -> Option<i64> {
        match self.span(node)? {
            Span::Clock(ms) => Some(ms),
            Span::Workdays(_) => {
                self.at(node, "working days cannot be counted here", "write 90s, 5m, 4h or 7d");
                None
            }
        }
    }
}

impl Policy {
    /// Reads `alerts.yaml`; without the file the defaults hold, with no classes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn load(files: &ConfigFiles, city: &City) -> Result<Self, Vec<ConfigError>> {
        let file = match files.get(FILE) {
            None => PolicyFile::default(),
            Some(text) => serde_saphyr::from_str(text).map_err(|e| vec![broken(&e)])?,
        };
        let mut report = Report(Vec::new());
        let policy = file.check(city, &mut report);
        match policy {
            Some(policy) if report.0.is_empty() => Ok(policy),
            _ => Err(report.0),
        }
    }
}

fn broken(e: &serde_saphyr::Error) -> ConfigError {
    let (line, column) = e.location().map_or((0, 0), |l| (l.line() as usize, l.column() as usize));
    let text = e.to_string();
    let message = text.lines().next().unwrap_or("not readable").to_owned();
    ConfigError::new(FILE, line, column, message).hint("docs/alerts.md shows every field")
}

impl PolicyFile {
    fn check(self, city: &City, report: &mut Report) -> Option<Policy> {
        let work = self.working_time.check(city, report);
        let classes: Vec<_> = self.classes.iter().map(|c| c.check(city, report)).collect();
        let shelve = report.clock(&self.shelving.max);
        let close = report.clock(&self.auto_close);
        let gap = report.clock(&self.incidents.gap);
        let within = report.clock(&self.flood.within);
        if self.flood.ends_below > self.flood.raised + 1 {
            let hint = "`ends_below` must not be above `raised`";
            report.at(&self.flood.within, "the flood would end before it begins", hint);
        }
        Some(Policy {
            shelve_max_ms: shelve?,
            auto_close_ms: close?,
            incident_gap_ms: gap?,
            flood: FloodLimits {
                raised: self.flood.raised,
                within_ms: within?,
                ends_below: self.flood.ends_below,
            },
            work: work?,
            classes: classes.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl Working {
    fn check(&self, city: &City, report: &mut Report) -> Option<WorkTime> {
        let mut days = 0;
        for day in &self.days {
            match DAYS.iter().position(|d| *d == day.value) {
                Some(n) => days |= 1 << n,
                None => {
                    let message = format!("`{}` is no day", day.value);
                    report.at(day, message, "mon, tue, wed, thu, fri, sat or sun");
                }
            }
        }
        let mut hours: Vec<(i64, i64)> = Vec::new();
        for text in &self.hours {
            match minutes(&text.value) {
                Some((from, to)) if hours.last().is_none_or(|l| l.1 <= from) => {
                    hours.push((from, to));
                }
                Some(_) => report.at(text, "begins before the span above ends", "in order"),
                None => {
                    let message = format!("`{}` is no span of a day", text.value);
                    report.at(text, message, "write 07:30-11:30");
                }
            }
        }
        (days != 0 && !hours.is_empty())
            .then(|| WorkTime { days, hours, holidays: city.holidays.clone() })
            .or_else(|| {
                let none = word("");
                report.at(&none, "there is no working time at all", "name days and hours");
                None
            })
    }
}

fn minutes(text: &str) -> Option<(i64, i64)> {
    let one = |t: &str| {
        let (h, m) = t.trim().split_once(':')?;
        let (h, m): (i64, i64) = (h.parse().ok()?, m.parse().ok()?);
        ((0..=24).contains(&h) && (0..60).contains(&m) && h * 60 + m <= 1_440).then_some(h * 60 + m)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (one(from)?, one(to)?);
    (from < to).then_some((from, to))
}

impl ClassFile {
    fn check(&self, city: &City, report: &mut Report) -> Option<Class> {
        for service in &self.services {
            if !city.services.contains_key(&*service.value) {
                let message = format!("`{}` is no service", service.value);
                report.at(service, message, "services.yaml lists them");
            }
        }
        let acknowledge = self.acknowledge.as_ref().map(|w| report.span(&w.within));
        let resolve = self.resolve.as_ref().map(|w| report.span(&w.within));
        let escalation = self.chain(report);
        let deescalate = match &self.deescalate {
            None => Some(None),
            Some(d) => {
                report.clock(&d.after).map(|after_ms| Some(Deescalate { after_ms, to: d.to }))
            }
        };
        Some(Class {
            id: self.id.value.as_str().into(),
            name: self.name.clone(),
            severities: self.severities.clone(),
            services: self.services.iter().map(|s| Name::from(s.value.as_str())).collect(),
            acknowledge: acknowledge.map_or(Some(None), |s| s.map(Some))?,
            resolve: resolve.map_or(Some(None), |s| s.map(Some))?,
            escalation: escalation?,
            deescalate: deescalate?,
            source: self.source.clone(),
            effective: self.effective.clone(),
        })
    }

    fn chain(&self, report: &mut Report) -> Option<Vec<Step>> {
        let mut steps: Vec<Step> = Vec::new();
        let before = report.0.len();
        for step in &self.escalation {
            let Some(after_ms) = report.clock(&step.after) else { continue };
            if steps.last().is_some_and(|last| last.after_ms >= after_ms) {
                report.at(&step.after, "not later than the step above", "in the order of time");
            }
            steps.push(Step { after_ms, to: step.to.value.as_str().into() });
        }
        if steps.len() > MAX_STEPS {
            report.at(&self.id, "more than 10 steps of escalation", "leave some out");
        }
        (report.0.len() == before).then_some(steps)
    }
}
