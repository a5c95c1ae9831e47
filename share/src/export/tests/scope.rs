use std::collections::BTreeSet;

use super::*;

fn published() -> Scope {
    let pairs = BTreeSet::from([("air".into(), "pm25".into())]);
    Scope::Published(Arc::new(pairs))
}

/// `store()` and a pm25 series of a device whose service nobody knows.
fn with_unknown() -> Sources {
    sources(store().with("gone-9", "pm25", &[(0, 1.0)]).with("new-1", "pm25", &[(0, 7.0)]))
}

#[tokio::test]
async fn published_shows_its_pairs_and_nothing_else() {
    let sources = with_unknown();
    let all = answer(&sources, &published(), &ask("", &query(""))).await;
    assert_eq!(header(&all, "x-ioc-series"), Some("2"));
    assert_eq!(header(&all, "x-ioc-limit"), Some("5000000"));
    let text = text(all).await;
    assert_eq!(text.lines().count(), 1 + 4 + 1, "{text}");
    for hidden in ["temperature", "gauge-1", "water", "gone-9"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn what_is_hidden_looks_like_what_is_not() {
    let sources = with_unknown();
    for (hidden, missing) in [
        ("device=gauge-1", "device=gauge-7"),
        ("property=temperature", "property=nonsense"),
        ("service=water", "service=nonsense"),
        ("resume=air-1,temperature,1761588000000,1", "resume=air-1,nonsense,1761588000000,1"),
        ("format=parquet&device=gauge-1", "format=parquet&device=x"),
        ("format=lp&device=gone-9&step=1000", "format=lp&device=x&step=1000"),
    ] {
        let mut answers = Vec::new();
        for more in [hidden, missing] {
            let a = answer(&sources, &published(), &ask("", &query(more))).await;
            answers.push((a.status, a.headers.clone(), bytes(a.body).await.0));
        }
        assert_eq!(answers[0], answers[1], "{hidden}");
        assert!([400, 404].contains(&answers[0].0));
        assert_eq!(export(&sources, &query(hidden)).await.status, 200, "{hidden}");
    }
}

#[tokio::test]
async fn selections_cut_each_other() {
    let sources = with_unknown();
    for (more, series) in [
        ("", "5"),
        ("device=air-1", "2"),
        ("device=air-1&property=pm25", "1"),
        ("service=air", "3"),
        ("service=air&service=water", "4"),
        ("area=hai_chau&property=water_level", "1"),
        ("area=son_tra,hai_chau", "4"),
    ] {
        let answer = export(&sources, &query(more)).await;
        assert_eq!(header(&answer, "x-ioc-series"), Some(series), "{more}");
    }
}
