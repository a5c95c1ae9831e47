use ioc_model::DeviceOrigin;

use super::*;

fn met<'a>(device: &'a str, parent: Option<&'a str>) -> Met<'a> {
    Met { device, area: "hai_chau", service: "air", parent, at: Timestamp(77) }
}

#[test]
fn a_device_that_appears_is_pending_across_a_restart_and_approval_keeps_what_was_learned() {
    let bench = Bench::new();
    let r = &bench.registry;
    let moved = *r.changes().borrow();
    assert_eq!(r.met(&met("new-1", None)), Listed::Pending);
    assert_eq!(r.met(&met("new-1", None)), Listed::Pending);
    assert_eq!(r.met(&met(CONFIGURED, None)), Listed::Known);
    r.learned("new-1", 30, &["pm25".into(), "pm10".into()]);
    r.learned(CONFIGURED, 1, &["pm25".into()]);
    let appeared = r.maintain(Timestamp(100)).expect("maintained");
    assert_eq!(appeared.iter().map(|d| &*d.id).collect::<Vec<_>>(), ["new-1"]);
    assert_eq!(*r.changes().borrow(), moved, "nobody's rights are others");
    assert_eq!(r.met(&met("new-1", None)), Listed::Known);
    let again = bench.open();
    let device = again.now().get("new-1").cloned().expect("kept");
    assert_eq!((device.state, device.origin), (DeviceState::Pending, DeviceOrigin::Auto));
    assert_eq!((&*device.area, &*device.service, device.since), ("hai_chau", "air", Timestamp(77)));
    assert_eq!((device.cadence_s, device.properties.len()), (30, 2));
    r.learned("new-1", 31, &["noise".into()]);
    r.set_state("new-1", DeviceState::Approved, &lan()).expect("approved");
    let device = r.now().get("new-1").cloned().expect("there");
    assert_eq!(
        (device.state, device.cadence_s, device.properties.len()),
        (DeviceState::Approved, 31, 3)
    );
    r.learned("new-1", 99, &[]);
    r.maintain(Timestamp(200)).expect("maintained");
    assert_eq!(r.now().get("new-1").map(|d| d.cadence_s), Some(31), "people decide now");
    assert_eq!(bench.actions(), ["device_approved"]);
    assert_eq!(
        bench.city.devices[CONFIGURED].cadence_s,
        r.now().get(CONFIGURED).expect("x").cadence_s
    );
}

#[test]
fn a_device_can_be_approved_the_moment_it_appeared() {
    let bench = Bench::new();
    bench.registry.met(&met("new-1", None));
    let device = bench.registry.set_state("new-1", DeviceState::Approved, &lan());
    assert_eq!(device.expect("listed").state, DeviceState::Approved);
}

#[test]
fn a_bridge_is_the_parent_of_what_appears_through_it() {
    let bench = Bench::new();
    bench.registry.put(Device { bridge: true, ..air("nvr") }, &lan()).expect("taken");
    bench.registry.met(&met("cam-1", Some("nvr")));
    bench.registry.met(&met("cam-2", Some("nobody")));
    bench.registry.maintain(Timestamp(1)).expect("maintained");
    let parent = |id| bench.registry.now().get(id).and_then(|d| d.parent.clone());
    assert_eq!((parent("cam-1").as_deref(), parent("cam-2")), (Some("nvr"), None));
}

#[test]
fn as_many_are_listed_as_the_settings_allow_and_the_others_are_counted() {
    let config = RegistryConfig { max_pending: 2, ..RegistryConfig::default() };
    let bench = Bench::with(config);
    let r = &bench.registry;
    assert_eq!(r.met(&met("n1", None)), Listed::Pending);
    r.maintain(Timestamp(1)).expect("maintained");
    assert_eq!(r.met(&met("n2", None)), Listed::Pending);
    assert_eq!((r.met(&met("n3", None)), r.not_listed(), r.pending()), (Listed::No, 1, 2));
    r.maintain(Timestamp(2)).expect("maintained");
    assert_eq!(r.met(&met("n3", None)), Listed::No);
    r.set_state("n1", DeviceState::Approved, &lan()).expect("approved");
    assert_eq!(r.met(&met("n3", None)), Listed::Pending, "there is room again");
    r.remove("n2", &lan()).expect("removed");
    assert_eq!(r.pending(), 1);
}

#[test]
fn hostile_ids_and_services_are_not_listed_and_refuse_lists_nobody() {
    let bench = Bench::new();
    for id in ["", "a b", "a/b", "+", "x\u{0}"] {
        assert_eq!(bench.registry.met(&met(id, None)), Listed::No, "{id:?}");
    }
    let strange = Met { service: "nothing", ..met("n1", None) };
    assert_eq!(bench.registry.met(&strange), Listed::No);
    let elsewhere = Met { area: "nowhere", ..met("n1", None) };
    assert_eq!(bench.registry.met(&elsewhere), Listed::Pending);
    bench.registry.maintain(Timestamp(1)).expect("maintained");
    assert_eq!(
        bench.registry.now().get("n1").map(|d| d.area.to_string()),
        Some("unassigned".into())
    );
    let unknown_devices = UnknownDevices::Refuse;
    let strict = Bench::with(RegistryConfig { unknown_devices, ..RegistryConfig::default() });
    assert_eq!(strict.registry.met(&met("n1", None)), Listed::No);
}

#[test]
fn a_registry_in_memory_lists_too() {
    let registry = Registry::of(Devices::default());
    assert_eq!(registry.met(&met("n1", None)), Listed::Pending);
    registry.maintain(Timestamp(1)).expect("maintained");
    assert_eq!(registry.now().get("n1").map(|d| d.state), Some(DeviceState::Pending));
    assert!(registry.put(air("a1"), &lan()).is_err());
}
