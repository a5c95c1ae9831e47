//! The eight kinds of entities of the Sensing part, their properties and what leads where
//! (18-088, tables 5 to 20).

/// A kind of entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Thing,
    Location,
    HistoricalLocation,
    Datastream,
    Sensor,
    ObservedProperty,
    Observation,
    FeatureOfInterest,
}

/// A way from one kind to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nav {
    pub name: &'static str,
    pub to: Kind,
    pub many: bool,
}

const fn many(name: &'static str, to: Kind) -> Nav {
    Nav { name, to, many: true }
}

const fn one(name: &'static str, to: Kind) -> Nav {
    Nav { name, to, many: false }
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Thing,
        Self::Location,
        Self::HistoricalLocation,
        Self::Datastream,
        Self::Sensor,
        Self::ObservedProperty,
        Self::Observation,
        Self::FeatureOfInterest,
    ];

    /// Name of the set of all entities of the kind.
    pub(super) fn set(self) -> &'static str {
        match self {
            Self::Thing => "Things",
            Self::Location => "Locations",
            Self::HistoricalLocation => "HistoricalLocations",
            Self::Datastream => "Datastreams",
            Self::Sensor => "Sensors",
            Self::ObservedProperty => "ObservedProperties",
            Self::Observation => "Observations",
            Self::FeatureOfInterest => "FeaturesOfInterest",
        }
    }

    pub(super) fn of_set(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.set() == name)
    }

    pub(super) fn navs(self) -> &'static [Nav] {
        const THING: &[Nav] = &[
            many("Locations", Kind::Location),
            many("HistoricalLocations", Kind::HistoricalLocation),
            many("Datastreams", Kind::Datastream),
        ];
        const LOCATION: &[Nav] =
            &[many("Things", Kind::Thing), many("HistoricalLocations", Kind::HistoricalLocation)];
        const HISTORICAL: &[Nav] = &[one("Thing", Kind::Thing), many("Locations", Kind::Location)];
        const DATASTREAM: &[Nav] = &[
            one("Thing", Kind::Thing),
            one("Sensor", Kind::Sensor),
            one("ObservedProperty", Kind::ObservedProperty),
            many("Observations", Kind::Observation),
        ];
        const OBSERVATION: &[Nav] = &[
            one("Datastream", Kind::Datastream),
            one("FeatureOfInterest", Kind::FeatureOfInterest),
        ];
        match self {
            Self::Thing => THING,
            Self::Location => LOCATION,
            Self::HistoricalLocation => HISTORICAL,
            Self::Datastream => DATASTREAM,
            Self::Sensor | Self::ObservedProperty => {
                const { &[many("Datastreams", Kind::Datastream)] }
            }
            Self::Observation => OBSERVATION,
            Self::FeatureOfInterest => const { &[many("Observations", Kind::Observation)] },
        }
    }

    pub(super) fn nav(self, name: &str) -> Option<&'static Nav> {
        self.navs().iter().find(|n| n.name == name)
    }

    /// Names of the properties that entities of the kind can have.
    pub(super) fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Thing => &["name", "description", "properties"],
            Self::Location => &["name", "description", "properties", "encodingType", "location"],
            Self::HistoricalLocation => &["time"],
            Self::Datastream => &[
                "name",
                "description",
                "properties",
                "observationType",
                "unitOfMeasurement",
                "observedArea",
                "phenomenonTime",
                "resultTime",
            ],
            Self::Sensor => &["name", "description", "properties", "encodingType", "metadata"],
            Self::ObservedProperty => &["name", "description", "properties", "definition"],
            Self::Observation => &["phenomenonTime", "resultTime", "result", "resultQuality"],
            Self::FeatureOfInterest => {
                &["name", "description", "properties", "encodingType", "feature"]
            }
        }
    }

    /// The property of a name; `id` and `@iot.id` are the same.
    pub(super) fn property(self, name: &str) -> Option<&'static str> {
        if name == "id" || name == "@iot.id" {
            return Some("@iot.id");
        }
        self.properties().iter().find(|p| **p == name).copied()
    }
}

/// Whether a property's value has members that a path can lead into.
pub(super) fn has_members(property: &str) -> bool {
    matches!(
        property,
        "properties"
            | "unitOfMeasurement"
            | "location"
            | "feature"
            | "observedArea"
            | "resultQuality"
    )
}
