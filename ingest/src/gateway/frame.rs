//! Reading of packets in place: the fixed header, and PUBLISH without a copy.

use super::encode::var_int_size;
use super::end::{Broken, code};
use super::strict;

/// Packet types by the high half of the first byte.
pub(super) mod kind {
    pub(in crate::gateway) const CONNECT: u8 = 1;
    pub(in crate::gateway) const PUBLISH: u8 = 3;
    pub(in crate::gateway) const PUBACK: u8 = 4;
    pub(in crate::gateway) const PUBREL: u8 = 6;
    pub(in crate::gateway) const SUBSCRIBE: u8 = 8;
    pub(in crate::gateway) const UNSUBSCRIBE: u8 = 10;
    pub(in crate::gateway) const PINGREQ: u8 = 12;
    pub(in crate::gateway) const DISCONNECT: u8 = 14;
}

/// What is at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole packet.
    Whole {
        /// Type and flags.
        first: u8,
        /// All after the fixed header.
        body: &'a [u8],
        /// Bytes of the packet with its header.
        total: usize,
    },
    /// Not yet a whole packet; its size if the header is complete.
    Partial(Option<usize>),
}

/// Looks at the packet at the start of `bytes`.
///
/// The size is judged as soon as the header is there, so that no memory is kept for a packet that
/// will be refused.
pub(super) fn next_frame(bytes: &[u8], max: usize) -> Result<Frame<'_>, Broken> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(Frame::Partial(None)) };
    let (length, header) = match var_int(rest) {
        VarInt::Value(value, used) => (value, 1 + used),
        VarInt::Partial => return Ok(Frame::Partial(None)),
        VarInt::Bad => return Err(Broken::malformed("remaining length")),
    };
    let total = header + length;
    if total > max {
        return Err(Broken { code: code::TOO_LARGE, what: "packet size" });
    }
    match bytes.get(header..total) {
        Some(body) => Ok(Frame::Whole { first, body, total }),
        None => Ok(Frame::Partial(Some(total))),
    }
}

enum VarInt {
    Value(usize, usize),
    Partial,
    Bad,
}

fn var_int(bytes: &[u8]) -> VarInt {
    let mut value = 0usize;
    for (i, &b) in bytes.iter().take(4).enumerate() {
        value |= usize::from(b & 0x7F) << (7 * i);
        if b & 0x80 == 0 {
            return VarInt::Value(value, i + 1);
        }
    }
    if bytes.len() >= 4 { VarInt::Bad } else { VarInt::Partial }
}

/// A PUBLISH, borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Publish<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) qos: u8,
    /// 0 for QoS 0.
    pub(super) packet_id: u16,
}

/// Reads a PUBLISH. Properties are checked and skipped: none of them changes what a device says.
pub(super) fn parse_publish(first: u8, body: &[u8], v5: bool) -> Result<Publish<'_>, Broken> {
    let qos = (first >> 1) & 3;
    if qos == 3 {
        return Err(Broken::malformed("publish qos 3"));
    }
    if qos == 0 && first & 0x08 != 0 {
        return Err(Broken::malformed("publish dup with qos 0"));
    }
    let mut at = Reader(body);
    let topic = at.text("publish topic")?;
    let packet_id = if qos > 0 { at.packet_id()? } else { 0 };
    if v5 {
        let properties = at.properties()?;
        if !properties.is_empty() {
            strict::publish(properties)?;
        }
    }
    if topic.is_empty() {
        // Aliases are refused above, so an empty topic has nothing to stand for.
        return Err(Broken::protocol("publish without topic"));
    }
    if topic.bytes().any(|b| b == b'+' || b == b'#') {
        return Err(Broken { code: code::BAD_TOPIC, what: "publish topic with wildcard" });
    }
    Ok(Publish { topic, payload: at.0, qos, packet_id })
}

/// The packet id of a PUBACK or PUBREL.
pub(super) fn parse_ack(body: &[u8], v5: bool) -> Result<u16, Broken> {
    let mut at = Reader(body);
    let id = at.packet_id()?;
    if at.0.is_empty() {
        return Ok(id);
    }
    if !v5 {
        return Err(Broken::malformed("ack length"));
    }
    strict::ack(at.0)?;
    Ok(id)
}

/// Cuts fields off the front of some bytes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Broken> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Broken::malformed(what))?;
        self.0 = rest;
        Ok(head)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, Broken> {
        match self.take(2, what)? {
            [high, low] => Ok(u16::from_be_bytes([*high, *low])),
            _ => Err(Broken::malformed(what)),
        }
    }

    pub(super) fn packet_id(&mut self) -> Result<u16, Broken> {
        match self.u16("packet id")? {
            0 => Err(Broken::protocol("packet id 0")),
            id => Ok(id),
        }
    }

    pub(super) fn binary(&mut self, what: &'static str) -> Result<&'a [u8], Broken> {
        let length = self.u16(what)?;
        self.take(usize::from(length), what)
    }

    /// A text: UTF-8 without U+0000.
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, Broken> {
        let bytes = self.binary(what)?;
        match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.contains(&0) => Ok(text),
            _ => Err(Broken::malformed(what)),
        }
    }

    /// A variable byte integer in no more bytes than it needs.
    pub(super) fn integer(&mut self, what: &'static str) -> Result<usize, Broken> {
        match var_int(self.0) {
            VarInt::Value(value, used) if used == var_int_size(value) => {
                self.take(used, what)?;
                Ok(value)
            }
            _ => Err(Broken::malformed(what)),
        }
    }

    pub(super) fn properties(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.integer("properties")?;
        self.take(length, "properties")
    }

    pub(super) fn end(self, what: &'static str) -> Result<(), Broken> {
        if self.0.is_empty() { Ok(()) } else { Err(Broken::malformed(what)) }
    }
}

/// Whether the length of a packet took more bytes than it needs, which MQTT 5 forbids (1.5.5).
pub(super) fn is_overlong(body: &[u8], total: usize) -> bool {
    total > 1 + var_int_size(body.len()) + body.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn publish(first: u8, body: &[u8], v5: bool) -> Result<Publish<'_>, u8> {
        parse_publish(first, body, v5).map_err(|b| b.code)
    }

    #[test]
    fn reads_publish_of_both_versions() {
        let got = publish(0x32, b"\x00\x03a/b\x00\x07hello", false).expect("valid");
        assert_eq!((got.topic, got.payload, got.packet_id), ("a/b", &b"hello"[..], 7));
        let got =
            publish(0x3B, b"\x00\x01a\x00\x07\x07\x26\x00\x01k\x00\x01vx", true).expect("valid");
        assert_eq!((got.topic, got.payload), ("a", &b"x"[..]));
    }

    #[test]
    fn refuses_broken_publishes_with_their_reason() {
        assert_eq!(publish(0x36, b"\x00\x01a\x00\x07", false), Err(0x81), "qos 3");
        assert_eq!(publish(0x32, b"\x00\x01a\x00\x00", false), Err(0x82), "id 0");
        assert_eq!(publish(0x30, b"\x00\x02a+", false), Err(0x90), "wildcard");
        assert_eq!(publish(0x30, b"\x00\x02a\0", false), Err(0x81), "U+0000");
        assert_eq!(publish(0x30, b"\x00\x01\xFF", false), Err(0x81), "not UTF-8");
        assert_eq!(publish(0x30, b"\x00\x00\x00", true), Err(0x82), "no topic");
        assert_eq!(publish(0x30, b"\x00\x01a\x03\x23\x00\x01", true), Err(0x94), "alias");
        assert_eq!(publish(0x30, b"\x00\x01a\x02\x0B\x01", true), Err(0x82), "subscription id");
        assert_eq!(publish(0x30, b"\x00\x01a\x04\x01\x01\x01\x01", true), Err(0x82), "twice");
    }

    #[test]
    fn judges_the_size_before_the_body_is_there() {
        assert!(next_frame(&[0x30, 0xFF, 0xFF, 0x7F], 65_536).is_err());
        assert!(next_frame(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], 65_536).is_err());
        assert_eq!(next_frame(&[0x30, 0x05, 1], 64), Ok(Frame::Partial(Some(7))));
        assert_eq!(next_frame(&[0x30, 0x80], 64), Ok(Frame::Partial(None)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), v5: bool) {
            if let Ok(Frame::Whole { first, body, total }) = next_frame(&bytes, 150) {
                prop_assert!(total <= bytes.len());
                let _ = parse_publish(first, body, v5);
                let _ = parse_ack(body, v5);
            }
            let _ = parse_publish(0x32, &bytes, v5);
        }
    }
}
