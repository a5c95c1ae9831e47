//! What a format is, and the one list of them.
//!
//! A format is added by its file and its line in `formats!` below: name in the configuration, its
//! settings (`Default` + `Deserialize`), and its decoder with
//! `new(file, &settings, &Catalogue, &mut Vec<ConfigError>)`.

use std::fmt;

use ioc_model::ConfigError;
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx};
use super::chirpstack::{Chirpstack, ChirpstackConfig};
use super::config::{FiwareConfig, FrigateConfig, Mapping, OnvifConfig};
use super::dahua::{Dahua, DahuaConfig};
use super::fiware::Fiware;
use super::frigate::Frigate;
use super::hikvision::{Hikvision, HikvisionConfig};
use super::homie::{Homie, HomieConfig};
use super::onvif::Onvif;
use super::secret::Out;
use super::sensorthings::{SensorThings, SensorThingsConfig};
use super::sparkplug::{Sparkplug, SparkplugConfig};
use super::ttn::{Ttn, TtnConfig};
use super::zigbee2mqtt::{Zigbee2Mqtt, Zigbee2MqttConfig};
use super::{Incoming, Refusal};

/// One format, ready to decode.
pub(super) trait Format: fmt::Debug + Send + Sync {
    /// Whether messages of this topic are its own. Cheap: it is asked for every foreign message.
    fn takes(&self, topic: &str) -> bool;

    /// Whether messages of a topic that it takes say nothing whatever they hold, so that they may
    /// be of any size. Asked for messages that are too large.
    fn passes_over(&self, _topic: &str) -> bool {
        false
    }

    /// Reads one message onto `out`. Pushing nothing means: right, but says nothing for the
    /// journal. On an error the caller forgets what was pushed.
    fn decode(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>)
    -> Result<(), Refusal>;

    /// The same for someone who only looks. A format that remembers something from one message to
    /// the next decodes against a copy of it here.
    fn look(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        self.decode(cx, message, out)
    }
}

macro_rules! formats {
    ($($(#[$about:meta])* $name:ident: $Config:ty => $Format:ty,)+) => {
        /// Which formats are decoded besides the native one. A format set to `null` is off.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct DecodersConfig {
            $($(#[$about])* pub $name: Option<$Config>,)+
            /// Own formats, by topic; the first that fits decodes.
            pub mappings: Vec<Mapping>,
        }

        impl Default for DecodersConfig {
            fn default() -> Self {
                Self { $($name: Some(<$Config>::default()),)+ mappings: Vec::new() }
            }
        }

        /// Names of all formats of the list, in their order.
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// The formats that are on, in their order.
        pub(super) fn build(
            file: &str,
            config: &DecodersConfig,
            catalogue: &Catalogue,
            errors: &mut Vec<ConfigError>,
        ) -> Vec<(&'static str, Box<dyn Format>)> {
            let mut formats: Vec<(&'static str, Box<dyn Format>)> = Vec::new();
            $(if let Some(settings) = &config.$name {
                let format = <$Format>::new(file, settings, catalogue, errors);
                formats.push((stringify!($name), Box::new(format)));
            })+
            formats
        }
    };
}

formats! {
    /// Dahua events as JSON.
    dahua: DahuaConfig => Dahua,
    /// FIWARE Smart Data Models.
    fiware: FiwareConfig => Fiware,
    /// Frigate NVR.
    frigate: FrigateConfig => Frigate,
    /// Hikvision events as JSON.
    hikvision: HikvisionConfig => Hikvision,
    /// ONVIF events and metadata as JSON.
    onvif: OnvifConfig => Onvif,
    /// Sparkplug B 3.0.
    sparkplug: SparkplugConfig => Sparkplug,
    /// ChirpStack v4 (LoRaWAN).
    chirpstack: ChirpstackConfig => Chirpstack,
    /// The Things Stack v3 (LoRaWAN).
    ttn: TtnConfig => Ttn,
    /// Zigbee2MQTT.
    zigbee2mqtt: Zigbee2MqttConfig => Zigbee2Mqtt,
    /// Homie 4 and 5.
    homie: HomieConfig => Homie,
    /// OGC SensorThings Observations.
    sensorthings: SensorThingsConfig => SensorThings,
}
