//! Whether a device can be as somebody wants it.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use ioc_model::{City, Device, DeviceOrigin, DeviceState, Devices, Name, Place, nearest};

use super::areas::Areas;
use super::columns::Column;
use super::mistakes::Mistakes;
use super::propose::{Proposal, UNASSIGNED};
use super::topics;
use crate::decode::{unit_fits, units_like};

const ID_BYTES: usize = 64;
const KIND_BYTES: usize = 48;
/// Characters of a name, an alias, a field, a contact, a tag.
const TEXT_CHARS: usize = 200;
/// Longest expected time between two messages: a week, as in `devices.csv`.
const MAX_CADENCE_S: u32 = 604_800;
const MAX_ITEMS: usize = 64;
const MAX_FIELDS: usize = 256;
/// Gateways behind gateways.
const MAX_PARENTS: usize = 8;
/// With more devices than these a slip in an id is not looked for: it takes too long.
const LOOK_AT: usize = 2_000;

/// What devices are checked against.
pub(super) struct World<'a> {
    pub(super) city: &'a City,
    pub(super) areas: &'a Areas,
    pub(super) devices: &'a Devices,
}

/// Proposals by id.
type Index<'a> = HashMap<&'a str, &'a Proposal, RandomState>;

/// Adds every mistake in `proposals`, which are to come true together.
pub(super) fn check(world: &World<'_>, proposals: &[Proposal], mistakes: &Mistakes<'_>) {
    let index: Index<'_> = proposals.iter().map(|p| (&*p.device.id, p)).collect();
    for proposal in proposals {
        if mistakes.is_full() {
            return;
        }
        let one = One { world, index: &index, proposal, mistakes };
        match proposal.against_config() {
            Some(column) => {
                let message =
                    format!("`{}` of `{}` is set in devices.csv", column.word(), one.d().id);
                one.add(column, message, "change it there, or leave it as it is there");
            }
            None => one.check(),
        }
    }
    aliases(world, &index, proposals, mistakes);
}

struct One<'a> {
    world: &'a World<'a>,
    index: &'a Index<'a>,
    proposal: &'a Proposal,
    mistakes: &'a Mistakes<'a>,
}

impl One<'_> {
    fn d(&self) -> &Device {
        &self.proposal.device
    }

    fn add(&self, column: Column, message: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.add(self.proposal.at(column), message, hint);
    }

    fn check(&self) {
        let d = self.d();
        self.id(Column::Id, &d.id);
        self.text(Column::NameVi, &d.name.vi);
        self.text(Column::NameEn, &d.name.en);
        if !d.kind.is_empty() && !is_word(&d.kind) {
            let message = format!("`{}` cannot be a kind", d.kind.escape_debug());
            self.add(Column::Kind, message, "1 to 48 of the characters a-z 0-9 _");
        }
        let city = self.world.city;
        self.known(Column::Service, &d.service, city.services.keys());
        if *d.area != *UNASSIGNED {
            self.known(Column::Area, &d.area, city.areas.keys());
        }
        self.place();
        self.count(Column::Properties, d.properties.len(), MAX_ITEMS);
        for property in &d.properties {
            self.known(Column::Properties, property, city.properties.keys());
        }
        if d.cadence_s > MAX_CADENCE_S {
            let hint = format!("expected 0 to {MAX_CADENCE_S} (a week); 0: not regular");
            self.add(Column::CadenceS, format!("`{}` is out of range", d.cadence_s), hint);
        }
        self.parent();
        if let Some(segment) = &d.segment {
            self.id(Column::Segment, segment);
        }
        self.count(Column::Topics, d.topics.len(), MAX_ITEMS);
        for topic in &d.topics {
            if let Err((message, hint)) = topics::check(topic, &d.id) {
                self.add(Column::Topics, message, hint);
            }
        }
        self.count(Column::Aliases, d.aliases.len(), MAX_ITEMS);
        for alias in &d.aliases {
            self.text(Column::Aliases, alias);
        }
        self.fields();
        self.text(Column::Contact, d.contact.as_deref().unwrap_or("-"));
        self.count(Column::Tags, d.tags.len(), MAX_ITEMS);
        for (key, value) in &d.tags {
            self.text(Column::Tags, key);
            // A tag may be a mere word.
            self.text(Column::Tags, if value.is_empty() { "-" } else { value });
        }
        if d.state == DeviceState::Pending && d.origin == DeviceOrigin::Config {
            let hint = "a device of devices.csv is approved or blocked";
            self.add(Column::State, "it cannot wait for approval", hint);
        }
    }

    fn id(&self, column: Column, id: &str) {
        if !is_id(id) {
            let message = format!("`{}` cannot be an id", id.escape_debug());
            self.add(column, message, "1 to 64 of the characters A-Z a-z 0-9 _ . : -");
        }
    }

    fn text(&self, column: Column, text: &str) {
        if text.is_empty() || text.chars().nth(TEXT_CHARS).is_some() {
            self.add(column, format!("1 to {TEXT_CHARS} characters are expected"), "");
        }
        if text.chars().any(is_hidden) {
            let message =
                format!("`{}` holds a character that cannot be seen", text.escape_debug());
            self.add(column, message, "write it anew instead of copying it");
        }
    }

    fn count(&self, column: Column, found: usize, most: usize) {
        if found > most {
            self.add(column, format!("{found} entries, at most {most} are taken"), "");
        }
    }

    /// An empty list means that there is no catalogue.
    fn known<'k>(
        &self,
        column: Column,
        name: &str,
        mut known: impl ExactSizeIterator<Item = &'k Name> + Clone,
    ) {
        if known.len() == 0 || known.clone().any(|k| **k == *name) {
            return;
        }
        let what = match column {
            Column::Service => "service",
            Column::Area => "area",
            _ => "property",
        };
        let message = match name {
            "" => format!("the {what} is missing"),
            _ => format!("unknown {what} `{}`", name.escape_debug()),
        };
        let hint = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match known.next() {
                Some(one) => format!("{what} ids of the city, such as `{one}`"),
                None => String::new(),
            },
        };
        self.add(column, message, hint);
    }

    fn place(&self) {
        let Some(Place { lat, lon }) = self.d().place else { return };
        let at = |lon: f64, lat: f64| self.world.areas.at(self.world.city, lon, lat);
        let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        if on_earth && at(lon, lat).is_some() {
            return;
        }
        if let Some(area) = at(lat, lon) {
            let message = format!("lat {lat}, lon {lon} is in no area of the city");
            let hint = format!("it lies in {} if lat and lon are swapped", area.name.vi);
            self.add(Column::Lat, message, hint);
        } else if !on_earth {
            let message = format!("lat {lat}, lon {lon} is no place on earth");
            let hint =
                "lat is -90 to 90, lon -180 to 180; has a spreadsheet lost the decimal point?";
            self.add(Column::Lat, message, hint);
        } else if !self.world.city.areas.is_empty() {
            let message = format!("lat {lat}, lon {lon} is in no area of the city");
            let hint = format!("taken as it is, in area `{}`", self.d().area);
            self.mistakes.note(self.proposal.at(Column::Lat), message, hint);
        }
    }

    fn get(&self, id: &str) -> Option<&Device> {
        let proposed = self.index.get(id).map(|p| &p.device);
        proposed.or_else(|| self.world.devices.get(id).map(|d| &**d))
    }

    /// A parent must be there, and no device may hang below itself.
    fn parent(&self) {
        let Some(parent) = &self.d().parent else { return };
        let mut next = self.get(parent);
        if next.is_none() {
            let message = format!("unknown parent device `{}`", parent.escape_debug());
            let all = self.world.devices;
            let near = match all.len() {
                0..=LOOK_AT => nearest(parent, all.iter().map(|d| &d.id)),
                _ => None,
            };
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the id of the gateway that the device speaks through".into(),
            };
            return self.add(Column::Parent, message, hint);
        }
        for _ in 0..MAX_PARENTS {
            let Some(here) = next else { return };
            if here.id == self.d().id {
                let message = format!("device `{}` is its own parent", here.id);
                let hint = "the parent is the gateway that the device speaks through";
                return self.add(Column::Parent, message, hint);
            }
            next = here.parent.as_ref().and_then(|p| self.get(p));
        }
        if next.is_some() {
            let message = format!("more than {MAX_PARENTS} gateways one behind the other");
            self.add(Column::Parent, message, "");
        }
    }

    fn fields(&self) {
        let (fields, column) = (&self.d().fields, Column::Fields);
        self.count(column, fields.len(), MAX_FIELDS);
        let properties = &self.world.city.properties;
        for (n, field) in fields.iter().enumerate() {
            self.text(column, &field.name);
            self.known(column, &field.property, properties.keys());
            if fields[..n].iter().any(|f| f.name == field.name) {
                let message = format!("field `{}` is there twice", field.name.escape_debug());
                self.add(column, message, "one property for each field");
            }
            let property = properties.get(&field.property);
            if let (Some(unit), Some(property)) = (&field.unit, property)
                && !unit_fits(unit, &property.unit)
            {
                let (unit, own) = (unit.escape_debug(), &property.unit);
                let message =
                    format!("`{unit}` cannot be turned into `{own}` of `{}`", property.id);
                let hint = format!("one of {}", units_like(own).join(", "));
                self.add(column, message, hint);
            }
        }
    }
}

/// An alias is that of one device, and no device's id.
fn aliases(world: &World<'_>, index: &Index<'_>, proposals: &[Proposal], mistakes: &Mistakes<'_>) {
    let mut owners: HashMap<&str, &str, RandomState> = HashMap::default();
    // Whose alias it stays: those of devices that are proposed anew are in `owners`.
    let kept = |alias: &str| world.devices.of_alias(alias).filter(|o| !index.contains_key(&***o));
    for proposal in proposals {
        let id: &str = &proposal.device.id;
        if let Some(owner) = kept(id).filter(|o| ***o != *id) {
            let message = format!("`{id}` is an alias of device `{owner}`");
            mistakes.add(proposal.at(Column::Id), message, "take the alias away there first");
        }
        for alias in &proposal.device.aliases {
            let named = index.contains_key(&**alias) || world.devices.get(alias).is_some();
            let other = kept(alias).map(|o| &**o).or_else(|| owners.insert(alias, id));
            let message = match other {
                _ if named => format!("alias `{}` is the id of a device", alias.escape_debug()),
                Some(other) => {
                    format!("alias `{}` is one of device `{other}`", alias.escape_debug())
                }
                None => continue,
            };
            let hint = "an alias stands for one device";
            mistakes.add(proposal.at(Column::Aliases), message, hint);
        }
    }
}

pub(super) fn is_id(text: &str) -> bool {
    let is_id_byte = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=ID_BYTES).contains(&text.len()) && text.bytes().all(is_id_byte)
}

fn is_word(text: &str) -> bool {
    let is_word_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= KIND_BYTES && text.bytes().all(is_word_byte)
}

/// Control characters and those that change the direction of text or have no width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{fff9}'..='\u{fffb}')
}

/// The city's own copy of a name, so that 100,000 devices do not keep 100,000 of them.
pub(super) fn shared(name: &mut Name, known: Option<&Name>) {
    if let Some(known) = known {
        *name = Arc::clone(known);
    }
}
