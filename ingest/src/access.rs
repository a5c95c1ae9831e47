//! Who may say what: the one place where a client's right to a topic or a device is decided.
//!
//! Rights are looked up for each message in the registry of that moment, so that a change of the
//! registry counts from the next message on. No pattern is ever filled with a name: levels of a
//! topic are compared with names, and a name that is no id compares with nothing.

#[cfg(test)]
pub(crate) mod matrix;

use std::sync::Arc;

use ioc_model::{Device, DeviceState, Devices, QuarantineReason};

use crate::decode::{Refusal, is_id};
use crate::publications::{filter_matches, is_valid_filter};
use crate::registry::UnknownDevices;

/// Begin of native topics.
const NATIVE: &str = "ioc/v1/";
/// Levels of a topic or filter. Six are enough for our own; ONVIF and Zigbee2MQTT names nest
/// deeper. (65,535 of them overflowed Mosquitto's stack: CVE-2019-11779.)
const LEVELS: usize = 16;
/// Bytes of a topic or filter.
const TOPIC_BYTES: usize = 256;
/// What a native topic can end with.
const KINDS: [&str; 3] = ["obs", "event", "status"];
/// Area of a device of which nobody knows where it stands.
const UNASSIGNED: &str = "unassigned";
/// Tag of a device that acts on alarms: the topics below `ioc/v1/alerts/` that it may see, as a
/// filter such as `#` or `+/hai_chau/#`. Without it a device sees none.
const ALERTS: &str = "alerts";

/// How far a client is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may speak for any device: an outside broker, a process of this machine, a test.
    Trusted,
    /// It proved to be the device whose id is its client id.
    Device,
}

/// Who hands in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// MQTT client id; for a device its id.
    pub id: Arc<str>,
    /// How far it is believed.
    pub standing: Standing,
}

impl Client {
    /// One that may speak for any device.
    pub fn trusted(id: &str) -> Self {
        Self { id: id.into(), standing: Standing::Trusted }
    }

    /// A device that proved who it is.
    pub fn device(id: &str) -> Self {
        Self { id: id.into(), standing: Standing::Device }
    }

    /// Whether it may publish to `topic` at all.
    ///
    /// # Errors
    /// [`QuarantineReason::BadId`] for a topic that nobody may use, else
    /// [`QuarantineReason::NotAuthorised`] with the topics it may use.
    pub fn may_publish(&self, devices: &Devices, topic: &str) -> Result<(), Refusal> {
        check_topic(topic).map_err(|what| Refusal::new(QuarantineReason::BadId, what))?;
        if is_ours(topic) {
            return Err(denied("this topic is published by the IOC"));
        }
        if self.standing == Standing::Trusted {
            return Ok(());
        }
        let me = self.me(devices)?;
        let declared = || me.is_some_and(|d| d.topics.iter().any(|p| declares(p, topic)));
        let may = match topic.strip_prefix(NATIVE) {
            Some(rest) => match Native::of(rest) {
                Some(native) => {
                    self.owns(devices, me, &native) || *native.id == *self.id && declared()
                }
                None => false,
            },
            None => declared(),
        };
        if may { Ok(()) } else { Err(self.not_this_topic(devices, me, topic)) }
    }

    /// Whether it may speak for a device that a payload names. What becomes of devices that
    /// nobody entered is the registry's to say.
    ///
    /// # Errors
    /// [`QuarantineReason::NotAuthorised`], also for a blocked device; `BadId`.
    pub fn may_speak_for(&self, devices: &Devices, device: &str) -> Result<(), Refusal> {
        let known = devices.get(device);
        match known {
            Some(d) if d.state == DeviceState::Blocked => return Err(blocked(device)),
            Some(_) => {}
            None if is_id(device) => {}
            None => {
                let what = "the device id must be 1 to 64 of A-Z a-z 0-9 _ . : -";
                return Err(Refusal::new(QuarantineReason::BadId, what));
            }
        }
        if self.standing == Standing::Trusted {
            return Ok(());
        }
        if *self.id == *device && is_id(device) {
            return Ok(());
        }
        let me = self.me(devices)?;
        if me.is_some_and(|d| d.bridge) && known.is_none_or(|d| self.is_parent_of(d)) {
            return Ok(());
        }
        let words = match me.is_some_and(|d| d.bridge) {
            true => format!("`{device}` does not speak through `{}`: its parent differs", self.id),
            false => format!("`{}` speaks only for itself, not for `{device}`", self.id),
        };
        Err(denied(words).of(device))
    }

    /// The same, and what the registry does with devices that nobody entered or approved.
    ///
    /// # Errors
    /// As [`Client::may_speak_for`], and [`QuarantineReason::UnknownDevice`], `DevicePending`.
    pub fn may_say_of(
        &self,
        devices: &Devices,
        policy: UnknownDevices,
        device: &str,
    ) -> Result<(), Refusal> {
        self.may_speak_for(devices, device)?;
        if policy == UnknownDevices::Accept
            || devices.get(device).is_some_and(|d| d.state == DeviceState::Approved)
        {
            return Ok(());
        }
        Err(match policy {
            UnknownDevices::Accept | UnknownDevices::Hold => {
                let words = format!("`{device}` waits for approval; this is kept until then");
                Refusal::new(QuarantineReason::DevicePending, words)
            }
            UnknownDevices::Refuse => {
                let words = format!("`{device}` is not an approved device of the registry");
                Refusal::new(QuarantineReason::UnknownDevice, words)
            }
        }
        .of(device))
    }

    /// Whether every topic that `filter` can match is one the IOC publishes and this client may
    /// see.
    pub fn may_subscribe(&self, devices: &Devices, filter: &str) -> bool {
        if check_filter(filter).is_err() {
            return false;
        }
        let Ok(me) = self.me(devices) else { return false };
        if let Some(rest) = filter.strip_prefix("spBv1.0/") {
            return self.may_hear_host(me, rest);
        }
        let Some(rest) = filter.strip_prefix(NATIVE) else { return false };
        if let Some(below) = rest.strip_prefix("alerts/") {
            return match self.standing {
                Standing::Trusted => !below.is_empty(),
                Standing::Device => me
                    .and_then(|d| d.tags.get(ALERTS))
                    .is_some_and(|granted| covers(granted, below)),
            };
        }
        let mut levels = rest.split('/');
        let (Some("devices"), Some(id), Some("errors" | "commands"), None) =
            (levels.next(), levels.next(), levels.next(), levels.next())
        else {
            return false;
        };
        if !is_id(id) {
            return false;
        }
        *id == *self.id
            || self.standing == Standing::Device
                && me.is_some_and(|d| d.bridge)
                && devices.get(id).is_some_and(|d| self.is_parent_of(d))
    }

    /// Whether a publication of the IOC may go to it now; asked at each delivery, because rights
    /// can have ended since its subscription.
    pub(crate) fn may_receive(&self, devices: &Devices, topic: &str) -> bool {
        self.standing == Standing::Trusted || self.may_subscribe(devices, topic)
    }

    /// What it may subscribe to, in words.
    pub(crate) fn subscriptions(&self, devices: &Devices) -> String {
        let id = &self.id;
        let mut words =
            format!("may subscribe to ioc/v1/devices/{id}/errors and ioc/v1/devices/{id}/commands");
        let me = self.me(devices).ok().flatten();
        let alerts = match self.standing {
            Standing::Trusted => Some("#"),
            Standing::Device => me.and_then(|d| d.tags.get(ALERTS)).map(String::as_str),
        };
        if let Some(alerts) = alerts {
            words.push_str(", ioc/v1/alerts/");
            words.push_str(alerts);
        }
        if self.standing == Standing::Device && me.is_some_and(|d| d.bridge) {
            words.push_str(", and the same of each device behind it");
        }
        words
    }

    /// What the registry knows of it; an error when it may do nothing at all.
    fn me<'d>(&self, devices: &'d Devices) -> Result<Option<&'d Arc<Device>>, Refusal> {
        if self.standing == Standing::Trusted {
            return Ok(None);
        }
        if !is_id(&self.id) {
            return Err(denied("the client id is no device id"));
        }
        match devices.get(&self.id) {
            Some(d) if d.state == DeviceState::Blocked => Err(blocked(&self.id)),
            me => Ok(me),
        }
    }

    fn is_parent_of(&self, device: &Device) -> bool {
        device.state != DeviceState::Blocked && device.parent.as_deref() == Some(&*self.id)
    }

    /// Whether a native topic is its own or one of a device behind it.
    fn owns(&self, devices: &Devices, me: Option<&Arc<Device>>, topic: &Native<'_>) -> bool {
        if *topic.id == *self.id {
            return me.is_none_or(|d| topic.is_of(d));
        }
        me.is_some_and(|d| d.bridge)
            && match devices.get(topic.id) {
                Some(child) => self.is_parent_of(child) && topic.is_of(child),
                None => is_id(topic.id),
            }
    }

    /// Commands and the state of a Sparkplug host, below `spBv1.0/`.
    fn may_hear_host(&self, me: Option<&Arc<Device>>, rest: &str) -> bool {
        let mut levels = rest.split('/');
        let (Some(group), Some(kind)) = (levels.next(), levels.next()) else { return false };
        let declares_any = |d: &Arc<Device>| d.topics.iter().any(|p| p.starts_with("spBv1.0/"));
        if group == "STATE" {
            let known = self.standing == Standing::Trusted || me.is_some_and(declares_any);
            return known && kind != "#" && !kind.is_empty() && levels.next().is_none();
        }
        let (Some(edge), true) = (levels.next(), matches!(kind, "NCMD" | "DCMD")) else {
            return false;
        };
        if self.standing == Standing::Trusted {
            return true;
        }
        let is_name = |name: &str| !name.is_empty() && !name.contains(['+', '#', '$']);
        if !is_name(group) || !is_name(edge) {
            return false;
        }
        // It may hear the commands of an edge node if it may send that node's data.
        let data =
            [format!("spBv1.0/{group}/NDATA/{edge}"), format!("spBv1.0/{group}/DDATA/{edge}/x")];
        me.is_some_and(|d| d.topics.iter().any(|p| data.iter().any(|topic| declares(p, topic))))
    }

    /// The words say where it may publish, the right topic first.
    fn not_this_topic(&self, devices: &Devices, me: Option<&Arc<Device>>, topic: &str) -> Refusal {
        let mut levels = topic.strip_prefix(NATIVE).unwrap_or_default().split('/');
        let named = levels.nth(2);
        let child = named.and_then(|id| devices.get(id)).filter(|d| self.is_parent_of(d));
        let home = |d: &Device| {
            let area = if &*d.area == UNASSIGNED { "{area}" } else { &*d.area };
            format!("ioc/v1/{area}/{}/{}/obs|event|status", d.service, d.id)
        };
        let is_bridge = me.is_some_and(|d| d.bridge);
        let mut words = match (me, child) {
            (_, Some(child)) if is_bridge => {
                return denied(format!("`{}` publishes to {}", child.id, home(child)))
                    .of(&child.id);
            }
            (Some(me), _) => format!("`{}` may publish to {}", self.id, home(me)),
            (None, _) => format!(
                "`{0}` may publish to ioc/v1/{{area}}/{{service}}/{0}/obs|event|status",
                self.id
            ),
        };
        for (n, pattern) in me.iter().flat_map(|d| &d.topics).enumerate() {
            if n == 4 {
                words.push_str(", …");
                break;
            }
            words.push_str(", ");
            words.push_str(pattern);
        }
        if is_bridge {
            words.push_str(", and to the topics of the devices whose parent it is");
        }
        let refusal = denied(words);
        // It is the one that is told, not a device whose name it put into a topic.
        refusal.of(&self.id)
    }
}

/// The levels of a native topic below `ioc/v1/`.
struct Native<'t> {
    area: &'t str,
    service: &'t str,
    id: &'t str,
}

impl<'t> Native<'t> {
    fn of(rest: &'t str) -> Option<Self> {
        let mut levels = rest.split('/');
        let native = Self { area: levels.next()?, service: levels.next()?, id: levels.next()? };
        let whole = KINDS.contains(&levels.next()?) && levels.next().is_none();
        (whole && !native.area.is_empty() && !native.service.is_empty()).then_some(native)
    }

    fn is_of(&self, device: &Device) -> bool {
        *self.service == *device.service
            && (*self.area == *device.area || *device.area == *UNASSIGNED)
    }
}

fn denied(words: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::NotAuthorised, words)
}

fn blocked(device: &str) -> Refusal {
    denied(format!("`{device}` is blocked")).of(device)
}

/// Topics that only the IOC publishes.
pub(crate) fn is_ours(topic: &str) -> bool {
    match topic.strip_prefix(NATIVE) {
        Some(rest) => rest.starts_with("alerts/") || rest.starts_with("devices/"),
        None => false,
    }
}

/// Whether a topic can be one at all.
fn check_topic(topic: &str) -> Result<(), &'static str> {
    if topic.bytes().any(|b| b == b'+' || b == b'#') {
        return Err("a topic to publish to holds no `+` and no `#`");
    }
    check_levels(topic)
}

fn check_filter(filter: &str) -> Result<(), &'static str> {
    if !is_valid_filter(filter) {
        return Err("not a topic filter");
    }
    check_levels(filter)
}

fn check_levels(topic: &str) -> Result<(), &'static str> {
    if topic.is_empty() || topic.len() > TOPIC_BYTES {
        return Err("a topic has 1 to 256 bytes");
    }
    let mut levels = 1;
    for byte in topic.bytes() {
        levels += usize::from(byte == b'/');
        // 0xC2 begins U+0080 to U+00BF, the first half of which are control characters.
        if byte < 0x20 || byte == 0x7F || byte == 0xC2 && topic.contains(char::is_control) {
            return Err("a topic holds no control characters");
        }
    }
    if levels > LEVELS { Err("a topic has at most 16 levels") } else { Ok(()) }
}

/// Whether a pattern of the registry takes a topic: as an MQTT filter. Topics that begin with `$`
/// belong to brokers; no device publishes there.
fn declares(pattern: &str, topic: &str) -> bool {
    !topic.starts_with('$') && filter_matches(pattern, topic) && is_valid_filter(pattern)
}

/// Whether `wide` matches every topic that `narrow` matches.
fn covers(wide: &str, narrow: &str) -> bool {
    if !is_valid_filter(wide) {
        return false;
    }
    let mut wide = wide.split('/');
    for level in narrow.split('/') {
        match wide.next() {
            Some("#") => return true,
            // `a/#` also matches `a`, which `a/+` does not.
            Some("+") if level != "#" => {}
            Some(same) if same == level => {}
            _ => return false,
        }
    }
    matches!((wide.next(), wide.next()), (None, _) | (Some("#"), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Device {
        let (air, area) = ("air".into(), "hai_chau".into());
        let unknown = Device::unknown(id, &air, &area, ioc_model::Timestamp(0));
        Device { state: DeviceState::Approved, ..unknown }
    }

    fn devices(all: impl IntoIterator<Item = Device>) -> Devices {
        all.into_iter().map(Arc::new).collect()
    }

    #[test]
    fn grants_only_filters_of_the_iocs_own_topics() {
        let mut siren = device("d1");
        siren.tags.insert("alerts".into(), "+/hai_chau/#".into());
        siren.topics = vec!["spBv1.0/g/+/edge 1/#".into()];
        let devices = devices([siren, device("d2")]);
        for good in [
            "ioc/v1/alerts/+/hai_chau/#",
            "ioc/v1/alerts/air/hai_chau/pm25/+",
            "ioc/v1/devices/d1/errors",
            "ioc/v1/devices/d1/commands",
            "spBv1.0/g/NCMD/edge 1",
            "spBv1.0/g/NCMD/edge 1/#",
            "spBv1.0/g/DCMD/edge 1/+",
            "spBv1.0/STATE/+",
            "spBv1.0/STATE/ioc",
        ] {
            assert!(Client::device("d1").may_subscribe(&devices, good), "{good}");
        }
        for bad in [
            "#",
            "ioc/#",
            "ioc/v1/#",
            "ioc/v1/+/air",
            "+/v1/alerts/#",
            "ioc/v1/alerts/",
            "ioc/v1/alerts/#",
            "ioc/v1/alerts/+/+/#",
            "ioc/v1/alerts/air/son_tra/#",
            "ioc/v1/devices/d2/errors",
            "ioc/v1/devices/+/errors",
            "ioc/v1/devices/d1/#",
            "ioc/v1/devices/d11/errors",
            "$SYS/#",
            "$share/g/ioc/v1/devices/d1/errors",
            "ioc/v1/hai_chau/air/d1/obs",
            "spBv1.0/g/NDATA/edge 1",
            "spBv1.0/g/NCMD/edge 2",
            "spBv1.0/g/NCMD/+",
            "spBv1.0/+/NCMD/edge 1",
            "spBv1.0/STATE/#",
            "spBv1.0/#",
        ] {
            assert!(!Client::device("d1").may_subscribe(&devices, bad), "{bad}");
        }
        assert!(!Client::device("d2").may_subscribe(&devices, "ioc/v1/alerts/air/hai_chau/x"));
        assert!(!Client::device("d2").may_subscribe(&devices, "spBv1.0/STATE/ioc"));
        assert!(Client::trusted("t").may_subscribe(&devices, "ioc/v1/alerts/#"));
        assert!(Client::trusted("t").may_subscribe(&devices, "spBv1.0/+/NCMD/#"));
        assert!(!Client::trusted("t").may_subscribe(&devices, "ioc/v1/devices/d1/errors"));
    }

    #[test]
    fn refusals_say_where_to_publish() {
        let mut bridge = device("b");
        bridge.bridge = true;
        bridge.topics = vec!["lora/#".into()];
        let mut child = device("c");
        child.parent = Some("b".into());
        let devices = devices([device("d1"), bridge, child]);
        let words = |client: &str, topic: &str| {
            let refusal = Client::device(client).may_publish(&devices, topic).expect_err(topic);
            assert_eq!(refusal.reason, QuarantineReason::NotAuthorised);
            refusal.detail
        };
        assert_eq!(
            words("d1", "ioc/v1/son_tra/air/d1/obs"),
            "`d1` may publish to ioc/v1/hai_chau/air/d1/obs|event|status"
        );
        assert_eq!(
            words("b", "ioc/v1/son_tra/air/c/obs"),
            "`c` publishes to ioc/v1/hai_chau/air/c/obs|event|status"
        );
        assert_eq!(
            words("b", "x"),
            "`b` may publish to ioc/v1/hai_chau/air/b/obs|event|status, lora/#, and to the topics \
             of the devices whose parent it is"
        );
        assert_eq!(
            words("new", "x"),
            "`new` may publish to ioc/v1/{area}/{service}/new/obs|event|status"
        );
        let other = Client::device("d1").may_speak_for(&devices, "c").expect_err("not its own");
        assert_eq!(other.detail, "`d1` speaks only for itself, not for `c`");
    }

    #[test]
    fn one_filter_covers_another_only_level_by_level() {
        for (wide, narrow, expect) in [
            ("#", "a/b", true),
            ("#", "#", true),
            ("a/#", "a", true),
            ("a/+", "a/#", false),
            ("a/+", "a/+", true),
            ("a/+", "a/b", true),
            ("a/b", "a/+", false),
            ("a/+/c", "a/b/c/d", false),
            ("a/b/c", "a/b", false),
            ("a/#/b", "a/x/b", false),
            ("", "a", false),
        ] {
            assert_eq!(covers(wide, narrow), expect, "{wide} {narrow}");
        }
    }
}
