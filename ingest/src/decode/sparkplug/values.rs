//! From metrics to observations.

use std::sync::Arc;

use ioc_model::{Device, Quality, QuarantineReason, Timestamp};

use super::super::Refusal;
use super::super::catalogue::{Cx, short};
use super::super::json::Json;
use super::super::reading::{Moment, Named, Reading};
use super::super::units::Conversion;
use super::session::{Known, Metrics, last_level};
use super::{Call, Who, ms, refusal};

/// A value of a message with what is known of it.
struct Item<'m> {
    time: Timestamp,
    quality: Quality,
    named: Named<'m>,
    value: Json<'m>,
}

/// Says the values of a message, those of one moment and quality together.
pub(super) fn values(
    call: &mut Call<'_, '_, '_>,
    who: &Who<'_>,
    known: &Metrics,
    at_best: Quality,
) -> Result<(), Refusal> {
    let payload = call.payload;
    let mut items = Vec::with_capacity(payload.metrics.len());
    for metric in &payload.metrics {
        let Some(known) = known.find(metric) else { continue };
        let unit = metric.unit().or(known.unit.as_deref());
        let Some(name) = meant(call.cx, who.device, known, unit) else {
            call.out.ignore(&known.name);
            continue;
        };
        let value = metric.json(known.datatype).filter(|_| metric.is_transient != Some(true));
        let Some(value) = value else {
            call.out.ignore(&known.name);
            continue;
        };
        let stamp = metric.timestamp.or(payload.timestamp);
        let stamp = stamp.ok_or_else(|| {
            let detail = format!("`{}` has no timestamp, nor has its message", short(name));
            refusal(QuarantineReason::BadTime, detail)
        })?;
        let own = metric.quality();
        let quality = if (own as u8) < at_best as u8 { at_best } else { own };
        items.push(Item { time: ms(stamp)?, quality, named: Named { name, unit }, value });
    }
    items.sort_by_key(|item| (item.time, item.quality as u8));
    for moment in items.chunk_by(|a, b| (a.time, a.quality) == (b.time, b.quality)) {
        let Some(first) = moment.first() else { continue };
        let mut reading = Reading::default();
        for item in moment {
            reading.field(call.cx, who.device, &item.named, &item.value, call.out)?;
        }
        let at = Moment { time: first.time, received: call.received, seq: None };
        reading.say(&who.origin, &at, first.quality, call.out);
    }
    Ok(())
}

/// The name under which registry or catalogue know a metric.
fn meant<'k>(
    cx: &Cx<'_>,
    device: Option<&Arc<Device>>,
    known: &'k Known,
    unit: Option<&str>,
) -> Option<&'k str> {
    let name = &*known.name;
    if device.is_some_and(|d| d.fields.iter().any(|f| f.name == name))
        || cx.property(name).is_some()
    {
        return Some(name);
    }
    let last = last_level(name);
    let property = cx.property(last).filter(|_| known.last_is_unique && last != name)?;
    Conversion::between(unit?, &property.unit).map(|_| last)
}
