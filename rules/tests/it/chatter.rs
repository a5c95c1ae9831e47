//! What comes and goes too often is held by its rule.

use ioc_model::{Entry, TransitionKind};
use ioc_rules::ClockMode;

use crate::world::{engine, load, obs, run, tick};

const RULE: &str = r#"
rules:
  - id: gate
    kind: threshold
    service: river
    cause: flood
    latched: true
    name: { vi: "Cống", en: "Gate" }
    property: water_level
    levels: [{ severity: minor, raise: ">= 2" }]
    chatter: { raises: 3, within: 60s, hold: 5m }
    message: { vi: "{value}", en: "{value}" }
"#;

fn flaps(times: &[(f64, f64)]) -> Vec<Entry> {
    times.iter().map(|(s, v)| obs("river-a", *s, &[("water_level", *v)])).collect()
}

#[test]
fn a_chattering_alert_is_held_until_it_is_quiet() {
    let mut entries = flaps(&[
        (0.0, 3.0),
        (10.0, 1.0),
        (20.0, 3.0),
        (30.0, 1.0),
        // The third within a minute: from here on it is held.
        (40.0, 3.0),
        (50.0, 1.0),
        (60.0, 3.0),
        (70.0, 1.0),
        (80.0, 3.0),
        (90.0, 1.0),
    ]);
    entries.extend((1..=45).map(|n| tick(90.0 + f64::from(n) * 10.0)));
    let got = run(&mut engine(RULE, ClockMode::Wall), &entries);
    let steps: Vec<(i64, TransitionKind)> =
        got.iter().map(|t| ((t.time.0 - got[0].time.0) / 1000, t.kind)).collect();
    use TransitionKind::{Clear, Raise};
    let want = [(0, Raise), (10, Clear), (20, Raise), (30, Clear), (40, Raise), (390, Clear)];
    assert_eq!(steps, want);
    let why = |n: usize| got[n].evidence.facts.iter().any(|f| &*f.name == "chatter");
    assert_eq!((0..6).map(why).collect::<Vec<_>>(), [false, false, false, false, true, true]);
    let hold = got[5].evidence.timers.iter().find(|t| &*t.name == "chatter_hold");
    assert_eq!(hold.map(|t| t.until.0 - t.since.0), Some(300_000));
    assert!(got.iter().all(|t| &*t.cause == "flood" && t.latched));
}

#[test]
fn what_comes_and_goes_slowly_is_not_held() {
    let entries =
        flaps(&[(0.0, 3.0), (10.0, 1.0), (50.0, 3.0), (60.0, 1.0), (100.0, 3.0), (110.0, 1.0)]);
    let got = run(&mut engine(RULE, ClockMode::Wall), &entries);
    assert_eq!(got.len(), 6, "{got:?}");
}

#[test]
fn a_hold_that_holds_nothing_is_refused() {
    let told = |text: &str| load(text).expect_err("a mistake")[0].message.clone();
    let longer = RULE.replace("    chatter:", "    clear_for: 10m\n    chatter:");
    assert!(told(&longer).contains("no longer than"), "{}", told(&longer));
    let once = told(&RULE.replace("raises: 3", "raises: 1"));
    assert!(once.contains('2') && once.contains("16"), "{once}");
}
