use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::LedgerOut;
use crate::latency::Latency;
use crate::link::{Feed, Message, Step, Tag};

/// Properties of a load message in order of use, with a value that no rule minds.
const PROPERTIES: [(&str, &str); 8] = [
    ("pm10", "31.25"),
    ("no2", "18.5"),
    ("so2", "2.75"),
    ("co", "420"),
    ("o3", "41.5"),
    ("temperature", "27.25"),
    ("humidity", "78"),
    ("pressure", "1011.5"),
];

/// Wards that the devices are spread over.
const AREAS: [&str; 5] = ["hai_chau", "thanh_khe", "son_tra", "cam_le", "hoa_khanh"];

/// Lines of a ledger that are collected before they are written.
const LEDGER_CHUNK_BYTES: usize = 32 * 1024;

/// What one connection sends.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// First moment, the same for all connections.
    pub start: Instant,
    /// The same moment, ms since the epoch.
    pub start_ms: i64,
    /// Messages per second of this connection.
    pub rate: f64,
    /// No message is due after this.
    pub duration: Duration,
    /// Numbers of its devices: `first`, `first + step`, … below `devices`.
    pub first: u32,
    /// Number of connections.
    pub step: u32,
    /// Devices of all connections.
    pub devices: u32,
    /// Payload size that is reached by blanks before the last brace.
    pub payload_bytes: usize,
    /// Values per message, 1 to 9.
    pub values: usize,
}

/// Messages of one connection: its devices in turn, spread evenly over time.
pub struct LoadFeed {
    plan: LoadPlan,
    /// Messages so far.
    n: u64,
    topics: Vec<String>,
    /// Newest phenomenon time of each device: two messages of one device never share one.
    last_ms: Vec<i64>,
    tail: String,
    ledger: Option<LedgerOut>,
    ledger_lines: String,
    /// Lines could not be written.
    pub ledger_error: Option<std::io::Error>,
    /// From due to acknowledged.
    pub latency: Latency,
}

impl LoadFeed {
    /// A feed that starts at `plan.start`.
    pub fn new(plan: LoadPlan, ledger: Option<LedgerOut>) -> Self {
        let topics: Vec<String> = (plan.first..plan.devices)
            .step_by(plan.step as usize)
            .map(|d| {
                let area = AREAS[d as usize % AREAS.len()];
                format!("ioc/v1/{area}/air/{}/obs", device_id(d))
            })
            .collect();
        let mut tail = String::new();
        for (property, value) in PROPERTIES.iter().take(plan.values.saturating_sub(1)) {
            let _ = write!(tail, ",\"{property}\":{value}");
        }
        Self {
            last_ms: vec![0; topics.len()],
            topics,
            tail,
            plan,
            n: 0,
            ledger,
            ledger_lines: String::new(),
            ledger_error: None,
            latency: Latency::default(),
        }
    }

    /// First moment of the plan.
    pub fn start(&self) -> Instant {
        self.plan.start
    }

    /// Messages that were due but never sent, because the window was full to the end.
    pub fn unsent(&self) -> u64 {
        let due = (self.plan.duration.as_secs_f64() * self.plan.rate).ceil() as u64;
        if self.topics.is_empty() { 0 } else { due.saturating_sub(self.n) }
    }

    /// Writes what is left of the ledger.
    pub fn finish(&mut self) {
        if let Some(ledger) = &self.ledger
            && let Err(e) = ledger.write(&self.ledger_lines).and_then(|()| ledger.flush())
        {
            self.ledger_error = Some(e);
        }
        self.ledger_lines.clear();
    }
}

/// Id of a load device.
pub fn device_id(number: u32) -> String {
    format!("load-{number:06}")
}

impl Feed for LoadFeed {
    fn next(&mut self, now: Instant, message: &mut Message) -> Step {
        if self.topics.is_empty() {
            return Step::Done;
        }
        // Due times are whole milliseconds: one write carries what falls into one.
        let offset_ms = (self.n as f64 * 1000.0 / self.plan.rate) as u64;
        let offset = Duration::from_millis(offset_ms);
        if offset >= self.plan.duration || now >= self.plan.start + self.plan.duration {
            return Step::Done;
        }
        message.due = self.plan.start + offset;
        if message.due > now {
            return Step::Wait(message.due);
        }
        let slot = (self.n % self.topics.len() as u64) as usize;
        let seq = self.n / self.topics.len() as u64;
        let time_ms = (self.plan.start_ms + offset_ms as i64).max(self.last_ms[slot] + 1);
        self.last_ms[slot] = time_ms;
        self.n += 1;
        message.topic.clear();
        message.topic.push_str(&self.topics[slot]);
        let out = &mut message.payload;
        out.clear();
        out.extend_from_slice(b"{\"time\":");
        put_number(out, time_ms as u64);
        out.extend_from_slice(b",\"seq\":");
        put_number(out, seq);
        // 10.0 to 19.9: under every limit, and not constant.
        out.extend_from_slice(b",\"values\":{\"pm25\":1");
        put_number(out, seq % 10);
        out.push(b'.');
        put_number(out, seq / 10 % 10);
        out.extend_from_slice(self.tail.as_bytes());
        out.push(b'}');
        let size = self.plan.payload_bytes.max(out.len() + 1);
        out.resize(size - 1, b' ');
        out.push(b'}');
        message.tag = Tag { device: slot as u32, seq, time_ms };
        Step::Publish
    }

    fn done(&mut self, tag: Tag, accepted: bool, latency: Duration) {
        self.latency.add(latency);
        let (true, Some(ledger)) = (accepted, &self.ledger) else { return };
        let number = self.plan.first + tag.device * self.plan.step;
        let lines = &mut self.ledger_lines;
        let _ = writeln!(lines, "{} {} {}", device_id(number), tag.seq, tag.time_ms);
        if lines.len() >= LEDGER_CHUNK_BYTES {
            if let Err(e) = ledger.write(lines) {
                self.ledger_error = Some(e);
            }
            lines.clear();
        }
    }
}

/// Decimal digits without the machinery of `write!`.
fn put_number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
