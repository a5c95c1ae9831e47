//! The few MQTT packets a publishing client needs, written by hand: the load generator must cost
//! far less than the server it measures. MQTT 3.1.1 (level 4) and MQTT 5 (level 5).

use bytes::{Buf, BufMut, BytesMut};

/// Protocol level of MQTT 3.1.1.
pub const V311: u8 = 4;
/// Protocol level of MQTT 5.
pub const V5: u8 = 5;

/// Largest packet that this client accepts from a server; what it expects is a few bytes long.
const MAX_INBOUND_BYTES: usize = 64 * 1024;

/// A broken or unexpected byte sequence from the server.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// Not the length encoding of MQTT.
    #[error("malformed packet length")]
    Length,
    /// A packet that is too short for its type, or far too long.
    #[error("malformed packet of type {0}")]
    Malformed(u8),
}

/// Who connects and how.
#[derive(Clone, Debug)]
pub struct Connect<'a> {
    /// [`V311`] or [`V5`].
    pub level: u8,
    /// Client identifier.
    pub client_id: &'a str,
    /// User name and password, if any.
    pub login: Option<(&'a str, &'a str)>,
    /// Seconds.
    pub keep_alive_s: u16,
}

/// What a server says to a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Answer to CONNECT: 0 is yes; how many QoS 1/2 messages may be in flight.
    ConnAck {
        /// Return or reason code.
        code: u8,
        /// Receive maximum (MQTT 5), 65,535 when not said.
        receive_maximum: u16,
    },
    /// QoS 1 is done. `refused` is a reason code of 0x80 or more (MQTT 5).
    PubAck {
        /// Packet id.
        pid: u16,
        /// Refused by the server.
        refused: bool,
    },
    /// First half of QoS 2.
    PubRec {
        /// Packet id.
        pid: u16,
        /// Refused by the server.
        refused: bool,
    },
    /// Second half of QoS 2.
    PubComp(u16),
    /// Answer to a ping.
    PingResp,
    /// The server ends the connection (MQTT 5).
    Disconnect(u8),
    /// Something a publisher does not need.
    Other(u8),
}

/// Writes CONNECT with a clean start: what must survive a broken connection is kept by
/// [`crate::link`], which sends it again.
pub fn connect(out: &mut BytesMut, c: &Connect<'_>) {
    let login_len = c.login.map_or(0, |(u, p)| 4 + u.len() + p.len());
    let properties = usize::from(c.level == V5);
    let length = 10 + properties + 2 + c.client_id.len() + login_len;
    out.put_u8(0x10);
    put_length(out, length);
    put_text(out, "MQTT");
    out.put_u8(c.level);
    out.put_u8(if c.login.is_some() { 0b1100_0010 } else { 0b0000_0010 });
    out.put_u16(c.keep_alive_s);
    if c.level == V5 {
        out.put_u8(0);
    }
    put_text(out, c.client_id);
    if let Some((user, password)) = c.login {
        put_text(out, user);
        put_text(out, password);
    }
}

/// Writes PUBLISH; `pid` counts for QoS 1 and 2 only.
pub fn publish(out: &mut BytesMut, level: u8, topic: &str, qos: u8, pid: u16, payload: &[u8]) {
    let id_len = if qos > 0 { 2 } else { 0 };
    let properties = usize::from(level == V5);
    let length = 2 + topic.len() + id_len + properties + payload.len();
    out.reserve(length + 5);
    out.put_u8(0x30 | (qos << 1));
    put_length(out, length);
    put_text(out, topic);
    if qos > 0 {
        out.put_u16(pid);
    }
    if level == V5 {
        out.put_u8(0);
    }
    out.extend_from_slice(payload);
}

/// Bit of the first byte of PUBLISH that marks a second delivery.
pub const DUP: u8 = 0x08;

/// Writes PUBREL.
pub fn pubrel(out: &mut BytesMut, pid: u16) {
    out.extend_from_slice(&[0x62, 2, (pid >> 8) as u8, pid as u8]);
}

/// Writes PINGREQ.
pub fn pingreq(out: &mut BytesMut) {
    out.extend_from_slice(&[0xc0, 0]);
}

/// Writes DISCONNECT.
pub fn disconnect(out: &mut BytesMut) {
    out.extend_from_slice(&[0xe0, 0]);
}

/// Takes the next whole packet off `input`; `None` when more bytes are needed.
///
/// # Errors
/// [`WireError`] when the bytes are no MQTT.
pub fn read(input: &mut BytesMut, level: u8) -> Result<Option<Inbound>, WireError> {
    let Some(&first) = input.first() else { return Ok(None) };
    let Some((length, head)) = length_of(&input[1..])? else { return Ok(None) };
    let kind = first >> 4;
    if length > MAX_INBOUND_BYTES {
        return Err(WireError::Malformed(kind));
    }
    if input.len() < 1 + head + length {
        return Ok(None);
    }
    input.advance(1 + head);
    let body = &input[..length];
    let inbound = packet(kind, body, level).ok_or(WireError::Malformed(kind));
    input.advance(length);
    inbound.map(Some)
}

fn packet(kind: u8, body: &[u8], level: u8) -> Option<Inbound> {
    let pid = || Some(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    let refused = body.get(2).is_some_and(|code| *code >= 0x80);
    Some(match kind {
        2 => Inbound::ConnAck {
            code: *body.get(1)?,
            receive_maximum: if level == V5 { receive_maximum(body) } else { u16::MAX },
        },
        4 => Inbound::PubAck { pid: pid()?, refused },
        5 => Inbound::PubRec { pid: pid()?, refused },
        7 => Inbound::PubComp(pid()?),
        13 => Inbound::PingResp,
        14 => Inbound::Disconnect(body.first().copied().unwrap_or(0)),
        other => Inbound::Other(other),
    })
}

/// Property 0x21 of an MQTT 5 CONNACK; properties before it are skipped by their known lengths.
fn receive_maximum(body: &[u8]) -> u16 {
    let mut rest = body.get(3..).unwrap_or_default();
    while let [id, tail @ ..] = rest {
        let skip = match id {
            0x21 => match tail {
                [high, low, ..] => return u16::from_be_bytes([*high, *low]).max(1),
                _ => break,
            },
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x13 | 0x22 => 2,
            0x11 | 0x27 => 4,
            0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => match tail {
                [high, low, ..] => 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => break,
            },
            _ => break,
        };
        rest = tail.get(skip..).unwrap_or_default();
    }
    u16::MAX
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u16(text.len() as u16);
    out.extend_from_slice(text.as_bytes());
}

fn put_length(out: &mut BytesMut, mut length: usize) {
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        if length == 0 {
            out.put_u8(low);
            return;
        }
        out.put_u8(low | 0x80);
    }
}

/// The remaining length and how many bytes it took.
fn length_of(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0usize;
    for n in 0..4 {
        let Some(&byte) = bytes.get(n) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((length, n + 1)));
        }
    }
    Err(WireError::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[test]
    fn publish_is_the_bytes_of_the_standard() {
        let mut out = BytesMut::new();
        publish(&mut out, V311, "a/b", 1, 10, b"hi");
        assert_eq!(&out[..], b"\x32\x09\x00\x03a/b\x00\x0ahi");
        out.clear();
        publish(&mut out, V311, "a/b", 0, 10, b"hi");
        assert_eq!(&out[..], b"\x30\x07\x00\x03a/bhi");
        out.clear();
        publish(&mut out, V5, "a/b", 1, 10, b"hi");
        assert_eq!(&out[..], b"\x32\x0a\x00\x03a/b\x00\x0a\x00hi");
    }

    #[test]
    fn a_long_packet_has_a_length_of_two_bytes() {
        let mut out = BytesMut::new();
        publish(&mut out, V311, "t", 0, 0, &[0; 300]);
        assert_eq!(&out[..3], [0x30, 0xaf, 0x02]);
        assert_eq!(out.len(), 3 + 303);
    }

    #[test]
    fn connect_carries_the_login() {
        let mut out = BytesMut::new();
        let c = Connect { level: V311, client_id: "c", login: Some(("u", "p")), keep_alive_s: 30 };
        connect(&mut out, &c);
        assert_eq!(&out[..], b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x1e\x00\x01c\x00\x01u\x00\x01p");
    }

    #[test]
    fn reads_packets_byte_by_byte() {
        let mut buffer = BytesMut::new();
        let bytes = b"\x20\x02\x00\x00\x40\x02\x01\x02\x50\x02\x00\x03\x70\x02\x00\x04\xd0\x00";
        let mut seen = Vec::new();
        for b in bytes {
            buffer.put_u8(*b);
            while let Some(packet) = read(&mut buffer, V311).expect("valid") {
                seen.push(packet);
            }
        }
        let expect = [
            Inbound::ConnAck { code: 0, receive_maximum: u16::MAX },
            Inbound::PubAck { pid: 0x102, refused: false },
            Inbound::PubRec { pid: 3, refused: false },
            Inbound::PubComp(4),
            Inbound::PingResp,
        ];
        assert_eq!(seen, expect);
    }

    #[test]
    fn reads_the_receive_maximum_behind_other_properties() {
        let mut b = input(b"\x20\x0b\x00\x00\x08\x11\x00\x00\x00\x05\x21\x00\x14");
        let expect = Inbound::ConnAck { code: 0, receive_maximum: 20 };
        assert_eq!(read(&mut b, V5), Ok(Some(expect)));
    }

    #[test]
    fn an_mqtt_5_refusal_is_seen() {
        let mut b = input(b"\x40\x03\x00\x07\x97");
        assert_eq!(read(&mut b, V5), Ok(Some(Inbound::PubAck { pid: 7, refused: true })));
    }

    #[test]
    fn broken_bytes_are_errors() {
        assert_eq!(read(&mut input(&[0x40, 0xff, 0xff, 0xff, 0xff]), V311), Err(WireError::Length));
        assert_eq!(read(&mut input(&[0x40, 1, 0]), V311), Err(WireError::Malformed(4)));
    }
}
