use super::super::HealthRule;
use crate::kinds::bench::Bench;
use crate::kinds::{Operator, Said};

const HOUR: i64 = 3_600_000;

fn own(more: &str) -> Bench<HealthRule> {
    Bench::new(&format!(
        "{{ check: drift, property: pm25, against: self, over: 7d, limit: 5, severity: minor{more} }}"
    ))
}

/// The bench loads a rule per device; peers need an area. Its state does not know the difference.
fn peers() -> Bench<HealthRule> {
    let mut b = own("");
    let HealthRule::Drift(drift) = &mut b.kind else { unreachable!("a drift rule") };
    drift.against = super::Against::Peers(super::Peers { slot_ms: HOUR, min_peers: 2 });
    b
}

/// Four devices each hour; the air is `10 + hour % 5`, device 2 reads `bias(hour)` more.
fn hours(b: &mut Bench<HealthRule>, hours: std::ops::Range<i64>, bias: impl Fn(i64) -> f64) {
    for hour in hours {
        for device in 0..4_u32 {
            let air = 10.0 + (hour % 5) as f64 + f64::from(device) * 0.2;
            let value = if device == 2 { air + bias(hour) } else { air };
            let t = hour * HOUR + i64::from(device) * 60_000;
            b.say(t, device, Said::Values(&[(0, value)]));
        }
    }
}

/// The worked timeline of docs/rules.md.
#[test]
fn one_device_that_reads_more_than_the_others_raises_and_is_named() {
    let mut b = peers();
    hours(&mut b, 0..24, |_| 0.0);
    assert_eq!(b.levels(), []);
    hours(&mut b, 24..48, |_| 8.0);
    // 13 of the 24 differences are large at the end of hour 36.
    assert_eq!(b.levels(), [(37 * HOUR, 1)]);
    let shown = b.shown();
    assert_eq!(shown.limit, Some(5.0));
    assert!(shown.value.is_some_and(|v| (v - 8.0).abs() < 0.5), "{shown:?}");
    assert_eq!(
        shown.detail.vi,
        "d2 lệch +8,2 µg/m³ so với trung vị của 3 thiết bị khác trong 1 ngày"
    );
    hours(&mut b, 48..72, |_| 0.0);
    assert_eq!(b.levels(), [(37 * HOUR, 1), (61 * HOUR, 0)]);
}

#[test]
fn haze_over_the_whole_area_and_a_single_bad_hour_are_no_drift() {
    let mut b = peers();
    for hour in 0..72 {
        for device in 0..4_u32 {
            let haze = if hour >= 30 { 150.0 } else { 10.0 };
            let peak = if device == 1 && hour == 50 { 900.0 } else { 0.0 };
            b.say(hour * HOUR, device, Said::Values(&[(0, haze + peak)]));
        }
    }
    assert_eq!(b.levels(), []);
}

#[test]
fn two_devices_cannot_tell_which_is_wrong() {
    let mut b = peers();
    for hour in 0..72 {
        for device in 0..2_u32 {
            b.say(hour * HOUR, device, Said::Values(&[(0, 10.0 + 50.0 * f64::from(device))]));
        }
    }
    assert_eq!(b.levels(), []);
}

#[test]
fn devices_beyond_the_bound_and_those_long_gone_cost_nothing() {
    let mut b = peers();
    for hour in 0..30 {
        for device in 0..100_u32 {
            b.say(hour * HOUR, device, Said::Values(&[(0, 10.0)]));
        }
    }
    let super::super::HealthState::Drift(s) = &b.state else { unreachable!("drift") };
    assert_eq!(s.peers.members.len(), 32);
    assert!(s.peers.heap_bytes() <= 32 * 620, "{}", s.peers.heap_bytes());
    for hour in 30..60 {
        b.say(hour * HOUR, 5, Said::Values(&[(0, 10.0)]));
    }
    let super::super::HealthState::Drift(s) = &b.state else { unreachable!("drift") };
    assert_eq!(s.peers.members.len(), 1);
}

#[test]
fn against_itself_a_slow_rise_raises_and_a_daily_cycle_does_not() {
    let daily = |hour: i64| if hour % 24 < 12 { 6.0 } else { -6.0 };
    let mut b = own(", fast: 1d, clear_for: 1d");
    for hour in 0..21 * 24 {
        b.value(hour * HOUR, 30.0 + daily(hour));
    }
    assert_eq!(b.levels(), []);
    for hour in 21 * 24..35 * 24 {
        let rise = (hour - 21 * 24) as f64 / 24.0;
        b.value(hour * HOUR, 30.0 + daily(hour) + rise * 1.5);
    }
    let levels = b.levels();
    assert_eq!(levels.len(), 1, "{levels:?}");
    let day = levels[0].0 / HOUR / 24;
    assert!((24..32).contains(&day), "day {day}");
    assert!(b.shown().detail.vi.starts_with("mức đo lệch +"), "{}", b.shown().detail.vi);
}

#[test]
fn nothing_is_judged_while_the_past_is_short() {
    let mut b = own("");
    for hour in 0..7 * 24 {
        b.value(hour * HOUR, if hour < 24 { 10.0 } else { 500.0 });
    }
    assert_eq!(b.levels(), []);
}

#[test]
fn reads_back_and_refuses_what_does_not_go_together() {
    own("").reads_back().expect("plain");
    own(", fast: 1d, clear: 2.5, for: 1h").reads_back().expect("all");
    let load = |more: &str| {
        let yaml = format!("{{ check: drift, property: pm25, severity: minor, {more} }}");
        Bench::<HealthRule>::load(&yaml).err().unwrap_or_default()
    };
    assert!(load("against: peers, limit: 5").contains("`per: area`"));
    assert!(load("against: selfs, limit: 5").contains("did you mean `self`?"));
    assert!(load("against: self").contains("`limit` is missing"));
    assert!(load("against: self, limit: 5, clear: 6").contains("above `limit`"));
    assert!(load("against: self, limit: 5000").contains("never fires"));
    assert!(load("against: self, limit: 5, over: 10m").contains("too short"));
    assert!(load("against: self, limit: 5, min_peers: 3").contains("min_peers"));
    assert!(load("against: self, limit: 5, over: 7d, fast: 4d").contains("at most half"));
}

/// As [`Bench::load`], about an area.
fn load_area(yaml: &str) -> Result<HealthRule, String> {
    let city = crate::kinds::bench::city();
    let node = crate::yaml::parse("t.yaml", yaml).map_err(|e| e.to_string())?;
    let report = crate::fields::Report::new("t.yaml");
    let mut check = crate::load::Check { city: &city, report, notes: Vec::new() };
    let common = crate::load::Common {
        service: None,
        selection: crate::rule::Selection::default(),
        per: crate::rule::Per::Area,
    };
    let mut fields =
        crate::fields::Fields::open(&node, "a rule", &mut check.report).ok_or("no map")?;
    let loaded = HealthRule::load(&mut fields, &common, &mut check);
    fields.finish(&mut check.report);
    let errors: Vec<String> = check.report.errors.iter().map(ToString::to_string).collect();
    loaded.map(|l| l.kind).filter(|_| errors.is_empty()).ok_or(errors.join("\n"))
}

#[test]
fn peers_read_back_and_nothing_else_is_about_an_area() {
    let yaml = "{ check: drift, property: pm25, against: peers, over: 48h, limit: 5, \
                min_peers: 3, severity: minor }";
    let rule = load_area(yaml).expect("right");
    let mut printed = rule.print();
    printed.push(("severity", crate::print::text("minor")));
    let text = crate::print::to_yaml(&crate::print::map(printed));
    assert_eq!(load_area(&text).expect("reads back"), rule, "{text}");
    let stuck = load_area("{ check: stuck, property: pm25, for: 6h, severity: minor }");
    assert!(stuck.expect_err("an area").contains("single devices"));
    let own =
        load_area("{ check: drift, property: pm25, against: self, limit: 5, severity: minor }");
    assert!(own.expect_err("an area").contains("per device, not per area"));
}
