//! Every documented example of every format goes through the decoders.

use super::example::{Example, examples, formats};
use super::ids::is_id;
use super::shared_data::{RECEIVED, city, line, look_twice};
use super::{Decoders, DecodersConfig, Incoming};

/// Tells a message, after someone has looked at it twice.
fn tell(decoders: &Decoders, example: &Example) -> (String, Vec<String>) {
    let payload = example.bytes();
    let message = Incoming {
        topic: &example.topic,
        payload: &payload,
        retain: example.retain,
        received: RECEIVED,
    };
    let looked = look_twice(decoders, &message);
    let told = decoders.decode(&message);
    assert_eq!(told, looked.result, "{}: looking shows something else", example.about);
    match told {
        Ok(said) if said.records.is_empty() => ("silent".into(), Vec::new()),
        Ok(said) => ("accepted".into(), said.records.iter().map(line).collect()),
        Err(r) => (r.reason.as_str().into(), vec![r.detail]),
    }
}

#[test]
fn documented_examples_decode_or_are_refused_for_the_right_reason() {
    let mut wrong = Vec::new();
    for format in formats() {
        let examples = examples(&format);
        assert!(!examples.is_empty(), "{format} has no example");
        for example in &examples {
            assert!(!example.source.is_empty(), "{format}: {}: no source", example.about);
            let decoders = example.decoders();
            for about in &example.after {
                let before =
                    examples.iter().find(|e| e.about == *about).expect("`after` names one");
                tell(&decoders, before);
            }
            if example.expect != "unknown_topic" {
                assert_eq!(decoders.format_of(&example.topic), format, "{}", example.about);
            }
            let got = tell(&decoders, example);
            let right = got.0 == example.expect
                && (got.1 == example.records
                    || (example.records.is_empty() && got.0 != "accepted"));
            if !right {
                wrong.push(format!(
                    "{format}: {}\n  expected {} {:?}\n  got      {} {:?}",
                    example.about, example.expect, example.records, got.0, got.1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nearly_right_messages_never_panic_and_leave_nothing_behind_when_refused() {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below.max(1) as u64) as usize
    };
    let decoders = Decoders::new("examples", &DecodersConfig::default(), city()).expect("right");
    for format in formats() {
        for example in examples(&format) {
            let mut topic: Vec<char> = example.topic.chars().collect();
            for round in 0..40 {
                let mut payload = example.bytes();
                for _ in 0..=draw(3) {
                    let at = draw(payload.len());
                    match draw(4) {
                        0 => payload.truncate(at),
                        1 if at < payload.len() => payload[at] = draw(256) as u8,
                        2 => payload.insert(at, b"0\"{}[],:-9e"[draw(11)]),
                        _ if at < payload.len() => drop(payload.remove(at)),
                        _ => {}
                    }
                }
                if round % 4 == 0 {
                    let at = draw(topic.len());
                    topic[at] = ['/', '$', 'é', '\u{7}', '.', '0'][draw(6)];
                }
                let topic: String = topic.iter().collect();
                let message = Incoming {
                    topic: &topic,
                    payload: &payload,
                    retain: round % 2 == 0,
                    received: RECEIVED,
                };
                let mut records = Vec::new();
                match decoders.decode_into(&message, &mut records) {
                    Ok(_) => assert!(records.iter().all(|r| is_id(&r.device)), "{topic}"),
                    Err(_) => assert!(records.is_empty(), "{topic}"),
                }
            }
        }
    }
}
