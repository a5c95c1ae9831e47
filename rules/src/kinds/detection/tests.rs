use proptest::prelude::*;

use super::DetectionRule;
use crate::kinds::Said;
use crate::kinds::bench::Bench;
use crate::kinds::events::tests::event;

const CROWD: &str = "
detects: [crowd, gathering]
objects: [car, person]
min_confidence: 0.5
count: 3
within: 60s
quiet: 90s
severity: major
";

type Detections = Bench<DetectionRule>;

/// Events of a type at these seconds, each its own.
fn heard(yaml: &str, kind: &str, seconds: &[i64]) -> Detections {
    let mut b = Bench::new(yaml);
    for (i, s) in seconds.iter().enumerate() {
        b.detect(s * 1000, &event(kind, "gate", None), i as u64);
    }
    b
}

#[test]
fn events_are_counted_in_a_sliding_window_and_cleared_by_quiet() {
    // The timeline of the documentation; at 60 s the event of 0 s is just out of the window.
    let mut b = heard(CROWD, "crowd", &[0, 50, 60]);
    assert_eq!(b.levels(), []);
    b.detect(61_000, &event("wrong_way", "gate", None), 7);
    b.detect(70_000, &event("gathering", "yard", None), 8);
    assert_eq!(b.levels(), [(70_000, 1)]);
    let shown = b.shown();
    assert_eq!((shown.value, shown.limit, shown.duration_ms), (Some(3.0), Some(3.0), Some(60_000)));
    assert_eq!(shown.detail.vi, "person tại gate, yard");
    let evidence = b.evidence();
    let times: Vec<i64> =
        evidence.readings.iter().map(|r| (r.time.0 - super::super::bench::T0) / 1000).collect();
    assert_eq!(times, [50, 60, 70]);
    assert_eq!(&*evidence.readings[2].property, "event.gathering");
    assert_eq!(&*evidence.readings[2].device, "d0");
    b.time(159_999);
    assert_eq!(b.levels().len(), 1);
    b.time(160_000);
    assert_eq!(b.levels(), [(70_000, 1), (160_000, 0)]);
    assert_eq!(b.shown().duration_ms, Some(90_000));
    assert_eq!(b.evidence().readings.len(), 3, "the events stay known as long as they are shown");
}

#[test]
fn one_event_told_many_times_counts_once_and_keeps_the_alert() {
    let mut b = Bench::<DetectionRule>::new(CROWD);
    for s in 0..10 {
        b.detect(s * 1000, &event("crowd", "gate", Some("same")), 1);
    }
    assert_eq!(b.levels(), []);
    b.detect(11_000, &event("crowd", "gate", None), 2).detect(
        12_000,
        &event("crowd", "gate", None),
        3,
    );
    b.detect(80_000, &event("crowd", "gate", None), 3).time(169_999);
    assert_eq!(b.levels(), [(12_000, 1)]);
    b.time(170_000);
    assert_eq!(b.levels(), [(12_000, 1), (170_000, 0)]);
}

#[test]
fn events_may_come_out_of_order_but_verdicts_do_not_go_back() {
    let mut b = heard(CROWD, "crowd", &[30, 10, 20]);
    assert_eq!(b.levels(), [(20_000, 1)], "as the third is heard");
    // Quiet ends at 120 s; what is told late after it does not raise before it.
    b.time(120_000);
    for (i, s) in [100, 101, 102].into_iter().enumerate() {
        b.detect(s * 1000, &event("crowd", "gate", None), 10 + i as u64);
    }
    assert_eq!(b.levels()[1..], [(120_000, 0), (120_000, 1)]);
}

#[test]
fn filters_by_zone_class_confidence_and_number() {
    let yaml = "
detects: crowd
zones: gate
objects: person
min_confidence: 0.8
min_objects: 3
quiet: 10s
severity: minor";
    let good = {
        let mut d = event("crowd", "gate", None);
        d.count = Some(3.0);
        d
    };
    let passes = |d: &ioc_model::Detection| {
        let mut b = Bench::<DetectionRule>::new(yaml);
        !b.detect(0, d, 1).levels().is_empty()
    };
    assert!(passes(&good));
    let but = |change: fn(&mut ioc_model::Detection)| {
        let mut d = good.clone();
        change(&mut d);
        d
    };
    assert!(passes(&but(|d| d.confidence = None)), "no confidence told");
    for bad in [
        but(|d| d.zone = Some("yard".into())),
        but(|d| d.zone = None),
        but(|d| d.object = Some("car".into())),
        but(|d| d.confidence = Some(0.79)),
        but(|d| d.count = Some(2.0)),
        but(|d| d.count = None),
        but(|d| d.kind = "gathering".into()),
    ] {
        assert!(!passes(&bad), "{bad:?}");
    }
}

const LEVELS: &str = r#"
detects: crowd
within: 60s
levels:
  - { severity: minor, raise: ">= 3" }
  - { severity: major, raise: ">= 5", clear: "< 4" }
"#;

#[test]
fn levels_follow_the_number_in_the_window_up_and_down() {
    let mut b = heard(LEVELS, "crowd", &[0, 10, 20, 30, 40]);
    assert_eq!(b.levels(), [(20_000, 1), (40_000, 2)]);
    // 60 s: four left; 70 s: three; 80 s: two.
    b.time(200_000);
    assert_eq!(b.levels()[2..], [(70_000, 1), (80_000, 0)]);
    assert_eq!(b.values(), [3.0, 5.0, 3.0, 2.0]);
}

const DWELL: &str = "
detects: object_inside
zones: rail
dwell: 30s
gap: 10s
quiet: 20s
severity: critical";

#[test]
fn an_object_that_stays_raises_when_it_has_been_seen_for_long_enough() {
    let mut b = Bench::<DetectionRule>::new(DWELL);
    let see = |b: &mut Detections, s: i64, id: &str| {
        b.detect(s * 1000, &event("object_inside", "rail", Some(id)), 0);
    };
    // a: 0-18 s, lost for 11 s, 29-59 s; b: seen for 20 s only.
    for s in [0, 9, 18, 29, 39, 49, 58] {
        see(&mut b, s, "a");
    }
    for s in [58, 59] {
        see(&mut b, s, "b");
    }
    assert_eq!(b.levels(), [], "29 s since it was found again");
    let evidence = b.evidence();
    let dwell = evidence.timers.iter().find(|t| &*t.name == "dwell").expect("it is watched");
    assert_eq!(dwell.until.0 - super::super::bench::T0, 59_000);
    see(&mut b, 59, "a");
    assert_eq!(b.levels(), [(59_000, 1)]);
    assert_eq!(b.shown().duration_ms, Some(30_000));
    see(&mut b, 64, "a");
    see(&mut b, 70, "b");
    b.time(84_000);
    assert_eq!(b.levels(), [(59_000, 1), (84_000, 0)], "20 s after a was last seen");
}

#[test]
fn without_an_id_the_class_in_the_zone_dwells() {
    let mut b = Bench::<DetectionRule>::new(DWELL);
    for s in [0, 10, 20, 30] {
        b.detect(s * 1000, &event("object_inside", "rail", None), s as u64);
    }
    assert_eq!(b.levels(), [(30_000, 1)]);
    // Another camera's person is another one.
    let mut b = Bench::<DetectionRule>::new(DWELL);
    for (i, s) in [0, 10, 20, 30].into_iter().enumerate() {
        let d = event("object_inside", "rail", None);
        b.say(s * 1000, i as u32 % 2, Said::Detection(&d, s as u64));
    }
    assert_eq!(b.levels(), []);
}

#[test]
fn several_dwelling_objects_can_be_asked_for() {
    let yaml = "
detects: object_inside
dwell: 5s
count: 2
within: 30s
quiet: 30s
severity: minor";
    let mut b = Bench::<DetectionRule>::new(yaml);
    for s in 0..=6 {
        b.detect(s * 1000, &event("object_inside", "yard", Some("a")), 0);
    }
    assert_eq!(b.levels(), [], "one object, however often it is seen");
    for s in 7..=12 {
        b.detect(s * 1000, &event("object_inside", "yard", Some("b")), 0);
    }
    assert_eq!(b.levels(), [(12_000, 1)]);
}

#[test]
fn invented_objects_and_events_do_not_fill_the_memory() {
    let mut b = Bench::<DetectionRule>::new(DWELL);
    for i in 0..1_000 {
        b.detect(i, &event("object_inside", "rail", Some(&format!("o{i}"))), 0);
    }
    assert!(b.kind.heap(&b.state) <= 64 * 24, "{}", b.kind.heap(&b.state));
    let mut b = Bench::<DetectionRule>::new(LEVELS);
    for i in 0..5_000 {
        b.detect(i, &event("crowd", "gate", None), i as u64);
    }
    assert_eq!(b.shown().value, Some(1_000.0));
    assert_eq!(b.evidence().readings.len(), 16);
    assert!(b.kind.heap(&b.state) < 64 * 1024, "{}", b.kind.heap(&b.state));
}

impl DetectionRule {
    fn heap(&self, state: &super::DetectionState) -> usize {
        crate::kinds::Operator::heap_bytes(self, state)
    }
}

#[test]
fn reads_back_what_it_prints() {
    let threshold = "
detects: crowd
count: camera.crowd.events
within: 10m
quiet: 10m
for: 5s
severity: major";
    for yaml in [CROWD, LEVELS, DWELL, threshold] {
        Bench::<DetectionRule>::new(yaml).reads_back().expect(yaml);
    }
    let b = Bench::<DetectionRule>::new(threshold);
    let limit = b.evidence().limit.expect("how many are wanted");
    assert_eq!(limit.threshold.as_deref(), Some("camera.crowd.events"));
}

#[test]
fn mistakes_are_told_all_at_once() {
    let told = |yaml: &str, expect: &[&str]| {
        let errors = Bench::<DetectionRule>::load(yaml).err().expect("mistakes");
        let n = errors.lines().filter(|l| l.starts_with("t.yaml")).count();
        assert_eq!(n, expect.len(), "{errors}");
        for e in expect {
            assert!(errors.contains(e), "{e} is not in:\n{errors}");
        }
    };
    told(
        "{ detects: [], min_confidence: 2, count: 0, quiet: 1m, dwel: 1s, severity: bad }",
        &[
            "this never matches",
            "a confidence from 0 to 1",
            "from 1 to 1000",
            "unknown severity",
            "unknown field `dwel`",
        ],
    );
    told("{ detects: a, count: 2, quiet: 1m, severity: minor }", &["`within` is missing"]);
    told(
        "{ detects: a, within: 2m, quiet: 1m, severity: minor }",
        &["`quiet` is shorter than `within`"],
    );
    told(
        "{ detects: a, dwell: 1m, gap: 2m, quiet: 1m, severity: minor }",
        &["`quiet` is shorter than `gap`"],
    );
    told("{ detects: a, gap: 2s, quiet: 1m, severity: minor }", &["`gap` without `dwell`"]);
    told(
        r#"{ detects: a, levels: [{ severity: minor, raise: ">= 0" }], quiet: 1m, count: 2 }"#,
        &[
            "`count` and `levels` exclude each other",
            "`quiet` and `levels` exclude each other",
            "`within` is missing",
            "never clears",
        ],
    );
    told(
        r#"{ detects: a, within: 1m, levels: [{ severity: minor, raise: "> 1000" }] }"#,
        &["never raised"],
    );
    told(
        r#"{ detects: a, within: 1m, levels: [{ severity: minor, raise: "< 3" }] }"#,
        &["few events raise nothing"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// With every event of the past at hand: the number in the last 60 s, and at each moment at
    /// which one leaves.
    #[test]
    fn levels_equal_a_naive_count(gaps in prop::collection::vec(0i64..30, 1..40)) {
        let mut times = Vec::new();
        let mut t = 0;
        for gap in gaps {
            t += gap;
            times.push(t);
        }
        let mut b = heard(LEVELS, "crowd", &times);
        b.time(1_000_000_000);
        let mut level = 0u8;
        let mut expect = Vec::new();
        for now in 0..=t + 60 {
            // Those that leave at a moment have left before one comes at it; each that comes is
            // judged by itself.
            let staying = times.iter().filter(|x| **x < now && **x > now - 60).count();
            let coming = times.iter().filter(|x| **x == now).count();
            for n in staying..=staying + coming {
                let to = match (level, n) {
                    (_, 5..) | (2, 4) => 2,
                    (_, 3..) => 1,
                    _ => 0,
                };
                if to != level {
                    expect.push((now * 1000, to));
                    level = to;
                }
            }
        }
        prop_assert_eq!(b.levels(), expect);
    }
}
