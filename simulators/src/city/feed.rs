use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use ioc_model::{City, DeviceSpec};

use super::World;
use super::device::SimDevice;
use super::senses::Role;
use crate::latency::Latency;
use crate::link::{Feed, Message, Step, Tag};

/// Devices that play the fixed acts, if the configuration has them; else the first of the kind.
const FLOODED_TOWER: (&str, &str) = ("tower-431068", "flood_tower");
const JAMMED: (&str, &str) = ("traffic-nga-ba-hue", "traffic_sensor");
const WRONG_WAY: (&str, &str) = ("cam-nga-ba-hue", "camera");
const CROWDED: (&str, &str) = ("crowd-bien-dong", "camera");
const DARK: (&str, &str) = ("cam-hoi-an", "camera");

/// What kind of life the city has.
#[derive(Clone, Copy, Debug)]
pub struct CityOptions {
    /// Names its luck.
    pub seed: u64,
    /// How much faster than life.
    pub speed: f64,
    /// Messages leave so many times faster than their own times say.
    pub pace: f64,
    /// Seconds until the first storm.
    pub storm_after_s: f64,
    /// Storms take so many times as long as the shortest, of 10 minutes.
    pub storm_length: f64,
    /// Devices fail.
    pub faults: bool,
    /// Longest silence of a healthy device, s.
    pub max_interval_s: f64,
    /// So many devices, `None`: all.
    pub devices: Option<usize>,
    /// The start, ms since the epoch: times of messages and the hour of the day count from it.
    pub start_ms: i64,
    /// No message is due after so long.
    pub duration: Option<Duration>,
}

/// Messages of the whole city in the order of their times.
pub struct CityFeed {
    options: CityOptions,
    devices: Vec<SimDevice>,
    /// (ms since the start, device): exactly one entry per device.
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    /// Said at the same moment, not sent yet.
    said: VecDeque<(usize, u64, &'static str, Vec<u8>)>,
    start_hour: f64,
    start: Option<Instant>,
    /// From due to acknowledged.
    pub latency: Latency,
}

impl CityFeed {
    /// The city at its start.
    pub fn new(city: &City, options: CityOptions) -> Self {
        let all: Vec<&DeviceSpec> = city.devices.values().collect();
        let chosen = choose(&all, options.devices);
        let act = |(id, kind): (&str, &str)| {
            let by_id = chosen.iter().find(|d| &*d.id == id);
            by_id.or_else(|| chosen.iter().find(|d| d.kind == kind)).map(|d| d.id.clone())
        };
        let (flooded, jammed, wrong, crowded, dark) =
            (act(FLOODED_TOWER), act(JAMMED), act(WRONG_WAY), act(CROWDED), act(DARK));
        let devices: Vec<SimDevice> = chosen
            .iter()
            .map(|spec| {
                let is = |name: &Option<ioc_model::Name>| name.as_ref() == Some(&spec.id);
                let role = Role {
                    first_flood: is(&flooded),
                    jam: is(&jammed),
                    crowd: is(&crowded),
                    wrong_way: is(&wrong),
                    dark: is(&dark) && !is(&wrong) && !is(&crowded),
                };
                let cadence = f64::from(spec.cadence_s.max(1)) / options.speed;
                let interval = cadence.clamp(1.0, options.max_interval_s.max(1.0));
                SimDevice::new(spec, city, (options.seed, role), interval, options.faults)
            })
            .collect();
        let queue = devices.iter().enumerate().map(|(n, d)| Reverse((d.next_ms, n))).collect();
        let local_s = (options.start_ms / 1000 + 7 * 3600).rem_euclid(86_400);
        Self {
            options,
            devices,
            queue,
            said: VecDeque::new(),
            start_hour: local_s as f64 / 3600.0,
            start: None,
            latency: Latency::default(),
        }
    }

    /// Number of devices that take part.
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// The next message in the city's time: ms since the start, topic, payload, device, number.
    pub fn pop(&mut self, topic: &mut String, payload: &mut Vec<u8>) -> Option<(u64, Tag)> {
        let at_ms = self.peek()?;
        let (device, _, end, bytes) = self.said.pop_front()?;
        topic.clear();
        topic.push_str(&self.devices[device].topic);
        topic.push_str(end);
        *payload = bytes;
        let time_ms = self.options.start_ms + at_ms as i64;
        Some((at_ms, Tag { device: device as u32, seq: self.devices[device].seq, time_ms }))
    }

    /// When the next message is due, ms since the start.
    fn peek(&mut self) -> Option<u64> {
        let end = self.options.duration.map_or(u64::MAX, |d| d.as_millis() as u64);
        while self.said.is_empty() {
            let Reverse((at_ms, device)) = self.queue.pop()?;
            if at_ms >= end {
                self.queue.clear();
                return None;
            }
            let o = &self.options;
            let world = World::at(
                at_ms as f64 / 1000.0,
                self.start_hour,
                o.speed,
                (o.storm_after_s, o.storm_length),
            );
            let time_ms = o.start_ms + at_ms as i64;
            for (end, bytes) in self.devices[device].speak(&world, time_ms) {
                self.said.push_back((device, at_ms, end, bytes));
            }
            self.queue.push(Reverse((self.devices[device].next_ms, device)));
        }
        self.said.front().map(|(_, at_ms, _, _)| *at_ms)
    }
}

/// So many devices, spread over the list, the acts' devices first.
fn choose<'a>(all: &[&'a DeviceSpec], count: Option<usize>) -> Vec<&'a DeviceSpec> {
    let count = count.unwrap_or(all.len()).min(all.len());
    let acts = [FLOODED_TOWER, WRONG_WAY, JAMMED, CROWDED, DARK].map(|(id, _)| id);
    let is_act = |d: &DeviceSpec| acts.iter().position(|id| *id == &*d.id);
    let mut chosen: Vec<&DeviceSpec> =
        all.iter().copied().filter(|d| is_act(d).is_some()).collect();
    chosen.sort_by_key(|d| is_act(d));
    chosen.truncate(count);
    let others: Vec<&DeviceSpec> = all.iter().copied().filter(|d| is_act(d).is_none()).collect();
    let want = count - chosen.len();
    chosen.extend((0..want).map(|n| others[n * others.len() / want.max(1)]));
    chosen.sort_by(|a, b| a.id.cmp(&b.id));
    chosen
}

impl Feed for CityFeed {
    fn next(&mut self, now: Instant, message: &mut Message) -> Step {
        let start = *self.start.get_or_insert(now);
        let Some(at_ms) = self.peek() else { return Step::Done };
        message.due = start + Duration::from_millis(at_ms).div_f64(self.options.pace);
        if message.due > now {
            return Step::Wait(message.due);
        }
        match self.pop(&mut message.topic, &mut message.payload) {
            Some((_, tag)) => {
                message.tag = tag;
                Step::Publish
            }
            None => Step::Done,
        }
    }

    fn done(&mut self, _: Tag, _: bool, latency: Duration) {
        self.latency.add(latency);
    }
}
