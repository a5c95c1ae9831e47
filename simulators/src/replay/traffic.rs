use ioc_model::Timestamp;
use serde::Deserialize;

use super::Recording;

/// Local time of the Netherlands on the day of the recording (15 March 2017: winter time).
const NDW_OFFSET: &str = "+01:00";
/// Local time of Denmark in the weeks of the recording (August and September: summer time).
const AARHUS_OFFSET: &str = "+02:00";

#[derive(Deserialize)]
struct NdwLine<'a> {
    timestamp: &'a str,
    flow: Option<f64>,
    speed: Option<f64>,
    accuracy: Option<f64>,
}

/// Motorway loops of NDW: lines `measurementpoint/lane= {json}`, flow and speed apart. The device
/// is the measurement point and lane without the path before it.
///
/// # Errors
/// None for single lines: those are counted in `bad_rows`.
pub fn ndw(text: &str) -> anyhow::Result<Recording> {
    let mut recording = Recording::new(&["traffic_flow", "speed"]);
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let Some((key, json)) = line.split_once('=') else {
            recording.bad_rows += 1;
            continue;
        };
        let Ok(message) = serde_json::from_str::<NdwLine<'_>>(json) else {
            recording.bad_rows += 1;
            continue;
        };
        let stamp = format!("{}{NDW_OFFSET}", message.timestamp.replacen(' ', "T", 1));
        let (Ok(time), true) = (Timestamp::parse_rfc3339(&stamp), message.accuracy.is_some())
        else {
            recording.bad_rows += 1;
            continue;
        };
        let mut parts = key.rsplit('/');
        let (lane, point) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let id = format!("ndw:{point}.{lane}");
        let device = recording.device(&id, || format!("ioc/v1/unassigned/traffic/{id}/obs"));
        let values = [message.flow.unwrap_or(f64::NAN), message.speed.unwrap_or(f64::NAN)];
        recording.push(time, device, &values);
    }
    Ok(recording)
}

#[derive(Deserialize)]
struct AarhusRow<'a> {
    #[serde(rename = "TIMESTAMP")]
    time: &'a str,
    #[serde(rename = "REPORT_ID")]
    sensor: u32,
    #[serde(rename = "vehicleCount")]
    count: f64,
    #[serde(rename = "avgSpeed")]
    speed: f64,
}

/// Traffic of Aarhus: one row per sensor pair and five minutes, in the order of the file. Zero
/// counts and rows that come twice are sent as they are.
///
/// # Errors
/// When the header is not that of the recording; single bad rows are counted.
pub fn aarhus(text: &str) -> anyhow::Result<Recording> {
    let mut recording = Recording::new(&["vehicle_count", "speed"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    anyhow::ensure!(
        ["TIMESTAMP", "REPORT_ID", "vehicleCount", "avgSpeed"]
            .iter()
            .all(|c| header.iter().any(|h| h == *c)),
        "expected the columns TIMESTAMP, REPORT_ID, vehicleCount, avgSpeed"
    );
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row)? {
        let Ok(read) = row.deserialize::<AarhusRow<'_>>(Some(&header)) else {
            recording.bad_rows += 1;
            continue;
        };
        let Ok(time) = Timestamp::parse_rfc3339(&format!("{}{AARHUS_OFFSET}", read.time)) else {
            recording.bad_rows += 1;
            continue;
        };
        let id = format!("aarhus-{}", read.sensor);
        let device = recording.device(&id, || format!("ioc/v1/unassigned/traffic/{id}/obs"));
        recording.push(time, device, &[read.count, read.speed]);
    }
    Ok(recording)
}
