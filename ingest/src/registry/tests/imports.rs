use ioc_model::{DeviceField, DeviceFile, DeviceOrigin, Imported, Name};
use proptest::prelude::*;

use super::*;

fn csv(bench: &Bench, text: &str) -> Result<Imported, DeviceError> {
    bench.registry.import(DeviceFile::Csv, "x.csv", text, false, &lan())
}

fn json(bench: &Bench, text: &str) -> Result<Imported, DeviceError> {
    bench.registry.import(DeviceFile::GeoJson, "x.json", text, false, &lan())
}

#[test]
fn takes_the_file_of_the_configuration_as_it_is() {
    let bench = Bench::new();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/devices.csv");
    let text = std::fs::read_to_string(path).expect("the shipped file");
    let same = bench.city.devices.len() as u64;
    assert_eq!(csv(&bench, &text).expect("taken"), Imported { same, ..Imported::default() });
    assert!(bench.lines().is_empty());
}

#[test]
fn takes_columns_in_any_order_and_leaves_what_the_file_does_not_say() {
    let bench = Bench::new();
    let text = "# mine\n\nlon,service,lat,id,tags,topics\n108.2208,air,16.0678,a1,owner=x;floor=2,\"app/1/#;v3/+/up\"\n";
    let done = csv(&bench, text).expect("taken");
    assert_eq!((done.added, done.changed, done.same), (1, 0, 0));
    let device = bench.registry.now().get("a1").cloned().expect("there");
    assert_eq!(
        (&*device.area, &*device.name.vi, device.state),
        ("hai_chau", "a1", DeviceState::Approved)
    );
    assert_eq!(device.topics, ["app/1/#", "v3/+/up"]);
    assert_eq!(device.tags["floor"], "2");
    let done = csv(&bench, "id,name_vi,tags\na1,Trạm 1,\n").expect("taken");
    assert_eq!((done.added, done.changed, done.same), (0, 1, 0));
    let device = bench.registry.now().get("a1").cloned().expect("there");
    assert_eq!((device.topics.len(), device.tags.len(), &*device.name.vi), (2, 0, "Trạm 1"));
    let lines = bench.lines();
    assert_eq!(bench.actions(), ["devices_imported"; 4]);
    assert_eq!(lines[0].2["added"], 1);
    assert_eq!(lines[1].2["added"][0], "a1");
    assert_eq!(lines[3].2["changed"][0]["after"]["name"]["vi"], "Trạm 1");
}

#[test]
fn takes_what_a_vietnamese_excel_writes() {
    let bench = Bench::new();
    let text = "\u{feff}sep=;\r\nid;name_vi;service;lat;lon;properties;;\r\na1;\"Trạm \"\"A\"\"\nsố 1\";air;16,0678;108,2208;\"pm25;pm10\";;\r\n;;;;;;;\r\n";
    csv(&bench, text).expect("taken");
    let device = bench.registry.now().get("a1").cloned().expect("there");
    assert_eq!(&*device.name.vi, "Trạm \"A\" số 1");
    assert_eq!((device.place, device.properties.len()), (Some(HAI_CHAU), 2));
}

#[test]
fn all_mistakes_of_a_csv_are_told_at_their_places_and_nothing_is_taken() {
    let bench = Bench::new();
    let text = "id,name_vi,service,lat,lon,cadence_s\n\
                a1,\"two\nlines, đó\",airr,16.0678,108.2208,60\n\
                # a comment\n\
                \n\
                a2,Trạm,air,\"16,06\",108.2,1.5\n\
                a3,Trạm,air,108.2208,16.0678,60\n\
                a4,Trạm,air,16.0678\n\
                a1,Trạm,air,16.0678,108.2208,60\n\
                a 6,\"x\"y,air,16.0678,,60\n\
                a7,Trạm,,1606780,1082208,60\n";
    let told = mistakes(csv(&bench, text));
    let places: Vec<&str> = told.iter().map(|t| t.split(": ").next().expect("place")).collect();
    assert_eq!(
        places,
        [
            "x.csv:3:12",
            "x.csv:6:13",
            "x.csv:6:27",
            "x.csv:7:13",
            "x.csv:8:1",
            "x.csv:9:1",
            "x.csv:10:1",
            "x.csv:10:8",
            "x.csv:10:22",
            "x.csv:11:9",
            "x.csv:11:10",
        ],
        "{told:#?}"
    );
    for words in [
        "unknown service `airr`; did you mean `air`?",
        "`16,06` is not a number; write a point",
        "it lies in Phường Hải Châu if lat and lon are swapped",
        "4 cells where 6 are expected",
        "device `a1` is there already",
        "text behind the closing quote",
        "lat without lon",
        "`a 6` cannot be an id",
        "the service is missing",
        "is no place on earth",
    ] {
        assert!(told.iter().any(|t| t.contains(words)), "{words}\nin {told:#?}");
    }
    assert_eq!(bench.registry.now().len(), bench.city.devices.len());
    assert!(bench.lines().is_empty());
}

#[test]
fn a_header_that_is_wrong_is_told_with_a_hint() {
    let bench = Bench::new();
    let told = mistakes(csv(&bench, "id,nam_vi,colour,id\na1,x,y,z\n"));
    assert!(told[0].starts_with("x.csv:1:4: unknown column `nam_vi`; did you mean `name_vi`?"));
    assert!(told[1].starts_with("x.csv:1:11: unknown column `colour`; expected any of id,name_vi"));
    assert!(told[2].starts_with("x.csv:1:18: column `id` is there twice"));
    assert_eq!(mistakes(csv(&bench, "service\nair\n")).len(), 1);
    assert!(mistakes(csv(&bench, ""))[0].contains("the file is empty"));
    let open = mistakes(csv(&bench, "id,name_vi,service\na1,\"x,air\na2,y,air\n"));
    assert!(
        open.iter().any(|t| t.starts_with("x.csv:2:4: the quote that begins here is not closed")),
        "{open:?}"
    );
}

#[test]
fn at_most_a_hundred_mistakes_are_told() {
    let bench = Bench::new();
    let rows: String = (0..1000).map(|n| format!("a{n},nothing\n")).collect();
    assert_eq!(mistakes(csv(&bench, &format!("id,service\n{rows}"))).len(), 100);
}

#[test]
fn what_devices_csv_says_cannot_be_imported_otherwise() {
    let bench = Bench::new();
    let told = mistakes(csv(&bench, "id,cadence_s,tags\nriver-cam-le,5,a=b\n"));
    assert_eq!(
        told,
        [
            "x.csv:2:14: `cadence_s` of `river-cam-le` is set in devices.csv; change it there, or leave it as it is there"
        ]
    );
    let told = mistakes(csv(&bench, "id,state\nriver-cam-le,pending\n"));
    assert!(told[0].contains("it cannot wait for approval"), "{told:?}");
    assert_eq!(csv(&bench, "id,cadence_s,tags\nriver-cam-le,600,a=b\n").expect("taken").changed, 1);
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_would_be() {
    let bench = Bench::new();
    let text = "id,service,lat,lon\na1,air,21.03,105.85\n";
    let dry = bench.registry.import(DeviceFile::Csv, "x.csv", text, true, &lan()).expect("good");
    assert_eq!((dry.added, dry.notes.len()), (1, 1));
    assert_eq!((dry.notes[0].line, dry.notes[0].column), (2, 8));
    assert!(bench.registry.now().get("a1").is_none() && bench.lines().is_empty());
    assert_eq!(csv(&bench, text).expect("taken"), dry);
}

#[test]
fn a_parent_may_come_later_in_the_file() {
    let bench = Bench::new();
    let done = csv(&bench, "id,service,parent,bridge\ncam,air,nvr,\nnvr,air,,true\n");
    assert_eq!(done.expect("taken").added, 2);
    let told = mistakes(csv(&bench, "id,service,parent\np,air,q\nq,air,p\n"));
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn takes_a_feature_collection() {
    let bench = Bench::new();
    let text = r#"{"type":"FeatureCollection","name":"x","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}},"features":[
      {"type":"Feature","id":"a1","geometry":{"type":"Point","coordinates":[108.2208,16.0678,3]},
       "properties":{"service":"air","name_vi":"=1+1","properties":["pm25"],"cadence_s":60,"bridge":true,
         "fields":[{"name":"t","property":"temperature","unit":"°F"}],"tags":{"a;b":"c=d"},"aliases":["A;8"]}},
      {"type":"Feature","geometry":null,"properties":{"id":7,"service":"air","contact":null}}]}"#;
    assert_eq!(json(&bench, text).expect("taken").added, 2);
    let now = bench.registry.now();
    let device = now.get("a1").expect("there");
    assert_eq!((device.place, &*device.area, device.bridge), (Some(HAI_CHAU), "hai_chau", true));
    assert_eq!(device.fields[0].unit.as_deref(), Some("°F"));
    assert_eq!((&*device.name.vi, &*device.tags["a;b"]), ("=1+1", "c=d"));
    assert!(now.called("A;8").is_some() && now.get("7").is_some());
}

#[test]
fn all_mistakes_of_a_geojson_are_told_at_their_places() {
    let bench = Bench::new();
    let text = r#"{"type":"FeatureCollection","features":[
  {"type":"Feature","geometry":{"type":"Point","coordinates":[108.2208,16.0678]},
   "properties":{"id":"a1","service":"airr","color":"red"}},
  {"type":"Feature","geometry":{"type":"Point","coordinates":[16.0678,108.2208]},
   "properties":{"id":"đ","service":"air"}},
  {"type":"Feature","geometry":{"type":"LineString","coordinates":[]},"properties":{"id":"a3","service":"air"}},
  {"type":"Feature","geometry":null,"properties":{"id":"a4","service":"air","fields":[{"name":"x"}]}},
  {"type":"Feature","geometry":null,"properties":{"id":"a5","service":"air","lat":3}},
  {"type":"Feature","geometry":null,"properties":{"id":"a6","service":"nope"}},
  {"type":"Feature","geometry":null}
]}"#;
    let told = mistakes(json(&bench, text));
    let places: Vec<&str> = told.iter().map(|t| t.split(": ").next().expect("place")).collect();
    assert_eq!(
        places,
        [
            "x.json:3:53",
            "x.json:4:71",
            "x.json:5:23",
            "x.json:6:40",
            "x.json:7:98",
            "x.json:8:83",
            "x.json:9:71",
            "x.json:10:3"
        ],
        "{told:#?}"
    );
    for (text, place) in [
        ("{\"type\":\"FeatureCollection\",\n\"features\":[{]}", "x.json:2:14"),
        ("[]", "x.json:1:1"),
        ("{\"type\":\"Feature\"}", "x.json:1:9"),
        ("", "x.json:1:1"),
    ] {
        let told = mistakes(json(&bench, text));
        assert!(told[0].starts_with(place), "{text}: {told:?}");
    }
    let vn2000 =
        r#"{"type":"FeatureCollection","crs":{"properties":{"name":"EPSG:3405"}},"features":[]}"#;
    assert!(mistakes(json(&bench, vn2000))[0].contains("another coordinate system"));
}

#[test]
fn no_cell_of_an_export_is_a_formula() {
    let bench = Bench::new();
    let name = Text { vi: "=HYPERLINK(1)".into(), en: "'quoted".into() };
    bench
        .registry
        .put(Device { name, topics: vec!["+/x/y".into()], ..air("a1") }, &lan())
        .expect("taken");
    let text = bench.registry.export(DeviceFile::Csv);
    let row = text.lines().find(|l| l.starts_with("a1")).expect("there");
    assert!(row.contains("\"'=HYPERLINK(1)\"") && row.contains("\"''quoted\""), "{row}");
    assert!(row.contains("\"'+/x/y\""), "{row}");
    assert_eq!(csv(&bench, &text).expect("taken").changed, 0);
}

fn word() -> impl Strategy<Value = String> {
    r#"[a-zA-Zđấ=+'@|%,;"\\#-]([ a-zđấ=+'@|%,;"\\#-]{0,8}[a-z;\\"])?"#
}

prop_compose! {
    fn device(id: usize)(
        vi in word(), en in word(),
        kind in "[a-z0-9_]{0,8}",
        service in prop::sample::select(vec!["air", "river", "traffic"]),
        place in prop::option::of((15.0f64..16.3, 107.5f64..108.7)),
        properties in prop::sample::subsequence(vec!["pm25", "pm10", "temperature"], 0..=3),
        (cadence_s, bridge, state) in (0u32..604_800, any::<bool>(), 0..3usize),
        topics in prop::collection::vec("[a-z+;=\"]/[a-zđ;,]{1,5}/#", 0..3),
        aliases in prop::collection::vec(word(), 0..3),
        fields in prop::collection::btree_map(word(), prop::option::of(Just("µg/m³")), 0..3),
        contact in prop::option::of(word()),
        tags in prop::collection::btree_map(word(), word(), 0..3),
    ) -> Device {
        let states = [DeviceState::Approved, DeviceState::Pending, DeviceState::Blocked];
        let field = |(name, unit): (String, Option<&str>)| DeviceField {
            name, property: "pm25".into(), unit: unit.map(String::from),
        };
        Device {
            name: Text { vi, en },
            kind,
            place: place.map(|(lat, lon)| Place { lat, lon }),
            properties: properties.into_iter().map(Name::from).collect(),
            cadence_s, bridge,
            topics: topics.into_iter().filter(|t| super::super::topics::check(t, "x").is_ok()).collect(),
            aliases: aliases.into_iter().map(|a| format!("{id}{a}").into()).collect(),
            fields: fields.into_iter().map(field).collect(),
            contact, tags,
            state: states[state],
            ..Device::unknown(&format!("d{id}"), &service.into(), &"unassigned".into(), Timestamp(1))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn an_import_of_the_export_changes_nothing(devices in (0..3usize).prop_flat_map(|n| {
        (0..n).map(device).collect::<Vec<_>>()
    })) {
        let bench = Bench::new();
        for device in devices.clone() {
            let id = Name::clone(&device.id);
            bench.registry.put(device, &lan()).map_err(|e| TestCaseError::fail(format!("{id}: {e:?}")))?;
        }
        let before = bench.registry.devices();
        for format in [DeviceFile::Csv, DeviceFile::GeoJson] {
            let text = bench.registry.export(format);
            let done = bench.registry.import(format, "x", &text, false, &lan());
            let done = done.map_err(|e| TestCaseError::fail(format!("{e:?}\n{text}")))?;
            prop_assert_eq!((done.added, done.changed, done.same as usize), (0, 0, before.len()));
            // The same into an empty registry gives the same devices.
            let empty = Bench::new();
            empty.registry.import(format, "x", &text, false, &lan())
                .map_err(|e| TestCaseError::fail(format!("{e:?}\n{text}")))?;
            for device in before.iter().filter(|d| d.origin == DeviceOrigin::People) {
                let now = empty.registry.devices();
                prop_assert_eq!(now.get(&device.id), Some(device));
            }
        }
    }

    #[test]
    fn no_text_makes_an_import_panic(text in "(id|service|[a-z;,\"\n{}\\[\\]:đ ]){0,60}") {
        let registry = Registry::of(Devices::default());
        for format in [DeviceFile::Csv, DeviceFile::GeoJson] {
            let _ = registry.import(format, "x", &text, true, &lan());
        }
    }
}
