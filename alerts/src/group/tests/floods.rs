use ioc_model::IncidentKind;

use super::*;
use crate::group::FloodChange;

fn sec(s: i64) -> Timestamp {
    Timestamp(T0 + s * 1000)
}

#[test]
fn a_flood_begins_with_the_11th_alarm_in_10_minutes_and_ends_below_5() {
    let mut flood = Flood::new(LIMITS, 1);
    for n in 0..10 {
        assert_eq!(flood.raise(sec(n * 30)), None);
    }
    let begun = flood.raise(sec(300));
    assert!(matches!(begun, Some(FloodChange(s)) if s.on && s.raised == 11));
    assert_eq!(flood.state(sec(300)).since, Some(sec(300)));
    // Of the eleven, 5 are left at 750 s, 4 at 780 s.
    assert!(flood.is_on(sec(779)));
    assert_eq!(flood.tick(sec(779)), None);
    let over = flood.tick(sec(780));
    assert!(matches!(over, Some(FloodChange(s)) if !s.on && s.raised == 4), "{over:?}");
    assert_eq!(flood.tick(sec(781)), None, "told once");
    assert_eq!(flood.raise(sec(790)), None, "5 in 10 minutes do not begin one");
    assert!(!flood.is_on(sec(790)));
}

#[test]
fn more_people_on_duty_bear_more() {
    let mut flood = Flood::new(LIMITS, 0);
    assert_eq!(flood.state(sec(0)).positions, 1, "at least one");
    flood.set_positions(3);
    let begun: Vec<_> = (0..31).filter_map(|n| flood.raise(sec(n))).collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].0.raised, 31);
    assert!(flood.is_on(sec(600 + 15)) && !flood.is_on(sec(600 + 17)));
}

#[test]
fn late_raises_count_where_they_belong_and_old_ones_not() {
    let mut flood = Flood::new(LIMITS, 1);
    flood.raise(sec(1_000));
    for _ in 0..20 {
        flood.raise(sec(300));
    }
    assert_eq!(flood.state(sec(1_000)).raised, 1);
    for n in 0..10 {
        flood.raise(sec(990 - n));
    }
    assert!(flood.is_on(sec(1_000)));
}

/// Memory is bounded by the window, whatever comes.
#[test]
fn a_hundred_thousand_raises_in_a_window_are_kept_in_a_few_numbers() {
    let mut flood = Flood::new(LIMITS, 1);
    for n in 0..100_000 {
        flood.raise(Timestamp(T0 + n * 60));
    }
    assert!(format!("{flood:?}").len() < 20_000);
    // To the second, of 17 raises.
    let raised = flood.state(Timestamp(T0 + 6_000_000)).raised;
    assert!(raised.abs_diff(10_000) <= 17, "{raised}");
}

#[test]
fn held_alerts_do_not_make_a_flood() {
    let names: Vec<String> = (0..40).map(|n| format!("cam{n}")).collect();
    let parents: Vec<(&str, &str)> = names.iter().map(|n| (&**n, "gw")).collect();
    let mut desk = Desk::new(&parents);
    desk.apply(&[raise("gw", "outage", sec(0))]);
    let silent: Vec<_> = names.iter().map(|n| raise(n, "outage", sec(5))).collect();
    desk.apply(&silent);
    assert_eq!(desk.flood.state(sec(5)).raised, 1);
    assert!(!desk.flood.is_on(sec(5)));
}

/// A storm: 60 alerts of ten causes in one ward, by two services.
#[test]
fn a_storm_is_one_flood_incident_per_ward_and_service() {
    let mut desk = Desk::new(&[]);
    let storm = |ward: &'static str, from: i64| {
        (0..60).map(move |n| {
            let t = raise(&format!("{ward}{n}"), &format!("cause{}", n % 10), sec(from + n * 5));
            let service = if n % 3 == 0 { "river" } else { "rain_flood" };
            Transition { area: ward.into(), service: service.into(), ..t }
        })
    };
    let mut all: Vec<Transition> = storm("hai-chau", 0).chain(storm("son-tra", 2)).collect();
    all.sort_by_key(|t| t.time);
    for t in &all {
        desk.apply(std::slice::from_ref(t));
    }
    let floods: Vec<_> =
        desk.incidents().into_iter().filter(|i| i.kind == IncidentKind::Flood).collect();
    let mut places: Vec<_> = floods.iter().map(|i| (&*i.area, &*i.service)).collect();
    places.sort_unstable();
    let wards = ["hai-chau", "son-tra"];
    let wanted: Vec<_> = wards.iter().flat_map(|w| [(*w, "rain_flood"), (*w, "river")]).collect();
    assert_eq!(places, wanted);
    let grouped: u32 = floods.iter().map(|i| i.alerts).sum();
    assert_eq!(grouped, 110, "all but the ten before the flood");
    assert!(desk.incidents().len() <= 4 + 10);
    property::check(&desk);

    // A restart in the middle knows that there is a flood.
    let last = all[all.len() - 1].time;
    let loaded = Flood::load(&desk.db, LIMITS, 1).expect("loads");
    assert_eq!(loaded.state(last), desk.flood.state(last));
    assert!(loaded.is_on(last));
    let quiet = Timestamp(last.0 + 700_000);
    assert!(!loaded.is_on(quiet));
}

#[test]
fn an_empty_register_has_no_flood() {
    let desk = Desk::new(&[]);
    let flood = Flood::load(&desk.db, LIMITS, 2).expect("loads");
    assert_eq!(flood.state(sec(0)).raised, 0);
    assert!(!flood.is_on(sec(0)));
}
