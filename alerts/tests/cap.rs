//! Public warnings judged by somebody else: every kind of message against the OASIS schema with
//! `xmllint` (Debian libxml2-utils, see tests/install-deps.sh).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ioc_alerts::cap::{Author, Batch, CapSettings, CapSpec, CapStore, Feed, Status, atom};
use ioc_model::{
    AlertId, AlertRow, CapRow, City, Condition, ConfigFiles, Entity, Evidence, Severity, Text,
    Timestamp, Transition, TransitionKind, Work,
};

const START: Timestamp = Timestamp(1_761_717_600_000);

/// The city of this repository: its wards, services and devices.
fn city() -> City {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let files = std::fs::read_dir(&folder)
        .expect("config")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("text"))
        })
        .collect();
    City::load(&ConfigFiles(files)).expect("the city loads")
}

fn settings(city: &City, extra: &serde_json::Value) -> CapSettings {
    let services: Vec<String> = city.services.keys().map(ToString::to_string).collect();
    let mut spec = serde_json::json!({
        "sender": "ioc@danang.gov.vn",
        "sender_name": {"vi": "Trung tâm IOC Đà Nẵng", "en": "Da Nang IOC"},
        "services": services,
        "min_severity": "info",
        "status": "actual",
        "contact": "1022 <b>&\u{0}",
    });
    let map = spec.as_object_mut().expect("an object");
    map.extend(extra.as_object().expect("an object").clone());
    let spec: CapSpec = serde_json::from_value(spec).expect("a spec");
    CapSettings::new(spec, city).expect("right settings")
}

fn alert(n: usize, area: &str, service: &str, severity: Severity) -> AlertRow {
    let entity = Entity::Area(area.into());
    let mut row = AlertRow::raised(&Transition {
        position: 1,
        alert: AlertId(format!("{n:032x}")),
        rule: "rule".into(),
        entity,
        device: None,
        area: area.into(),
        service: service.into(),
        time: START,
        kind: TransitionKind::Raise,
        severity,
        value: Some(2.61),
        limit: Some(2.5),
        unit: "m".into(),
        name: Text {
            vi: "Nước sông trên báo động III".into(), en: "River above III".into()
        },
        message: Text::default(),
        cause: "flood".into(),
        latched: false,
        evidence: Box::new(Evidence::default()),
    });
    row.ver = 1;
    row
}

/// A store in a folder, and what is published with it.
struct Desk {
    folder: tempfile::TempDir,
    store: CapStore,
    city: City,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = CapStore::open(&folder.path().join("notify.sqlite")).expect("opens");
        Self { folder, store, city: city() }
    }

    fn publish(&self, settings: &CapSettings, delivery: &str, alerts: &[AlertRow]) -> Vec<CapRow> {
        let batch = Batch {
            receiver: "public",
            delivery,
            alerts,
            ruled: &alerts.iter().map(|row| row.id.clone()).collect(),
            test: alerts.is_empty(),
            now: START.plus_ms(60_000),
        };
        let author = Author { settings, city: &self.city, base_url: "https://ioc.danang.gov.vn" };
        self.store.publish(&batch, &author).expect("publishes")
    }

    /// Judged by xmllint: the files it refuses.
    fn refused(&self, rows: &[CapRow]) -> String {
        let mut files = Vec::new();
        for row in rows {
            let path = self.folder.path().join(format!("{}.xml", row.id));
            std::fs::write(&path, &row.xml).expect("writes");
            files.push(path);
        }
        let out = xmllint(&["--noout", "--schema"], &files);
        let text = String::from_utf8_lossy(&out.stderr);
        let good = text.lines().filter(|l| l.ends_with(" validates")).count();
        let bad: Vec<&str> = text.lines().filter(|l| !l.ends_with(" validates")).collect();
        assert_eq!(
            good + bad.iter().filter(|l| l.ends_with(" fails to validate")).count(),
            rows.len()
        );
        assert_eq!(out.status.success(), bad.is_empty(), "{text}");
        bad.join("\n")
    }
}

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/CAP-v1.2.xsd")
}

fn xmllint(flags: &[&str], files: &[PathBuf]) -> Output {
    let mut command = Command::new("xmllint");
    command.arg("--nonet").args(flags);
    if flags.contains(&"--schema") {
        command.arg(schema());
    }
    command.args(files).output().expect("xmllint is installed (tests/install-deps.sh)")
}

fn feed_id() -> &'static str {
    "tag:ioc@danang.gov.vn,2025:cap"
}

/// What an XPath expression gives.
fn xpath(xml: &str, expression: &str) -> String {
    let mut child = Command::new("xmllint")
        .args(["--nonet", "--xpath", expression, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint is installed (tests/install-deps.sh)");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(xml.as_bytes()).expect("writes");
    drop(input);
    let out = child.wait_with_output().expect("ends");
    assert!(out.status.success(), "{expression}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8").trim_end_matches('\n').to_owned()
}

fn cap(xml: &str, path: &str) -> String {
    let steps: Vec<String> = path
        .split('/')
        .map(|step| {
            let (name, rest) =
                step.split_once('[').map_or((step, String::new()), |(n, r)| (n, format!("[{r}")));
            format!("*[local-name()='{name}']{rest}")
        })
        .collect();
    xpath(xml, &format!("string(/{})", steps.join("/")))
}

#[test]
fn every_stage_of_an_incident_is_valid() {
    let desk = Desk::new();
    let settings = settings(&desk.city, &serde_json::json!({}));
    let mut row = alert(1, "cam_le", "river", Severity::Critical);
    let mut rows = desk.publish(&settings, "d1", std::slice::from_ref(&row));
    row.ver = 2;
    row.severity = Severity::Emergency;
    rows.extend(desk.publish(&settings, "d2", std::slice::from_ref(&row)));
    row.ver = 3;
    row.condition = Condition::Returned;
    rows.extend(desk.publish(&settings, "d3", std::slice::from_ref(&row)));
    rows.extend(desk.publish(&settings, "trial", &[]));
    let kinds: Vec<&str> = rows.iter().map(|r| &*r.kind).collect();
    assert_eq!(kinds, ["Alert", "Update", "Cancel", "Alert"]);
    assert_eq!(desk.refused(&rows), "");
}

#[test]
fn every_ward_service_severity_and_status_is_valid() {
    let desk = Desk::new();
    let severities =
        [Severity::Info, Severity::Minor, Severity::Major, Severity::Critical, Severity::Emergency];
    let mut rows = Vec::new();
    let areas: Vec<_> = desk.city.areas.keys().cloned().collect();
    let services: Vec<_> = desk.city.services.keys().cloned().collect();
    for (i, area) in areas.iter().enumerate() {
        let status = ["actual", "exercise", "test"][i % 3];
        let extra = serde_json::json!({"status": status, "exercise": "Diễn tập <&> 2025"});
        let settings = settings(&desk.city, &extra);
        let row = alert(i, area, &services[i % services.len()], severities[i % 5]);
        rows.extend(desk.publish(&settings, &format!("d{i}"), &[row]));
    }
    assert_eq!(rows.len(), areas.len());
    assert_eq!(desk.refused(&rows), "");
    let found = |pick: &dyn Fn(&str) -> Vec<String>| {
        rows.iter().flat_map(|r| pick(&r.xml)).collect::<BTreeSet<String>>()
    };
    let texts = |name: &'static str| {
        move |xml: &str| {
            let open = format!("<{name}>");
            let parts = xml.split(&open).skip(1);
            parts.filter_map(|p| p.split('<').next()).map(str::to_owned).collect::<Vec<_>>()
        }
    };
    assert_eq!(found(&texts("status")).len(), 3);
    assert_eq!(found(&texts("severity")).len(), 4, "info and minor are both Minor");
    assert!(found(&texts("category")).len() >= 9);
    for polygon in found(&texts("polygon")) {
        let points: Vec<&str> = polygon.split(' ').collect();
        assert!((4..=100).contains(&points.len()), "{} points", points.len());
        assert_eq!(points.first(), points.last());
        for point in points {
            let (lat, lon) = point.split_once(',').expect("lat,lon");
            let (lat, lon): (f64, f64) = (lat.parse().expect("lat"), lon.parse().expect("lon"));
            assert!((14.0..18.0).contains(&lat) && (107.0..113.0).contains(&lon), "{point}");
        }
    }
}

#[test]
fn a_message_says_what_the_standard_wants() {
    let desk = Desk::new();
    let settings = settings(&desk.city, &serde_json::json!({}));
    let row = alert(1, "cam_le", "river", Severity::Emergency);
    let rows = desk.publish(&settings, "d1", &[row]);
    let xml = &rows[0].xml;
    for (path, value) in [
        ("alert/sender", "ioc@danang.gov.vn"),
        ("alert/sent", "2025-10-29T13:01:00+07:00"),
        ("alert/status", "Actual"),
        ("alert/msgType", "Alert"),
        ("alert/scope", "Public"),
        ("alert/incidents", "00000000000000000000000000000001"),
        ("alert/info[1]/language", "vi-VN"),
        ("alert/info[2]/language", "en-US"),
        ("alert/info[1]/category[1]", "Met"),
        ("alert/info[1]/event", "Nước sông trên báo động III"),
        ("alert/info[1]/urgency", "Immediate"),
        ("alert/info[1]/severity", "Extreme"),
        ("alert/info[1]/certainty", "Observed"),
        ("alert/info[1]/onset", "2025-10-29T13:00:00+07:00"),
        ("alert/info[1]/expires", "2025-10-29T19:01:00+07:00"),
        ("alert/info[1]/headline", "[Khẩn cấp] Nước sông trên báo động III: Phường Cẩm Lệ"),
        ("alert/info[2]/headline", "[Emergency] River above III: Cam Le Ward"),
        ("alert/info[1]/contact", "1022 <b>&"),
        ("alert/info[1]/area/areaDesc", "Phường Cẩm Lệ"),
        ("alert/info[1]/area/geocode/valueName", "VN-GSO"),
    ] {
        assert_eq!(cap(xml, path), value, "{path}");
    }
    let code = &desk.city.areas.get("cam_le").expect("the ward").code;
    assert_eq!(cap(xml, "alert/info[1]/area/geocode/value"), *code);
    assert_eq!(cap(xml, "alert/identifier"), rows[0].id);
    let web = format!("https://ioc.danang.gov.vn/api/v1/cap/{}", rows[0].id);
    assert_eq!(cap(xml, "alert/info[1]/web"), web);
    assert!(cap(xml, "alert/info[1]/description").contains("2,61 m (ngưỡng 2,5 m)"), "{xml}");
    assert!(cap(xml, "alert/info[1]/instruction").contains("114"), "{xml}");
}

#[test]
fn hostile_words_cannot_break_or_forge_a_message() {
    let desk = Desk::new();
    let settings = settings(&desk.city, &serde_json::json!({}));
    let evil = "</event><status>Actual</status>\u{0}\u{1b}[2J\r\n]]>&#x0; \u{202e}'\"\u{fffe}";
    let mut row = alert(1, "cam_le", "river", Severity::Critical);
    row.entity = Entity::Device(evil.into());
    row.unit = evil.into();
    row.name = Text { vi: evil.into(), en: evil.repeat(2_000) };
    row.incident = Some(ioc_model::IncidentId(format!("a b,c<d>&\"{evil}")));
    row.work = Work::New;
    row.value = Some(f64::NAN);
    let rows = desk.publish(&settings, "<d&1>\0", &[row]);
    assert_eq!(desk.refused(&rows), "");
    let xml = &rows[0].xml;
    assert_eq!(xpath(xml, "count(//*[local-name()='status'])"), "1");
    assert!(!cap(xml, "alert/incidents").contains([' ', ',', '<', '&', '"']));
    assert!(cap(xml, "alert/info[2]/headline").chars().count() <= 160);
    assert!(xml.chars().all(|c| c == '\n' || !c.is_control()) && !xml.contains('\u{202e}'));
}

#[test]
fn the_judge_refuses_what_is_wrong() {
    let desk = Desk::new();
    let settings = settings(&desk.city, &serde_json::json!({}));
    let rows = desk.publish(&settings, "d1", &[alert(1, "cam_le", "river", Severity::Critical)]);
    for (right, wrong) in [
        ("<status>Actual</status>", "<status>actual</status>"),
        ("<scope>Public</scope>", ""),
        ("+07:00</sent>", "Z</sent>"),
        ("<urgency>Immediate</urgency>", "<urgency>Now</urgency>"),
        ("urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1"),
    ] {
        let mut row = rows[0].clone();
        assert!(row.xml.contains(right), "{right}");
        row.xml = row.xml.replace(right, wrong);
        assert_ne!(desk.refused(&[row]), "", "{wrong}");
    }
}

#[test]
fn the_feed_is_well_formed_and_has_what_atom_requires() {
    let desk = Desk::new();
    let settings = settings(&desk.city, &serde_json::json!({}));
    for i in 0..3 {
        let row = alert(i, "cam_le", "river", Severity::Critical);
        desk.publish(&settings, &format!("d{i}"), &[row]);
    }
    let rows = desk.store.feed(2).expect("reads");
    assert_eq!(rows.len(), 2);
    let feed = Feed {
        title: "Cảnh báo công cộng <Đà Nẵng> & \u{0}",
        author: "IOC",
        authority: "ioc@danang.gov.vn",
        base_url: "https://ioc.danang.gov.vn/",
        now: START,
    };
    let xml = atom(&feed, &rows).expect("memory");
    let at = |path: &str| {
        let path = path.split('/').map(|s| match s.split_once('[') {
            Some((name, rest)) => format!("*[local-name()='{name}'][{rest}"),
            None if s.starts_with('@') => s.to_owned(),
            None => format!("*[local-name()='{s}']"),
        });
        xpath(&xml, &format!("string(/{})", path.collect::<Vec<_>>().join("/")))
    };
    assert_eq!(xpath(&xml, "namespace-uri(/*)"), "http://www.w3.org/2005/Atom");
    assert_eq!(at("feed/id"), feed_id());
    assert_eq!(at("feed/title"), "Cảnh báo công cộng <Đà Nẵng> &");
    assert_eq!(at("feed/author/name"), "IOC");
    assert_eq!(at("feed/updated"), "2025-10-29T13:01:00+07:00");
    assert_eq!(at("feed/link/@rel"), "self");
    assert_eq!(xpath(&xml, "count(//*[local-name()='entry'])"), "2");
    for (i, row) in rows.iter().enumerate() {
        let entry = |what: &str| at(&format!("feed/entry[{}]/{what}", i + 1));
        assert_eq!(entry("id"), format!("tag:ioc@danang.gov.vn,2025:cap/{}", row.id));
        assert!(entry("title").contains(&row.title.vi));
        assert_eq!(entry("updated"), "2025-10-29T13:01:00+07:00");
        let link = format!("https://ioc.danang.gov.vn/api/v1/cap/{}", row.id);
        assert_eq!(entry("link/@href"), link);
        assert_eq!(entry("link/@type"), "application/cap+xml");
    }
    let of = Feed::of(&settings, "https://ioc.danang.gov.vn", START);
    let empty = atom(&of, &[]).expect("memory");
    assert_eq!(xpath(&empty, "string(/*/*[local-name()='id'])"), feed_id());
    assert_eq!(xpath(&empty, "count(/*/*[local-name()='updated'])"), "1");
}

#[test]
fn the_schema_has_all_words_of_the_standard() {
    let text = std::fs::read_to_string(schema()).expect("the schema");
    let words: BTreeMap<&str, usize> = [
        ("status", 5),
        ("msgType", 5),
        ("scope", 3),
        ("category", 12),
        ("responseType", 9),
        ("urgency", 5),
        ("severity", 5),
        ("certainty", 5),
    ]
    .into();
    for (element, count) in words {
        let path = format!(
            "count(//*[local-name()='element'][@name='{element}']//*[local-name()='enumeration'])"
        );
        assert_eq!(xpath(&text, &path), count.to_string(), "{element}");
    }
    assert_eq!(Status::default(), Status::Test);
}
