//! Smart Data Models: which attribute of which model a property of the city is.
//!
//! Source: github.com/smart-data-models (Environment, Weather, WaterQuality, Transportation,
//! Parking); the names are checked against the published list by `tests/opendata/validate.py`.

/// One of the models we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model(&'static Spec);

#[derive(Debug, PartialEq)]
struct Spec {
    name: &'static str,
    repository: &'static str,
    time: TimeIn,
    attributes: &'static [Attribute],
}

impl Eq for Spec {}

/// Where a model says when it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeIn {
    DateObserved,
    /// `dateObservedFrom` and `dateObservedTo`, and `dateObserved` as an interval.
    FromTo,
    ObservationDateTime,
}

/// An attribute: the value is that of the property times `factor`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attribute {
    pub property: &'static str,
    pub name: &'static str,
    /// UN/CEFACT Recommendation 20.
    pub unit: &'static str,
    pub factor: f64,
}

const fn at(property: &'static str, name: &'static str, unit: &'static str) -> Attribute {
    Attribute { property, name, unit, factor: 1.0 }
}

/// Ours in percent, the model's from 0 to 1.
const fn share(property: &'static str, name: &'static str) -> Attribute {
    Attribute { property, name, unit: "C62", factor: 0.01 }
}

static MODELS: [Spec; 9] = [
    Spec {
        name: "AirQualityObserved",
        repository: "Environment",
        time: TimeIn::DateObserved,
        attributes: &[
            at("pm25", "pm25", "GQ"),
            at("pm10", "pm10", "GQ"),
            at("no2", "no2", "GQ"),
            at("so2", "so2", "GQ"),
            at("co", "co", "GQ"),
            at("o3", "o3", "GQ"),
            at("temperature", "temperature", "CEL"),
            share("humidity", "relativeHumidity"),
            at("pressure", "pressure", "A97"),
            at("wind_speed", "windSpeed", "MTS"),
            at("vn_aqi", "airQualityIndex", "C62"),
        ],
    },
    Spec {
        name: "WeatherObserved",
        repository: "Weather",
        time: TimeIn::DateObserved,
        attributes: &[
            at("temperature", "temperature", "CEL"),
            share("humidity", "relativeHumidity"),
            at("pressure", "atmosphericPressure", "A97"),
            at("wind_speed", "windSpeed", "MTS"),
            at("rainfall", "precipitation", "MMT"),
            at("heat_index", "feelsLikeTemperature", "CEL"),
        ],
    },
    Spec {
        name: "WaterObserved",
        repository: "Environment",
        time: TimeIn::DateObserved,
        attributes: &[at("water_level", "waterLevel", "MTR"), at("discharge", "flow", "MQS")],
    },
    Spec {
        name: "FloodMonitoring",
        repository: "Environment",
        time: TimeIn::ObservationDateTime,
        attributes: &[at("flood_depth", "currentLevel", "MTR")],
    },
    Spec {
        name: "NoiseLevelObserved",
        repository: "Environment",
        time: TimeIn::FromTo,
        attributes: &[at("noise_laeq", "LAeq", "2N"), at("noise_lamax", "LAmax", "2N")],
    },
    Spec {
        name: "WaterQualityObserved",
        repository: "WaterQuality",
        time: TimeIn::DateObserved,
        attributes: &[
            at("ph", "pH", "Q30"),
            at("dissolved_oxygen", "O2", "M1"),
            at("salinity", "Cl-", "M1"),
            at("temperature", "temperature", "CEL"),
        ],
    },
    Spec {
        name: "TrafficFlowObserved",
        repository: "Transportation",
        time: TimeIn::DateObserved,
        attributes: &[
            at("vehicle_count", "intensity", "C62"),
            at("speed", "averageVehicleSpeed", "KMH"),
            share("occupancy", "occupancy"),
        ],
    },
    Spec {
        name: "CrowdFlowObserved",
        repository: "Transportation",
        time: TimeIn::DateObserved,
        attributes: &[at("people_count", "peopleCount", "C62")],
    },
    Spec {
        name: "OffStreetParking",
        repository: "Parking",
        time: TimeIn::ObservationDateTime,
        attributes: &[
            at("parking_free", "availableSpotNumber", "C62"),
            at("parking_total", "totalSpotNumber", "C62"),
            share("parking_occupancy", "occupancy"),
        ],
    },
];

impl Model {
    pub(super) fn parse(name: &str) -> Option<Self> {
        MODELS.iter().find(|m| m.name == name).map(Self)
    }

    /// Stands in where the file names none that exists.
    pub(super) fn first() -> Self {
        Self(&MODELS[0])
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        MODELS.iter().map(|m| m.name)
    }

    /// Its name, the type of its entities.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(super) fn time(self) -> TimeIn {
        self.0.time
    }

    /// What a term of the model means.
    pub(super) fn iri(self, term: &str) -> String {
        format!("https://smartdatamodels.org/dataModel.{}/{term}", self.0.repository)
    }

    /// Where the model is described.
    pub(super) fn page(self) -> String {
        let Spec { repository, name, .. } = self.0;
        format!("https://github.com/smart-data-models/dataModel.{repository}/tree/master/{name}")
    }

    /// Its published context, for who can fetch it.
    pub(super) fn context(self) -> String {
        format!(
            "https://raw.githubusercontent.com/smart-data-models/dataModel.{}/master/context.jsonld",
            self.0.repository
        )
    }

    pub(super) fn attribute(self, property: &str) -> Option<&'static Attribute> {
        self.0.attributes.iter().find(|a| a.property == property)
    }
}

/// The UN/CEFACT code of one of the city's units.
pub(super) fn unit_code(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "µg/m³" => "GQ",
        "mg/L" => "M1",
        "°C" => "CEL",
        "%" => "P1",
        "hPa" => "A97",
        "m" => "MTR",
        "mm" => "MMT",
        "mm/h" => "H67",
        "m/s" => "MTS",
        "km/h" => "KMH",
        "m³/s" => "MQS",
        "dBA" => "2N",
        "°" => "DD",
        "" => "C62",
        _ => return None,
    })
}
