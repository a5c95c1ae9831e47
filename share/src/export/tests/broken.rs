use super::*;

#[tokio::test]
async fn a_wrong_parameter_is_a_400_with_a_code() {
    for (q, code) in [("format=xlsx", "bad_parameter"), ("device=%ff", "bad_query")] {
        let answer = export(&sources(store()), q).await;
        assert_eq!(answer.status, 400);
        let body: serde_json::Value = serde_json::from_str(&text(answer).await).expect("JSON");
        assert_eq!(body["code"], code);
        assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()));
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_503() {
    let store = FakeStore { fail_from: Some(0), ..store() };
    let answer = export(&sources(store), &query("")).await;
    assert_eq!(answer.status, 503);
    assert!(text(answer).await.contains("history_unavailable"));
}

#[tokio::test]
async fn a_store_that_fails_under_way_ends_the_stream_with_an_error() {
    for format in ["csv", "geojson", "lp", "parquet"] {
        let values: Vec<(i64, f64)> = (0..60_000).map(|n| (n, n as f64)).collect();
        let store = FakeStore::default().with("air-1", "pm25", &values);
        let store = FakeStore { fail_from: Some(5), ..store };
        let answer = export(&sources(store), &query(&format!("format={format}"))).await;
        if format == "parquet" {
            // Its first row group was not full yet: nothing was sent.
            assert_eq!(answer.status, 503);
            continue;
        }
        assert_eq!(answer.status, 200);
        let (sent, end) = bytes(answer.body).await;
        assert!(!sent.is_empty());
        assert!(end.is_err_and(|e| e.to_string().contains("told to fail")), "{format}");
        assert!(!sent.ends_with(b"]}\n"), "nobody takes it for whole");
    }
}

#[tokio::test]
async fn pages_are_bounded_and_the_limit_is_kept() {
    let values: Vec<(i64, f64)> = (0..30_000).map(|n| (n / 3, n as f64)).collect();
    let store = Arc::new(FakeStore::default().with("air-1", "pm25", &values));
    let sources = sources_with(Arc::clone(&store) as _, devices());
    let csv = whole(&sources, &query("")).await;
    assert_eq!(csv.lines().count(), 30_001);
    let largest = store.largest.load(std::sync::atomic::Ordering::Relaxed);
    assert!(largest <= super::super::pages::PAGE + 3, "{largest}");
    for limit in [1, 8_191, 8_192, 8_193, 29_999, 30_000, 30_001] {
        let csv = whole(&sources, &query(&format!("limit={limit}"))).await;
        assert_eq!(csv.lines().count(), 1 + limit.min(30_000));
    }
    let answer = export(&sources, &query("limit=7")).await;
    assert_eq!(header(&answer, "x-ioc-limit"), Some("7"));
}

#[tokio::test]
async fn says_from_when_raw_readings_are_kept() {
    let store = FakeStore { raw_from: Some(T0.plus_ms(10)), ..store() };
    let sources = sources(store);
    let raw_from = (T0.0 + 10).to_string();
    let answer = export(&sources, &query("")).await;
    assert_eq!(header(&answer, "x-ioc-raw-from"), Some(&*raw_from));
    let later = format!("from={}", T0.0 + 20);
    assert_eq!(header(&export(&sources, &later).await, "x-ioc-raw-from"), None);
    assert_eq!(header(&export(&sources, &query("step=1000")).await, "x-ioc-raw-from"), None);
}

#[tokio::test]
async fn an_export_whose_piece_was_dropped_never_looks_whole() {
    let sources = sources(store());
    let zone = Zone::of(&sources.city);
    let request = Request::parse(&query(""), &zone, T0).expect("a request");
    let mut export = Export::open(&sources, &Scope::city(), request.clone()).await.expect("series");
    {
        let mut next = std::pin::pin!(export.next());
        assert!(futures::poll!(next.as_mut()).is_pending(), "writes on another thread");
    }
    for _ in 0..2 {
        assert!(export.next().await.is_err_and(|e| e.to_string().contains("broken off")));
    }
    let failing = FakeStore { fail_from: Some(0), ..self::store() };
    let sources = crate::testing::sources(failing);
    let mut export = Export::open(&sources, &Scope::city(), request).await.expect("series");
    for _ in 0..2 {
        assert!(export.next().await.is_err());
    }
}
