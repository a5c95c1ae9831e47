//! Packets of either version, by their parts.

use crate::gateway::tests::{packet, text};

/// The version a case is played in: the same words, its own bytes.
#[derive(Clone, Copy)]
pub(super) struct V {
    pub(super) five: bool,
}

impl V {
    /// One of two, by version: 3.1.1, 5.
    pub(super) fn pick<T>(self, three: T, five: T) -> T {
        if self.five { five } else { three }
    }

    fn level(self) -> u8 {
        self.pick(4, 5)
    }

    /// Properties with their length; nothing in MQTT 3.1.1.
    fn properties(self, properties: &[u8]) -> Vec<u8> {
        if !self.five {
            return Vec::new();
        }
        let mut out = Vec::new();
        crate::gateway::encode::var_int(properties.len(), &mut out);
        out.extend_from_slice(properties);
        out
    }

    /// CONNECT with all its parts; `tail` is what follows the client id.
    pub(super) fn connect(self, id: &str, flags: u8, properties: &[u8], tail: &[u8]) -> Vec<u8> {
        self.connect_for(60, id, flags, properties, tail)
    }

    /// The same with a keep-alive, s.
    pub(super) fn connect_for(
        self,
        keep_alive: u8,
        id: &str,
        flags: u8,
        properties: &[u8],
        tail: &[u8],
    ) -> Vec<u8> {
        let head = [&b"\0\x04MQTT"[..], &[self.level(), flags, 0, keep_alive]].concat();
        packet(0x10, &[&head, &self.properties(properties)[..], &text(id), tail].concat())
    }

    /// A client that keeps no session.
    pub(super) fn clean(self, id: &str) -> Vec<u8> {
        self.connect(id, 2, &[], &[])
    }

    /// A client that keeps its session (100 s in MQTT 5) and takes up an old one.
    pub(super) fn keep(self, id: &str) -> Vec<u8> {
        self.connect(id, 0, &[0x11, 0, 0, 0, 100], &[])
    }

    /// The will of a CONNECT, for its tail.
    pub(super) fn will(self, topic: &str, payload: &str) -> Vec<u8> {
        self.will_with(&[], topic.as_bytes(), payload)
    }

    /// The same with properties and a topic of any bytes.
    pub(super) fn will_with(self, properties: &[u8], topic: &[u8], payload: &str) -> Vec<u8> {
        [self.properties(properties), bytes(topic), text(payload)].concat()
    }

    pub(super) fn publish(self, qos: u8, id: u16, topic: &str, payload: &str) -> Vec<u8> {
        self.publish_with(0x30 | qos << 1, id, topic.as_bytes(), &[], payload)
    }

    /// PUBLISH with any first byte, topic bytes and properties; packet id 0 is left out.
    pub(super) fn publish_with(
        self,
        first: u8,
        id: u16,
        topic: &[u8],
        properties: &[u8],
        payload: &str,
    ) -> Vec<u8> {
        let id = if id > 0 { id.to_be_bytes().to_vec() } else { Vec::new() };
        let parts = [bytes(topic), id, self.properties(properties), payload.as_bytes().to_vec()];
        packet(first, &parts.concat())
    }

    pub(super) fn subscribe(self, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
        self.subscribe_with(id, &[], filters)
    }

    pub(super) fn subscribe_with(
        self,
        id: u16,
        properties: &[u8],
        filters: &[(&str, u8)],
    ) -> Vec<u8> {
        let filters = filters.iter().flat_map(|(f, options)| [text(f), vec![*options]].concat());
        let filters: Vec<u8> = filters.collect();
        packet(0x82, &[&id.to_be_bytes()[..], &self.properties(properties), &filters].concat())
    }

    pub(super) fn unsubscribe(self, id: u16, filters: &[&str]) -> Vec<u8> {
        let filters: Vec<u8> = filters.iter().flat_map(|f| text(f)).collect();
        packet(0xA2, &[&id.to_be_bytes()[..], &self.properties(&[]), &filters].concat())
    }
}

/// Any bytes with their length in two bytes.
pub(super) fn bytes(s: &[u8]) -> Vec<u8> {
    [&(s.len() as u16).to_be_bytes(), s].concat()
}

/// An MQTT 5 user property.
pub(super) fn user(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x26], bytes(name), bytes(value)].concat()
}
