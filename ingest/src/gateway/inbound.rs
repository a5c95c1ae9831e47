//! From bytes to chunks: packets of one read become one submission.

use std::time::{SystemTime, UNIX_EPOCH};

use ahash::AHashMap;
use ioc_model::{QuarantineReason, Timestamp};

use super::connection::{Chunk, Connection};
use super::encode;
use super::end::{Broken, End, code};
use super::frame::{Frame, Publish, is_overlong, kind, next_frame, parse_publish};
use super::metrics::add;
use super::sink::MessageSink;
use crate::decode::Reply;
use crate::{Incoming, Outcome};

/// Most publishes of one submission, so that a flood does not hold a worker thread for long.
const MAX_CHUNK: usize = 512;

/// How one publish is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    packet_id: u16,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// QoS 0.
    Nothing,
    Puback,
    Pubrec,
    /// A repeat of a QoS 2 publish: answered after the first, not handed on.
    PubrecAgain,
}

/// Where the decoding of one read stopped.
enum Stop {
    /// No whole packet is left.
    Partial,
    /// The chunk is full.
    Full,
    End(End),
}

/// Wall time.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl<S: MessageSink> Connection<S> {
    /// Takes in every whole packet of `bytes`. Returns how many bytes are done with, and the end
    /// of the connection if one of the packets was it; publishes before it are still handed on.
    pub(super) async fn take_in(&mut self, bytes: &[u8]) -> (usize, Option<End>) {
        let received = now();
        let mut at = 0;
        loop {
            let mut batch = Vec::new();
            self.specs.clear();
            let (start, packets) = (at, self.packets);
            let stop = self.decode(bytes, &mut at, received, &mut batch);
            self.meter(self.packets.wrapping_sub(packets), at - start);
            if !self.specs.is_empty()
                && let Err(end) = self.submit(&batch).await
            {
                return (at, Some(end));
            }
            match stop {
                Stop::Partial => return (at, None),
                Stop::Full => {}
                Stop::End(end) => return (at, Some(end)),
            }
        }
    }

    fn decode<'a>(
        &mut self,
        bytes: &'a [u8],
        at: &mut usize,
        received: Timestamp,
        batch: &mut Vec<Incoming<'a>>,
    ) -> Stop {
        let max = self.shared.config.max_packet_bytes;
        while self.specs.len() < MAX_CHUNK {
            let rest = bytes.get(*at..).unwrap_or_default();
            let (first, body, total) = match next_frame(rest, max) {
                Ok(Frame::Whole { first, body, total }) => (first, body, total),
                Ok(Frame::Partial(_)) => return Stop::Partial,
                Err(broken) => return Stop::End(broken.into()),
            };
            *at += total;
            self.packets = self.packets.wrapping_add(1);
            let done = if self.v5 && is_overlong(body, total) {
                Err(Broken::malformed("remaining length").into())
            } else if first >> 4 == kind::PUBLISH {
                match parse_publish(first, body, self.v5) {
                    Ok(publish) => self.note(&publish, received, batch).map_err(End::from),
                    Err(broken) => Err(broken.into()),
                }
            } else {
                self.control(first, body)
            };
            if let Err(end) = done {
                return Stop::End(end);
            }
        }
        Stop::Full
    }

    /// Adds a publish to the chunk.
    fn note<'a>(
        &mut self,
        publish: &Publish<'a>,
        received: Timestamp,
        batch: &mut Vec<Incoming<'a>>,
    ) -> Result<(), Broken> {
        let mut answer = match publish.qos {
            0 => Answer::Nothing,
            1 => Answer::Puback,
            _ => Answer::Pubrec,
        };
        if publish.qos > 0 {
            self.check_quota(publish)?;
        }
        if publish.qos == 1 {
            self.qos1_waiting += 1;
            self.waiting += 1;
        } else if publish.qos == 2 && !self.session.qos2.insert(publish.packet_id) {
            answer = Answer::PubrecAgain;
            add(&self.shared.metrics.qos2_repeats, 1);
        } else if publish.qos == 2 {
            self.waiting += 1;
        }
        if answer != Answer::PubrecAgain {
            batch.push(Incoming {
                topic: publish.topic,
                payload: publish.payload,
                // The flag means "an old message" further on, which a device's own never is.
                retain: false,
                received,
            });
        }
        self.specs.push(Spec { packet_id: publish.packet_id, answer });
        Ok(())
    }

    /// The receive maximum told to MQTT 5 clients; a wide bound on open QoS 2 ids for MQTT 3.1.1,
    /// whose window is kept by not reading the socket.
    fn check_quota(&self, publish: &Publish<'_>) -> Result<(), Broken> {
        let open = self.session.qos2.len();
        let window = usize::from(self.shared.config.receive_maximum.max(1));
        let full = if self.v5 {
            self.qos1_waiting + open >= window
        } else {
            publish.qos == 2 && open >= window.saturating_mul(4)
        };
        if full && !(publish.qos == 2 && self.session.qos2.contains(&publish.packet_id)) {
            return Err(Broken { code: code::RECEIVE_MAXIMUM, what: "receive maximum" });
        }
        Ok(())
    }

    /// Hands the chunk on and prepares its acks, which wait for the commit.
    async fn submit(&mut self, batch: &[Incoming<'_>]) -> Result<(), End> {
        let (outcomes, durable) = if batch.is_empty() {
            (Vec::new(), futures::FutureExt::boxed(std::future::ready(Ok(()))))
        } else {
            let shared = std::sync::Arc::clone(&self.shared);
            // On the heap: it is large, and an idle connection would keep its room.
            match Box::pin(shared.sink.submit(&shared.source, &self.client, batch)).await {
                Ok(submitted) => (submitted.outcomes, submitted.durable),
                Err(error) => {
                    tracing::error!(%error, client = &*self.client.id, "intake failed");
                    return Err(End::Sink);
                }
            }
        };
        add(&self.shared.metrics.publishes, batch.len() as u64);
        add(&self.shared.metrics.chunks, 1);
        let specs = std::mem::take(&mut self.specs);
        let acks = Vec::with_capacity(specs.len() * 4);
        let mut chunk = Chunk { durable, acks, ack_count: 0, qos1: 0, qos2: Vec::new() };
        for (message, outcome) in batch.iter().zip(&outcomes) {
            self.tell_errors(message, outcome);
        }
        let mut outcomes = outcomes.iter();
        for spec in &specs {
            let outcome = match spec.answer {
                Answer::PubrecAgain => None,
                _ => outcomes.next(),
            };
            self.answer(*spec, outcome, &mut chunk);
        }
        self.specs = specs;
        if chunk.ack_count > 0 {
            self.chunks.push_back(chunk);
        }
        Ok(())
    }

    /// Tells the device on its own topic what was wrong with a message: also without MQTT 5 and
    /// at QoS 0. When a bridge spoke for another device, that one's topic is told too.
    fn tell_errors(&mut self, message: &Incoming<'_>, outcome: &Outcome) {
        let (severity, reason, detail, device, reply) = match outcome {
            Outcome::Quarantined { reason, detail, device, reply } => {
                ("error", *reason, detail, device.as_deref(), reply.as_deref())
            }
            Outcome::Partly { reason, detail, reply } => {
                ("warning", *reason, detail, None, reply.as_deref())
            }
            Outcome::Warned { reason, detail } => ("warning", *reason, detail, None, None),
            Outcome::Accepted | Outcome::Duplicate | Outcome::Shed => return,
        };
        if reason == QuarantineReason::NotAuthorised {
            add(&self.shared.metrics.not_authorised, 1);
        }
        if let Some(reply) = reply {
            self.reply(reply, message.received);
        }
        // Who may not speak for a device must not fill its topic either.
        let other = device.filter(|d| **d != *self.client.id).filter(|d| {
            let devices = self.shared.registry.now();
            reason != QuarantineReason::NotAuthorised
                && self.client.may_speak_for(&devices, d).is_ok()
        });
        for id in [Some(&*self.client.id), other].into_iter().flatten() {
            let topic = format!("ioc/v1/devices/{id}/errors");
            let Some(untold) = self.errors.may_tell(&topic, message.received) else { continue };
            let payload = serde_json::json!({
                "time": message.received.0,
                "severity": severity,
                "reason": reason.as_str(),
                "detail": detail,
                "topic": message.topic.chars().take(256).collect::<String>(),
                "untold": untold,
            });
            self.shared.publications.publish(&topic, payload.to_string().into(), false);
        }
    }

    /// Answers so that the sender can go on; at most once a second for each topic.
    fn reply(&mut self, reply: &Reply, now: Timestamp) {
        if self.errors.may_tell(&reply.topic, now).is_some() {
            let payload = reply.payload.clone().into();
            self.shared.publications.publish(&reply.topic, payload, false);
        }
    }

    /// Whether the client wants reasons in words, and has room for them.
    pub(super) fn may_tell_why(&self) -> bool {
        self.v5 && self.problem_info && self.max_packet >= encode::ROOM_FOR_WHY
    }

    fn answer(&mut self, spec: Spec, outcome: Option<&Outcome>, chunk: &mut Chunk) {
        let id = spec.packet_id;
        let (qos, refusal) = match spec.answer {
            Answer::Nothing => return,
            Answer::Puback => (1, outcome.and_then(reason_of)),
            Answer::Pubrec => (2, outcome.and_then(reason_of)),
            Answer::PubrecAgain => {
                chunk.ack_count += 1;
                return encode::ack(encode::PUBREC, id, &mut chunk.acks);
            }
        };
        let kind = match qos {
            1 => {
                chunk.qos1 += 1;
                encode::PUBACK
            }
            _ => {
                chunk.qos2.push(id);
                encode::PUBREC
            }
        };
        chunk.ack_count += 1;
        match refusal {
            Some((reason, why)) if self.v5 => {
                let why = why.filter(|_| self.may_tell_why());
                encode::ack_v5(kind, id, reason, why, &mut chunk.acks);
                if qos == 2 && reason != code::SUCCESS {
                    // No PUBREL follows a PUBREC of refusal.
                    self.session.qos2.remove(&id);
                }
            }
            _ => encode::ack(kind, id, &mut chunk.acks),
        }
    }
}

/// At most one message per second, connection and topic: a broken device must not get a second
/// stream as thick as its own.
#[derive(Debug, Default)]
pub(super) struct Teller {
    topics: AHashMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    last: Timestamp,
    untold: u64,
}

impl Teller {
    const GAP_MS: i64 = 1_000;
    /// Topics remembered; a bridge may have more devices. Full: those told longer ago than the
    /// gap are forgotten, and if there is none, nothing more is told.
    const TOPICS: usize = 256;

    /// How many were left out since the last one told; `None`: this one is left out too.
    fn may_tell(&mut self, topic: &str, now: Timestamp) -> Option<u64> {
        // A clock that was set back must not silence for long.
        let too_soon = |told: &Told| (0..Self::GAP_MS).contains(&now.since_ms(told.last));
        if let Some(told) = self.topics.get_mut(topic) {
            if too_soon(told) {
                told.untold += 1;
                return None;
            }
            told.last = now;
            return Some(std::mem::take(&mut told.untold));
        }
        if self.topics.len() >= Self::TOPICS {
            self.topics.retain(|_, told| too_soon(told));
            if self.topics.len() >= Self::TOPICS {
                return None;
            }
        }
        self.topics.insert(topic.into(), Told { last: now, untold: 0 });
        Some(0)
    }
}

/// The MQTT 5 reason code and words for an outcome that is not plain success. The words are for
/// the device's owner; MQTT 3.1.1 clients find them in the quarantine and on their errors topic.
fn reason_of(outcome: &Outcome) -> Option<(u8, Option<&str>)> {
    use QuarantineReason as Q;
    match outcome {
        Outcome::Accepted | Outcome::Duplicate => None,
        Outcome::Partly { detail, .. } | Outcome::Warned { detail, .. } => {
            Some((code::SUCCESS, Some(detail)))
        }
        Outcome::Shed => Some((code::QUOTA, None)),
        Outcome::Quarantined { reason, detail, .. } => {
            let code = match reason {
                Q::UnknownTopic | Q::BadId | Q::UnknownService | Q::UnknownArea => code::BAD_TOPIC,
                Q::TooLarge
                | Q::Malformed
                | Q::BadField
                | Q::BadTime
                | Q::UnknownProperty
                | Q::OutOfRange
                | Q::BadUnit
                | Q::Forbidden
                | Q::NoBirth
                | Q::ClockAhead
                | Q::ClockBehind => code::BAD_PAYLOAD,
                Q::NotAuthorised | Q::UnknownDevice | Q::DevicePending => code::NOT_AUTHORISED,
            };
            Some((code, Some(detail)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_once_a_second_and_the_untold_are_counted() {
        let mut teller = Teller::default();
        let told: Vec<_> = [0, 1, 999, 1_000, 1_001, 2_500, -9_000, -8_500]
            .map(|ms| teller.may_tell("d1", Timestamp(1_761_584_400_000 + ms)))
            .into();
        let expect = [Some(0), None, None, Some(2), None, Some(1), Some(0), None];
        assert_eq!(told, expect, "a clock that was set back silences nobody");
    }

    #[test]
    fn a_bridge_with_many_broken_devices_is_told_of_some_at_a_time() {
        let mut teller = Teller::default();
        let told = |teller: &mut Teller, ms: i64| {
            let at = Timestamp(1_761_584_400_000 + ms);
            (0..1_000).filter(|n| teller.may_tell(&format!("d{n}"), at).is_some()).count()
        };
        assert_eq!(told(&mut teller, 0), 256);
        assert_eq!(told(&mut teller, 500), 0);
        assert_eq!(told(&mut teller, 1_000), 256);
        assert!(teller.topics.len() <= 256);
    }
}
