use anyhow::Context;
use ioc_model::Timestamp;

use super::Recording;

const HOUR_MS: i64 = 3_600_000;
/// What the UCI recording writes where it has no value.
const UCI_NO_VALUE: f64 = -200.0;
/// The first row of the UCI recording, local winter time.
const UCI_START: &str = "2004-03-10T18:00:00+01:00";

/// Beijing multi-site air quality, one station: hourly rows with NA for missing values, which are
/// left out of the message.
///
/// # Errors
/// When a column is missing; single bad rows are counted.
pub fn beijing(text: &str) -> anyhow::Result<Recording> {
    const COLUMNS: [(&str, &str); 10] = [
        ("PM2.5", "pm25"),
        ("PM10", "pm10"),
        ("SO2", "so2"),
        ("NO2", "no2"),
        ("CO", "co"),
        ("O3", "o3"),
        ("TEMP", "temperature"),
        ("PRES", "pressure"),
        ("RAIN", "rainfall"),
        ("WSPM", "wind_speed"),
    ];
    let mut recording = Recording::new(&COLUMNS.map(|(_, property)| property));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let place = |name: &str| {
        header.iter().position(|h| h == name).with_context(|| format!("no column `{name}`"))
    };
    let when = [place("year")?, place("month")?, place("day")?, place("hour")?];
    let station = place("station")?;
    let columns = COLUMNS.iter().map(|(c, _)| place(c)).collect::<anyhow::Result<Vec<_>>>()?;
    for row in reader.records() {
        let row = row?;
        let [Some(year), Some(month), Some(day), Some(hour)] =
            when.map(|at| row.get(at).and_then(|t| t.trim().parse::<u32>().ok()))
        else {
            recording.bad_rows += 1;
            continue;
        };
        let stamp = format!("{year:04}-{month:02}-{day:02}T{hour:02}:00:00+08:00");
        let Ok(time) = Timestamp::parse_rfc3339(&stamp) else {
            recording.bad_rows += 1;
            continue;
        };
        let values: Vec<f64> = columns
            .iter()
            .map(|at| row.get(*at).and_then(|t| t.trim().parse().ok()).unwrap_or(f64::NAN))
            .collect();
        let name = row.get(station).unwrap_or("station").to_lowercase();
        let id = format!("beijing-{name}");
        let device = recording.device(&id, || format!("ioc/v1/unassigned/air/{id}/obs"));
        recording.push(time, device, &values);
    }
    Ok(recording)
}

/// UCI *Air Quality*: hourly rows without a time column, contiguous from 10 March 2004 18:00.
/// −200 is sent as it stands.
///
/// # Errors
/// When a column is missing; single bad rows are counted.
pub fn uci(text: &str) -> anyhow::Result<Recording> {
    /// Column, property, factor to its unit.
    const COLUMNS: [(&str, &str, f64); 4] = [
        ("CO(GT)", "co", 1000.0),
        ("NO2(GT)", "no2", 1.0),
        ("T", "temperature", 1.0),
        ("RH", "humidity", 1.0),
    ];
    let mut recording = Recording::new(&COLUMNS.map(|(_, property, _)| property));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let mut columns = Vec::new();
    for (name, _, factor) in COLUMNS {
        let at = header.iter().position(|h| h == name);
        columns.push((at.with_context(|| format!("no column `{name}`"))?, factor));
    }
    let start = Timestamp::parse_rfc3339(UCI_START)?;
    let device =
        recording.device("uci-multisensor", || "ioc/v1/unassigned/air/uci-multisensor/obs".into());
    for (n, row) in reader.records().enumerate() {
        let row = row?;
        let value = |(at, factor): &(usize, f64)| match row.get(*at).map(|t| t.trim().parse()) {
            Some(Ok(v)) if v == UCI_NO_VALUE => v,
            Some(Ok(v)) => round3(v * factor),
            _ => f64::NAN,
        };
        let values: Vec<f64> = columns.iter().map(value).collect();
        recording.push(start.plus_ms(n as i64 * HOUR_MS), device, &values);
    }
    Ok(recording)
}

/// Without the noise that a unit conversion leaves in the last digits.
fn round3(v: f64) -> f64 {
    (v * 1000.0).round() / 1000.0
}
