//! Compact, versioned encoding of a batch of entries: one dictionary of texts per batch,
//! varints, times as differences. A reader needs nothing but the bytes.

use std::sync::Arc;

use ahash::AHashMap;
use smallvec::SmallVec;

use crate::{Body, Detection, Entry, Name, Quality, Record, Sealed, Status, Timestamp};

/// Without personal data a batch is what it always was.
const VERSION: u8 = 1;
/// A detection may carry sealed personal data.
const WITH_PERSONAL: u8 = 2;
const TICK: u8 = 0;
const OBSERVATION: u8 = 1;
const DETECTION: u8 = 2;
const STATUS: u8 = 3;
/// In the head byte of a detection.
const PERSONAL: u8 = 64;

/// Why bytes are not a batch.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    /// Written by a later version.
    #[error("batch encoding version {0} is not known")]
    Version(u8),
    /// The bytes end or lie.
    #[error("batch bytes are damaged at offset {0}")]
    Damaged(usize),
}

/// Appends the encoding of `entries` to `out`.
pub fn encode_batch(entries: &[Entry], out: &mut Vec<u8>) {
    let mut enc = Encoder { body: Vec::with_capacity(entries.len() * 48), ..Encoder::default() };
    for entry in entries {
        enc.entry(entry);
    }
    out.push(if enc.personal { WITH_PERSONAL } else { VERSION });
    put_varint(out, enc.texts.len() as u64);
    for text in &enc.texts {
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    put_varint(out, entries.len() as u64);
    out.extend_from_slice(&enc.body);
}

/// Reads what [`encode_batch`] wrote.
///
/// # Errors
/// [`CodecError`] on damaged bytes; never panics and never allocates more than the bytes allow.
pub fn decode_batch(bytes: &[u8]) -> Result<Vec<Entry>, CodecError> {
    let mut d = Decoder { bytes, at: 0, texts: Vec::new(), time: 0, personal: false };
    d.personal = match d.byte()? {
        VERSION => false,
        WITH_PERSONAL => true,
        version => return Err(CodecError::Version(version)),
    };
    let n_texts = d.count()?;
    for _ in 0..n_texts {
        let text = d.text_bytes()?;
        d.texts.push(text);
    }
    let n = d.count()?;
    let mut entries = Vec::with_capacity(n);
    for _ in 0..n {
        entries.push(d.entry()?);
    }
    Ok(entries)
}

#[derive(Default)]
struct Encoder<'a> {
    texts: Vec<&'a str>,
    /// By pointer first: records of one device share their `Arc`s.
    by_pointer: AHashMap<(*const u8, usize), u64>,
    by_text: AHashMap<&'a str, u64>,
    time: i64,
    body: Vec<u8>,
    /// Something sealed was written.
    personal: bool,
}

impl<'a> Encoder<'a> {
    fn entry(&mut self, entry: &'a Entry) {
        match entry {
            Entry::Tick(t) => {
                self.body.push(TICK);
                self.put_time(*t);
            }
            Entry::Record(r) => self.record(r),
        }
    }

    fn record(&mut self, r: &'a Record) {
        let tag = match &r.body {
            Body::Observation { .. } => OBSERVATION,
            Body::Detection(d) if d.personal.is_some() => DETECTION | PERSONAL,
            Body::Detection(_) => DETECTION,
            Body::Status(_) => STATUS,
        };
        // Low 3 bits: kind; then has-seq, clamped, derived, personal.
        let head = tag
            | (u8::from(r.seq.is_some()) << 3)
            | (u8::from(r.clock_clamped) << 4)
            | (u8::from(r.derived) << 5);
        self.body.push(head);
        self.put_name(&r.device);
        self.put_name(&r.area);
        self.put_name(&r.service);
        put_varint(&mut self.body, u64::from(r.source));
        self.put_time(r.time);
        put_signed(&mut self.body, r.received.0.wrapping_sub(r.time.0));
        if let Some(seq) = r.seq {
            put_varint(&mut self.body, seq);
        }
        match &r.body {
            Body::Observation { quality, values } => {
                self.body.push(*quality as u8);
                put_varint(&mut self.body, values.len() as u64);
                for (property, value) in values {
                    self.put_name(property);
                    self.body.extend_from_slice(&value.to_le_bytes());
                }
            }
            Body::Detection(x) => {
                self.put_name(&x.kind);
                for t in [&x.id, &x.object, &x.zone] {
                    self.put_optional_name(t.as_ref());
                }
                self.put_optional_number(x.confidence);
                self.put_optional_number(x.count);
                if let Some(sealed) = &x.personal {
                    self.put_sealed(sealed);
                }
            }
            Body::Status(s) => {
                self.body.push(u8::from(s.online));
                self.put_optional_number(s.battery);
            }
        }
    }

    fn put_time(&mut self, t: Timestamp) {
        put_signed(&mut self.body, t.0.wrapping_sub(self.time));
        self.time = t.0;
    }

    fn put_name(&mut self, name: &'a Name) {
        let index = self.index(name);
        put_varint(&mut self.body, index);
    }

    fn put_optional_name(&mut self, name: Option<&'a Name>) {
        let index = name.map_or(0, |n| self.index(n) + 1);
        put_varint(&mut self.body, index);
    }

    fn put_optional_number(&mut self, x: Option<f64>) {
        self.body.push(u8::from(x.is_some()));
        if let Some(x) = x {
            self.body.extend_from_slice(&x.to_le_bytes());
        }
    }

    fn put_sealed(&mut self, sealed: &'a Sealed) {
        self.personal = true;
        put_varint(&mut self.body, u64::from(sealed.key));
        self.put_name(&sealed.mask);
        self.body.extend_from_slice(&sealed.pseudonym.to_le_bytes());
        put_varint(&mut self.body, sealed.bytes.len() as u64);
        self.body.extend_from_slice(&sealed.bytes);
    }

    fn index(&mut self, name: &'a Name) -> u64 {
        let key = (name.as_ptr(), name.len());
        if let Some(i) = self.by_pointer.get(&key) {
            return *i;
        }
        let next = self.texts.len() as u64;
        let i = *self.by_text.entry(name).or_insert(next);
        if i == next {
            self.texts.push(name);
        }
        self.by_pointer.insert(key, i);
        i
    }
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    texts: Vec<Name>,
    time: i64,
    /// The version may have sealed personal data.
    personal: bool,
}

impl Decoder<'_> {
    fn entry(&mut self) -> Result<Entry, CodecError> {
        let head = self.byte()?;
        if head == TICK {
            return Ok(Entry::Tick(self.time()?));
        }
        let device = self.name()?;
        let area = self.name()?;
        let service = self.name()?;
        let source = u16::try_from(self.varint()?).map_err(|_| CodecError::Damaged(self.at))?;
        let time = self.time()?;
        let received = Timestamp(time.0.wrapping_add(self.signed()?));
        let seq = if head & 8 == 0 { None } else { Some(self.varint()?) };
        let body = match head & 7 {
            OBSERVATION => {
                let quality = Quality::from_u8(self.byte()?);
                let n = self.count()?;
                let mut values = SmallVec::with_capacity(n);
                for _ in 0..n {
                    values.push((self.name()?, self.number()?));
                }
                Body::Observation { quality, values }
            }
            DETECTION => Body::Detection(Box::new(Detection {
                kind: self.name()?,
                id: self.optional_name()?,
                object: self.optional_name()?,
                zone: self.optional_name()?,
                confidence: self.optional_number()?,
                count: self.optional_number()?,
                personal: match self.personal && head & PERSONAL != 0 {
                    true => Some(Box::new(self.sealed()?)),
                    false => None,
                },
            })),
            STATUS => {
                Body::Status(Status { online: self.byte()? != 0, battery: self.optional_number()? })
            }
            _ => return Err(CodecError::Damaged(self.at)),
        };
        let (clock_clamped, derived) = (head & 16 != 0, head & 32 != 0);
        Ok(Entry::Record(Record {
            device,
            area,
            service,
            source,
            time,
            received,
            seq,
            clock_clamped,
            derived,
            body,
        }))
    }

    fn damaged<T>(&self) -> Result<T, CodecError> {
        Err(CodecError::Damaged(self.at))
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        match self.bytes.get(self.at) {
            Some(b) => {
                self.at += 1;
                Ok(*b)
            }
            None => self.damaged(),
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8], CodecError> {
        match self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end)) {
            Some(slice) => {
                self.at += n;
                Ok(slice)
            }
            None => self.damaged(),
        }
    }

    /// A count of things of at least one byte each, so it cannot exceed what is left.
    fn count(&mut self) -> Result<usize, CodecError> {
        let n = usize::try_from(self.varint()?).or_else(|_| self.damaged())?;
        if n > self.bytes.len() - self.at { self.damaged() } else { Ok(n) }
    }

    fn text_bytes(&mut self) -> Result<Name, CodecError> {
        let n = self.count()?;
        let at = self.at;
        let slice = self.take(n)?;
        std::str::from_utf8(slice).map(Arc::from).map_err(|_| CodecError::Damaged(at))
    }

    fn name(&mut self) -> Result<Name, CodecError> {
        let i = self.varint()?;
        self.text(i)
    }

    fn optional_name(&mut self) -> Result<Option<Name>, CodecError> {
        match self.varint()? {
            0 => Ok(None),
            i => self.text(i - 1).map(Some),
        }
    }

    fn text(&self, i: u64) -> Result<Name, CodecError> {
        usize::try_from(i)
            .ok()
            .and_then(|i| self.texts.get(i))
            .cloned()
            .ok_or(CodecError::Damaged(self.at))
    }

    fn sealed(&mut self) -> Result<Sealed, CodecError> {
        let key = u32::try_from(self.varint()?).map_err(|_| CodecError::Damaged(self.at))?;
        let mask = self.name()?;
        let pseudonym = u64::from_le_bytes(self.eight()?);
        let n = self.count()?;
        Ok(Sealed { key, mask, pseudonym, bytes: self.take(n)?.into() })
    }

    fn eight(&mut self) -> Result<[u8; 8], CodecError> {
        let mut b = [0; 8];
        b.copy_from_slice(self.take(8)?);
        Ok(b)
    }

    fn number(&mut self) -> Result<f64, CodecError> {
        self.eight().map(f64::from_le_bytes)
    }

    fn optional_number(&mut self) -> Result<Option<f64>, CodecError> {
        if self.byte()? == 0 { Ok(None) } else { self.number().map(Some) }
    }

    fn time(&mut self) -> Result<Timestamp, CodecError> {
        self.time = self.time.wrapping_add(self.signed()?);
        Ok(Timestamp(self.time))
    }

    fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            value |= u64::from(b & 0x7f) << shift;
            if b < 0x80 {
                return Ok(value);
            }
        }
        self.damaged()
    }

    fn signed(&mut self) -> Result<i64, CodecError> {
        let z = self.varint()?;
        Ok((z >> 1) as i64 ^ -((z & 1) as i64))
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Name> {
        "[a-z]{0,6}".prop_map(|s| Name::from(s.as_str()))
    }

    fn sealed() -> impl Strategy<Value = Sealed> {
        let bytes = prop::collection::vec(any::<u8>(), 0..90);
        (any::<u32>(), name(), any::<u64>(), bytes).prop_map(|(key, mask, pseudonym, bytes)| {
            Sealed { key, mask, pseudonym, bytes: bytes.into() }
        })
    }

    fn body() -> impl Strategy<Value = Body> {
        prop_oneof![
            (0u8..3, prop::collection::vec((name(), -1e9f64..1e9), 1..4)).prop_map(|(q, v)| {
                Body::Observation { quality: Quality::from_u8(q), values: v.into_iter().collect() }
            }),
            (
                name(),
                prop::option::of(name()),
                prop::option::of(0.0f64..1.0),
                prop::option::of(sealed())
            )
                .prop_map(|(kind, id, confidence, sealed)| {
                    Body::Detection(Box::new(Detection {
                        kind,
                        zone: id.clone(),
                        id,
                        object: None,
                        confidence,
                        count: confidence,
                        personal: sealed.map(Box::new),
                    }))
                }),
            (any::<bool>(), prop::option::of(0.0f64..100.0))
                .prop_map(|(online, battery)| Body::Status(Status { online, battery })),
        ]
    }

    fn entry() -> impl Strategy<Value = Entry> {
        prop_oneof![
            any::<i64>().prop_map(|t| Entry::Tick(Timestamp(t))),
            (
                name(),
                name(),
                name(),
                any::<i64>(),
                any::<i64>(),
                prop::option::of(any::<u64>()),
                any::<(bool, bool)>(),
                body()
            )
                .prop_map(
                    |(device, area, service, t, r, seq, (clock_clamped, derived), body)| {
                        Entry::Record(Record {
                            device,
                            area,
                            service,
                            source: 3,
                            time: Timestamp(t),
                            received: Timestamp(r),
                            seq,
                            clock_clamped,
                            derived,
                            body,
                        })
                    }
                ),
        ]
    }

    fn old_entries() -> Vec<Entry> {
        let detection = Detection {
            kind: "red_light".into(),
            id: Some("e-1".into()),
            object: None,
            confidence: Some(0.5),
            count: None,
            zone: Some("lane1".into()),
            personal: None,
        };
        vec![
            Entry::Tick(Timestamp(1_761_588_000_000)),
            Entry::Record(Record {
                device: "cam-1".into(),
                area: "hai_chau".into(),
                service: "traffic".into(),
                source: 1,
                time: Timestamp(1_761_588_000_100),
                received: Timestamp(1_761_588_000_200),
                seq: Some(7),
                clock_clamped: true,
                derived: false,
                body: Body::Detection(Box::new(detection)),
            }),
        ]
    }

    /// Written by the version before personal data could be sealed.
    const OLD: &str = "01060563616d2d31086861695f636861750774726166666963097265645f6c696768740365\
        2d31056c616e6531020080d49dedc4661a00010201c801c801070305000601000000000000e03f00";

    #[test]
    fn old_journals_still_read_and_batches_without_personal_data_are_as_they_were() {
        let hex: Vec<u8> = (0..OLD.len() / 2)
            .map(|i| u8::from_str_radix(&OLD[2 * i..2 * i + 2], 16).expect("hexadecimal"))
            .collect();
        assert_eq!(decode_batch(&hex).expect("old bytes"), old_entries());
        let mut bytes = Vec::new();
        encode_batch(&old_entries(), &mut bytes);
        assert_eq!(bytes, hex);
    }

    #[test]
    fn version_1_has_no_personal_data_whatever_its_flags_say() {
        let mut bytes = Vec::new();
        encode_batch(&old_entries(), &mut bytes);
        let at = bytes.iter().position(|b| *b == 0x1a).expect("head of the record");
        bytes[at] |= PERSONAL;
        assert_eq!(decode_batch(&bytes).expect("reads"), old_entries());
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(entries in prop::collection::vec(entry(), 0..20)) {
            let mut bytes = Vec::new();
            encode_batch(&entries, &mut bytes);
            prop_assert_eq!(decode_batch(&bytes).expect("own bytes"), entries);
        }

        #[test]
        fn damaged_bytes_never_panic(entries in prop::collection::vec(entry(), 1..8),
                                     at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            encode_batch(&entries, &mut bytes);
            let i = at.index(bytes.len());
            bytes[i] ^= 1 << bit;
            let _ = decode_batch(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = decode_batch(&bytes);
        }
    }
}
