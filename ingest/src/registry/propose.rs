//! A device as somebody wants it, brought into form.

use std::sync::Arc;

use ioc_model::{Actor, City, Device, DeviceOrigin, Name, Text};

use super::areas::Areas;
use super::columns::{COLUMNS, Column};
use super::mistakes::At;

pub(super) const UNASSIGNED: &str = "unassigned";

/// Where each column stands in the file, in bytes.
pub(super) type Places = Box<[usize; COLUMNS]>;

/// What shall become of a device.
pub(super) struct Proposal {
    pub(super) device: Device,
    pub(super) before: Option<Arc<Device>>,
    /// `None`: it came by a request.
    pub(super) places: Option<Places>,
}

impl Proposal {
    /// Brings `device` into form; when it was made, by whom and when it changed are not the
    /// asker's to say.
    pub(super) fn new(
        mut device: Device,
        before: Option<Arc<Device>>,
        (city, areas): (&City, &Areas),
        actor: &Actor,
    ) -> Self {
        tidy(&mut device);
        device.origin = before.as_ref().map_or(DeviceOrigin::People, |b| b.origin);
        device.since = before.as_ref().map_or(actor.at, |b| b.since);
        device.changed = before.as_ref().map_or(actor.at, |b| b.changed);
        match &before {
            Some(before) if before.origin == DeviceOrigin::Config => {
                as_configured(&mut device, before)
            }
            _ => find_area(&mut device, city, areas),
        }
        if before.as_deref().is_some_and(|b| device != *b) {
            device.changed = actor.at;
        }
        Self { device, before, places: None }
    }

    pub(super) fn is_same(&self) -> bool {
        self.before.as_deref() == Some(&self.device)
    }

    pub(super) fn at(&self, column: Column) -> At {
        match &self.places {
            Some(places) => At::Byte(places[column as usize]),
            None => At::Field(column),
        }
    }

    /// What it says otherwise than `devices.csv`, if anything.
    pub(super) fn against_config(&self) -> Option<Column> {
        let before = self.before.as_ref().filter(|b| b.origin == DeviceOrigin::Config)?;
        differing(&self.device, before)
    }
}

/// The first column of the configuration in which they differ.
fn differing(a: &Device, b: &Device) -> Option<Column> {
    let lat = |d: &Device| d.place.map(|p| p.lat);
    let lon = |d: &Device| d.place.map(|p| p.lon);
    let same = [
        (Column::NameVi, a.name.vi == b.name.vi),
        (Column::NameEn, a.name.en == b.name.en),
        (Column::Kind, a.kind == b.kind),
        (Column::Service, a.service == b.service),
        (Column::Area, a.area == b.area),
        (Column::Lat, lat(a) == lat(b)),
        (Column::Lon, lon(a) == lon(b)),
        (Column::Properties, a.properties == b.properties),
        (Column::CadenceS, a.cadence_s == b.cadence_s),
        (Column::Parent, a.parent == b.parent),
        (Column::Segment, a.segment == b.segment),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(column, _)| column)
}

/// Takes the configured columns as the file has them where they only differ in form.
fn as_configured(device: &mut Device, before: &Device) {
    let mut tidied = before.clone();
    tidy(&mut tidied);
    if differing(device, &tidied).is_none() {
        configured(device, before);
    }
}

/// Gives `device` the columns that `devices.csv` has of it.
pub(super) fn configured(device: &mut Device, from: &Device) {
    device.name = from.name.clone();
    device.kind.clone_from(&from.kind);
    device.service = Arc::clone(&from.service);
    device.area = Arc::clone(&from.area);
    device.place = from.place;
    device.properties.clone_from(&from.properties);
    device.cadence_s = from.cadence_s;
    device.parent.clone_from(&from.parent);
    device.segment.clone_from(&from.segment);
}

fn find_area(device: &mut Device, city: &City, areas: &Areas) {
    if device.area.is_empty() {
        device.area = UNASSIGNED.into();
    }
    if *device.area == *UNASSIGNED
        && let Some(place) = device.place
        && let Some(area) = areas.at(city, place.lon, place.lat)
    {
        device.area = Arc::clone(&area.id);
    }
}

/// Blanks, empty texts and repetitions that mean nothing.
fn tidy(device: &mut Device) {
    let d = device;
    let named = [&d.name.vi, &d.name.en].map(|t| line(t));
    let (vi, en) = match named {
        [vi, en] if vi.is_empty() && en.is_empty() => (d.id.to_string(), d.id.to_string()),
        [vi, en] if en.is_empty() => (vi.clone(), vi),
        [vi, en] if vi.is_empty() => (en.clone(), en),
        [vi, en] => (vi, en),
    };
    d.name = Text { vi, en };
    d.kind = d.kind.trim().into();
    for name in [&mut d.parent, &mut d.segment] {
        *name = name.take().filter(|n| !n.is_empty());
    }
    d.contact = d.contact.take().map(|c| line(&c)).filter(|c| !c.is_empty());
    d.topics = d.topics.iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
    d.aliases = d.aliases.iter().map(trimmed).filter(|a| !a.is_empty() && *a != d.id).collect();
    once(&mut d.topics);
    once(&mut d.aliases);
    once(&mut d.properties);
    for field in &mut d.fields {
        field.name = line(&field.name);
        field.unit = field.unit.take().map(|u| line(&u)).filter(|u| !u.is_empty());
    }
    if d.tags.iter().any(|(k, v)| line(k) != *k || line(v) != *v) {
        d.tags = d.tags.iter().map(|(k, v)| (line(k), line(v))).collect();
    }
}

fn trimmed(name: &Name) -> Name {
    let text = name.trim();
    if text.len() == name.len() { Arc::clone(name) } else { text.into() }
}

/// One line: line breaks and runs of blanks are one blank.
pub(super) fn line(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut out = String::with_capacity(text.len());
    out.push_str(words.next().unwrap_or_default());
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
    out
}

fn once<T: Clone + Eq + std::hash::Hash>(items: &mut Vec<T>) {
    if items.len() > 1 {
        let mut seen = std::collections::HashSet::new();
        items.retain(|i| seen.insert(i.clone()));
    }
}
