use super::*;

#[tokio::test]
async fn csv_is_exactly_this() {
    let answer = export(&sources(store()), &query("device=air-1,gauge-1")).await;
    assert_eq!(header(&answer, "content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(header(&answer, "x-ioc-series"), Some("3"));
    let name = header(&answer, "content-disposition");
    let expect = "attachment; filename=\"ioc-air-1_2-2025-10-28T0100--2025-10-28T0200.csv\"";
    assert_eq!(name, Some(expect));
    let begin = "air-1,Trạm 1,air,hai_chau,16.05,108.2";
    let expect = [
        "\u{feff}device,name,service,area,latitude,longitude,property,unit,time,value,quality",
        &format!("{begin},pm25,µg/m³,2025-10-28T01:00:00.000+07:00,35.1,good"),
        &format!("{begin},pm25,µg/m³,2025-10-28T01:00:00.000+07:00,35.2,uncertain"),
        &format!("{begin},pm25,µg/m³,2025-10-28T01:00:01.500+07:00,9999,bad"),
        &format!("{begin},pm25,µg/m³,2025-10-28T01:01:00.000+07:00,1e-9,good"),
        &format!("{begin},temperature,°C,2025-10-28T01:00:00.000+07:00,28.5,good"),
        &format!("{begin},temperature,°C,2025-10-28T01:01:00.000+07:00,-0.25,good"),
        "gauge-1,Cẩm Lệ,water,hai_chau,16.01,108.19,water_level,m,\
         2025-10-28T01:00:00.001+07:00,1.25,good",
    ];
    assert_eq!(text(answer).await, expect.map(|l| format!("{l}\r\n")).concat());
}

#[tokio::test]
async fn windows_have_a_column_for_each_aggregate() {
    let sources = sources(store());
    let csv = whole(&sources, &query("property=pm25&step=60000&lang=en")).await;
    let begin = "air-1,Trạm 1 (en),air,hai_chau,16.05,108.2,pm25,µg/m³";
    let mean = (35.1 + 35.2) / 2.0;
    let sum = 35.1 + 35.2;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",time,min,max,mean,sum,count,last,bad,quality"), "{}", lines[0]);
    let expect =
        format!("{begin},2025-10-28T01:00:00.000+07:00,35.1,35.2,{mean},{sum},2,35.2,1,uncertain");
    assert_eq!(lines[1], expect);
    assert_eq!(lines.len(), 3);
    let csv = whole(&sources, &query("property=pm25&step=60000&agg=bad,mean")).await;
    assert!(csv.lines().nth(1).is_some_and(|l| l.ends_with(&format!(",{mean},1,uncertain"))));
    // A window with bad points only has no values, and is there.
    let mut store = FakeStore::default();
    store.put("air-1", "pm25", vec![point(0, 1.0, Quality::Bad)]);
    let sources = crate::testing::sources(store);
    let csv = whole(&sources, &query("step=60000")).await;
    assert!(csv.ends_with("+07:00,,,,,0,,1,bad\r\n"), "{csv}");
    assert_eq!(whole(&sources, &query("format=lp&step=60000&agg=max")).await, "");
}

#[tokio::test]
async fn geojson_is_exactly_this() {
    let mut known = devices();
    known.push(crate::DeviceView { id: "zz".into(), place: None, ..known[1].clone() });
    let store =
        FakeStore::default().with("air-1", "pm25", &[(0, 35.1)]).with("zz", "pm25", &[(1, 2.0)]);
    let answer = export(&sources_with(Arc::new(store), known), &query("format=geojson")).await;
    assert_eq!(header(&answer, "content-type"), Some("application/geo+json"));
    let text = text(answer).await;
    let expect = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","geometry":{"type":"Point","coordinates":[108.2,16.05]},"properties":{"device":"air-1","name":"Trạm 1","service":"air","area":"hai_chau","property":"pm25","unit":"µg/m³","time":"2025-10-28T01:00:00.000+07:00","value":35.1,"quality":"good"}},
{"type":"Feature","geometry":null,"properties":{"device":"zz","name":"Trạm 2","service":"air","area":"hai_chau","property":"pm25","unit":"µg/m³","time":"2025-10-28T01:00:00.001+07:00","value":2,"quality":"good"}}
]}
"#;
    assert_eq!(text, expect);
}

#[tokio::test]
async fn line_protocol_is_exactly_this_and_names_what_it_cannot_say() {
    let mut store = store();
    store.put("bad\\", "pm25", vec![point(0, 1.0, Quality::Good), point(1, 2.0, Quality::Good)]);
    store.put("gone-1", "pm25", vec![point(0, f64::NAN, Quality::Bad)]);
    let text = whole(&sources(store), &query("format=lp")).await;
    let air = "air,area=hai_chau,device=air-1,property";
    let expect = [
        &format!("{air}=pm25 value=35.1,quality=0i 1761588000000000000"),
        &format!("{air}=pm25 value=35.2,quality=1i 1761588000000000001"),
        &format!("{air}=pm25 value=9999,quality=2i 1761588001500000000"),
        &format!("{air}=pm25 value=1e-9,quality=0i 1761588060000000000"),
        &format!("{air}=temperature value=28.5,quality=0i 1761588000000000000"),
        &format!("{air}=temperature value=-0.25,quality=0i 1761588060000000000"),
        "water,area=hai_chau,device=gauge-1,property=water_level value=1.25,quality=0i \
         1761588000001000000",
        "# 3 points have no line protocol and are not here:",
        "# 2 of device `bad\\` property `pm25`: device holds a backslash that servers read as an \
         escape",
        "# 1 of device `gone-1` property `pm25`: value is not a finite number",
    ];
    assert_eq!(text, expect.map(|l| format!("{l}\n")).concat());
}

#[tokio::test]
async fn a_device_that_nobody_knows_any_more_is_still_exported() {
    let store = FakeStore::default().with("gone-9", "humidity", &[(0, 61.0)]);
    let sources = sources(store);
    let csv = whole(&sources, &query("")).await;
    assert!(csv.contains("\r\ngone-9,gone-9,,,,,humidity,,2025-10-28"), "{csv}");
    let lp = whole(&sources, &query("format=lp")).await;
    assert!(lp.starts_with("unassigned,area=unassigned,device=gone-9,property=humidity "), "{lp}");
}

#[tokio::test]
async fn hostile_names_stay_texts() {
    let mut known = devices();
    known[0].name = Text { vi: "=cmd|' /C calc'!A0\r\nx,\"y\"".into(), en: String::new() };
    known[0].id = "=1+1".into();
    known.sort_by(|a, b| a.id.cmp(&b.id));
    let store = FakeStore::default().with("=1+1", "</script>\"", &[(0, 1.0)]);
    let sources = sources_with(Arc::new(store), known);
    let answer = export(&sources, &query("device=%3D1%2B1")).await;
    let name = header(&answer, "content-disposition").expect("a name").to_owned();
    assert!(name.starts_with("attachment; filename=\"ioc-_1_1-2025"), "{name}");
    let csv = text(answer).await;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let begin = "\"'=1+1\",\"'=cmd|' /C calc'!A0\u{fffd}\u{fffd}x,\"\"y\"\"\",air,";
    assert!(csv.lines().nth(1).is_some_and(|l| l.starts_with(begin)), "{csv}");
    let json: serde_json::Value =
        serde_json::from_str(&whole(&sources, &query("format=geojson")).await).expect("JSON");
    assert_eq!(json["features"][0]["properties"]["property"], "</script>\"");
}

fn points() -> impl Strategy<Value = Vec<(usize, i64, f64, u8)>> {
    let value = prop_oneof![any::<i16>().prop_map(|n| f64::from(n) / 10.0), -1e300..1e300];
    prop::collection::vec((0usize..4, 0i64..5_000, value, 0u8..3), 1..200)
}

/// Points in series of hostile but readable ids.
fn filled(points: &[(usize, i64, f64, u8)]) -> FakeStore {
    let ids = ["air-1", "'=quote", "a,b \"c\"=d", "-minus"];
    let mut store = FakeStore::default();
    for (id, t, v, q) in points {
        store.put(ids[*id], "pm25", vec![point(*t, *v, Quality::from_u8(*q))]);
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn csv_and_geojson_read_back_are_the_points(points in points()) {
        let store = filled(&points);
        let expect = kept(&store);
        let sources = sources(store);
        let zone = Zone::of(&sources.city);
        let csv = block_on(whole(&sources, &query("")));
        let csv = csv.strip_prefix('\u{feff}').expect("a BOM");
        let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
        let read: Vec<_> = reader.records().map(|row| {
            let row = row.expect("a row");
            let key = key(super::super::cells::text_of(&row[0]), &row[6]);
            let time = zone.parse(&row[8]).expect("a time");
            let value = row[9].parse().expect("a number");
            (key, Point { time, value, quality: quality(&row[10]) })
        }).collect();
        prop_assert_eq!(&read, &expect);
        let json = block_on(whole(&sources, &query("format=geojson")));
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let features = json["features"].as_array().expect("features");
        let read: Vec<_> = features.iter().map(|f| {
            let text = |name: &str| f["properties"][name].as_str().expect("a text");
            let value = f["properties"]["value"].as_f64().expect("a number");
            let time = zone.parse(text("time")).expect("a time");
            (key(text("device"), text("property")), Point { time, value, quality: quality(text("quality")) })
        }).collect();
        prop_assert_eq!(&read, &expect);
    }

    #[test]
    fn line_protocol_read_by_another_parser_is_the_points(points in points()) {
        let store = filled(&points);
        let expect = kept(&store);
        let text = block_on(whole(&sources(store), &query("format=lp")));
        let mut last: Option<(SeriesKey, i64)> = None;
        let read: Vec<_> = influxdb_line_protocol::parse_lines(&text).map(|line| {
            let line = line.expect("a line");
            let key = key(
                &line.tag_value("device").expect("a device").to_string(),
                &line.tag_value("property").expect("a property").to_string(),
            );
            let nanos = line.timestamp.expect("a time");
            // Two readings of one series never have one time.
            let now = Some((key.clone(), nanos));
            assert!(last < now, "{last:?} {now:?}");
            last = now;
            let value = line.field_value("value").expect("a value").to_string();
            let quality = line.field_value("quality").expect("a quality").to_string();
            let quality = quality.trim_end_matches('i').parse().expect("a number");
            let time = ioc_model::Timestamp(nanos / 1_000_000);
            let value = value.parse().expect("a number");
            (key, Point { time, value, quality: Quality::from_u8(quality) })
        }).collect();
        prop_assert_eq!(&read, &expect);
    }
}
