//! What the public is told of one incident at one stage.

use ioc_model::{AlertRow, City, Condition, Entity, Severity, Text, Timestamp, Work};

use super::area::areas;
use super::document::{Document, Info, Kind, Reference, Status};
use super::settings::CapSettings;
use super::xml::token;
use crate::channel::words::{Language, Words, clip, line, moment, severity_word};

/// Most alerts that are named one by one.
const MAX_NAMED: usize = 10;
/// Longest headline (the standard recommends 160 characters).
const MAX_HEADLINE: usize = 160;
/// The languages of each message: which one, and its code.
const LANGUAGES: [(Language, &str); 2] = [(Language::Vi, "vi-VN"), (Language::En, "en-US")];

/// Who writes the messages of one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// Settings of the receiver.
    pub settings: &'a CapSettings,
    /// Names and outlines.
    pub city: &'a City,
    /// Address of the console; empty: messages have no link to themselves.
    pub base_url: &'a str,
}

/// Why a warning ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The condition returned.
    Over,
    /// It never was.
    FalseAlarm,
    /// It goes on, below the level at which the public is warned.
    Eased,
    /// It goes on, and the operators hold it back.
    Withdrawn,
    /// It goes on as part of another incident.
    Moved,
}

/// One stage of an incident.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) kind: Kind,
    pub(super) identifier: String,
    pub(super) sent: Timestamp,
    pub(super) references: Vec<Reference>,
    pub(super) incident: String,
    /// The alerts the public is warned of; at the end, those it was warned of before. The worst
    /// first, at least one.
    pub(super) members: Vec<AlertRow>,
    pub(super) ending: Option<Ending>,
}

impl Author<'_> {
    /// True for an alert that the public is warned of.
    pub(super) fn is_public(&self, row: &AlertRow) -> bool {
        let spec = self.settings.spec();
        row.is_listed()
            && row.condition == Condition::Active
            && row.severity >= spec.min_severity
            && spec.services.contains(&row.service)
    }

    /// The message of a stage.
    pub(super) fn document(&self, stage: &Stage) -> Document {
        let spec = self.settings.spec();
        let note = match (stage.ending, spec.status) {
            (Some(ending), _) => Some(bilingual(ending_words(ending))),
            (None, Status::Exercise) => spec.exercise.as_deref().map(line),
            (None, _) => None,
        };
        Document {
            identifier: stage.identifier.clone(),
            sender: spec.sender.clone(),
            sent: stage.sent,
            status: spec.status,
            kind: stage.kind,
            note,
            references: stage.references.clone(),
            incident: stage.incident.clone(),
            infos: LANGUAGES.iter().map(|&(l, code)| self.info(stage, l, code)).collect(),
        }
    }

    /// The message of a trial: status `Test`, about nothing.
    pub(super) fn trial(&self, identifier: String, sent: Timestamp) -> Document {
        let spec = self.settings.spec();
        let infos = LANGUAGES.iter().map(|&(language, code)| Info {
            language: code,
            category: vec!["Other"],
            event: language.pick("Tin thử", "Test message").to_owned(),
            response: vec!["None"],
            urgency: "Unknown",
            severity: "Unknown",
            certainty: "Unknown",
            effective: Some(sent),
            onset: None,
            expires: Some(sent.plus_ms(3_600_000)),
            sender_name: line(language.of(&spec.sender_name)),
            headline: language
                .pick("TIN THỬ, không có sự việc", "TEST, nothing has happened")
                .into(),
            description: language
                .pick(
                    "Tin thử đường truyền, đề nghị bỏ qua.",
                    "A trial of the way out; please ignore.",
                )
                .into(),
            web: self.web(&identifier),
            areas: areas(&[], self.city, None, language),
            ..Info::default()
        });
        Document {
            sender: spec.sender.clone(),
            sent,
            status: Status::Test,
            kind: Kind::Alert,
            note: None,
            references: Vec::new(),
            incident: String::new(),
            infos: infos.collect(),
            identifier,
        }
    }

    fn info(&self, stage: &Stage, language: Language, code: &'static str) -> Info {
        let spec = self.settings.spec();
        let worst = stage.members.first();
        let about = self.settings.about(worst.map_or("", |w| &w.service));
        let severity = worst.map_or(Severity::Info, |w| w.severity);
        let instruction = match stage.ending {
            None => language.of(&about.instruction).to_owned(),
            Some(_) => String::new(),
        };
        Info {
            language: code,
            category: about.category,
            event: worst.map_or_else(String::new, |w| line(language.of(&w.name))),
            response: stage.ending.map_or(about.response, |e| vec![ending_response(e)]),
            urgency: urgency(severity, stage.ending),
            severity: cap_severity(severity),
            certainty: "Observed",
            effective: Some(stage.sent),
            onset: stage.members.iter().map(|m| m.raised_at).min(),
            expires: Some(self.expires(stage.sent)),
            sender_name: line(language.of(&spec.sender_name)),
            headline: self.headline(stage, language),
            description: self.description(stage, language),
            instruction,
            web: self.web(&stage.identifier),
            contact: spec.contact.as_deref().map(line),
            areas: areas(&stage.members, self.city, spec.circle_km, language),
        }
    }

    /// Until when a message sent at that time is valid.
    pub(super) fn expires(&self, sent: Timestamp) -> Timestamp {
        let ms = i64::try_from(self.settings.valid().as_millis()).unwrap_or(i64::MAX);
        sent.plus_ms(ms)
    }

    fn web(&self, identifier: &str) -> Option<String> {
        let base = self.base_url.trim_end_matches('/');
        let own = || (!base.is_empty()).then(|| format!("{base}/api/v1/cap/{}", token(identifier)));
        self.settings.spec().web.clone().or_else(own)
    }

    /// The row about something that the configuration names: an id that a device made up is no
    /// word for the public.
    fn known(&self, row: &AlertRow) -> AlertRow {
        let city = self.city;
        let known = match &row.entity {
            Entity::Device(id) => city.devices.contains_key(id),
            Entity::Area(id) => city.areas.contains_key(id),
            Entity::Service(id) => city.services.contains_key(id),
            Entity::Segment(id) => city.devices.values().any(|d| d.segment.as_ref() == Some(id)),
            Entity::City => true,
        };
        let mut row = row.clone();
        if !known {
            let ward = city.areas.contains_key(&row.area);
            row.entity = if ward { Entity::Area(row.area.clone()) } else { Entity::City };
        }
        row
    }

    fn words(&self, language: Language) -> Words<'_> {
        Words { city: self.city, base_url: "", language }
    }

    /// Severity or outcome, what, where.
    pub(super) fn headline(&self, stage: &Stage, language: Language) -> String {
        let Some(worst) = stage.members.first().map(|row| self.known(row)) else {
            return String::new();
        };
        let badge = match stage.ending {
            None => severity_word(worst.severity, language),
            Some(Ending::FalseAlarm) => language.pick("Báo động giả", "False alarm"),
            Some(Ending::Over) => language.pick("Đã hết", "Over"),
            Some(Ending::Eased) => language.pick("Đã giảm", "Eased"),
            Some(Ending::Withdrawn) => language.pick("Rút cảnh báo", "Withdrawn"),
            Some(Ending::Moved) => language.pick("Đã gộp", "Continued elsewhere"),
        };
        let others = stage.members.len() - 1;
        let more = match (others, language) {
            (0, _) => String::new(),
            (n, Language::Vi) => format!(" (và {n} nơi khác)"),
            (n, Language::En) => format!(" (and {n} more)"),
        };
        let room = MAX_HEADLINE - more.chars().count().min(MAX_HEADLINE);
        let what = format!("[{badge}] {}", self.words(language).headline(&worst));
        format!("{}{more}", clip(&what, room))
    }

    fn description(&self, stage: &Stage, language: Language) -> String {
        let words = self.words(language);
        let mut lines = Vec::new();
        if let Some(ending) = stage.ending {
            lines.push(language.of(&ending_words(ending)).to_owned());
        }
        for row in stage.members.iter().take(MAX_NAMED).map(|row| self.known(row)) {
            let since = language.pick("từ", "since");
            let mut text = words.headline(&row);
            if let Some(measured) = words.measured(&row) {
                text = format!("{text}: {measured}");
            }
            lines.push(format!("{text}; {since} {}.", moment(row.raised_at, language)));
        }
        match (stage.members.len().saturating_sub(MAX_NAMED), language) {
            (0, _) => {}
            (n, Language::Vi) => lines.push(format!("Và {n} nơi khác.")),
            (n, Language::En) => lines.push(format!("And {n} more.")),
        }
        lines.join("\n")
    }
}

fn cap_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Emergency => "Extreme",
        Severity::Critical => "Severe",
        Severity::Major => "Moderate",
        Severity::Minor | Severity::Info => "Minor",
    }
}

fn urgency(severity: Severity, ending: Option<Ending>) -> &'static str {
    match (ending, severity) {
        (Some(_), _) => "Past",
        (None, Severity::Emergency | Severity::Critical) => "Immediate",
        (None, _) => "Expected",
    }
}

fn ending_response(ending: Ending) -> &'static str {
    match ending {
        Ending::Over | Ending::FalseAlarm => "AllClear",
        Ending::Eased | Ending::Withdrawn | Ending::Moved => "Monitor",
    }
}

fn ending_words(ending: Ending) -> Text {
    let (vi, en) = match ending {
        Ending::Over => ("Đã trở lại bình thường.", "Back to normal."),
        Ending::FalseAlarm => ("Báo động giả.", "It was a false alarm."),
        Ending::Eased => ("Mức độ đã giảm.", "It has eased."),
        Ending::Withdrawn => {
            ("Trung tâm điều hành đã rút cảnh báo.", "Withdrawn by the operations centre.")
        }
        Ending::Moved => {
            ("Được tiếp tục trong một cảnh báo khác.", "It goes on in another warning.")
        }
    };
    Text { vi: vi.to_owned(), en: en.to_owned() }
}

fn bilingual(text: Text) -> String {
    format!("{} / {}", text.vi, text.en)
}

/// Why an incident is not public any more, from its alerts that were.
pub(super) fn ending(left: &[AlertRow], moved: bool) -> Ending {
    let running = |row: &&AlertRow| row.is_open() && row.condition == Condition::Active;
    if left.iter().any(|row| running(&row) && !row.held.is_empty()) {
        Ending::Withdrawn
    } else if moved {
        Ending::Moved
    } else if left.iter().any(|row| running(&row)) {
        Ending::Eased
    } else if !left.is_empty() && left.iter().all(|row| row.work == Work::Rejected) {
        Ending::FalseAlarm
    } else {
        Ending::Over
    }
}
