//! Every route × role × scope, against a table that was written by hand, and against ids that name
//! where they belong: no answer may hold one from outside of the scope.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{AlertId, AlertRow, Area, City, DeviceSpec, Entity, Name, Service, Severity};
use serde_json::json;

use crate::routes::{Endpoint, Policy, ROUTES, Reach, Route};
use crate::testing::{Client, NOON, Server, alert, city, reading};
use crate::{Grant, Role};

const AREAS: [&str; 4] = ["hai_chau", "son_tra", "cam_le", "unassigned"];
const SERVICES: [&str; 3] = ["air", "fire", "flood"];

/// Roles × permissions as the documentation has them, apart from the code.
const TABLE: &str = "
    role           watch read export act notify masked reveal technical devices rules audit people
    viewer         x     x    x      .   .      .      .      .         .       .     .     .
    operator       x     x    x      x   .      x      .      x         .       .     .     .
    supervisor     x     x    x      x   x      x      x      x         .       .     .     .
    engineer       x     x    x      .   .      .      .      x         x       x     .     .
    administrator  x     x    x      x   x      x      x      x         x       x     x     x
    auditor        x     x    .      .   .      .      .      .         .       .     x     .
";

fn table() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut lines = TABLE.trim().lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let head = lines.next().expect("a first line");
    let row = |line: Vec<&'static str>| {
        let held = line.iter().zip(&head).skip(1).filter(|(x, _)| **x == "x");
        (line[0], held.map(|(_, p)| *p).collect())
    };
    lines.map(row).collect()
}

/// Areas and services of a grant; `None`: all.
#[derive(Clone, Copy, Debug)]
struct Where(Option<&'static [&'static str]>, Option<&'static [&'static str]>);

const WHERE: [Where; 8] = [
    Where(None, None),
    Where(Some(&["hai_chau"]), None),
    Where(Some(&["cluster_1"]), None),
    Where(None, Some(&["fire"])),
    Where(Some(&["son_tra"]), Some(&["air", "flood"])),
    Where(Some(&["cam_le"]), Some(&["flood"])),
    Where(Some(&["a_ward_that_is_gone"]), None),
    Where(Some(&[]), None),
];

impl Where {
    /// Written apart from `Scope`, on purpose.
    fn holds(self, area: &str, service: &str) -> bool {
        let areas = self.0.map(|ids| match ids {
            ["cluster_1"] => vec!["hai_chau", "cam_le"],
            ids => ids.to_vec(),
        });
        areas.is_none_or(|ids| ids.contains(&area))
            && self.1.is_none_or(|ids| ids.contains(&service))
    }

    fn is_nothing(self) -> bool {
        !AREAS.iter().any(|a| SERVICES.iter().any(|s| self.holds(a, s)))
    }

    fn is_city(self) -> bool {
        self.0.is_none() && self.1.is_none()
    }

    fn grant(self, role: Role) -> Grant {
        let list = |ids: &[&str]| ids.iter().map(|i| Name::from(*i)).collect();
        Grant { role, areas: self.0.map(list), services: self.1.map(list) }
    }
}

fn device_id(area: &str, service: &str) -> String {
    format!("{service}.{area}.0")
}

/// Alerts are named by hexadecimal digits: the number says where one belongs.
fn alert_number(area: &str, service: &str) -> u64 {
    let of = |all: &[&str], one: &str| all.iter().position(|a| *a == one).expect("known") as u64;
    0xa000 + of(&AREAS, area) * 16 + of(&SERVICES, service)
}

fn everywhere() -> impl Iterator<Item = (&'static str, &'static str)> {
    AREAS.into_iter().flat_map(|a| SERVICES.into_iter().map(move |s| (a, s)))
}

/// A device and an alert in every area × service.
fn marked_city() -> City {
    let mut city = city(1);
    let area = city.areas["hai_chau"].clone();
    let service = city.services["air"].clone();
    let device = city.devices.values().next().expect("one").clone();
    city.devices.clear();
    for id in ["hai_chau", "son_tra", "cam_le"] {
        city.areas.insert(id.into(), Area { id: id.into(), ..area.clone() });
    }
    for (order, id) in (1..).zip(SERVICES) {
        city.services.insert(id.into(), Service { id: id.into(), order, ..service.clone() });
    }
    city.clusters.insert(
        "cluster_1".into(),
        ioc_model::Cluster {
            id: "cluster_1".into(),
            name: crate::testing::text("one"),
            areas: vec!["hai_chau".into(), "cam_le".into()],
        },
    );
    for (area, service) in everywhere() {
        let id: Name = device_id(area, service).into();
        let spec = DeviceSpec {
            id: id.clone(),
            area: area.into(),
            service: service.into(),
            ..device.clone()
        };
        city.devices.insert(id, spec);
    }
    city
}

fn marked_alert(area: &str, service: &str) -> AlertRow {
    let id = device_id(area, service);
    let row = alert(alert_number(area, service), &id, Severity::Major);
    AlertRow {
        id: AlertId(format!("{:032x}", alert_number(area, service))),
        entity: Entity::Device(id.as_str().into()),
        area: area.into(),
        service: service.into(),
        ..row
    }
}

async fn server() -> Server {
    let server = Server::of(marked_city(), |_| {}).await;
    server.alerts.put_all(everywhere().map(|(a, s)| marked_alert(a, s)).collect());
    let rows: Vec<AlertRow> = everywhere().map(|(a, s)| marked_alert(a, s)).collect();
    server.live.alerts_changed(&rows);
    let said = everywhere().map(|(area, service)| {
        match reading(&device_id(area, service), NOON, &[("pm25", 7.0)]) {
            ioc_model::Entry::Record(r) => ioc_model::Entry::Record(ioc_model::Record {
                area: area.into(),
                service: service.into(),
                ..r
            }),
            other => other,
        }
    });
    said.for_each(|entry| server.live.apply(&entry));
    server
}

/// What an answer tells of places outside.
fn foreign(text: &str, place: Where) -> Vec<String> {
    let outside = everywhere().filter(|(a, s)| !place.holds(a, s));
    let marks =
        outside.flat_map(|(a, s)| [device_id(a, s), format!("{:032x}", alert_number(a, s))]);
    marks.filter(|mark| text.contains(mark)).collect()
}

/// Paths to try: with each thing there is in the place of `{…}`.
fn paths(route: &Route) -> Vec<(String, Option<(&'static str, &'static str)>)> {
    let Some((before, _, after)) = route.placeholder() else {
        return vec![(route.path.into(), None)];
    };
    let with = |id: String| format!("{before}{id}{after}");
    let of = |id: fn(&str, &str) -> String| {
        everywhere().map(move |(a, s)| (with(id(a, s)), Some((a, s)))).collect()
    };
    let alerts = |a: &str, s: &str| format!("{:032x}", alert_number(a, s));
    if before == "/sensorthings/v1.1/" {
        let sets = ["Things", "Datastreams", "Locations", "Things?$expand=Datastreams,Locations"];
        return sets.map(|set| (with(set.into()), None)).into();
    }
    if before.starts_with("/api/v1/devices/") || before.starts_with("/api/v1/registry/") {
        of(device_id)
    } else if before == "/api/v1/alerts/" {
        of(alerts)
    } else {
        vec![(with("1".into()), None), (with("pm25_high".into()), None)]
    }
}

/// Query strings with which a route is worth asking.
fn queries(route: &Route) -> Vec<String> {
    let each =
        |text: fn(&str) -> String| everywhere().map(|(a, s)| text(&device_id(a, s))).collect();
    match route.endpoint {
        Endpoint::History => each(|d| format!("?device={d}&property=pm25")),
        Endpoint::Export => each(|d| format!("?format=csv&device={d}")),
        Endpoint::ExplainRule => each(|d| format!("?entity=device:{d}")),
        Endpoint::Quarantine => {
            let mut all: Vec<String> = each(|d| format!("?device={d}"));
            all.push(String::new());
            all
        }
        _ => vec![String::new()],
    }
}

struct Counts {
    refused: usize,
    let_in: usize,
    bytes: usize,
    /// What is not as the table says: how often for each route, and the first.
    wrong: BTreeMap<String, (usize, String)>,
}

impl Counts {
    fn expect(&mut self, right: bool, route: &Route, what: impl FnOnce() -> String) {
        if !right {
            let route = format!("{} {}", route.method, route.path);
            self.wrong.entry(route).or_insert_with(|| (0, what())).0 += 1;
        }
    }
}

/// Sends everything that a route can be asked and checks each answer.
async fn check(client: &Client, route: &Route, role: &str, place: Where, counts: &mut Counts) {
    let table = table();
    for (path, belongs) in paths(route) {
        for query in queries(route) {
            let path = format!("{path}{query}");
            let what = format!("{} {path} as {role} in {place:?}", route.method);
            let sent = client.change(route.method, &path, &json!({})).send().await;
            let answer = sent.expect("an answer");
            let status = answer.status().as_u16();
            let body = answer.bytes().await.expect("a body");
            let text = String::from_utf8_lossy(&body);
            let code = serde_json::from_slice::<serde_json::Value>(&body)
                .map(|v| v["code"].as_str().unwrap_or("").to_owned())
                .unwrap_or_default();
            counts.bytes += body.len();
            let (permission, reach) = match route.policy {
                Policy::Needs(permission, reach) => (permission.as_str(), reach),
                Policy::PublicIfSet => ("watch", Reach::Common),
                Policy::PublicIfOpen => ("read", Reach::Scoped),
                Policy::Open | Policy::Local | Policy::Session => {
                    let refused = ["not_permitted", "scope_too_small"].contains(&&*code);
                    counts.expect(!refused, route, || what.clone());
                    counts.let_in += 1;
                    continue;
                }
            };
            let has = table[role].contains(permission) && !place.is_nothing();
            let expected = match (has, reach) {
                (false, _) => Some("not_permitted"),
                (true, Reach::City) if !place.is_city() => Some("scope_too_small"),
                (true, _) => None,
            };
            if let Some(expected) = expected {
                let right = (status, &*code) == (403, expected);
                counts.expect(right, route, || format!("{what}: {status} {code}, not {expected}"));
                counts.refused += 1;
                continue;
            }
            let let_in = status != 401 && !["not_permitted", "scope_too_small"].contains(&&*code);
            // Without an alert, deliveries are for who reads the whole city.
            let elsewhere = route.endpoint == Endpoint::Deliveries;
            counts.expect(let_in || elsewhere, route, || format!("{what}: {status} {text}"));
            let inside = belongs.is_none_or(|(a, s)| place.holds(a, s));
            if !inside {
                // State-changing bodies are `{}`: a route may refuse that before it looks.
                counts.expect([404, 400].contains(&status), route, || {
                    format!("{what}: {status} {text}")
                });
            }
            // An error may repeat what was asked, which is nothing new.
            if status < 400 {
                let found = foreign(&text, place);
                counts.expect(found.is_empty(), route, || format!("{what} tells of {found:?}"));
            }
            counts.let_in += 1;
        }
    }
}

#[tokio::test]
async fn every_route_keeps_to_role_and_scope() {
    let server = server().await;
    // Somebody else, so that grants may be taken from who tries.
    server.session(Role::Administrator).await;
    server.live.sweep(ioc_model::Timestamp(NOON));
    server.live.close_tick();
    // These end or change what the next request needs.
    let last = |r: &Route| u8::from(matches!(r.endpoint, Endpoint::SignOut));
    let mut counts = Counts { refused: 0, let_in: 0, bytes: 0, wrong: BTreeMap::new() };
    for role in [
        Role::Viewer,
        Role::Operator,
        Role::Supervisor,
        Role::Engineer,
        Role::Administrator,
        Role::Auditor,
    ] {
        for place in WHERE {
            let client = server.client_with("somebody", vec![place.grant(role)]).await;
            let mut routes: Vec<&Route> = ROUTES.iter().filter(|r| r.method == "GET").collect();
            routes.extend(ROUTES.iter().filter(|r| r.method != "GET"));
            routes.sort_by_key(|r| last(r));
            for route in routes {
                check(&client, route, role.as_str(), place, &mut counts).await;
            }
            // What was changed or removed is there again for the next.
            server.alerts.put_all(everywhere().map(|(a, s)| marked_alert(a, s)).collect());
            let known = marked_city().devices.into_values().map(|d| (&d).into());
            *server.registry.devices.lock().expect("no panic") =
                known.map(std::sync::Arc::new).collect();
        }
    }
    println!(
        "{} routes × 6 roles × {} scopes: {} requests refused, {} let in, {} bytes without a foreign id",
        ROUTES.len(),
        WHERE.len(),
        counts.refused,
        counts.let_in,
        counts.bytes
    );
    assert!(counts.wrong.is_empty(), "{:#?}", counts.wrong);
    assert!(counts.refused > 5_000 && counts.let_in > 5_000, "the matrix is not empty");
    server.stop().await;
}

#[tokio::test]
async fn strangers_are_let_in_where_the_table_says_so_only() {
    let server = server().await;
    let stranger = server.stranger();
    for route in ROUTES {
        let (path, _) = paths(route).remove(0);
        let sent = stranger.change(route.method, &path, &json!({})).send().await;
        let status = sent.expect("an answer").status().as_u16();
        match route.policy {
            Policy::Open | Policy::Local => {
                assert!(![403, 404, 405].contains(&status), "{} {path}: {status}", route.method);
            }
            _ => assert_eq!(status, 401, "{} {path}", route.method),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn grants_add_up_and_each_permission_keeps_to_its_own() {
    let server = server().await;
    let here = Where(Some(&["son_tra"]), None);
    let grants = vec![here.grant(Role::Operator), Where(None, Some(&["air"])).grant(Role::Viewer)];
    let client = server.client_with("an", grants).await;
    let (_, list) = client.get("/api/v1/alerts").await;
    let seen = list["alerts"].as_array().map_or(0, Vec::len);
    // Three services of one ward, and one service of the other three areas.
    assert_eq!(seen, 3 + 3);
    let path = |a, s| format!("/api/v1/alerts/{:032x}/acknowledge", alert_number(a, s));
    assert_eq!(client.post(&path("son_tra", "fire"), &json!({})).await.0, 200);
    assert_eq!(client.post(&path("hai_chau", "air"), &json!({})).await.0, 404, "only to be seen");
    server.stop().await;
}
