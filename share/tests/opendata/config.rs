//! `opendata.yaml`.

use std::net::{IpAddr, Ipv4Addr};

use ioc_model::{City, ConfigError, ConfigFiles};
use ioc_share::Scope;
use ioc_share::opendata::OpenData;

use crate::store::{NOW, files, open_files};

fn load(files: &ConfigFiles) -> Result<OpenData, Vec<ConfigError>> {
    OpenData::load(files, &City::load(files).expect("a city"))
}

/// What a change of the shipped file leads to, a line for each mistake.
fn mistakes(from: &str, to: &str) -> String {
    let mut files = open_files();
    let text = files.0.get_mut("opendata.yaml").expect("shipped");
    assert!(text.contains(from), "the shipped file has no `{from}`");
    *text = text.replacen(from, to, 1);
    match load(&files) {
        Ok(_) => String::new(),
        Err(errors) => errors.iter().map(|e| format!("{e}\n")).collect(),
    }
}

#[test]
fn the_shipped_file_is_valid_and_publishes_nothing() {
    let open = load(&files()).expect("valid");
    assert!(!open.enabled());
    assert_eq!(open.scope(), Scope::Published(std::sync::Arc::default()));
    let on = load(&open_files()).expect("valid");
    assert!(on.enabled());
    assert!(on.catalogue().expect("on").datasets.len() >= 8);
    assert!(on.scope().allows("hai_chau", "air", "pm25"));
    assert!(
        !on.scope().allows("hai_chau", "river", "pm25")
            && !on.scope().allows("hai_chau", "security", "people_count")
    );
}

#[test]
fn without_the_file_nothing_is_published() {
    let mut files = files();
    files.0.remove("opendata.yaml");
    assert!(!load(&files).expect("valid").enabled());
}

#[test]
fn events_and_positions_are_always_refused() {
    for (name, why) in [
        ("event.wrong_way", "what a camera or detector saw of someone"),
        ("event.", "what a camera or detector saw of someone"),
        ("latitude", "where someone's vehicle or vessel is"),
        ("longitude", "where someone's vehicle or vessel is"),
    ] {
        let text = mistakes("[flood_depth]", &format!("[flood_depth, {name}]"));
        assert!(text.contains(why) && text.contains("no personal data"), "{name}: {text}");
        assert!(text.starts_with("opendata.yaml:"), "{text}");
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_a_hint() {
    for (from, to, expect) in [
        ("properties: [flood_depth]", "properties: [flod_depth]", "`flod_depth` is no property"),
        ("service: river", "service: rivers", "`rivers` is no service"),
        ("model: WaterObserved", "model: Water", "one of AirQualityObserved, "),
        ("update: PT10M", "update: often", "an ISO 8601 duration"),
        ("update: PT10M", "update: P4M", "Nghị định 47/2020/NĐ-CP: at least every 3 months"),
        ("theme: TRAN", "theme: CARS", "one of AGRI, "),
        ("days: 400", "days: 0", "1 to 3650 days"),
        ("id: noise", "id: air-quality", "is there already"),
        ("id: noise", "id: Noise!", "cannot be the id of a dataset"),
        ("windows: { rainfall: sum }", "windows: { pm25: sum }", "none of the properties above"),
        ("windows: { rainfall: sum }", "windows: { rainfall: add }", "add"),
        ("https://danang.gov.vn/", "javascript:alert(1)", "no address of a page"),
        ("rows: 200000", "rows: 1", "1000 to 10000000 rows"),
        ("page: https://congdulieu.vn/", "", "nobody can be reached"),
        ("page: https://congdulieu.vn/", "email: x@<y>", "no e-mail address"),
        ("title: { vi: Tiếng ồn, en: Noise }", "title: { vi: \"\", en: Noise }", "empty in a"),
        ("enabled: true", "enabled: true\nenable: true", "enable"),
    ] {
        let text = mistakes(from, to);
        assert!(text.contains(expect), "{to}: {text}");
        let place: Vec<&str> = text.split(':').take(3).collect();
        assert!(place[1].parse::<usize>().is_ok_and(|l| l > 0), "{to}: {text}");
        assert!(text.contains("hint: "), "{to}: {text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = mistakes(
        "properties: [flood_depth]\n    model: FloodMonitoring\n    update: PT5M",
        "properties: [event.flood, flod]\n    model: Flood\n    update: never",
    );
    assert_eq!(text.matches("hint: ").count(), 4, "{text}");
}

#[test]
fn the_limit_is_that_of_the_file() {
    let open = load(&open_files()).expect("valid");
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    for _ in 0..60 {
        assert_eq!(open.rate_limit().check(address, NOW), Ok(()));
    }
    assert_eq!(open.rate_limit().check(address, NOW), Err(1));
}
