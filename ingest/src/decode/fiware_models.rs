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
    /// What its words mean, where it has words and no number; other words say nothing.
    pub(super) words: &'static [(&'static str, f64)],
}

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    /// Service of devices that the city's configuration does not know.
    pub(super) service: &'static str,
    /// At most [`SLOTS`].
    pub(super) attributes: &'static [Attribute],
}

/// Most attributes of a model.
pub(super) const SLOTS: usize = 16;

const fn attribute(
    names: &'static [&'static str],
    property: &'static str,
    unit: &'static str,
) -> Attribute {
    Attribute { names, property, unit: Some(unit), words: &[] }
}

const fn open(names: &'static [&'static str], property: &'static str) -> Attribute {
    Attribute { names, property, unit: None, words: &[] }
}

const fn words(
    name: &'static [&'static str],
    property: &'static str,
    words: &'static [(&'static str, f64)],
) -> Attribute {
    Attribute { names: name, property, unit: Some("count"), words }
}

const TEMPERATURE: Attribute = attribute(&["temperature"], "temperature", "°C");
const HUMIDITY: Attribute = attribute(&["relativeHumidity"], "humidity", "fraction");
const PRESSURE: Attribute = attribute(&["atmosphericPressure", "pressure"], "pressure", "hPa");
const WIND_SPEED: Attribute = attribute(&["windSpeed"], "wind_speed", "m/s");
const WIND_DIRECTION: Attribute = attribute(&["windDirection"], "wind_direction", "°");
const RAINFALL: Attribute = attribute(&["precipitation"], "rainfall", "mm");
const ILLUMINANCE: Attribute = attribute(&["illuminance"], "illuminance", "lx");
const NO2: Attribute = attribute(&["no2", "NO2"], "no2", "µg/m³");
const SO2: Attribute = attribute(&["so2", "SO2"], "so2", "µg/m³");
const CO: Attribute = attribute(&["co", "CO"], "co", "µg/m³");
/// The models say mg/L or nothing; what is measured is mostly ppm.
const CO2: Attribute = open(&["co2", "CO2"], "co2");
const PEOPLE: Attribute = attribute(&["peopleCount"], "people_count", "count");
const OCCUPANCY: Attribute = attribute(&["occupancy"], "occupancy", "fraction");
const SPEED: Attribute = attribute(&["averageSpeed"], "speed", "km/h");
const VEHICLES: Attribute = attribute(&["intensity"], "vehicle_count", "count");
/// Only where free and total spaces are not both there: the city computes it from them.
const PARKING: &[Attribute] = &[
    attribute(&["availableSpotNumber"], "parking_free", "count"),
    attribute(&["totalSpotNumber"], "parking_total", "count"),
    attribute(&["occupancy"], "parking_occupancy", "fraction"),
];

/// The model of a type; `item` is the `itemType` of an ItemFlowObserved.
pub(super) fn named(kind: &str, item: Option<&str>) -> Option<usize> {
    let kind = match (kind, item) {
        ("ItemFlowObserved", Some("vehicle")) => "ItemFlowObserved of vehicles",
        ("ItemFlowObserved", Some("people")) => "ItemFlowObserved of people",
        _ => kind,
    };
    MODELS.iter().position(|m| m.name == kind)
}

/// `WaterObserved.flow` has no unit of its own in the model. Its `waterDischarge` is a volume
/// (m³), not a flow, and is left out. Phases of a control cabinet, lamp kinds, forecasts and the
/// averages of AirQualityMonitoring (no units) are left out too.
pub(super) const MODELS: &[Model] = &[
    Model {
        name: "AirQualityObserved",
        service: "air",
        attributes: &[
            attribute(&["pm25", "PM25", "pm2.5", "pm2_5"], "pm25", "µg/m³"),
            attribute(&["pm10", "PM10"], "pm10", "µg/m³"),
            NO2,
            SO2,
            CO,
            attribute(&["o3", "O3"], "o3", "µg/m³"),
            CO2,
            TEMPERATURE,
            HUMIDITY,
            attribute(&["pressure", "atmosphericPressure"], "pressure", "hPa"),
            WIND_SPEED,
            WIND_DIRECTION,
            RAINFALL,
        ],
    },
    Model {
        name: "IndoorEnvironmentObserved",
        service: "air",
        attributes: &[TEMPERATURE, HUMIDITY, PRESSURE, ILLUMINANCE, CO2, CO, NO2, SO2, PEOPLE],
    },
    Model {
        name: "WeatherObserved",
        service: "air",
        attributes: &[
            TEMPERATURE,
            HUMIDITY,
            PRESSURE,
            WIND_SPEED,
            WIND_DIRECTION,
            RAINFALL,
            ILLUMINANCE,
            attribute(&["solarRadiation"], "solar_radiation", "W/m²"),
            attribute(&["uVIndexMax", "uvIndexMax"], "uv_index", "count"),
            attribute(&["streamGauge"], "water_level", "cm"),
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
        attributes: &[
            attribute(&["waterLevel", "height"], "water_level", "m"),
            open(&["flow"], "discharge"),
        ],
    },
    Model {
        name: "WaterQualityObserved",
        service: "water_quality",
        attributes: &[
            TEMPERATURE,
            attribute(&["pH"], "ph", "pH"),
            attribute(&["O2"], "dissolved_oxygen", "mg/L"),
            attribute(&["Cl-"], "salinity", "mg/L"),
            attribute(&["conductivity"], "water_conductivity", "S/m"),
            open(&["turbidity"], "turbidity"),
            open(&["flow"], "discharge"),
        ],
    },
    Model {
        name: "PhreaticObserved",
        service: "water_quality",
        attributes: &[attribute(&["waterTable"], "groundwater_depth", "m")],
    },
    Model {
        name: "FloodMonitoring",
        service: "rain_flood",
        attributes: &[attribute(&["currentLevel"], "water_level", "m")],
    },
    Model {
        name: "TrafficFlowObserved",
        service: "traffic",
        attributes: &[VEHICLES, OCCUPANCY, attribute(&["averageVehicleSpeed"], "speed", "km/h")],
    },
    Model {
        name: "ItemFlowObserved",
        service: "camera_analytics",
        attributes: &[
            attribute(&["intensity"], "object_count", "count"),
            OCCUPANCY,
            open(&["averageSpeed"], "speed"),
        ],
    },
    Model {
        name: "ItemFlowObserved of vehicles",
        service: "traffic",
        attributes: &[VEHICLES, OCCUPANCY, SPEED],
    },
    Model {
        name: "ItemFlowObserved of people",
        service: "camera_analytics",
        attributes: &[attribute(&["intensity"], "people_count", "count"), OCCUPANCY],
    },
    Model { name: "CrowdFlowObserved", service: "camera_analytics", attributes: &[PEOPLE] },
    // Not read from a table: its reader makes a detection of it.
    Model { name: "AnprFlowObserved", service: "traffic", attributes: &[] },
    Model { name: "OffStreetParking", service: "bus_parking", attributes: PARKING },
    Model { name: "OnStreetParking", service: "bus_parking", attributes: PARKING },
    Model { name: "ParkingGroup", service: "bus_parking", attributes: PARKING },
    Model {
        name: "ParkingSpot",
        service: "bus_parking",
        attributes: &[words(&["status"], "parking_free", &[("free", 1.0), ("occupied", 0.0)])],
    },
    Model {
        name: "Streetlight",
        service: "traffic",
        attributes: &[
            words(&["powerState"], "lamp_on", &[("on", 1.0), ("low", 1.0), ("off", 0.0)]),
            words(
                &["status"],
                "lamp_fault",
                &[
                    ("ok", 0.0),
                    ("defectiveLamp", 1.0),
                    ("columnIssue", 1.0),
                    ("brokenLantern", 1.0),
                ],
            ),
            attribute(&["illuminanceLevel"], "light_level", "fraction"),
            open(&["voltage"], "mains_voltage"),
            open(&["current"], "mains_current"),
            open(&["powerConsumption"], "mains_power"),
        ],
    },
    Model {
        name: "StreetlightControlCabinet",
        service: "traffic",
        attributes: &[attribute(&["energyConsumed"], "energy_meter", "kWh")],
    },
    Model {
        name: "WasteContainer",
        service: "feedback",
        attributes: &[attribute(&["fillingLevel"], "fill_level", "fraction"), TEMPERATURE],
    },
];

/// Types of the same repositories whose values the city has no property for.
pub(super) const WITHOUT_VALUES: &[&str] = &[
    "AeroAllergenObserved",
    "AirQualityMonitoring",
    "ElectroMagneticObserved",
    "EnvironmentObserved",
    "RainFallRadarObserved",
];
