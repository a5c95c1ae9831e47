//! What there is to be seen, for one request: things, datastreams and what belongs to them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use ioc_model::{City, Name, Point, SeriesKey};

use super::id;
use super::kind::Kind;
use crate::{DeviceView, Scope};

/// A device of which at least one property may be seen (or any device, with everything in scope).
pub(super) struct Thing<'a> {
    pub device: &'a DeviceView,
    /// Its datastreams, in [`Catalogue::streams`].
    pub streams: Range<usize>,
    /// Its kind, in [`Catalogue::kinds`].
    pub kind: usize,
}

/// A series that may be seen.
pub(super) struct Stream<'a> {
    /// In [`Catalogue::things`].
    pub thing: usize,
    /// In [`Catalogue::properties`].
    pub property: usize,
    pub name: &'a Name,
}

/// Everything that may be seen besides points. Things are in the order of their ids, streams in
/// that of thing and property.
pub(super) struct Catalogue<'a> {
    pub city: &'a City,
    pub things: Vec<Thing<'a>>,
    pub streams: Vec<Stream<'a>>,
    pub kinds: Vec<&'a str>,
    pub properties: Vec<&'a Name>,
}

/// A point and its place in the store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Observed {
    pub stream: usize,
    pub point: Point,
    /// How many points of the same millisecond come before it.
    pub n: usize,
}

/// One entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Entity {
    Thing(usize),
    /// Of the thing with this number.
    Location(usize),
    /// Of the thing with this number.
    Feature(usize),
    Datastream(usize),
    Sensor(usize),
    Property(usize),
    Observation(Observed),
    /// Some observation of a datastream, its own values not known.
    AnyObservation(usize),
}

impl Entity {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Thing(_) => Kind::Thing,
            Self::Location(_) => Kind::Location,
            Self::Feature(_) => Kind::FeatureOfInterest,
            Self::Datastream(_) => Kind::Datastream,
            Self::Sensor(_) => Kind::Sensor,
            Self::Property(_) => Kind::ObservedProperty,
            Self::Observation(_) | Self::AnyObservation(_) => Kind::Observation,
        }
    }
}

impl<'a> Catalogue<'a> {
    pub(super) fn new(city: &'a City, devices: &'a [DeviceView], scope: &Scope) -> Self {
        let mut seen: HashMap<(&str, &str, &str), bool> = HashMap::new();
        let mut visible = |device: &'a DeviceView, property: &'a Name| {
            *seen
                .entry((&device.area, &device.service, property))
                .or_insert_with(|| scope.allows(&device.area, &device.service, property))
        };
        let mut devices: Vec<&DeviceView> = devices.iter().collect();
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        devices.dedup_by(|a, b| a.id == b.id);
        let (mut things, mut streams) = (Vec::new(), Vec::new());
        for device in devices {
            // What only a feed knows has an id and a name from outside: a plate could be in it.
            if scope.is_public() && !city.devices.contains_key(&device.id) {
                continue;
            }
            if let Scope::Within(scope) = scope
                && !scope.allows(&device.area, &device.service)
            {
                continue;
            }
            let names: BTreeSet<&Name> =
                device.properties.iter().filter(|p| visible(device, p)).collect();
            if names.is_empty() && scope.is_public() {
                continue;
            }
            let first = streams.len();
            let thing = things.len();
            streams.extend(names.into_iter().map(|name| Stream { thing, property: 0, name }));
            things.push(Thing { device, streams: first..streams.len(), kind: 0 });
        }
        let kinds: Vec<&str> =
            things.iter().map(|t| &*t.device.kind).collect::<BTreeSet<_>>().into_iter().collect();
        let properties: Vec<&Name> =
            streams.iter().map(|s| s.name).collect::<BTreeSet<_>>().into_iter().collect();
        for t in &mut things {
            t.kind = kinds.binary_search(&&*t.device.kind).unwrap_or_default();
        }
        for s in &mut streams {
            s.property = properties.binary_search(&s.name).unwrap_or_default();
        }
        Self { city, things, streams, kinds, properties }
    }

    /// All entities of a kind; of observations there are none here.
    pub(super) fn all(&self, kind: Kind) -> Vec<Entity> {
        let things = 0..self.things.len();
        match kind {
            Kind::Thing => things.map(Entity::Thing).collect(),
            Kind::Location => things.filter_map(|t| self.location(t)).collect(),
            Kind::FeatureOfInterest => things.map(Entity::Feature).collect(),
            Kind::Datastream => (0..self.streams.len()).map(Entity::Datastream).collect(),
            Kind::Sensor => (0..self.kinds.len()).map(Entity::Sensor).collect(),
            Kind::ObservedProperty => (0..self.properties.len()).map(Entity::Property).collect(),
            Kind::Observation | Kind::HistoricalLocation => Vec::new(),
        }
    }

    fn location(&self, thing: usize) -> Option<Entity> {
        self.things[thing].device.place.map(|_| Entity::Location(thing))
    }

    /// The entity of an id; observations are found by the store.
    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<Entity> {
        match kind {
            Kind::Thing => self.thing(&id::whole(id)?).map(Entity::Thing),
            Kind::Location => self.location(self.thing(&id::whole(id)?)?),
            Kind::FeatureOfInterest => self.thing(&id::whole(id)?).map(Entity::Feature),
            Kind::Datastream => self.stream(id).map(Entity::Datastream),
            Kind::Sensor => self.kinds.binary_search(&&*id::whole(id)?).ok().map(Entity::Sensor),
            Kind::ObservedProperty => {
                let name = id::whole(id)?;
                self.properties.binary_search_by(|p| (***p).cmp(&*name)).ok().map(Entity::Property)
            }
            Kind::Observation | Kind::HistoricalLocation => None,
        }
    }

    fn thing(&self, device: &str) -> Option<usize> {
        self.things.binary_search_by(|t| (*t.device.id).cmp(device)).ok()
    }

    /// Number of the datastream of an id.
    pub(super) fn stream(&self, id: &str) -> Option<usize> {
        let (device, property) = id::parse_datastream(id)?;
        let range = self.things[self.thing(&device)?].streams.clone();
        let first = range.start;
        let at = self.streams[range].binary_search_by(|s| (**s.name).cmp(&*property)).ok()?;
        Some(first + at)
    }

    pub(super) fn id(&self, entity: Entity) -> String {
        match entity {
            Entity::Thing(t) | Entity::Location(t) | Entity::Feature(t) => {
                id::part(&self.things[t].device.id)
            }
            Entity::Datastream(s) | Entity::AnyObservation(s) => {
                id::datastream(&self.device(s).id, self.streams[s].name)
            }
            Entity::Sensor(k) => id::part(self.kinds[k]),
            Entity::Property(p) => id::part(self.properties[p]),
            Entity::Observation(o) => {
                let s = &self.streams[o.stream];
                id::observation(&self.device(o.stream).id, s.name, o.point.time.0, o.n)
            }
        }
    }

    /// Device of a datastream.
    pub(super) fn device(&self, stream: usize) -> &'a DeviceView {
        self.things[self.streams[stream].thing].device
    }

    pub(super) fn series(&self, stream: usize) -> SeriesKey {
        SeriesKey {
            device: self.device(stream).id.clone(),
            property: self.streams[stream].name.clone(),
        }
    }

    /// Datastreams whose observations belong to an entity.
    pub(super) fn streams_of(&self, entity: Entity) -> Vec<usize> {
        match entity {
            Entity::Thing(t) | Entity::Location(t) | Entity::Feature(t) => {
                self.things[t].streams.clone().collect()
            }
            Entity::Datastream(s) | Entity::AnyObservation(s) => vec![s],
            Entity::Sensor(k) => self.where_stream(|s| self.things[s.thing].kind == k),
            Entity::Property(p) => self.where_stream(|s| s.property == p),
            Entity::Observation(o) => vec![o.stream],
        }
    }

    fn where_stream(&self, f: impl Fn(&Stream<'_>) -> bool) -> Vec<usize> {
        (0..self.streams.len()).filter(|s| f(&self.streams[*s])).collect()
    }

    /// What a way leads to; observations are read by the store.
    pub(super) fn follow(&self, from: Entity, to: Kind) -> Vec<Entity> {
        let stream = match from {
            Entity::Observation(o) => Some(o.stream),
            Entity::Datastream(s) | Entity::AnyObservation(s) => Some(s),
            _ => None,
        };
        match (from, to) {
            (_, Kind::Observation | Kind::HistoricalLocation) => Vec::new(),
            (Entity::Thing(t), Kind::Location) => self.location(t).into_iter().collect(),
            (Entity::Location(t), Kind::Thing) => vec![Entity::Thing(t)],
            (_, Kind::Datastream) => {
                self.streams_of(from).into_iter().map(Entity::Datastream).collect()
            }
            _ => stream.map(|s| self.beside(s, to)).into_iter().collect(),
        }
    }

    /// What one datastream leads to.
    fn beside(&self, stream: usize, to: Kind) -> Entity {
        let s = &self.streams[stream];
        match to {
            Kind::Sensor => Entity::Sensor(self.things[s.thing].kind),
            Kind::ObservedProperty => Entity::Property(s.property),
            Kind::FeatureOfInterest => Entity::Feature(s.thing),
            Kind::Thing => Entity::Thing(s.thing),
            _ => Entity::Datastream(stream),
        }
    }
}
