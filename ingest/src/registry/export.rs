//! All devices as a file that the import takes.

use std::sync::Arc;

use ioc_model::{Device, DeviceState, Devices};
use serde_json::{Map, Value, json};

use super::cells;
use super::columns::{Column, words};

/// What a spreadsheet takes for a formula begins with one of these; an apostrophe before it keeps
/// it a text, and so it stands before texts that begin with an apostrophe.
pub(super) const FORMULA: &[char] = &['=', '+', '-', '@', '|', '%', '\'', '＝', '＋', '－', '＠'];

/// UTF-8 with the mark by which spreadsheets know it, in the order of ids.
pub(super) fn csv(devices: &Devices) -> String {
    let mut out = format!("\u{feff}{}\n", words());
    for device in sorted(devices) {
        for (column, _) in Column::ALL {
            let text = text_of(device, column);
            let number = matches!(column, Column::Lat | Column::Lon | Column::CadenceS);
            cell(&text, number, &mut out);
            out.push(if column == Column::State { '\n' } else { ',' });
        }
    }
    out
}

/// One feature a line, so that a mistake found later names a line that can be found.
pub(super) fn geojson(devices: &Devices) -> String {
    let features: Vec<String> = sorted(devices).iter().map(|d| feature(d).to_string()).collect();
    let features = features.join(",\n");
    format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{features}\n]}}\n")
}

fn sorted(devices: &Devices) -> Vec<&Arc<Device>> {
    let mut all: Vec<&Arc<Device>> = devices.iter().collect();
    all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    all
}

fn text_of(d: &Device, column: Column) -> String {
    let optional = |text: &Option<ioc_model::Name>| text.as_deref().unwrap_or_default().to_owned();
    match column {
        Column::Id => d.id.to_string(),
        Column::NameVi => d.name.vi.clone(),
        Column::NameEn => d.name.en.clone(),
        Column::Kind => d.kind.clone(),
        Column::Service => d.service.to_string(),
        Column::Area => d.area.to_string(),
        Column::Lat => d.place.map_or_else(String::new, |p| p.lat.to_string()),
        Column::Lon => d.place.map_or_else(String::new, |p| p.lon.to_string()),
        Column::Properties => cells::of_list(&d.properties),
        Column::CadenceS => d.cadence_s.to_string(),
        Column::Parent => optional(&d.parent),
        Column::Segment => optional(&d.segment),
        Column::Bridge => d.bridge.to_string(),
        Column::Topics => cells::of_list(&d.topics),
        Column::Aliases => cells::of_list(&d.aliases),
        Column::Fields => cells::of_fields(&d.fields),
        Column::Contact => d.contact.clone().unwrap_or_default(),
        Column::Tags => cells::of_tags(&d.tags),
        Column::State => state(d.state).to_owned(),
    }
}

fn state(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Approved => "approved",
        DeviceState::Pending => "pending",
        DeviceState::Blocked => "blocked",
    }
}

fn cell(text: &str, number: bool, out: &mut String) {
    let marked = !number && text.starts_with(FORMULA);
    if !marked && !text.contains([',', '"', ';', '\n', '\r', '\t']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    if marked {
        out.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

fn feature(d: &Device) -> Value {
    let mut properties = Map::new();
    for (column, word) in Column::ALL {
        let value = match column {
            Column::Lat | Column::Lon => continue,
            Column::Properties => json!(d.properties),
            Column::CadenceS => json!(d.cadence_s),
            Column::Bridge => json!(d.bridge),
            Column::Topics => json!(d.topics),
            Column::Aliases => json!(d.aliases),
            Column::Fields => json!(d.fields),
            Column::Tags => json!(d.tags),
            _ => json!(text_of(d, column)),
        };
        properties.insert(word.into(), value);
    }
    let geometry = d.place.map(|p| json!({ "type": "Point", "coordinates": [p.lon, p.lat] }));
    json!({ "type": "Feature", "geometry": geometry, "properties": properties })
}
