//! One entity.

use ioc_model::{Name, Quality, QuarantineReason, Record, Timestamp};
use jiff::tz::TimeZone;

use super::super::catalogue::{Cx, Hints, Origin, PropertyInfo, short};
use super::super::fiware_models::{SLOTS, WITHOUT_VALUES, named};
use super::super::ids::sanitise;
use super::super::reading::Moment;
use super::super::secret::Out;
use super::super::sorted::Sorted;
use super::super::tape::Value;
use super::super::units::Conversion;
use super::super::{Incoming, Refusal, time};
use super::id::tail;
use super::stated::{Stated, stated};
use super::{Fiware, Known, Ready, Role, TIMES, anpr, bad_field, local};

/// An entity with its attributes found.
pub(super) struct Entity<'t> {
    id: &'t str,
    ready: &'t Ready,
    pub(super) fields: Value<'t>,
    times: [Option<Value<'t>>; TIMES.len()],
    from: Option<Value<'t>>,
    place: Option<Value<'t>>,
    ref_device: Option<Value<'t>>,
    station: Option<Value<'t>>,
    observed_by: Option<Value<'t>>,
    /// Name and value by slot.
    found: [Option<(&'t str, Value<'t>)>; SLOTS],
}

/// The moment of an entity: its start if that is said, and its end.
#[derive(Clone, Copy)]
struct Period {
    start: Option<Timestamp>,
    end: Timestamp,
}

pub(super) fn decode(
    fiware: &Fiware,
    cx: &Cx<'_>,
    message: &Incoming<'_>,
    json: Value<'_>,
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    let entity = Entity::new(fiware, json, out)?;
    let device = entity.device(cx)?;
    let end = entity.records(fiware, cx, message, Name::clone(&device), out);
    end.map_err(|r| r.of(&device))
}

impl<'t> Entity<'t> {
    fn new(fiware: &'t Fiware, json: Value<'t>, out: &mut Out<'_>) -> Result<Self, Refusal> {
        let id = json.get("id").and_then(Value::text);
        let id = id.ok_or_else(|| bad_field("an entity needs `id`"))?;
        let first = |v: Value<'t>| v.items().map_or(Some(v), |mut items| items.next());
        let kind_of = |json: Value<'t>| json.get("type").and_then(first).and_then(Value::text);
        // GeoJSON feature: the attributes are its properties.
        let (fields, geometry) = match kind_of(json) {
            Some("Feature") => (json.get("properties").unwrap_or(json), json.get("geometry")),
            _ => (json, None),
        };
        let kind = kind_of(fields).map(local);
        let kind = kind.ok_or_else(|| bad_field("an entity needs `type`").of(id))?;
        let item = match kind {
            "ItemFlowObserved" => text_of("itemType", fields.get("itemType")),
            _ => None,
        };
        let model = named(kind, item).and_then(|at| fiware.models.get(at));
        let ready = model.ok_or_else(|| not_decoded(kind).of(id))?;
        let mut entity = Self {
            id,
            ready,
            fields,
            times: [None; TIMES.len()],
            from: None,
            place: geometry,
            ref_device: None,
            station: None,
            observed_by: None,
            found: [None; SLOTS],
        };
        entity.sort(out);
        Ok(entity)
    }

    /// Puts each attribute where it belongs.
    fn sort(&mut self, out: &mut Out<'_>) {
        let mut ranks = [u8::MAX; SLOTS];
        for (name, value) in self.fields.fields() {
            match self.ready.role(name) {
                Some(Role::Time(at)) => self.times[usize::from(at)] = Some(value),
                Some(Role::From) => self.from = Some(value),
                Some(Role::Place) => self.place = Some(value),
                Some(Role::RefDevice) => self.ref_device = Some(value),
                Some(Role::Station) => self.station = Some(value),
                Some(Role::ObservedBy) => self.observed_by = Some(value),
                Some(Role::Form) => {}
                Some(Role::Value(slot, rank)) => {
                    let slot = usize::from(slot);
                    if rank < ranks[slot] {
                        ranks[slot] = rank;
                        self.found[slot] = Some((name, value));
                    }
                }
                None => out.ignore(name),
            }
        }
    }

    fn records(
        &self,
        fiware: &Fiware,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        device: Name,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let hints = Hints {
            place: self.place(),
            default_service: Some(self.ready.model.service),
            ..Hints::default()
        };
        let origin = cx.resolve(device, &hints)?;
        if origin.axes_swapped {
            out.ignore("location (axes swapped)");
        }
        let zone = fiware.zone.as_ref();
        let period = self.period(zone);
        if self.ready.model.name == "AnprFlowObserved" {
            let moment = Moment { time: period?.end, received: message.received, seq: None };
            return anpr::detection(self.fields, &origin, &moment, out);
        }
        let mut said = Said::default();
        for (known, found) in self.ready.slots.iter().zip(self.found) {
            let Some((name, raw)) = found else { continue };
            if &*known.property.name == "parking_occupancy" && said.has_spaces() {
                out.ignore(name);
                continue;
            }
            let Some((value, at)) = value(known, name, raw, out)? else { continue };
            match at {
                None => said.at_end(&period)?.push(&known.property, value),
                Some(at) => said.at(time::rfc3339(at, zone)?, &period).push(&known.property, value),
            }
            .map_err(|(reason, detail)| Refusal::new(reason, detail))?;
        }
        if let Ok(period) = period {
            self.add_level(cx, &mut said.main, out)?;
            add_hourly_flow(cx, &mut said.main, period)?;
        }
        said.say(&origin, message, period.ok(), out)
    }

    /// The registry's device of that name or id: `refDevice`, else `observedBy`, else
    /// `stationID`, else the entity's own id; of a URN that nobody knows the last part.
    fn device(&self, cx: &Cx<'_>) -> Result<Name, Refusal> {
        let reference = text_of("refDevice", self.ref_device)
            .or_else(|| text_of("observedBy", self.observed_by))
            .map(|d| (d, "Device"));
        let station = || text_of("stationID", self.station).map(|s| (s, ""));
        let (named, model) = reference.or_else(station).unwrap_or((self.id, self.ready.model.name));
        let id = if model.is_empty() { named } else { tail(named, model) };
        let known = cx.devices.called(named).or_else(|| cx.devices.called(id));
        if let Some(device) = known {
            return Ok(Name::clone(&device.id));
        }
        sanitise(id).ok_or_else(|| {
            Refusal::new(QuarantineReason::BadId, "the entity id cannot be a device id").of(id)
        })
    }

    /// A point of the entity's location: longitude, latitude.
    fn place(&self) -> Option<(f64, f64)> {
        let location = stated("location", self.place?).ok()??.value;
        let mut at = location.get("coordinates")?;
        // Lines and polygons: the middle vertex of the first part.
        loop {
            let count = at.items()?.count();
            let first = at.items()?.next()?;
            let Some(inner) = first.items().and_then(|mut i| i.next()) else { break };
            at = if inner.is_array() { first } else { at.items()?.nth(count / 2)? };
        }
        let mut axes = at.items()?;
        Some((axes.next()?.number()?, axes.next()?.number()?))
    }

    fn period(&self, zone: Option<&TimeZone>) -> Result<Period, Refusal> {
        let mut first_error = None;
        let mut end = None;
        let mut interval_start = None;
        for (name, raw) in TIMES.iter().zip(self.times) {
            let Some(text) = text_of(name, raw) else { continue };
            let (from, to) = text.split_once('/').map_or((None, text), |(f, t)| (Some(f), t));
            interval_start = interval_start.or(from);
            if end.is_none() {
                match time::rfc3339(to, zone) {
                    Ok(time) => end = Some(time),
                    Err(e) => first_error = first_error.or(Some(e)),
                }
            }
        }
        let missing = || {
            let detail = "no attribute holds the observation time";
            Refusal::new(QuarantineReason::BadTime, detail)
        };
        let end = end.ok_or_else(|| first_error.unwrap_or_else(missing))?;
        let start = text_of("dateObservedFrom", self.from).or(interval_start);
        Ok(Period { start: start.and_then(|t| time::rfc3339(t, zone).ok()), end })
    }

    /// FloodMonitoring: the level is the reference level less the measured distance.
    fn add_level(
        &self,
        cx: &Cx<'_>,
        values: &mut Sorted,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if self.ready.model.name != "FloodMonitoring" || !values.is_empty() {
            return Ok(());
        }
        let Some(known) = self.ready.slots.first() else { return Ok(()) };
        let mut metres = |name: &str| {
            let raw = self.fields.get(name);
            raw.map_or(Ok(None), |raw| value(known, name, raw, out)).map(|v| v.map(|(n, _)| n))
        };
        let (reference, distance) = (metres("referenceLevel")?, metres("measuredDistance")?);
        match (cx.property("water_level"), reference, distance) {
            (Some(property), Some(r), Some(d)) => push(values, property, r - d),
            _ => Ok(()),
        }
    }
}

/// The values of an entity by their moments.
#[derive(Default)]
struct Said {
    main: Sorted,
    /// Of attributes with a time of their own.
    others: Vec<(Timestamp, Sorted)>,
}

impl Said {
    /// Free and total spaces of one moment are there.
    fn has_spaces(&self) -> bool {
        let has = |name: &str| self.main.possible.iter().any(|(n, _)| &**n == name);
        has("parking_free") && has("parking_total")
    }

    fn at_end(&mut self, period: &Result<Period, Refusal>) -> Result<&mut Sorted, Refusal> {
        match period {
            Ok(_) => Ok(&mut self.main),
            Err(refusal) => Err(refusal.clone()),
        }
    }

    fn at(&mut self, at: Timestamp, period: &Result<Period, Refusal>) -> &mut Sorted {
        if period.as_ref().is_ok_and(|p| p.end == at) {
            return &mut self.main;
        }
        let there = self.others.iter().position(|(t, _)| *t == at);
        let index = there.unwrap_or_else(|| {
            self.others.push((at, Sorted::default()));
            self.others.len() - 1
        });
        &mut self.others[index].1
    }

    fn say(
        self,
        origin: &Origin,
        message: &Incoming<'_>,
        period: Option<Period>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        if self.main.is_empty() && self.others.is_empty() {
            return Err(bad_field("no attribute holds a value with a known unit"));
        }
        let main = period.map(|p| (p.end, self.main)).filter(|(_, values)| !values.is_empty());
        for (time, values) in main.into_iter().chain(self.others) {
            let moment = Moment { time, received: message.received, seq: None };
            let (body, impossible) = values.into_bodies(Quality::Good);
            let record = moment.record(origin, body);
            let impossible = impossible.map(|body| Record { body, ..record.clone() });
            out.say(record);
            out.records.extend(impossible);
        }
        Ok(())
    }
}

fn not_decoded(kind: &str) -> Refusal {
    if WITHOUT_VALUES.contains(&kind) {
        let detail = format!("`{kind}` holds nothing that the catalogue has a property for");
        return Refusal::new(QuarantineReason::UnknownProperty, detail);
    }
    bad_field(format!("entity type `{}` is not decoded", short(kind)))
}

/// The value of an attribute in its property's unit, and its own time; `None` if it says nothing.
fn value<'t>(
    known: &Known,
    name: &str,
    raw: Value<'t>,
    out: &mut Out<'_>,
) -> Result<Option<(f64, Option<&'t str>)>, Refusal> {
    let Some(Stated { value, unit, at }) = stated(name, raw)? else {
        out.ignore(name);
        return Ok(None);
    };
    if !known.attribute.words.is_empty() {
        let meant = |w: &str| known.attribute.words.iter().find(|(word, _)| *word == w);
        let Some((_, number)) = value.text().and_then(meant) else {
            out.ignore(name);
            return Ok(None);
        };
        return Ok(Some((*number, at)));
    }
    if value.is_nothing() {
        return Ok(None);
    }
    let conversion = match (unit, known.usual) {
        (None, Some(usual)) => usual,
        (None, None) => {
            out.ignore(name);
            return Ok(None);
        }
        (Some(unit), _) => Conversion::between(unit, &known.property.unit).ok_or_else(|| {
            let unit = short(unit);
            let detail = format!("`{name}` has unit `{unit}`, which cannot be converted");
            Refusal::new(QuarantineReason::BadUnit, detail)
        })?,
    };
    let number = value.number();
    let number = number.ok_or_else(|| bad_field(format!("`{name}` is not a number")))?;
    let number = conversion.apply(number);
    // The models count west of north below zero, or to 360.
    let west = &*known.property.name == "wind_direction" && (-180.0..0.0).contains(&number);
    Ok(Some((if west { number + 360.0 } else { number }, at)))
}

/// The text of an attribute; of a list its first.
fn text_of<'t>(name: &str, raw: Option<Value<'t>>) -> Option<&'t str> {
    let value = stated(name, raw?).ok()??.value;
    match value.items() {
        Some(mut items) => items.next()?.text(),
        None => value.text(),
    }
}

fn push(values: &mut Sorted, property: &PropertyInfo, value: f64) -> Result<(), Refusal> {
    values.push(property, value).map_err(|(reason, detail)| Refusal::new(reason, detail))
}

/// Vehicles per hour where the length of the period is stated.
fn add_hourly_flow(cx: &Cx<'_>, values: &mut Sorted, period: Period) -> Result<(), Refusal> {
    let period_ms = period.start.map_or(0, |start| period.end.since_ms(start));
    if period_ms <= 0 {
        return Ok(());
    }
    let mut found = values.possible.iter();
    let count = found.find(|(name, _)| &**name == "vehicle_count").map(|(_, n)| *n);
    match (count, cx.property("traffic_flow")) {
        (Some(count), Some(property)) => push(values, property, count * 3.6e6 / period_ms as f64),
        _ => Ok(()),
    }
}
