//! Rules of every kind, and random journals that set them off.

use ioc_model::Entry;
use proptest::prelude::*;

use crate::world::{event, graded, obs, status, tick};

pub const RULES: &str = r#"
rules:
  - id: flood
    kind: threshold
    service: river
    name: &n { vi: "a", en: "b" }
    property: water_level
    levels:
      - { severity: minor, raise: ">= 2", clear: "< 1.5" }
      - { severity: critical, raise: ">= 5" }
    for: 20s
    clear_for: 15s
    message: &m { vi: "{device} {value}", en: "{device} {value}" }
  - id: level
    kind: threshold
    service: river
    name: *n
    property: water_level
    levels: [{ severity: minor, raise: ">= flood.bd1" }]
    and: [{ property: speed, is: "> 3" }]
    message: *m
  - id: chattering
    kind: threshold
    service: river
    name: *n
    property: water_level
    levels: [{ severity: minor, raise: ">= 3" }]
    chatter: { raises: 2, within: 40s, hold: 25s }
    cause: flood
    latched: true
    message: *m
  - id: mean
    kind: window
    service: river
    name: *n
    property: water_level
    aggregate: mean
    size: 30s
    slide: 10s
    levels: [{ severity: major, raise: "> 4" }]
    message: *m
  - id: ward
    kind: window
    service: river
    name: *n
    property: water_level
    per: area
    aggregate: count
    size: 20s
    levels: [{ severity: info, raise: ">= 6" }]
    for: 25s
    message: *m
  - id: silent
    kind: absence
    service: river
    name: *n
    after: 30s
    on_status: offline
    severity: minor
    message: *m
  - id: crowd
    kind: detection
    service: river
    name: *n
    detects: crowd
    count: 2
    within: 20s
    quiet: 25s
    severity: major
    message: *m
  - id: rate
    kind: rate
    service: river
    name: *n
    property: water_level
    over: 20s
    min_span: 5s
    absolute: true
    levels: [{ severity: minor, raise: ">= 5", clear: "< 1" }]
    for: 3s
    message: *m
  - id: each
    kind: window
    service: river
    name: *n
    property: water_level
    aggregate: max
    size: 15s
    slide: each
    levels: [{ severity: minor, raise: ">= 7" }]
    message: *m
  - id: session
    kind: window
    service: river
    name: *n
    property: water_level
    per: service
    aggregate: percentile
    percentile: 90
    gap: 6s
    early: true
    grace: 2s
    levels: [{ severity: minor, raise: ">= 6" }]
    message: *m
  - id: sequence
    kind: pattern
    service: river
    name: *n
    steps:
      - { property: water_level, is: ">= 6" }
      - { property: water_level, is: "< 2", within: 20s }
    hold: 10s
    severity: major
    message: *m
  - id: without
    kind: pattern
    service: river
    per: area
    name: *n
    steps:
      - { detects: crowd }
      - { property: water_level, is: ">= 5", within: 10s, absent: true }
    hold: 15s
    severity: major
    message: *m
  - id: both
    kind: composite
    service: river
    per: area
    name: *n
    of: [flood, sequence, silent]
    levels: [{ severity: major, raise: ">= 2" }]
    clear_for: 4s
    message: *m
  - id: after
    kind: pattern
    service: river
    name: *n
    steps:
      - { rule: level }
      - { rule: mean, within: 60s }
    hold: 20s
    severity: critical
    message: *m
  - id: joined
    kind: join
    service: river
    per: area
    name: *n
    inputs:
      - { name: high, property: water_level, is: ">= 6", fresh: 8s }
      - { name: fast, property: speed, is: "> 2", fresh: 12s }
    severity: minor
    message: *m
  - id: agree
    kind: neighbours
    service: river
    per: area
    name: *n
    property: water_level
    is: ">= 5"
    fresh: 10s
    levels: [{ severity: minor, raise: ">= 2" }, { severity: major, raise: ">= 3" }]
    message: *m
  - id: doubled
    kind: derived
    service: river
    name: *n
    value: "water_level * 2.0"
    output: doubled
    message: *m
  - id: doubled.high
    kind: threshold
    service: river
    name: *n
    property: doubled
    levels: [{ severity: minor, raise: ">= 13", clear: "< 9" }]
    clear_for: 2s
    message: *m
  - id: free
    kind: expression
    service: river
    name: *n
    properties: [water_level, speed]
    fresh: 30s
    raise: "water_level > 3.0 && speed >= 2.0"
    severity: info
    for: 5s
    message: *m
  - id: held
    kind: threshold
    service: river
    name: *n
    property: water_level
    levels: [{ severity: minor, raise: ">= 3" }]
    unless: [silent, { rule: agree, on: area }, { rule: both, on: city }]
    for: 2s
    message: *m
  - id: stuck
    kind: health
    check: stuck
    service: river
    name: *n
    property: water_level
    tolerance: 3
    for: 6s
    min_readings: 3
    severity: minor
    message: *m
  - id: flapping
    kind: health
    check: chatter
    service: river
    name: *n
    rule: doubled.high
    count: 2
    within: 60s
    quiet: 60s
    severity: minor
    message: *m
  - id: unusual
    kind: anomaly
    service: river
    name: *n
    property: water_level
    sensitivity: high
    severity: minor
    message: *m
  - id: shadow
    kind: threshold
    service: river
    name: *n
    mode: shadow
    property: water_level
    levels: [{ severity: minor, raise: ">= 3" }]
    message: *m
"#;

/// A journal: time moves by small steps, devices speak, sometimes late, twice or badly.
pub fn journal() -> impl Strategy<Value = Vec<Entry>> {
    let step = (0u32..4000, 0usize..4, 0u32..12, 0u32..8, 0u32..40);
    prop::collection::vec(step, 1..150).prop_map(|steps| {
        let mut now = 0.0;
        let mut entries: Vec<Entry> = Vec::new();
        for (gap, device, what, value, behind) in steps {
            now += f64::from(gap) / 1000.0;
            let device = ["river-a", "river-b", "river-x", "river-y"][device];
            let t = now - if behind > 35 { 20.0 } else { f64::from(behind) / 50.0 };
            let value = f64::from(value);
            entries.push(match what {
                0..=4 => obs(device, t, &[("water_level", value)]),
                5 => obs(device, t, &[("water_level", value), ("speed", value)]),
                6 => graded(device, t, &[("water_level", value)], ioc_model::Quality::Bad),
                7 => event(device, t, "crowd", ["", "a", "b", "c"][value as usize % 4]),
                8 => status(device, t, value > 3.0),
                9 => entries.last().cloned().unwrap_or_else(|| tick(now)),
                _ => tick(now),
            });
        }
        entries
    })
}
