//! Values under names that are the device's own: what the registry says of them, and what the
//! catalogue says.

use std::sync::Arc;

use ioc_model::{Device, DeviceField, Quality, QuarantineReason, Record, Timestamp};

use super::Refusal;
use super::catalogue::{Cx, Origin, PropertyInfo, short};
use super::json::Json;
use super::secret::Out;
use super::sorted::Sorted;
use super::units::Conversion;

/// The values of one moment of one device, as a format with free names collects them.
///
/// A name means, in this order: the registry's field of the device (its property and unit); a
/// property of the catalogue with exactly that name, in the unit that the message states or else
/// the catalogue's. Any other name is passed over and noted: nothing is guessed.
#[derive(Debug, Default)]
pub(super) struct Reading {
    values: Sorted,
}

/// What a number is under a name.
pub(super) struct Named<'a> {
    /// The device's own word for it.
    pub(super) name: &'a str,
    /// Unit that the message itself states.
    pub(super) unit: Option<&'a str>,
}

impl Reading {
    /// Takes `value` under a name. Texts that hold nothing but a number count; null, truth
    /// values and other texts are passed over where the name is not one the registry names.
    pub(super) fn field(
        &mut self,
        cx: &Cx<'_>,
        device: Option<&Arc<Device>>,
        named: &Named<'_>,
        value: &Json<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let declared = device.and_then(|d| d.fields.iter().find(|f| f.name == named.name));
        let Some(number) = value.number() else {
            if declared.is_some() && *value != Json::Null {
                let detail = format!("`{}` must be a number", short(named.name));
                return Err(Refusal::new(QuarantineReason::BadField, detail));
            }
            out.ignore(named.name);
            return Ok(());
        };
        match declared {
            Some(field) => self.declared(cx, field, named, number),
            None => match cx.property(named.name) {
                Some(property) => self.put(property, named, named.unit, number),
                None => {
                    out.ignore(named.name);
                    Ok(())
                }
            },
        }
    }

    fn declared(
        &mut self,
        cx: &Cx<'_>,
        field: &DeviceField,
        named: &Named<'_>,
        number: f64,
    ) -> Result<(), Refusal> {
        let property = cx.property(&field.property).ok_or_else(|| {
            let detail = format!(
                "the registry maps `{}` to `{}`, which is not in the catalogue",
                short(named.name),
                field.property
            );
            Refusal::new(QuarantineReason::UnknownProperty, detail)
        })?;
        // What the message says of itself wins over what was once written down about it.
        self.put(property, named, named.unit.or(field.unit.as_deref()), number)
    }

    /// Adds a value of a known property; `unit` `None`: the property's own.
    pub(super) fn put(
        &mut self,
        property: &PropertyInfo,
        named: &Named<'_>,
        unit: Option<&str>,
        number: f64,
    ) -> Result<(), Refusal> {
        let conversion = match unit {
            None => Conversion::SAME,
            Some(unit) => Conversion::between(unit, &property.unit).ok_or_else(|| {
                let (name, unit) = (short(named.name), short(unit));
                let detail = format!("`{name}`: unit `{unit}` cannot become `{}`", property.unit);
                Refusal::new(QuarantineReason::BadUnit, detail)
            })?,
        };
        if self.values.contains(&property.name) {
            let detail = format!("property `{}` comes twice", property.name);
            return Err(Refusal::new(QuarantineReason::BadField, detail));
        }
        let pushed = self.values.push(property, conversion.apply(number));
        pushed.map_err(|(reason, detail)| Refusal::new(reason, detail))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the property has a value already.
    pub(super) fn has(&self, property: &PropertyInfo) -> bool {
        self.values.contains(&property.name)
    }

    /// Says what was collected; nothing if there is nothing.
    pub(super) fn say(self, origin: &Origin, moment: &Moment, quality: Quality, out: &mut Out<'_>) {
        if self.is_empty() {
            return;
        }
        let (body, impossible) = self.values.into_bodies(quality);
        let record = moment.record(origin, body);
        let impossible = impossible.map(|body| Record { body, ..record.clone() });
        out.say(record);
        out.records.extend(impossible);
    }
}

/// When something was, and the device's counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) received: Timestamp,
    pub(super) seq: Option<u64>,
}

impl Moment {
    /// A record of this moment.
    pub(super) fn record(&self, origin: &Origin, body: ioc_model::Body) -> Record {
        Record {
            device: Arc::clone(&origin.device),
            area: Arc::clone(&origin.area),
            service: Arc::clone(&origin.service),
            source: 0,
            time: self.time,
            received: self.received,
            seq: self.seq,
            clock_clamped: false,
            derived: false,
            body,
        }
    }
}
