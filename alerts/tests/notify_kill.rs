//! Figure 2 of the alerts: a process that keeps the register and notifies is killed at every write
//! it makes (of a file or a socket, and every sync), then started again. Each raise and each clear
//! has to reach the receiver, always under the same idempotency key and with the same body.
//!
//! `IOC_KILL_EVERY=1 cargo test -p ioc-alerts --test notify_kill -- --nocapture` tries every point;
//! without it every 10th.

#[path = "notify_kill/receiver.rs"]
mod receiver;
#[path = "notify_kill/scenario.rs"]
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use receiver::{Post, Receiver};

/// Everything that changes a file, makes a change last, or speaks to the receiver. strace counts
/// each for itself.
const CALLS: [&str; 10] = [
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "ftruncate",
    "unlink",
    "rename",
    "writev",
    "sendto",
    "sendmsg",
];
const WORKERS: usize = 3;

/// The scenario in this process: started by the other test.
#[test]
#[ignore = "is started by the other test, in a process of its own"]
fn the_scenario() {
    scenario::run();
}

#[test]
fn killed_at_every_write_it_loses_nothing_and_keeps_its_keys() {
    let every: usize =
        std::env::var("IOC_KILL_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let receiver = Receiver::start();
    let whole = Point { call: "none", n: 0, receiver: &receiver };
    assert!(whole.run_to_its_end(), "it works when nobody kills it");
    let next: BTreeMap<&str, AtomicUsize> =
        CALLS.iter().map(|c| (*c, AtomicUsize::new(1))).collect();
    let killed = Mutex::new(BTreeMap::<&str, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for call in CALLS {
                    loop {
                        let n = next[call].fetch_add(every, Ordering::Relaxed);
                        if !(Point { call, n, receiver: &receiver }).kill_and_restart() {
                            break;
                        }
                        *killed.lock().expect("no panic").entry(call).or_default() += 1;
                    }
                }
            });
        }
    });
    let killed = killed.into_inner().expect("no panic");
    let points: usize = killed.values().sum();
    let (posts, repeated) = receiver.figures();
    println!(
        "killed at {points} points {killed:?} (every {every}.): 0 missing; {posts} posts, \
         {repeated} of them repetitions under the same key"
    );
    let least = if every == 1 { 500 } else { 10 };
    assert!(points >= least, "only {points} points: does strace count?");
    for call in ["pwrite64", "fsync", "writev"] {
        assert!(killed.contains_key(call), "{killed:?}: does the process no longer {call}?");
    }
}

struct Point<'a> {
    call: &'static str,
    n: usize,
    receiver: &'a Arc<Receiver>,
}

impl Point<'_> {
    fn name(&self) -> String {
        format!("{}-{}", self.call, self.n)
    }

    /// Without any kill.
    fn run_to_its_end(&self) -> bool {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let ended = self.child(dir.path(), None);
        self.judge();
        ended
    }

    /// False if it came to its end before the call was made so often.
    fn kill_and_restart(&self) -> bool {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let inject = format!("inject={}:signal=KILL:when={}", self.call, self.n);
        let ended = self.child(dir.path(), Some(&inject));
        if !ended {
            assert!(self.child(dir.path(), None), "{}: works after the restart", self.name());
        }
        self.judge();
        !ended
    }

    /// True if it came to its end; false if it was killed.
    fn child(&self, dir: &Path, inject: Option<&str>) -> bool {
        let this = std::env::current_exe().expect("this test");
        let mut command = match inject {
            None => Command::new(this),
            Some(inject) => {
                let mut strace = Command::new("strace");
                let trace = format!("trace={}", self.call);
                strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", inject]).arg(this);
                strace
            }
        };
        command
            .args(["the_scenario", "--exact", "--ignored", "--test-threads=1", "--nocapture"])
            .env(scenario::DIR, dir)
            .env(scenario::URL, format!("{}/{}", self.receiver.url(), self.name()))
            .env(scenario::START, self.receiver.start_of(&self.name()).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let output = command.output().expect("strace is installed");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("panicked"), "{}: {text}", self.name());
        if inject.is_none() {
            assert!(output.status.success(), "{}: {text}", self.name());
        }
        output.status.success()
    }

    /// Everything arrived, each thing under one key, each key with one body.
    fn judge(&self) {
        let posts = self.receiver.posts(&self.name());
        let mut keys: BTreeMap<(String, String, String), BTreeSet<&str>> = BTreeMap::new();
        let mut bodies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Post { key, body, receiver, changes } in &posts {
            bodies.entry(key).or_default().insert(body);
            for (alert, reason) in changes {
                let event = (receiver.clone(), alert.clone(), reason.clone());
                keys.entry(event).or_default().insert(key);
            }
        }
        let told: BTreeSet<_> = keys.keys().cloned().collect();
        assert_eq!(told, scenario::expected(), "{}: what was told", self.name());
        for (event, keys) in keys {
            assert_eq!(keys.len(), 1, "{}: {event:?} came under {keys:?}", self.name());
        }
        for (key, bodies) in bodies {
            assert_eq!(bodies.len(), 1, "{}: {key} had several bodies", self.name());
        }
    }
}

/// Wall time, ms.
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}
