//! What must hold for any bytes that come to a format; for `crate::fuzzing`.
//!
//! An input is up to eight messages to one set of decoders: a byte that picks the settings and
//! devices of one of the documented examples, then messages with `ff fe ff` between them. A
//! message is a byte of flags (1: retained; 2: with its own topic, up to a line feed; 4, 8: the
//! clock goes on by a second, by an hour), a byte that picks a documented topic, and the payload.

use std::cell::RefCell;

use ioc_model::{Body, Quality, Record, Timestamp};

use super::example::{Example, RECEIVED, examples};
use super::ids::{is_id, is_kind};
use super::json::Json;
use super::{Decoders, DecodersConfig, Incoming, Refusal, format};

/// Between two messages: no UTF-8 has it.
const END: &[u8] = b"\xff\xfe\xff";
const MESSAGES: usize = 8;

/// Formats that remember something from one message to the next.
const STATEFUL: &[&str] = &["hikvision", "homie", "onvif", "sparkplug"];

/// Fields that hold plates and links to pictures.
const PERSONAL: &[&str] = &[
    "plate",
    "snapshot",
    "recognized_license_plate",
    "PlateNumber",
    "licensePlate",
    "originalLicensePlate",
    "ImageURI",
    "picUrl",
];
/// A shorter text may be anywhere by accident.
const PERSONAL_CHARS: usize = 8;

/// Settings and devices of some examples.
struct Setup {
    config: DecodersConfig,
    decoders: Decoders,
}

/// What inputs of one format are played on.
struct Bench {
    format: String,
    setups: Vec<Setup>,
    topics: Vec<String>,
}

/// Where an example stands in a [`Bench`].
type Place = (u8, u8);

impl Bench {
    fn new(format: &str) -> (Self, Vec<Example>, Vec<Place>) {
        let examples = examples(format);
        let mut bench = Self { format: format.into(), setups: Vec::new(), topics: Vec::new() };
        let (mut known, mut places) = (Vec::new(), Vec::new());
        for example in &examples {
            let key = (&example.config, &example.devices);
            let setup = known.iter().position(|k| *k == key).unwrap_or_else(|| {
                known.push(key);
                bench.setups.push(Setup { config: example.config(), decoders: example.decoders() });
                known.len() - 1
            });
            let topic =
                bench.topics.iter().position(|t| *t == example.topic).unwrap_or_else(|| {
                    bench.topics.push(example.topic.clone());
                    bench.topics.len() - 1
                });
            let byte = |n: usize| u8::try_from(n).expect("fewer than 256 of a format");
            places.push((byte(setup), byte(topic)));
        }
        assert!(!examples.is_empty(), "{format} has no example");
        (bench, examples, places)
    }

    fn play(&mut self, input: &[u8]) {
        let Some((&setup, rest)) = input.split_first() else { return };
        let setups = self.setups.len();
        let Some(setup) = self.setups.get_mut(usize::from(setup) % setups) else { return };
        // Every input begins with decoders that know nothing.
        let Setup { config, decoders } = setup;
        decoders.formats = format::build("fuzz", config, &decoders.catalogue, &mut Vec::new());
        let mut now = RECEIVED;
        for message in split(rest).take(MESSAGES) {
            let [flags, topic, payload @ ..] = message else { continue };
            let own = (flags & 2 != 0)
                .then(|| payload.iter().position(|b| *b == b'\n'))
                .flatten()
                .and_then(|end| payload.split_at_checked(end))
                .and_then(|(own, rest)| Some((std::str::from_utf8(own).ok()?, rest.get(1..)?)));
            let picked = self.topics.get(usize::from(*topic) % self.topics.len());
            let picked = picked.map_or("", String::as_str);
            let (topic, payload) = own.unwrap_or((picked, payload));
            now = now.plus_ms(i64::from((flags >> 2) & 1) * 1_000);
            now = now.plus_ms(i64::from((flags >> 3) & 1) * 3_600_000);
            let message = Incoming { topic, payload, retain: flags & 1 != 0, received: now };
            check(decoders, &message);
        }
    }
}

/// The messages of an input.
fn split(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let Some(at) = rest.windows(END.len()).position(|w| w == END) else {
            done = true;
            return Some(rest);
        };
        let (message, tail) = rest.split_at(at);
        rest = tail.get(END.len()..).unwrap_or_default();
        Some(message)
    })
}

/// Plays an input on the decoders of a format.
///
/// # Panics
/// When something does not hold.
pub(crate) fn play(format: &str, input: &[u8]) {
    thread_local!(static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) });
    BENCH.with_borrow_mut(|bench| {
        if bench.as_ref().is_none_or(|b| b.format != format) {
            *bench = Some(Bench::new(format).0);
        }
        if let Some(bench) = bench {
            bench.play(input);
        }
    });
}

/// The documented examples of a format as inputs, each after the messages it needs.
pub(crate) fn seeds(format: &str) -> Vec<Vec<u8>> {
    let (_, examples, places) = Bench::new(format);
    let message = |example: &Example, (_, topic): Place| {
        [&[u8::from(example.retain), topic][..], &example.bytes()].concat()
    };
    let seed = |(example, place): (&Example, &Place)| {
        let before = example.after.iter().filter_map(|about| {
            let at = examples.iter().position(|e| e.about == *about)?;
            Some(message(examples.get(at)?, *places.get(at)?))
        });
        let messages: Vec<_> = before.chain([message(example, *place)]).collect();
        [&[place.0][..], &messages.join(END)].concat()
    };
    examples.iter().zip(&places).map(seed).collect()
}

fn check(decoders: &Decoders, message: &Incoming<'_>) {
    let looked = decoders.explain(message);
    let told = decoders.decode(message);
    assert_eq!(told, looked.result, "who looks sees something else");
    if !STATEFUL.contains(&decoders.format_of(message.topic)) {
        assert_eq!(decoders.decode(message), told, "said again it is something else");
    }
    let mut texts: Vec<&str> = looked.ignored.iter().map(String::as_str).collect();
    match &told {
        Ok(said) => {
            for record in &said.records {
                check_record(decoders, message, record);
                texts.extend(names(record));
            }
            texts.extend(said.doubt.iter().flat_map(check_refusal));
        }
        Err(refusal) => texts.extend(check_refusal(refusal)),
    }
    check_personal(message, &texts);
}

fn check_record(decoders: &Decoders, message: &Incoming<'_>, record: &Record) {
    let catalogue = &decoders.catalogue;
    assert!(is_id(&record.device), "device id {:?}", record.device);
    assert!(catalogue.area(&record.area).is_some(), "area {:?}", record.area);
    assert!(catalogue.service(&record.service).is_some(), "service {:?}", record.service);
    assert!(Timestamp::from_epoch_ms(record.time.0).is_ok(), "time {:?}", record.time);
    assert_eq!(record.received, message.received);
    match &record.body {
        Body::Observation { quality, values } => {
            assert!(!values.is_empty(), "an observation of nothing");
            for (i, (name, value)) in values.iter().enumerate() {
                assert!(value.is_finite(), "{name} is {value}");
                assert!(!values[..i].iter().any(|(n, _)| n == name), "{name} twice");
                let property = catalogue.property(name).expect("a property of the catalogue");
                assert!(
                    *quality == Quality::Bad || property.is_possible(*value),
                    "{name} is {value} with quality {quality:?}"
                );
            }
        }
        Body::Detection(d) => {
            assert!(is_kind(&d.kind), "kind {:?}", d.kind);
            for name in [&d.id, &d.object, &d.zone].into_iter().flatten() {
                assert!(is_id(name), "{name:?} in a detection");
            }
            assert!(d.confidence.is_none_or(|c| (0.0..=1.0).contains(&c)), "{:?}", d.confidence);
            assert!(d.count.is_none_or(|c| c.is_finite() && c >= 0.0), "{:?}", d.count);
            assert!(d.personal.is_none(), "nobody seals here");
        }
        Body::Status(s) => {
            assert!(s.battery.is_none_or(|b| (0.0..=100.0).contains(&b)), "{:?}", s.battery);
        }
    }
}

/// Its texts.
fn check_refusal(refusal: &Refusal) -> [&str; 2] {
    assert!(!refusal.detail.is_empty(), "refused without a word");
    assert!(refusal.detail.len() <= 2_048, "{} bytes of words", refusal.detail.len());
    let device = refusal.device.as_deref().unwrap_or_default();
    assert!(device.chars().count() <= 64, "a long device");
    [&refusal.detail, device]
}

/// Texts of a record.
fn names(record: &Record) -> Vec<&str> {
    let Body::Detection(d) = &record.body else { return vec![&record.device] };
    let more = [&d.id, &d.object, &d.zone].into_iter().flatten().map(|n| &**n);
    [&*record.device, &*d.kind].into_iter().chain(more).collect()
}

/// What was in a field for plates or pictures, and nowhere else, is in no text.
fn check_personal(message: &Incoming<'_>, texts: &[&str]) {
    let Ok(json) = Json::parse(message.payload) else { return };
    let mut found = Vec::new();
    personal(&json, &mut found);
    if found.is_empty() {
        return;
    }
    let said = plain(&format!("{} {}", message.topic, String::from_utf8_lossy(message.payload)));
    let texts = plain(&texts.join(" "));
    for text in found {
        let is_its_own = text.len() >= PERSONAL_CHARS && said.matches(&text).count() == 1;
        assert!(!is_its_own || !texts.contains(&text), "personal text in {texts}");
    }
}

/// Letters and digits alone: ids and details may have the rest in other form.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn personal(json: &Json<'_>, found: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value.text().filter(|_| PERSONAL.contains(&&**name)) {
                    Some(text) => found.push(plain(text)),
                    None => personal(value, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| personal(item, found)),
        _ => {}
    }
}
