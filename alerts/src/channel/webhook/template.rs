//! Bodies: JSON texts with `{{field}}`, whose values are escaped as the inside of a JSON string.

use ioc_model::City;
use serde::Deserialize;

use super::gsm7;
use crate::channel::Notification;
use crate::channel::words::{Said, Words, clip, reason_word, severity_word};

/// A form that a known service expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// The whole [`Notification`] with `subject`, `headline` and `text`: for programs.
    #[default]
    Generic,
    /// Bot API `sendMessage`.
    Telegram,
    /// An incoming webhook.
    Slack,
    /// Official Account API 3.0, `message/cs`.
    ZaloOa,
    /// A gateway that takes `id`, `to` and a text of one SMS.
    Sms,
    /// `body` of the configuration.
    Custom,
}

/// The fields that a text can name.
pub(super) const FIELDS: [&str; 18] = [
    "id",
    "receiver",
    "route",
    "reason",
    "reasons",
    "severity",
    "severity_word",
    "subject",
    "headline",
    "text",
    "link",
    "service",
    "area",
    "incident",
    "alert",
    "count",
    "to",
    "token",
];

impl Template {
    /// Needs `to` in the configuration.
    pub(super) fn needs_to(self) -> bool {
        matches!(self, Self::Telegram | Self::ZaloOa | Self::Sms)
    }

    /// The text in the form of the service: its length, and what it would take for a command.
    fn shape(self, text: &str) -> String {
        match self {
            // Limits of the services: 4096, 40,000 (3,000 shown well) and 2,000 characters.
            Self::Telegram => clip(text, 4_000),
            Self::Slack => {
                let text = clip(text, 3_000);
                text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
            }
            Self::ZaloOa => clip(text, 1_900),
            Self::Sms => gsm7::sms(text),
            Self::Generic | Self::Custom => clip(text, 10_000),
        }
    }

    /// Whether a 2xx answer means that the message was taken: Zalo says no with `200` and
    /// `"error": -216`.
    pub(super) fn accepts(self, answer: &str) -> bool {
        if self != Self::ZaloOa {
            return true;
        }
        let json: Option<serde_json::Value> = serde_json::from_str(answer).ok();
        json.and_then(|j| j.get("error")?.as_i64()) == Some(0)
    }
}

/// How a body is made.
pub(super) struct Form<'a> {
    pub(super) template: Template,
    /// For [`Template::Custom`].
    pub(super) custom: Option<&'a str>,
    pub(super) to: &'a str,
    pub(super) token: &'a str,
    pub(super) city: &'a City,
    pub(super) base_url: &'a str,
}

impl Form<'_> {
    /// The JSON body.
    pub(super) fn body(&self, n: &Notification) -> String {
        let words = Words { city: self.city, base_url: self.base_url, language: n.language };
        let said = words.of_notification(n);
        let full = match said.lines.as_slice() {
            [] => said.subject.clone(),
            lines => format!("{}\n{}", said.subject, lines.join("\n")),
        };
        let text = match self.template {
            Template::Generic => return generic(n, &said, &full),
            Template::Custom => self.custom.unwrap_or("{}"),
            Template::Telegram => include_str!("templates/telegram.json"),
            Template::Slack => include_str!("templates/slack.json"),
            Template::ZaloOa => include_str!("templates/zalo_oa.json"),
            Template::Sms => include_str!("templates/sms.json"),
        };
        fill(text, |field| self.field(field, n, &said, &full))
    }

    fn field(&self, field: &str, n: &Notification, said: &Said, full: &str) -> String {
        let row = n.alerts.first();
        let shape = |text: &str| self.template.shape(text);
        match field {
            "id" => n.id.clone(),
            "receiver" => n.receiver.to_string(),
            "route" => n.route.to_string(),
            "reason" => n.reasons.first().map(ToString::to_string).unwrap_or_default(),
            "reasons" => {
                let words = n.reasons.iter().map(|r| reason_word(r, n.language));
                words.collect::<Vec<_>>().join(", ")
            }
            "severity" => n.severity().as_str().to_owned(),
            "severity_word" => severity_word(n.severity(), n.language).to_owned(),
            "subject" => shape(&said.subject),
            "headline" => shape(&said.headline),
            // One SMS has room for what, where and the link at most.
            "text" if self.template == Template::Sms => match &said.link {
                Some(link) => {
                    let room = 159usize.saturating_sub(link.len());
                    shape(&format!("{} {link}", clip(&gsm7::sms(&said.subject), room)))
                }
                None => shape(&said.subject),
            },
            "text" => shape(full),
            "link" => said.link.clone().unwrap_or_default(),
            "service" => row.map(|r| r.service.to_string()).unwrap_or_default(),
            "area" => row.map(|r| r.area.to_string()).unwrap_or_default(),
            "incident" => n.incident.as_ref().map(|i| i.id.to_string()).unwrap_or_default(),
            "alert" => row.map(|r| r.id.to_string()).unwrap_or_default(),
            "count" => (n.alerts.len() + n.more).to_string(),
            "to" => self.to.to_owned(),
            "token" => self.token.to_owned(),
            _ => String::new(),
        }
    }
}

fn generic(n: &Notification, said: &Said, full: &str) -> String {
    let mut json = serde_json::to_value(n).unwrap_or_default();
    if let Some(map) = json.as_object_mut() {
        map.insert("version".into(), 1.into());
        map.insert("subject".into(), said.subject.as_str().into());
        map.insert("headline".into(), said.headline.as_str().into());
        map.insert("text".into(), Template::Generic.shape(full).into());
        map.insert("link".into(), said.link.as_deref().into());
    }
    json.to_string()
}

/// The text with its fields filled in; a field's value cannot end the JSON string it stands in.
fn fill(text: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        match after.split_once("}}") {
            Some((field, after)) => {
                let quoted = serde_json::Value::from(value(field.trim())).to_string();
                out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
                rest = after;
            }
            None => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The fields that a text names.
pub(super) fn fields(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|t| t.split_once("}}")).map(|(field, _)| field.trim())
}

/// Whether a text with its fields filled in is JSON.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(&fill(text, |_| "1".to_owned())).is_ok()
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
