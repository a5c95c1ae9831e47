//! A GeoJSON FeatureCollection of points; properties as the columns of CSV, lists as arrays.

use std::borrow::Cow;
use std::fmt;

use ioc_model::{DeviceField, Name, nearest};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::row::{Cell, Row};
use crate::registry::cells;
use crate::registry::columns::{COLUMNS, Column, words};
use crate::registry::mistakes::{At, Mistakes};

/// Calls `each` for every feature until it says no.
pub(super) fn read<'t>(
    text: &'t str,
    mistakes: &Mistakes<'_>,
    each: &mut dyn FnMut(&Row<'t>) -> bool,
) {
    let source = Source { text, mistakes };
    let Some(all) = source.parse::<Object<'t>>(text, "no GeoJSON object") else { return };
    let kind = all.get("type").and_then(|raw| source.text_of(raw));
    if kind.as_deref() != Some("FeatureCollection") {
        let at = all.get("type").map_or(0, |raw| source.at(raw));
        let hint = "expected {\"type\":\"FeatureCollection\",\"features\":[…]}";
        return mistakes.add(At::Byte(at), "no FeatureCollection", hint);
    }
    if let Some(crs) = all.get("crs").filter(|c| c.get() != "null") {
        let words = crs.get();
        if !words.contains("CRS84") && !words.contains("4326") {
            let hint = "degrees in WGS 84 are expected: export it anew in EPSG:4326";
            mistakes.add(At::Byte(source.at(crs)), "another coordinate system", hint);
        }
    }
    let Some(features) = all.get("features") else {
        return mistakes.add(At::Byte(0), "`features` is missing", "");
    };
    let features = source.parse::<Vec<&RawValue>>(features.get(), "`features` is no array");
    for feature in features.unwrap_or_default() {
        if let Some(row) = source.row(feature)
            && !each(&row)
        {
            return;
        }
        if mistakes.is_full() {
            return;
        }
    }
}

/// Members in their order, also those that are there twice.
struct Object<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Object<'t> {
    fn get(&self, name: &str) -> Option<&'t RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, raw)| *raw)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

struct Source<'t, 'm> {
    text: &'t str,
    mistakes: &'m Mistakes<'m>,
}

impl<'t> Source<'t, '_> {
    /// Where a part of the text begins.
    fn byte(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn at(&self, raw: &RawValue) -> usize {
        self.byte(raw.get())
    }

    fn refuse<T>(&self, at: usize, message: impl Into<String>, hint: &str) -> Option<T> {
        self.mistakes.add(At::Byte(at), message, hint);
        None
    }

    /// Reads a part of the text; what is wrong is told where it stands.
    fn parse<T: Deserialize<'t>>(&self, part: &'t str, what: &str) -> Option<T> {
        let error = match serde_json::from_str(part) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        // The parser counts lines and bytes inside the part.
        let lines = part.split_inclusive('\n').take(error.line().saturating_sub(1));
        let inside = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let mut at = self.byte(part) + inside.min(part.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or(&words);
        self.refuse(at, format!("{what}: {words}"), "")
    }

    fn text_of(&self, raw: &'t RawValue) -> Option<String> {
        serde_json::from_str(raw.get()).ok()
    }

    fn row(&self, feature: &'t RawValue) -> Option<Row<'t>> {
        let members = self.parse::<Object<'t>>(feature.get(), "no feature")?;
        let at = self.at(feature);
        let mut row = Row { at, cells: [const { None }; COLUMNS], decimal_comma: false };
        let Some(properties) = members.get("properties") else {
            return self.refuse(at, "the feature has no properties", "");
        };
        let properties =
            self.parse::<Object<'t>>(properties.get(), "the properties are no object")?;
        let mut good = true;
        for (name, raw) in &properties.0 {
            good &= self.property(name, raw, &mut row).is_some();
        }
        let id = &mut row.cells[Column::Id as usize];
        if let (None, Some(raw)) = (&id, members.get("id")) {
            *id = Some(Cell { at: self.at(raw), text: scalar(raw)? });
        }
        if let Some(geometry) = members.get("geometry") {
            good &= self.point(geometry, &mut row).is_some();
        }
        good.then_some(row)
    }

    fn property(&self, name: &str, raw: &'t RawValue, row: &mut Row<'t>) -> Option<()> {
        let at = self.at(raw);
        let column = match Column::of(name) {
            Some(Column::Lat | Column::Lon) => {
                let hint = "expected \"geometry\":{\"type\":\"Point\",\"coordinates\":[lon,lat]}";
                return self.refuse(at, format!("`{name}` stands in the geometry"), hint);
            }
            Some(column) => column,
            None => {
                let known: Vec<Name> = Column::ALL.iter().map(|(_, w)| Name::from(*w)).collect();
                let hint = match nearest(name, known.iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected any of {}; what is for people goes to tags", words()),
                };
                let message = format!("unknown property `{}`", name.escape_debug());
                return self.refuse(at, message, &hint);
            }
        };
        if row.cells[column as usize].is_some() {
            return self.refuse(at, format!("`{name}` is there twice"), "");
        }
        let text = match raw.get().bytes().next() {
            Some(b'[') if column == Column::Fields => {
                let fields: Vec<DeviceField> = self.parse(raw.get(), "no fields")?;
                Cow::Owned(cells::of_fields(&fields))
            }
            Some(b'[') => Cow::Owned(cells::of_list(
                self.parse::<Vec<String>>(raw.get(), "no list of texts")?,
            )),
            Some(b'{') => {
                let tags: std::collections::BTreeMap<String, String> =
                    self.parse(raw.get(), "no texts by key")?;
                Cow::Owned(cells::of_tags(&tags))
            }
            _ => scalar(raw)?,
        };
        row.cells[column as usize] = Some(Cell { at, text });
        Some(())
    }

    fn point(&self, geometry: &'t RawValue, row: &mut Row<'t>) -> Option<()> {
        let mut set =
            |column: Column, at, text| row.cells[column as usize] = Some(Cell { at, text });
        let at = self.at(geometry);
        if geometry.get() == "null" {
            set(Column::Lat, at, Cow::Borrowed(""));
            set(Column::Lon, at, Cow::Borrowed(""));
            return Some(());
        }
        let geometry = self.parse::<Object<'t>>(geometry.get(), "no geometry")?;
        let kind = geometry.get("type").and_then(|raw| self.text_of(raw)).unwrap_or_default();
        if kind != "Point" {
            let at = geometry.get("type").map_or(at, |raw| self.at(raw));
            let message = format!("a device is a Point, not a `{}`", kind.escape_debug());
            return self.refuse(at, message, "");
        }
        let Some(coordinates) = geometry.get("coordinates") else {
            return self.refuse(at, "the point has no coordinates", "");
        };
        let numbers = self.parse::<Vec<&RawValue>>(coordinates.get(), "no coordinates")?;
        let (lon, lat) = match numbers[..] {
            [lon, lat] | [lon, lat, _] => (lon, lat),
            _ => {
                let at = self.at(coordinates);
                return self.refuse(at, "coordinates are [longitude, latitude]", "");
            }
        };
        set(Column::Lon, self.at(lon), scalar(lon)?);
        set(Column::Lat, self.at(lat), scalar(lat)?);
        Some(())
    }
}

/// A value as the cell of a table: a text without its quotes, nothing for null, else as it stands.
fn scalar(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get() {
        "null" => Some(Cow::Borrowed("")),
        text if text.starts_with('"') => serde_json::from_str(text).ok().map(Cow::Owned),
        other => Some(Cow::Borrowed(other)),
    }
}
