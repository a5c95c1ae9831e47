//! Against the real `mosquitto` where it is installed, and against a scripted broker where the
//! order of bytes matters.

use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::IngestError;
use crate::gateway::tests::{Commits, TestSink, gateway, publish};

const BROKER: &str = "/usr/sbin/mosquitto";
const PATIENCE: Duration = Duration::from_secs(15);

/// A Mosquitto of our own; ended when dropped.
struct Mosquitto {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    /// `None`, with a word, where it is not installed.
    async fn start(port: Option<u16>) -> Option<Self> {
        if !std::path::Path::new(BROKER).exists() {
            eprintln!("skipped: {BROKER} is not installed");
            return None;
        }
        let port = port.unwrap_or_else(|| {
            let free = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            free.local_addr().expect("bound").port()
        });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n");
        std::fs::write(&file, text).expect("writes");
        let child = Command::new(BROKER)
            .args(["-c".as_ref(), file.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        let up = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("mosquitto listens");
        Some(Self { child, port, _folder: folder })
    }

    /// Publishes at QoS 1 and waits for every PUBACK.
    async fn publish(&self, topic: &str, payloads: &[&str]) {
        let options = rumqttc::MqttOptions::new("tester", "127.0.0.1", self.port);
        let (client, mut events) = rumqttc::AsyncClient::new(options, 1_000);
        for payload in payloads {
            client.try_publish(topic, rumqttc::QoS::AtLeastOnce, false, *payload).expect("room");
        }
        let mut acks = 0;
        while acks < payloads.len() {
            let event = events.poll().await.expect("the broker is there");
            acks +=
                usize::from(matches!(event, rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))));
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Running {
    metrics: Arc<SubscriberMetrics>,
    stop: CancellationToken,
    done: JoinHandle<Result<SubscriberStats, IngestError>>,
}

fn start(port: u16, version: MqttVersion, sink: &Arc<TestSink>, topics: &[&str]) -> Running {
    let config = SubscriberConfig {
        host: "127.0.0.1".into(),
        port,
        version,
        client_id: "ioc-test".into(),
        topics: topics.iter().map(|t| (*t).into()).collect(),
        ..Default::default()
    };
    let subscriber = Subscriber::new(config, Arc::clone(sink)).expect("good settings");
    let metrics = subscriber.metrics();
    let stop = CancellationToken::new();
    let done = tokio::spawn(subscriber.run(stop.clone()));
    Running { metrics, stop, done }
}

impl Running {
    async fn until(&self, what: impl Fn(&SubscriberMetrics) -> bool) {
        let met = async {
            while !what(&self.metrics) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let met = tokio::time::timeout(PATIENCE, met).await;
        assert!(met.is_ok(), "not in time: {:?}", self.metrics);
    }

    async fn subscribed(&self) {
        self.until(|m| m.subscribed.load(Relaxed)).await;
    }

    async fn end(self) -> SubscriberStats {
        self.stop.cancel();
        self.done.await.expect("no panic").expect("no error")
    }
}

#[tokio::test]
async fn acknowledges_after_the_commit_and_the_broker_repeats_the_rest() {
    let Some(broker) = Mosquitto::start(None).await else { return };
    for version in [MqttVersion::V5, MqttVersion::V4] {
        let sink = TestSink::new(Commits::Held);
        let s = start(broker.port, version, &sink, &["a/#"]);
        s.subscribed().await;
        broker.publish("a/b", &["1", "2", "3"]).await;
        sink.until(3).await;
        assert_eq!(s.metrics.acks.load(Relaxed), 0, "nothing is durable yet");
        // The process dies: the broker still has all three.
        s.done.abort();
        assert!(s.done.await.is_err());
        let sink = TestSink::new(Commits::Held);
        let s = start(broker.port, version, &sink, &["a/#"]);
        sink.until(3).await;
        assert_eq!(sink.payloads(), ["1", "2", "3"]);
        sink.set(Commits::Done);
        s.until(|m| m.acks.load(Relaxed) == 3).await;
        let stats = s.end().await;
        assert_eq!((stats.acks, stats.unfinished), (3, 0));
        // Acknowledged before the goodbye: nothing comes again.
        let sink = TestSink::new(Commits::Done);
        let s = start(broker.port, version, &sink, &["a/#"]);
        s.subscribed().await;
        broker.publish("a/b", &["4"]).await;
        sink.until(1).await;
        assert_eq!(sink.payloads(), ["4"]);
        s.end().await;
    }
}

#[tokio::test]
async fn stop_waits_for_the_last_commits_and_sends_their_acks() {
    let Some(broker) = Mosquitto::start(None).await else { return };
    let sink = TestSink::new(Commits::Held);
    let s = start(broker.port, MqttVersion::V5, &sink, &["a/#"]);
    s.subscribed().await;
    broker.publish("a/b", &["1", "2"]).await;
    sink.until(2).await;
    s.stop.cancel();
    sink.set(Commits::Done);
    assert_eq!(s.end().await.acks, 2);
    let sink = TestSink::new(Commits::Done);
    let s = start(broker.port, MqttVersion::V5, &sink, &["a/#"]);
    s.subscribed().await;
    broker.publish("a/b", &["3"]).await;
    sink.until(1).await;
    assert_eq!(sink.payloads(), ["3"], "the broker had the acks of the first two");
    s.end().await;
}

#[tokio::test]
async fn subscribes_again_after_a_broker_restart_without_sessions() {
    for version in [MqttVersion::V5, MqttVersion::V4] {
        let Some(first) = Mosquitto::start(None).await else { return };
        let sink = TestSink::new(Commits::Done);
        let s = start(first.port, version, &sink, &["a/#"]);
        s.subscribed().await;
        first.publish("a/b", &["before"]).await;
        sink.until(1).await;
        let port = first.port;
        drop(first);
        s.until(|m| !m.connected.load(Relaxed)).await;
        assert!(s.metrics.last_error().is_some(), "the trouble is shown");
        let Some(second) = Mosquitto::start(Some(port)).await else { return };
        s.subscribed().await;
        second.publish("a/b", &["after"]).await;
        sink.until(2).await;
        assert_eq!(sink.payloads(), ["before", "after"]);
        assert_eq!(s.metrics.last_error(), None);
        s.end().await;
    }
}

#[tokio::test]
async fn failed_commit_makes_the_broker_deliver_again() {
    let Some(broker) = Mosquitto::start(None).await else { return };
    let sink = TestSink::new(Commits::Failing);
    let s = start(broker.port, MqttVersion::V5, &sink, &["a/#"]);
    s.subscribed().await;
    broker.publish("a/b", &["1"]).await;
    s.until(|m| m.sink_errors.load(Relaxed) >= 2).await;
    assert_eq!(s.metrics.acks.load(Relaxed), 0);
    sink.set(Commits::Done);
    s.until(|m| m.acks.load(Relaxed) == 1).await;
    s.end().await;
}

#[tokio::test]
async fn many_messages_come_in_order_and_are_batched() {
    let Some(broker) = Mosquitto::start(None).await else { return };
    let sink = TestSink::new(Commits::Done);
    let s = start(broker.port, MqttVersion::V5, &sink, &["a/#"]);
    s.subscribed().await;
    let texts: Vec<String> = (0..900).map(|i| i.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    broker.publish("a/b", &texts).await;
    sink.until(900).await;
    assert_eq!(sink.payloads(), texts);
    s.until(|m| m.acks.load(Relaxed) == 900).await;
    s.end().await;
}

/// Our own gateway grants no such filter, in both versions.
#[tokio::test]
async fn refused_subscription_is_shown() {
    let g = gateway().await;
    for version in [MqttVersion::V5, MqttVersion::V4] {
        let sink = TestSink::new(Commits::Done);
        let s = start(g.address.port(), version, &sink, &["ioc/v1/alerts/#", "a/#"]);
        s.until(|m| m.subscriptions_refused.load(Relaxed) == 1).await;
        assert!(!s.metrics.subscribed.load(Relaxed));
        let error = s.metrics.last_error().expect("an error");
        assert!(error.contains("a/#"), "{error}");
        s.end().await;
    }
}

/// A broker of bytes: accepts one connection, answers CONNECT and SUBSCRIBE.
struct Script(TcpStream);

impl Script {
    async fn accept(listener: &TcpListener, session_present: u8) -> Self {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut script = Self(stream);
        assert_eq!(script.read().await[0], 0x10);
        script.write(&[0x20, 2, session_present, 0]).await;
        if session_present == 0 {
            let subscribe = script.read().await;
            assert_eq!(subscribe[0], 0x82);
            script.write(&[0x90, 3, subscribe[2], subscribe[3], 1]).await;
        }
        script
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("writes");
    }

    async fn read(&mut self) -> Vec<u8> {
        let read = async {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).await.expect("a packet");
            let mut body = vec![0; usize::from(head[1])];
            self.0.read_exact(&mut body).await.expect("a packet");
            [&head[..], &body].concat()
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a packet in time")
    }
}

#[tokio::test]
async fn acks_are_in_order_and_never_for_an_earlier_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let sink = TestSink::new(Commits::Held);
    let s = start(port, MqttVersion::V4, &sink, &["a/#"]);
    let mut first = Script::accept(&listener, 0).await;
    for id in [1, 2] {
        first.write(&publish(false, 1, id, "a/b", "old")).await;
    }
    sink.until(2).await;
    drop(first);
    // The broker lost the session: ids 1 to 3 now belong to other messages.
    let mut second = Script::accept(&listener, 0).await;
    for id in [3, 1, 2] {
        second.write(&publish(false, 1, id, "a/b", "new")).await;
    }
    sink.until(5).await;
    sink.set(Commits::Done);
    for id in [3, 1, 2] {
        assert_eq!(second.read().await, [0x40, 2, 0, id]);
    }
    s.until(|m| m.stale_acks.load(Relaxed) == 2).await;
    assert_eq!(s.metrics.acks.load(Relaxed), 3);
    s.end().await;
}
