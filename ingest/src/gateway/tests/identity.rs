//! Who comes in, over real sockets, with the real intake and the real registry.

use std::sync::atomic::Ordering::Relaxed;

use futures::future::BoxFuture;
use ioc_model::{Actor, Device, DeviceState, DeviceStore, Ledger, Timestamp};
use tokio::net::TcpListener;

use super::super::connection::Shared;
use super::super::peer::{Peer, Via};
use super::super::serve;
use super::super::transport::Stream;
use super::*;
use crate::access::matrix;
use crate::decode::shared_data::{city, decoders};
use crate::{
    Intake, IntakeConfig, Quarantine, QuarantineConfig, RecordSink, RegistryConfig, SinkError,
};

/// Takes everything at once.
struct Taker;

#[async_trait::async_trait]
impl RecordSink for Taker {
    async fn append(
        &self,
        _: Vec<ioc_model::Entry>,
    ) -> Result<BoxFuture<'static, Result<(), SinkError>>, SinkError> {
        Ok(futures::future::ready(Ok(())).boxed())
    }
}

/// A gateway in front of the whole intake, whose sockets come from where the test says.
pub(super) struct House {
    shared: Arc<Shared<Intake>>,
    pub(super) registry: Arc<Registry>,
    pub(super) metrics: Arc<GatewayMetrics>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) publications: Arc<Publications>,
    _stop: tokio_util::sync::DropGuard,
    _folder: tempfile::TempDir,
}

pub(super) async fn house(config: GatewayConfig, registry: Option<Registry>) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = registry.map(Arc::new).unwrap_or_else(|| {
        let file = folder.path().join("devices.sqlite");
        Registry::open(&file, RegistryConfig::default(), city()).expect("opens")
    });
    let file = folder.path().join("quarantine.sqlite");
    let quarantine = Quarantine::open(&file, QuarantineConfig::default()).expect("opens");
    let ledger = Arc::<Ledger>::default();
    let intake = Intake::new(
        IntakeConfig::default(),
        city(),
        Arc::clone(&ledger),
        decoders("{}").with_registry(Arc::clone(&registry)),
        Arc::new(Taker),
        Arc::new(quarantine),
    );
    let publications = Arc::<Publications>::default();
    let config = GatewayConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..config };
    let (told, ours) = (Arc::clone(&publications), Arc::clone(&registry));
    let bound = Gateway::bind(config, Arc::new(intake), told, ours).await;
    let (gateway, _) = bound.expect("a free port");
    let (shared, metrics) = (Arc::clone(&gateway.shared), gateway.metrics());
    let stop = CancellationToken::new();
    tokio::spawn(gateway.run(TaskTracker::new(), stop.clone()));
    let _stop = stop.drop_guard();
    House { shared, registry, metrics, ledger, publications, _stop, _folder: folder }
}

fn actor() -> Actor {
    Actor { user: "test".into(), origin: None, at: Timestamp(1_761_588_000_000) }
}

impl House {
    /// A socket that comes from `peer`.
    pub(super) async fn socket(&self, peer: Peer) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (server, _) = accepted.expect("accepts");
        let life = self.shared.stop.clone();
        tokio::spawn(serve::serve(Arc::clone(&self.shared), Stream::Tcp(server), peer, life));
        Raw::new(client.expect("connects"))
    }

    /// A device that shows a certificate with its id.
    pub(super) async fn certified(&self, id: &str) -> Raw {
        let peer = Peer { names: vec![id.into()], ..from("10.0.0.9", Via::Tls) };
        self.socket(peer).await
    }

    /// Says CONNECT with what is given; the CONNACK.
    async fn knock(&self, peer: Peer, hello: &[u8]) -> (Raw, Vec<u8>) {
        let mut raw = self.socket(peer).await;
        raw.send(hello).await;
        let answer = raw.packet().await;
        (raw, answer)
    }

    fn device(&self, id: &str, change: impl FnOnce(&mut Device)) {
        let unknown = Device::unknown(id, &"air".into(), &"hai_chau".into(), Timestamp(0));
        let mut device = Device { state: DeviceState::Approved, ..unknown };
        change(&mut device);
        self.registry.put(device, &actor()).expect("a device");
    }

    fn token(&self, id: &str) -> String {
        self.registry.issue_token(id, "test", &actor()).expect("a token").token
    }
}

pub(super) fn from(address: &str, via: Via) -> Peer {
    let ip: std::net::IpAddr = address.parse().expect("an address");
    Peer { address: (ip, 1).into(), via, names: Vec::new() }
}

/// CONNECT with user name and password.
fn hello(level: u8, id: &str, user: &str, password: &str) -> Vec<u8> {
    connect(level, id, 0xC2, 60, &[], &[text(user), text(password)].concat())
}

fn obs(n: usize) -> String {
    let now = super::super::inbound::now();
    format!(r#"{{"time":{},"seq":{n},"values":{{"pm25":35.1}}}}"#, now.0)
}

#[tokio::test]
async fn a_token_opens_the_door_for_its_device_alone() {
    let h = house(GatewayConfig::default(), None).await;
    h.device("air-a", |_| {});
    h.device("air-b", |_| {});
    let secret = h.token("air-a");
    let outside = || from("10.0.0.7", Via::Tls);

    for level in [4, 5] {
        let (mut c, answer) = h.knock(outside(), &hello(level, "air-a", "air-a", &secret)).await;
        assert_eq!(answer[3], 0);
        assert!(c.is_silent().await);
        let (_, answer) = h.knock(outside(), &hello(level, "air-a", "", &secret)).await;
        assert_eq!(answer[3], 0, "the user name may be empty");
    }
    let refused = |level: u8| if level == 4 { 4 } else { 0x86 };
    for level in [4, 5] {
        let mut answers = Vec::new();
        for (id, token) in [("air-a", "iocd_wrong"), ("ghost", &*secret), ("air-b", &*secret)] {
            let (mut c, answer) = h.knock(outside(), &hello(level, id, id, token)).await;
            assert_eq!(answer[3], refused(level), "{id}");
            answers.push((answer, c.why.take()));
            c.expect_closed().await;
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "an unknown device and a wrong token get the same answer");
        let (c, answer) = h.knock(outside(), &hello(level, "air-a", "air-b", &secret)).await;
        assert_eq!(answer[3], if level == 4 { 5 } else { 0x87 });
        assert_eq!(c.why.is_some(), level == 5, "why, in words");
    }
    // In the open, nowhere else, and never by nobody.
    let plain = h.knock(from("10.0.0.7", Via::Tcp), &hello(5, "air-a", "air-a", &secret)).await;
    assert_eq!(plain.1[3], 0x87);
    assert!(plain.0.why.expect("words").contains("TLS"));
    for via in [Via::Tcp, Via::Tls, Via::WebSocket] {
        let nobody = h.knock(from("10.0.0.7", via), &connect(5, "air-a", 2, 60, &[], &[])).await;
        assert_eq!(nobody.1[3], 0x87, "{via:?}");
    }
    // A page in a browser of this machine, or a proxy on it, is not this machine.
    for via in [Via::Tls, Via::WebSocket] {
        let nobody = h.knock(from("127.0.0.1", via), &connect(5, "tool", 2, 60, &[], &[])).await;
        assert_eq!(nobody.1[3], 0x87, "{via:?}");
    }
    let local = h.knock(from("127.0.0.1", Via::Tcp), &connect(5, "tool", 2, 60, &[], &[])).await;
    assert_eq!(local.1[3], 0);
    let wrong = h.knock(from("127.0.0.1", Via::Tcp), &hello(5, "tool", "tool", "x")).await;
    assert_eq!(wrong.1[3], 0x86, "what is shown is checked, also from here");
    assert!(h.metrics.sign_ins_refused.load(Relaxed) >= 14);
}

#[tokio::test]
async fn guessing_from_one_address_is_slowed_and_locks_nobody_out_elsewhere() {
    let h = house(GatewayConfig::default(), None).await;
    h.device("air-a", |_| {});
    let secret = h.token("air-a");
    let wrong = hello(5, "air-a", "air-a", "iocd_wrong");
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(h.knock(from("10.0.0.7", Via::Tls), &wrong).await.1[3]);
    }
    assert_eq!(codes, [0x86, 0x86, 0x86, 0x86, 0x86, 0x86, 0x9F, 0x9F]);
    let right = hello(5, "air-a", "air-a", &secret);
    assert_eq!(h.knock(from("10.0.0.7", Via::Tls), &right).await.1[3], 0x9F, "not even looked at");
    assert_eq!(h.knock(from("10.0.0.8", Via::Tls), &right).await.1[3], 0, "the device, elsewhere");
    assert_eq!(h.metrics.sign_ins_delayed.load(Relaxed), 3);
}

#[tokio::test]
async fn revoked_blocked_and_removed_devices_are_closed_with_the_reason() {
    let h = house(GatewayConfig::default(), None).await;
    for id in ["revoked", "blocked", "removed", "stays"] {
        h.device(id, |_| {});
    }
    let mut clients = Vec::new();
    for id in ["revoked", "blocked", "removed", "stays"] {
        let secret = h.token(id);
        let (c, answer) = h.knock(from("10.0.0.7", Via::Tls), &hello(5, id, id, &secret)).await;
        assert_eq!(answer[3], 0);
        clients.push(c);
    }
    let number = h.registry.tokens("revoked").expect("tokens")[0].id;
    h.registry.revoke_token("revoked", number, &actor()).expect("revoked");
    h.registry.set_state("blocked", DeviceState::Blocked, &actor()).expect("blocked");
    h.registry.remove("removed", &actor()).expect("removed");
    for c in &mut clients[..3] {
        assert_eq!(c.packet().await, [0xE0, 1, 0x87]);
        assert!(c.why.is_some());
        c.expect_closed().await;
    }
    assert!(clients[3].is_silent().await, "others stay");
    assert_eq!(h.metrics.evicted.load(Relaxed), 3);
    let blocked = h.certified("blocked").await;
    let mut blocked = blocked;
    blocked.send(&connect(5, "blocked", 2, 60, &[], &[])).await;
    assert_eq!(blocked.packet().await[3], 0x87, "no certificate helps a blocked device");
}

#[tokio::test]
async fn a_change_of_topics_counts_from_the_next_message_on() {
    let h = house(GatewayConfig::default(), None).await;
    h.device("air-a", |_| {});
    let mut c = h.certified("air-a").await;
    c.send(&connect(5, "air-a", 2, 60, &[], &[])).await;
    c.packet().await;
    let code = async |c: &mut Raw| {
        c.send(&publish(true, 1, 1, "plain/air-a", "{}")).await;
        c.packet().await[4]
    };
    assert_eq!(code(&mut c).await, 0x87);
    h.device("air-a", |d| d.topics = vec!["plain/+".into()]);
    assert_ne!(code(&mut c).await, 0x87, "now it is a matter of the decoders");
    h.device("air-a", |_| {});
    assert_eq!(code(&mut c).await, 0x87);
}

#[tokio::test]
async fn alarms_end_with_the_right_to_see_them() {
    let h = house(GatewayConfig::default(), None).await;
    let alerts = |d: &mut Device| drop(d.tags.insert("alerts".into(), "#".into()));
    h.device("siren", alerts);
    let mut c = h.certified("siren").await;
    c.send(&connect(5, "siren", 2, 60, &[], &[])).await;
    c.packet().await;
    c.send(&subscribe(true, 1, &[("ioc/v1/alerts/#", 1)])).await;
    assert_eq!(c.packet().await, [0x90, 4, 0, 1, 0, 1]);
    h.publications.publish("ioc/v1/alerts/a", "1".into(), false);
    assert_eq!(c.packet().await[0], 0x32);
    h.device("siren", |_| {});
    h.publications.publish("ioc/v1/alerts/a", "2".into(), false);
    assert!(c.is_silent().await);
    assert_eq!(h.metrics.publications_withheld.load(Relaxed), 1);
    c.send(&subscribe(true, 1, &[("ioc/v1/alerts/#", 1)])).await;
    assert_eq!(c.packet().await, [0x90, 4, 0, 1, 0, 0x87]);
    let why = c.why.expect("words");
    assert!(why.contains("ioc/v1/devices/siren/errors"), "{why}");
}

#[tokio::test]
async fn a_stranger_takes_no_devices_session() {
    let h = house(GatewayConfig::default(), None).await;
    h.device("air-a", |_| {});
    let mut device = h.certified("air-a").await;
    device.send(&connect(5, "air-a", 0, 60, &[0x11, 0, 0, 0, 100], &[])).await;
    assert_eq!(device.packet().await[3], 0);
    let nobody = connect(5, "air-a", 2, 60, &[], &[]);
    let (c, answer) = h.knock(from("127.0.0.1", Via::Tcp), &nobody).await;
    assert_eq!((answer[3], c.why.is_some()), (0x87, true));
    assert!(device.is_silent().await, "it stays connected");
    let mut again = h.certified("air-a").await;
    again.send(&connect(5, "air-a", 0, 60, &[0x11, 0, 0, 0, 100], &[])).await;
    assert_eq!(again.packet().await[2..4], [1, 0], "the device itself gets its session");
    assert_eq!(h.metrics.takeovers_refused.load(Relaxed), 1);
}

#[tokio::test]
async fn two_devices_with_one_id_are_slowed_and_told() {
    let config = GatewayConfig { takeovers_per_min: 3, ..Default::default() };
    let h = house(config, None).await;
    h.device("twin", |_| {});
    let mut watcher = h.socket(from("127.0.0.1", Via::Tcp)).await;
    watcher.send(&connect(5, "tool", 2, 60, &[], &[])).await;
    watcher.packet().await;
    let mut codes = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut c = h.certified("twin").await;
        c.send(&connect(5, "twin", 2, 60, &[], &[])).await;
        codes.push(c.packet().await[3]);
        if codes.len() == 4 {
            c.send(&subscribe(true, 1, &[("ioc/v1/devices/twin/errors", 0)])).await;
            assert_eq!(c.packet().await[0], 0x90);
        }
        clients.push(c);
    }
    assert_eq!(codes, [0, 0, 0, 0, 0x89, 0x89]);
    assert!(clients[4].why.as_deref().is_some_and(|w| w.contains("two devices")));
    let told = clients[3].packet().await;
    assert!(String::from_utf8_lossy(&told).contains("client_id_in_use"), "also on its own topic");
    assert_eq!(h.metrics.takeovers_slowed.load(Relaxed), 2);
}

/// What `access::matrix` proves for every cell is what a socket gets: a sample of the cells,
/// through the real intake, with QoS 0, QoS 1, wills and subscriptions.
#[tokio::test]
async fn sample_of_the_access_matrix_over_sockets() {
    let world = || matrix::world();
    let config = GatewayConfig {
        max_connections_per_address: 100_000,
        connections_per_s_per_address: 1e9,
        max_subscriptions: 10_000,
        ..Default::default()
    };
    let rates = crate::Rates {
        device: crate::Rate { messages_per_s: 1e9, burst: 1e9, bytes_per_s: 1e12 },
        ..Default::default()
    };
    let config = GatewayConfig { rates, takeovers_per_min: 1_000_000, ..config };
    let h = house(config, Some(Registry::of(world()))).await;
    let devices = world();
    let fits = |topic: &&String| {
        topic.len() < 1_000 && !topic.contains(['\0', '+', '#']) && !topic.is_empty()
    };
    let topics = matrix::topics(&devices);
    let topics: Vec<&String> = topics.iter().filter(fits).collect();
    let filters = matrix::filters(&devices);
    let filters: Vec<&String> = filters
        .iter()
        .filter(|f| crate::publications::is_valid_filter(f) && !f.starts_with("$share/"))
        .filter(|f| f.len() < 1_000)
        .collect();
    let (mut cells, mut allowed, mut shut) = (0, 0, 0);
    for (n, client) in matrix::identities(&devices).into_iter().enumerate() {
        let trusted = client.standing == crate::Standing::Trusted;
        let peer = || match trusted {
            true => from("127.0.0.1", Via::Tcp),
            false => Peer { names: vec![client.id.to_string()], ..from("10.0.0.9", Via::Tls) },
        };
        let (mut c, answer) = h.knock(peer(), &connect(5, &client.id, 2, 60, &[], &[])).await;
        let is_id = crate::decode::is_id(&client.id);
        let blocked = devices.get(&client.id).is_some_and(|d| d.state == DeviceState::Blocked);
        if !is_id || blocked {
            // An empty id is a request for one, which no certificate holds.
            let expect = if is_id || client.id.is_empty() { 0x87 } else { 0x85 };
            assert_eq!(answer[3], expect, "{client:?}");
            shut += 1;
            continue;
        }
        assert_eq!(answer[3], 0, "{client:?}");
        let mine = |t: &&&String| t.contains(&*client.id) && t.len() < 60;
        let sample: Vec<&&String> = topics
            .iter()
            .skip(n)
            .step_by(997)
            .chain(topics.iter().filter(mine).step_by(7))
            .collect();
        for (m, topic) in sample.iter().enumerate() {
            let expect = client.may_publish(&devices, topic).is_ok();
            (cells, allowed) = (cells + 1, allowed + usize::from(expect));
            let payload = obs(n * 10_000 + m);
            c.send(&publish(true, 1, 1, topic, &payload)).await;
            let ack = c.packet().await;
            // A topic with control characters is refused as a bad name.
            // Words can make the length two bytes.
            let code = ack.get(if ack[1] < 128 { 4 } else { 5 }).copied().unwrap_or(0);
            let denied = code == 0x87 || (!expect && code == 0x90);
            assert_eq!(denied, !expect, "{client:?} {topic:?} {code:#x}");
            if m % 4 == 0 {
                let before = h.metrics.not_authorised.load(Relaxed);
                c.send(&publish(true, 0, 0, topic, &payload)).await;
                assert!(c.is_silent().await, "QoS 0 is answered by nothing");
                let after = h.metrics.not_authorised.load(Relaxed);
                assert_eq!(after > before, code == 0x87, "{client:?} {topic:?}, QoS 0");
                cells += 1;
            }
            if m % 16 == 0 {
                let mut tail = vec![0];
                tail.extend(text(topic));
                tail.extend(text("{}"));
                let (_, answer) =
                    h.knock(peer(), &connect(5, &client.id, 0x06, 60, &[], &tail)).await;
                assert_eq!(answer[3] == 0, expect, "{client:?} {topic:?}, will");
                cells += 1;
                // It took the connection over.
                if expect {
                    c = h.knock(peer(), &connect(5, &client.id, 2, 60, &[], &[])).await.0;
                }
            }
        }
        for wanted in filters.iter().skip(n).step_by(997).collect::<Vec<_>>().chunks(8) {
            let list: Vec<(&str, u8)> = wanted.iter().map(|f| (f.as_str(), 0)).collect();
            c.send(&subscribe(true, 7, &list)).await;
            let answer = c.packet().await;
            for (filter, code) in wanted.iter().zip(&answer[answer.len() - wanted.len()..]) {
                let expect = client.may_subscribe(&devices, filter);
                (cells, allowed) = (cells + 1, allowed + usize::from(expect));
                assert_eq!(*code, if expect { 0 } else { 0x87 }, "{client:?} {filter:?}");
            }
        }
    }
    println!("over sockets: {cells} cells, {allowed} allowed, {shut} shut out at CONNECT");
    assert!(cells > 800 && allowed > 100 && shut > 20);
    let books = h.ledger.snapshot().sources.remove(0);
    assert_eq!(books.difference, 0, "all that was refused is accounted for");
}
