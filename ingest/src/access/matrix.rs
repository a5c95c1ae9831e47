//! Every (identity × topic × action) against a second, naive statement of the rule, which shares
//! no code with the first: it makes the texts that are allowed and compares.

use std::sync::Arc;

use ioc_model::{Device, DeviceState, Devices, Timestamp};

use super::{Client, Standing};
use crate::registry::UnknownDevices;

/// Ids that have opened doors elsewhere (CVE-2017-7650 and its kin), and lengths at the limit.
pub(crate) fn hostile_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "#",
        "+",
        "+/+",
        "$SYS",
        "$share",
        "a/b",
        "/",
        "a\0b",
        "air-1\0",
        "air-1\n",
        "air-1 ",
        "",
        "air-1/obs",
        "air-1/#",
        "аir-1",
        "air‑1",
        "AIR-1",
        "dévice",
        "\u{202e}air-1",
        "{device}",
        "%c",
        "a\u{85}b",
        "*",
        "air-1#",
    ]
    .map(String::from)
    .into();
    ids.push("x".repeat(65));
    ids
}

/// Ids that look odd and are in order.
fn odd_ids() -> Vec<String> {
    vec!["..".into(), ".".into(), ":".into(), "-".into(), "y".repeat(64)]
}

fn device(id: &str, change: impl FnOnce(&mut Device)) -> Arc<Device> {
    let mut device = Device::unknown(id, &"air".into(), &"hai_chau".into(), Timestamp(0));
    device.state = DeviceState::Approved;
    change(&mut device);
    Arc::new(device)
}

fn with_parent(id: &str, parent: &str) -> Arc<Device> {
    device(id, |d| d.parent = Some(parent.into()))
}

pub(crate) fn world() -> Devices {
    let mut all = vec![
        device("air-1", |_| {}),
        device("air-2", |d| {
            d.topics = vec!["zigbee2mqtt/+/state".into(), "lora/air-2/#".into()];
        }),
        device("siren", |d| drop(d.tags.insert("alerts".into(), "+/hai_chau/#".into()))),
        device("wall", |d| drop(d.tags.insert("alerts".into(), "#".into()))),
        device("edge", |d| d.topics = vec!["spBv1.0/g1/+/edge/#".into()]),
        device("mobile", |d| d.topics = vec!["ioc/v1/son_tra/+/mobile/obs".into()]),
        device("greedy", |d| {
            d.topics = vec!["#".into(), "ioc/v1/#".into(), "+/#".into(), "a/#/b".into()];
        }),
        device("nowhere", |d| d.area = "unassigned".into()),
        device("new", |d| d.state = DeviceState::Pending),
        device("bad", |d| {
            d.state = DeviceState::Blocked;
            d.topics = vec!["bad/#".into()];
            d.bridge = true;
        }),
        with_parent("child-of-bad", "bad"),
        device("nvr", |d| {
            d.bridge = true;
            d.topics = vec!["frigate/#".into()];
        }),
        with_parent("cam-1", "nvr"),
        device("cam-2", |d| {
            d.parent = Some("nvr".into());
            d.area = "son_tra".into();
            d.service = "camera".into();
        }),
        device("cam-b", |d| {
            d.parent = Some("nvr".into());
            d.state = DeviceState::Blocked;
        }),
        device("cam-p", |d| {
            d.parent = Some("nvr".into());
            d.state = DeviceState::Pending;
        }),
        device("nvr2", |d| d.bridge = true),
        with_parent("cam-3", "nvr2"),
        // A parent alone makes no bridge.
        with_parent("cam-4", "air-1"),
    ];
    let strange = hostile_ids().into_iter().chain(odd_ids()).filter(|id| !id.is_empty());
    all.extend(strange.map(|id| device(&id, |d| d.topics = vec!["own/#".into()])));
    all.into_iter().collect()
}

pub(crate) fn identities(devices: &Devices) -> Vec<Client> {
    let mut ids: Vec<&str> = devices.iter().map(|d| &*d.id).collect();
    ids.sort_unstable();
    let mut all: Vec<Client> = ids.iter().map(|id| Client::device(id)).collect();
    all.extend(["ghost", ""].map(Client::device));
    all.extend(["tool", "air-1", "nvr"].map(Client::trusted));
    all
}

const AREAS: [&str; 5] = ["hai_chau", "son_tra", "unassigned", "+", ""];
const SERVICES: [&str; 3] = ["air", "camera", ""];

pub(crate) fn topics(devices: &Devices) -> Vec<String> {
    let mut ids: Vec<String> = devices.iter().map(|d| d.id.to_string()).collect();
    ids.extend(["ghost", "unheard-of", "alerts", "devices"].map(String::from));
    ids.sort_unstable();
    let mut topics = Vec::new();
    for id in &ids {
        for area in AREAS {
            for service in SERVICES {
                for kind in ["obs", "event", "status", "commands", "#", ""] {
                    topics.push(format!("ioc/v1/{area}/{service}/{id}/{kind}"));
                }
            }
        }
        for end in ["errors", "commands", "#", "x"] {
            topics.push(format!("ioc/v1/devices/{id}/{end}"));
        }
        for foreign in ["own", "lora", "zigbee2mqtt", "frigate", "bad", "$SYS", "$share", ""] {
            topics.push(format!("{foreign}/{id}"));
            topics.push(format!("{foreign}/{id}/state"));
        }
        for kind in ["NDATA", "NCMD", "DDATA", "DCMD"] {
            topics.push(format!("spBv1.0/g1/{kind}/{id}"));
            topics.push(format!("spBv1.0/g2/{kind}/{id}/m1"));
            topics.push(format!("spBv1.0/g1/{kind}/{id}/m1"));
        }
    }
    topics.extend(
        [
            "",
            "/",
            "//",
            "ioc",
            "ioc/v1",
            "ioc/v1/",
            "ioc/v2/x",
            "IOC/v1/hai_chau/air/air-1/obs",
            "ioc/v1/alerts/air/hai_chau/x",
            "ioc/v1/alerts",
            "ioc/v1/alerts/",
            "frigate",
            "frigate/a/b/c",
            "lora/air-2",
            "lora/air-2/a/b",
            "lora/air-22/a",
            "lora/air-1/a",
            "ioc/v1/hai_chau/air/air-1/obs/",
            "ioc/v1/hai_chau/air/air-1/obs/x",
            "/ioc/v1/x",
            "ioc/v1/hai_chau/air/air-1",
            "ioc//v1/hai_chau/air/air-1/obs",
            "a/x/b",
            "a",
            "frigate/\u{7}",
            "frigate/\u{85}",
            "frigate/é",
            "frigate/ü\u{9b}",
            "frigate/\0",
        ]
        .map(String::from),
    );
    topics.push(format!("frigate{}", "/x".repeat(15)));
    topics.push(format!("frigate{}", "/x".repeat(16)));
    topics.push(format!("frigate/{}", "x".repeat(248)));
    topics.push(format!("frigate/{}", "x".repeat(249)));
    topics.push("/".repeat(65_535));
    topics.sort_unstable();
    topics.dedup();
    topics
}

pub(crate) fn filters(devices: &Devices) -> Vec<String> {
    let mut filters: Vec<String> = topics(devices);
    let ids: Vec<String> = devices.iter().map(|d| d.id.to_string()).collect();
    for id in ids.iter().map(String::as_str).chain(["+", "ghost"]) {
        for kind in ["NCMD", "DCMD", "NDATA", "+"] {
            for group in ["g1", "+", "$g"] {
                for end in ["", "/#", "/+", "/m1"] {
                    filters.push(format!("spBv1.0/{group}/{kind}/{id}{end}"));
                }
            }
        }
        filters.push(format!("$share/g/ioc/v1/devices/{id}/errors"));
        filters.push(format!("ioc/v1/devices/{id}/+"));
    }
    filters.extend(
        [
            "#",
            "+",
            "+/#",
            "ioc/#",
            "ioc/v1/#",
            "ioc/v1/+/#",
            "ioc/v1/devices/#",
            "ioc/v1/alerts/#",
            "ioc/v1/alerts/+",
            "ioc/v1/alerts/+/#",
            "ioc/v1/alerts/+/hai_chau/#",
            "ioc/v1/alerts/air/hai_chau/+",
            "ioc/v1/alerts/+/+/#",
            "ioc/v1/alerts/air/hai_chau",
            "ioc/v1/alerts/air/son_tra/#",
            "ioc/v1/alerts/air/#",
            "ioc/v1/alerts/#/x",
            "$SYS/#",
            "$SYS/broker/clients",
            "$share/g/ioc/v1/alerts/#",
            "spBv1.0/STATE/+",
            "spBv1.0/STATE/ioc",
            "spBv1.0/STATE/#",
            "spBv1.0/STATE",
            "spBv1.0/STATE/",
            "spBv1.0/#",
            "ioc/v1/alerts/a#",
            "ioc/v1/+/errors",
            "STATE/ioc",
        ]
        .map(String::from),
    );
    filters.sort_unstable();
    filters.dedup();
    filters
}

// The naive rule.

fn plain(id: &str) -> bool {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
    !id.is_empty() && id.chars().count() <= 64 && id.chars().all(|c| alphabet.contains(c))
}

fn usable(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text.split('/').count() <= 16
        && text.chars().all(|c| !c.is_control())
}

/// Whether a filter takes a topic, by the text of the standard: recursion over levels.
fn takes(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) => true,
        (["#", ..], _) => false,
        ([], []) => true,
        ([f, fs @ ..], [t, ts @ ..]) => (*f == "+" || f == t) && takes(fs, ts),
        _ => false,
    }
}

fn levels(text: &str) -> Vec<&str> {
    text.split('/').collect()
}

fn right_filter(filter: &str) -> bool {
    let all = levels(filter);
    all.iter().enumerate().all(|(n, l)| match *l {
        "#" => n + 1 == all.len(),
        "+" => true,
        l => !l.contains('#') && !l.contains('+') && !l.contains('\0'),
    })
}

fn of<'d>(devices: &'d Devices, id: &str) -> Option<&'d Device> {
    devices.iter().find(|d| *d.id == *id).map(|d| &**d)
}

fn is_blocked(device: Option<&Device>) -> bool {
    device.is_some_and(|d| d.state == DeviceState::Blocked)
}

fn declared(device: &Device, topic: &str) -> bool {
    let fits = |p: &String| right_filter(p) && takes(&levels(p), &levels(topic));
    !topic.starts_with('$') && device.topics.iter().any(fits)
}

/// The native topics of one device.
fn native(device: &Device) -> Vec<String> {
    let areas: Vec<&str> = match &*device.area {
        "unassigned" => AREAS.into_iter().filter(|a| plain(a)).collect(),
        area => vec![area],
    };
    let of_area = |a: &str| {
        ["obs", "event", "status"]
            .map(|k| format!("ioc/v1/{a}/{}/{}/{k}", device.service, device.id))
    };
    areas.into_iter().flat_map(of_area).collect()
}

/// Whether a topic is one of a device of which only the id is known.
fn of_a_stranger(topic: &str, id: &str) -> bool {
    match levels(topic)[..] {
        ["ioc", "v1", area, service, device, "obs" | "event" | "status"] => {
            device == id && !area.is_empty() && !service.is_empty()
        }
        _ => false,
    }
}

fn expect_publish(devices: &Devices, client: &Client, topic: &str) -> bool {
    let ours = topic.starts_with("ioc/v1/alerts/") || topic.starts_with("ioc/v1/devices/");
    if !usable(topic) || topic.contains(['+', '#']) || ours {
        return false;
    }
    if client.standing == Standing::Trusted {
        return true;
    }
    let me = of(devices, &client.id);
    if !plain(&client.id) || is_blocked(me) {
        return false;
    }
    let Some(me) = me else { return of_a_stranger(topic, &client.id) };
    if native(me).iter().any(|t| t == topic) {
        return true;
    }
    if topic.starts_with("ioc/v1/") {
        let named = levels(topic).get(4).copied().unwrap_or_default();
        if me.bridge && plain(named) {
            return match of(devices, named) {
                None => of_a_stranger(topic, named),
                Some(d) => {
                    d.parent.as_deref() == Some(&*me.id)
                        && d.state != DeviceState::Blocked
                        && native(d).iter().any(|t| t == topic)
                }
            };
        }
        return of_a_stranger(topic, &me.id) && declared(me, topic);
    }
    declared(me, topic)
}

fn expect_speak(devices: &Devices, client: &Client, device: &str) -> bool {
    let target = of(devices, device);
    if is_blocked(target) || (target.is_none() && !plain(device)) {
        return false;
    }
    if client.standing == Standing::Trusted {
        return true;
    }
    let me = of(devices, &client.id);
    if !plain(&client.id) || is_blocked(me) {
        return false;
    }
    *client.id == *device
        || me.is_some_and(|m| m.bridge)
            && target.is_none_or(|t| t.parent.as_deref() == Some(&*client.id))
}

fn expect_subscribe(devices: &Devices, client: &Client, filter: &str) -> bool {
    if !usable(filter) || !right_filter(filter) {
        return false;
    }
    let me = of(devices, &client.id);
    let trusted = client.standing == Standing::Trusted;
    if !trusted && (!plain(&client.id) || is_blocked(me)) {
        return false;
    }
    match levels(filter)[..] {
        ["ioc", "v1", "devices", id, "errors" | "commands"] => {
            let child = of(devices, id).is_some_and(|d| {
                d.parent.as_deref() == Some(&*client.id) && d.state != DeviceState::Blocked
            });
            plain(id) && (*id == *client.id || (!trusted && me.is_some_and(|m| m.bridge) && child))
        }
        ["ioc", "v1", "alerts", ..] if trusted => filter.len() > "ioc/v1/alerts/".len(),
        // Of the world: one device sees all, one those of its ward.
        ["ioc", "v1", "alerts", _, ..] if &*client.id == "wall" => true,
        ["ioc", "v1", "alerts", s, "hai_chau", ..] if &*client.id == "siren" => s != "#",
        ["spBv1.0", "STATE", host] => {
            let sends = me.is_some_and(|m| m.topics.iter().any(|t| t.starts_with("spBv1.0/")));
            (trusted || sends) && !host.is_empty() && host != "#"
        }
        ["spBv1.0", _, "NCMD" | "DCMD", _, ..] if trusted => true,
        ["spBv1.0", group, "NCMD" | "DCMD", edge, ..] => {
            let named = |n: &str| !n.is_empty() && !n.contains(['+', '#', '$']);
            let data = format!("spBv1.0/{group}/NDATA/{edge}");
            let below = format!("spBv1.0/{group}/DDATA/{edge}/x");
            named(group)
                && named(edge)
                && me.is_some_and(|m| declared(m, &data) || declared(m, &below))
        }
        _ => false,
    }
}

#[test]
fn every_identity_may_do_exactly_what_the_rule_says() {
    let devices = world();
    let identities = identities(&devices);
    let (topics, filters) = (topics(&devices), filters(&devices));
    let mut others: Vec<String> = devices.iter().map(|d| d.id.to_string()).collect();
    others.extend(["ghost", "unheard-of", "a b", "\0"].map(String::from));
    let mut cells = [0usize; 6];
    let mut wrong = Vec::new();
    for client in &identities {
        for topic in &topics {
            let may = client.may_publish(&devices, topic).is_ok();
            cells[0] += 1;
            cells[1] += usize::from(may);
            if may != expect_publish(&devices, client, topic) {
                wrong.push(format!("{client:?} publish {topic:?}: {may}"));
            }
        }
        for device in &others {
            let may = client.may_speak_for(&devices, device).is_ok();
            cells[2] += 1;
            cells[3] += usize::from(may);
            if may != expect_speak(&devices, client, device) {
                wrong.push(format!("{client:?} speak for {device:?}: {may}"));
            }
        }
        for filter in &filters {
            let may = client.may_subscribe(&devices, filter);
            cells[4] += 1;
            cells[5] += usize::from(may);
            if may != expect_subscribe(&devices, client, filter) {
                wrong.push(format!("{client:?} subscribe {filter:?}: {may}"));
            }
        }
    }
    let [publish, p, speak, s, subscribe, f] = cells;
    println!(
        "access matrix: {} cells, {} wrong; publish {publish} ({p} allowed), speak for {speak} \
         ({s}), subscribe {subscribe} ({f})",
        publish + speak + subscribe,
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert!(p > 300 && s > 100 && f > 100, "the world is worth testing: {cells:?}");
}

#[test]
fn what_is_refused_is_told_in_words_and_names_no_wildcard_right() {
    let devices = world();
    for client in identities(&devices) {
        for topic in topics(&devices).iter().step_by(7) {
            if let Err(refusal) = client.may_publish(&devices, topic) {
                assert!(refusal.detail.len() > 8, "{client:?} {topic:?}");
                assert!(!refusal.detail.contains('\0'), "{client:?} {topic:?}");
            }
        }
    }
}

#[test]
fn unknown_and_pending_devices_are_treated_by_policy() {
    use UnknownDevices::{Accept, Hold, Refuse};
    use ioc_model::QuarantineReason::{DevicePending, NotAuthorised, UnknownDevice};
    let devices = world();
    let tool = Client::trusted("tool");
    for (policy, device, expect) in [
        (Accept, "air-1", None),
        (Hold, "air-1", None),
        (Refuse, "air-1", None),
        (Accept, "new", None),
        (Hold, "new", Some(DevicePending)),
        (Refuse, "new", Some(UnknownDevice)),
        (Accept, "ghost", None),
        (Hold, "ghost", Some(DevicePending)),
        (Refuse, "ghost", Some(UnknownDevice)),
        (Accept, "bad", Some(NotAuthorised)),
        (Hold, "bad", Some(NotAuthorised)),
        (Refuse, "bad", Some(NotAuthorised)),
    ] {
        let got = tool.may_say_of(&devices, policy, device).err().map(|r| r.reason);
        assert_eq!(got, expect, "{policy:?} {device}");
        let own = Client::device(device).may_say_of(&devices, policy, device);
        assert_eq!(own.err().map(|r| r.reason), expect, "itself: {policy:?} {device}");
    }
}

/// What a check costs; `cargo test -p ioc-ingest --lib access:: -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_check() {
    let many =
        (0..10_000).map(|n| device(&format!("air-{n}"), |d| d.topics = vec!["x/+/y".into()]));
    let devices: Devices = many.collect();
    let clients: Vec<Client> = (0..10_000).map(|n| Client::device(&format!("air-{n}"))).collect();
    let time = |what: &str, of: &dyn Fn(usize) -> bool| {
        let began = std::time::Instant::now();
        let allowed = (0..1_000_000).filter(|n| of(*n)).count();
        println!("{what}: {} ns, {allowed} allowed", began.elapsed().as_nanos() / 1_000_000);
    };
    let topics: Vec<String> =
        (0..10_000).map(|n| format!("ioc/v1/hai_chau/air/air-{n}/obs")).collect();
    time("native topic, one device", &|_| {
        let (client, topic) = std::hint::black_box((&clients[7], &topics[7]));
        client.may_publish(&devices, topic).is_ok()
    });
    time("native topic, 10,000 devices", &|n| {
        clients[n % 10_000].may_publish(&devices, &topics[n % 10_000]).is_ok()
    });
    time("declared topic, one device", &|_| {
        std::hint::black_box(&clients[7]).may_publish(&devices, "x/abcdefgh/y").is_ok()
    });
    time("speak for itself, one device", &|_| {
        std::hint::black_box(&clients[7]).may_speak_for(&devices, "air-7").is_ok()
    });
    time("trusted", &|n| {
        Client::may_publish(
            &Client { id: Arc::clone(&clients[7].id), standing: Standing::Trusted },
            &devices,
            &topics[n % 10_000],
        )
        .is_ok()
    });
}
