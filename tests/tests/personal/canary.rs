//! Messages with plates and links that nothing else has.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use ioc_tests::publisher::Message;

/// The camera of the native messages, and the client that hears of its errors.
pub const DEVICE: &str = "canary-cam";

/// Plate and link of an event that is to be kept.
pub type Kept = (Option<String>, Option<String>);

pub struct Canaries {
    /// For our gateway.
    pub gateway: Vec<Message>,
    /// For the outside broker.
    pub broker: Vec<Message>,
    pub kept: Vec<Kept>,
    texts: Vec<String>,
    search: AhoCorasick,
}

/// What a device writes into a field that is no plate is kept as it is: nobody can know.
pub fn in_other_fields() -> Vec<String> {
    vec!["51F-999.98".into()]
}

impl Canaries {
    pub fn new(now: i64) -> Self {
        let (mut texts, mut kept) = (Vec::new(), Vec::new());
        let mut messages = |door: u32| -> Vec<Message> {
            let mut maker = Maker {
                now,
                n: door * 1_000,
                texts: &mut texts,
                made: Vec::new(),
                kept: &mut kept,
            };
            maker.kept_events();
            maker.forgotten_events();
            maker.refused_native();
            maker.refused_others();
            if door == 2 {
                maker.too_large();
            }
            maker.made
        };
        let (gateway, broker) = (messages(1), messages(2));
        Self { gateway, broker, kept, ..Self::of_texts(&texts) }
    }

    /// Only for searching.
    pub fn of_texts(texts: &[String]) -> Self {
        let hex = texts.iter().map(|t| t.bytes().map(|b| format!("{b:02x}")).collect());
        let bare = texts.iter().map(|t| t.replace(['-', '.', ' '], ""));
        let texts: Vec<String> = texts.iter().cloned().chain(hex).chain(bare).collect();
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(&texts);
        let search = search.expect("a few hundred short texts");
        Self { gateway: Vec::new(), broker: Vec::new(), kept: Vec::new(), texts, search }
    }

    /// Forms of canaries that are looked for.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The canaries in some bytes, each once.
    pub fn hits(&self, bytes: &[u8]) -> Vec<String> {
        let found: BTreeSet<_> = self.search.find_iter(bytes).map(|m| m.pattern()).collect();
        found.into_iter().map(|p| self.texts[p.as_usize()].clone()).collect()
    }
}

struct Maker<'a> {
    now: i64,
    n: u32,
    texts: &'a mut Vec<String>,
    made: Vec<Message>,
    kept: &'a mut Vec<Kept>,
}

const NATIVE: &str = "ioc/v1/hai_chau/traffic/canary-cam/event";
const UPDATE: &str = "frigate/tracked_object_update";
const LPR: &str = "canary-onvif/onvif-ej/RuleEngine/Recognition/LicensePlate/&1";

impl Maker<'_> {
    /// A plate and a link that were not used before, and a time of their own.
    fn next(&mut self) -> (String, String, i64) {
        self.n += 1;
        let number = 10_007 + self.n * 17;
        let plate = format!("51F-{:03}.{:02}", number / 100, number % 100);
        let link = format!("http://nvr{0}.canary.example/shot-{0}.jpg?token=k{0}", self.n);
        self.texts.extend([
            plate.clone(),
            format!("shot-{}.jpg", self.n),
            format!("nvr{}.canary", self.n),
        ]);
        (plate, link, self.now + i64::from(self.n))
    }

    fn send(&mut self, topic: &str, payload: String) {
        self.made.push(Message { topic: topic.into(), payload });
    }

    fn keep(&mut self, topic: &str, payload: String, plate: Option<&str>, link: Option<&str>) {
        self.kept.push((plate.map(Into::into), link.map(Into::into)));
        self.send(topic, payload);
    }

    fn kept_events(&mut self) {
        let (p, l, t) = self.next();
        let both = format!(
            r#"{{"time":{t},"type":"red_light","id":"e-{t}","plate":"{p}","snapshot":"{l}"}}"#
        );
        self.keep(NATIVE, both, Some(&p), Some(&l));
        let (p, _, t) = self.next();
        let plate = format!(r#"{{"plate":"{p}","time":{t},"type":"wrong_way","object":"car"}}"#);
        self.keep(NATIVE, plate, Some(&p), None);
        // Two vehicles in one millisecond.
        let (p, _, _) = self.next();
        let second = format!(r#"{{"plate":"{p}","time":{t},"type":"wrong_way","object":"car"}}"#);
        self.keep(NATIVE, second, Some(&p), None);
        let (_, l, t) = self.next();
        let link = format!(r#"{{"time":{t},"type":"red_light","snapshot":"{l}"}}"#);
        self.keep(NATIVE, link, None, Some(&l));
        let (_, _, t) = self.next();
        let foreign = format!("RZ{}QX", self.n);
        self.texts.push(foreign.clone());
        let payload = format!(r#"{{"time":{t},"type":"red_light","plate":"{foreign}"}}"#);
        self.keep(NATIVE, payload, Some(&foreign), None);
        let (p, l, t) = self.next();
        let list = format!(r#"{{"time":{t},"type":"red_light","plate":["{p}"],"snapshot":"{l}"}}"#);
        self.keep(NATIVE, list, None, Some(&l));
        let (p, l, t) = self.next();
        let long = format!("{p}{}", "x".repeat(60));
        let payload =
            format!(r#"{{"time":{t},"type":"red_light","plate":"{long}","snapshot":"{l}"}}"#);
        self.keep(NATIVE, payload, None, Some(&l));
        let (p, l, t) = self.next();
        let long = format!("{l}{}", "x".repeat(2_048));
        let payload =
            format!(r#"{{"time":{t},"type":"red_light","plate":"{p}","snapshot":"{long}"}}"#);
        self.keep(NATIVE, payload, Some(&p), None);
        let (p, _, t) = self.next();
        let payload = format!(
            r#"{{"type":"lpr","id":"{t}.5-abc","name":"Canary Person","plate":"{p}","score":0.9,"camera":"canary_gate","timestamp":{}.5}}"#,
            t / 1_000
        );
        self.keep(UPDATE, payload, Some(&p), None);
        let (p, l, t) = self.next();
        let payload = onvif(
            t,
            &format!(
                r#""ObjectId":"{t}","LicensePlateInfo":{{"PlateNumber":"{p}"}},"ImageURI":"{l}""#
            ),
        );
        self.keep(LPR, payload, Some(&p), Some(&l));
    }

    fn forgotten_events(&mut self) {
        let (p, l, t) = self.next();
        self.send(
            NATIVE,
            format!(r#"{{"time":{t},"type":"crowd","plate":"{p}","snapshot":"{l}"}}"#),
        );
        let (p, l, t) = self.next();
        let security = NATIVE.replace("traffic/canary-cam", "security/canary-guard");
        self.send(
            &security,
            format!(r#"{{"time":{t},"type":"red_light","plate":"{p}","snapshot":"{l}"}}"#),
        );
        let (p, l, t) = self.next();
        self.texts.push("Canary Person".into());
        self.send("frigate/events", frigate(t, &format!(
            r#""camera":"canary_gate","recognized_license_plate":["{p}",0.9],"sub_label":["Canary Person",0.7],"thumbnail":"{l}""#
        )));
        let (p, l, t) = self.next();
        let line = "canary-onvif/onvif-ej/RuleEngine/LineDetector/Crossed/&1";
        self.send(line, onvif(t, &format!(r#""PlateNumber":"{p}","ImageUri":"{l}""#)));
        let (p, _, _) = self.next();
        self.send("frigate/canary_gate/car/snapshot", format!("a picture of {p}"));
        let (p, ..) = self.next();
        self.send(UPDATE, format!(r#"{{"type":"face","name":"Canary Person","plate":"{p}"}}"#));
        let (_, _, t) = self.next();
        let elsewhere = &in_other_fields()[0];
        self.send(NATIVE, format!(r#"{{"time":{t},"type":"red_light","object":"{elsewhere}"}}"#));
    }

    fn refused_native(&mut self) {
        let forms: [fn(&str, &str, i64) -> String; 14] = [
            |p, l, t| format!(r#"{{"time":{t},"type":"red_light","snapshot":"{l}","plate":"{p}"#),
            |p, l, _| format!(r#"{{"type":"red_light","plate":"{p}","snapshot":"{l}"}}"#),
            |p, l, t| {
                format!(r#"{{"time":{t},"type":"red_light","number_plate":"{p}","shot":"{l}"}}"#)
            },
            |p, l, t| {
                format!(
                    r#"{{"time":{t},"type":"red_light","plate":"{p}","plate":"{p}","x":"{l}"}}"#
                )
            },
            |p, _, t| format!(r#"{{"time":{t},"type":"red_light","{p}":1}}"#),
            |p, l, t| format!(r#"{{"time":{t},"type":"{p}","zone":"{l}"}}"#),
            |p, l, _| format!(r#"{{"time":"{p}","type":"red_light","url":"{l}"}}"#),
            |p, l, t| format!(r#"{{"time":{t},"type":"red_light","id":"{p} x","zone":"{l}"}}"#),
            |p, l, _| {
                format!(
                    r#"<a><plate>{p}</plate><SimpleItem Name="PlateNumber" Value="{p}"/><b>{l}</b></a>"#
                )
            },
            |p, l, t| {
                format!(
                    r#"{{"time":{t},"vehicle":{{"Name":"Plate","Value":"{p}"}},"l":"{}"}}"#,
                    l.replace('/', "\\/")
                )
            },
            |p, l, _| format!("{p} seen at {l}"),
            |p, l, t| format!(r#"[{{"time":{t},"plate":"{p}","snapshot":"{l}"}}]"#),
            |p, l, t| {
                format!(r#"{{"time":{t},"type":"red_light","confidence":"{p}","snapshot":"{l}"}}"#)
            },
            |p, l, t| {
                format!(
                    r#"{{"time":{t},"type":"red_light","count":7e99,"plate":{{"x":["{p}",{{"y":"{l}"}}]}}}}"#
                )
            },
        ];
        for form in forms {
            let (p, l, t) = self.next();
            self.send(NATIVE, form(&p, &l, t));
        }
        let observed = NATIVE.replace("event", "obs");
        let (p, l, t) = self.next();
        self.send(&observed, format!(r#"{{"time":{t},"values":{{"{p}":1}},"snapshot":"{l}"}}"#));
        let (p, _, t) = self.next();
        self.send(&observed, format!(r#"{{"time":{t},"values":{{"speed":"{p}"}}}}"#));
        let (p, l, t) = self.next();
        let status = NATIVE.replace("event", "status");
        self.send(
            &status,
            format!(r#"{{"time":{t},"online":true,"plate":"{p}","snapshot":"{l}"}}"#),
        );
    }

    fn refused_others(&mut self) {
        let (p, l, t) = self.next();
        self.send("ioc/v1/x", format!(r#"{{"time":{t},"plate":"{p}","snapshot":"{l}"}}"#));
        let (p, l, t) = self.next();
        self.send("frigate/events", frigate(t, &format!(r#""recognized_license_plate":"{p}","sub_label":"Canary Person","thumbnail":"{l}""#)));
        let (p, l, _) = self.next();
        self.send(
            UPDATE,
            format!(r#"{{"type":"lpr","camera":"canary_gate","plate":"{p}","image":"{l}"}}"#),
        );
        let (p, l, _) = self.next();
        let late =
            onvif(0, &format!(r#""LicensePlateInfo":{{"PlateNumber":"{p}"}},"ImageURI":"{l}""#));
        self.send(LPR, late.replace("UtcTime", "Time"));
        let (p, l, t) = self.next();
        let odd = "canary-onvif/onvif-ej/acme:Rule/Plate";
        self.send(odd, onvif(t, &format!(r#""Name":"Plate","Value":"{p}","ImageURI":"{l}""#)));
        let (p, l, _) = self.next();
        self.send(LPR, format!(r#"{{"Data":{{"PlateNumber":"{p}","ImageURI":"{l}"#));
    }

    fn too_large(&mut self) {
        let (p, l, t) = self.next();
        let rest = "x".repeat(70_000);
        self.send(NATIVE, format!(r#"{{"time":{t},"type":"red_light","plate":"{p}","snapshot":"{l}","rest":"{rest}"}}"#));
    }
}

fn onvif(ms: i64, data: &str) -> String {
    let time = ioc_model::Timestamp(ms).to_rfc3339();
    format!(r#"{{"UtcTime":"{time}","Source":{{"Rule":"gate"}},"Data":{{{data}}}}}"#)
}

fn frigate(ms: i64, fields: &str) -> String {
    let s = ms as f64 / 1_000.0;
    format!(
        r#"{{"type":"new","after":{{"id":"{ms}.1-x","label":"car","start_time":{s},"frame_time":{s},"current_zones":["in"],{fields}}}}}"#
    )
}
