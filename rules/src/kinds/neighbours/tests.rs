use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0, city};

type Neighbours = Bench<NeighboursRule>;

const FLOOD: &str = "
property: flood_depth
is: \">= 0.1 m\"
fresh: 30m
levels:
  - { severity: minor, raise: \">= 2\" }
  - { severity: major, raise: \">= 3\" }
";

fn say(bench: &mut Neighbours, t_s: i64, device: &str, value: f64) {
    bench.time(t_s * 1000);
    late(bench, t_s, device, value);
}

/// As [`say`], but time does not move.
fn late(bench: &mut Neighbours, t_s: i64, device: &str, value: f64) {
    let (t, name): (i64, Name) = (T0 + t_s * 1000, device.into());
    let said = Said::Values(&[(0, value)]);
    let message =
        Message { t, received: t, clamped: false, bad: false, device: 0, name: &name, said };
    bench.message(&message);
}

fn seen(bench: &Neighbours) -> Vec<(i64, u8)> {
    bench.levels().into_iter().map(|(t, l)| (t / 1000, l)).collect()
}

#[test]
fn the_worked_timeline_of_the_manual() {
    let mut bench: Neighbours = Bench::new(FLOOD);
    let minute = 60;
    say(&mut bench, 0, "tower-a", 0.30);
    say(&mut bench, 5 * minute, "tower-b", 0.12);
    say(&mut bench, 10 * minute, "tower-c", 0.02);
    say(&mut bench, 15 * minute, "tower-c", 0.15);
    say(&mut bench, 20 * minute, "tower-b", 0.05);
    bench.time(3_600_000);
    // a is stale at 30 min: c alone is no neighbourhood.
    assert_eq!(
        seen(&bench),
        [(5 * minute, 1), (15 * minute, 2), (20 * minute, 1), (30 * minute, 0)]
    );
    assert_eq!(bench.values(), [2.0, 3.0, 2.0, 1.0]);
}

#[test]
fn one_device_that_repeats_itself_is_one_neighbour() {
    let mut bench: Neighbours = Bench::new(FLOOD);
    for i in 0..20 {
        say(&mut bench, i * 60, "tower-a", 2.0);
    }
    assert_eq!(seen(&bench), []);
    assert_eq!(bench.kind.value(&bench.state.members), Some(1.0));
}

#[test]
fn a_share_needs_enough_members() {
    let yaml = "
property: speed
is: \"< 10 km/h\"
share: true
min_members: 3
levels: [{ severity: minor, raise: \">= 60 %\" }]
";
    let mut bench: Neighbours = Bench::new(yaml);
    say(&mut bench, 0, "a", 5.0);
    say(&mut bench, 10, "b", 5.0);
    assert_eq!(seen(&bench), [], "two of two, but three are needed");
    say(&mut bench, 20, "c", 50.0);
    assert_eq!(seen(&bench), [(20, 1)], "66.7 %");
    say(&mut bench, 30, "d", 50.0);
    assert_eq!(seen(&bench), [(20, 1), (30, 0)], "50 %");
    assert_eq!(bench.kind.value(&bench.state.members), Some(50.0));
    say(&mut bench, 40, "c", 5.0);
    bench.time(4_000_000);
    // a and b are stale at 1800 and 1810 s: then two members are left.
    assert_eq!(seen(&bench)[2..], [(40, 1), (1810, 0)]);
}

#[test]
fn evidence_holds_those_that_agree_first() {
    let mut bench: Neighbours = Bench::new(FLOOD);
    for i in 0..20 {
        say(&mut bench, i, &format!("t{i:02}"), if i < 4 { 0.5 } else { 0.0 });
    }
    let evidence = bench.evidence();
    assert_eq!(evidence.readings.len(), Evidence::MAX_READINGS);
    let agreeing = evidence.readings.iter().filter(|r| r.value >= 0.1).count();
    assert_eq!(agreeing, 4);
    let fact = |name: &str| evidence.facts.iter().find(|f| &*f.name == name).and_then(|f| f.value);
    assert_eq!((fact("agreeing"), fact("fresh_members")), (Some(4.0), Some(20.0)));
    assert_eq!(evidence.timers[0].until.0, T0 + 1_800_000);
}

#[test]
fn surroundings_are_the_configured_devices_within_the_radius() {
    let yaml = format!("{FLOOD}radius: 500 m\n");
    let bench: Neighbours = Bench::load_per(&yaml, Per::Device).expect("a rule");
    let city = city();
    let place = |id: &str| {
        let d = &city.devices[id];
        crate::geo::Point { lon: d.lon, lat: d.lat }
    };
    let towers: Vec<&Name> = city
        .devices
        .values()
        .filter(|d| d.properties.iter().any(|p| &**p == "flood_depth"))
        .map(|d| &d.id)
        .collect();
    assert!(towers.len() > 40);
    for tower in &towers {
        let near = |other: &&&Name| place(tower).distance_m(place(other)) <= 500.0;
        let expect: Vec<Name> = towers.iter().filter(near).map(|n| (**n).clone()).collect();
        assert_eq!(bench.kind.heard_by(tower), expect, "{tower}");
    }
    let names: Vec<&str> =
        bench.kind.heard_by(&"tower-431033".into()).iter().map(|n| &**n).collect();
    assert_eq!(names, ["tower-431033", "tower-431034", "tower-431072", "tower-431076"]);
    assert_eq!(bench.kind.heard_by(&"river-cam-le".into()), &[] as &[Name]);
    bench.reads_back().expect("a radius");
}

#[test]
fn what_comes_late_does_not_turn_time_back() {
    let mut bench: Neighbours = Bench::new(FLOOD);
    say(&mut bench, 100, "a", 0.5);
    late(&mut bench, 95, "b", 0.5);
    assert_eq!(seen(&bench), [(100, 1)]);
    late(&mut bench, 90, "b", 0.0);
    late(&mut bench, -1_800, "c", 0.5);
    assert_eq!(seen(&bench), [(100, 1)]);
    assert_eq!(bench.kind.value(&bench.state.members), Some(2.0));
}

#[test]
fn what_is_stale_at_a_moment_goes_before_what_is_said_then() {
    let mut bench: Neighbours = Bench::new(&FLOOD.replace("fresh: 30m", "fresh: 10s"));
    say(&mut bench, 0, "a", 0.5);
    say(&mut bench, 5, "b", 0.5);
    say(&mut bench, 10, "a", 0.5);
    assert_eq!(seen(&bench), [(5, 1), (10, 0), (10, 1)]);
}

#[test]
fn what_went_stale_before_a_message_is_told_before_it() {
    let mut bench: Neighbours = Bench::new(FLOOD);
    say(&mut bench, 0, "a", 0.5);
    say(&mut bench, 60, "b", 0.5);
    // No timer rang meanwhile: the engine feeds groups as messages arrive.
    late(&mut bench, 1_900, "c", 0.5);
    assert_eq!(seen(&bench), [(60, 1), (1_800, 0)]);
}

#[test]
fn further_devices_than_the_bound_are_counted() {
    let mut bench: Neighbours = Bench::new(FLOOD);
    for i in 0..MOST + 5 {
        late(&mut bench, 0, &format!("d{i:05}"), 0.5);
    }
    assert_eq!(bench.kind.value(&bench.state.members), Some(MOST as f64));
    assert_eq!(bench.state.members.left_out, 5);
    assert!(bench.kind.heap_bytes(&bench.state) <= MOST * 40);
}

#[test]
fn reads_back_what_it_prints() {
    for yaml in [
        FLOOD.to_owned(),
        format!("{FLOOD}min_members: 4\nfor: 5m\nclear_for: 10m\n"),
        FLOOD.replace(">= 2", "> 40 %").replace(">= 3", "> 80") + "share: true\n",
        FLOOD.replace("flood_depth", "water_level").replace(">= 0.1 m", ">= flood.bd1"),
    ] {
        let bench: Neighbours = Bench::new(&yaml);
        bench.reads_back().expect(&yaml);
    }
}

#[test]
fn tells_all_mistakes_with_hints() {
    let errors = |yaml: &str, per: Per| Neighbours::load_per(yaml, per).err().unwrap_or_default();
    for (yaml, per, part) in [
        (FLOOD.to_owned(), Per::Device, "`radius` is missing for `per: device`"),
        (format!("{FLOOD}radius: 5 m\n"), Per::Area, "`radius` does not go with `per: area`"),
        (format!("{FLOOD}radius: 0 m\n"), Per::Device, "expected 1 to 100000 m, found 0"),
        (FLOOD.replace(">= 0.1 m", ">= 11 m"), Per::Area, "no value can satisfy this"),
        (FLOOD.replace(">= 3", ">= 5000"), Per::Area, "`>= 5000` is out of reach"),
        (FLOOD.replace(">= 2", ">= 0"), Per::Area, "holds when no device agrees"),
        (format!("{FLOOD}share: true\n").replace(">= 3", "> 100"), Per::Area, "out of reach"),
        (format!("{FLOOD}share: maybe\n"), Per::Area, "expected true or false"),
        (format!("{FLOOD}min_members: 0\n"), Per::Area, "expected a whole number from 1 to 4096"),
        (format!("{FLOOD}radius: 20 m\n"), Per::Device, "the value is 0 to 1: this level"),
    ] {
        let all = errors(&yaml, per);
        assert!(all.contains(part), "{part}\nnot in\n{all}");
    }
}

/// The number at `t` from everything that was said until then.
fn naive(said: &[(i64, usize, bool)], t: i64, fresh: i64) -> usize {
    let mut last: BTreeMap<usize, (i64, bool)> = BTreeMap::new();
    for (at, device, on) in said.iter().filter(|s| s.0 <= t) {
        last.insert(*device, (*at, *on));
    }
    last.values().filter(|(at, on)| at + fresh > t && *on).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_the_whole_history_at_every_moment(
        said in prop::collection::vec((0i64..6, 0usize..5, any::<bool>()), 1..50),
        fresh_s in 1i64..25,
        restart in 0usize..50,
    ) {
        let yaml = FLOOD.replace("fresh: 30m", &format!("fresh: {fresh_s}500ms"));
        // Readings at whole seconds, ends of freshness at half ones: no two things at once.
        let fresh = fresh_s * 2 + 1;
        let mut bench: Neighbours = Bench::new(&yaml);
        let (mut t, mut history) = (0, Vec::new());
        for (i, (wait, device, on)) in said.into_iter().enumerate() {
            t += wait + 1;
            say(&mut bench, t, &format!("d{device}"), if on { 0.2 } else { 0.0 });
            history.push((t * 2, device, on));
            if i == restart {
                let bytes = postcard::to_allocvec(&bench.state).expect("a state");
                bench.state = postcard::from_bytes(&bytes).expect("the same state");
            }
        }
        let end = t + 30;
        bench.time(end * 1000);
        let (mut level, mut expect) = (0u8, Vec::new());
        for half in 0..=end * 2 {
            let now = match naive(&history, half, fresh) {
                0 | 1 => 0,
                2 => 1,
                _ => 2,
            };
            if now != level {
                level = now;
                expect.push((half * 500, now));
            }
        }
        prop_assert_eq!(bench.levels(), expect);
    }
}
