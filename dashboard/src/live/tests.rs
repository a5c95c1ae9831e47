use ioc_model::{Body, Condition, Detection, Held, HeldBy, Quality, Severity, Status, Work};

use super::*;
use crate::testing::{NOON, alert, city, reading, record};

fn live(n: usize) -> Live {
    Live::new(&city(n), Vec::new())
}

fn rows(live: &Live, now: i64) -> Vec<frame::Row> {
    live.lock().rows(None, now)
}

fn status(live: &Live, idx: usize) -> u8 {
    rows(live, NOON)[idx].status
}

#[test]
fn configured_devices_come_first_in_the_order_of_their_ids() {
    let live = live(3);
    live.apply(&reading("aaa-first-by-name", NOON, &[("pm25", 1.0)]));
    live.sweep(Timestamp(NOON));
    let (_, list) = live.device_list(&live.whole);
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    let ids: Vec<_> =
        list["devices"].as_array().expect("devices").iter().map(|d| &d["id"]).collect();
    assert_eq!(ids, ["air-000", "air-001", "air-002", "aaa-first-by-name"]);
}

#[test]
fn the_map_shows_the_first_property_and_its_newest_value() {
    let live = live(1);
    live.apply(&reading("air-000", NOON, &[("no2", 5.0)]));
    assert!(rows(&live, NOON)[0].value.is_nan(), "no2 is not the main one");
    live.apply(&reading("air-000", NOON, &[("pm25", 2.0)]));
    live.apply(&reading("air-000", NOON - 60_000, &[("pm25", 99.0)]));
    assert_eq!(rows(&live, NOON)[0].value, 2.0, "a back-filled value is not the newest");
    let device =
        live.device("air-000", &Scope::city()).expect("known").json(serde_json::Value::Null);
    assert_eq!(device["latest"][1]["value"], 2.0);
    live.apply(&reading("air-000", NOON + 1, &[("pm25", 3.0)]));
    assert_eq!(rows(&live, NOON)[0].value, 3.0);
}

#[test]
fn silence_is_stale_after_three_cadences_and_a_word_ends_it() {
    let live = live(1);
    live.apply(&reading("air-000", NOON, &[("pm25", 1.0)]));
    let heard = NOON + 100;
    live.sweep(Timestamp(heard + 180_000));
    assert_eq!(status(&live, 0), device::LIVE);
    live.sweep(Timestamp(heard + 180_001));
    assert_eq!(status(&live, 0), device::STALE);
    live.apply(&reading("air-000", NOON + 200_000, &[("pm25", 1.0)]));
    assert_eq!(status(&live, 0), device::LIVE);
}

#[test]
fn in_event_time_silence_is_counted_in_event_time() {
    let live = live(1);
    live.apply(&reading("air-000", NOON - 86_400_000, &[("pm25", 1.0)]));
    live.set_now(Timestamp(NOON - 86_400_000 + 1_000));
    live.sweep(Timestamp(NOON));
    assert_eq!(status(&live, 0), device::LIVE, "a replay of yesterday is not stale");
    live.set_now(Timestamp(NOON - 86_400_000 + 180_001));
    live.sweep(Timestamp(NOON));
    assert_eq!(status(&live, 0), device::STALE);
}

#[test]
fn detections_and_status_count_as_words() {
    let live = live(1);
    let seen = Detection {
        kind: "crowd".into(),
        id: None,
        object: None,
        confidence: None,
        count: Some(12.0),
        zone: None,
        personal: None,
    };
    live.apply(&record("cam-1", NOON, Body::Detection(Box::new(seen))));
    let off = Status { online: false, battery: Some(40.0) };
    live.apply(&record("air-000", NOON, Body::Status(off)));
    live.sweep(Timestamp(NOON));
    let all = rows(&live, NOON);
    assert_eq!((all[1].value, all[1].status), (12.0, device::LIVE));
    assert_eq!(all[0].status, device::OFFLINE);
    let device = live.device("cam-1", &Scope::city()).expect("known").json(serde_json::Value::Null);
    assert_eq!(device["properties"], serde_json::json!(["event.crowd"]));
    assert_eq!(device["kind"], "camera");
    let device =
        live.device("air-000", &Scope::city()).expect("known").json(serde_json::Value::Null);
    assert_eq!(device["latest"][0]["property"], "battery");
}

#[test]
fn devices_and_properties_beyond_the_limits_are_counted() {
    let limits = LiveLimits { max_devices: 2, ..LiveLimits::default() };
    let live = Live::with_limits(&city(1), Vec::new(), limits);
    for name in ["b", "c", "d"] {
        live.apply(&reading(name, NOON, &[("pm25", 1.0)]));
    }
    assert_eq!(live.tally().hidden_records, 2);
    for i in 0..100 {
        live.apply(&reading("b", NOON, &[(&format!("p{i}"), 1.0)]));
    }
    assert_eq!(live.tally().hidden_values, 37);
    assert_eq!(live.tally().records, 103);
}

#[test]
fn a_batch_given_twice_counts_once() {
    let live = live(1);
    let entries = [reading("air-000", NOON, &[("pm25", 1.0)]), Entry::Tick(Timestamp(NOON))];
    live.apply_batch(10, &entries);
    live.apply_batch(10, &entries);
    live.apply_batch(
        11,
        &[Entry::Tick(Timestamp(NOON)), reading("air-000", NOON, &[("pm25", 1.0)])],
    );
    assert_eq!((live.tally().records, live.next_position()), (2, 13));
}

#[test]
fn a_restart_shows_what_was_shown() {
    let before = live(2);
    before.apply_batch(
        0,
        &[
            reading("air-001", NOON, &[("no2", 5.0), ("pm25", 2.5)]),
            reading("new", NOON, &[("noise_laeq", 60.0)]),
            record("air-000", NOON, Body::Status(Status { online: false, battery: None })),
        ],
    );
    before.sweep(Timestamp(NOON));
    let bytes = before.snapshot();
    let (after, next) = Live::restore(&city(2), &bytes).expect("restores");
    assert_eq!(next, 3);
    assert_eq!(format!("{:?}", rows(&after, NOON)), format!("{:?}", rows(&before, NOON)));
    let list = |live: &Live| {
        let list: serde_json::Value =
            serde_json::from_slice(&live.device_list(&live.whole).1).expect("JSON");
        list["devices"].clone()
    };
    assert_eq!(list(&after), list(&before));
    let device = |live: &Live| {
        live.device("air-001", &Scope::city()).expect("known").json(serde_json::Value::Null)
    };
    assert_eq!(device(&after), device(&before));
}

#[test]
fn a_restart_follows_the_configuration_of_today() {
    let before = live(3);
    before.apply(&reading("air-002", NOON, &[("no2", 5.0), ("pm25", 2.5)]));
    before.apply(&reading("new", NOON, &[("pm25", 1.0)]));
    let bytes = before.snapshot();
    let mut today = city(1);
    let mut spec = today.devices["air-000"].clone();
    spec.id = "new".into();
    spec.properties = vec!["no2".into()];
    today.devices.insert(spec.id.clone(), spec);
    let (after, _) = Live::restore(&today, &bytes).expect("restores");
    assert!(after.device("air-002", &Scope::city()).is_none(), "it has left the configuration");
    let new = after.device("new", &Scope::city()).expect("known").json(serde_json::Value::Null);
    assert_eq!((&new["configured"], &new["cadence_s"]), (&true.into(), &60.into()));
    assert!(rows(&after, NOON)[1].value.is_nan(), "its main property is now no2");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let live = live(1);
    live.apply(&reading("air-000", NOON, &[("pm25", 1.0)]));
    let bytes = live.snapshot();
    for i in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[i] ^= 0x10;
        assert!(Live::restore(&city(1), &flipped).is_err(), "byte {i}");
        assert!(Live::restore(&city(1), &bytes[..i]).is_err(), "cut at {i}");
    }
}

#[test]
fn alerts_colour_devices_and_count_until_they_are_closed() {
    let live = live(1);
    let mut minor = alert(1, "air-000", Severity::Minor);
    let critical = alert(2, "air-000", Severity::Critical);
    live.alerts_changed(&[minor.clone(), critical.clone()]);
    assert_eq!(status(&live, 0) >> 3, Severity::Critical as u8);
    let mut returned = critical.clone();
    (returned.ver, returned.change, returned.condition) = (2, 3, Condition::Returned);
    live.alerts_changed(&[returned.clone()]);
    assert_eq!(status(&live, 0) >> 3, Severity::Minor as u8);
    assert_eq!(live.alert_counts(&Scope::city()).open, 2, "returned, but nobody has closed it");
    (returned.ver, returned.acknowledged) = (3, true);
    live.alerts_changed(&[returned.clone()]);
    assert_eq!(live.alert_counts(&Scope::city()).open, 2, "acknowledged is not closed");
    (returned.ver, returned.work) = (4, Work::Closed);
    live.alerts_changed(&[returned.clone(), critical]);
    assert_eq!(
        live.alert_counts(&Scope::city()).open,
        1,
        "the older row that came late opens nothing"
    );
    (returned.ver, returned.work) = (5, Work::Resolved);
    live.alerts_changed(&[returned]);
    assert_eq!(live.alert_counts(&Scope::city()).open, 2, "the close was taken back");
    (minor.ver, minor.work) = (2, Work::Rejected);
    live.alerts_changed(&[minor]);
    assert_eq!((live.alert_counts(&Scope::city()).open, status(&live, 0) >> 3), (1, 0));
}

#[test]
fn what_is_held_back_is_open_and_counts_nowhere_else() {
    let live = live(1);
    let mut row = alert(1, "air-000", Severity::Critical);
    row.overdue = true;
    live.alerts_changed(&[row.clone()]);
    let counts = live.alert_counts(&Scope::city());
    assert_eq!((counts.listed, counts.held, counts.overdue), (1, 0, 1));
    let shelf = Held {
        by: HeldBy::Shelf,
        id: String::new(),
        until: None,
        who: "lan".into(),
        reason: "known".into(),
    };
    (row.ver, row.held) = (2, vec![shelf]);
    live.alerts_changed(&[row.clone()]);
    let expected = AlertCounts { open: 1, held: 1, ..AlertCounts::default() };
    assert_eq!(live.alert_counts(&Scope::city()), expected);
    assert_eq!(status(&live, 0) >> 3, 0);
    live.sweep(Timestamp(NOON));
    let tiles: serde_json::Value = serde_json::from_str(&live.tiles(&live.whole).1).expect("JSON");
    assert_eq!((&tiles[1]["open_alerts"], &tiles[1]["worst"]), (&0.into(), &().into()));
    (row.ver, row.held) = (3, Vec::new());
    live.alerts_changed(&[row]);
    assert_eq!((live.alert_counts(&Scope::city()).listed, status(&live, 0) >> 3), (1, 4));
}

#[test]
fn an_alert_about_a_device_that_speaks_later_colours_it() {
    let live = live(0);
    live.alerts_changed(&[alert(1, "later", Severity::Major)]);
    live.apply(&reading("later", NOON, &[("pm25", 1.0)]));
    live.sweep(Timestamp(NOON));
    assert_eq!(status(&live, 0), device::LIVE | (3 << 3));
}

#[test]
fn no_change_is_lost_between_ticks() {
    let live = live(4);
    let wall = Timestamp(NOON);
    let (_, mut seen) = live.frame(&live.whole, None, wall);
    let mut shown = [0.0f32; 4];
    let mut last = [0.0f32; 4];
    for step in 0..1_000u32 {
        let device = (step * 7 % 4) as usize;
        last[device] = step as f32;
        live.apply(&reading(&format!("air-{device:03}"), NOON, &[("pm25", f64::from(step))]));
        if step % 3 == 0 {
            live.close_tick();
        }
        if step % 5 == 0 {
            let rows = live.lock().rows(Some(seen), NOON);
            let (_, seq) = live.frame(&live.whole, Some(seen), wall);
            rows.iter().for_each(|r| shown[r.idx as usize] = r.value);
            seen = seq;
        }
    }
    live.close_tick();
    live.lock().rows(Some(seen), NOON).iter().for_each(|r| shown[r.idx as usize] = r.value);
    assert_eq!(shown, last);
}

#[test]
fn clients_of_one_tick_share_the_bytes() {
    let live = live(1);
    live.apply(&reading("air-000", NOON, &[("pm25", 1.0)]));
    live.close_tick();
    let wall = Timestamp(NOON);
    let (a, b) =
        (live.frame(&live.whole, Some(0), wall).0, live.frame(&live.whole, Some(0), wall).0);
    let (a, b) = (a.expect("a change"), b.expect("a change"));
    assert_eq!(a.as_ptr(), b.as_ptr());
    assert_eq!(live.frame(&live.whole, Some(live.seq()), wall).0, None, "nothing since");
}

#[test]
fn only_fresh_and_good_values_make_a_tile() {
    let live = live(4);
    let bad = Body::Observation {
        quality: Quality::Bad,
        values: [("pm25".into(), 900.0)].into_iter().collect(),
    };
    live.apply(&reading("air-000", NOON, &[("pm25", 10.0)]));
    live.apply(&record("air-001", NOON, bad));
    live.apply(&reading("air-002", NOON - 500_000, &[("pm25", 500.0)]));
    // It still sends, but its PM2.5 sensor has been silent.
    live.apply(&reading("air-003", NOON - 500_000, &[("pm25", 700.0)]));
    live.apply(&reading("air-003", NOON, &[("no2", 1.0)]));
    live.sweep(Timestamp(NOON));
    let tiles: serde_json::Value = serde_json::from_str(&live.tiles(&live.whole).1).expect("JSON");
    let pm25 = &tiles[1]["indicators"][0];
    assert_eq!((&pm25["value"], &pm25["n"]), (&10.0.into(), &1.into()));
    assert_eq!(tiles[1]["fresh"], 3);
    let number = live.tiles(&live.whole).0;
    live.sweep(Timestamp(NOON));
    assert_eq!(live.tiles(&live.whole).0, number, "the same tiles are not news");
}
