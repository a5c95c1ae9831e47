//! What devices send to FIWARE's IoT Agents: bare attributes as JSON or as UltraLight, the device
//! in the topic. What a name means says the registry, else the catalogue.

use std::borrow::Cow;
use std::sync::Arc;

use ioc_model::{Device, Quality, QuarantineReason, Timestamp};

use super::super::catalogue::{Cx, Hints, short};
use super::super::ids::sanitise;
use super::super::json::{FIELDS, Json};
use super::super::reading::{Moment, Named, Reading};
use super::super::secret::Out;
use super::super::tape::Value;
use super::super::{Incoming, Refusal, time};
use super::{Fiware, bad_field};

/// The attribute that holds the time.
const TIME: &str = "TimeInstant";

/// One message of a device.
pub(super) struct Agent<'a> {
    pub(super) fiware: &'a Fiware,
    pub(super) cx: &'a Cx<'a>,
    pub(super) message: &'a Incoming<'a>,
    pub(super) device: &'a str,
}

/// One moment of it.
struct Group<'a> {
    known: Option<&'a Arc<Device>>,
    reading: Reading,
    time: Option<Timestamp>,
    /// A number whose name means nothing here.
    unknown: Option<String>,
}

/// Whether a payload is JSON and not UltraLight, which has no brackets.
pub(super) fn is_json(payload: &[u8]) -> bool {
    matches!(payload.trim_ascii_start().first(), Some(b'{' | b'['))
}

fn malformed(detail: &str) -> Refusal {
    Refusal::new(QuarantineReason::Malformed, detail)
}

impl<'a> Agent<'a> {
    /// `{"t": 21.5, "TimeInstant": "…"}`; values may also be `{"value": …}`.
    pub(super) fn attributes(&self, json: Value<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        let mut group = self.group();
        for (name, value) in json.fields() {
            let value = value.get("value").unwrap_or(value);
            self.take(&mut group, name, &value.json(), out)?;
        }
        self.say(group, out)
    }

    /// `t|25|h|42`, with a time before it, several groups parted by `#`.
    pub(super) fn ultralight(&self, out: &mut Out<'_>) -> Result<(), Refusal> {
        let text = self.text()?;
        for group in text.split('#') {
            let parts: Vec<&str> = group.split('|').map(str::trim).collect();
            let mut said = self.group();
            let pairs = match parts.split_first() {
                _ if parts.len() < 2 || parts.len() > 2 * FIELDS => {
                    return Err(self.refuse(malformed("UltraLight is `name|value|name|value`")));
                }
                Some((time, pairs)) if parts.len() % 2 == 1 => {
                    said.time = Some(self.time(time).map_err(|r| self.refuse(r))?);
                    pairs
                }
                _ => &parts[..],
            };
            for pair in pairs.chunks_exact(2) {
                let (name, value) = (pair[0], pair[1]);
                self.take(&mut said, name, &Json::Text(Cow::Borrowed(value)), out)?;
            }
            self.say(said, out)?;
        }
        Ok(())
    }

    /// The one value of `…/attrs/{name}`.
    pub(super) fn one(&self, name: &str, out: &mut Out<'_>) -> Result<(), Refusal> {
        let text = self.text()?;
        let mut group = self.group();
        self.take(&mut group, name, &Json::Text(Cow::Borrowed(text)), out)?;
        self.say(group, out)
    }

    fn text(&self) -> Result<&'a str, Refusal> {
        let text = std::str::from_utf8(self.message.payload).ok().map(str::trim);
        let text = text.filter(|t| !t.contains('\0'));
        text.ok_or_else(|| self.refuse(malformed("neither JSON nor UltraLight text")))
    }

    fn refuse(&self, refusal: Refusal) -> Refusal {
        refusal.of(self.device)
    }

    fn time(&self, text: &str) -> Result<Timestamp, Refusal> {
        time::rfc3339(text, self.fiware.zone.as_ref())
    }

    fn group(&self) -> Group<'a> {
        let known = self.cx.devices.called(self.device);
        Group { known, reading: Reading::default(), time: None, unknown: None }
    }

    fn take(
        &self,
        group: &mut Group<'_>,
        name: &str,
        value: &Json<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let refuse = |r| self.refuse(r);
        if name.is_empty() {
            return Err(refuse(bad_field("an attribute without a name")));
        }
        if name == TIME {
            if let Some(text) = value.text() {
                group.time = Some(self.time(text).map_err(refuse)?);
            }
            return Ok(());
        }
        let declared = group.known.is_some_and(|d| d.fields.iter().any(|f| f.name == name));
        if !declared && self.cx.property(name).is_none() && value.number().is_some() {
            group.unknown.get_or_insert_with(|| short(name));
        }
        let named = Named { name, unit: None };
        group.reading.field(self.cx, group.known, &named, value, out).map_err(refuse)
    }

    fn say(&self, group: Group<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        if group.reading.is_empty() {
            return match group.unknown {
                // Numbers, and none is understood: its owner must hear of it.
                Some(name) => Err(self.refuse(Refusal::new(
                    QuarantineReason::UnknownProperty,
                    format!(
                        "`{name}` is no property of the catalogue; name its property and unit in \
                         the `fields` of this device"
                    ),
                ))),
                None => Ok(()),
            };
        }
        let id = sanitise(self.device).ok_or_else(|| {
            self.refuse(Refusal::new(QuarantineReason::BadId, "the device id cannot be used"))
        })?;
        let service = Some(self.fiware.service.as_str());
        let hints = Hints { default_service: service, ..Hints::default() };
        let origin = self.cx.resolve(id, &hints).map_err(|r| self.refuse(r))?;
        let received = self.message.received;
        let moment = Moment { time: group.time.unwrap_or(received), received, seq: None };
        group.reading.say(&origin, &moment, Quality::Good, out);
        Ok(())
    }
}
