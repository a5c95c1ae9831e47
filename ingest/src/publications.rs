//! What the IOC itself publishes: a bounded store of retained values and the live fan-out to the
//! gateway's subscribers.
//!
//! Data flow: `publish` → retained store, and the [`Mailbox`] of every session whose filter
//! matches → the session's connection writes it out. How it fails: a full retained store keeps
//! the old topics and refuses the new one; a full mailbox drops its oldest entry; both count.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use ahash::AHashMap;
use bytes::Bytes;
use futures::task::AtomicWaker;

/// Limits of [`Publications`].
#[derive(Clone, Debug)]
pub struct PublicationsConfig {
    /// Retained topics. Full: the new topic is still delivered live but not kept; counted.
    pub max_retained: usize,
    /// Sum of retained topics and payloads, bytes. Full: as above.
    pub max_retained_bytes: usize,
    /// Messages waiting for one subscriber. Full: its oldest is dropped and counted; what is
    /// retained can be had again by a new SUBSCRIBE.
    pub mailbox: usize,
}

impl Default for PublicationsConfig {
    fn default() -> Self {
        Self { max_retained: 20_000, max_retained_bytes: 32 << 20, mailbox: 1024 }
    }
}

/// Counters of [`Publications`].
#[derive(Debug, Default)]
pub struct PublicationMetrics {
    /// Calls of `publish` with a good topic.
    pub published: AtomicU64,
    /// Calls of `publish` with a topic that cannot be published.
    pub bad_topic: AtomicU64,
    /// Retained values not kept because the store was full.
    pub retained_refused: AtomicU64,
    /// Messages dropped from full mailboxes.
    pub dropped: AtomicU64,
}

/// One message of the IOC.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
}

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) publication: Arc<Publication>,
    /// 0 or 1: what the subscription was granted.
    pub(crate) qos: u8,
    /// Retain flag on the wire: set for values from the store, or as published if asked for.
    pub(crate) retain: bool,
}

/// Options of one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) qos: u8,
    pub(crate) retain_as_published: bool,
}

/// The bounded queue of one session; it outlives the session's connections.
#[derive(Debug)]
pub(crate) struct Mailbox {
    queue: Mutex<VecDeque<Delivery>>,
    waker: AtomicWaker,
    /// While offline, QoS 0 is not queued.
    online: AtomicBool,
}

impl Mailbox {
    pub(crate) fn set_online(&self, online: bool) {
        self.online.store(online, Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<Delivery> {
        lock(&self.queue).pop_front()
    }

    /// Ready when a message waits; else the task is woken by the next one.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if lock(&self.queue).is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns how many messages were dropped to make room.
    fn push(&self, delivery: Delivery, capacity: usize) -> u64 {
        if delivery.qos == 0 && !self.online.load(Relaxed) {
            return 0;
        }
        let mut queue = lock(&self.queue);
        let mut dropped = 0;
        while queue.len() >= capacity.max(1) {
            queue.pop_front();
            dropped += 1;
        }
        queue.push_back(delivery);
        drop(queue);
        self.waker.wake();
        dropped
    }
}

#[derive(Debug)]
struct Subscriber {
    mailbox: Arc<Mailbox>,
    grant: Grant,
}

#[derive(Debug, Default)]
struct Inner {
    retained: BTreeMap<Arc<str>, Arc<Publication>>,
    retained_bytes: usize,
    /// Subscriptions without wildcards, by topic: `ioc/v1/devices/{id}/commands` of each device.
    exact: AHashMap<Arc<str>, Vec<Subscriber>>,
    /// Subscriptions with wildcards: operators' tools, few.
    wild: Vec<(Arc<str>, Subscriber)>,
}

/// The IOC's own topics: retained store and fan-out. Shared by the gateway and the application.
#[derive(Debug, Default)]
pub struct Publications {
    config: PublicationsConfig,
    metrics: PublicationMetrics,
    inner: Mutex<Inner>,
}

impl Publications {
    /// An empty store.
    pub fn new(config: PublicationsConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Counters.
    pub fn metrics(&self) -> &PublicationMetrics {
        &self.metrics
    }

    /// Topics with a retained value now.
    pub fn retained_len(&self) -> usize {
        lock(&self.inner).retained.len()
    }

    /// Publishes to every matching subscriber and, with `retain`, keeps the value for later ones;
    /// an empty retained payload clears the topic. Returns how many subscribers it was queued
    /// for. A topic that is empty, too long or holds wildcards or NUL is counted and goes nowhere.
    /// Never blocks on a subscriber.
    pub fn publish(&self, topic: &str, payload: Bytes, retain: bool) -> usize {
        if topic.is_empty() || topic.len() > 1024 || topic.contains(['+', '#', '\0']) {
            self.metrics.bad_topic.fetch_add(1, Relaxed);
            tracing::warn!(topic, "publication has no valid topic");
            return 0;
        }
        self.metrics.published.fetch_add(1, Relaxed);
        let publication = Arc::new(Publication { topic: topic.into(), payload });
        let mut inner = lock(&self.inner);
        if retain {
            self.keep(&mut inner, &publication);
        }
        let mut hits: Vec<(&Arc<Mailbox>, Grant)> = Vec::new();
        let exact = inner.exact.get(topic).into_iter().flatten();
        let wild = inner.wild.iter().filter(|(f, _)| filter_matches(f, topic)).map(|(_, s)| s);
        for subscriber in exact.chain(wild) {
            // Overlapping subscriptions of one session deliver once, at the higher QoS.
            match hits.iter_mut().find(|(m, _)| Arc::ptr_eq(m, &subscriber.mailbox)) {
                Some((_, grant)) => {
                    grant.qos = grant.qos.max(subscriber.grant.qos);
                    grant.retain_as_published |= subscriber.grant.retain_as_published;
                }
                None => hits.push((&subscriber.mailbox, subscriber.grant)),
            }
        }
        let mut dropped = 0;
        for (mailbox, grant) in &hits {
            let delivery = Delivery {
                publication: Arc::clone(&publication),
                qos: grant.qos,
                retain: retain && grant.retain_as_published,
            };
            dropped += mailbox.push(delivery, self.config.mailbox);
        }
        if dropped > 0 {
            self.metrics.dropped.fetch_add(dropped, Relaxed);
        }
        hits.len()
    }

    fn keep(&self, inner: &mut Inner, publication: &Arc<Publication>) {
        let size = |p: &Publication| p.topic.len() + p.payload.len();
        let old = inner.retained.get(&publication.topic).map_or(0, |p| size(p));
        if publication.payload.is_empty() {
            inner.retained.remove(&publication.topic);
            inner.retained_bytes -= old;
            return;
        }
        let bytes = inner.retained_bytes - old + size(publication);
        let is_new = old == 0;
        if bytes > self.config.max_retained_bytes
            || (is_new && inner.retained.len() >= self.config.max_retained)
        {
            // A stale value must not stay as if it were the newest one.
            inner.retained.remove(&publication.topic);
            inner.retained_bytes -= old;
            self.metrics.retained_refused.fetch_add(1, Relaxed);
            tracing::warn!(topic = &*publication.topic, "retained store is full");
            return;
        }
        inner.retained_bytes = bytes;
        inner.retained.insert(Arc::clone(&publication.topic), Arc::clone(publication));
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        Arc::new(Mailbox {
            queue: Mutex::default(),
            waker: AtomicWaker::new(),
            online: AtomicBool::new(true),
        })
    }

    /// Adds or replaces the subscription of `mailbox` to `filter`; `true` if it is new.
    pub(crate) fn subscribe(&self, mailbox: &Arc<Mailbox>, filter: &str, grant: Grant) -> bool {
        let mut inner = lock(&self.inner);
        let is_new = !remove(&mut inner, mailbox, filter);
        let subscriber = Subscriber { mailbox: Arc::clone(mailbox), grant };
        if filter.contains(['+', '#']) {
            inner.wild.push((filter.into(), subscriber));
        } else {
            inner.exact.entry(filter.into()).or_default().push(subscriber);
        }
        is_new
    }

    /// Ends the subscription; `false` if there was none.
    pub(crate) fn unsubscribe(&self, mailbox: &Arc<Mailbox>, filter: &str) -> bool {
        remove(&mut lock(&self.inner), mailbox, filter)
    }

    /// Retained values that match, in topic order.
    pub(crate) fn retained(&self, filter: &str) -> Vec<Arc<Publication>> {
        let inner = lock(&self.inner);
        if !filter.contains(['+', '#']) {
            return inner.retained.get(filter).cloned().into_iter().collect();
        }
        inner.retained.values().filter(|p| filter_matches(filter, &p.topic)).cloned().collect()
    }
}

fn remove(inner: &mut Inner, mailbox: &Arc<Mailbox>, filter: &str) -> bool {
    if filter.contains(['+', '#']) {
        let before = inner.wild.len();
        inner.wild.retain(|(f, s)| !(&**f == filter && Arc::ptr_eq(&s.mailbox, mailbox)));
        return inner.wild.len() < before;
    }
    let Some(subscribers) = inner.exact.get_mut(filter) else { return false };
    let before = subscribers.len();
    subscribers.retain(|s| !Arc::ptr_eq(&s.mailbox, mailbox));
    let removed = subscribers.len() < before;
    if subscribers.is_empty() {
        inner.exact.remove(filter);
    }
    removed
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not poison the door for everyone (guarantees.md F4).
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Whether a valid topic filter matches a topic (MQTT 5, 4.7).
pub(crate) fn filter_matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for want in filter.split('/') {
        match want {
            "#" => return true,
            "+" => {
                if levels.next().is_none() {
                    return false;
                }
            }
            _ => {
                if levels.next() != Some(want) {
                    return false;
                }
            }
        }
    }
    levels.next().is_none()
}

/// Whether a text is a valid topic filter: not empty, `#` only as the last level, `+` and `#`
/// alone in their level, no NUL.
pub(crate) fn is_valid_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        let ok = match level {
            "#" => last,
            "+" => true,
            _ => !level.contains(['+', '#']),
        };
        if !ok {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(qos: u8) -> Grant {
        Grant { qos, retain_as_published: false }
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        let cases = [
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("a/+", "a", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b/d", false),
            ("a/+", "a/b/c", false),
            ("a/b", "a/b", true),
            ("a/b", "a/b/", false),
            ("+/+", "/x", true),
            ("#", "anything/at/all", true),
        ];
        for (filter, topic, expect) in cases {
            assert_eq!(filter_matches(filter, topic), expect, "{filter} {topic}");
        }
        for bad in ["", "a/#/b", "a#", "a/b+", "a/\0"] {
            assert!(!is_valid_filter(bad), "{bad:?}");
        }
    }

    #[test]
    fn empty_payload_clears_a_retained_value() {
        let p = Publications::default();
        p.publish("ioc/v1/alerts/a", Bytes::from_static(b"1"), true);
        p.publish("ioc/v1/alerts/b", Bytes::from_static(b"2"), true);
        assert_eq!(p.retained("ioc/v1/alerts/#").len(), 2);
        p.publish("ioc/v1/alerts/a", Bytes::new(), true);
        assert_eq!(p.retained("ioc/v1/alerts/a").len(), 0);
        assert_eq!(lock(&p.inner).retained_bytes, "ioc/v1/alerts/b2".len());
    }

    #[test]
    fn full_store_refuses_new_topics_and_counts() {
        let p = Publications::new(PublicationsConfig { max_retained: 1, ..Default::default() });
        p.publish("a", Bytes::from_static(b"1"), true);
        p.publish("b", Bytes::from_static(b"2"), true);
        p.publish("a", Bytes::from_static(b"3"), true);
        assert_eq!(p.retained_len(), 1);
        assert_eq!(&p.retained("a")[0].payload[..], b"3");
        assert_eq!(p.metrics().retained_refused.load(Relaxed), 1);
    }

    #[test]
    fn full_mailbox_drops_its_oldest_and_counts() {
        let p = Publications::new(PublicationsConfig { mailbox: 2, ..Default::default() });
        let m = p.mailbox();
        p.subscribe(&m, "a/#", grant(1));
        for i in 0..5u8 {
            p.publish("a/b", Bytes::copy_from_slice(&[i]), false);
        }
        let left: Vec<u8> =
            std::iter::from_fn(|| m.pop()).map(|d| d.publication.payload[0]).collect();
        assert_eq!(left, [3, 4]);
        assert_eq!(p.metrics().dropped.load(Relaxed), 3);
    }

    #[test]
    fn overlapping_subscriptions_deliver_once_at_the_higher_qos() {
        let p = Publications::default();
        let m = p.mailbox();
        p.subscribe(&m, "a/#", grant(0));
        p.subscribe(&m, "a/b", grant(1));
        assert_eq!(p.publish("a/b", Bytes::from_static(b"x"), false), 1);
        assert_eq!(m.pop().map(|d| d.qos), Some(1));
        assert!(m.pop().is_none());
        assert!(p.unsubscribe(&m, "a/#") && p.unsubscribe(&m, "a/b"));
        assert_eq!(p.publish("a/b", Bytes::from_static(b"x"), false), 0);
    }

    #[test]
    fn offline_session_keeps_qos_1_only() {
        let p = Publications::default();
        let m = p.mailbox();
        p.subscribe(&m, "q0", grant(0));
        p.subscribe(&m, "q1", grant(1));
        m.set_online(false);
        p.publish("q0", Bytes::from_static(b"x"), false);
        p.publish("q1", Bytes::from_static(b"x"), false);
        assert_eq!(m.pop().map(|d| d.publication.topic.to_string()), Some("q1".into()));
        assert!(m.pop().is_none());
    }
}
