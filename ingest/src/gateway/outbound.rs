//! From publications to the client: QoS 0 and 1, within the client's receive maximum.

use std::sync::Arc;

use super::connection::Connection;
use super::encode::Outgoing;
use super::metrics::add;
use super::sink::MessageSink;
use crate::publications::Delivery;

/// Output above which publications wait in the mailbox, bytes.
const OUT_PUBLICATIONS: usize = 64 * 1024;

impl<S: MessageSink> Connection<S> {
    /// Whether a publication could be written now.
    pub(super) fn wants_publications(&self) -> bool {
        self.session.unacked.len() < self.receive_maximum && self.out.len() < OUT_PUBLICATIONS
    }

    /// Moves publications to the output while there is room: retained values first.
    pub(super) fn fill(&mut self) {
        if self.session.mailbox.is_none() {
            return;
        }
        while self.wants_publications() {
            if let Some((packet_id, delivery)) = self.session.again.pop_front() {
                if self.write_publication(&delivery, packet_id, true) {
                    self.session.unacked.push_back((packet_id, delivery));
                }
                continue;
            }
            let next = self.session.backlog.pop_front();
            let mailbox = self.session.mailbox.as_ref();
            let Some(delivery) = next.or_else(|| mailbox.and_then(|m| m.pop())) else { return };
            self.send(delivery);
        }
    }

    fn send(&mut self, delivery: Delivery) {
        let packet_id = if delivery.qos > 0 { self.free_packet_id() } else { 0 };
        let sent = self.write_publication(&delivery, packet_id, false);
        if sent && packet_id > 0 {
            self.session.unacked.push_back((packet_id, delivery));
        }
    }

    fn write_publication(&mut self, delivery: &Delivery, packet_id: u16, dup: bool) -> bool {
        let publication = Arc::clone(&delivery.publication);
        if !self.client.may_receive(&self.shared.registry.now(), &publication.topic) {
            // Its right ended after it subscribed.
            add(&self.shared.metrics.publications_withheld, 1);
            return false;
        }
        let packet = Outgoing {
            topic: &publication.topic,
            payload: &publication.payload,
            packet_id,
            retain: delivery.retain,
            dup,
        };
        if packet.size(self.v5) > self.max_packet {
            add(&self.shared.metrics.publications_too_large, 1);
            return false;
        }
        packet.write(self.v5, &mut self.out);
        add(&self.shared.metrics.publications_sent, 1);
        true
    }

    /// After a resumed CONNECT: what was not acknowledged goes again (MQTT 5, 4.4), within the
    /// new connection's receive maximum, so through [`Connection::fill`].
    pub(super) fn resend(&mut self) {
        let mut all = std::mem::take(&mut self.session.unacked);
        all.append(&mut self.session.again);
        self.session.again = all;
    }

    pub(super) fn acknowledged(&mut self, packet_id: u16) {
        // An unknown id is a repeat of an ack; there is nothing to do for it.
        for list in [&mut self.session.unacked, &mut self.session.again] {
            if let Some(at) = list.iter().position(|(id, _)| *id == packet_id) {
                list.remove(at);
                return;
            }
        }
    }

    fn free_packet_id(&mut self) -> u16 {
        loop {
            // At most `max_outgoing` ids are taken, so one is free soon.
            let id = self.session.last_packet_id.wrapping_add(1).max(1);
            self.session.last_packet_id = id;
            let mut taken = self.session.unacked.iter().chain(&self.session.again);
            if !taken.any(|(taken, _)| *taken == id) {
                return id;
            }
        }
    }
}
