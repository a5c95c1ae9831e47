use super::*;

/// The mark of each row of an export, from its points.
fn marks(store: &FakeStore) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (series, points) in &store.series {
        for p in points {
            let before = marks.last().filter(|m| m.series == *series && m.time == p.time);
            let skip = before.map_or(1, |m| m.skip + 1);
            marks.push(Mark { series: series.clone(), time: p.time, skip });
        }
    }
    marks
}

/// Ends of the rows of a file.
fn ends(format: &str, text: &str) -> Vec<usize> {
    let (separator, keep) = match format {
        "geojson" => (",\n", 0),
        "lp" => ("\n", 1),
        _ => ("\r\n", 2),
    };
    let mut ends: Vec<usize> = text.match_indices(separator).map(|(at, _)| at + keep).collect();
    match format {
        "csv" => drop(ends.remove(0)),
        "geojson" => ends.push(text.rfind("\n]}").expect("an end")),
        _ => {}
    }
    ends
}

fn many() -> FakeStore {
    let values: Vec<(i64, f64)> = (0..50).map(|n| (n / 3 * 20, n as f64)).collect();
    store().with("air-2", "pm25", &values).with("x y,z=1", "pm25", &[(5, 1.0), (5, 2.0)])
}

#[tokio::test]
async fn going_on_behind_any_row_gives_the_bytes_of_one_run() {
    for format in ["csv", "geojson", "lp"] {
        let marks = marks(&many());
        let sources = sources(many());
        let query = query(&format!("format={format}"));
        let all = whole(&sources, &query).await;
        let ends = ends(format, &all);
        assert_eq!(ends.len(), marks.len(), "{format}");
        for (end, mark) in ends.iter().zip(&marks) {
            let resume = mark.to_string().replace('%', "%25");
            let rest = whole(&sources, &format!("{query}&resume={resume}")).await;
            assert_eq!(format!("{}{rest}", &all[..*end]), all, "{format} {mark}");
        }
    }
}

#[tokio::test]
async fn going_on_behind_any_window_gives_the_bytes_of_one_run() {
    for format in ["csv", "geojson", "lp"] {
        let sources = sources(many());
        let query = query(&format!("format={format}&step=40&agg=mean"));
        let all = whole(&sources, &query).await;
        let zone = Zone::of(&sources.city);
        for end in ends(format, &all) {
            let part = format!("{},\n", &all[..end]);
            let part = if format == "geojson" { part.as_str() } else { &all[..end] };
            let format = Format::parse(format).expect("a format");
            let Tail::After(keep, mark) = last_row(format, &zone, part.as_bytes(), true) else {
                panic_for(part);
                continue;
            };
            assert_eq!((keep, mark.skip), (end, 1));
            let resume = mark.to_string().replace('%', "%25");
            let rest = whole(&sources, &format!("{query}&resume={resume}")).await;
            assert_eq!(format!("{}{rest}", &all[..end]), all, "{mark}");
        }
    }
}

fn panic_for(part: &str) {
    assert_eq!(part, "", "has a whole row");
}

#[tokio::test]
async fn a_file_torn_at_any_byte_is_made_whole() {
    for format in ["csv", "geojson", "lp"] {
        let sources = sources(many());
        let query = query(&format!("format={format}"));
        let all = whole(&sources, &query).await;
        let kind = Format::parse(format).expect("a format");
        let zone = Zone::of(&sources.city);
        let step = if format == "geojson" { 7 } else { 1 };
        for torn in (0..all.len()).step_by(step) {
            let part = &all.as_bytes()[..torn];
            let Tail::After(keep, mark) = last_row(kind, &zone, part, true) else {
                let first = ends(format, &all)[0] + 2;
                assert!(torn < first, "{format}: no row found in {torn} bytes");
                continue;
            };
            let resume = mark.to_string().replace('%', "%25");
            let rest = whole(&sources, &format!("{query}&resume={resume}")).await;
            assert_eq!(format!("{}{rest}", &all[..keep]), all, "{format} at {torn}: {mark}");
        }
    }
}

#[tokio::test]
async fn a_short_part_of_a_file_is_not_taken_for_the_whole() {
    let values: Vec<(i64, f64)> = (0..100).map(|_| (5, 1.0)).collect();
    let sources = sources(FakeStore::default().with("air-1", "pm25", &values));
    let zone = Zone::of(&sources.city);
    let all = whole(&sources, &query("")).await;
    let part = &all.as_bytes()[all.len() - 500..];
    assert_eq!(last_row(Format::Csv, &zone, part, false), Tail::LookFurther);
    let Tail::After(_, mark) = last_row(Format::Csv, &zone, all.as_bytes(), true) else {
        return panic_for(&all);
    };
    assert_eq!(mark.skip, 100);
    let lp = whole(&sources, &query("format=lp")).await;
    let part = &lp.as_bytes()[lp.len() - 200..];
    let Tail::After(_, mark) = last_row(Format::Lines, &zone, part, false) else {
        return panic_for(&lp);
    };
    assert_eq!(mark.skip, 100, "a line says its number");
}

#[tokio::test]
async fn the_range_may_begin_behind_the_row() {
    let sources = sources(many());
    let later = format!("from={}&to={}", T0.0 + 30, T0.0 + 3_600_000);
    let all = whole(&sources, &later).await;
    let mark = Mark { series: key("air-1", "pm25"), time: T0, skip: 2 };
    let rest = whole(&sources, &format!("{later}&resume={mark}")).await;
    assert!(all.ends_with(&rest));
    assert_eq!(all.lines().count(), rest.lines().count() + 1);
}
