//! No text that a device sent is ever published.

use ioc_model::{Quality, Text};
use ioc_share::DeviceView;

use crate::store::{NOW, World, files, open_files};

/// A plate and a link to a picture, as they might be put wherever a device may send text.
const CANARIES: [&str; 4] = ["43A-123.45", "43A12345", "snapshot", "NUMBERPLATE"];

/// A hostile or careless device for each published service, with canaries wherever it may send
/// text, and known devices whose feed calls them by canaries.
fn world() -> World {
    let files = open_files();
    let plain = World::of(&files, Vec::new());
    let name = Text {
        vi: "43A-123.45 <img src=snapshot.jpg>".into(),
        en: "NUMBERPLATE 43A12345 https://cam/snapshot.jpg".into(),
    };
    let mut views = Vec::new();
    for service in plain.sources.city.services.keys() {
        views.push(DeviceView {
            id: format!("43A-123.45-{service}").into(),
            name: name.clone(),
            kind: "NUMBERPLATE 43A12345".into(),
            service: service.clone(),
            area: "snapshot".into(),
            place: Some((16.05, 108.2)),
            properties: ["pm25", "flood_depth", "event.NUMBERPLATE.43A12345", "43A12345"]
                .map(Into::into)
                .into(),
            cadence_s: 60,
        });
    }
    for device in plain.sources.city.devices.values() {
        views.push(DeviceView {
            id: device.id.clone(),
            name: name.clone(),
            kind: "snapshot".into(),
            service: device.service.clone(),
            area: "43A12345".into(),
            place: Some((16.0, 108.0)),
            properties: device
                .properties
                .iter()
                .cloned()
                .chain(["event.NUMBERPLATE.43A12345".into(), "snapshot".into()])
                .collect(),
            cadence_s: 60,
        });
    }
    views.sort_by(|a, b| a.id.cmp(&b.id));
    let world = World::of(&files, views.clone());
    for view in &views {
        for property in &view.properties {
            world.memory.put(&view.id, property, NOW.plus_ms(-900_000), 4_312_345.0, Quality::Bad);
            world.memory.put(&view.id, property, NOW.plus_ms(-600_000), 1.0, Quality::Good);
        }
        // Kinds of events and zones become names of series.
        for property in ["event.wrong_way", "event.43A-123.45", "snapshot", "NUMBERPLATE"] {
            world.memory.put(&view.id, property, NOW.plus_ms(-600_000), 1.0, Quality::Good);
        }
    }
    world
}

#[tokio::test]
async fn nothing_below_open_shows_a_plate_or_a_picture() {
    let world = world();
    let mut documents = vec![String::new(), "?lang=en".into(), "/catalog.jsonld".into()];
    let catalogue = world.open.catalogue().expect("on");
    for dataset in &catalogue.datasets {
        let page = format!("/datasets/{}", dataset.id);
        documents.push(format!("{page}?lang=en"));
        for file in ["data.csv", "data.geojson", "data.jsonld"] {
            documents.push(format!("{page}/{file}"));
            documents.push(format!("{page}/{file}?from=2026-10-14"));
            documents.push(format!("{page}/{file}?from=2026-10-14&step=PT1H"));
        }
        documents.push(page);
    }
    let mut values = 0;
    for address in documents {
        let (status, text) = world.text(&address).await;
        assert_eq!(status, 200, "{address}: {text}");
        values += text.matches("pm25").count();
        for canary in CANARIES {
            assert!(!text.contains(canary), "{address} shows `{canary}`");
        }
        assert!(!text.contains("event.") && !text.contains("4312345"), "{address}");
    }
    assert!(values > 20, "the documents hold values at all");
}

#[tokio::test]
async fn a_device_that_only_a_feed_knows_cannot_be_asked_for() {
    let world = world();
    let (status, text) = world.text("/datasets/air-quality/data.csv?device=43A-123.45-air").await;
    assert_eq!(status, 400);
    assert!(!text.contains("43A"), "{text}");
}

/// By construction: no file can name what a camera saw, whatever the city calls its properties.
#[test]
fn a_property_of_the_city_called_like_an_event_is_refused_too() {
    let mut files = files();
    let properties = files.0.get_mut("properties.yaml").expect("shipped");
    properties.push_str(
        "- id: event.plate\n  name: { vi: a, en: a }\n  unit: \"\"\n  min: 0\n  max: 1\n",
    );
    let open = files.0.get_mut("opendata.yaml").expect("shipped");
    *open = open.replace("properties: [flood_depth]", "properties: [event.plate]");
    let city = ioc_model::City::load(&files).expect("a city");
    let errors = ioc_share::opendata::OpenData::load(&files, &city).expect_err("refused");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].message.contains("event.plate"), "{}", errors[0]);
}
