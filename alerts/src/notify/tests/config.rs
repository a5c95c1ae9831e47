//! `notify.yaml`: what it means, and every mistake with its place.

use ioc_model::{ConfigFiles, Severity};

use super::fake::config;
use crate::channel::{Language, testing};
use crate::notify::{GroupBy, NotifyConfig, On};

fn mistakes(yaml: &str) -> Vec<String> {
    let mut files = ConfigFiles::default();
    files.0.insert("notify.yaml".into(), yaml.into());
    let errors = NotifyConfig::load(&files, &testing::city()).expect_err("mistakes");
    assert!(errors.iter().all(|e| e.hint.is_some()), "{errors:?}");
    errors.iter().map(|e| e.to_string().replace("\n  hint", " | hint")).collect()
}

#[test]
fn defaults_are_those_of_alertmanager() {
    let c = config(
        "
receivers: [{ id: duty, webhook: { url: 'https://a.example/x' } }]
routes: [{ id: all, receivers: [duty] }]
",
    );
    let route = &c.routes[0];
    assert_eq!(route.times.wait(Severity::Major), 30_000);
    assert_eq!(route.times.wait(Severity::Critical), 0);
    assert_eq!((route.times.interval_ms, route.times.repeat_ms), (300_000, Some(14_400_000)));
    assert_eq!(route.on, On::usual());
    assert_eq!(route.group_by, GroupBy::Incident);
    assert_eq!((c.give_up_ms, c.keep_days, c.keep_rows), (86_400_000, 30, 100_000));
    assert_eq!(c.receivers[0].language, Language::Vi);
}

#[test]
fn without_a_file_or_with_comments_alone_nobody_is_told() {
    let none = NotifyConfig::load(&ConfigFiles::default(), &testing::city()).expect("right");
    assert!(none.receivers.is_empty() && none.routes.is_empty());
    assert!(config("# nothing\n\n  # yet\n").receivers.is_empty());
}

#[test]
fn all_mistakes_of_meaning_are_told_with_place_and_hint() {
    let found = mistakes(
        "base_url: nowhere
give_up: 5
keep_rows: 0
receivers:
  - id: Duty Room
    webhook: { url: 'ftp://x/' }
  - id: two
    at_once: 99
  - id: three
    webhook: { url: 'https://user:pw@a.example/' }
    mqtt: {}
routes:
  - id: r
    match: { areas: [cam_la], on: [rise], hours: [{ days: [monday], from: '8', to: '17:00' }] }
    receivers: [thre]
    wait: 1d
    repeat: sometimes
  - id: r
    receivers: []
",
    );
    let expect = [
        "notify.yaml:1:11: `nowhere` is not an address | hint: such as https://ioc.example.vn",
        "notify.yaml:2:10: `5` is not a duration",
        "notify.yaml:3:12: 0 is out of range",
        "notify.yaml:5:9: `Duty Room` cannot be the id of a receiver",
        "notify.yaml:6:21: `ftp` is not allowed",
        "notify.yaml:8:14: 99 is out of range",
        "notify.yaml:7:9: receiver `two` has not exactly one way",
        "notify.yaml:10:21: an address with a user name",
        "notify.yaml:9:9: receiver `three` has not exactly one way",
        "notify.yaml:15:17: unknown receiver `thre`",
        "notify.yaml:14:22: unknown area `cam_la` | hint: did you mean `cam_le`?",
        "notify.yaml:14:36: unknown reason `rise` | hint: did you mean `raise`?",
        "notify.yaml:14:60: unknown day `monday`",
        "notify.yaml:14:75: `8` is not a time of day",
        "notify.yaml:16:11: `1d` is out of range",
        "notify.yaml:17:13: `sometimes` is not a duration",
        "notify.yaml:18:9: route `r` is there already",
        "notify.yaml:18:9: route `r` has no receivers",
    ];
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.starts_with(expect), "{found}\n  is not\n{expect}");
    }
}

#[test]
fn a_mistake_of_form_has_its_place() {
    assert!(mistakes("receivers:\n  - { id: a, webhok: {} }\n")[0].starts_with("notify.yaml:2:"));
    assert!(mistakes("routes: [")[0].starts_with("notify.yaml:"));
    assert!(mistakes("recievers: []\n")[0].starts_with("notify.yaml:1:1: unknown field"));
}

#[test]
fn a_secret_is_never_in_the_file() {
    let yaml = |extra: &str| {
        format!(
            "receivers:\n  - id: a\n    webhook: {{ url: 'https://a.example/{{{{token}}}}', {extra} }}\n"
        )
    };
    let found = mistakes(&yaml("token: hunter2"));
    assert!(found[0].starts_with("notify.yaml:3:"), "{found:?}");
    let found = mistakes(&yaml("to: x"));
    assert!(found[0].contains("there is no token"), "{found:?}");
    let found = mistakes(&yaml("token: {}"));
    assert!(found[0].contains("not one place of a secret"), "{found:?}");
    let found = mistakes(&yaml("token: { secret_env: A, secret_file: b }"));
    assert!(found[0].contains("not one place of a secret"), "{found:?}");
    config(&yaml("token: { secret_env: A }"));
}

#[test]
fn a_body_is_checked() {
    let yaml = |extra: &str| {
        format!("receivers:\n  - id: a\n    webhook: {{ url: 'https://a.example/', {extra} }}\n")
    };
    let cases = [
        ("template: custom", "template custom needs a body"),
        ("body: '{}'", "a body without template: custom"),
        ("template: custom, body: '{\"a\": \"{{nothing}}\"}'", "unknown field `nothing`"),
        ("template: custom, body: '{\"a\": {{text}'", "the body is not JSON"),
        ("template: telegram", "this template needs to"),
        ("headers: { Host: x }", "header `Host` cannot be set"),
        ("headers: { idempotency-key: x }", "header `idempotency-key` cannot be set"),
        ("headers: { a: \"x\\r\\ny: z\" }", "header `a` has a value that cannot be sent"),
        ("allow_networks: [10.0.0.0/33]", "`10.0.0.0/33` is not a network"),
        ("url2: x", "unknown field"),
    ];
    for (extra, expect) in cases {
        let found = mistakes(&yaml(extra));
        assert!(found.len() == 1 && found[0].contains(expect), "{extra}: {found:?}");
    }
    config(&yaml("template: custom, body: '{\"a\": \"{{text}}\", \"n\": {{count}}}'"));
}

/// The shipped file with its examples taken in: every one of them has to be right.
#[test]
fn the_shipped_file_and_its_examples_are_right() {
    let shipped = include_str!("../../../../config/notify.yaml");
    let plain = config(shipped);
    assert!(plain.receivers.is_empty() && plain.routes.is_empty());
    let example = |line: &str| match line.strip_prefix("#  ") {
        Some(rest) if !rest.trim_start().starts_with('#') => format!("  {rest}"),
        _ => line.replace("receivers: []", "receivers:").replace("routes: []", "routes:"),
    };
    let text: Vec<String> = shipped.lines().map(example).collect();
    let mut city = testing::city();
    for id in ["river", "rain_flood"] {
        let service = ioc_model::Service {
            id: id.into(),
            order: 1,
            group: ioc_model::ServiceGroup::Basic,
            name: ioc_model::Text::default(),
            indicators: Vec::new(),
        };
        city.services.insert(id.into(), service);
    }
    let files = ConfigFiles([("notify.yaml".to_owned(), text.join("\n"))].into());
    let full = NotifyConfig::load(&files, &city).expect("the examples are right");
    assert_eq!((full.receivers.len(), full.routes.len()), (7, 3));
}
