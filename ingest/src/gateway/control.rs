//! Packets other than PUBLISH.

use mqtt_protocol_core::mqtt::packet::{Property, v3_1_1, v5_0};
use tokio::time::Duration;

use super::connection::Connection;
use super::encode;
use super::end::{Broken, End, code};
use super::frame::{kind, parse_ack};
use super::metrics::add;
use super::sink::MessageSink;
use super::strict;
use crate::publications::{Delivery, Grant, is_valid_filter};

/// One entry of a SUBSCRIBE.
pub(super) struct Wish {
    pub(super) filter: String,
    pub(super) qos: u8,
    retain_as_published: bool,
    /// 0: send retained values, 1: only if the subscription is new, 2: do not.
    retain_handling: u8,
}

impl<S: MessageSink> Connection<S> {
    pub(super) fn control(&mut self, first: u8, body: &[u8]) -> Result<(), End> {
        let kind = first >> 4;
        // Table 2-2: these two have the flags 0010, the others here 0000.
        let flags = match kind {
            kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => 2,
            _ => 0,
        };
        if first & 0x0F != flags {
            return Err(Broken::malformed("fixed header flags").into());
        }
        match kind {
            kind::PUBACK => {
                let id = parse_ack(body, self.v5)?;
                self.acknowledged(id);
            }
            kind::PUBREL => {
                let id = parse_ack(body, self.v5)?;
                let known = self.session.qos2.remove(&id);
                if known || !self.v5 {
                    encode::ack(encode::PUBCOMP, id, &mut self.out);
                } else {
                    encode::ack_v5(encode::PUBCOMP, id, code::ID_NOT_FOUND, None, &mut self.out);
                }
            }
            kind::SUBSCRIBE => self.subscribe(body)?,
            kind::UNSUBSCRIBE => self.unsubscribe(body)?,
            kind::PINGREQ if body.is_empty() => self.out.extend_from_slice(&encode::PINGRESP),
            kind::PINGREQ => return Err(Broken::malformed("pingreq length").into()),
            kind::DISCONNECT => return Err(self.disconnect(body)),
            // A second CONNECT, packets only a server sends, PUBREC and PUBCOMP (nothing is sent
            // at QoS 2), AUTH (no method was agreed).
            _ => return Err(Broken::protocol("packet type").into()),
        }
        Ok(())
    }

    fn disconnect(&mut self, body: &[u8]) -> End {
        if body.is_empty() {
            return End::Client;
        }
        if !self.v5 {
            return Broken::malformed("disconnect length").into();
        }
        if let Err(broken) = strict::disconnect(body) {
            return broken.into();
        }
        let packet = match v5_0::Disconnect::parse(body) {
            Ok((packet, used)) if used == body.len() => packet,
            _ => return Broken::malformed("disconnect").into(),
        };
        for property in packet.props().iter().flatten() {
            if let Property::SessionExpiryInterval(p) = property {
                if self.expiry_is_zero && p.val() != 0 {
                    return Broken::protocol("session expiry at disconnect").into();
                }
                let seconds = p.val().min(self.shared.config.max_session_expiry_s);
                self.expiry = Duration::from_secs(seconds.into());
            }
        }
        match packet.reason_code().map(|c| c as u8) {
            None | Some(0) => End::Client,
            Some(code::DISCONNECT_WITH_WILL) => End::ClientWithWill,
            Some(_) => End::ClientWithWill,
        }
    }

    fn subscribe(&mut self, body: &[u8]) -> Result<(), Broken> {
        let (id, wishes) = read_subscribe(body, self.v5)?;
        let mut codes = Vec::with_capacity(wishes.len());
        for wish in &wishes {
            let code = self.grant(wish);
            if code >= 0x80 {
                add(&self.shared.metrics.subscriptions_refused, 1);
            }
            codes.push(if self.v5 { code } else { code.min(0x80) });
        }
        let refused = codes.iter().any(|c| matches!(*c, code::NOT_AUTHORISED | code::NO_SHARED));
        let words = (refused && self.may_tell_why())
            .then(|| self.client.subscriptions(&self.shared.registry.now()));
        let why = self.v5.then_some(words.as_deref());
        let before = self.out.len();
        encode::codes(encode::SUBACK, id, &codes, why, &mut self.out);
        self.keep_size(before);
        Ok(())
    }

    /// Grants or refuses one subscription; the code for the SUBACK.
    fn grant(&mut self, wish: &Wish) -> u8 {
        if !is_valid_filter(&wish.filter) {
            return code::BAD_FILTER;
        }
        if wish.filter.starts_with("$share/") {
            return code::NO_SHARED;
        }
        let devices = self.shared.registry.now();
        if !self.client.may_subscribe(&devices, &wish.filter) {
            return code::NOT_AUTHORISED;
        }
        let known = self.session.filters.contains(&wish.filter);
        if !known && self.session.filters.len() >= self.shared.config.max_subscriptions {
            return code::QUOTA;
        }
        let publications = &self.shared.publications;
        let mailbox = self.session.mailbox.get_or_insert_with(|| publications.mailbox());
        let qos = wish.qos.min(1);
        let grant = Grant { qos, retain_as_published: wish.retain_as_published };
        let is_new = publications.subscribe(mailbox, &wish.filter, grant);
        if !known {
            self.session.filters.push(wish.filter.clone());
        }
        if wish.retain_handling == 0 || (wish.retain_handling == 1 && is_new) {
            let retained = publications.retained(&wish.filter);
            // A client that subscribes again and again must not pile values up.
            self.session.backlog.retain(|d| {
                !crate::publications::filter_matches(&wish.filter, &d.publication.topic)
            });
            let deliveries =
                retained.into_iter().map(|publication| Delivery { publication, qos, retain: true });
            self.session.backlog.extend(deliveries);
        }
        qos
    }

    fn unsubscribe(&mut self, body: &[u8]) -> Result<(), Broken> {
        let (id, filters) = read_unsubscribe(body, self.v5)?;
        let mut codes = Vec::with_capacity(filters.len());
        for filter in &filters {
            let mailbox = self.session.mailbox.as_ref();
            let was = mailbox.is_some_and(|m| self.shared.publications.unsubscribe(m, filter));
            self.session.filters.retain(|f| f != filter);
            codes.push(if was { code::SUCCESS } else { code::NO_SUBSCRIPTION });
        }
        let codes = if self.v5 { &codes[..] } else { &[] };
        let why = self.v5.then_some(None);
        let before = self.out.len();
        encode::codes(encode::UNSUBACK, id, codes, why, &mut self.out);
        self.keep_size(before);
        Ok(())
    }

    /// A packet larger than the client takes is not sent (MQTT 5, 3.1.2.11.4).
    fn keep_size(&mut self, before: usize) {
        if self.out.len() - before > self.max_packet {
            self.out.truncate(before);
        }
    }
}

/// Reads a SUBSCRIBE.
pub(super) fn read_subscribe(body: &[u8], v5: bool) -> Result<(u16, Vec<Wish>), Broken> {
    strict::filters(body, v5, true)?;
    let malformed = Broken::malformed("subscribe");
    let wish = |e: &mqtt_protocol_core::mqtt::packet::SubEntry| Wish {
        filter: e.topic_filter().into(),
        qos: e.sub_opts().qos() as u8,
        retain_as_published: e.sub_opts().rap(),
        retain_handling: e.sub_opts().rh() as u8,
    };
    let (id, wishes, used) = if v5 {
        let (p, used) = v5_0::Subscribe::parse(body).map_err(|_| malformed)?;
        if p.props().iter().any(|p| matches!(p, Property::SubscriptionIdentifier(_))) {
            let code = code::NO_SUBSCRIPTION_IDS;
            return Err(Broken { code, what: "subscription identifier" });
        }
        (p.packet_id(), p.entries().iter().map(wish).collect(), used)
    } else {
        let (p, used) = v3_1_1::Subscribe::parse(body).map_err(|_| malformed)?;
        (p.packet_id(), p.entries().iter().map(wish).collect(), used)
    };
    if id == 0 || used != body.len() {
        return Err(malformed);
    }
    Ok((id, wishes))
}

/// Reads an UNSUBSCRIBE.
pub(super) fn read_unsubscribe(body: &[u8], v5: bool) -> Result<(u16, Vec<String>), Broken> {
    strict::filters(body, v5, false)?;
    let malformed = Broken::malformed("unsubscribe");
    let (id, filters, used): (u16, Vec<String>, usize) = if v5 {
        let (p, used) = v5_0::Unsubscribe::parse(body).map_err(|_| malformed)?;
        (p.packet_id(), p.entries().iter().map(|e| e.as_str().into()).collect(), used)
    } else {
        let (p, used) = v3_1_1::Unsubscribe::parse(body).map_err(|_| malformed)?;
        (p.packet_id(), p.entries().iter().map(|e| e.as_str().into()).collect(), used)
    };
    if id == 0 || used != body.len() {
        return Err(malformed);
    }
    Ok((id, filters))
}
