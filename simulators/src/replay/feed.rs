use std::io::Write;
use std::ops::Range;
use std::time::{Duration, Instant};

use ioc_model::Timestamp;

use super::{DeviceTally, Reading, Recording};
use crate::latency::Latency;
use crate::link::{Feed, Message, Step, Tag};

/// Which time the messages carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Times {
    /// As recorded; the IOC then runs with `--clock event`.
    Recorded,
    /// The moment of sending.
    Now,
}

/// How a recording is sent.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// Recorded seconds per second; `None`: as fast as the server acknowledges.
    pub speed: Option<f64>,
    /// Which time the messages carry.
    pub times: Times,
}

/// Sends a recording in its order.
pub struct ReplayFeed<'a> {
    recording: &'a Recording,
    /// Positions that are sent.
    range: Range<usize>,
    options: ReplayOptions,
    /// Sending of the first message, once it was asked for.
    start: Option<Instant>,
    first: Timestamp,
    /// The clock that `Times::Now` reads, ms since the epoch.
    wall: fn() -> i64,
    /// Last time given to each device with `Times::Now`: two messages of one device never share one.
    last_ms: Vec<i64>,
    /// Sent and acknowledged, by device.
    pub tallies: Vec<DeviceTally>,
    /// From due to acknowledged.
    pub latency: Latency,
}

impl<'a> ReplayFeed<'a> {
    /// Sends the messages whose recorded time is in `from..=to`.
    pub fn new(
        recording: &'a Recording,
        options: ReplayOptions,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
    ) -> Self {
        let time = |n: usize| recording.get(n).map_or(Timestamp(0), |r| r.time);
        // Positions before `from` at the start and after `to` at the end fall away.
        let mut range = 0..recording.len();
        while range.start < range.end && from.is_some_and(|f| time(range.start) < f) {
            range.start += 1;
        }
        while range.start < range.end && to.is_some_and(|t| time(range.end - 1) > t) {
            range.end -= 1;
        }
        Self {
            recording,
            first: time(range.start),
            range,
            options,
            start: None,
            wall: wall_ms,
            last_ms: vec![0; recording.devices().len()],
            tallies: vec![DeviceTally::default(); recording.devices().len()],
            latency: Latency::default(),
        }
    }

    /// How many messages are still to be sent.
    pub fn remaining(&self) -> usize {
        self.range.len()
    }

    fn time_for(&mut self, reading: &Reading<'_>) -> i64 {
        match self.options.times {
            Times::Recorded => reading.time.0,
            Times::Now => {
                let last = &mut self.last_ms[reading.device as usize];
                *last = (self.wall)().max(*last + 1);
                *last
            }
        }
    }
}

impl Feed for ReplayFeed<'_> {
    fn next(&mut self, now: Instant, message: &mut Message) -> Step {
        let Some(reading) = self.recording.get(self.range.start) else { return Step::Done };
        if self.range.is_empty() {
            return Step::Done;
        }
        let start = *self.start.get_or_insert(now);
        message.due = match self.options.speed {
            None => now,
            Some(speed) => {
                let recorded_s = reading.time.since_ms(self.first).max(0) as f64 / 1000.0;
                start + Duration::from_secs_f64(recorded_s / speed)
            }
        };
        if message.due > now {
            return Step::Wait(message.due);
        }
        let time = self.time_for(&reading);
        message.topic.clear();
        message.topic.push_str(&self.recording.devices()[reading.device as usize].topic);
        message.payload.clear();
        let times = self.options.times;
        encode(&mut message.payload, &reading, self.recording.columns(), time, times);
        message.tag = Tag { device: reading.device, seq: self.range.start as u64, time_ms: time };
        self.tallies[reading.device as usize].sent += 1;
        self.range.start += 1;
        Step::Publish
    }

    fn done(&mut self, tag: Tag, accepted: bool, latency: Duration) {
        let tally = &mut self.tallies[tag.device as usize];
        if accepted {
            tally.acked += 1;
        } else {
            tally.refused += 1;
        }
        self.latency.add(latency);
    }
}

/// The native `obs` payload, or the recorded one with its time replaced where asked.
fn encode(out: &mut Vec<u8>, reading: &Reading<'_>, columns: &[&str], time: i64, times: Times) {
    if let Some(raw) = reading.raw {
        match (times, serde_json::from_str::<serde_json::Value>(raw)) {
            (Times::Now, Ok(serde_json::Value::Object(mut object))) => {
                object.insert("time".into(), time.into());
                // Writing to a Vec does not fail.
                let _ = serde_json::to_writer(out, &object);
            }
            _ => out.extend_from_slice(raw.as_bytes()),
        }
        return;
    }
    let _ = write!(out, "{{\"time\":{time},\"values\":{{");
    let mut first = true;
    for (column, value) in columns.iter().zip(reading.values) {
        if value.is_nan() {
            continue;
        }
        let _ = write!(out, "{}\"{column}\":{value}", if first { "" } else { "," });
        first = false;
    }
    out.extend_from_slice(b"}}");
}

fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
