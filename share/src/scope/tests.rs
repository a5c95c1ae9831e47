//! Who may see a part of the city gets, byte for byte, what they would get if there were no more
//! than that part.

use std::sync::Arc;

use ioc_model::{Choice, Name, ScopePart, Text};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::Scope;
use crate::testing::{FakeStore, T0, ask, bytes, sources_with};
use crate::{Answer, Ask, DeviceView, Sources, export, sensorthings};

const AREAS: [&str; 3] = ["hai_chau", "son_tra", "unassigned"];
const SERVICES: [&str; 3] = ["air", "water", "traffic"];
const PROPERTIES: [&str; 3] = ["pm25", "temperature", "water_level"];

fn choice(names: &'static [&'static str]) -> impl Strategy<Value = Choice> {
    prop_oneof![
        1 => Just(Choice::All),
        3 => subsequence(names, 0..=names.len()).prop_map(Choice::only),
    ]
}

fn scope() -> impl Strategy<Value = ioc_model::Scope> {
    let part = (choice(&AREAS), choice(&SERVICES))
        .prop_map(|(areas, services)| ScopePart { areas, services });
    proptest::collection::vec(part, 0..4).prop_map(ioc_model::Scope::of)
}

/// Devices `d0`, `d1`, … in the order of ids, each with its area, service and properties.
fn fleet() -> impl Strategy<Value = Vec<DeviceView>> {
    let one = (select(&AREAS[..]), select(&SERVICES[..]), subsequence(&PROPERTIES[..], 0..=3));
    proptest::collection::vec(one, 1..9).prop_map(|all| {
        let device =
            |(n, (area, service, properties)): (usize, (&str, &str, Vec<&str>))| DeviceView {
                id: format!("d{n}").as_str().into(),
                name: Text { vi: format!("Trạm {n}"), en: format!("Station {n}") },
                kind: format!("kind-{}", n % 3),
                service: service.into(),
                area: area.into(),
                place: Some((16.0 + n as f64 / 100.0, 108.2)),
                properties: properties.into_iter().map(Name::from).collect(),
                cadence_s: 60,
            };
        all.into_iter().enumerate().map(device).collect()
    })
}

/// Readings of these devices, and if wanted of one that nobody knows any more.
fn sources(devices: &[DeviceView], forgotten: bool) -> Sources {
    let mut store = FakeStore::default();
    for device in devices {
        let n: f64 = device.id[1..].parse().expect("a number");
        for property in &device.properties {
            store = store.with(&device.id, property, &[(0, n), (1_000, n + 0.5), (60_000, -n)]);
        }
    }
    if forgotten {
        store = store.with("gone", "pm25", &[(0, 99.0)]);
    }
    sources_with(Arc::new(store), devices.to_vec())
}

async fn seen(answer: Answer) -> (u16, Vec<(&'static str, String)>, String) {
    let Answer { status, headers, body } = answer;
    let (bytes, ended) = bytes(body).await;
    ended.expect("whole");
    (status, headers, String::from_utf8_lossy(&bytes).into_owned())
}

const EXPORTS: [&str; 9] = [
    "",
    "device=d0",
    "device=d1,d2,gone",
    "service=air",
    "area=son_tra&property=pm25",
    "step=60000",
    "format=geojson",
    "format=lp&limit=4",
    "format=csv&resume=d1,pm25,1761588000000,1",
];

const REQUESTS: [(&str, &str); 19] = [
    ("/Things", "$count=true"),
    ("/Things", "$expand=Datastreams($expand=Observations),Locations&$top=2&$skip=1"),
    ("/Things", "$filter=Datastreams/ObservedProperty/name eq 'pm25'"),
    ("/Things('d0')", "$expand=Datastreams/Observations"),
    ("/Things('d1')/Datastreams", ""),
    ("/Things('d2')/Locations", ""),
    ("/Things('gone')", ""),
    ("/Locations", "$expand=Things"),
    ("/Datastreams", "$expand=Thing,Sensor,ObservedProperty&$count=true"),
    ("/Datastreams('d0:pm25')", ""),
    ("/Datastreams('d1:pm25')/Observations", "$orderby=phenomenonTime desc"),
    ("/Observations", "$count=true&$top=3"),
    ("/Observations", "$expand=Datastream/Thing&$orderby=phenomenonTime desc"),
    ("/Observations('d0:pm25:1761588000000:0')", ""),
    ("/Observations('d1:water_level:1761588000000:0')/Datastream/Thing", ""),
    ("/Sensors", "$expand=Datastreams"),
    ("/ObservedProperties", "$expand=Datastreams/Thing&$count=true"),
    ("/ObservedProperties('pm25')/Datastreams", "$count=true"),
    ("/FeaturesOfInterest", "$expand=Observations"),
];

fn same_as_if_there_were_no_more(devices: &[DeviceView], scope: &ioc_model::Scope) {
    let inside: Vec<DeviceView> =
        devices.iter().filter(|d| scope.allows(&d.area, &d.service)).cloned().collect();
    let all = sources(devices, true);
    // What nobody knows any more is nowhere: only who sees the whole city sees it.
    let part = sources(&inside, scope.is_city());
    let within = Scope::Within(scope.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for more in EXPORTS {
            let query = format!("from={}&to={}&{more}", T0.0, T0.0 + 3_600_000);
            let is = seen(export::answer(&all, &within, &ask("", &query)).await).await;
            let should = seen(export::answer(&part, &Scope::city(), &ask("", &query)).await).await;
            assert_eq!(is, should, "{more}");
        }
        for (path, query) in REQUESTS {
            let ask = || Ask { base: "https://ioc.example.vn/st", ..ask(path, query) };
            let is = seen(sensorthings::answer(&all, &within, &ask()).await).await;
            let should = seen(sensorthings::answer(&part, &Scope::city(), &ask()).await).await;
            assert!(is.0 != 400, "{path}?{query}: {}", is.2);
            assert_eq!(is, should, "{path}?{query}");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_part_of_the_city_is_all_there_is(devices in fleet(), scope in scope()) {
        same_as_if_there_were_no_more(&devices, &scope);
    }
}
