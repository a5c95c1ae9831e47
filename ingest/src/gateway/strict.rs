//! What the standards ask of packets with structure and `mqtt-protocol-core` 0.7.9 does not look
//! at: U+0000 in texts, integers in more bytes than they need, reserved bits of the options of a
//! subscription, properties of acknowledgements. A walk over the bytes before they are parsed.

use super::end::{Broken, code};
use super::frame::Reader;

/// CONNECT, from its protocol name on; its flags have been checked.
pub(super) fn connect(body: &[u8], v5: bool) -> Result<(), Broken> {
    let mut at = Reader(body);
    let head = at.take(10, "connect")?;
    let flags = head.get(7).copied().unwrap_or(0);
    if v5 {
        properties(at.properties()?, |id| {
            matches!(id, 0x11 | 0x15 | 0x16 | 0x17 | 0x19 | 0x21 | 0x22 | 0x26 | 0x27)
        })?;
    }
    at.text("client id")?;
    if flags & 0x04 != 0 {
        if v5 {
            properties(at.properties()?, |id| {
                matches!(id, 0x01 | 0x02 | 0x03 | 0x08 | 0x09 | 0x18 | 0x26)
            })?;
        }
        at.text("will topic")?;
        at.binary("will payload")?;
    }
    if flags & 0x80 != 0 {
        at.text("user name")?;
    }
    if flags & 0x40 != 0 {
        at.binary("password")?;
    }
    at.end("connect length")
}

/// SUBSCRIBE (`with_options`) or UNSUBSCRIBE.
pub(super) fn filters(body: &[u8], v5: bool, with_options: bool) -> Result<(), Broken> {
    let mut at = Reader(body);
    at.packet_id()?;
    if v5 {
        let allowed = if with_options { |id| matches!(id, 0x0B | 0x26) } else { |id| id == 0x26 };
        properties(at.properties()?, allowed)?;
    }
    if at.0.is_empty() {
        return Err(Broken::protocol("no filter"));
    }
    while !at.0.is_empty() {
        let filter = at.text("filter")?;
        if with_options {
            let options = at.byte().ok_or(Broken::malformed("subscription options"))?;
            check_options(options, filter, v5)?;
        }
    }
    Ok(())
}

fn check_options(options: u8, filter: &str, v5: bool) -> Result<(), Broken> {
    let reserved = if v5 { 0xC0 } else { 0xFC };
    if options & reserved != 0 {
        return Err(Broken::malformed("reserved subscription options"));
    }
    let no_local = options & 0x04 != 0;
    match (options & 3 == 3, v5) {
        (true, false) => Err(Broken::malformed("subscription qos 3")),
        (true, true) => Err(Broken::protocol("subscription qos 3")),
        _ if options & 0x30 == 0x30 => Err(Broken::protocol("retain handling 3")),
        _ if no_local && filter.starts_with("$share/") => {
            Err(Broken::protocol("no local on a shared subscription"))
        }
        _ => Ok(()),
    }
}

/// MQTT 5 DISCONNECT that is more than a reason code.
pub(super) fn disconnect(body: &[u8]) -> Result<(), Broken> {
    let mut at = Reader(body);
    at.take(1, "reason code")?;
    if !at.0.is_empty() {
        // Session expiry, reason string, user properties; a server reference is the server's.
        properties(at.properties()?, |id| matches!(id, 0x11 | 0x1F | 0x26))?;
    }
    at.end("disconnect length")
}

/// What follows the packet id in an MQTT 5 PUBACK or PUBREL.
pub(super) fn ack(rest: &[u8]) -> Result<(), Broken> {
    let mut at = Reader(rest);
    at.take(1, "reason code")?;
    if !at.0.is_empty() {
        properties(at.properties()?, |id| matches!(id, 0x1F | 0x26))?;
    }
    at.end("ack length")
}

/// The properties of a PUBLISH.
pub(super) fn publish(bytes: &[u8]) -> Result<(), Broken> {
    properties(bytes, |id| matches!(id, 0x01 | 0x02 | 0x03 | 0x08 | 0x09 | 0x23 | 0x26))
}

/// Properties without their length: each `allowed`, of its type, and once where it may be there
/// once.
fn properties(bytes: &[u8], allowed: fn(u8) -> bool) -> Result<(), Broken> {
    let mut at = Reader(bytes);
    let mut seen = 0u64;
    while let Some(id) = at.byte() {
        if !allowed(id) {
            return Err(Broken::protocol("property that is not allowed here"));
        }
        property(id, &mut at)?;
        // Only user properties may be there more than once in what a client sends.
        if id != 0x26 {
            if seen & (1 << id) != 0 {
                return Err(Broken::protocol("property given twice"));
            }
            seen |= 1 << id;
        }
    }
    Ok(())
}

/// One property by its type (MQTT 5, table 2-4).
fn property(id: u8, at: &mut Reader<'_>) -> Result<(), Broken> {
    match id {
        // Flags that are 0 or 1.
        0x01 | 0x17 | 0x19 => {
            if at.take(1, "property")?.first().is_some_and(|b| *b > 1) {
                return Err(Broken::protocol("property that is neither 0 nor 1"));
            }
        }
        0x24 | 0x25 | 0x28 | 0x29 | 0x2A => drop(at.take(1, "property")?),
        0x13 | 0x21 | 0x22 => drop(at.take(2, "property")?),
        // We announce no topic alias maximum, which means 0.
        0x23 => {
            at.take(2, "property")?;
            return Err(Broken { code: code::TOPIC_ALIAS, what: "topic alias" });
        }
        0x02 | 0x11 | 0x18 | 0x27 => drop(at.take(4, "property")?),
        0x0B => drop(at.integer("property")?),
        0x09 | 0x16 => drop(at.binary("property")?),
        0x08 => {
            if at.text("response topic")?.contains(['+', '#']) {
                return Err(Broken::protocol("response topic with a wildcard"));
            }
        }
        0x03 | 0x12 | 0x15 | 0x1A | 0x1C | 0x1F => drop(at.text("property")?),
        0x26 => {
            at.text("user property")?;
            at.text("user property")?;
        }
        _ => return Err(Broken::protocol("unknown property")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), v5: bool) {
            let _ = (connect(&bytes, v5), filters(&bytes, v5, true), filters(&bytes, v5, false));
            let _ = (disconnect(&bytes), ack(&bytes), publish(&bytes));
        }
    }
}
