//! What holds for every kind: hours, holding back, shadow, dated thresholds, forgetting, entities.

use ioc_model::{EarlierValue, Entity, Entry, Timestamp, Transition};
use ioc_rules::{ClockMode, Engine, EngineConfig, NotExplained, RuleSet};

use crate::world::{T0, at, brief, city, config, files_of, obs, rules, run, status, tick};

const NAMES: &str = r#"
    service: river
    name: { vi: "a", en: "b" }
    message: { vi: "{device} {value} {limit}", en: "{device} {value} {limit}" }
"#;

fn rule(id: &str, body: &str) -> String {
    format!("  - id: {id}\n{}{body}\n", NAMES.trim_start_matches('\n'))
}

fn level(device: &str, s: f64, v: f64) -> Entry {
    obs(device, s, &[("water_level", v)])
}

fn set(all: &[String]) -> RuleSet {
    rules(&format!("rules:\n{}", all.concat()))
}

const HIGH: &str = "    kind: threshold\n    property: water_level\n    levels: [{ severity: minor, raise: '>= 5', clear: '< 4' }]";

#[test]
fn hours_end_an_alert_and_begin_one_for_what_holds_already() {
    // T0 is midnight of a Tuesday; open from 1:00 to 2:00.
    let hours = format!("    active: {{ from: '01:00', to: '02:00' }}\n{HIGH}");
    let mut e = Engine::new(set(&[rule("h", &hours)]), config(ClockMode::Wall));
    let entries = [
        tick(0.0),
        level("river-x", 10.0, 6.0),
        tick(3600.0),
        tick(7200.0),
        level("river-x", 7300.0, 9.0),
        tick(90_000.0),
    ];
    let told = brief(&run(&mut e, &entries));
    // Closed at 10 s; at 1:00 the last value still holds; at 2:00 the hours end; at 1:00 of the
    // next day the 9 m of 2:01 hold.
    let expect =
        ["river-x raise minor @3600", "river-x clear minor @7200", "river-x raise minor @90000"];
    assert_eq!(told, expect);
}

#[test]
fn a_span_of_for_counts_from_the_begin_of_the_hours() {
    let hours = format!("    active: {{ from: '01:00', to: '02:00' }}\n{HIGH}\n    for: 5m");
    let mut e = Engine::new(set(&[rule("h", &hours)]), config(ClockMode::Wall));
    let entries = [tick(0.0), level("river-x", 10.0, 6.0), tick(3899.0), tick(3900.0)];
    assert_eq!(brief(&run(&mut e, &entries)), ["river-x raise minor @3900"]);
}

#[test]
fn an_alert_of_another_rule_holds_this_one_back_until_it_clears() {
    let silent = "    kind: absence\n    after: 60s\n    on_status: offline\n    severity: info";
    let held = format!("    unless: silent\n{HIGH}");
    let all = [rule("held", &held), rule("silent", silent)];
    let mut e = Engine::new(set(&all), config(ClockMode::Wall));
    let entries = [
        tick(0.0),
        level("river-x", 1.0, 1.0),
        status("river-x", 2.0, false),
        // The reading ends the silence and raises: the rule that holds back is judged before.
        level("river-x", 3.0, 6.0),
        level("river-x", 4.0, 1.0),
    ];
    let told = brief(&run(&mut e, &entries));
    let expect = [
        "river-x raise info @2",
        "river-x clear info @3",
        "river-x raise minor @3",
        "river-x clear minor @4",
    ];
    assert_eq!(told, expect);
}

#[test]
fn what_was_held_back_rises_when_the_other_alert_clears() {
    let other = "    kind: threshold\n    property: speed\n    levels: [{ severity: major, raise: '>= 1' }]";
    let held = format!("    unless: [{{ rule: other, on: area }}]\n{HIGH}\n    for: 10s");
    let all = [rule("held", &held), rule("other", other)];
    let mut e = Engine::new(set(&all), config(ClockMode::Wall));
    let entries = [
        tick(0.0),
        obs("river-y", 1.0, &[("speed", 2.0)]),
        level("river-x", 2.0, 6.0),
        tick(30.0),
        obs("river-y", 40.0, &[("speed", 0.0)]),
    ];
    let told = brief(&run(&mut e, &entries));
    let expect = ["river-y raise major @1", "river-y clear major @40", "river-x raise minor @40"];
    assert_eq!(told, expect, "the 10 s ran out while it was held back");
    let why = e.explain("held", &Entity::Device("river-x".into())).expect("judged");
    assert_eq!(why.since, Some(at(40.0)));
}

#[test]
fn why_not_names_what_holds_back_and_what_is_missing() {
    let other = "    kind: threshold\n    property: speed\n    levels: [{ severity: major, raise: '>= 1' }]";
    let held = format!("    unless: [{{ rule: other, on: city }}]\n{HIGH}\n    for: 10s");
    let all = [rule("held", &held), rule("other", other)];
    let mut e = Engine::new(set(&all), config(ClockMode::Wall));
    let entries =
        [tick(0.0), obs("air-1", 1.0, &[("speed", 2.0)]), level("river-x", 2.0, 6.0), tick(5.0)];
    run(&mut e, &entries);
    let entity = Entity::Device("river-x".into());
    // air-1 is no device of the service river: nothing holds back yet.
    let why = e.explain("held", &entity).expect("judged");
    assert_eq!(why.rising_since, Some(at(2.0)));
    assert_eq!(why.missing.len(), 1, "{:?}", why.missing);
    run(&mut e, &[obs("river-y", 6.0, &[("speed", 2.0)]), tick(20.0)]);
    let why = e.explain("held", &entity).expect("judged");
    assert_eq!(why.evidence.inhibited_by, ["other".into()]);
    assert!(why.missing.iter().any(|m| m.en.contains("held back by an alert of other")));
    assert_eq!(why.active, None);
    assert_eq!(e.explain("nothing", &entity), Err(NotExplained::Rule));
    assert_eq!(e.explain("held", &Entity::City), Err(NotExplained::Entity));
}

#[test]
fn a_dead_gateway_keeps_its_children_from_being_reported() {
    let silent = "    kind: absence\n    after: 60s\n    severity: minor\n    where: { devices: [river-a, river-b] }\n    unless: [{ rule: gateway, on: parent }]";
    let gateway =
        "    kind: absence\n    after: 50s\n    severity: major\n    where: { devices: [river-c] }";
    let mut city = city();
    for child in ["river-a", "river-b"] {
        let parent = (child == "river-a").then(|| "river-c".into());
        city.devices.get_mut(child).expect("a device of the world").parent = parent;
    }
    let yaml = format!("rules:\n{}{}", rule("silent", silent), rule("gateway", gateway));
    let set = RuleSet::load(&files_of(&yaml), &city).expect("right");
    let mut e = Engine::new(set, config(ClockMode::Wall));
    let told = brief(&run(&mut e, &[tick(0.0), tick(61.0), level("river-c", 70.0, 1.0)]));
    let expect = [
        "river-c raise major @50",
        "river-b raise minor @60", // It has no gateway.
        "river-c clear major @70",
        "river-a raise minor @70", // Its gateway is back, and it still says nothing.
    ];
    assert_eq!(told, expect);
}

#[test]
fn a_rule_in_shadow_raises_nothing_and_tells_what_it_would_have() {
    let mut e = Engine::new(
        set(&[rule("s", &format!("    mode: shadow\n{HIGH}"))]),
        config(ClockMode::Wall),
    );
    assert_eq!(brief(&run(&mut e, &[tick(0.0), level("river-x", 1.0, 6.0)])), [""; 0]);
    assert_eq!(brief(&e.take_shadow()), ["river-x raise minor @1"]);
    assert_eq!(e.take_shadow(), []);
    let mut off =
        Engine::new(set(&[rule("s", &format!("    mode: off\n{HIGH}"))]), config(ClockMode::Wall));
    run(&mut off, &[tick(0.0), level("river-x", 1.0, 6.0)]);
    assert_eq!((off.take_shadow().len(), off.entities()), (0, 0));
}

#[test]
fn a_reading_is_judged_by_the_limit_of_its_own_day() {
    let mut city = city();
    let limit = city.thresholds.get_mut("pm.limit").expect("a threshold of the world");
    // 50 until 28 October, 45 on the 29th, nothing from the 31st on.
    limit.effective = "2025-10-29".into();
    limit.until = Some("2025-10-30".into());
    let earlier = EarlierValue {
        effective: "2023-09-12".into(),
        value: Some(50.0),
        by_device: Default::default(),
    };
    limit.earlier = vec![earlier];
    let body = "    kind: threshold\n    property: pm25\n    where: { service: air }\n    levels: [{ severity: minor, raise: '> pm.limit' }]";
    let yaml = format!("rules:\n{}", rule("dust", body));
    let set = RuleSet::load(&files_of(&yaml), &city).expect("right");
    let mut e = Engine::new(set, config(ClockMode::Wall));
    let dust = |s: f64, v: f64| obs("air-1", s, &[("pm25", v)]);
    let day = 86_400.0;
    let entries = [
        tick(0.0),
        dust(1.0, 48.0),
        tick(day - 1.0),
        dust(day - 0.5, 48.0),
        tick(day),
        dust(day, 48.0),
        tick(3.0 * day),
        dust(3.0 * day, 48.0),
        dust(3.0 * day + 1.0, 99.0),
    ];
    let told: Vec<Transition> = run(&mut e, &entries);
    assert_eq!(brief(&told), ["air-1 raise minor @86400", "air-1 clear minor @259200"]);
    let limit = told[0].evidence.limit.as_ref().expect("a limit");
    assert_eq!(limit.comparison, "> 45");
    assert_eq!(limit.effective.as_deref(), Some("2025-10-29"));
    assert_eq!(limit.source.as_deref(), Some("test"));
}

#[test]
fn a_device_that_fell_silent_for_good_is_forgotten() {
    let config = EngineConfig { forget_after_ms: 86_400_000, ..config(ClockMode::Wall) };
    let mut e = Engine::new(set(&[rule("high", HIGH)]), config);
    let configured = e.stats().devices;
    let hour = |h: i64| Entry::Tick(Timestamp(T0 + h * 3_600_000));
    run(&mut e, &[hour(0), level("river-gone", 1.0, 1.0), level("river-high", 1.0, 6.0)]);
    assert_eq!(e.stats().devices, configured + 2);
    for h in 1..30 {
        run(&mut e, &[hour(h)]);
    }
    let stats = e.stats();
    // The one with an alert stays, and so do those of the configuration.
    assert_eq!((stats.devices, stats.forgotten_devices), (configured + 1, 1));
    assert_eq!(stats.open_episodes, 1);
    // Its place is taken by the next, which begins anew.
    let s = 30.0 * 3600.0;
    assert_eq!(
        brief(&run(&mut e, &[level("river-new", s, 7.0)])),
        ["river-new raise minor @108000"]
    );
    assert_eq!(e.entities(), 2);
}

#[test]
fn rules_about_the_city_a_service_and_a_segment_have_one_alert_each() {
    let window = |per: &str| {
        let body = "    kind: window\n    property: water_level\n    aggregate: max\n    size: 10s\n    grace: 0s\n    levels: [{ severity: minor, raise: '>= 5' }]";
        rule(per, &format!("    per: {per}\n{body}"))
    };
    let mut city = city();
    for d in ["river-a", "river-b"] {
        city.devices.get_mut(d).expect("a device of the world").segment = Some("bridge".into());
    }
    let yaml = format!("rules:\n{}{}{}", window("city"), window("service"), window("segment"));
    let set = RuleSet::load(&files_of(&yaml), &city).expect("right");
    let mut e = Engine::new(set, config(ClockMode::Wall));
    let entries = [tick(0.0), level("river-a", 1.0, 6.0), level("river-b", 2.0, 7.0), tick(10.0)];
    let told: Vec<String> = run(&mut e, &entries)
        .iter()
        .map(|t| format!("{} {}", t.entity, t.message.en.split(' ').next().unwrap_or("")))
        .collect();
    assert_eq!(told, ["city The", "segment:bridge bridge", "service:river river"]);
}

#[test]
fn neighbours_around_a_device_hear_each_other() {
    let body = "    kind: neighbours\n    per: device\n    property: water_level\n    is: '>= 5'\n    radius: 500 m\n    fresh: 60s\n    levels: [{ severity: minor, raise: '>= 2' }]";
    let mut e = Engine::new(set(&[rule("near", body)]), config(ClockMode::Wall));
    // All stations of the world stand at one place.
    let entries = [tick(0.0), level("river-a", 1.0, 6.0), level("river-b", 2.0, 6.0)];
    let told = brief(&run(&mut e, &entries));
    let expect = ["river-a raise minor @2", "river-b raise minor @2", "river-c raise minor @2"];
    assert_eq!(told, expect);
}

#[test]
fn rules_that_wait_for_each_other_are_refused() {
    let held = |id: &str, other: &str| rule(id, &format!("    unless: {other}\n{HIGH}"));
    let yaml = format!("rules:\n{}{}", held("a", "b"), held("b", "a"));
    let errors = RuleSet::load(&files_of(&yaml), &city()).expect_err("a circle");
    let told: Vec<String> = errors.iter().map(|e| e.message.clone()).collect();
    assert_eq!(
        told,
        ["`a` depends on itself, over other rules", "`b` depends on itself, over other rules"]
    );
    let yaml = format!("rules:\n{}", held("a", "aa"));
    let errors = RuleSet::load(&files_of(&yaml), &city()).expect_err("unknown");
    assert_eq!(errors[0].message, "`a` names the unknown rule `aa`");
}

#[test]
fn every_rule_reads_back_from_its_print() {
    let set = rules(crate::all_kinds::RULES);
    let shipped = crate::world::shipped_files();
    let city = ioc_model::City::load(&shipped).expect("the shipped city");
    let theirs = RuleSet::load(&shipped, &city).expect("the shipped rules");
    for (set, city) in [(set, crate::world::city()), (theirs, city)] {
        let printed: Vec<String> =
            set.infos().iter().map(|r| set.print(&r.id).expect("a rule of the set")).collect();
        let files = printed.iter().enumerate().map(|(i, t)| (format!("rules/{i}.yaml"), t.clone()));
        let again = match RuleSet::load(&ioc_model::ConfigFiles(files.collect()), &city) {
            Ok(again) => again,
            Err(errors) => unreachable!("{}", errors[0]),
        };
        for (rule, text) in set.infos().iter().zip(&printed) {
            assert_eq!(again.print(&rule.id).as_ref(), Some(text));
            assert_eq!(again.hash(&rule.id), set.hash(&rule.id), "{text}");
        }
    }
}

#[test]
fn a_composite_that_is_new_hears_of_the_alerts_that_run_already() {
    let one = |id: &str, limit: u32| {
        rule(
            id,
            &format!(
                "    kind: threshold\n    property: water_level\n    levels: [{{ severity: minor, raise: '>= {limit}' }}]"
            ),
        )
    };
    let both =
        rule("both", "    kind: composite\n    of: [a, b]\n    at_least: 2\n    severity: major");
    let old = set(&[one("a", 2), one("b", 3)]);
    let mut e = Engine::new(old, config(ClockMode::Wall));
    run(&mut e, &[tick(0.0), level("river-x", 1.0, 5.0), tick(10.0)]);
    let new = set(&[one("a", 2), one("b", 3), both]);
    let restored = Engine::restore(new, config(ClockMode::Wall), &e.checkpoint(3)).expect("own");
    assert_eq!(brief(&restored.orphaned), ["river-x raise major @10"]);
    let mut e = restored.engine;
    assert_eq!(
        brief(&run(&mut e, &[level("river-x", 11.0, 2.5)])),
        ["river-x clear minor @11", "river-x clear major @11"]
    );
}
