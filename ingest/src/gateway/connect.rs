//! The rules of CONNECT and its answer.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::{Property, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tokio::time::Duration;
use zeroize::Zeroizing;

use super::config::GatewayConfig;
use super::encode;
use super::end::code;
use super::frame::kind;
use super::identity::Credentials;
use super::session::Will;
use super::strict;
use crate::Client;
use crate::decode::is_id;

/// What a client asked for in its CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) v5: bool,
    pub(super) client_id: Arc<str>,
    /// The id was made by us and is told in the CONNACK.
    pub(super) assigned: bool,
    pub(super) clean: bool,
    pub(super) keep_alive_s: u16,
    pub(super) will: Option<Will>,
    pub(super) expiry_s: u32,
    /// Publications the client takes without acknowledging them.
    pub(super) receive_maximum: u16,
    pub(super) max_packet: usize,
    /// Whether acks may carry the reason in words.
    pub(super) problem_info: bool,
    pub(super) credentials: Credentials,
}

/// A CONNECT that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Version to answer in; `None`: too broken to answer.
    v5: Option<bool>,
    code: u8,
    /// For the log.
    pub(super) what: &'static str,
    /// For the device's owner, where it is more than `what`.
    why: Option<Box<str>>,
    /// Largest packet the client takes.
    room: usize,
}

impl Refused {
    pub(super) const fn silent(what: &'static str) -> Self {
        Self { v5: None, code: code::MALFORMED, what, why: None, room: usize::MAX }
    }

    pub(super) const fn new(v5: bool, code: u8, what: &'static str) -> Self {
        Self { v5: Some(v5), code, what, why: None, room: usize::MAX }
    }

    /// What is told fits into `room` bytes.
    pub(super) fn within(self, room: usize) -> Self {
        Self { room, ..self }
    }

    pub(super) fn with(self, why: &str) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    /// The CONNACK that says so. MQTT 3.1.1 has five codes and closes without one otherwise.
    pub(super) fn connack(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.v5 {
            None => {}
            Some(true) => {
                let why = self.why.as_deref().unwrap_or(self.what);
                let why = Some(why).filter(|_| self.room >= encode::ROOM_FOR_WHY);
                encode::connack_refused_v5(self.code, why, &mut out);
                if out.len() > self.room {
                    out.clear();
                }
            }
            Some(false) => {
                let code = match self.code {
                    code::VERSION => 1,
                    code::BAD_CLIENT_ID => 2,
                    code::BUSY | code::CONNECTION_RATE => 3,
                    code::BAD_CREDENTIALS => 4,
                    code::NOT_AUTHORISED => 5,
                    _ => return out,
                };
                out.extend_from_slice(&encode::connack_v4(false, code));
            }
        }
        out
    }
}

/// Reads the first packet.
pub(super) fn parse(first: u8, body: &[u8], config: &GatewayConfig) -> Result<Hello, Refused> {
    if first != kind::CONNECT << 4 {
        return Err(Refused::silent("first packet is not connect"));
    }
    if body.get(..6) != Some(b"\x00\x04MQTT") {
        return match body.get(..9) {
            // MQTT 3.1: the answer is the same as for a wrong level.
            Some(b"\x00\x06MQIsdp\x03") => Err(Refused::new(false, code::VERSION, "mqtt 3.1")),
            _ => Err(Refused::silent("protocol name")),
        };
    }
    let v5 = match body.get(6) {
        Some(4) => false,
        Some(5) => true,
        Some(0..=3) => return Err(Refused::new(false, code::VERSION, "protocol level")),
        Some(_) => return Err(Refused::new(true, code::VERSION, "protocol level")),
        None => return Err(Refused::silent("connect length")),
    };
    let Some(&flags) = body.get(7) else { return Err(Refused::silent("connect length")) };
    check_flags(flags, v5).map_err(|what| Refused::new(v5, code::MALFORMED, what))?;
    strict::connect(body, v5).map_err(|b| Refused::new(v5, b.code, b.what))?;
    let hello = if v5 { read_v5(body, config)? } else { read_v4(body, config)? };
    let room = hello.max_packet;
    judge(hello, config).map_err(|refused| refused.within(room))
}

/// What is asked of a CONNECT that has been read.
fn judge(mut hello: Hello, config: &GatewayConfig) -> Result<Hello, Refused> {
    let v5 = hello.v5;
    if let Some(will) = &hello.will {
        check_will(will, v5)?;
    }
    if hello.client_id.is_empty() {
        if !v5 && !hello.clean {
            return Err(Refused::new(v5, code::BAD_CLIENT_ID, "empty client id"));
        }
        hello.client_id = format!("auto-{:016x}", rand::random::<u64>()).into();
        hello.assigned = true;
    } else if !is_id(&hello.client_id) {
        let words = "the client id must be 1 to 64 of A-Z a-z 0-9 _ . : -";
        return Err(Refused::new(v5, code::BAD_CLIENT_ID, "client id").with(words));
    }
    if welcome(&hello, false, config).len() > hello.max_packet {
        return Err(Refused::new(v5, code::TOO_LARGE, "no room for a connack"));
    }
    Ok(hello)
}

/// `mqtt-protocol-core` 0.7.9 does not look at these (MQTT 5, 3.1.2.3 ff.).
fn check_flags(flags: u8, v5: bool) -> Result<(), &'static str> {
    let (will, will_qos, will_retain) = (flags & 4 != 0, (flags >> 3) & 3, flags & 0x20 != 0);
    if flags & 1 != 0 {
        return Err("reserved connect flag");
    }
    if !v5 && flags & 0xC0 == 0x40 {
        // MQTT 3.1.1, 3.1.2.9: no password without a user name.
        return Err("password without user name");
    }
    if will_qos == 3 || (!will && (will_qos != 0 || will_retain)) {
        return Err("will flags");
    }
    Ok(())
}

fn check_will(will: &Will, v5: bool) -> Result<(), Refused> {
    if will.topic.is_empty() || will.topic.contains(['+', '#', '\0']) {
        return Err(Refused::new(v5, code::BAD_TOPIC, "will topic"));
    }
    Ok(())
}

fn read_v4(body: &[u8], config: &GatewayConfig) -> Result<Hello, Refused> {
    let (packet, used) =
        v3_1_1::Connect::parse(body).map_err(|e| Refused::new(false, code_of(e), "connect"))?;
    if used != body.len() {
        return Err(Refused::new(false, code::MALFORMED, "connect length"));
    }
    let clean = packet.clean_session();
    Ok(Hello {
        v5: false,
        client_id: packet.client_id().into(),
        assigned: false,
        clean,
        keep_alive_s: packet.keep_alive(),
        will: packet.will_flag().then(|| Will {
            topic: packet.will_topic().unwrap_or_default().into(),
            payload: packet.will_payload().unwrap_or_default().into(),
            delay: Duration::ZERO,
            client: Client::device(packet.client_id()),
        }),
        expiry_s: if clean { 0 } else { config.max_session_expiry_s },
        receive_maximum: u16::MAX,
        max_packet: usize::MAX,
        problem_info: false,
        credentials: Credentials {
            user: packet.user_name().map(Into::into),
            password: packet.password().map(|p| Zeroizing::new(p.to_vec())),
        },
    })
}

fn read_v5(body: &[u8], config: &GatewayConfig) -> Result<Hello, Refused> {
    // A password without a user name is allowed (MQTT 5, 3.1.2.9), but `mqtt-protocol-core` 0.7.9
    // does not take it: the packet is parsed without it. `strict` has seen that it is whole.
    let alone = body.get(7).is_some_and(|flags| flags & 0xC0 == 0x40);
    let mut copy = Zeroizing::new(Vec::new());
    if alone {
        copy.extend_from_slice(body);
        copy[7] &= !0x40;
    }
    let parsed = v5_0::Connect::parse(if alone { &copy } else { body });
    let (packet, used) = parsed.map_err(|e| Refused::new(true, code_of(e), "connect"))?;
    let password = match body.get(used + 2..) {
        Some(rest) if alone => Some(Zeroizing::new(rest.to_vec())),
        _ if used == body.len() => packet.password().map(|p| Zeroizing::new(p.to_vec())),
        _ => return Err(Refused::new(true, code::MALFORMED, "connect length")),
    };
    let mut hello = Hello {
        v5: true,
        client_id: packet.client_id().into(),
        assigned: false,
        clean: packet.clean_start(),
        keep_alive_s: packet.keep_alive(),
        will: None,
        expiry_s: 0,
        receive_maximum: u16::MAX,
        max_packet: usize::MAX,
        problem_info: true,
        credentials: Credentials { user: packet.user_name().map(Into::into), password },
    };
    for property in packet.props() {
        match property {
            Property::SessionExpiryInterval(p) => {
                hello.expiry_s = p.val().min(config.max_session_expiry_s);
            }
            Property::ReceiveMaximum(p) => hello.receive_maximum = p.val(),
            Property::MaximumPacketSize(p) => hello.max_packet = p.val() as usize,
            Property::RequestProblemInformation(p) => hello.problem_info = p.val() != 0,
            Property::AuthenticationMethod(_) => {
                return Err(Refused::new(true, code::BAD_AUTH_METHOD, "authentication method"));
            }
            Property::AuthenticationData(_) => {
                return Err(Refused::new(true, code::PROTOCOL_ERROR, "authentication data"));
            }
            _ => {}
        }
    }
    if hello.receive_maximum == 0 || hello.max_packet == 0 {
        return Err(Refused::new(true, code::PROTOCOL_ERROR, "connect property 0"));
    }
    if packet.will_flag() {
        let delay = packet.will_props().iter().find_map(|p| match p {
            Property::WillDelayInterval(p) => Some(p.val()),
            _ => None,
        });
        hello.will = Some(Will {
            topic: packet.will_topic().unwrap_or_default().into(),
            payload: packet.will_payload().unwrap_or_default().into(),
            delay: Duration::from_secs(delay.unwrap_or(0).into()),
            client: Client::device(packet.client_id()),
        });
    }
    Ok(hello)
}

fn code_of(error: MqttError) -> u8 {
    let [high, low] = (error as u16).to_be_bytes();
    // Codes above 0xFF are the crate's own.
    if high == 0 { low } else { code::MALFORMED }
}

/// The CONNACK of success. MQTT 5 clients are told every limit that differs from the default.
pub(super) fn welcome(hello: &Hello, present: bool, config: &GatewayConfig) -> Vec<u8> {
    if !hello.v5 {
        return encode::connack_v4(present, 0).to_vec();
    }
    let mut p = Vec::with_capacity(64);
    let put_u32 = |p: &mut Vec<u8>, id: u8, v: u32| {
        p.push(id);
        p.extend_from_slice(&v.to_be_bytes());
    };
    put_u32(&mut p, 0x11, hello.expiry_s);
    p.push(0x21);
    p.extend_from_slice(&config.receive_maximum.max(1).to_be_bytes());
    put_u32(&mut p, 0x27, u32::try_from(config.max_packet_bytes).unwrap_or(u32::MAX));
    if keep_alive_s(hello, config) != hello.keep_alive_s {
        p.push(0x13);
        p.extend_from_slice(&keep_alive_s(hello, config).to_be_bytes());
    }
    if hello.assigned {
        p.push(0x12);
        // An assigned id is 21 bytes.
        p.extend_from_slice(&(hello.client_id.len() as u16).to_be_bytes());
        p.extend_from_slice(hello.client_id.as_bytes());
    }
    // No subscription identifiers, no shared subscriptions.
    p.extend_from_slice(&[0x29, 0, 0x2A, 0]);
    let mut out = Vec::with_capacity(80);
    encode::connack_v5(present, code::SUCCESS, &p, &mut out);
    out
}

/// The keep-alive that is enforced, s.
pub(super) fn keep_alive_s(hello: &Hello, config: &GatewayConfig) -> u16 {
    match (hello.keep_alive_s, config.max_keep_alive_s.max(1)) {
        (0, max) => max,
        (asked, max) => asked.min(max),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &[u8]) -> Result<Hello, u8> {
        parse(0x10, body, &GatewayConfig::default()).map_err(|r| r.code)
    }

    #[test]
    fn reads_both_versions() {
        let v4 = check(b"\0\x04MQTT\x04\x02\0\x3C\0\x02d1").expect("valid");
        assert_eq!((v4.v5, &*v4.client_id, v4.clean, v4.keep_alive_s), (false, "d1", true, 60));
        let v5 = check(b"\0\x04MQTT\x05\0\0\x3C\x05\x11\0\0\0\x0A\0\x02d1").expect("valid");
        assert_eq!((v5.v5, v5.clean, v5.expiry_s), (true, false, 10));
    }

    #[test]
    fn client_id_rules_of_both_versions() {
        assert_eq!(check(b"\0\x04MQTT\x04\0\0\x3C\0\0"), Err(0x85), "3.1.1, empty, not clean");
        let v4 = check(b"\0\x04MQTT\x04\x02\0\x3C\0\0").expect("3.1.1, empty, clean");
        assert!(v4.assigned && v4.client_id.starts_with("auto-"));
        let v5 = check(b"\0\x04MQTT\x05\0\0\x3C\0\0\0").expect("5, empty");
        assert!(v5.assigned);
        for bad in ["#", "a/b", "a b", "é", &"x".repeat(65)] {
            let mut body = b"\0\x04MQTT\x04\x02\0\x3C\0".to_vec();
            body.push(bad.len() as u8);
            body.extend_from_slice(bad.as_bytes());
            assert_eq!(check(&body), Err(0x85), "{bad}");
        }
    }

    #[test]
    fn refuses_what_the_protocol_forbids() {
        assert_eq!(check(b"\0\x04MQTT\x04\x03\0\x3C\0\x01a"), Err(0x81), "reserved flag");
        assert_eq!(check(b"\0\x04MQTT\x04\x0A\0\x3C\0\x01a"), Err(0x81), "will qos, no will");
        assert_eq!(check(b"\0\x04MQTT\x06\x02\0\x3C\0\x01a"), Err(0x84), "level 6");
        assert_eq!(check(b"\0\x04MQTT\x04\x02\0\x3C\0\x01aZ"), Err(0x81), "trailing byte");
        assert_eq!(check(b"\0\x04MQTT\x04\x42\0\x3C\0\x01a\0\x01p"), Err(0x81), "no user name");
        assert!(
            parse(0x11, b"\0\x04MQTT\x04\x02\0\x3C\0\x01a", &GatewayConfig::default()).is_err()
        );
    }

    proptest! {
        #[test]
        fn arbitrary_connects_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300), level in 3u8..7) {
            let mut body = b"\0\x04MQTT".to_vec();
            body.push(level);
            body.extend_from_slice(&tail);
            if let Err(refused) = parse(0x10, &body, &GatewayConfig::default()) {
                refused.connack();
            }
        }
    }
}
