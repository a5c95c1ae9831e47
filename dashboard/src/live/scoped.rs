//! What a client of a scope gets is what a client of the whole city gets, without the foreign:
//! nothing more, nothing less, whatever happens to devices, alerts and rights.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use ioc_model::{Choice, Condition, Entity, Name, ScopePart, Severity, Work};
use proptest::prelude::*;

use super::*;
use crate::testing::{Frame, NOON, alert, city, reading};

const AREAS: [&str; 4] = ["a", "b", "c", "unassigned"];
const SERVICES: [&str; 3] = ["air", "fire", "water"];
const DEVICES: usize = 6;
const CLIENTS: usize = 3;
const ALERTS: u64 = 8;

type Cells = (Option<f32>, u16, u8, u8);

/// The view, the number of the last frame, and the table, when the connection was lost.
type Away = (Arc<View>, Option<u32>, BTreeMap<u32, Cells>);

/// Who holds what they were sent, as the page does.
struct Client {
    view: Arc<View>,
    sent: Option<u32>,
    rev: Option<u64>,
    table: BTreeMap<u32, Cells>,
    /// Where it was when it lost the connection.
    away: Option<Away>,
    alerts: broadcast::Receiver<Arc<AlertBatch>>,
}

/// The naive model: where each device is, and each alert's newest row.
#[derive(Default)]
struct Oracle {
    places: HashMap<String, (String, String)>,
    alerts: HashMap<u64, AlertRow>,
}

impl Oracle {
    fn open(&self, scope: &Scope) -> Vec<&AlertRow> {
        let inside = |r: &&AlertRow| r.is_open() && scope.allows(&r.area, &r.service);
        self.alerts.values().filter(inside).collect()
    }

    fn worst(&self, device: &str, scope: &Scope) -> u8 {
        let own = self.open(scope).into_iter().filter(|r| {
            r.is_listed()
                && r.condition == Condition::Active
                && r.entity == Entity::Device(device.into())
        });
        own.map(|r| r.severity as u8).max().unwrap_or(0)
    }

    fn allows(&self, device: &str, scope: &Scope) -> bool {
        let (area, service) = &self.places[device];
        scope.allows(area, service)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Reading(usize, u32),
    Move(usize, usize, usize),
    /// Alert, device, severity, area, service, open, active.
    Alert(u64, usize, u8, usize, usize, bool, bool),
    Tick,
    Poll(usize),
    Rights(usize, Scope),
    Lose(usize),
    Resume(usize),
    Settle,
}

fn choice(all: &'static [&'static str]) -> impl Strategy<Value = Choice> {
    prop_oneof![
        1 => Just(Choice::All),
        3 => prop::sample::subsequence(all, 0..all.len()).prop_map(Choice::only),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let part = (choice(&AREAS), choice(&SERVICES));
    let part = part.prop_map(|(areas, services)| ScopePart { areas, services });
    prop::collection::vec(part, 0..3).prop_map(Scope::of)
}

fn step() -> impl Strategy<Value = Step> {
    let (device, client) = (0..DEVICES, 0..CLIENTS);
    let (area, service) = (0..AREAS.len(), 0..SERVICES.len());
    prop_oneof![
        6 => (device.clone(), 0..1_000u32).prop_map(|(d, v)| Step::Reading(d, v)),
        3 => (device.clone(), area.clone(), service.clone())
            .prop_map(|(d, a, s)| Step::Move(d, a, s)),
        4 => (0..ALERTS, device, 1..=5u8, area, service, any::<bool>(), any::<bool>())
            .prop_map(|(n, d, w, a, s, o, c)| Step::Alert(n, d, w, a, s, o, c)),
        4 => Just(Step::Tick),
        6 => client.clone().prop_map(Step::Poll),
        1 => (client.clone(), scope()).prop_map(|(c, s)| Step::Rights(c, s)),
        1 => client.clone().prop_map(Step::Lose),
        1 => client.prop_map(Step::Resume),
        3 => Just(Step::Settle),
    ]
}

fn id(n: usize) -> String {
    // The last ones are known to nobody before they speak or are registered.
    if n < 4 { format!("air-{n:03}") } else { format!("new-{n}") }
}

struct World {
    live: Live,
    oracle: Oracle,
    clients: Vec<Client>,
    vers: u64,
}

impl World {
    fn new(scopes: &[Scope]) -> Self {
        let live = Live::new(&city(4), Vec::new());
        let mut oracle = Oracle::default();
        for n in 0..4 {
            oracle.places.insert(id(n), ("hai_chau".into(), "air".into()));
        }
        let client = |scope: &Scope| Client {
            view: live.view(scope),
            sent: None,
            rev: None,
            table: BTreeMap::new(),
            away: None,
            alerts: live.subscribe_alerts(),
        };
        let clients = scopes.iter().map(client).collect();
        Self { live, oracle, clients, vers: 0 }
    }

    fn list(&self, view: &View) -> (u64, BTreeMap<u32, String>) {
        let (rev, list) = self.live.device_list(view);
        let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
        let device = |d: &serde_json::Value| {
            (d["idx"].as_u64().expect("idx") as u32, d["id"].as_str().expect("id").to_owned())
        };
        (rev, list["devices"].as_array().expect("devices").iter().map(device).collect())
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Reading(n, value) => {
                self.live.apply(&reading(&id(*n), NOON, &[("pm25", f64::from(*value))]));
                let place = || ("hai_chau".into(), "air".into());
                self.oracle.places.entry(id(*n)).or_insert_with(place);
            }
            Step::Move(n, area, service) => self.put(*n, AREAS[*area], SERVICES[*service]),
            Step::Alert(n, device, severity, area, service, open, active) => {
                let severity = Severity::from_u8(*severity).expect("1 to 5");
                let mut row = alert(*n, &id(*device), severity);
                self.vers += 1;
                (row.ver, row.change) = (self.vers, self.vers);
                (row.area, row.service) = (AREAS[*area].into(), SERVICES[*service].into());
                row.work = if *open { Work::New } else { Work::Closed };
                row.condition = if *active { Condition::Active } else { Condition::Returned };
                // Alerts keep their device.
                if let Some(held) = self.oracle.alerts.get(n) {
                    row.entity = held.entity.clone();
                }
                self.live.alerts_changed(&[row.clone()]);
                self.oracle.alerts.insert(*n, row);
                self.hear();
            }
            Step::Tick => self.live.close_tick(),
            Step::Poll(client) => self.poll(*client),
            Step::Rights(client, scope) => {
                let held = &mut self.clients[*client];
                held.view = self.live.view(scope);
                held.sent = None;
            }
            Step::Lose(client) => {
                let held = &mut self.clients[*client];
                held.away = Some((Arc::clone(&held.view), held.sent, held.table.clone()));
            }
            Step::Resume(client) => {
                let held = &mut self.clients[*client];
                let Some((view, sent, table)) = held.away.take() else { return };
                // With other rights there is nothing to resume.
                if Arc::ptr_eq(&view, &held.view) {
                    (held.sent, held.table, held.rev) = (sent, table, None);
                }
            }
            Step::Settle => {
                self.live.sweep(Timestamp(NOON));
                self.live.close_tick();
                for client in 0..self.clients.len() {
                    self.poll(client);
                    self.check(client);
                }
            }
        }
    }

    fn put(&mut self, n: usize, area: &str, service: &str) {
        let mut spec = city(1).devices["air-000"].clone();
        (spec.id, spec.area, spec.service) = (id(n).into(), area.into(), service.into());
        self.live.configure(&ioc_model::Device::from(&spec));
        // The registry's "unassigned" says nothing: the device stays where it was.
        let area = match self.oracle.places.get(&id(n)) {
            Some((held, _)) if area == "unassigned" => held.clone(),
            _ => area.to_owned(),
        };
        self.oracle.places.insert(id(n), (area, service.into()));
    }

    /// Each client gets the rows inside, and no message when there are none.
    fn hear(&mut self) {
        for client in &mut self.clients {
            let batch = client.alerts.try_recv().expect("was sent");
            let rows = |text: String| {
                let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                message["rows"].as_array().expect("rows").clone()
            };
            let whole = rows(batch.within(&Scope::city()).expect("all of it"));
            let scope = client.view.scope();
            let text = |row: &serde_json::Value, of: &str| row[of].as_str().expect("x").to_owned();
            let inside =
                |r: &serde_json::Value| scope.allows(&text(r, "area"), &text(r, "service"));
            let expected: Vec<_> = whole.into_iter().filter(inside).collect();
            let got = batch.within(scope).map(rows);
            assert_eq!(got, Some(expected).filter(|e| !e.is_empty()));
        }
    }

    fn poll(&mut self, client: usize) {
        let (_, all) = self.list(&self.live.whole);
        let view = Arc::clone(&self.clients[client].view);
        let rev = self.live.rev(&view);
        if self.clients[client].rev != Some(rev) {
            let (rev, list) = self.list(&view);
            let client = &mut self.clients[client];
            client.rev = Some(rev);
            client.table.retain(|idx, _| list.contains_key(idx));
        }
        let client = &mut self.clients[client];
        let (bytes, seq) = self.live.frame(&view, client.sent, Timestamp(NOON));
        client.sent = Some(seq);
        let Some(bytes) = bytes else { return };
        let frame = Frame::decode(&bytes);
        if frame.kind == frame::SNAPSHOT {
            client.table.clear();
        }
        for (idx, value, dt, status, quality) in frame.rows {
            assert!(self.oracle.allows(&all[&idx], view.scope()), "foreign: {}", all[&idx]);
            let value = (!value.is_nan()).then_some(value);
            client.table.insert(idx, (value, dt, status, quality));
        }
    }

    fn check(&self, client: usize) {
        let client = &self.clients[client];
        let scope = client.view.scope();
        let (_, all) = self.list(&self.live.whole);
        let rows = self.live.lock().rows(None, NOON);
        let mut expected = BTreeMap::new();
        for row in rows {
            let device = &all[&row.idx];
            let allowed = self.oracle.allows(device, scope);
            assert_eq!(self.live.device(device, scope).is_some(), allowed, "{device}");
            if allowed {
                let status = (row.status & 7) | (self.oracle.worst(device, scope) << 3);
                let value = (!row.value.is_nan()).then_some(row.value);
                expected.insert(row.idx, (value, row.dt10ms, status, row.quality));
            }
        }
        assert_eq!(client.table, expected, "{scope:?}");
        let (_, listed) = self.list(&client.view);
        let ids: Vec<_> = listed.keys().collect();
        assert_eq!(ids, expected.keys().collect::<Vec<_>>());
        let open = self.oracle.open(scope);
        let counts = self.live.alert_counts(scope);
        let listed: Vec<_> = open.iter().filter(|r| r.is_listed()).collect();
        let unacknowledged = listed.iter().filter(|r| !r.acknowledged).count() as u64;
        assert_eq!((counts.open, counts.listed), (open.len() as u64, listed.len() as u64));
        assert_eq!(counts.unacknowledged, unacknowledged);
        let tiles: serde_json::Value =
            serde_json::from_str(&self.live.tiles(&client.view).1).expect("JSON");
        for tile in tiles.as_array().expect("tiles") {
            let service = tile["id"].as_str().expect("id");
            let of = |d: &&String| self.oracle.places[d.as_str()].1 == service;
            let devices = expected.keys().map(|idx| &all[idx]).filter(of).count();
            assert_eq!(tile["devices"], devices, "{service}");
            let alerts = listed.iter().filter(|r| &*r.service == service).count();
            assert_eq!(tile["open_alerts"], alerts, "{service}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_client_of_a_scope_holds_what_the_whole_city_s_client_holds_of_it(
        scopes in prop::collection::vec(scope(), CLIENTS),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(&scopes);
        for step in &steps {
            world.step(step);
        }
        world.step(&Step::Settle);
    }
}

/// Many devices in 8 areas and 5 services.
fn big(devices: usize) -> (Live, Vec<(Name, Name)>) {
    let mut city = city(devices);
    let mut places = Vec::new();
    for (n, spec) in city.devices.values_mut().enumerate() {
        let area: Name = format!("ward-{}", n % 8).into();
        let service: Name = format!("service-{}", n / 8 % 5).into();
        (spec.area, spec.service) = (area.clone(), service.clone());
        places.push((area, service));
    }
    (Live::new(&city, Vec::new()), places)
}

fn scopes() -> Vec<Scope> {
    let area = |n: usize| Choice::only([format!("ward-{}", n % 8)]);
    let service = |n: usize| Choice::only([format!("service-{}", n % 5)]);
    let one = |areas, services| Scope::of([ScopePart { areas, services }]);
    let mut scopes = Vec::new();
    for n in 0..8 {
        scopes.push(one(area(n), Choice::All));
        scopes.push(one(Choice::All, service(n)));
        scopes.push(one(area(n), service(n)));
        let own = ScopePart { areas: area(n), services: Choice::All };
        let fire = ScopePart { areas: Choice::All, services: service(n + 1) };
        scopes.push(Scope::of([own, fire]));
    }
    scopes
}

/// Claim of issue 7: 1,000,000 rows to clients of scopes, none of them foreign.
#[test]
fn of_a_million_rows_to_clients_of_scopes_none_is_foreign() {
    const DEVICES: usize = 1_000;
    let (live, mut places) = big(DEVICES);
    let clients: Vec<_> = scopes().iter().map(|scope| live.view(scope)).collect();
    let mut sent: Vec<Option<u32>> = vec![None; clients.len()];
    let (mut rows, mut foreign, mut missing, mut spent) = (0u64, 0u64, 0u64, Duration::ZERO);
    let (mut frames, mut tick) = (0u64, 0usize);
    while rows < 1_000_000 {
        tick += 1;
        for n in 0..DEVICES {
            live.apply(&reading(&format!("air-{n:03}"), NOON, &[("pm25", (tick + n) as f64)]));
        }
        live.close_tick();
        // Ten devices are given to another ward in each tick.
        for n in 0..10 {
            let idx = (tick * 31 + n * 97) % DEVICES;
            let mut spec = city(1).devices["air-000"].clone();
            spec.id = format!("air-{idx:03}").into();
            (spec.area, spec.service) =
                (format!("ward-{}", tick % 8).into(), places[idx].1.clone());
            places[idx].0 = spec.area.clone();
            live.configure(&ioc_model::Device::from(&spec));
        }
        live.sweep(Timestamp(NOON));
        live.close_tick();
        for (view, sent) in clients.iter().zip(&mut sent) {
            let begun = Instant::now();
            let (bytes, seq) = live.frame(view, *sent, Timestamp(NOON));
            spent += begun.elapsed();
            *sent = Some(seq);
            let frame = Frame::decode(&bytes.expect("all devices have spoken"));
            let inside = |idx: usize| view.scope().allows(&places[idx].0, &places[idx].1);
            let got: std::collections::BTreeSet<_> =
                frame.rows.iter().map(|r| r.0 as usize).collect();
            foreign += got.iter().filter(|idx| !inside(**idx)).count() as u64;
            missing += (0..DEVICES).filter(|idx| inside(*idx) && !got.contains(idx)).count() as u64;
            (rows, frames) = (rows + frame.rows.len() as u64, frames + 1);
        }
    }
    let bytes: usize = clients.iter().map(|view| view.bytes()).sum();
    println!(
        "{rows} rows in {frames} frames to {} scopes: {foreign} foreign, {missing} missing; \
         {} ns per row; {} B per view of {DEVICES} devices in the city",
        clients.len(),
        spent.as_nanos() as u64 / rows,
        bytes / clients.len(),
    );
    assert_eq!((foreign, missing), (0, 0));
}

#[test]
fn clients_of_one_scope_share_frames_and_views_are_let_go() {
    let (live, _) = big(100);
    let scope = &scopes()[0];
    let (a, b) = (live.view(scope), live.view(scope));
    assert!(Arc::ptr_eq(&a, &b));
    live.apply(&reading("air-000", NOON, &[("pm25", 1.0)]));
    live.close_tick();
    let frame = |view| live.frame(view, Some(0), Timestamp(NOON)).0.expect("a change");
    assert_eq!(frame(&a).as_ptr(), frame(&b).as_ptr());
    for n in 0..1_000 {
        live.view(&Scope::of([ScopePart {
            areas: Choice::only([format!("ward-{n}")]),
            services: Choice::All,
        }]));
    }
    assert!(live.views.len() <= 65, "{}", live.views.len());
    assert!(Arc::ptr_eq(&a, &live.view(scope)), "one in use stays");
}

#[test]
fn a_change_elsewhere_is_no_new_version_of_the_list() {
    let (live, places) = big(16);
    let scope = Scope::of([ScopePart { areas: Choice::only(["ward-1"]), services: Choice::All }]);
    let (view, rev) = (live.view(&scope), live.rev(&live.view(&scope)));
    let rename = |idx: usize| {
        let mut spec = city(1).devices["air-000"].clone();
        spec.id = format!("air-{idx:03}").into();
        (spec.area, spec.service) = places[idx].clone();
        spec.name.en = "renamed".into();
        live.configure(&ioc_model::Device::from(&spec));
        live.sweep(Timestamp(NOON));
    };
    let whole = live.rev(&live.whole);
    rename(0);
    assert!(live.rev(&live.whole) > whole);
    assert_eq!(live.rev(&view), rev, "not of this ward");
    rename(1);
    assert!(live.rev(&view) > rev);
}
