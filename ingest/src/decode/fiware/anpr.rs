//! AnprFlowObserved: a plate that a camera read. Plate and picture go to the seal and nowhere
//! else; brand, colour and country of the vehicle are passed over.

use ioc_model::{Body, Detection, Name};

use super::super::Refusal;
use super::super::catalogue::Origin;
use super::super::ids::sanitise;
use super::super::reading::Moment;
use super::super::secret::{Out, Secret};
use super::super::tape::Value;
use super::bad_field;
use super::stated::stated;

pub(super) fn detection(
    fields: Value<'_>,
    origin: &Origin,
    moment: &Moment,
    out: &mut Out<'_>,
) -> Result<(), Refusal> {
    let get = |name: &str| {
        let raw = fields.get(name)?;
        stated(name, raw).ok().flatten().map(|s| s.value)
    };
    let vehicle = get("observedVehicle");
    let unread = get("vehiclePlateNotRead").and_then(Value::truth) == Some(true);
    if vehicle.is_none() && !unread {
        return Err(bad_field("`observedVehicle` is missing"));
    }
    let plate = vehicle.and_then(|v| v.get("licensePlate"));
    let said = plate.map(|p| p.get("identifier").unwrap_or(p)).map(Value::json);
    let picture = get("refImages").and_then(|list| list.items()?.next()?.get("url"));
    let secret = Secret::read(said.as_ref(), picture.map(Value::json).as_ref());
    let confidence = plate.and_then(|p| p.get("confidence")).and_then(Value::number);
    let lane = get("laneId").and_then(|lane| match lane.text() {
        Some(text) => sanitise(text),
        None => lane.number().and_then(|n| sanitise(&n.to_string())),
    });
    let kind = if unread { "plate_not_read" } else { "lpr" };
    let detection = Detection {
        kind: kind.into(),
        id: None,
        object: Some(Name::from("vehicle")),
        confidence: confidence.filter(|c| (0.0..=1.0).contains(c)),
        count: None,
        zone: lane,
        personal: None,
    };
    out.push(moment.record(origin, Body::Detection(Box::new(detection))), secret);
    Ok(())
}
