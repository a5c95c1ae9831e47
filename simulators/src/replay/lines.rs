use ioc_model::Timestamp;

use super::Recording;

/// A recording made with `mosquitto_sub -v -t 'ioc/v1/#'`: lines of topic, blank, JSON payload.
/// The payload's `time` gives the pace; a line without one goes out with the line before it.
/// Lines stay in the order of the file.
///
/// # Errors
/// When no line can be used.
pub fn lines(text: &str) -> anyhow::Result<Recording> {
    let mut recording = Recording::default();
    let mut last = None;
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let Some((topic, payload)) = line.split_once(' ') else {
            recording.bad_rows += 1;
            continue;
        };
        if topic.is_empty() || topic.contains(['+', '#', '\0']) {
            recording.bad_rows += 1;
            continue;
        }
        let Some(time) = time_of(payload).or(last) else {
            recording.bad_rows += 1;
            continue;
        };
        last = Some(time);
        let device = recording.device(topic, || topic.to_string());
        recording.push_raw(time, device, payload.to_string());
    }
    anyhow::ensure!(
        !recording.is_empty(),
        "no line of the form `TOPIC {{\"time\": …}}`, as `mosquitto_sub -v` writes them"
    );
    Ok(recording)
}

fn time_of(payload: &str) -> Option<Timestamp> {
    let json: serde_json::Value = serde_json::from_str(payload).ok()?;
    match json.get("time")? {
        serde_json::Value::String(text) => Timestamp::parse_rfc3339(text).ok(),
        number => Timestamp::from_epoch_ms(number.as_i64()?).ok(),
    }
}
