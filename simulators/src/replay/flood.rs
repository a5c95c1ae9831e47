use anyhow::{Context, ensure};
use ioc_model::{City, Timestamp};

use super::Recording;

/// Column of the recording and the station's device.
const STATIONS: [(&str, &str); 7] = [
    ("cam_le_m", "river-cam-le"),
    ("ai_nghia_m", "river-ai-nghia"),
    ("nong_son_m", "river-nong-son"),
    ("giao_thuy_m", "river-giao-thuy"),
    ("cau_lau_m", "river-cau-lau"),
    ("hoi_an_m", "river-hoi-an"),
    ("tam_ky_m", "river-tam-ky"),
];

/// River levels of the flood of October 2025: a column per station, an empty cell where no level
/// was published. Ordered by time, then by column.
///
/// # Errors
/// When the columns or times are not those of the recording.
pub fn flood(text: &str, city: &City) -> anyhow::Result<Recording> {
    let mut recording = Recording::new(&["water_level"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers()?.iter().map(str::to_string).collect();
    ensure!(header.first().is_some_and(|h| h == "time"), "the first column must be `time`");
    let mut stations = Vec::new();
    for (column, device) in STATIONS {
        let at = header
            .iter()
            .position(|h| h == column)
            .with_context(|| format!("no column `{column}`"))?;
        let area = city.devices.get(device).map_or("unassigned", |d| &d.area);
        let index = recording.device(device, || format!("ioc/v1/{area}/river/{device}/obs"));
        stations.push((at, index));
    }
    for row in reader.records() {
        let row = row?;
        let time = Timestamp::parse_rfc3339(row.get(0).unwrap_or(""))?;
        for &(at, device) in &stations {
            let cell = row.get(at).unwrap_or("").trim();
            if cell.is_empty() {
                continue;
            }
            match cell.parse::<f64>() {
                Ok(level) => recording.push(time, device, &[level]),
                Err(_) => recording.bad_rows += 1,
            }
        }
    }
    Ok(recording)
}
