//! The Smart Data Models that are decoded: which attribute is which property, in which unit if
//! the entity does not say (domain.md §4.3).

/// One attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Its names over the versions of the model; the first that is there is taken.
    pub(super) names: &'static [&'static str],
    /// Property of the catalogue.
    pub(super) property: &'static str,
    /// Unit without `unitCode`; `None`: the model leaves it open, so a `unitCode` is needed.
    pub(super) unit: Option<&'static str>,
}

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    /// Service of devices that the city's configuration does not know.
    pub(super) service: &'static str,
    pub(super) attributes: &'static [Attribute],
}

const fn attribute(
    names: &'static [&'static str],
    property: &'static str,
    unit: &'static str,
) -> Attribute {
    Attribute { names, property, unit: Some(unit) }
}

/// `WaterObserved.flow` has no unit of its own in the model. Its `waterDischarge` is a volume
/// (m³), not a flow, and is left out.
const FLOW: Attribute = Attribute { names: &["flow"], property: "discharge", unit: None };

pub(super) const MODELS: &[Model] = &[
    Model {
        name: "AirQualityObserved",
        service: "air",
        attributes: &[
            attribute(&["pm25", "PM25", "pm2.5", "pm2_5"], "pm25", "µg/m³"),
            attribute(&["pm10", "PM10"], "pm10", "µg/m³"),
            attribute(&["no2", "NO2"], "no2", "µg/m³"),
            attribute(&["so2", "SO2"], "so2", "µg/m³"),
            attribute(&["co", "CO"], "co", "µg/m³"),
            attribute(&["o3", "O3"], "o3", "µg/m³"),
            attribute(&["temperature"], "temperature", "°C"),
            attribute(&["relativeHumidity"], "humidity", "fraction"),
            attribute(&["pressure", "atmosphericPressure"], "pressure", "hPa"),
            attribute(&["windSpeed"], "wind_speed", "m/s"),
            attribute(&["precipitation"], "rainfall", "mm"),
        ],
    },
    Model {
        name: "NoiseLevelObserved",
        service: "air",
        attributes: &[
            attribute(&["LAeq"], "noise_laeq", "dBA"),
            attribute(&["LAmax"], "noise_lamax", "dBA"),
        ],
    },
    Model {
        name: "WaterObserved",
        service: "river",
        attributes: &[attribute(&["waterLevel", "height"], "water_level", "m"), FLOW],
    },
    Model {
        name: "FloodMonitoring",
        service: "rain_flood",
        attributes: &[attribute(&["currentLevel"], "water_level", "m")],
    },
    Model {
        name: "TrafficFlowObserved",
        service: "traffic",
        attributes: &[
            attribute(&["intensity"], "vehicle_count", "count"),
            attribute(&["occupancy"], "occupancy", "fraction"),
            attribute(&["averageVehicleSpeed"], "speed", "km/h"),
        ],
    },
    Model {
        name: "CrowdFlowObserved",
        service: "camera_analytics",
        attributes: &[attribute(&["peopleCount"], "people_count", "count")],
    },
];
