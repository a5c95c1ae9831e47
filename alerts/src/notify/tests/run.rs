//! The run loop, in paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ioc_model::{Actor, DeliveryFilter, DeliveryState, NotifyStore, Severity};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, Script, T0, again, config, names};
use crate::channel::{Channel, SendError};
use crate::notify::{Channels, Notifier, NotifierParts, NotifyHandle, NotifyStats};

const YAML: &str = "
receivers:
  - { id: duty, at_once: 2, webhook: { url: 'https://duty.example/' } }
routes:
  - { id: all, receivers: [duty], wait: 0s, interval: 0s, repeat: never, group_by: alert }
";

struct Running {
    fake: Arc<Fake>,
    script: Arc<Script>,
    handle: NotifyHandle,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<NotifyStats>,
    start: Instant,
    _dir: tempfile::TempDir,
}

fn running(yaml: &str, script: Script) -> Running {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let fake = Arc::new(Fake::default());
    let start = Instant::now();
    *script.start.lock().expect("no panic") = Some(start);
    let script = Arc::new(script);
    let channels: Channels =
        BTreeMap::from([("duty".into(), Arc::clone(&script) as Arc<dyn Channel>)]);
    let parts = NotifierParts {
        config: config(yaml),
        alerts: Arc::clone(&fake) as _,
        channels,
        cap: None,
        clock: Arc::new(move || T0.plus_ms(start.elapsed().as_millis() as i64)),
    };
    let notifier = Notifier::open(&dir.path().join("n.sqlite"), parts).expect("opens");
    let handle = notifier.handle();
    let stop = CancellationToken::new();
    let task = tokio::spawn(notifier.run(stop.clone()));
    Running { fake, script, handle, stop, task, start, _dir: dir }
}

impl Running {
    async fn say(&self, alert: &str, action: &str) {
        // The outbox begins before anything is said.
        tokio::task::yield_now().await;
        let at = T0.plus_ms(self.start.elapsed().as_millis() as i64);
        self.fake.say(alert, action, Severity::Critical, at);
        self.handle.wake();
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn got(&self) -> Vec<String> {
        let got = self.script.got.lock().expect("no panic");
        got.iter().map(|(_, n)| format!("{} {}", n.group, names(&n.reasons).join(","))).collect()
    }

    fn states(&self) -> Vec<(DeliveryState, u32)> {
        let filter = DeliveryFilter { limit: 50, ..DeliveryFilter::default() };
        let rows = self.handle.deliveries(&filter).expect("reads");
        rows.iter().rev().map(|d| (d.state, d.attempts)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_clear_never_overtakes_its_raise() {
    let script = Script { takes: Duration::from_millis(100), ..Script::default() };
    script.says.lock().expect("no panic").extend([again(), again(), again(), again()]);
    let r = running(YAML, script);
    r.say("a-1", "raise").await;
    r.say("a-1", "clear").await;
    r.say("b-1", "raise").await;
    r.pass(Duration::from_secs(120)).await;
    let got = r.got();
    let a: Vec<&String> = got.iter().filter(|g| g.contains("a-1")).collect();
    let clear = a.iter().position(|g| g.ends_with("clear")).expect("cleared");
    assert!(a[..clear].iter().all(|g| g.ends_with("raise")), "{got:?}");
    assert!(a[clear..].iter().all(|g| g.ends_with("clear")), "{got:?}");
    assert!(r.states().iter().all(|(s, _)| *s == DeliveryState::Delivered));
    assert_eq!(r.states().iter().map(|(_, n)| n).sum::<u32>(), 7, "four tries failed");
    let got = r.script.got.lock().expect("no panic");
    let mut ids: Vec<&str> = got.iter().map(|(_, n)| n.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((got.len(), ids.len()), (7, 3), "a retry keeps its id");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_configured_number_is_under_way_at_once() {
    let script = Script { takes: Duration::from_secs(1), ..Script::default() };
    let r = running(YAML, script);
    for i in 0..7 {
        r.say(&format!("a-{i}"), "raise").await;
    }
    r.pass(Duration::from_secs(30)).await;
    assert_eq!(r.got().len(), 7);
    assert_eq!(*r.script.most_at_once.lock().expect("no panic"), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_dead_and_can_be_tried_again() {
    let script = Script::default();
    let refused = SendError::permanent("400 no\r\nsuch chat");
    script.says.lock().expect("no panic").push_back(Err(refused));
    let r = running(YAML, script);
    r.say("a-1", "raise").await;
    r.pass(Duration::from_secs(3_600)).await;
    assert_eq!(r.states(), [(DeliveryState::Dead, 1)]);
    let filter = DeliveryFilter { limit: 5, ..DeliveryFilter::default() };
    let row = r.handle.deliveries(&filter).expect("reads").remove(0);
    assert_eq!(row.answer.as_deref(), Some("400 no\u{fffd}\u{fffd}such chat"));
    let receiver = &r.handle.receivers().expect("reads")[0];
    assert_eq!((receiver.waiting, receiver.dead), (0, 1));
    assert_eq!(receiver.trouble, row.answer);
    let actor = Actor { user: "an".into(), origin: None, at: T0 };
    assert_eq!(r.handle.retry(&row.id, &actor).expect("tries").state, DeliveryState::Waiting);
    r.pass(Duration::from_secs(1)).await;
    assert_eq!(r.states(), [(DeliveryState::Delivered, 2)]);
    assert!(r.handle.retry(&row.id, &actor).is_err(), "it is not dead");
    assert!(r.handle.retry("none", &actor).is_err());
    assert_eq!(r.handle.receivers().expect("reads")[0].trouble, None);
    let m = r.handle.metrics().expect("reads");
    assert_eq!((m.receivers[0].sent, m.receivers[0].failed, m.receivers[0].dead), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_is_tried_more_seldom_and_given_up_after_a_day() {
    let script = Script::default();
    script.says.lock().expect("no panic").extend((0..10_000).map(|_| again()));
    let r = running(YAML, script);
    r.say("a-1", "raise").await;
    r.pass(Duration::from_secs(23 * 3_600)).await;
    assert_eq!(r.states()[0].0, DeliveryState::Waiting);
    let m = r.handle.metrics().expect("reads").receivers.remove(0);
    assert_eq!(m.waiting, 1);
    assert!((82_000_000..=82_900_000).contains(&m.oldest_waiting_ms), "{}", m.oldest_waiting_ms);
    r.pass(Duration::from_secs(2 * 3_600)).await;
    let (state, attempts) = r.states()[0];
    assert_eq!(state, DeliveryState::Dead);
    // 24 h at a mean of 5 min.
    assert!((200..400).contains(&attempts), "{attempts}");
    let got = r.script.got.lock().expect("no panic");
    let last = got.last().expect("tried").0;
    assert_eq!(last.as_secs(), 24 * 3_600, "the last try is at the end of its time");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_to_be_left_alone_is() {
    let script = Script::default();
    let busy = SendError {
        permanent: false,
        retry_after: Some(Duration::from_secs(1_000)),
        answer: "429".into(),
    };
    script.says.lock().expect("no panic").push_back(Err(busy));
    let r = running(YAML, script);
    r.say("a-1", "raise").await;
    r.pass(Duration::from_secs(999)).await;
    assert_eq!(r.got().len(), 1);
    r.pass(Duration::from_secs(2)).await;
    assert_eq!(r.states(), [(DeliveryState::Delivered, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_hangs_is_left_and_tried_again() {
    let script = Script { takes: Duration::from_secs(100_000), ..Script::default() };
    let r = running(YAML, script);
    r.say("a-1", "raise").await;
    r.pass(Duration::from_secs(40)).await;
    assert!(r.got().len() >= 2, "{:?}", r.got());
    assert_eq!(r.states()[0].0, DeliveryState::Waiting);
}

#[tokio::test(start_paused = true)]
async fn groups_are_put_out_on_time_without_being_woken() {
    let r = running(&YAML.replace("wait: 0s", "wait: 45s"), Script::default());
    r.say("a-1", "raise").await;
    r.pass(Duration::from_secs(60)).await;
    let got = r.script.got.lock().expect("no panic");
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].0.as_secs(), 45);
}

#[tokio::test(start_paused = true)]
async fn a_test_goes_the_way_of_all_others() {
    let r = running(YAML, Script::default());
    let actor = Actor { user: "an".into(), origin: None, at: T0 };
    let one = r.handle.test("duty", &actor).expect("a receiver");
    let two = r.handle.test("duty", &actor).expect("a receiver");
    assert_ne!(one.id, two.id);
    assert_eq!((one.state, &*one.route), (DeliveryState::Waiting, ""));
    assert!(r.handle.test("nobody\u{1b}", &actor).is_err());
    r.pass(Duration::from_secs(1)).await;
    assert_eq!(r.states(), [(DeliveryState::Delivered, 1); 2]);
    assert!(r.script.got.lock().expect("no panic").iter().all(|(_, n)| n.test));
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_it_is_told_to_and_lets_end_what_is_under_way() {
    let script = Script { takes: Duration::from_secs(2), ..Script::default() };
    let r = running(YAML, script);
    r.say("a-1", "raise").await;
    r.pass(Duration::from_secs(1)).await;
    r.stop.cancel();
    let stats = r.task.await.expect("no panic");
    assert_eq!(stats, NotifyStats { lines: 1, sendings: 1 });
    assert_eq!(r.handle.receivers().expect("reads")[0].waiting, 0);
}
