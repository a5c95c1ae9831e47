use ioc_model::Device;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn after(start: Instant, s: u64) -> Instant {
    start + Duration::from_secs(s)
}

fn addresses(max_open: usize, connects_per_s: f64) -> Arc<Addresses> {
    Arc::new(Addresses::new(max_open, connects_per_s, 60))
}

#[test]
fn connections_of_one_address_are_bounded_and_given_back() {
    let all = addresses(2, 1e6);
    let now = Instant::now();
    let a = all.enter(ip("10.0.0.7"), now).ok();
    let _b = all.enter(ip("::ffff:10.0.0.7"), now).ok();
    assert_eq!(all.enter(ip("10.0.0.7"), now).err(), Some(Crowded::Open), "also by its IPv6 name");
    assert!(all.enter(ip("10.0.0.8"), now).is_ok(), "others have their own");
    drop(a);
    assert!(all.enter(ip("10.0.0.7"), now).is_ok());
    let _c = all.enter(ip("2001:db8::1"), now).ok();
    let _d = all.enter(ip("2001:db8::2"), now).ok();
    let same = all.enter(ip("2001:db8::3"), now).err();
    assert_eq!(same, Some(Crowded::Open), "a /64 is one address");
    let here: Vec<_> = (0..100).map(|_| all.enter(ip("127.0.0.1"), now)).collect();
    assert!(here.iter().all(Result::is_ok), "loopback is free");
}

#[test]
fn new_connections_of_one_address_are_bounded_over_time() {
    let all = addresses(1_000_000, 2.0);
    let start = Instant::now();
    let tried = |now| (0..100).filter(|_| all.enter(ip("10.0.0.7"), now).is_ok()).count();
    assert_eq!(tried(start), 20, "ten seconds' worth at once");
    assert_eq!(tried(after(start, 3)), 6);
    assert_eq!(tried(after(start, 1_000)), 20);
}

#[test]
fn failed_sign_ins_cost_longer_and_longer_waits_for_that_id_and_address_alone() {
    let all = addresses(10, 1e6);
    let (here, there) = (ip("10.0.0.7"), ip("10.0.0.8"));
    let (d1, d2): (Arc<str>, Arc<str>) = ("d1".into(), "d2".into());
    let start = Instant::now();
    let mut waits = Vec::new();
    let mut now = start;
    for _ in 0..16 {
        assert!(all.may_sign_in(here, &d1, now));
        all.failed(here, &d1, now);
        let mut wait = 0;
        while !all.may_sign_in(here, &d1, after(now, wait)) {
            assert!(all.may_sign_in(there, &d1, after(now, wait)), "from elsewhere it is welcome");
            assert!(all.may_sign_in(here, &d2, after(now, wait)), "and others from here");
            wait += 1;
        }
        waits.push(wait);
        now = after(now, wait);
    }
    // What is waited for refills the free ones: each 12 s one.
    assert_eq!(waits[..9], [0, 0, 0, 0, 0, 2, 4, 8, 0]);
    assert!(waits.iter().all(|w| *w <= 300) && waits[15] > 4, "{waits:?}");
    let later = after(now, 3_600);
    for _ in 0..5 {
        all.failed(here, &d1, later);
        assert!(all.may_sign_in(here, &d1, later), "an hour later all is forgiven");
    }
}

#[test]
fn many_ids_from_one_address_are_one_attacker() {
    let all = addresses(10, 1e6);
    let (here, now) = (ip("10.0.0.7"), Instant::now());
    let guess = |n: usize| {
        let id: Arc<str> = format!("d{n}").into();
        all.may_sign_in(here, &id, now).then(|| all.failed(here, &id, now)).is_some()
    };
    let tried = (0..1_000).filter(|n| guess(*n)).count();
    assert_eq!(tried, 61);
    let right: Arc<str> = "d1".into();
    assert!(all.may_sign_in(ip("10.0.0.8"), &right, now), "no lock-out from elsewhere");
}

#[test]
fn what_is_remembered_of_addresses_is_bounded() {
    let all = addresses(10, 1e6);
    let now = Instant::now();
    let id: Arc<str> = "d1".into();
    for n in 0..100_000u32 {
        all.failed(IpAddr::V4(n.wrapping_add(0x0A00_0000).into()), &id, now);
    }
    let table = all.lock();
    assert!(table.all.len() <= REMEMBERED && table.clients.len() <= REMEMBERED);
    drop(table);
    let later = after(now, 3_600);
    all.failed(ip("10.200.0.1"), &id, later);
    assert!(all.lock().all.len() < 10, "those that have recovered are forgotten");
}

fn rate(messages_per_s: f64, burst: f64) -> Rate {
    Rate { messages_per_s, burst, bytes_per_s: 1e9 }
}

#[test]
fn rates_come_from_settings_and_tags() {
    let mut rates = Rates::default();
    rates.devices.insert("vip".into(), rate(7.0, 9.0));
    let device = |id: &str, bridge: bool, tag: &str| {
        let known = Device::unknown(id, &"air".into(), &"x".into(), Default::default());
        let mut known = Device { bridge, ..known };
        if !tag.is_empty() {
            known.tags.insert("rate".into(), tag.into());
        }
        Arc::new(known)
    };
    let devices: Devices = [
        device("plain", false, ""),
        device("fast", false, "200"),
        device("vip", false, "200"),
        device("nvr", true, ""),
        device("odd", false, "as fast as it likes"),
        device("zero", false, "0"),
        device("nan", false, "NaN"),
    ]
    .into_iter()
    .collect();
    let of = |id: &str| {
        let rate = rates.of(&Client::device(id), &devices).expect("a limit");
        (rate.messages_per_s, rate.burst)
    };
    assert_eq!(of("plain"), (20.0, 200.0));
    assert_eq!(of("fast"), (200.0, 2_000.0));
    assert_eq!(of("vip"), (7.0, 9.0));
    assert_eq!(of("nvr"), (5_000.0, 20_000.0));
    for unread in ["odd", "zero", "nan", "ghost"] {
        assert_eq!(of(unread), (20.0, 200.0), "{unread}");
    }
    assert_eq!(rates.of(&Client::trusted("plain"), &devices), None);
}

#[test]
fn a_flood_gets_its_burst_and_then_its_rate() {
    let all = Allowances::default();
    let start = Instant::now();
    let mut now = start;
    let mut meter = all.meter(&Client::device("d1"), rate(20.0, 200.0), now);
    let mut taken = 0usize;
    while now < after(start, 100) {
        if let Some(until) = meter.paused_until() {
            now = until;
            assert!(meter.resume(now).is_some_and(|pause| pause >= PAUSE));
        }
        // As many as fit: what the socket holds is more.
        let packets = (meter.room() / 40).max(1);
        taken += packets;
        meter.take(packets, packets * 40, now);
    }
    let most = 200 + 20 * 100;
    assert!((most..most + 30).contains(&taken), "{taken}");
}

#[test]
fn bytes_are_limited_as_well_as_messages() {
    let all = Allowances::default();
    let now = Instant::now();
    let rate = Rate { messages_per_s: 10.0, burst: 100.0, bytes_per_s: 1_000.0 };
    let mut meter = all.meter(&Client::device("d1"), rate, now);
    meter.take(1, 10_000, now);
    assert_eq!(meter.paused_until(), None, "ten seconds' worth, as for messages");
    meter.take(1, 5_000, now);
    assert_eq!(meter.paused_until(), Some(after(now, 5)));
}

#[test]
fn a_new_connection_is_no_new_burst() {
    let all = Allowances::default();
    let now = Instant::now();
    let client = Client::device("d1");
    all.meter(&client, rate(20.0, 200.0), now).take(200, 200, now);
    let mut again = all.meter(&client, rate(20.0, 200.0), now);
    again.take(20, 20, now);
    assert_eq!(again.paused_until(), Some(after(now, 1)));
    let mut other = all.meter(&Client::device("d2"), rate(20.0, 200.0), now);
    other.take(200, 200, now);
    assert_eq!(other.paused_until(), None, "each has its own");
}

#[test]
fn devices_that_rested_are_forgotten_when_there_are_many() {
    let all = Allowances::default();
    let now = Instant::now();
    for n in 0..REMEMBERED {
        drop(all.meter(&Client::device(&format!("d{n}")), rate(20.0, 200.0), now));
    }
    let connected = all.meter(&Client::device("new"), rate(20.0, 200.0), now);
    assert!(all.inner.lock().expect("lock").len() < 10);
    drop(connected);
}
