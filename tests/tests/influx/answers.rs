//! Every answer of an InfluxDB 2 to a write, and what becomes of the points.

use std::time::Duration;

use ioc_model::HistoryStore;
use ioc_tests::influx_fake::Misbehave;
use ioc_tests::wait_until;

use crate::support::{LIMIT, Setup, flush_to, now_ms, reading, readings};

#[tokio::test]
async fn makes_organisation_and_bucket_and_stores_each_point_once() {
    let mut s = Setup::new().await;
    s.config.retention_days = 30;
    let store = s.open().await;
    let entries = readings(0, 12_000);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 12_000).await;
    s.assert_stored(&entries);
    assert_eq!(s.counted(), (12_000, 0));
    let world = s.fake.world();
    assert_eq!(world.buckets["ioc"].retention_s, 30 * 86_400);
    assert!(world.log.iter().all(|w| w.gzip && w.lines <= 5_000), "{:?}", world.log);
    assert_eq!(world.buckets["ioc"].stored_lines, 12_000, "no line was sent twice");
}

#[tokio::test]
async fn a_bucket_that_is_there_keeps_its_retention_and_the_difference_is_told() {
    for (there_s, days, differs) in [(7 * 86_400, 30, true), (0, 1, true), (86_400, 1, false)] {
        let mut s = Setup::new().await;
        s.config.retention_days = days;
        s.fake.world().add_bucket("ioc", "ioc", there_s);
        let store = s.open().await;
        store.append(0, &readings(0, 10)).await.expect("append");
        flush_to(&store, 10).await;
        assert_eq!(s.fake.world().buckets["ioc"].retention_s, there_s, "not changed");
        let stats = store.influx_stats().await.expect("stats");
        assert_eq!(stats.bucket_retention_s, Some(there_s as u64));
        assert_eq!(stats.bucket_retention_differs, differs);
        let stats = store.stats().await;
        assert_eq!(stats.more["bucket_retention_differs"], u64::from(differs));
        let days_ago = stats.raw_from.map(|t| (now_ms() - t.0 + 43_200_000) / 86_400_000);
        assert_eq!(days_ago, (there_s > 0).then_some(there_s / 86_400));
    }
}

#[tokio::test]
async fn series_beyond_the_limit_are_dead_letters_and_the_others_go_on() {
    let mut s = Setup::new().await;
    s.config.max_series = 3;
    let store = s.open().await;
    let entries = readings(0, 100);
    store.append(0, &entries[..50]).await.expect("append");
    flush_to(&store, 50).await;
    store.append(50, &entries[50..]).await.expect("append");
    flush_to(&store, 100).await;
    s.assert_stored(entries.iter().enumerate().filter(|(i, _)| i % 10 < 3).map(|e| e.1));
    assert_eq!(s.counted(), (30, 70));
    let stats = store.influx_stats().await.expect("stats");
    assert_eq!((stats.series, stats.refused_series_points, stats.dead_letters), (3, 70, 70));
    let letters = store.dead_letters(100).await.expect("letters");
    assert!(letters.iter().all(|l| l.1.reason.contains("more series")), "{letters:?}");
    assert_eq!(store.stats().await.more["refused_series_points"], 70);
}

#[tokio::test]
async fn a_400_costs_only_the_bad_lines() {
    let s = Setup::new().await;
    s.fake.world().malformed = vec!["value=77,".into(), "value=4999,".into(), "value=0,".into()];
    let store = s.open().await;
    let entries = readings(0, 5_000);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 5_000).await;
    let bad = [0, 77, 4_999];
    s.assert_stored(entries.iter().enumerate().filter(|(i, _)| !bad.contains(i)).map(|e| e.1));
    assert_eq!(s.counted(), (4_997, 3));
    let letters = store.dead_letters(10).await.expect("letters");
    let letter = letters.iter().find(|l| l.1.position == 77).expect("a letter");
    assert_eq!(letters.len(), 3);
    assert!(letter.1.line.contains("value=77,") && letter.1.reason.starts_with("400"));
    let stats = store.influx_stats().await.expect("stats");
    assert!(stats.malformed > 0 && stats.dead_letters == 3, "{stats:?}");
    let sent = s.fake.world().log.len();
    let lanes = s.config.in_flight;
    assert!(sent <= 3 * 2 * 13 + lanes, "bisecting takes two requests a level, not {sent}");
}

#[tokio::test]
async fn a_413_halves_until_it_fits() {
    let s = Setup::new().await;
    s.fake.world().body_max = 10_000;
    let store = s.open().await;
    let entries = readings(0, 2_000);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 2_000).await;
    s.assert_stored(&entries);
    assert_eq!(s.counted(), (2_000, 0));
}

#[tokio::test]
async fn a_413_for_one_line_is_a_dead_letter() {
    let s = Setup::new().await;
    let mut entries = readings(0, 20);
    let long = "x".repeat(900);
    entries.push(reading("air", &long, now_ms(), 1.0));
    s.fake.world().body_max = 500;
    let store = s.open().await;
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 21).await;
    s.assert_stored(&entries[..20]);
    let letters = store.dead_letters(10).await.expect("letters");
    assert!(letters.len() == 1 && letters[0].1.reason.starts_with("413"), "{letters:?}");
    assert_eq!(s.counted(), (20, 1));
}

#[tokio::test]
async fn a_422_stores_all_but_the_points_that_conflict() {
    let s = Setup::new().await;
    let store = s.open().await;
    store.append(0, &readings(0, 1)).await.expect("append");
    flush_to(&store, 1).await;
    // Somebody else wrote the measurement `kpi` with another type.
    let url = format!("{}/api/v2/write?org=ioc&bucket=ioc&precision=ns", s.fake.url());
    let answer = reqwest::Client::new()
        .post(url)
        .header("Authorization", "Token fake-token")
        .body("kpi value=\"text\" 1")
        .send()
        .await
        .expect("answer");
    assert_eq!(answer.status(), 204);
    s.fake.world().log.clear();
    let mut entries = readings(1, 200);
    entries[50] = reading("kpi", "d", now_ms(), 1.0);
    entries[120] = reading("kpi", "d", now_ms() + 1, 2.0);
    store.append(1, &entries).await.expect("append");
    flush_to(&store, 201).await;
    let letters = store.dead_letters(10).await.expect("letters");
    let mut positions: Vec<u64> = letters.iter().map(|l| l.1.position).collect();
    positions.sort_unstable();
    assert_eq!(positions, [51, 121]);
    assert!(letters.iter().all(|l| l.1.reason.contains("field type conflict")), "{letters:?}");
    assert_eq!(s.counted(), (199, 2));
    assert_eq!(s.fake.points("ioc").len(), 1 + 1 + 198);
    let sent = s.fake.world().log.len();
    let most = s.config.in_flight + 2 * (2 * 4 + 16);
    assert!(sent <= most, "halved to 16 lines, then singly once: {sent} of {most}");
}

#[tokio::test]
async fn a_422_for_points_beyond_retention_goes_to_the_dead_letters() {
    let mut s = Setup::new().await;
    s.config.retention_days = 1;
    let store = s.open().await;
    let mut entries = readings(0, 30);
    entries[7] = reading("air", "late", now_ms() - 3 * 86_400_000, 1.0);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 30).await;
    s.assert_stored(entries.iter().enumerate().filter(|(i, _)| *i != 7).map(|e| e.1));
    let letters = store.dead_letters(10).await.expect("letters");
    assert!(letters.len() == 1 && letters[0].1.reason.contains("retention"), "{letters:?}");
}

async fn holds_until_mended(status: u16) {
    let s = Setup::new().await;
    s.fake.world().always = Some(Misbehave::Status(status, None));
    let store = s.open().await;
    let entries = readings(0, 100);
    store.append(0, &entries).await.expect("append");
    wait_until("three probes", LIMIT, async || Ok((s.fake.world().log.len() >= 12).then_some(())))
        .await
        .expect("it probes");
    assert_eq!(store.flush(ioc_model::Flush::All).await.expect("flush"), 0, "nothing is dropped");
    let stats = store.stats().await;
    let trouble = stats.trouble.expect("the trouble shows");
    assert!(!stats.healthy && trouble.contains(&status.to_string()), "{trouble}");
    let gap = Duration::from_millis(s.config.probe_interval_ms);
    for times in s.attempts_by_lane() {
        assert!(times.windows(2).all(|t| t[1] - t[0] >= gap), "probes keep their interval");
    }
    s.fake.world().always = None;
    flush_to(&store, 100).await;
    s.assert_stored(&entries);
    assert_eq!(s.counted(), (100, 0));
    assert!(store.stats().await.healthy);
}

#[tokio::test]
async fn a_401_holds_and_probes() {
    holds_until_mended(401).await;
}

#[tokio::test]
async fn a_403_holds_and_probes() {
    holds_until_mended(403).await;
}

#[tokio::test]
async fn a_404_holds_and_probes() {
    holds_until_mended(404).await;
}

#[tokio::test]
async fn a_redirect_holds_instead_of_trusting_another_page() {
    holds_until_mended(302).await;
}

#[tokio::test]
async fn a_wrong_token_is_mended_without_a_restart_of_the_server_or_loss() {
    let s = Setup::new().await;
    s.fake.world().token = Some("another".into());
    let store = s.open().await;
    let entries = readings(0, 10);
    store.append(0, &entries).await.expect("append");
    wait_until("trouble", LIMIT, async || Ok(store.stats().await.trouble)).await.expect("shows");
    s.fake.world().token = None;
    // The bucket does not exist either: the set-up failed with 401.
    flush_to(&store, 10).await;
    s.assert_stored(&entries);
}

#[tokio::test]
async fn a_bucket_deleted_while_running_is_made_again() {
    let s = Setup::new().await;
    let store = s.open().await;
    store.append(0, &readings(0, 10)).await.expect("append");
    flush_to(&store, 10).await;
    s.fake.world().buckets.clear();
    let entries = readings(10, 10);
    store.append(10, &entries).await.expect("append");
    flush_to(&store, 20).await;
    s.assert_stored(&entries);
}

#[tokio::test]
async fn busy_or_silent_servers_are_asked_again_without_end() {
    let s = Setup::new().await;
    let store = s.open().await;
    let mut script: Vec<Misbehave> = [408, 429, 500, 502, 503, 504]
        .iter()
        .map(|status| Misbehave::Status(*status, None))
        .collect();
    script.extend([
        Misbehave::Hang,
        Misbehave::ResetAfterStore,
        Misbehave::Slow(Duration::from_millis(600)),
        Misbehave::Hang,
        Misbehave::ResetAfterStore,
    ]);
    s.fake.world().script = script.into();
    let entries = readings(0, 500);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 500).await;
    s.assert_stored(&entries);
    assert_eq!(s.counted(), (500, 0));
    assert!(s.fake.world().script.is_empty());
    let stored = s.fake.world().buckets["ioc"].stored_lines;
    assert!(stored > 500, "lost answers were repeated, and overwrote themselves: {stored}");
    assert!(store.dead_letters(1).await.expect("letters").is_empty());
}

#[tokio::test]
async fn the_wait_a_server_asks_for_is_kept_when_it_is_longer() {
    let mut s = Setup::new().await;
    s.config.backoff_max_ms = 60_000;
    s.config.in_flight = 1;
    s.fake.world().always = Some(Misbehave::Status(429, Some("1".into())));
    let store = s.open().await;
    let entries = readings(0, 10);
    store.append(0, &entries).await.expect("append");
    // Each attempt is two requests: the second asks for the header.
    wait_until("three attempts", LIMIT, async || Ok((s.fake.world().log.len() >= 6).then_some(())))
        .await
        .expect("it goes on");
    s.fake.world().always = None;
    let times: Vec<_> = s.fake.world().log.iter().step_by(2).map(|w| w.at).collect();
    assert!(times.windows(2).all(|t| t[1] - t[0] >= Duration::from_secs(1)), "{times:?}");
    flush_to(&store, 10).await;
    s.assert_stored(&entries);
}

#[tokio::test]
async fn the_wait_a_server_asks_for_is_capped() {
    let s = Setup::new().await;
    s.fake.world().always = Some(Misbehave::Status(503, Some("86400".into())));
    let store = s.open().await;
    let entries = readings(0, 10);
    store.append(0, &entries).await.expect("append");
    wait_until("some attempts", LIMIT, async || Ok((s.fake.world().log.len() >= 6).then_some(())))
        .await
        .expect("the cap is 0.2 s here");
    s.fake.world().always = None;
    flush_to(&store, 10).await;
    s.assert_stored(&entries);
}
