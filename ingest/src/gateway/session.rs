//! Sessions by client id: take-over, expiry, delayed wills.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use ahash::{AHashMap, AHashSet};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::identity::Badge;
use super::limits::Takeovers;
use super::metrics::GatewayMetrics;
use crate::publications::{Delivery, Mailbox, Publications};
use crate::{Client, Standing};

/// A message to publish when the client is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) delay: Duration,
    /// Who left it.
    pub(super) client: Client,
}

/// What outlives a connection. Kept in memory: after a restart the client is told "session
/// present" 0 and sends again; the intake finds the duplicates.
pub(super) struct Session {
    /// QoS 2 publishes handed to the intake whose PUBREL has not come. Bounded by the receive
    /// maximum (`control::MAX_QOS2_V4` for MQTT 3.1.1).
    pub(super) qos2: AHashSet<u16>,
    pub(super) filters: Vec<String>,
    /// Made at the first subscription.
    pub(super) mailbox: Option<Arc<Mailbox>>,
    /// Retained values still to be sent. Bounded by the retained store.
    pub(super) backlog: VecDeque<Delivery>,
    /// QoS 1 publications sent and not acknowledged. Bounded by `max_outgoing`.
    pub(super) unacked: VecDeque<(u16, Delivery)>,
    /// What was in `unacked` when an earlier connection ended and has not been sent again yet.
    pub(super) again: VecDeque<(u16, Delivery)>,
    pub(super) last_packet_id: u16,
    publications: Arc<Publications>,
}

impl Session {
    pub(super) fn new(publications: &Arc<Publications>) -> Self {
        Self {
            qos2: AHashSet::new(),
            filters: Vec::new(),
            mailbox: None,
            backlog: VecDeque::new(),
            unacked: VecDeque::new(),
            again: VecDeque::new(),
            last_packet_id: 0,
            publications: Arc::clone(publications),
        }
    }

    fn set_online(&self, online: bool) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.set_online(online);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mailbox) = &self.mailbox {
            for filter in &self.filters {
                self.publications.unsubscribe(mailbox, filter);
            }
        }
    }
}

/// Ends a connection from outside of it.
#[derive(Clone, Debug)]
pub(super) struct Kick {
    pub(super) token: CancellationToken,
    evicted: Arc<AtomicBool>,
}

impl Kick {
    pub(super) fn new(token: CancellationToken) -> Self {
        Self { token, evicted: Arc::default() }
    }

    /// Because the client is no longer welcome.
    pub(super) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.token.cancel();
    }

    pub(super) fn is_eviction(&self) -> bool {
        self.evicted.load(Relaxed)
    }
}

/// Why a newer connection does not get its client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The id belongs to a device that proved who it is; the newcomer did not.
    ByDevice,
    /// Two clients push each other out again and again.
    TooOften,
}

/// Where a session is.
enum Slot {
    Online {
        lease: u64,
        kick: Kick,
        badge: Badge,
        takeovers: Takeovers,
        /// Earlier connections of this id that have not ended yet, with who waits for each.
        heirs: Vec<(u64, oneshot::Sender<Session>)>,
    },
    Offline(Box<Away>),
}

/// The session of a client that is away.
struct Away {
    badge: Badge,
    session: Option<Session>,
    expires: Instant,
    will: Option<(Instant, Will)>,
}

/// All sessions of the gateway. The lock is taken at CONNECT and at the end of a connection.
pub(super) struct Sessions {
    inner: Mutex<Inner>,
    publications: Arc<Publications>,
    metrics: Arc<GatewayMetrics>,
    max_offline: usize,
    takeovers_per_min: u32,
}

#[derive(Default)]
struct Inner {
    slots: AHashMap<Arc<str>, Slot>,
    next_lease: u64,
    offline: usize,
}

/// What a CONNECT finds.
pub(super) struct Attached {
    pub(super) lease: Lease,
    /// The session of a client that was away.
    pub(super) resumed: Option<Session>,
    /// The session of a connection that is being closed will come here.
    pub(super) inherits: Option<oneshot::Receiver<Session>>,
    /// A delayed will that is due now because its session ended with this CONNECT.
    pub(super) due_will: Option<Will>,
}

/// The right of one connection to its client id; given back when dropped, also by a panic.
pub(super) struct Lease {
    sessions: Arc<Sessions>,
    client_id: Arc<str>,
    number: u64,
    returned: bool,
}

impl Sessions {
    pub(super) fn new(
        publications: Arc<Publications>,
        metrics: Arc<GatewayMetrics>,
        (max_offline, takeovers_per_min): (usize, u32),
    ) -> Self {
        Self { inner: Mutex::default(), publications, metrics, max_offline, takeovers_per_min }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn fresh(&self) -> Session {
        Session::new(&self.publications)
    }

    /// Who is connected now.
    pub(super) fn online(&self) -> Vec<(Badge, Kick)> {
        let inner = self.lock();
        let online = inner.slots.values().filter_map(|slot| match slot {
            Slot::Online { badge, kick, .. } => Some((badge.clone(), kick.clone())),
            Slot::Offline(_) => None,
        });
        online.collect()
    }

    /// Makes the connection with `kick` the one of the badge's client id; an older connection is
    /// kicked. With `clean`, an old session ends here; so does that of a client of another
    /// standing.
    ///
    /// # Errors
    /// Why it does not get the id.
    pub(super) fn attach(
        self: &Arc<Self>,
        badge: &Badge,
        clean: bool,
        kick: &Kick,
    ) -> Result<Attached, Taken> {
        let client_id = &badge.client.id;
        let now = Instant::now();
        let mut inner = self.lock();
        let mut takeovers = Takeovers::new(self.takeovers_per_min, now);
        let owner = match inner.slots.get_mut(client_id) {
            None => None,
            Some(Slot::Offline(away)) => (away.expires > now).then_some(away.badge.client.standing),
            Some(Slot::Online { badge: old, takeovers: seen, .. }) => {
                let standing = old.client.standing;
                // The device itself pushes out who borrowed its name, at once.
                let same = standing == badge.client.standing;
                if same && !seen.may(self.takeovers_per_min, now) {
                    return Err(Taken::TooOften);
                }
                takeovers = *seen;
                Some(standing)
            }
        };
        let standing = badge.client.standing;
        if owner == Some(Standing::Device) && standing != Standing::Device {
            return Err(Taken::ByDevice);
        }
        let clean = clean || owner.is_some_and(|old| old != standing);
        let number = inner.next_lease;
        inner.next_lease += 1;
        let mut attached = Attached {
            lease: Lease {
                sessions: Arc::clone(self),
                client_id: Arc::clone(client_id),
                number,
                returned: false,
            },
            resumed: None,
            inherits: None,
            due_will: None,
        };
        let mut heirs = Vec::new();
        match inner.slots.remove(client_id) {
            None => {}
            Some(Slot::Offline(away)) => {
                inner.offline -= 1;
                let alive = !clean && away.expires > now;
                attached.resumed = away.session.filter(|_| alive);
                // A client that comes back in time takes its will back (MQTT 5, 3.1.3.2.2).
                let ended = attached.resumed.is_none();
                attached.due_will = away.will.filter(|_| ended).map(|(_, will)| will);
            }
            Some(Slot::Online { lease, kick: old, heirs: waiting, .. }) => {
                let (tell, told) = oneshot::channel();
                heirs = waiting;
                heirs.push((lease, tell));
                attached.inherits = Some(told).filter(|_| !clean);
                self.metrics.takeovers.fetch_add(1, Relaxed);
                old.token.cancel();
            }
        }
        let (badge, kick) = (badge.clone(), kick.clone());
        let slot = Slot::Online { lease: number, kick, badge, takeovers, heirs };
        inner.slots.insert(Arc::clone(client_id), slot);
        drop(inner);
        if let Some(session) = &attached.resumed {
            session.set_online(true);
        }
        Ok(attached)
    }

    /// Ends expired sessions and returns the wills that are due.
    pub(super) fn sweep(&self, now: Instant) -> Vec<Will> {
        let mut due = Vec::new();
        let mut ended = Vec::new();
        let mut inner = self.lock();
        if inner.offline == 0 {
            return due;
        }
        inner.slots.retain(|_, slot| {
            let Slot::Offline(away) = slot else { return true };
            let is_over = away.expires <= now;
            if is_over {
                ended.push(away.session.take());
            }
            let is_due = away.will.as_ref().is_some_and(|(at, _)| *at <= now || is_over);
            if is_due && let Some((_, will)) = away.will.take() {
                due.push(will);
            }
            !is_over
        });
        inner.offline -= ended.len();
        drop(inner);
        due
    }

    fn detach(&self, id: &Arc<str>, number: u64, parting: Option<Parting>) -> Option<Will> {
        let mut inner = self.lock();
        let Some(Slot::Online { lease, heirs, .. }) = inner.slots.get_mut(id) else {
            return parting.and_then(|p| p.will);
        };
        if *lease != number {
            // Taken over: the newer connection waits for the session.
            let heir = heirs.iter().position(|(old, _)| *old == number).map(|i| heirs.remove(i).1);
            drop(inner);
            let parting = parting?;
            // Nobody waits for the session of a client that starts anew: it ends here.
            let ends = parting.expiry.is_zero() || heir.as_ref().is_none_or(|h| h.is_closed());
            if let Some(heir) = heir.filter(|_| !ends) {
                // An heir that is gone needs nothing.
                drop(heir.send(parting.session));
            }
            return parting.will.filter(|w| w.delay.is_zero() || ends);
        }
        let removed = inner.slots.remove(id);
        let (parting, Some(Slot::Online { badge, .. })) = (parting?, removed) else { return None };
        if parting.expiry.is_zero() {
            return parting.will;
        }
        if inner.offline >= self.max_offline {
            self.metrics.sessions_dropped.fetch_add(1, Relaxed);
            return parting.will;
        }
        parting.session.set_online(false);
        let now = Instant::now();
        let (now_will, later) = match parting.will {
            Some(will) if !will.delay.is_zero() => (None, Some((now + will.delay, will))),
            other => (other, None),
        };
        inner.offline += 1;
        let (session, expires) = (Some(parting.session), now + parting.expiry);
        let away = Away { badge, session, expires, will: later };
        inner.slots.insert(Arc::clone(id), Slot::Offline(Box::new(away)));
        now_will
    }
}

/// What a connection leaves behind.
pub(super) struct Parting {
    pub(super) session: Session,
    /// How long the session is kept; zero: not at all.
    pub(super) expiry: Duration,
    /// The will, if the end calls for it.
    pub(super) will: Option<Will>,
}

impl Lease {
    /// Gives the id back. Returns the will if it is to be published now.
    pub(super) fn detach(mut self, parting: Parting) -> Option<Will> {
        self.returned = true;
        self.sessions.detach(&self.client_id, self.number, Some(parting))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.returned {
            self.sessions.detach(&self.client_id, self.number, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Proof;
    use super::*;

    fn sessions(max_offline: usize) -> Arc<Sessions> {
        Arc::new(Sessions::new(Arc::default(), Arc::default(), (max_offline, 6)))
    }

    fn kick() -> Kick {
        Kick::new(CancellationToken::new())
    }

    fn badge(client: Client) -> Badge {
        Badge { client, proof: Proof::Certificate }
    }

    /// A device connects.
    fn attach(all: &Arc<Sessions>, id: &str, clean: bool, kick: &Kick) -> Attached {
        all.attach(&badge(Client::device(id)), clean, kick).expect("not taken")
    }

    fn leave(attached: Attached, mut session: Session, id: u16, expiry_s: u64) -> Option<Will> {
        session.qos2.insert(id);
        let (topic, delay) = ("w".into(), Duration::from_secs(5));
        let will = Will { topic, payload: vec![], delay, client: Client::device("d1") };
        attached.lease.detach(Parting {
            session,
            expiry: Duration::from_secs(expiry_s),
            will: Some(will),
        })
    }

    #[tokio::test]
    async fn session_outlives_its_connection_until_it_expires() {
        let all = sessions(10);
        let id = "d1";
        let kick = kick();
        let first = attach(&all, id, false, &kick);
        assert!(first.resumed.is_none());
        assert!(leave(first, all.fresh(), 7, 10).is_none(), "will waits for its delay");
        let second = attach(&all, id, false, &kick);
        let session = second.resumed.as_ref().map(|s| s.qos2.contains(&7));
        assert_eq!(session, Some(true));
        assert!(second.due_will.is_none(), "a client that is back takes its will back");
        leave(second, all.fresh(), 7, 10);
        let left = Instant::now();
        assert!(all.sweep(left + Duration::from_secs(4)).is_empty(), "will before its delay");
        assert_eq!(all.sweep(left + Duration::from_secs(6)).len(), 1, "will after its delay");
        assert!(all.sweep(left + Duration::from_secs(12)).is_empty());
        assert!(all.lock().slots.is_empty());
        assert!(attach(&all, id, false, &kick).resumed.is_none());
    }

    #[tokio::test]
    async fn clean_start_ends_the_old_session_and_its_will_is_due() {
        let all = sessions(10);
        let id = "d1";
        let kick = kick();
        let first = attach(&all, id, false, &kick);
        leave(first, all.fresh(), 7, 10);
        let second = attach(&all, id, true, &kick);
        assert!(second.resumed.is_none() && second.due_will.is_some());
    }

    #[tokio::test]
    async fn takeover_kicks_and_hands_the_session_on_through_a_chain() {
        let all = sessions(10);
        let id = "d1";
        let kicks = [kick(), kick(), kick()];
        let a = attach(&all, id, false, &kicks[0]);
        let mut b = attach(&all, id, false, &kicks[1]);
        let mut c = attach(&all, id, false, &kicks[2]);
        assert!(
            kicks[0].token.is_cancelled()
                && kicks[1].token.is_cancelled()
                && !kicks[2].token.is_cancelled()
        );
        leave(a, all.fresh(), 7, 10);
        let session = b.inherits.take().expect("waits").await.expect("handed on");
        assert!(session.qos2.contains(&7));
        leave(b, session, 8, 10);
        let session = c.inherits.take().expect("waits").await.expect("handed on");
        assert!(session.qos2.contains(&7) && session.qos2.contains(&8));
    }

    #[tokio::test]
    async fn lease_dropped_by_a_panic_frees_the_id() {
        let all = sessions(10);
        let id = "d1";
        let kick = kick();
        let a = attach(&all, id, false, &kick);
        let b = attach(&all, id, false, &kick);
        drop(a);
        assert!(b.inherits.expect("waits").await.is_err(), "told that nothing comes");
        drop(b.lease);
        assert!(all.lock().slots.is_empty());
    }

    #[tokio::test]
    async fn too_many_offline_sessions_are_not_kept_and_counted() {
        let all = sessions(1);
        let kick = kick();
        for name in ["a", "b"] {
            let attached = attach(&all, name, false, &kick);
            leave(attached, all.fresh(), 1, 10);
        }
        assert_eq!(all.lock().offline, 1);
        assert_eq!(all.metrics.sessions_dropped.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn nobody_takes_the_session_of_a_device_that_proved_who_it_is() {
        let all = sessions(10);
        let stranger = Badge { client: Client::trusted("d1"), proof: Proof::None };
        let (first, second) = (kick(), kick());
        let device = attach(&all, "d1", false, &first);
        assert_eq!(all.attach(&stranger, true, &second).err(), Some(Taken::ByDevice));
        assert!(!first.token.is_cancelled(), "it stays connected");
        leave(device, all.fresh(), 7, 10);
        let away = all.attach(&stranger, true, &second).err();
        assert_eq!(away, Some(Taken::ByDevice), "nor while it is away");
        assert!(attach(&all, "d1", false, &kick()).resumed.is_some(), "its session is whole");
    }

    #[tokio::test]
    async fn a_device_takes_its_name_back_without_the_session_of_who_borrowed_it() {
        let all = sessions(10);
        let stranger = Badge { client: Client::trusted("d1"), proof: Proof::None };
        let first = kick();
        let borrowed = all.attach(&stranger, false, &first).expect("free");
        let device = attach(&all, "d1", false, &kick());
        assert!(first.token.is_cancelled() && device.inherits.is_none());
        leave(borrowed, all.fresh(), 7, 10);
        leave(device, all.fresh(), 8, 0);
        let away = all.attach(&stranger, false, &kick()).expect("free");
        leave(away, all.fresh(), 7, 10);
        assert!(attach(&all, "d1", false, &kick()).resumed.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn two_devices_with_one_id_push_each_other_out_only_so_often() {
        let all = sessions(10);
        let badge = badge(Client::device("d1"));
        let mut kept = vec![attach(&all, "d1", true, &kick())];
        for _ in 0..6 {
            kept.push(attach(&all, "d1", true, &kick()));
        }
        assert_eq!(all.attach(&badge, true, &kick()).err(), Some(Taken::TooOften));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(all.attach(&badge, true, &kick()).err(), Some(Taken::TooOften));
        tokio::time::advance(Duration::from_secs(1)).await;
        kept.push(attach(&all, "d1", true, &kick()));
        assert_eq!(all.attach(&badge, true, &kick()).err(), Some(Taken::TooOften));
    }
}
