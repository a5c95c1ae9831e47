//! What a `cap` receiver is told in `notify.yaml`, and what is known of each service without it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ioc_model::{City, Name, Severity, Text};
use serde::{Deserialize, Serialize};

use super::document::Status;
use super::xml::token;
use crate::channel::webhook::{Guard, Network};

/// Settings of a `cap` receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapSpec {
    /// Who is responsible, unique in the world, such as `ioc@danang.gov.vn`.
    pub sender: String,
    /// Its name for people.
    pub sender_name: Text,
    /// `actual`, `exercise` or `test`. Default `test`: nobody is warned by accident.
    #[serde(default)]
    pub status: Status,
    /// Name of the exercise; required with `exercise`.
    #[serde(default)]
    pub exercise: Option<String>,
    /// Alerts of this severity and above.
    #[serde(default = "default_severity")]
    pub min_severity: Severity,
    /// Alerts of these services.
    pub services: Vec<Name>,
    /// How long a message holds, minutes. While the danger lasts it is renewed in the second half
    /// of this time, when the route repeats (its `repeat` has to be shorter than half of it).
    #[serde(default = "default_valid_min")]
    pub valid_min: u32,
    /// Warn only around the device, in this radius, instead of in its whole ward.
    #[serde(default)]
    pub circle_km: Option<f64>,
    /// A public page; default: the message itself.
    #[serde(default)]
    pub web: Option<String>,
    /// Whom the public may ask, such as `1022`.
    #[serde(default)]
    pub contact: Option<String>,
    /// What is said of a service instead of the built-in words.
    #[serde(default)]
    pub about: BTreeMap<Name, ServiceSpec>,
    /// How long messages are kept, days.
    #[serde(default = "default_keep_days")]
    pub keep_days: u32,
    /// Also published on `ioc/v1/cap/{identifier}`.
    #[serde(default)]
    pub mqtt: bool,
    /// Also sent to this address with `POST` as `application/cap+xml`.
    #[serde(default)]
    pub post: Option<String>,
    /// Allows `post` without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// Networks that are not the public internet and that `post` may reach, such as `10.1.2.0/24`.
    #[serde(default)]
    pub allow_networks: Vec<String>,
}

/// Words about warnings of one service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// CAP `category`.
    #[serde(default)]
    pub category: Vec<String>,
    /// CAP `responseType`.
    #[serde(default)]
    pub response: Vec<String>,
    /// What people should do.
    #[serde(default)]
    pub instruction: Option<Text>,
}

fn default_severity() -> Severity {
    Severity::Critical
}

fn default_valid_min() -> u32 {
    360
}

fn default_keep_days() -> u32 {
    366
}

/// Settings that were checked.
#[derive(Clone, Debug)]
pub struct CapSettings {
    pub(super) spec: CapSpec,
}

/// What is said of a service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct About {
    pub(super) category: Vec<&'static str>,
    pub(super) response: Vec<&'static str>,
    pub(super) instruction: Text,
}

const CATEGORIES: [&str; 12] = [
    "Geo",
    "Met",
    "Safety",
    "Security",
    "Rescue",
    "Fire",
    "Health",
    "Env",
    "Transport",
    "Infra",
    "CBRNE",
    "Other",
];
const RESPONSES: [&str; 9] =
    ["Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"];

impl CapSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// All mistakes, in words.
    pub fn new(spec: CapSpec, city: &City) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        if spec.sender.is_empty() || token(&spec.sender) != spec.sender {
            wrong.push(format!(
                "sender {:?} has to be an address or a domain, without space, comma, < and &",
                spec.sender
            ));
        }
        if spec.sender_name.vi.is_empty() || spec.sender_name.en.is_empty() {
            wrong.push("sender_name needs vi and en".to_owned());
        }
        if spec.status == Status::Exercise && spec.exercise.as_deref().unwrap_or("").is_empty() {
            wrong.push("status exercise needs the name of the exercise".to_owned());
        }
        if spec.services.is_empty() {
            wrong.push("services is empty: nothing would ever be published".to_owned());
        }
        for id in spec.services.iter().chain(spec.about.keys()) {
            if !city.services.contains_key(id) {
                wrong.push(format!("there is no service {id:?}"));
            }
        }
        if !(10..=7 * 24 * 60).contains(&spec.valid_min) {
            wrong.push(format!("valid_min {} is not within 10 and 10080", spec.valid_min));
        }
        if spec.circle_km.is_some_and(|km| !(0.05..=200.0).contains(&km)) {
            wrong.push("circle_km has to be within 0.05 and 200".to_owned());
        }
        if spec.keep_days == 0 {
            wrong.push("keep_days is 0".to_owned());
        }
        if spec.web.as_ref().is_some_and(|u| !is_web(u)) {
            wrong.push("web has to begin with https:// or http://".to_owned());
        }
        for text in spec.allow_networks.iter().filter(|n| Network::parse(n).is_none()) {
            wrong.push(format!("{text:?} is no network"));
        }
        wrong.extend(spec.post.as_ref().and_then(|url| post_mistake(url, &spec)));
        for (service, about) in &spec.about {
            unknown(&about.category, &CATEGORIES)
                .chain(unknown(&about.response, &RESPONSES))
                .for_each(|word| wrong.push(format!("{word:?} of {service} is no word of CAP")));
        }
        if wrong.is_empty() { Ok(Self { spec }) } else { Err(wrong) }
    }

    /// The settings.
    pub fn spec(&self) -> &CapSpec {
        &self.spec
    }

    /// Networks besides the public internet that a client for `post` may reach.
    pub fn allow_networks(&self) -> Vec<Network> {
        networks(&self.spec)
    }

    pub(super) fn valid(&self) -> Duration {
        Duration::from_secs(u64::from(self.spec.valid_min) * 60)
    }

    pub(super) fn about(&self, service: &str) -> About {
        let mut about = built_in(service);
        if let Some(own) = self.spec.about.get(service) {
            let words = |own: &[String], all: &'static [&'static str]| {
                all.iter().copied().filter(|w| own.iter().any(|o| o == w)).collect::<Vec<_>>()
            };
            if !own.category.is_empty() {
                about.category = words(&own.category, &CATEGORIES);
            }
            if !own.response.is_empty() {
                about.response = words(&own.response, &RESPONSES);
            }
            if let Some(instruction) = &own.instruction {
                about.instruction = instruction.clone();
            }
        }
        about
    }
}

fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|r| !r.is_empty()) && !url.contains(|c: char| c.is_control() || c == ' ')
}

fn networks(spec: &CapSpec) -> Vec<Network> {
    spec.allow_networks.iter().filter_map(|n| Network::parse(n)).collect()
}

/// A name is judged by the client when it is looked up, an address is judged here.
fn post_mistake(url: &str, spec: &CapSpec) -> Option<String> {
    let parsed = reqwest::Url::parse(url).ok().filter(|_| is_web(url) && !url.contains('\\'));
    let Some(parsed) = parsed else {
        return Some("post is not an address, such as https://host/path".to_owned());
    };
    if parsed.scheme() != "https" && !spec.allow_http {
        return Some("post without TLS needs allow_http: true".to_owned());
    }
    let host = parsed.host_str().unwrap_or_default();
    let ip: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let judged = Guard::new(networks(spec)).judge(ip);
    judged.err().map(|e| format!("post: {e}; name its network in allow_networks"))
}

fn unknown<'a>(words: &'a [String], all: &'a [&str]) -> impl Iterator<Item = &'a String> {
    words.iter().filter(|word| !all.contains(&word.as_str()))
}

/// The categories of the standard: `Met` includes flood, `Geo` is landslide and earthquake.
fn built_in(service: &str) -> About {
    let (category, response, vi, en): (&[_], &[_], _, _) = match service {
        "river" | "rain_flood" => (
            &["Met", "Safety"],
            &["Avoid", "Prepare", "Monitor"],
            "Không đi qua đoạn đường, ngầm tràn bị ngập; đưa người, tài sản lên nơi cao; theo dõi \
             và làm theo hướng dẫn của chính quyền địa phương. Cần cứu nạn: gọi 114.",
            "Do not enter flooded roads or spillways; move people and belongings to higher ground; \
             follow the instructions of the local authorities. For rescue call 114.",
        ),
        "air" => (
            &["Env", "Health"],
            &["Avoid", "Monitor"],
            "Hạn chế ra ngoài trời, đóng cửa sổ, đeo khẩu trang khi cần ra ngoài; người già, trẻ \
             em và người có bệnh hô hấp, tim mạch nên ở trong nhà.",
            "Limit time outdoors, close windows, wear a mask outside; the elderly, children and \
             people with heart or lung disease should stay indoors.",
        ),
        "water_quality" | "wastewater" => (
            &["Env", "Health"],
            &["Avoid", "Monitor"],
            "Không dùng nước tại khu vực này để ăn uống, tắm rửa, tưới tiêu cho đến khi có thông \
             báo mới.",
            "Do not drink, bathe in or irrigate with water from this area until further notice.",
        ),
        "traffic" | "bus_parking" => (
            &["Transport"],
            &["Avoid"],
            "Chọn đường khác, đi theo hướng dẫn của lực lượng chức năng.",
            "Choose another way and follow the directions of the officers on site.",
        ),
        "fire" => (
            &["Fire", "Rescue"],
            &["Evacuate", "Avoid"],
            "Rời khỏi khu vực, nhường đường cho lực lượng chữa cháy. Báo cháy: gọi 114.",
            "Leave the area and give way to the fire brigade. To report a fire call 114.",
        ),
        "fishing_vessel" => (
            &["Safety", "Rescue"],
            &["Monitor"],
            "Giữ liên lạc với đài bờ và đồn biên phòng; làm theo hướng dẫn.",
            "Keep in contact with the coastal radio and the border guard; follow instructions.",
        ),
        "health" | "ambulance" => (&["Health"], &["Monitor"], MONITOR_VI, MONITOR_EN),
        "security" | "camera_analytics" => {
            (&["Security"], &["Avoid", "Monitor"], MONITOR_VI, MONITOR_EN)
        }
        "infosec" | "public_service" | "online_info" => {
            (&["Infra"], &["Monitor"], MONITOR_VI, MONITOR_EN)
        }
        "feedback" => (&["Safety"], &["Monitor"], MONITOR_VI, MONITOR_EN),
        _ => (&["Other"], &["Monitor"], MONITOR_VI, MONITOR_EN),
    };
    About {
        category: category.to_vec(),
        response: response.to_vec(),
        instruction: Text { vi: vi.to_owned(), en: en.to_owned() },
    }
}

const MONITOR_VI: &str = "Theo dõi thông tin và làm theo hướng dẫn của chính quyền địa phương.";
const MONITOR_EN: &str = "Follow the news and the instructions of the local authorities.";

#[cfg(test)]
mod tests {
    use super::*;

    fn city() -> City {
        let mut city = City::default();
        for id in ["river", "fire"] {
            let service = ioc_model::Service {
                id: id.into(),
                order: 1,
                group: ioc_model::ServiceGroup::Basic,
                name: Text::default(),
                indicators: Vec::new(),
            };
            city.services.insert(id.into(), service);
        }
        city
    }

    fn spec(extra: serde_json::Value) -> CapSpec {
        let mut all = serde_json::json!({
            "sender": "ioc@danang.gov.vn",
            "sender_name": {"vi": "IOC Đà Nẵng", "en": "Da Nang IOC"},
            "services": ["river"],
        });
        let (Some(all_map), Some(extra)) = (all.as_object_mut(), extra.as_object()) else {
            unreachable!("objects")
        };
        all_map.extend(extra.clone());
        serde_json::from_value(all).expect("a spec")
    }

    #[test]
    fn defaults_warn_nobody_by_accident() {
        let settings = CapSettings::new(spec(serde_json::json!({})), &city()).expect("right");
        assert_eq!(settings.spec().status, Status::Test);
        assert_eq!(settings.spec().min_severity, Severity::Critical);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let wrong = spec(serde_json::json!({
            "sender": "a b,c", "sender_name": {"vi": "x", "en": ""}, "status": "exercise",
            "services": ["river", "nothing"], "valid_min": 1, "circle_km": 0.0, "keep_days": 0,
            "web": "javascript:alert(1)", "about": {"fire": {"category": ["Feuer"]}},
        }));
        let told = CapSettings::new(wrong, &city()).expect_err("wrong");
        assert_eq!(told.len(), 9, "{told:#?}");
    }

    #[test]
    fn a_warning_is_not_posted_into_our_own_house_by_mistake() {
        let check = |extra| CapSettings::new(spec(extra), &city()).map(|_| ());
        for url in [
            "http://cap.example.vn/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://2130706433/",
            "https://cap.example.vn\\@127.0.0.1/",
            "ftp://cap.example.vn/",
        ] {
            assert!(check(serde_json::json!({"post": url})).is_err(), "{url}");
        }
        assert_eq!(check(serde_json::json!({"post": "https://cap.example.vn/x"})), Ok(()));
        let inside = serde_json::json!({
            "post": "http://10.1.2.3/", "allow_http": true, "allow_networks": ["10.1.2.0/24"],
        });
        assert_eq!(check(inside), Ok(()));
    }

    #[test]
    fn the_citys_own_words_replace_the_built_in_ones() {
        let own = spec(serde_json::json!({
            "about": {"river": {"category": ["Geo"], "instruction": {"vi": "Ở nhà", "en": "Stay"}}},
        }));
        let about = CapSettings::new(own, &city()).expect("right").about("river");
        assert_eq!(about.category, ["Geo"]);
        assert_eq!(about.instruction.vi, "Ở nhà");
        assert_eq!(about.response, ["Avoid", "Prepare", "Monitor"]);
        assert_eq!(built_in("nothing").category, ["Other"]);
    }
}
