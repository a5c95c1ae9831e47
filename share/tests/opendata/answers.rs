//! What is answered below `/open`.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

use ioc_model::{Quality, Timestamp};
use ioc_share::Body;
use serde_json::Value;

use crate::store::{Asked, NOW, World, body, header, open_files};

const AIR: &str = "/datasets/air-quality/data";

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A world in which one air station says something at chosen times.
fn one_station() -> (World, String) {
    let world = World::of(&open_files(), Vec::new());
    let station = world.sources.city.devices.values().find(|d| &*d.service == "air");
    let id = station.expect("an air station").id.to_string();
    (world, id)
}

fn lines(csv: &str) -> Vec<Vec<&str>> {
    let csv = csv.strip_prefix('\u{feff}').expect("a byte-order mark");
    csv.split("\r\n").filter(|l| !l.is_empty()).map(|l| l.split(',').collect()).collect()
}

#[tokio::test]
async fn every_address_of_the_pages_and_the_catalogue_answers() {
    let world = World::shipped();
    let mut todo = vec!["/".to_owned(), String::new(), "/catalog.jsonld".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(address) = todo.pop() {
        if !seen.insert(address.clone()) {
            continue;
        }
        let (status, text) = world.text(&address).await;
        assert_eq!(status, 200, "{address}: {text}");
        for quote in ["href=\"/open", "\"https://ioc.example.vn/open"] {
            for part in text.split(quote).skip(1) {
                let link = part.split(['"', '#']).next().expect("a link");
                todo.push(link.replace("&amp;", "&"));
            }
        }
    }
    let expected = 8 * 5 + 3;
    assert!(seen.len() >= expected, "only {} addresses: {seen:?}", seen.len());
}

#[tokio::test]
async fn unknown_addresses_are_refused_in_both_languages() {
    let world = World::shipped();
    for path in [
        "/nothing",
        "/datasets",
        "/datasets/",
        "/datasets/none",
        "/datasets/noise/data.xml",
        "/datasets/noise/data.csv/x",
        "/catalog.jsonld/x",
        "//",
        "/datasets/%6eoise",
        "/datasets/../catalog.jsonld",
        "/datasets/<script>",
    ] {
        let (status, text) = world.text(path).await;
        assert_eq!(status, 404, "{path}");
        let error = json(&text);
        assert_eq!(error["code"], "not_found");
        assert_eq!(error["message"], "There is no such page or dataset");
        assert_eq!(error["message_vi"], "Không có trang hoặc bộ dữ liệu này");
        let asked = Asked { accept: "text/html,*/*", ..Asked::default() };
        let page = world.ask(path, asked).await;
        assert_eq!(page.status, 404);
        let html = body(page.body).await.expect("whole");
        assert!(html.contains("Không có trang") && html.contains("There is no such page"));
        assert!(!html.contains("<script"));
    }
}

#[tokio::test]
async fn nothing_is_answered_while_it_is_off() {
    let world = World::of(&crate::store::files(), Vec::new());
    for path in ["", "/catalog.jsonld", "/datasets/noise", "/datasets/noise/data.csv"] {
        assert_eq!(world.text(path).await.0, 404, "{path}");
    }
    assert_eq!(world.memory.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn wrong_parameters_are_refused_with_the_reason() {
    let world = World::shipped();
    for (query, reason) in [
        ("?form=2026-10-14", "known are: from, to, step, device, lang"),
        ("?from=yesterday", "`from` is no time"),
        ("?from=2026-10-14&from=2026-10-14", "`from` may be given only once"),
        ("?from=2026-10-15&to=2026-10-14", "`from` must be before `to`"),
        ("?from=2026-10-16", "`from` must be before `to`"),
        ("?from=2024-10-14", "earlier than the 400 days"),
        ("?from=2026-10-14&step=0", "`step` is no span of time"),
        ("?from=2026-10-14&step=P2M", "`step` is no span of time"),
        ("?device=nobody", "no such station"),
        ("?device=cam-1%0d%0aX:1", "cannot be read"),
        ("?lang=fr", "`lang` is `vi` or `en`"),
        ("?from=2025-10-01&step=1", "More than 200000 rows"),
    ] {
        let (status, text) = world.text(&format!("{AIR}.csv{query}")).await;
        assert_eq!(status, 400, "{query}: {text}");
        let error = json(&text);
        let message = error["message"].as_str().expect("words");
        assert!(message.contains(reason), "{query}: {message}");
        assert!(!error["message_vi"].as_str().expect("words").is_empty());
    }
    let noise = "/datasets/noise/data.csv?from=2026-10-14&step=60";
    let (status, text) = world.text(noise).await;
    assert!(status == 400 && text.contains("multiple of 300 seconds"), "{text}");
}

#[tokio::test]
async fn the_latest_value_of_each_series_is_given_and_nothing_bad() {
    let (world, id) = one_station();
    let put = |p: &str, ago_s: i64, v, q| {
        world.memory.put(&id, p, NOW.plus_ms(-ago_s * 1_000), v, q);
    };
    put("pm25", 900, 11.0, Quality::Good);
    put("pm25", 600, 12.5, Quality::Uncertain);
    // Bad: the one before it stands.
    put("pm10", 900, 21.0, Quality::Good);
    put("pm10", 600, 9_999.0, Quality::Bad);
    // Not yet published: it is after 07:00.
    put("temperature", 600, 29.0, Quality::Good);
    put("temperature", 30, 31.0, Quality::Good);
    // Not of this dataset, and too old for it.
    put("battery", 600, 50.0, Quality::Good);
    put("humidity", 401 * 86_400, 70.0, Quality::Good);
    let (status, text) = world.text(&format!("{AIR}.csv?lang=en")).await;
    assert_eq!(status, 200);
    let rows = lines(&text);
    assert_eq!(
        rows[0].join(","),
        "time,device,name,area,latitude,longitude,property,value,unit,quality"
    );
    let said: Vec<_> = rows[1..].iter().map(|r| (r[0], r[6], r[7], r[8], r[9])).collect();
    assert_eq!(
        said,
        [
            ("2026-10-15T06:52:00+07:00", "pm25", "12.5", "µg/m³", "uncertain"),
            ("2026-10-15T06:47:00+07:00", "pm10", "21", "µg/m³", "good"),
            ("2026-10-15T06:52:00+07:00", "temperature", "29", "°C", "good"),
        ]
    );
}

#[tokio::test]
async fn a_range_holds_each_usable_point_once_in_order() {
    let (world, id) = one_station();
    let start = Timestamp::parse_rfc3339("2026-10-14T00:00:00+07:00").expect("a time");
    // More than two pages of the reader, and four at one moment.
    for k in 0..4_500_i64 {
        let quality = if k % 100 == 7 { Quality::Bad } else { Quality::Good };
        world.memory.put(&id, "pm25", start.plus_ms(k / 4 * 20_000), k as f64, quality);
    }
    let (status, text) =
        world.text(&format!("{AIR}.csv?from=2026-10-14&to=2026-10-15&device={id}")).await;
    assert_eq!(status, 200, "{text}");
    let values: Vec<i64> =
        lines(&text)[1..].iter().map(|r| r[7].parse().expect("a number")).collect();
    let expected: Vec<i64> =
        (0..4_500).filter(|k| k % 100 != 7 && k / 4 * 20_000 < 86_400_000).collect();
    assert_eq!(values, expected);
}

#[tokio::test]
async fn windows_begin_with_the_city_s_day_and_add_up_what_is_a_total() {
    let world = World::of(&open_files(), Vec::new());
    let rain = world.sources.city.devices.values().find(|d| d.kind == "rain_gauge");
    let id = rain.expect("a rain gauge").id.clone();
    let start = Timestamp::parse_rfc3339("2026-10-13T00:00:00+07:00").expect("a time");
    for hour in 0..48_i64 {
        world.memory.put(&id, "rainfall", start.plus_ms(hour * 3_600_000), 1.5, Quality::Good);
        let degrees = 20.0 + hour as f64;
        world.memory.put(
            &id,
            "temperature",
            start.plus_ms(hour * 3_600_000),
            degrees,
            Quality::Good,
        );
    }
    let address = format!("/datasets/rain-weather/data.csv?from=2026-10-13&step=P1D&device={id}");
    let (status, text) = world.text(&address).await;
    assert_eq!(status, 200, "{text}");
    let rows = lines(&text);
    assert_eq!(rows[0][6..], ["property", "value", "min", "max", "count", "unit", "quality"]);
    let said: Vec<_> = rows[1..].iter().map(|r| (r[0], r[6..11].join(" "))).collect();
    let row = |day: &'static str, text: &str| (day, text.to_owned());
    let (first, second) = ("2026-10-13T00:00:00+07:00", "2026-10-14T00:00:00+07:00");
    assert_eq!(
        said,
        [
            row(first, "rainfall 36 1.5 1.5 24"),
            row(second, "rainfall 36 1.5 1.5 24"),
            row(first, "temperature 31.5 20 43 24"),
            row(second, "temperature 55.5 44 67 24"),
        ]
    );
}

#[tokio::test]
async fn a_dataset_with_a_resolution_never_gives_single_values() {
    let world = World::shipped();
    for query in ["", "?from=2026-10-15"] {
        let (status, text) = world.text(&format!("/datasets/noise/data.csv{query}")).await;
        assert_eq!(status, 200, "{text}");
        let rows = lines(&text);
        assert_eq!(rows[0][8], "min", "{query}");
        assert!(rows.len() > 1);
        let on_five = |r: &Vec<&str>| r[0][14..16].parse::<u32>().expect("minutes") % 5 == 0;
        assert!(rows[1..].iter().all(on_five), "{query}");
    }
}

#[tokio::test]
async fn what_raw_retention_gave_up_is_not_passed_over_in_silence() {
    let world = World::shipped();
    world.memory.raw_from.store(NOW.0 - 86_400_000, SeqCst);
    let (status, text) = world.text(&format!("{AIR}.csv?from=2026-10-13")).await;
    assert!(status == 400 && text.contains("`step` is needed: before 2026-10-14T07:02"), "{text}");
    assert_eq!(world.text(&format!("{AIR}.csv?from=2026-10-13&step=PT1H")).await.0, 200);
    assert_eq!(world.text(&format!("{AIR}.csv?from=2026-10-15")).await.0, 200);
}

#[tokio::test]
async fn a_document_stands_still_between_two_publications() {
    let world = World::shipped();
    let address = format!("{AIR}.geojson");
    let first = world.get(&address).await;
    assert_eq!(header(&first, "content-type"), "application/geo+json");
    assert_eq!(header(&first, "access-control-allow-origin"), "*");
    // Published at 07:00, asked at 07:02: the next one comes in three minutes.
    assert_eq!(header(&first, "cache-control"), "public, max-age=180");
    assert_eq!(header(&first, "last-modified"), "Thu, 15 Oct 2026 00:00:00 GMT");
    assert!(header(&first, "link").contains("licenses/by/4.0/>; rel=\"license\""));
    let tag = header(&first, "etag").to_owned();
    let text = body(first.body).await.expect("whole");
    let asked = world.memory.asked.load(SeqCst);

    world.now.fetch_add(170_000, SeqCst);
    let device = json(&text)["features"][0]["id"].as_str().expect("an id").to_owned();
    world.memory.put(&device, "pm25", NOW.plus_ms(100_000), 77.0, Quality::Good);
    let again = world.get(&address).await;
    assert_eq!(header(&again, "etag"), tag);
    assert_eq!(body(again.body).await.expect("whole"), text, "the same question, the same answer");
    let asked_again = Asked { if_none_match: &tag, ..Asked::default() };
    let unchanged = world.ask(&address, asked_again).await;
    assert_eq!(unchanged.status, 304);
    assert_eq!(header(&unchanged, "etag"), tag);
    assert!(matches!(&unchanged.body, Body::Bytes(b) if b.is_empty()));
    assert_eq!(world.memory.asked.load(SeqCst), asked, "read once for all who ask");

    world.now.fetch_add(20_000, SeqCst);
    let next = world.ask(&address, asked_again).await;
    assert_eq!(next.status, 200, "07:05: published again");
    assert_ne!(header(&next, "etag"), tag);
    assert!(body(next.body).await.expect("whole").contains("77"));
}

#[tokio::test]
async fn pages_and_the_catalogue_are_asked_for_again_only_when_changed() {
    let world = World::shipped();
    for address in ["", "/catalog.jsonld", "/datasets/noise"] {
        let first = world.get(address).await;
        let tag = header(&first, "etag").to_owned();
        assert_eq!(header(&first, "cache-control"), "public, max-age=300");
        let asked = Asked { if_none_match: &tag, ..Asked::default() };
        let again = world.ask(address, asked).await;
        assert_eq!(again.status, 304, "{address}");
        let english = Asked { language: "en", ..asked };
        if !address.ends_with("jsonld") {
            assert_eq!(header(&first, "vary"), "accept-language");
            assert_eq!(world.ask(address, english).await.status, 200, "{address}");
        }
    }
}

#[tokio::test]
async fn pages_speak_the_language_that_is_asked_for() {
    let world = World::shipped();
    for (language, query, expect) in [
        ("", "", "lang=\"vi\""),
        ("en-US,vi;q=0.5", "", "lang=\"en\""),
        ("en", "?lang=vi", "lang=\"vi\""),
    ] {
        for address in ["", "/datasets/river-levels"] {
            let asked = Asked { language, ..Asked::default() };
            let answer = world.ask(&format!("{address}{query}"), asked).await;
            let html = body(answer.body).await.expect("whole");
            assert!(html.contains(&format!("<html {expect}>")), "{language}{query}");
        }
    }
}

#[tokio::test]
async fn pages_need_nothing_but_their_own_style() {
    let world = World::shipped();
    for address in ["", "/datasets/air-quality"] {
        let answer = world.get(address).await;
        let policy = header(&answer, "content-security-policy").to_owned();
        assert!(policy.contains("default-src 'none'; style-src 'sha256-"), "{policy}");
        let html = body(answer.body).await.expect("whole");
        for bad in ["<script", " style=", "<link rel=\"stylesheet", "<img", "@import", " onclick"] {
            assert!(!html.contains(bad), "{address}: {bad}");
        }
        let style = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
        let hash = sha256_base64(style.expect("a style").0.as_bytes());
        assert!(policy.contains(&format!("'sha256-{hash}'")), "the hash is {hash}");
    }
}

fn sha256_base64(bytes: &[u8]) -> String {
    use sha2::Digest;
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = sha2::Sha256::digest(bytes);
    let mut out = String::new();
    for part in digest.chunks(3) {
        let n = part.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for k in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * k)) as usize & 63];
            out.push(if k <= part.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_and_a_stream_that_breaks_is_an_error() {
    let world = World::shipped();
    world.memory.broken.store(1, SeqCst);
    for address in [format!("{AIR}.csv"), format!("{AIR}.geojson?from=2026-10-14")] {
        let answer = world.get(&address).await;
        assert_eq!(answer.status, 503, "{address}");
        assert_eq!(header(&answer, "retry-after"), "30");
        assert_eq!(header(&answer, "cache-control"), "no-store");
    }
    world.memory.broken.store(0, SeqCst);
    let answer = world.get(&format!("{AIR}.csv?from=2026-10-14&step=PT1H")).await;
    assert_eq!(answer.status, 200);
    world.memory.broken.store(1, SeqCst);
    assert!(body(answer.body).await.is_err(), "nobody takes a part for the whole");
}

#[tokio::test]
async fn only_some_read_the_store_at_once() {
    let world = World::shipped();
    let address = format!("{AIR}.csv?from=2026-10-14&step=PT1H");
    let mut held = Vec::new();
    for n in 0..8 {
        let answer = world.get(&address).await;
        assert_eq!(answer.status, 200, "reader {n}");
        held.push(answer);
    }
    let refused = world.get(&address).await;
    assert_eq!(refused.status, 503);
    assert_eq!(header(&refused, "retry-after"), "5");
    held.pop();
    assert_eq!(world.get(&address).await.status, 200, "a turn was given back");
}
