use std::collections::BTreeMap;

use ioc_model::ConfigError;
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use super::format::DecodersConfig;

impl DecodersConfig {
    /// Reads YAML; `file` is its name in mistakes.
    ///
    /// # Errors
    /// The first mistake of form, with its place.
    pub fn from_yaml(file: &str, text: &str) -> Result<Self, ConfigError> {
        serde_saphyr::from_str(text).map_err(|e| {
            let place = e.location();
            let line = place.map_or(0, |p| p.line() as usize);
            let column = place.map_or(0, |p| p.column() as usize);
            let text = e.without_snippet().to_string();
            let message = text.split(" at line ").next().unwrap_or(&text);
            ConfigError::new(file, line, column, message)
        })
    }
}

/// A mistake at the place of a value.
pub(super) fn mistake<T>(file: &str, at: &Spanned<T>, message: impl Into<String>) -> ConfigError {
    let place = at.referenced;
    ConfigError::new(file, place.line() as usize, place.column() as usize, message)
}

/// Settings of the FIWARE decoder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FiwareConfig {
    /// Topics; `+` and `#` as in MQTT. Without `{device}` they carry entities; with it also what
    /// the device there says to an IoT Agent, JSON or UltraLight, and with `{property}` the one
    /// value of that name.
    pub topics: Vec<String>,
    /// Zone of times without offset (`UTC`, `Asia/Ho_Chi_Minh`, `+07:00`). `None`: they are
    /// refused, as the models do not say which zone is meant.
    pub zone: Option<String>,
    /// Service of devices of an IoT Agent that the registry does not know; entities have that of
    /// their model.
    pub service: String,
}

impl Default for FiwareConfig {
    fn default() -> Self {
        let topics = [
            "fiware/#",
            "/+/{device}/attrs",
            "/+/{device}/attrs/{property}",
            "/json/+/{device}/attrs",
            "/json/+/{device}/attrs/{property}",
            "/ul/+/{device}/attrs",
            "/ul/+/{device}/attrs/{property}",
            "json/+/{device}/attrs",
            "ul/+/{device}/attrs",
        ];
        Self { topics: topics.map(String::from).into(), zone: None, service: "air".into() }
    }
}

/// Settings of the Frigate decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrigateConfig {
    /// First level of its topics.
    pub prefix: String,
    /// Service of cameras that the city's configuration does not know.
    pub service: String,
    /// Device ids of cameras and zones whose name is not their device id.
    pub devices: BTreeMap<String, String>,
}

impl Default for FrigateConfig {
    fn default() -> Self {
        Self {
            prefix: "frigate".into(),
            service: "camera_analytics".into(),
            devices: BTreeMap::new(),
        }
    }
}

/// Settings of the ONVIF decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnvifConfig {
    /// Service of cameras that the city's configuration does not know.
    pub service: String,
    /// Device ids by the level before `onvif-ej`, where it is not the device id.
    pub devices: BTreeMap<String, String>,
    /// Kind of detection by the name of the camera's rule, where its topic says too little:
    /// `{"WrongWayLane1": "wrong_way"}`.
    pub kinds: BTreeMap<String, String>,
    /// Property by the name of the camera's counting rule: `{"GateA": "people_count"}`.
    pub counts: BTreeMap<String, String>,
    /// Property that counts the objects of a class in view (`onvif-mj`), by the class in small
    /// letters; all objects together are `object_count`.
    pub classes: BTreeMap<String, String>,
    /// Of the frames of a camera (`onvif-mj`) one in so many milliseconds is taken; 0: all.
    pub frame_every_ms: u32,
}

impl Default for OnvifConfig {
    fn default() -> Self {
        Self {
            service: "camera_analytics".into(),
            devices: BTreeMap::new(),
            kinds: BTreeMap::new(),
            counts: BTreeMap::new(),
            classes: ["human", "person"].map(|c| (c.into(), "people_count".into())).into(),
            frame_every_ms: 1_000,
        }
    }
}

/// A format described by configuration: JSON payloads, read by pointers (RFC 6901), or a bare
/// number on a topic per metric.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Pattern such as `factory/{device}/env`; levels may also be `{area}`, `{service}`, `+`, and
    /// at the end `#`. With `{property}` a message holds the one value whose `level` is there;
    /// other levels are passed over.
    pub topic: Spanned<String>,
    /// What the payload is.
    #[serde(default)]
    pub payload: MappingPayload,
    /// Pointer to the device id, where the topic does not hold it.
    #[serde(default)]
    pub device: Option<Spanned<String>>,
    /// Service, where the topic does not hold it; else the known device's.
    #[serde(default)]
    pub service: Option<Spanned<String>>,
    /// Area, where the topic does not hold it; else the known device's, else `unassigned`.
    #[serde(default)]
    pub area: Option<Spanned<String>>,
    /// Where the phenomenon time is.
    pub time: MappingTime,
    /// Pointer to the device's own counter.
    #[serde(default)]
    pub seq: Option<Spanned<String>>,
    /// The values; those present are taken, at least one must be.
    pub values: Vec<MappingValue>,
    /// How the sender judges its values.
    #[serde(default)]
    pub quality: Option<QualityMapping>,
}

/// What the payload of a mapping is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingPayload {
    /// JSON; also a bare `25.4`.
    #[default]
    Json,
    /// A text that is the value: a number, spaces around it allowed. Its pointer is `""`.
    Plain,
}

/// Where a mapping finds the time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingTime {
    /// Pointer; not for `received`.
    #[serde(default)]
    pub pointer: Option<Spanned<String>>,
    /// How it is written.
    pub format: Spanned<TimeFormat>,
    /// Zone of texts without offset; without it they are refused.
    #[serde(default)]
    pub zone: Option<Spanned<String>>,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// RFC 3339 text.
    Rfc3339,
    /// Milliseconds since the epoch, number or text.
    EpochMs,
    /// Seconds since the epoch with a fraction, number or text.
    EpochS,
    /// Not in the payload: the time of arrival.
    Received,
}

/// One value of a mapping.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingValue {
    /// Property of the catalogue.
    pub property: Spanned<String>,
    /// What stands at `{property}` in the topic; absent: the property's own name.
    #[serde(default)]
    pub level: Option<Spanned<String>>,
    /// Where it is; `""` is the whole payload.
    pub pointer: Spanned<String>,
    /// The sender's unit.
    pub unit: Spanned<String>,
    /// The message is refused without it.
    #[serde(default)]
    pub required: bool,
}

/// Words of the sender for its quality; another word is a refusal, an absent one is good.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityMapping {
    /// Where it is: a text, number or truth value.
    pub pointer: Spanned<String>,
    /// Words for good.
    #[serde(default)]
    pub good: Vec<String>,
    /// Words for uncertain.
    #[serde(default)]
    pub uncertain: Vec<String>,
    /// Words for bad.
    #[serde(default)]
    pub bad: Vec<String>,
}
