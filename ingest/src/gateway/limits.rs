//! How much a client may do: places and failures by address, rate by device.
//!
//! Every limit is kept by waiting or by refusing at the door, never by dropping what was
//! acknowledged. Loopback is free of the limits by address: behind a reverse proxy on this
//! machine everybody has that address.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use ahash::AHashMap;
use ioc_model::Devices;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use super::metrics::{GatewayMetrics, add};
use crate::{Client, Standing};

/// Addresses and devices that are remembered. Full: those that have recovered are forgotten; if
/// none has, a further one is not limited by address, and by its own connection only.
const REMEMBERED: usize = 65_536;
/// Failed sign-ins of one client id from one address that cost no wait; one more each 12 s.
const OWN_FAILURES: Refill = Refill { per_s: 5.0 / 60.0, burst: 5.0 };
/// Longest wait after failed sign-ins.
const MAX_WAIT_S: u64 = 300;
/// Tag of a device with its messages per second.
const RATE: &str = "rate";

/// How much one client may send.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Packets per second, over time.
    pub messages_per_s: f64,
    /// Packets at once after a rest.
    pub burst: f64,
    /// Bytes per second, over time; at once as many seconds' worth as `burst` is.
    pub bytes_per_s: f64,
}

/// How much devices may send. Full: the socket is not read until there is room again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// A device; its tag `rate` (messages per second) raises or lowers all three in proportion.
    pub device: Rate,
    /// A device with `bridge`; the tag works as well.
    pub bridge: Rate,
    /// Single devices by id; before the tag.
    pub devices: std::collections::BTreeMap<String, Rate>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            device: Rate { messages_per_s: 20.0, burst: 200.0, bytes_per_s: 131_072.0 },
            bridge: Rate { messages_per_s: 5_000.0, burst: 20_000.0, bytes_per_s: 8_388_608.0 },
            devices: std::collections::BTreeMap::new(),
        }
    }
}

impl Rates {
    /// What a client may send; `None`: as much as it likes.
    pub(super) fn of(&self, client: &Client, devices: &Devices) -> Option<Rate> {
        if client.standing == Standing::Trusted {
            return None;
        }
        if let Some(own) = self.devices.get(&*client.id) {
            return Some(own.sane());
        }
        let device = devices.get(&client.id);
        let rate = if device.is_some_and(|d| d.bridge) { self.bridge } else { self.device };
        let tag = device.and_then(|d| d.tags.get(RATE)).and_then(|t| t.trim().parse::<f64>().ok());
        let Some(tagged) = tag.filter(|t| t.is_finite() && *t > 0.0) else {
            return Some(rate.sane());
        };
        let factor = tagged / rate.sane().messages_per_s;
        let raised = Rate {
            messages_per_s: tagged,
            burst: rate.burst * factor,
            bytes_per_s: rate.bytes_per_s * factor,
        };
        Some(raised.sane())
    }
}

impl Rate {
    /// A rate of nothing would stop a device for ever; that is what blocking it is for.
    fn sane(self) -> Self {
        let at_least = |v: f64, min: f64| if v.is_finite() { v.max(min) } else { min };
        Self {
            messages_per_s: at_least(self.messages_per_s, 0.01),
            burst: at_least(self.burst, 1.0),
            bytes_per_s: at_least(self.bytes_per_s, 1.0),
        }
    }

    fn bytes_burst(&self) -> f64 {
        self.bytes_per_s * self.burst / self.messages_per_s
    }
}

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug)]
struct Refill {
    per_s: f64,
    burst: f64,
}

/// A bucket of tokens; it may go into debt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    fn full(refill: Refill, now: Instant) -> Self {
        Self { level: refill.burst, at: now }
    }

    fn refill(&mut self, refill: Refill, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * refill.per_s).min(refill.burst);
        self.at = now;
    }

    fn is_full(&mut self, refill: Refill, now: Instant) -> bool {
        self.refill(refill, now);
        self.level >= refill.burst
    }

    /// Takes one if there is one.
    fn take(&mut self, refill: Refill, now: Instant) -> bool {
        self.refill(refill, now);
        let has = self.level >= 1.0;
        self.level -= if has { 1.0 } else { 0.0 };
        has
    }
}

/// Take-overs of one client id: two devices with one id must not push each other out for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takeovers(Bucket);

impl Takeovers {
    fn refill(per_min: u32) -> Refill {
        let n = f64::from(per_min.max(1));
        Refill { per_s: n / 60.0, burst: n }
    }

    pub(super) fn new(per_min: u32, now: Instant) -> Self {
        Self(Bucket::full(Self::refill(per_min), now))
    }

    /// Whether one more is in order.
    pub(super) fn may(&mut self, per_min: u32, now: Instant) -> bool {
        self.0.take(Self::refill(per_min), now)
    }
}

/// Failed sign-ins: some are free, then each costs a longer wait.
#[derive(Clone, Copy, Debug)]
struct Failures {
    bucket: Bucket,
    strikes: u32,
    until: Option<Instant>,
}

impl Failures {
    fn new(refill: Refill, now: Instant) -> Self {
        Self { bucket: Bucket::full(refill, now), strikes: 0, until: None }
    }

    fn must_wait(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn add(&mut self, refill: Refill, now: Instant) {
        if self.bucket.is_full(refill, now) {
            self.strikes = 0;
        }
        if !self.bucket.take(refill, now) {
            self.strikes = (self.strikes + 1).min(16);
            let wait = (1u64 << self.strikes).min(MAX_WAIT_S);
            self.until = Some(now + Duration::from_secs(wait));
        }
    }

    fn has_recovered(&mut self, refill: Refill, now: Instant) -> bool {
        !self.must_wait(now) && self.bucket.is_full(refill, now)
    }
}

/// One address: an IPv4 address or an IPv6 /64.
struct Address {
    open: usize,
    connects: Bucket,
    failures: Failures,
}

/// What is limited by address.
pub(super) struct Addresses {
    inner: Mutex<Table>,
    max_open: usize,
    connects: Refill,
    failures: Refill,
}

#[derive(Default)]
struct Table {
    all: AHashMap<IpAddr, Address>,
    /// By address and client id.
    clients: AHashMap<(IpAddr, Arc<str>), Failures>,
}

/// Why an address gets no further connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowded {
    /// It has as many as it may.
    Open,
    /// It opened too many in too short a time.
    Rate,
}

/// The place of one connection among those of its address; given back when dropped.
pub(super) struct Place {
    addresses: Arc<Addresses>,
    address: Option<IpAddr>,
}

/// The address by which a client is limited; `None`: it is not.
fn limited(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        // One household or one attacker has a whole /64.
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    })
}

impl Addresses {
    /// `connects_per_s` new connections per second, ten seconds' worth at once; `failures_per_min`
    /// failed sign-ins of all client ids per minute and at once.
    pub(super) fn new(max_open: usize, connects_per_s: f64, failures_per_min: u32) -> Self {
        let per_s = if connects_per_s.is_finite() { connects_per_s.max(0.1) } else { f64::MAX };
        let failures = f64::from(failures_per_min.max(1));
        Self {
            inner: Mutex::default(),
            max_open,
            connects: Refill { per_s, burst: (per_s * 10.0).max(1.0) },
            failures: Refill { per_s: failures / 60.0, burst: failures },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn fresh(&self, now: Instant) -> Address {
        Address {
            open: 0,
            connects: Bucket::full(self.connects, now),
            failures: Failures::new(self.failures, now),
        }
    }

    /// A place for one more connection of an address.
    ///
    /// # Errors
    /// Which limit it has reached.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr, now: Instant) -> Result<Place, Crowded> {
        let free = Place { addresses: Arc::clone(self), address: None };
        let Some(address) = limited(from) else { return Ok(free) };
        let mut table = self.lock();
        if !table.has_room(self, now) && !table.all.contains_key(&address) {
            return Ok(free);
        }
        let entry = table.all.entry(address).or_insert_with(|| self.fresh(now));
        if entry.open >= self.max_open {
            return Err(Crowded::Open);
        }
        if !entry.connects.take(self.connects, now) {
            return Err(Crowded::Rate);
        }
        entry.open += 1;
        Ok(Place { addresses: Arc::clone(self), address: Some(address) })
    }

    /// Whether a sign-in may be tried now.
    pub(super) fn may_sign_in(&self, from: IpAddr, client: &Arc<str>, now: Instant) -> bool {
        let Some(address) = limited(from) else { return true };
        let table = self.lock();
        let all = table.all.get(&address).map(|a| &a.failures);
        let own = table.clients.get(&(address, Arc::clone(client)));
        all.into_iter().chain(own).all(|f| !f.must_wait(now))
    }

    /// A sign-in failed.
    pub(super) fn failed(&self, from: IpAddr, client: &Arc<str>, now: Instant) {
        let Some(address) = limited(from) else { return };
        let mut table = self.lock();
        if table.has_room(self, now) {
            let entry = table.all.entry(address).or_insert_with(|| self.fresh(now));
            entry.failures.add(self.failures, now);
            let own = table.clients.entry((address, Arc::clone(client)));
            own.or_insert_with(|| Failures::new(OWN_FAILURES, now)).add(OWN_FAILURES, now);
        }
    }
}

impl Table {
    fn has_room(&mut self, limits: &Addresses, now: Instant) -> bool {
        if self.all.len() >= REMEMBERED {
            self.all.retain(|_, a| {
                a.open > 0
                    || !a.connects.is_full(limits.connects, now)
                    || !a.failures.has_recovered(limits.failures, now)
            });
        }
        if self.clients.len() >= REMEMBERED {
            self.clients.retain(|_, f| !f.has_recovered(OWN_FAILURES, now));
        }
        self.all.len() < REMEMBERED && self.clients.len() < REMEMBERED
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        if let Some(entry) = self.addresses.lock().all.get_mut(&address) {
            entry.open = entry.open.saturating_sub(1);
        }
    }
}

/// What one device has left; shared by its connections, so that a new one is no new burst.
#[derive(Debug)]
struct Allowance {
    messages: f64,
    bytes: f64,
    at: Instant,
}

impl Allowance {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { messages: rate.burst, bytes: rate.bytes_burst(), at: now }
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.messages = (self.messages + passed * rate.messages_per_s).min(rate.burst);
        self.bytes = (self.bytes + passed * rate.bytes_per_s).min(rate.bytes_burst());
        self.at = now;
    }
}

type ByDevice = AHashMap<Arc<str>, (Rate, Arc<Mutex<Allowance>>)>;

/// What all devices have left.
#[derive(Default)]
pub(super) struct Allowances {
    inner: Mutex<ByDevice>,
}

impl Allowances {
    /// The meter of one connection.
    pub(super) fn meter(&self, client: &Client, rate: Rate, now: Instant) -> Meter {
        let mut all = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        if all.len() >= REMEMBERED {
            all.retain(|_, (rate, left)| {
                let mut own = lock(left);
                own.refill(*rate, now);
                Arc::strong_count(left) > 1 || own.messages < rate.burst
            });
        }
        let fresh = || (rate, Arc::new(Mutex::new(Allowance::full(rate, now))));
        let left = match all.len() < REMEMBERED {
            true => Arc::clone(&all.entry(Arc::clone(&client.id)).or_insert_with(fresh).1),
            false => fresh().1,
        };
        Meter { left, rate, looked: now, since: None, until: None }
    }
}

fn lock(allowance: &Mutex<Allowance>) -> MutexGuard<'_, Allowance> {
    allowance.lock().unwrap_or_else(|e| e.into_inner())
}

/// Time between two looks at the registry for another rate.
const LOOK: Duration = Duration::from_secs(1);
/// Shortest pause: with shorter ones a fast bridge would be woken for each message.
const PAUSE: Duration = Duration::from_millis(5);
/// A read of a device's socket takes in at most as many bytes as this for each packet it may
/// still send, so that a flood is left in the network and not in memory.
const BYTES_PER_PACKET: f64 = 128.0;
/// … but at least so many bytes.
const MIN_READ: f64 = 512.0;

/// Counts what a connection takes in, and says when it must not be read.
#[derive(Debug)]
pub(super) struct Meter {
    left: Arc<Mutex<Allowance>>,
    rate: Rate,
    looked: Instant,
    /// The pause under way.
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Meter {
    /// Until when the socket is not read.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.until
    }

    /// Most bytes the next read may take in.
    pub(super) fn room(&self) -> usize {
        let left = lock(&self.left);
        left.bytes.min(left.messages * BYTES_PER_PACKET).max(MIN_READ) as usize
    }

    /// Whether the rate may have changed since it was looked up.
    pub(super) fn is_stale(&mut self, now: Instant) -> bool {
        let stale = now.saturating_duration_since(self.looked) >= LOOK;
        if stale {
            self.looked = now;
        }
        stale
    }

    pub(super) fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// Counts what was taken in; begins a pause when it was too much.
    pub(super) fn take(&mut self, packets: usize, bytes: usize, now: Instant) {
        let mut left = lock(&self.left);
        left.refill(self.rate, now);
        left.messages -= packets as f64;
        left.bytes -= bytes as f64;
        let debt =
            (-left.messages / self.rate.messages_per_s).max(-left.bytes / self.rate.bytes_per_s);
        drop(left);
        if debt > 0.0 {
            // A device that has the lowest rate and sends the largest packet waits for a day.
            let pause = Duration::from_secs_f64(debt.min(86_400.0)).max(PAUSE);
            self.since = self.since.or(Some(now));
            self.until = Some(now + pause);
        }
    }

    /// Ends the pause if it is over. Returns how long it was.
    pub(super) fn resume(&mut self, now: Instant) -> Option<Duration> {
        if self.until.is_none_or(|until| now < until) {
            return None;
        }
        self.end(now)
    }

    /// Ends the pause. Returns how long it was.
    pub(super) fn end(&mut self, now: Instant) -> Option<Duration> {
        self.until = None;
        self.since.take().map(|since| now.saturating_duration_since(since))
    }
}

/// Counts a pause of a client.
pub(super) fn count_pause(metrics: &GatewayMetrics, client: &Client, pause: Duration) {
    let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    add(&metrics.throttles, 1);
    add(&metrics.throttled_ms, ms);
    metrics.note_throttled(&client.id, ms);
}
