//! Writing of packets: plain appends to the connection's output.

/// PUBACK.
pub(super) const PUBACK: u8 = 0x40;
/// PUBREC.
pub(super) const PUBREC: u8 = 0x50;
/// PUBCOMP.
pub(super) const PUBCOMP: u8 = 0x70;
/// SUBACK.
pub(super) const SUBACK: u8 = 0x90;
/// UNSUBACK.
pub(super) const UNSUBACK: u8 = 0xB0;

/// PINGRESP.
pub(super) const PINGRESP: [u8; 2] = [0xD0, 0];

/// An ack of success, the same bytes in both versions.
pub(super) fn ack(kind: u8, packet_id: u16, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[kind, 2, high, low]);
}

/// An MQTT 5 ack with a reason code and, if there is room for it, why in words.
pub(super) fn ack_v5(kind: u8, packet_id: u16, reason: u8, why: Option<&str>, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    let why = why.map(short).filter(|w| !w.is_empty());
    match why {
        None => out.extend_from_slice(&[kind, 3, high, low, reason]),
        Some(why) => {
            let properties = reason_string(&why);
            out.push(kind);
            var_int(3 + var_int_size(properties.len()) + properties.len(), out);
            out.extend_from_slice(&[high, low, reason]);
            var_int(properties.len(), out);
            out.extend_from_slice(&properties);
        }
    }
}

/// Longest reason in words, bytes.
const WHY_BYTES: usize = 200;
/// A client whose maximum packet size is smaller than this is told codes only.
pub(super) const ROOM_FOR_WHY: usize = 256;

/// The property 0x1F; `why` is short.
fn reason_string(why: &str) -> Vec<u8> {
    let mut property = Vec::with_capacity(3 + why.len());
    property.push(0x1F);
    property.extend_from_slice(&(why.len() as u16).to_be_bytes());
    property.extend_from_slice(why.as_bytes());
    property
}

/// At most `WHY_BYTES`, without control characters.
fn short(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > WHY_BYTES {
            break;
        }
        kept.push(c);
    }
    kept
}

/// SUBACK or MQTT 5 UNSUBACK: a packet id and one code per filter. `why`: `None` for MQTT 3.1.1,
/// else the reason in words, if there is one.
pub(super) fn codes(
    kind: u8,
    packet_id: u16,
    codes: &[u8],
    why: Option<Option<&str>>,
    out: &mut Vec<u8>,
) {
    let mut properties = Vec::new();
    if let Some(why) = why {
        let text = why.map(short).filter(|w| !w.is_empty()).map(|w| reason_string(&w));
        let text = text.unwrap_or_default();
        var_int(text.len(), &mut properties);
        properties.extend_from_slice(&text);
    }
    out.push(kind);
    var_int(2 + properties.len() + codes.len(), out);
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend_from_slice(&properties);
    out.extend_from_slice(codes);
}

/// MQTT 3.1.1 CONNACK.
pub(super) fn connack_v4(session_present: bool, code: u8) -> [u8; 4] {
    [0x20, 2, u8::from(session_present), code]
}

/// MQTT 5 CONNACK with encoded properties.
pub(super) fn connack_v5(session_present: bool, code: u8, properties: &[u8], out: &mut Vec<u8>) {
    let mut length = Vec::with_capacity(4);
    var_int(properties.len(), &mut length);
    out.push(0x20);
    var_int(2 + length.len() + properties.len(), out);
    out.extend_from_slice(&[u8::from(session_present), code]);
    out.extend_from_slice(&length);
    out.extend_from_slice(properties);
}

/// MQTT 5 CONNACK of a refusal.
pub(super) fn connack_refused_v5(code: u8, why: Option<&str>, out: &mut Vec<u8>) {
    let property = why.map(short).filter(|w| !w.is_empty()).map(|w| reason_string(&w));
    connack_v5(false, code, &property.unwrap_or_default(), out);
}

/// MQTT 5 DISCONNECT.
pub(super) fn disconnect_v5(reason: u8, why: Option<&str>, out: &mut Vec<u8>) {
    out.push(0xE0);
    match why.map(short).filter(|w| !w.is_empty()).map(|w| reason_string(&w)) {
        None => out.extend_from_slice(&[1, reason]),
        Some(property) => {
            var_int(1 + var_int_size(property.len()) + property.len(), out);
            out.push(reason);
            var_int(property.len(), out);
            out.extend_from_slice(&property);
        }
    }
}

/// A PUBLISH to a subscriber; `packet_id` 0 is QoS 0, another QoS 1.
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) packet_id: u16,
    pub(super) retain: bool,
    pub(super) dup: bool,
}

impl Outgoing<'_> {
    /// Bytes of the packet.
    pub(super) fn size(&self, v5: bool) -> usize {
        let body = self.body(v5);
        1 + var_int_size(body) + body
    }

    fn body(&self, v5: bool) -> usize {
        let id = if self.packet_id > 0 { 2 } else { 0 };
        2 + self.topic.len() + id + usize::from(v5) + self.payload.len()
    }

    /// Appends the packet. The topic is at most 1 KiB (`Publications::publish` sees to it).
    pub(super) fn write(&self, v5: bool, out: &mut Vec<u8>) {
        let qos = u8::from(self.packet_id > 0);
        out.push(0x30 | u8::from(self.dup) << 3 | qos << 1 | u8::from(self.retain));
        var_int(self.body(v5), out);
        out.extend_from_slice(&(self.topic.len() as u16).to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        if self.packet_id > 0 {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if v5 {
            out.push(0);
        }
        out.extend_from_slice(self.payload);
    }
}

pub(super) fn var_int_size(value: usize) -> usize {
    match value {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

/// Appends a variable byte integer.
pub(super) fn var_int(mut value: usize, out: &mut Vec<u8>) {
    while value >= 128 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::frame::{Frame, next_frame, parse_publish};

    #[test]
    fn reads_back_what_it_writes() {
        for v5 in [false, true] {
            for (packet_id, len) in [(0u16, 0usize), (9, 100), (65_535, 20_000)] {
                let payload = vec![7; len];
                let out_packet = Outgoing {
                    topic: "a/b",
                    payload: &payload,
                    packet_id,
                    retain: true,
                    dup: packet_id > 0,
                };
                let mut out = Vec::new();
                out_packet.write(v5, &mut out);
                assert_eq!(out.len(), out_packet.size(v5));
                let Ok(Frame::Whole { first, body, total }) = next_frame(&out, 65_536) else {
                    unreachable!("a whole packet was written");
                };
                assert_eq!(total, out.len());
                let got = parse_publish(first, body, v5).expect("valid");
                assert_eq!(
                    (got.topic, got.payload, got.packet_id),
                    ("a/b", &payload[..], packet_id)
                );
            }
        }
    }

    #[test]
    fn reason_strings_are_short_and_without_control_characters() {
        let mut out = Vec::new();
        ack_v5(PUBACK, 1, 0x99, Some(&"é\n".repeat(500)), &mut out);
        let Ok(Frame::Whole { total, body, .. }) = next_frame(&out, 65_536) else {
            unreachable!("a whole packet was written");
        };
        assert_eq!(total, out.len());
        assert!(total <= ROOM_FOR_WHY && total > 200, "{total}");
        let text = std::str::from_utf8(&body[8..]).expect("cut between characters");
        assert!(text.chars().all(|c| c == 'é'));
    }
}
