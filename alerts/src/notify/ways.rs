//! Configuration becomes channels.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_model::{AlertStore, ConfigError, Name};

use super::config::{NotifyConfig, Receiver, Way};
use super::report::FILE;
use crate::cap::{CapChannel, CapParts, CapStore};
use crate::channel::email::{EmailChannel, EmailSettings};
use crate::channel::mqtt::{MqttChannel, Publisher};
use crate::channel::webhook::{SystemLookup, Webhook, guarded_client};
use crate::channel::{Channel, Surroundings};

/// The ways to the receivers, by their ids.
pub type Channels = BTreeMap<Name, Arc<dyn Channel>>;

/// What channels need besides their settings.
#[derive(Clone)]
pub struct WayParts {
    /// City, clock, address of the console (see [`NotifyConfig::base_url`]).
    pub around: Surroundings,
    /// The register.
    pub alerts: Arc<dyn AlertStore>,
    /// Our own broker connection; without it `mqtt` receivers are a mistake.
    pub publisher: Option<Arc<dyn Publisher>>,
    /// Where public warnings are kept; without it `cap` receivers are a mistake.
    pub cap: Option<Arc<CapStore>>,
}

impl NotifyConfig {
    /// The ways to all receivers; reads secrets from files and the environment now.
    ///
    /// # Errors
    /// All ways that cannot be made, without secrets.
    pub fn channels(&self, parts: &WayParts) -> Result<Channels, Vec<ConfigError>> {
        let mut channels = Channels::new();
        let mut errors = Vec::new();
        for r in &self.receivers {
            match make(r, parts) {
                Ok(channel) => drop(channels.insert(r.id.clone(), channel)),
                Err(e) => {
                    let message = format!("receiver `{}`: {e}", r.id);
                    errors.push(ConfigError::new(FILE, r.place.0, r.place.1, message));
                }
            }
        }
        if errors.is_empty() { Ok(channels) } else { Err(errors) }
    }
}

fn make(r: &Receiver, parts: &WayParts) -> Result<Arc<dyn Channel>, String> {
    let around = parts.around.clone();
    Ok(match &r.way {
        Way::Webhook(settings) => {
            Arc::new(Webhook::new(settings, &around, Arc::new(SystemLookup))?)
        }
        Way::Email(spec) => {
            let settings = EmailSettings::new(spec).map_err(|e| e.join("; "))?;
            Arc::new(EmailChannel::new(settings, around))
        }
        Way::Mqtt(spec) => {
            let publisher = parts.publisher.clone().ok_or("there is no broker connection")?;
            Arc::new(MqttChannel::new(&*r.id, spec.clone(), publisher, around))
        }
        Way::Cap(settings) => {
            let parts = CapParts {
                store: parts.cap.clone().ok_or("there is no store of public warnings")?,
                alerts: Some(Arc::clone(&parts.alerts)),
                publisher: parts.publisher.clone(),
                http: Some(guarded_client(settings.allow_networks())?),
            };
            Arc::new(CapChannel::new(&*r.id, (**settings).clone(), parts, around))
        }
    })
}
