//! Who holds a connection, and who has to go when places become few.
//!
//! A connection either waits for us or for its client: for its handshake, its head, its body, its
//! next request, or for it to take what was sent. Attackers hold connections that wait for them;
//! users hold connections that wait for us for a moment. So nobody is turned away because the
//! table is nearly full: those that have waited longest for their client are closed, first those
//! that were never answered anything.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::proxy::Proxies;

/// A connection that was never answered anything is no worse than others for so long, ms.
const NEW_FOR_MS: u64 = 1_000;
/// A client that takes nothing of its answer for so long is not waited for.
const WRITE_STALL: Duration = Duration::from_secs(20);
/// This part of the table is made free at once, so that the search is rare.
const BATCH: usize = 16;

tokio::task_local! {
    /// The connection of the request under way.
    pub(crate) static SLOT: Arc<Slot>;
}

/// For whom a connection waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// For its client: handshake, head, or the next request.
    Idle = 0,
    /// For us.
    Work = 1,
    /// For its client to send a body.
    Body = 2,
}

/// One connection, as its task describes it.
#[derive(Debug)]
pub(crate) struct Slot {
    number: u64,
    address: Option<IpAddr>,
    start: Instant,
    state: AtomicU8,
    /// Since when it is so, ms.
    since: AtomicU64,
    /// Since when the client takes nothing of what there is to send, ms + 1; 0: it does.
    stalled: AtomicU64,
    answered: AtomicBool,
    /// Cancelled: the connection has to end.
    pub end: CancellationToken,
}

impl Slot {
    fn now(&self) -> u64 {
        millis(self.start)
    }

    fn set(&self, state: State) {
        self.since.store(self.now(), Relaxed);
        self.state.store(state as u8, Relaxed);
    }

    /// A request's head has come.
    pub fn work(&self) {
        self.set(State::Work);
    }

    /// Its body is waited for.
    pub fn body(&self) {
        self.set(State::Body);
    }

    /// The answer is given.
    pub fn idle(&self) {
        self.answered.store(true, Relaxed);
        self.set(State::Idle);
    }

    /// The client takes what is sent, or not.
    pub fn sends(&self, moving: bool) {
        if moving {
            self.stalled.store(0, Relaxed);
        } else if self.stalled.load(Relaxed) == 0 {
            self.stalled.store(self.now() + 1, Relaxed);
        }
    }

    /// Since when it waits for its client; `None`: it waits for us.
    fn waiting_since(&self) -> Option<u64> {
        let stalled = self.stalled.load(Relaxed);
        if stalled > 0 {
            return Some(stalled - 1);
        }
        let works = self.state.load(Relaxed) == State::Work as u8;
        (!works).then(|| self.since.load(Relaxed))
    }

    /// Does it wait for its client?
    pub fn waits(&self) -> bool {
        self.waiting_since().is_some()
    }

    /// Who has the smallest goes first.
    fn rank(&self) -> Option<(bool, u64, u64)> {
        let since = self.waiting_since()?;
        // One that has just come is somebody who is about to ask, not one that never does.
        let new = millis(self.start).saturating_sub(since) < NEW_FOR_MS;
        Some((new || self.answered.load(Relaxed), since, self.number))
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Pool {
    table: Mutex<Table>,
    most: usize,
    most_per_address: usize,
    proxies: Proxies,
    start: Instant,
}

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<u64, Arc<Slot>>,
    by_address: HashMap<IpAddr, usize>,
    next: u64,
}

/// A place in the table; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pool: Arc<Pool>,
    pub slot: Arc<Slot>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pool.lock().remove(self.slot.number);
    }
}

/// What became of a new connection and of others because of it.
#[derive(Debug)]
pub(crate) struct Entered {
    /// `None`: its address has too many, and all are at work.
    pub seat: Option<Seat>,
    /// Others that had to go.
    pub closed: usize,
}

impl Pool {
    pub fn new(most: usize, most_per_address: usize, proxies: Proxies) -> Arc<Self> {
        let start = Instant::now();
        Arc::new(Self { table: Mutex::default(), most, most_per_address, proxies, start })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that is counted; `None`: this one may have as many as there are.
    fn counted(&self, from: IpAddr) -> Option<IpAddr> {
        let from = from.to_canonical();
        let counted = match from {
            IpAddr::V4(_) => from,
            // One household or one attacker has a whole /64.
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        };
        (!from.is_loopback() && !self.proxies.trusts(from)).then_some(counted)
    }

    /// A place for a new connection.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> Entered {
        let address = self.counted(from);
        let mut table = self.lock();
        let mut closed = 0;
        if let Some(own) = address
            && table.by_address.get(&own).is_some_and(|n| *n >= self.most_per_address)
        {
            closed = table.close(1, |slot| slot.address == Some(own));
            if closed == 0 {
                return Entered { seat: None, closed };
            }
        }
        let slot = Arc::new(Slot {
            number: table.next,
            address,
            start: self.start,
            state: AtomicU8::new(State::Idle as u8),
            since: AtomicU64::new(millis(self.start)),
            stalled: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            end: CancellationToken::new(),
        });
        table.insert(Arc::clone(&slot));
        // Small tables have no part that could be kept free.
        let crowded = self.most - self.most / BATCH;
        if table.slots.len() > crowded && crowded < self.most {
            closed += table.close(self.most / BATCH, |other| other.number != slot.number);
        }
        drop(table);
        Entered { seat: Some(Seat { pool: Arc::clone(self), slot }), closed }
    }

    /// Makes room because something else ran out, such as file descriptors.
    pub fn make_room(&self) -> usize {
        let mut table = self.lock();
        let some = (table.slots.len() / BATCH).max(1);
        table.close(some, |_| true)
    }

    /// Ends connections whose client takes nothing of its answer. Returns how many.
    pub fn sweep(&self) -> usize {
        let before = millis(self.start).saturating_sub(millis_of(WRITE_STALL));
        let mut table = self.lock();
        let stalled = |slot: &Slot| (1..=before).contains(&slot.stalled.load(Relaxed));
        table.close(usize::MAX, stalled)
    }

    /// Open connections.
    #[cfg(test)]
    fn open(&self) -> usize {
        self.lock().slots.len()
    }
}

fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Table {
    fn insert(&mut self, slot: Arc<Slot>) {
        if let Some(address) = slot.address {
            *self.by_address.entry(address).or_default() += 1;
        }
        self.next += 1;
        self.slots.insert(slot.number, slot);
    }

    fn remove(&mut self, number: u64) {
        let Some(slot) = self.slots.remove(&number) else { return };
        let Some(address) = slot.address else { return };
        if let Some(n) = self.by_address.get_mut(&address) {
            *n -= 1;
            if *n == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Ends up to `most` of those that wait for their client, the longest waiting first.
    fn close(&mut self, most: usize, of: impl Fn(&Slot) -> bool) -> usize {
        let ranked = self.slots.values().filter(|s| of(s));
        let mut ranked: Vec<_> = ranked.filter_map(|s| s.rank()).collect();
        if most < ranked.len() {
            ranked.select_nth_unstable(most);
            ranked.truncate(most);
        }
        for (_, _, number) in &ranked {
            if let Some(slot) = self.slots.get(number) {
                slot.end.cancel();
            }
            self.remove(*number);
        }
        ranked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn pool(most: usize, per_address: usize) -> Arc<Pool> {
        let proxies = vec!["10.9.0.0/16".parse().expect("a network")];
        Pool::new(most, per_address, Proxies::new(proxies, false))
    }

    fn enter(pool: &Arc<Pool>, from: &str) -> Seat {
        pool.enter(ip(from)).seat.expect("a place")
    }

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    fn ended(seats: &[Seat]) -> Vec<usize> {
        (0..seats.len()).filter(|i| seats[*i].slot.end.is_cancelled()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_nearly_full_table_drops_those_that_wait_longest_for_their_client() {
        let pool = pool(64, 8);
        let mut seats = Vec::new();
        for _ in 0..60 {
            seats.push(enter(&pool, "127.0.0.1"));
            pass(1).await;
        }
        assert!(ended(&seats).is_empty(), "15 of 16 are nobody's trouble");
        // Nobody else had an answer; 0 is at work, 1 waits since now.
        seats[0].slot.work();
        seats[1].slot.body();
        let late = pool.enter(ip("127.0.0.1"));
        assert_eq!((late.closed, ended(&seats)), (4, vec![2, 3, 4, 5]));
        assert!(!late.seat.expect("a place").slot.end.is_cancelled());
        // Given back when they are gone, and not twice.
        assert_eq!(pool.open(), 56);
        drop(seats);
        assert_eq!(pool.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_answered_goes_after_who_was_not() {
        let pool = pool(64, 8);
        let mut seats = Vec::new();
        for i in 0..60 {
            let seat = enter(&pool, "127.0.0.1");
            if i < 58 {
                seat.slot.work();
                seat.slot.idle();
            }
            seats.push(seat);
            pass(1).await;
        }
        tokio::time::advance(Duration::from_millis(NEW_FOR_MS)).await;
        let _late = enter(&pool, "127.0.0.1");
        assert_eq!(ended(&seats), [0, 1, 58, 59]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_come_goes_after_who_waits_longer_though_nobody_answered_it_yet() {
        let pool = pool(64, 8);
        let mut seats = Vec::new();
        for i in 0..60 {
            let seat = enter(&pool, "127.0.0.1");
            if i < 59 {
                seat.slot.work();
                seat.slot.idle();
            }
            seats.push(seat);
            pass(1).await;
        }
        let _late = enter(&pool, "127.0.0.1");
        assert_eq!(ended(&seats), [0, 1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_of_busy_connections_stays() {
        let pool = pool(64, 8);
        let seats: Vec<Seat> = (0..64).map(|_| enter(&pool, "127.0.0.1")).collect();
        let open: Vec<&Seat> = seats.iter().filter(|s| !s.slot.end.is_cancelled()).collect();
        open.iter().for_each(|s| s.slot.work());
        let before = ended(&seats).len();
        let closed: usize = (0..10).map(|_| pool.enter(ip("127.0.0.1")).closed).sum();
        assert_eq!((closed, ended(&seats).len()), (0, before));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_pays_for_itself() {
        let pool = pool(64, 4);
        let mut crowd: Vec<Seat> = Vec::new();
        for _ in 0..4 {
            crowd.push(enter(&pool, "192.0.2.1"));
            pass(1).await;
        }
        let other = enter(&pool, "192.0.2.2");
        let fifth = pool.enter(ip("192.0.2.1"));
        assert_eq!((fifth.closed, ended(&crowd)), (1, vec![0]));
        assert!(!other.slot.end.is_cancelled());
        crowd[1..].iter().for_each(|s| s.slot.work());
        let fifth = fifth.seat.expect("a place");
        fifth.slot.work();
        assert!(pool.enter(ip("192.0.2.1")).seat.is_none(), "all at work");
        drop(fifth);
        assert!(pool.enter(ip("192.0.2.1")).seat.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_one_household_is_one_address_and_proxies_are_none() {
        let pool = pool(4_096, 2);
        let seats = ["2001:db8::1", "2001:db8::2:3"].map(|from| enter(&pool, from));
        seats.iter().for_each(|s| s.slot.work());
        assert!(pool.enter(ip("2001:db8::ffff")).seat.is_none());
        assert!(pool.enter(ip("2001:db8:0:1::1")).seat.is_some());
        for free in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.9.3.2", "::ffff:10.9.3.2"] {
            let many: Vec<Seat> = (0..20).map(|_| enter(&pool, free)).collect();
            many.iter().for_each(|s| s.slot.work());
            assert!(ended(&many).is_empty(), "{free}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_is_ended() {
        let pool = pool(64, 8);
        let [deaf, slow] = [(); 2].map(|()| enter(&pool, "192.0.2.1"));
        for seat in [&deaf, &slow] {
            seat.slot.work();
            seat.slot.sends(false);
        }
        pass(15_000).await;
        // Some of it was taken, then no more for a while.
        slow.slot.sends(true);
        slow.slot.sends(false);
        assert_eq!(pool.sweep(), 0);
        pass(6_000).await;
        assert_eq!(pool.sweep(), 1);
        assert!(deaf.slot.end.is_cancelled() && !slow.slot.end.is_cancelled());
        pass(15_000).await;
        assert_eq!(pool.sweep(), 1);
    }
}
