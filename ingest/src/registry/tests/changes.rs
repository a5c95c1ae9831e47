use ioc_model::DeviceFile;

use super::*;

#[test]
fn a_new_device_gets_the_area_of_its_place_and_is_there_after_a_restart() {
    let bench = Bench::new();
    let before = *bench.registry.changes().borrow();
    let put = bench.registry.put(air("a1"), &lan()).expect("taken");
    assert_eq!((&*put.area, put.origin), ("hai_chau", ioc_model::DeviceOrigin::People));
    assert_eq!((put.since, put.changed), (lan().at, lan().at));
    assert_eq!(*bench.registry.changes().borrow(), before + 1);
    assert_eq!(bench.registry.now().get("a1"), Some(&put));
    assert_eq!(bench.open().now().get("a1"), Some(&put));
    let (action, user, detail) = bench.lines().remove(0);
    assert_eq!((&*action, &*user), ("device_added", "lan"));
    assert_eq!(detail["after"]["area"], "hai_chau");
    assert_eq!(detail["before"], serde_json::Value::Null);
}

#[test]
fn every_field_that_cannot_be_is_told_with_a_hint() {
    let bench = Bench::new();
    let bad = Device {
        kind: "Air Station".into(),
        service: "airr".into(),
        area: "hai_chua".into(),
        properties: vec!["pm2.5".into()],
        cadence_s: 700_000,
        parent: Some("river-cam-li".into()),
        segment: Some("a b".into()),
        topics: vec!["ioc/v1/hai_chau/air/other/obs".into(), "a/#/b".into()],
        aliases: vec![CONFIGURED.into(), "x\u{202e}y".into()],
        fields: vec![
            ioc_model::DeviceField {
                name: "t".into(),
                property: "temperature".into(),
                unit: Some("ppb".into()),
            },
            ioc_model::DeviceField { name: "t".into(), property: "pm10".into(), unit: None },
        ],
        contact: Some("x".repeat(201)),
        ..air("bad id")
    };
    let told = mistakes(bench.registry.put(bad, &lan()));
    for expected in [
        "id: `bad id` cannot be an id; 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
        "kind: `Air Station` cannot be a kind; 1 to 48 of the characters a-z 0-9 _",
        "service: unknown service `airr`; did you mean `air`?",
        "area: unknown area `hai_chua`; did you mean `hai_chau`?",
        "properties: unknown property `pm2.5`; did you mean `pm25`?",
        "cadence_s: `700000` is out of range; expected 0 to 604800 (a week); 0: not regular",
        "parent: unknown parent device `river-cam-li`; did you mean `river-cam-le`?",
        "segment: `a b` cannot be an id; 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
        "aliases: alias `river-cam-le` is the id of a device; an alias stands for one device",
        "fields: `ppb` cannot be turned into `°C` of `temperature`; one of °C, K, °F",
        "fields: field `t` is there twice; one property for each field",
        "contact: 1 to 200 characters are expected; ",
    ] {
        assert!(told.iter().any(|t| t == expected), "{expected}\nin {told:#?}");
    }
    assert!(told.iter().any(|t| t.starts_with("topics: `ioc/v1/hai_chau/air/other/obs` covers")));
    assert!(told.iter().any(|t| t.starts_with("topics: `a/#/b`")));
    assert!(told.iter().any(|t| t.starts_with("aliases: `x\\u{202e}y` holds")));
    assert_eq!(told.len(), 15, "{told:#?}");
    assert!(bench.lines().is_empty() && bench.registry.now().get("bad id").is_none());
}

#[test]
fn swapped_latitude_and_longitude_are_told_and_a_place_outside_is_taken() {
    let bench = Bench::new();
    let swapped = Place { lat: HAI_CHAU.lon, lon: HAI_CHAU.lat };
    let told = mistakes(bench.registry.put(Device { place: Some(swapped), ..air("a") }, &lan()));
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("it lies in Phường Hải Châu if lat and lon are swapped"), "{told:?}");
    let hanoi = Place { lat: 21.03, lon: 105.85 };
    let put = bench.registry.put(Device { place: Some(hanoi), ..air("a") }, &lan());
    assert_eq!(&*put.expect("taken").area, "unassigned");
}

#[test]
fn what_the_configuration_says_stays_and_the_rest_can_be_added() {
    let bench = Bench::new();
    let configured = bench.registry.now().get(CONFIGURED).cloned().expect("configured");
    let renamed = Device { cadence_s: 1, ..Device::clone(&configured) };
    let refused = bench.registry.put(renamed, &lan()).expect_err("configured");
    assert_eq!(
        refused.to_string(),
        "`cadence_s` of `river-cam-le` is set in devices.csv; change it there"
    );
    let added = Device {
        topics: vec!["app/1/#".into()],
        aliases: vec!["70B3D5".into()],
        contact: Some("lan@example.vn".into()),
        bridge: true,
        ..Device::clone(&configured)
    };
    bench.registry.put(added, &lan()).expect("taken");
    bench.registry.set_state(CONFIGURED, DeviceState::Blocked, &lan()).expect("blocked");
    let again = bench.open();
    let now = again.now();
    let device = now.called("70B3D5").expect("found by alias");
    assert_eq!(
        (&*device.id, device.state, device.bridge),
        (CONFIGURED, DeviceState::Blocked, true)
    );
    assert_eq!(device.origin, ioc_model::DeviceOrigin::Config);
    assert_eq!(device.place, configured.place);
    assert!(matches!(again.remove(CONFIGURED, &lan()), Err(DeviceError::Conflict(_))));
}

#[test]
fn a_device_that_left_the_configuration_is_gone_unless_it_is_blocked() {
    let bench = Bench::new();
    let other = bench.city.devices.keys().find(|id| &***id != CONFIGURED).cloned().expect("more");
    for id in [CONFIGURED, &other] {
        let device = bench.registry.now().get(id).cloned().expect("configured");
        let device = Device { tags: [("a".into(), "b".into())].into(), ..Device::clone(&device) };
        bench.registry.put(device, &lan()).expect("taken");
    }
    bench.registry.set_state(CONFIGURED, DeviceState::Blocked, &lan()).expect("blocked");
    let token = bench.registry.issue_token(&other, "t", &lan()).expect("made").token;
    let mut smaller = City::clone(&bench.city);
    smaller.devices.clear();
    let config = RegistryConfig::default();
    let without = Registry::open(&bench.path(), config.clone(), Arc::new(smaller)).expect("opens");
    assert_eq!(without.now().len(), 1);
    assert_eq!(without.now().get(CONFIGURED).map(|d| d.state), Some(DeviceState::Blocked));
    // A slip in devices.csv has lost nothing.
    let again = Registry::open(&bench.path(), config, Arc::clone(&bench.city)).expect("opens");
    assert_eq!(again.now().get(&other).map(|d| d.tags.len()), Some(1));
    assert!(again.token(&other, token.as_bytes()).is_some());
}

#[test]
fn an_alias_stands_for_one_device_and_can_go_over_to_another() {
    let bench = Bench::new();
    let named = |id: &str| Device { aliases: vec!["A8".into()], ..air(id) };
    bench.registry.put(named("a1"), &lan()).expect("taken");
    let told = mistakes(bench.registry.put(named("a2"), &lan()));
    assert_eq!(told, ["aliases: alias `A8` is one of device `a1`; an alias stands for one device"]);
    let told = mistakes(bench.registry.put(air("A8"), &lan()));
    assert_eq!(told, ["id: `A8` is an alias of device `a1`; take the alias away there first"]);
    let csv = "id,aliases,service\na1,,air\na2,A8,air\n";
    bench.registry.import(DeviceFile::Csv, "x.csv", csv, false, &lan()).expect("taken");
    assert_eq!(bench.registry.now().called("A8").map(|d| d.id.to_string()), Some("a2".into()));
}

#[test]
fn a_parent_is_there_is_no_child_of_its_own_and_is_not_removed_below_its_children() {
    let bench = Bench::new();
    let below = |id: &str, parent: &str| Device { parent: Some(parent.into()), ..air(id) };
    bench.registry.put(Device { bridge: true, ..air("gw") }, &lan()).expect("taken");
    bench.registry.put(below("a1", "gw"), &lan()).expect("taken");
    let told = mistakes(bench.registry.put(below("gw", "a1"), &lan()));
    assert!(told[0].contains("device `gw` is its own parent"), "{told:?}");
    let refused = bench.registry.remove("gw", &lan()).expect_err("has children");
    assert_eq!(refused.to_string(), "1 devices speak through `gw`, such as a1");
    bench.registry.remove("a1", &lan()).expect("removed");
    bench.registry.remove("gw", &lan()).expect("removed");
    assert!(matches!(bench.registry.remove("gw", &lan()), Err(DeviceError::NotThere)));
    // A chain that is too long ends the look-up.
    bench.registry.put(air("c0"), &lan()).expect("taken");
    let deep: Vec<_> = (1..=9)
        .map(|n| bench.registry.put(below(&format!("c{n}"), &format!("c{}", n - 1)), &lan()))
        .collect();
    assert!(deep[..7].iter().all(Result::is_ok) && deep[8].is_err(), "{deep:?}");
}

#[test]
fn the_audit_log_hears_of_every_change_and_of_no_token_or_contact() {
    let bench = Bench::new();
    let (r, lan) = (&bench.registry, lan());
    let person = |c: &str| Device { contact: Some(c.into()), ..air("a1") };
    r.put(person("0905 123 456"), &lan).expect("taken");
    r.put(person("0905 123 456"), &lan).expect("the same");
    r.put(Device { cadence_s: 30, ..person("0905 999 999") }, &lan).expect("taken");
    r.set_state("a1", DeviceState::Blocked, &lan).expect("blocked");
    r.set_state("a1", DeviceState::Approved, &lan).expect("approved");
    let token = r.issue_token("a1", "box", &lan).expect("made");
    r.revoke_token("a1", token.info.id, &lan).expect("revoked");
    r.remove("a1", &lan).expect("removed");
    let expected = [
        "device_added",
        "device_changed",
        "device_blocked",
        "device_approved",
        "device_token_made",
        "device_token_revoked",
        "device_removed",
    ];
    assert_eq!(bench.actions(), expected);
    let lines = bench.lines();
    let all = format!("{lines:?}");
    assert!(!all.contains("0905") && !all.contains(&token.token), "{all}");
    let change = &lines[1].2;
    assert_eq!(change["before"], serde_json::json!({ "cadence_s": 60, "contact": "kept" }));
    assert_eq!(change["after"], serde_json::json!({ "cadence_s": 30, "contact": "another" }));
    let numbers: Vec<_> = lines.iter().map(|l| l.2["line"].as_i64()).collect();
    assert_eq!(numbers, (1..=7).map(Some).collect::<Vec<_>>());
}

#[test]
fn lines_wait_in_the_file_while_the_audit_log_cannot_be_written() {
    let bench = Bench::new();
    let city = Arc::clone(&bench.city);
    let path = bench.dir.path().join("other.sqlite");
    let registry = Registry::open(&path, RegistryConfig::default(), city).expect("opens");
    let full: NoteAct = Arc::new(|_, _, _| Err("disk full".into()));
    registry.tell(full);
    registry.put(air("a1"), &lan()).expect("the change itself is taken");
    assert!(registry.maintain(Timestamp(1)).is_err());
    drop(registry);
    let city = Arc::clone(&bench.city);
    let registry = Registry::open(&path, RegistryConfig::default(), city).expect("opens");
    let audit = Arc::<Mutex<Vec<_>>>::default();
    registry.tell(book(&audit));
    registry.maintain(Timestamp(1)).expect("writes");
    registry.maintain(Timestamp(2)).expect("nothing left");
    assert_eq!(audit.lock().expect("no panic").len(), 1);
}

#[test]
fn approved_devices_with_a_place_are_a_part_of_the_city() {
    let bench = Bench::new();
    let r = &bench.registry;
    let unplaced = |id: &str| Device { place: None, ..air(id) };
    r.put(unplaced("gw"), &lan()).expect("taken");
    r.put(Device { parent: Some("gw".into()), ..air("a1") }, &lan()).expect("taken");
    r.put(air("a2"), &lan()).expect("taken");
    r.set_state("a2", DeviceState::Blocked, &lan()).expect("blocked");
    let city = r.city(&bench.city);
    assert_eq!(city.devices.len(), bench.city.devices.len() + 1);
    let spec = &city.devices["a1"];
    assert_eq!((&*spec.area, spec.parent.as_deref()), ("hai_chau", None));
    let mut other = City::clone(&bench.city);
    other.services.clear();
    assert!(!r.city(&other).devices.contains_key("a1"), "its service is gone");
}

#[test]
fn a_full_registry_takes_no_further_device() {
    let max_devices = city().devices.len() + 1;
    let bench = Bench::with(RegistryConfig { max_devices, ..RegistryConfig::default() });
    bench.registry.put(air("a1"), &lan()).expect("taken");
    assert!(matches!(bench.registry.put(air("a2"), &lan()), Err(DeviceError::Conflict(_))));
    bench.registry.put(Device { cadence_s: 5, ..air("a1") }, &lan()).expect("no new one");
    let csv = "id,service\na3,air\n";
    let refused = bench.registry.import(DeviceFile::Csv, "x.csv", csv, false, &lan());
    assert!(matches!(refused, Err(DeviceError::Conflict(_))), "{refused:?}");
}
