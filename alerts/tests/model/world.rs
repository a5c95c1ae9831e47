//! A small city, its policy, and what its rules can find.

use ioc_alerts::policy::{Class, Deescalate, Policy, Span, Step};
use ioc_model::{
    AlertId, City, ConfigFiles, DeviceSpec, Entity, Severity, Text, Timestamp, Transition,
    TransitionKind,
};

pub const START: Timestamp = Timestamp(1_761_588_000_000);
pub const MINUTE: i64 = 60_000;

/// One thing a rule looks at; its episodes follow each other.
pub struct Slot {
    pub rule: &'static str,
    pub device: Option<&'static str>,
    pub area: &'static str,
    pub service: &'static str,
    pub cause: &'static str,
    pub latched: bool,
}

const fn slot(rule: &'static str, device: Option<&'static str>, cause: &'static str) -> Slot {
    Slot { rule, device, area: "a", service: "s1", cause, latched: false }
}

pub const SLOTS: [Slot; 8] = [
    slot("heat", Some("cam1"), "heat"),
    slot("heat", Some("cam2"), "heat"),
    slot("off", Some("cam1"), "outage"),
    slot("off", Some("gw"), "outage"),
    Slot { area: "b", latched: true, ..slot("level", None, "flood") },
    Slot { area: "b", service: "s2", ..slot("rain", None, "flood") },
    Slot { area: "b", latched: true, ..slot("heat", Some("alone"), "heat") },
    slot("off", Some("cam2"), "outage"),
];

/// Devices above one.
pub fn above(device: &str) -> Option<&'static str> {
    device.starts_with("cam").then_some("gw")
}

pub fn city() -> City {
    let mut city = City::default();
    for id in ["gw", "cam1", "cam2", "alone"] {
        let spec = DeviceSpec {
            id: id.into(),
            name: Text::default(),
            kind: "camera".into(),
            service: "s1".into(),
            area: "a".into(),
            lat: 16.0,
            lon: 108.2,
            properties: Vec::new(),
            cadence_s: 60,
            parent: above(id).map(Into::into),
            segment: None,
        };
        city.devices.insert(id.into(), spec);
    }
    city
}

pub const SHELVE_MAX: i64 = 60 * MINUTE;
pub const AUTO_CLOSE: i64 = 10 * MINUTE;
pub const GAP: i64 = 30 * MINUTE;
/// Acknowledge and resolve within, and the chain, of the two highest severities.
pub const URGENT: (i64, i64, [i64; 2]) = (5 * MINUTE, 60 * MINUTE, [6 * MINUTE, 20 * MINUTE]);
/// Acknowledge and resolve within, and counts less after, of `major`.
pub const MAJOR: (i64, i64, i64) = (30 * MINUTE, 240 * MINUTE, 40 * MINUTE);

pub fn policy() -> Policy {
    let mut policy =
        Policy::load(&ConfigFiles::default(), &City::default()).expect("the defaults are valid");
    policy.shelve_max_ms = SHELVE_MAX;
    policy.auto_close_ms = AUTO_CLOSE;
    policy.incident_gap_ms = GAP;
    // Floods have a test of their own: here they would only hide the other keys.
    policy.flood.raised = 100_000;
    let class = |id: &str, severities: &[Severity], acknowledge, resolve| Class {
        id: id.into(),
        name: Text::default(),
        severities: severities.to_vec(),
        services: Vec::new(),
        acknowledge: Some(Span::Clock(acknowledge)),
        resolve: Some(Span::Clock(resolve)),
        escalation: Vec::new(),
        deescalate: None,
        source: None,
        effective: None,
    };
    let mut urgent =
        class("urgent", &[Severity::Critical, Severity::Emergency], URGENT.0, URGENT.1);
    urgent.escalation = URGENT.2.map(|after_ms| Step { after_ms, to: "chief".into() }).into();
    let mut major = class("major", &[Severity::Major], MAJOR.0, MAJOR.1);
    major.deescalate = Some(Deescalate { after_ms: MAJOR.2, to: Severity::Minor });
    policy.classes = vec![urgent, major];
    policy
}

/// What a rule found about the episode of `slot` that started at `start`.
pub fn transition(
    (position, slot): (u64, usize),
    start: Timestamp,
    time: Timestamp,
    (kind, severity): (TransitionKind, Severity),
) -> Transition {
    let s = &SLOTS[slot];
    let entity = s.device.map_or(Entity::Area(s.area.into()), |d| Entity::Device(d.into()));
    // Two areas' rules must not share ids.
    let rule = format!("{}{slot}", s.rule);
    Transition {
        position,
        alert: AlertId::new(&rule, &entity, start),
        rule: rule.into(),
        entity,
        device: s.device.map(Into::into),
        area: s.area.into(),
        service: s.service.into(),
        time,
        kind,
        severity,
        value: Some(position as f64),
        limit: None,
        unit: "m".into(),
        name: Text::default(),
        message: Text { vi: format!("v{position}"), en: format!("e{position}") },
        cause: s.cause.into(),
        latched: s.latched,
        evidence: Box::default(),
    }
}
