use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{Bench, T0};

type Gathering = Bench<GatheringRule>;

const TRACKERS: &str = "
within: 100 m
fresh: 4h
except: [tho_quang_harbour]
levels: [{ severity: minor, raise: \">= 3\" }]
";

fn go(bench: &mut Gathering, t_s: i64, device: &str, (lat, lon): (f64, f64)) {
    bench.time(t_s * 1000);
    let (t, name): (i64, Name) = (T0 + t_s * 1000, device.into());
    let said = Said::Values(&[(0, lat), (1, lon)]);
    let message =
        Message { t, received: t, clamped: false, bad: false, device: 0, name: &name, said };
    bench.message(&message);
}

fn seen(bench: &Gathering) -> Vec<(i64, u8)> {
    bench.levels().into_iter().map(|(t, l)| (t / 1000, l)).collect()
}

/// At sea, so many metres north.
fn at_sea(m: f64) -> (f64, f64) {
    (16.4 + m / 111_195.0, 108.9)
}

#[test]
fn the_worked_timeline_of_the_manual() {
    let mut bench: Gathering = Bench::new(TRACKERS);
    let hour = 3600;
    go(&mut bench, 0, "vms-1", at_sea(0.0));
    go(&mut bench, hour, "vms-2", at_sea(40.0));
    go(&mut bench, 2 * hour, "vms-3", at_sea(900.0));
    go(&mut bench, 3 * hour, "vms-1", at_sea(10.0));
    go(&mut bench, 3 * hour + 60, "vms-3", at_sea(60.0));
    assert_eq!(seen(&bench), [(3 * hour + 60, 1)]);
    assert_eq!(bench.values(), [3.0]);
    assert_eq!(bench.shown().detail.vi, "vms-1, vms-2, vms-3");
    assert_eq!(bench.evidence().readings.len(), 6);
    bench.time(6 * hour * 1000);
    // What vms-2 said at 1 h is stale at 5 h.
    assert_eq!(seen(&bench), [(3 * hour + 60, 1), (5 * hour, 0)]);
}

#[test]
fn a_harbour_full_of_vessels_is_no_gathering() {
    let mut bench: Gathering = Bench::new(TRACKERS);
    for i in 0..5 {
        go(&mut bench, i, &format!("vms-{i}"), (16.0985, 108.2440));
    }
    assert_eq!(seen(&bench), []);
    for i in 0..5 {
        go(&mut bench, 10 + i, &format!("vms-{i}"), at_sea(0.0));
    }
    assert_eq!(seen(&bench), [(12, 1)]);
    go(&mut bench, 20, "vms-0", (16.0985, 108.2440));
    go(&mut bench, 30, "vms-1", (0.0, 0.0));
    go(&mut bench, 40, "vms-2", (91.0, 108.0));
    assert_eq!(seen(&bench), [(12, 1), (40, 0)], "who is nowhere is not counted");
}

#[test]
fn further_devices_than_the_bound_are_counted() {
    let mut bench: Gathering = Bench::new(TRACKERS);
    for i in 0..MOST + 3 {
        go(&mut bench, 0, &format!("d{i:05}"), at_sea(i as f64 * 200.0));
    }
    assert_eq!(bench.state.places.len(), MOST);
    assert_eq!(bench.state.left_out, 3);
    assert!(bench.kind.heap_bytes(&bench.state) <= MOST * 48);
    assert_eq!(seen(&bench), [], "200 m apart");
}

#[test]
fn reads_back_what_it_prints_and_tells_mistakes() {
    for yaml in [TRACKERS.to_owned(), TRACKERS.replace("except: [tho_quang_harbour]\n", "")] {
        let bench: Gathering = Bench::new(&yaml);
        bench.reads_back().expect(&yaml);
    }
    for (from, to, part) in [
        (">= 3", ">= 1", "`>= 1` holds always"),
        (">= 3", "< 3", "`< 3` holds always"),
        ("100 m", "0 m", "expected 1 to 100000 m, found 0"),
        ("within: 100 m\n", "", "`within` is missing"),
        ("tho_quang_harbour", "tho_quang", "unknown zone `tho_quang`"),
    ] {
        let all = Gathering::load(&TRACKERS.replace(from, to)).err().unwrap_or_default();
        assert!(all.contains(part), "{part}\nnot in\n{all}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_largest_group_agrees_with_all_pairs(
        said in prop::collection::vec((0usize..8, -300f64..300.0, 0i64..600), 1..60),
        restart in 0usize..60,
    ) {
        let yaml = TRACKERS.replace("4h", "1800500ms");
        let mut bench: Gathering = Bench::new(&yaml);
        let mut last: std::collections::BTreeMap<usize, (i64, f64)> = Default::default();
        let (mut t, mut level, mut expect) = (0, 0u8, Vec::new());
        let largest = |last: &std::collections::BTreeMap<usize, (i64, f64)>, ms: i64| {
            let fresh: Vec<f64> =
                last.values().filter(|(at, _)| at + 1_800_500 > ms).map(|(_, m)| *m).collect();
            let near = |m: &f64| fresh.iter().filter(|o| (*o - m).abs() <= 100.0).count();
            fresh.iter().map(near).max().unwrap_or(0)
        };
        for (i, (device, m, wait)) in said.into_iter().enumerate() {
            let to = t + wait + 1;
            // What goes stale on the way, then what is said.
            let mut moments: Vec<i64> = last.values().map(|(at, _)| at + 1_800_500).collect();
            moments.retain(|ms| *ms > t * 1000 && *ms < to * 1000);
            moments.sort_unstable();
            moments.push(to * 1000);
            for ms in moments {
                if ms == to * 1000 {
                    last.insert(device, (ms, m));
                }
                let now = u8::from(largest(&last, ms) >= 3);
                if now != level {
                    level = now;
                    expect.push((ms, now));
                }
            }
            t = to;
            go(&mut bench, t, &format!("d{device}"), at_sea(m));
            if i == restart {
                let bytes = postcard::to_allocvec(&bench.state).expect("a state");
                bench.state = postcard::from_bytes(&bytes).expect("the same state");
            }
        }
        prop_assert_eq!(bench.levels(), expect);
    }
}
