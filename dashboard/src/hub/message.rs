//! What the page may say.

use ioc_model::{Choice, City, Name, Scope, ScopePart};
use serde::Deserialize;
use serde_json::Value;

/// The slowest pace, for a page in the background.
pub(crate) const MIN_HZ: f64 = 0.2;
pub(crate) const MAX_HZ: f64 = 10.0;
const MAX_TOPICS: usize = 16;

#[derive(Debug, PartialEq)]
pub(crate) enum Inbound {
    Sub(Sub),
    Ping(u64),
    /// A kind of a later version.
    Unknown,
}

#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Sub {
    pub topics: Vec<String>,
    #[serde(default)]
    pub hz: Option<f64>,
    #[serde(default)]
    pub resume: Option<Resume>,
    /// Only of these wards and clusters.
    #[serde(default)]
    pub areas: Option<Vec<Name>>,
    /// Only of these services.
    #[serde(default)]
    pub services: Option<Vec<Name>>,
}

impl Sub {
    /// What the client wants to see of what it may; `None`: all of it. Names that the city does
    /// not know mean nothing.
    pub fn filter(&self, city: &City) -> Option<Scope> {
        only(self.areas.as_deref(), self.services.as_deref(), city)
    }
}

/// A part of the city by name; `None` of a list: no limit.
pub(crate) fn only(
    areas: Option<&[Name]>,
    services: Option<&[Name]>,
    city: &City,
) -> Option<Scope> {
    if areas.is_none() && services.is_none() {
        return None;
    }
    let known = |ids: &[Name]| {
        Choice::only(ids.iter().filter(|id| city.services.contains_key(*id)).cloned())
    };
    let areas = areas.map_or(Choice::All, |ids| city.wards(ids));
    let services = services.map_or(Choice::All, known);
    Some(Scope::of([ScopePart { areas, services }]))
}

/// Where the client was when it lost the connection.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Resume {
    pub epoch: u32,
    pub seq: u32,
    /// 0: none yet.
    #[serde(default)]
    pub change: u64,
}

#[derive(Deserialize)]
struct Ping {
    id: u64,
}

pub(crate) fn parse(text: &str) -> Result<Inbound, serde_json::Error> {
    let value: Value = serde_json::from_str(text)?;
    Ok(match value["t"].as_str() {
        Some("sub") => {
            let mut sub: Sub = serde_json::from_value(value)?;
            sub.topics.truncate(MAX_TOPICS);
            sub.hz = sub.hz.filter(|hz| hz.is_finite());
            Inbound::Sub(sub)
        }
        Some("ping") => Inbound::Ping(serde_json::from_value::<Ping>(value)?.id),
        _ => Inbound::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Sub {
        Sub { topics: vec![], hz: None, resume: None, areas: None, services: None }
    }

    #[test]
    fn reads_the_messages_of_the_protocol() {
        let sub = parse(
            r#"{"t":"sub","topics":["state"],"hz":10,"resume":{"epoch":4,"seq":5,"change":6}}"#,
        );
        let resume = Some(Resume { epoch: 4, seq: 5, change: 6 });
        let expected = Sub { topics: vec!["state".into()], hz: Some(10.0), resume, ..none() };
        assert_eq!(sub.expect("a sub"), Inbound::Sub(expected));
        let plain = parse(r#"{"t":"sub","topics":[],"resume":null}"#).expect("a sub");
        assert_eq!(plain, Inbound::Sub(none()));
        let part =
            parse(r#"{"t":"sub","topics":[],"areas":["a"],"services":null}"#).expect("a sub");
        assert_eq!(part, Inbound::Sub(Sub { areas: Some(vec!["a".into()]), ..none() }));
        assert_eq!(parse(r#"{"t":"ping","id":7}"#).expect("a ping"), Inbound::Ping(7));
        assert_eq!(parse(r#"{"t":"later"}"#).expect("unknown"), Inbound::Unknown);
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        let deep = "[".repeat(10_000);
        for bad in ["", "{", r#"{"t":"sub"}"#, r#"{"t":"ping","id":"x"}"#, deep.as_str()] {
            assert!(parse(bad).is_err(), "{}", &bad[..bad.len().min(30)]);
        }
    }
}
