//! From the name of a datastream to the field of a device, without looking at all devices.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ahash::RandomState;
use arc_swap::ArcSwap;
use ioc_model::{Device, Devices, Name, QuarantineReason, Timestamp};

use super::super::Refusal;
use super::super::catalogue::short;

/// How long an unknown name stays unknown without looking again, should a new set of devices come
/// to lie where the old one was.
const LOOK_AGAIN_MS: i64 = 1_000;

/// A datastream as names and topics have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream<'t> {
    pub(super) multi: bool,
    pub(super) id: &'t str,
    /// Which of the results of a MultiDatastream.
    pub(super) at: Option<usize>,
}

impl<'t> Stream<'t> {
    /// `Datastream(5)`, `Datastreams('a')`, `MultiDatastream(7)[2]`.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix("Multi").unwrap_or(text);
        let multi = rest.len() < text.len();
        let rest = rest.strip_prefix("Datastream")?;
        let rest = rest.strip_prefix('s').unwrap_or(rest).strip_prefix('(')?;
        let (id, rest) = rest.rsplit_once(')')?;
        let at = match rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')) {
            Some(at) if multi => Some(at.parse().ok()?),
            None if rest.is_empty() => None,
            _ => return None,
        };
        let quoted = id.strip_prefix('\'').and_then(|id| id.strip_suffix('\''));
        let id = quoted.unwrap_or(id);
        let plain = !id.is_empty() && !id.contains(['/', '(', ')', '\'']);
        plain.then_some(Self { multi, id, at })
    }
}

impl fmt::Display for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let multi = if self.multi { "Multi" } else { "" };
        let quote = if self.id.bytes().all(|b| b.is_ascii_digit()) { "" } else { "'" };
        write!(f, "{multi}Datastream({quote}{}{quote})", self.id)?;
        self.at.map_or(Ok(()), |at| write!(f, "[{at}]"))
    }
}

/// A field that names a datastream.
#[derive(Debug)]
struct Claim {
    prefix: Option<String>,
    multi: bool,
    at: Option<usize>,
    device: Name,
    field: usize,
    name: String,
}

/// What was found of a name.
pub(super) enum Found<'d> {
    /// The device and the name of its field.
    One(&'d Arc<Device>, &'d str),
    Nothing,
}

#[derive(Debug, Default)]
struct Table {
    /// Where the devices lay from which it was made.
    devices: usize,
    made: Timestamp,
    claims: HashMap<String, Vec<Claim>, RandomState>,
}

/// Made again when the registry has another set of devices. What it finds is checked against the
/// devices at hand, so it cannot tell of one that changed.
#[derive(Debug, Default)]
pub(super) struct Index(ArcSwap<Table>);

impl Table {
    fn new(devices: &Devices, made: Timestamp) -> Self {
        let mut claims: HashMap<String, Vec<Claim>, RandomState> = HashMap::default();
        for device in devices.iter() {
            for (field, named) in device.fields.iter().enumerate() {
                let (prefix, name) = match named.name.rsplit_once('/') {
                    Some((prefix, name)) => (Some(prefix.to_owned()), name),
                    None => (None, named.name.as_str()),
                };
                let Some(stream) = Stream::parse(name) else { continue };
                claims.entry(stream.id.to_owned()).or_default().push(Claim {
                    prefix,
                    multi: stream.multi,
                    at: stream.at,
                    device: Name::clone(&device.id),
                    field,
                    name: named.name.clone(),
                });
            }
        }
        Self { devices: address(devices), made, claims }
    }

    /// The one claim on a datastream: of those with the prefix, else of those without any.
    fn find(&self, prefix: &str, stream: Stream<'_>) -> Result<Option<&Claim>, Refusal> {
        let Some(claims) = self.claims.get(stream.id) else { return Ok(None) };
        for wanted in [Some(prefix), None] {
            let mut fit = claims.iter().filter(|c| {
                c.prefix.as_deref() == wanted && c.multi == stream.multi && c.at == stream.at
            });
            match (fit.next(), fit.next()) {
                (None, _) => {}
                (Some(claim), None) => return Ok(Some(claim)),
                (Some(a), Some(b)) => {
                    let detail = format!(
                        "`{}` is a field of two devices, `{}` and `{}`",
                        short(&stream.to_string()),
                        a.device,
                        b.device
                    );
                    return Err(Refusal::new(QuarantineReason::BadField, detail));
                }
            }
        }
        Ok(None)
    }
}

fn address(devices: &Devices) -> usize {
    std::ptr::from_ref(devices).addr()
}

impl Index {
    /// The field of a datastream.
    pub(super) fn find<'d>(
        &self,
        devices: &'d Devices,
        prefix: &str,
        stream: Stream<'_>,
        now: Timestamp,
    ) -> Result<Found<'d>, Refusal> {
        let mut table = self.0.load_full();
        for again in [true, false] {
            if table.devices == address(devices) {
                let claim = table.find(prefix, stream)?;
                let found = claim.and_then(|c| {
                    let device = devices.get(&c.device)?;
                    let field = device.fields.get(c.field).filter(|f| f.name == c.name)?;
                    Some(Found::One(device, &field.name))
                });
                let is_new = !again || now.since_ms(table.made).abs() < LOOK_AGAIN_MS;
                match found {
                    Some(found) => return Ok(found),
                    None if is_new && claim.is_none() => return Ok(Found::Nothing),
                    None => {}
                }
            }
            if again {
                table = Arc::new(Table::new(devices, now));
                self.0.store(Arc::clone(&table));
            }
        }
        Ok(Found::Nothing)
    }
}
