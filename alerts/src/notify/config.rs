//! `notify.yaml` as it is written, and as it is meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use ioc_model::{City, ConfigError, ConfigFiles, Name, Severity};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::hours::{Hours, SpanFile};
use super::report::{FILE, Report};
use super::route::{GroupBy, On, Route, Times};
use crate::cap::{CapSettings, CapSpec};
use crate::channel::Language;
use crate::channel::email::EmailSpec;
use crate::channel::mqtt::MqttSpec;
use crate::channel::webhook::WebhookSettings;

const HELP: &str = "docs/alerts.md, section notifications, says what can stand here";
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct File {
    base_url: Option<Spanned<String>>,
    give_up: Option<Spanned<String>>,
    rebuild: Option<Spanned<String>>,
    keep_days: Option<Spanned<u32>>,
    keep_rows: Option<Spanned<u32>>,
    receivers: Vec<ReceiverFile>,
    routes: Vec<RouteFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiverFile {
    id: Spanned<String>,
    #[serde(default)]
    language: Language,
    #[serde(default)]
    at_once: Option<Spanned<u32>>,
    #[serde(default)]
    webhook: Option<WebhookSettings>,
    #[serde(default)]
    email: Option<Spanned<EmailSpec>>,
    #[serde(default)]
    mqtt: Option<MqttSpec>,
    #[serde(default)]
    cap: Option<Spanned<CapSpec>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteFile {
    id: Spanned<String>,
    #[serde(default, rename = "match")]
    when: MatchFile,
    receivers: Vec<Spanned<String>>,
    #[serde(default)]
    group_by: GroupBy,
    #[serde(default)]
    wait: Option<Spanned<String>>,
    #[serde(default)]
    interval: Option<Spanned<String>>,
    #[serde(default)]
    repeat: Option<Spanned<String>>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MatchFile {
    services: Vec<Spanned<String>>,
    areas: Vec<Spanned<String>>,
    rules: Vec<Spanned<String>>,
    causes: Vec<Spanned<String>>,
    min_severity: Option<Severity>,
    on: Vec<Spanned<String>>,
    hours: Vec<SpanFile>,
}

/// What notification is to do: a checked `notify.yaml`.
#[derive(Clone, Debug)]
pub struct NotifyConfig {
    /// Address of the console for links; empty: none.
    pub base_url: String,
    /// A delivery that has not arrived after so long is given up, ms.
    pub give_up_ms: i64,
    /// How far back a new outbox tells, ms.
    pub rebuild_ms: i64,
    /// Deliveries that ended are kept so long, days.
    pub keep_days: u32,
    /// At most so many of them are kept.
    pub keep_rows: u32,
    /// In the order of the file.
    pub receivers: Vec<Receiver>,
    /// In the order of the file.
    pub routes: Vec<Route>,
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Which.
    pub id: Name,
    /// Of the text.
    pub language: Language,
    /// Messages that are under way to it at the same time at most.
    pub at_once: usize,
    /// How to reach it.
    pub way: Way,
    /// Line and column in the file.
    pub(super) place: (usize, usize),
}

/// How to reach a receiver.
#[derive(Clone, Debug)]
pub enum Way {
    /// `POST` of JSON.
    Webhook(Box<WebhookSettings>),
    /// Mail.
    Email(Box<EmailSpec>),
    /// Topics of our own broker.
    Mqtt(MqttSpec),
    /// Public warnings.
    Cap(Box<CapSettings>),
}

impl Way {
    /// Warnings expire, so they are repeated always; people who have taken note need no reminder.
    pub(super) fn warns_the_public(&self) -> bool {
        matches!(self, Self::Cap(_))
    }
}

impl Default for NotifyConfig {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            give_up_ms: DAY,
            rebuild_ms: HOUR,
            keep_days: 30,
            keep_rows: 100_000,
            receivers: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl NotifyConfig {
    /// Reads and checks `notify.yaml`; without that file nobody is told anything.
    ///
    /// # Errors
    /// All mistakes of meaning, or the first mistake of form, each with its place.
    pub fn load(files: &ConfigFiles, city: &City) -> Result<Self, Vec<ConfigError>> {
        let Some(text) = files.get(FILE) else { return Ok(Self::default()) };
        let file = parse(text).map_err(|e| vec![e])?;
        let mut report = Report::default();
        let mut config = Self::default();
        config.settings(&file, &mut report);
        for r in file.receivers {
            config.receiver(r, city, &mut report);
        }
        let holidays = Arc::new(city.holidays.clone());
        for r in &file.routes {
            config.route(r, city, &holidays, &mut report);
        }
        if report.errors.is_empty() { Ok(config) } else { Err(report.errors) }
    }

    /// The receiver with that id.
    pub fn receiver_by_id(&self, id: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|r| &*r.id == id)
    }

    /// The route with that id.
    pub fn route_by_id(&self, id: &str) -> Option<&Route> {
        self.routes.iter().find(|r| &*r.id == id)
    }

    fn settings(&mut self, file: &File, report: &mut Report) {
        if let Some(url) = &file.base_url {
            let fine = reqwest::Url::parse(&url.value)
                .is_ok_and(|u| matches!(u.scheme(), "https" | "http") && u.query().is_none());
            if !fine && !url.value.is_empty() {
                let message = format!("`{}` is not an address", url.value);
                report.wrong(url, message, "such as https://ioc.example.vn");
            }
            self.base_url.clone_from(&url.value);
        }
        let mut set = |at: &Option<Spanned<String>>, to: &mut i64, bounds| {
            if let Some(ms) = at.as_ref().and_then(|at| report.duration(at, bounds)) {
                *to = ms;
            }
        };
        set(&file.give_up, &mut self.give_up_ms, (60 * SECOND, 30 * DAY));
        set(&file.rebuild, &mut self.rebuild_ms, (0, 30 * DAY));
        let mut number = |at: &Option<Spanned<u32>>, to: &mut u32, most| {
            let Some(at) = at else { return };
            *to = at.value;
            if !(1..=most).contains(&at.value) {
                report.wrong(at, format!("{} is out of range", at.value), &format!("1 to {most}"));
            }
        };
        number(&file.keep_days, &mut self.keep_days, 3_650);
        number(&file.keep_rows, &mut self.keep_rows, 10_000_000);
    }

    fn receiver(&mut self, mut file: ReceiverFile, city: &City, report: &mut Report) {
        check_id(&file.id, "receiver", report);
        if self.receiver_by_id(&file.id.value).is_some() {
            let message = format!("receiver `{}` is there already", file.id.value);
            report.wrong(&file.id, message, "ids are unique");
        }
        let at_once = file.at_once.as_ref().map_or(4, |n| n.value);
        if let Some(n) = file.at_once.as_ref().filter(|n| !(1..=64).contains(&n.value)) {
            report.wrong(n, format!("{} is out of range", n.value), "1 to 64");
        }
        let Some(way) = way(&mut file, city, report) else { return };
        let at = file.id.referenced;
        let place = (at.line() as usize, at.column() as usize);
        let id = Name::from(file.id.value);
        let at_once = at_once as usize;
        self.receivers.push(Receiver { id, language: file.language, at_once, way, place });
    }

    fn route(
        &mut self,
        file: &RouteFile,
        city: &City,
        holidays: &Arc<BTreeSet<i64>>,
        report: &mut Report,
    ) {
        check_id(&file.id, "route", report);
        if self.route_by_id(&file.id.value).is_some() {
            let message = format!("route `{}` is there already", file.id.value);
            report.wrong(&file.id, message, "ids are unique");
        }
        if file.receivers.is_empty() {
            let message = format!("route `{}` has no receivers", file.id.value);
            report.wrong(&file.id, message, "a route that ends here for nobody is not possible");
        }
        for r in file.receivers.iter().filter(|r| self.receiver_by_id(&r.value).is_none()) {
            report.unknown(r, "receiver", self.receivers.iter().map(|r| &*r.id));
        }
        let warns = |id: &str| self.receiver_by_id(id).is_some_and(|r| r.way.warns_the_public());
        for r in file.receivers.iter().filter(|r| warns(&r.value)) {
            // Otherwise the end of a danger could be told in a notification that does not name it.
            if file.group_by != GroupBy::Incident {
                let message = format!("`{}` warns the public, incident by incident", r.value);
                report.wrong(r, message, "take `group_by` away, or give it a route of its own");
            }
        }
        let m = &file.when;
        for s in m.services.iter().filter(|s| !city.services.contains_key(&*s.value)) {
            report.unknown(s, "service", city.services.keys().map(|k| &**k));
        }
        for a in m.areas.iter().filter(|a| !city.areas.contains_key(&*a.value)) {
            report.unknown(a, "area", city.areas.keys().map(|k| &**k));
        }
        let names =
            |list: &[Spanned<String>]| list.iter().map(|s| s.value.as_str().into()).collect();
        let route = Route {
            id: file.id.value.as_str().into(),
            services: names(&m.services),
            areas: names(&m.areas),
            rules: names(&m.rules),
            causes: names(&m.causes),
            min_severity: m.min_severity,
            on: reasons(&m.on, report),
            hours: (!m.hours.is_empty()).then(|| Hours::check(&m.hours, holidays, report)),
            receivers: file.receivers.iter().map(|r| r.value.as_str().into()).collect(),
            group_by: file.group_by,
            times: times(file, report),
            goes_on: file.goes_on,
        };
        self.routes.push(route);
    }
}

/// The one way of a receiver, checked.
fn way(file: &mut ReceiverFile, city: &City, report: &mut Report) -> Option<Way> {
    let mut ways = Vec::new();
    if let Some(webhook) = file.webhook.take() {
        webhook.check(report);
        ways.push(Way::Webhook(Box::new(webhook)));
    }
    if let Some(email) = file.email.take() {
        for mistake in email.value.mistakes() {
            report.wrong(&email, format!("email: {mistake}"), HELP);
        }
        ways.push(Way::Email(Box::new(email.value)));
    }
    ways.extend(file.mqtt.take().map(Way::Mqtt));
    if let Some(cap) = file.cap.take() {
        match CapSettings::new(cap.value.clone(), city) {
            Ok(settings) => ways.push(Way::Cap(Box::new(settings))),
            Err(mistakes) => {
                for mistake in mistakes {
                    report.wrong(&cap, format!("cap: {mistake}"), HELP);
                }
                return None;
            }
        }
    }
    let way = ways.pop();
    if way.is_none() || !ways.is_empty() {
        let message = format!("receiver `{}` has not exactly one way", file.id.value);
        report.wrong(&file.id, message, "give one of webhook, email, mqtt and cap");
        return None;
    }
    way
}

fn parse(text: &str) -> Result<File, ConfigError> {
    // A file of comments alone is no document.
    if text.lines().all(|l| l.trim_start().is_empty() || l.trim_start().starts_with('#')) {
        return Ok(File::default());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let (line, column) =
            e.location().map_or((0, 0), |l| (l.line() as usize, l.column() as usize));
        let message = e.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let message = message.split(" at line ").next().unwrap_or(&message);
        ConfigError::new(FILE, line, column, message.trim()).hint(HELP)
    })
}

fn check_id(id: &Spanned<String>, what: &str, report: &mut Report) {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let ok = (1..=64).contains(&id.value.len()) && id.value.bytes().all(fine);
    if !ok || id.value == super::ESCALATION {
        let message = format!("`{}` cannot be the id of a {what}", id.value);
        report.wrong(id, message, "a-z, 0-9, - and _, at most 64; `escalation` is taken");
    }
}

fn reasons(words: &[Spanned<String>], report: &mut Report) -> BTreeSet<On> {
    let mut on = BTreeSet::new();
    for word in words {
        match On::parse(&word.value) {
            Some(o) => {
                on.insert(o);
            }
            None => report.unknown(word, "reason", On::ALL.iter().map(|o| o.as_str())),
        }
    }
    if words.is_empty() { On::usual() } else { on }
}

fn times(file: &RouteFile, report: &mut Report) -> Times {
    let mut times = Times::default();
    if let Some(at) = &file.wait {
        times.wait_ms = report.duration(at, (0, HOUR));
    }
    if let Some(ms) = file.interval.as_ref().and_then(|at| report.duration(at, (0, DAY))) {
        times.interval_ms = ms;
    }
    if let Some(at) = &file.repeat {
        times.repeat_ms = match at.value.as_str() {
            "never" => None,
            _ => report.duration(at, (60 * SECOND, 30 * DAY)),
        };
    }
    times
}
