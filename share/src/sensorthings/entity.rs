//! Values of the properties of entities.

use ioc_model::{Name, Quality, Text};
use serde_json::{Map, Value, json};

use super::catalogue::{Catalogue, Entity, Observed};
use super::{units, when};

/// The first and the last time of a datastream's observations, ms.
pub(super) type Span = Option<(i64, i64)>;

const GEOJSON: &str = "application/geo+json";
const MEASUREMENT: &str = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement";

impl Catalogue<'_> {
    /// The value of a property of the kind's list; `None` where the entity has none. Times of
    /// datastreams are in `span`; links are below `base`.
    pub(super) fn value(&self, e: Entity, property: &str, base: &str, span: Span) -> Option<Value> {
        if property == "@iot.id" {
            return Some(json!(self.id(e)));
        }
        match e {
            Entity::Thing(t) => self.of_thing(t, property),
            Entity::Location(t) | Entity::Feature(t) => self.of_place(t, property),
            Entity::Datastream(s) => self.of_stream(s, property, span),
            Entity::Sensor(k) => self.of_sensor(k, property),
            Entity::Property(p) => self.of_property(p, property, base),
            Entity::Observation(o) => of_observation(&o, property),
            Entity::AnyObservation(_) => None,
        }
    }

    fn of_thing(&self, t: usize, property: &str) -> Option<Value> {
        let device = self.things[t].device;
        Some(match property {
            "name" => json!(device.name.vi),
            "description" => {
                let area = self.city.areas.get(&device.area).map(|a| &a.name.en);
                let area = area.map(|a| format!(", {a}")).unwrap_or_default();
                json!(format!("{} ({}){area}", device.name.en, device.kind))
            }
            "properties" => json!({
                "name_en": device.name.en,
                "kind": device.kind,
                "service": device.service,
                "service_name": self.city.services.get(&device.service).map(|s| &s.name.vi),
                "area": device.area,
                "area_name": self.city.areas.get(&device.area).map(|a| &a.name.vi),
                "cadence_s": device.cadence_s,
            }),
            _ => return None,
        })
    }

    /// Of a location and of a feature of interest: both are the place of a device.
    fn of_place(&self, t: usize, property: &str) -> Option<Value> {
        let device = self.things[t].device;
        let area = self.city.areas.get(&device.area);
        Some(match property {
            "name" => json!(device.name.vi),
            "description" => match area {
                Some(a) => json!(format!("Place of {}, {}", device.name.en, a.name.en)),
                None => json!(format!("Place of {}", device.name.en)),
            },
            "encodingType" => json!(GEOJSON),
            "properties" => json!({
                "area": device.area,
                "area_name": area.map(|a| &a.name.vi),
                "area_code": area.map(|a| &a.code),
            }),
            "location" | "feature" => match device.place {
                Some((lat, lon)) => json!({"type": "Point", "coordinates": [lon, lat]}),
                None => json!({"type": "Feature", "geometry": null, "properties": {}}),
            },
            _ => return None,
        })
    }

    fn of_stream(&self, s: usize, property: &str, span: Span) -> Option<Value> {
        let device = self.device(s);
        let name = self.streams[s].name;
        let words = self.words(name);
        Some(match property {
            "name" => json!(format!("{}: {}", device.name.vi, words.vi)),
            "description" => json!(format!("{} at {}", words.en, device.name.en)),
            "observationType" => json!(MEASUREMENT),
            "unitOfMeasurement" => self.unit(name),
            "properties" => json!({
                "device": device.id,
                "property": name,
                "service": device.service,
                "cadence_s": device.cadence_s,
            }),
            "observedArea" => {
                let (lat, lon) = device.place?;
                let corner = [lon, lat];
                json!({"type": "Polygon", "coordinates": [vec![corner; 5]]})
            }
            "phenomenonTime" | "resultTime" => {
                let (first, last) = span?;
                json!(when::period(first, last))
            }
            _ => return None,
        })
    }

    fn unit(&self, property: &Name) -> Value {
        match self.city.properties.get(property).map(|p| &*p.unit) {
            // 18-088, table 11: all null where there is no unit.
            None | Some("") => json!({"name": null, "symbol": null, "definition": null}),
            Some(symbol) => {
                let (name, definition) = units::unit(symbol);
                json!({"name": name, "symbol": symbol, "definition": definition})
            }
        }
    }

    fn words(&self, property: &Name) -> Text {
        let plain = || Text { vi: property.to_string(), en: property.to_string() };
        self.city.properties.get(property).map_or_else(plain, |p| p.name.clone())
    }

    fn of_sensor(&self, k: usize, property: &str) -> Option<Value> {
        let kind = self.kinds[k];
        Some(match property {
            "name" => json!(kind),
            "description" => json!(format!("Devices of the kind {kind}")),
            "encodingType" => json!("text/html"),
            "metadata" => json!(format!(
                "<p>Devices of the kind <code>{}</code>; no data sheet is published.</p>",
                quick_xml::escape::escape(kind)
            )),
            "properties" => json!({"kind": kind}),
            _ => return None,
        })
    }

    fn of_property(&self, p: usize, property: &str, base: &str) -> Option<Value> {
        let name = self.properties[p];
        let known = self.city.properties.get(name);
        Some(match property {
            "name" => json!(self.words(name).vi),
            "description" => json!(self.words(name).en),
            "definition" => match units::property(name) {
                Some(uri) => json!(uri),
                None => json!(format!("{base}/ObservedProperties('{}')", super::id::part(name))),
            },
            "properties" => {
                let mut map = Map::new();
                map.insert("property".to_owned(), json!(name));
                if let Some(known) = known {
                    map.insert("unit".to_owned(), json!(known.unit));
                    map.insert("min".to_owned(), json!(known.min));
                    map.insert("max".to_owned(), json!(known.max));
                }
                Value::Object(map)
            }
            _ => return None,
        })
    }
}

fn of_observation(o: &Observed, property: &str) -> Option<Value> {
    Some(match property {
        // In-situ sensors: the result is there when it is measured.
        "phenomenonTime" | "resultTime" => json!(when::time(o.point.time.0)),
        "result" => json!(o.point.value),
        "resultQuality" => {
            let code = match o.point.quality {
                Quality::Good => "good",
                Quality::Uncertain => "uncertain",
                Quality::Bad => "bad",
            };
            json!({"nameOfMeasure": "OPC UA quality", "DQ_Result": {"code": code}})
        }
        _ => return None,
    })
}
