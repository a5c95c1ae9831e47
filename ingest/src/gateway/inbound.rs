//! From bytes to chunks: packets of one read become one submission.

use std::time::{SystemTime, UNIX_EPOCH};

use ioc_model::{QuarantineReason, Timestamp};

use super::connection::{Chunk, Connection};
use super::encode;
use super::end::{Broken, End, code};
use super::frame::{Frame, Publish, kind, next_frame, parse_publish};
use super::metrics::add;
use super::sink::MessageSink;
use crate::access::is_ours;
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
    /// To a topic of ours: handed on, so that it is counted and quarantined, and refused.
    NotAuthorised {
        qos: u8,
    },
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
            let stop = self.decode(bytes, &mut at, received, &mut batch);
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
            let done = if first >> 4 == kind::PUBLISH {
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
            if is_ours(publish.topic) {
                answer = Answer::NotAuthorised { qos: publish.qos };
            }
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
            match shared.sink.submit(&shared.source, &self.client, batch).await {
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
    /// at QoS 0.
    fn tell_errors(&mut self, message: &Incoming<'_>, outcome: &Outcome) {
        let (severity, reason, detail) = match outcome {
            Outcome::Quarantined { reason, detail, .. } => ("error", reason, detail),
            Outcome::Partly { reason, detail } | Outcome::Warned { reason, detail } => {
                ("warning", reason, detail)
            }
            Outcome::Accepted | Outcome::Duplicate | Outcome::Shed => return,
        };
        let Some(untold) = self.errors.may_tell(message.received) else { return };
        let payload = serde_json::json!({
            "time": message.received.0,
            "severity": severity,
            "reason": reason.as_str(),
            "detail": detail,
            "topic": message.topic.chars().take(256).collect::<String>(),
            "untold": untold,
        });
        let topic = format!("ioc/v1/devices/{}/errors", self.client.id);
        self.shared.publications.publish(&topic, payload.to_string().into(), false);
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
            Answer::NotAuthorised { qos } => {
                add(&self.shared.metrics.not_authorised, 1);
                (qos, Some((code::NOT_AUTHORISED, Some("this topic is published by the IOC"))))
            }
        };
        let kind = match qos {
            0 => return,
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
                let why = why.filter(|_| self.problem_info && self.max_packet >= 128);
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

/// At most one message about errors per second and connection: a broken device must not get a
/// second stream as thick as its own.
#[derive(Debug, Default)]
pub(super) struct ErrorTeller {
    last: Option<Timestamp>,
    untold: u64,
}

impl ErrorTeller {
    const GAP_MS: i64 = 1_000;

    /// How many were left out since the last one told; `None`: this one is left out too.
    fn may_tell(&mut self, now: Timestamp) -> Option<u64> {
        // A clock that was set back must not silence for long.
        if self.last.is_some_and(|t| (0..Self::GAP_MS).contains(&now.since_ms(t))) {
            self.untold += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
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
        let mut teller = ErrorTeller::default();
        let told: Vec<_> = [0, 1, 999, 1_000, 1_001, 2_500, -9_000, -8_500]
            .map(|ms| teller.may_tell(Timestamp(1_761_584_400_000 + ms)))
            .into();
        let expect = [Some(0), None, None, Some(2), None, Some(1), Some(0), None];
        assert_eq!(told, expect, "a clock that was set back silences nobody");
    }
}
