//! Requests against a store of known values.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{City, DeviceSpec, Name, Quality};
use serde_json::{Value, json};

use crate::sensorthings::answer;
use crate::testing::{self, FakeStore, T0};
use crate::{Ask, DeviceView, Scope, Sources};

const BASE: &str = "https://ioc.example.vn/sensorthings/v1.1";

/// 250 minutes of pm25 (value = minute), three temperatures (one of them bad), two points of one
/// millisecond in the water level.
fn store() -> FakeStore {
    let minutes: Vec<(i64, f64)> = (0..250).map(|i| (i * 60_000, i as f64)).collect();
    let mut store = FakeStore::default().with("air-1", "pm25", &minutes);
    store.put(
        "air-1",
        "temperature",
        vec![
            testing::point(0, 30.5, Quality::Good),
            testing::point(60_000, 99.0, Quality::Bad),
            testing::point(120_000, 31.0, Quality::Uncertain),
        ],
    );
    store.with("air-2", "pm25", &[(30_000, 500.0), (90_000, 7.0)]).with(
        "gauge-1",
        "water_level",
        &[(0, 1.0), (0, 1.5), (1_000, 2.0)],
    )
}

fn sources() -> Sources {
    testing::sources(store())
}

async fn get_from(sources: &Sources, scope: &Scope, path: &str, query: &str) -> (u16, Value) {
    let ask = Ask { base: BASE, ..testing::ask(path, query) };
    let answer = answer(sources, scope, &ask).await;
    let status = answer.status;
    let text = testing::text(answer).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn get(address: &str) -> (u16, Value) {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    get_from(&sources(), &Scope::city(), path, query).await
}

async fn ok(address: &str) -> Value {
    let (status, body) = get(address).await;
    assert_eq!(status, 200, "{address}: {body}");
    body
}

/// One member of each entity of a set.
fn each(body: &Value, member: &str) -> Vec<Value> {
    let list = body["value"].as_array().expect("a set");
    list.iter().map(|e| e[member].clone()).collect()
}

async fn ids(address: &str) -> Vec<String> {
    let list = each(&ok(address).await, "@iot.id");
    list.iter().map(|v| v.as_str().expect("an id").to_owned()).collect()
}

async fn fault(address: &str) -> (u16, String) {
    let (status, body) = get(address).await;
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

/// Follows the links of a set to its end.
async fn follow(address: &str) -> (Vec<Value>, usize) {
    let mut body = ok(address).await;
    let (mut all, mut pages) = (each(&body, "@iot.id"), 1);
    while let Some(next) = body["@iot.nextLink"].as_str() {
        let next = next.strip_prefix(BASE).expect("a link below the base").to_owned();
        body = ok(&next).await;
        let page = each(&body, "@iot.id");
        assert!(!page.is_empty(), "an empty page ends some clients: {next}");
        all.extend(page);
        pages += 1;
        assert!(pages < 100, "pages without end");
    }
    (all, pages)
}

#[tokio::test]
async fn the_root_names_the_sets_and_what_holds() {
    let body = ok("").await;
    assert_eq!(body, ok("/").await);
    let names = each(&body, "name");
    assert_eq!(names.len(), 8);
    assert!(names.contains(&json!("FeaturesOfInterest")));
    let holds = body["serverSettings"]["conformance"].as_array().expect("a list");
    assert!(holds.contains(&json!("http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel")));
    assert!(holds.iter().all(|c| !c.to_string().contains("create")), "nothing is written");
    for set in names {
        ok(&format!("/{}", set.as_str().expect("a name"))).await;
    }
}

#[tokio::test]
async fn every_link_of_every_entity_leads_somewhere() {
    for set in [
        "Things",
        "Locations",
        "Datastreams",
        "Sensors",
        "ObservedProperties",
        "Observations",
        "FeaturesOfInterest",
    ] {
        let body = ok(&format!("/{set}?$top=3")).await;
        for entity in body["value"].as_array().expect("a set") {
            let entity = entity.as_object().expect("an entity");
            let itself = entity["@iot.selfLink"].as_str().expect("a link");
            let again = ok(itself.strip_prefix(BASE).expect("below the base")).await;
            assert_eq!(again.as_object(), Some(entity), "{itself}");
            let links = entity.iter().filter(|(k, _)| k.ends_with("@iot.navigationLink"));
            for (name, link) in links {
                let link = link.as_str().expect("a link");
                ok(link.strip_prefix(BASE).expect("below the base")).await;
                let way = name.trim_end_matches("@iot.navigationLink");
                assert_eq!(link, format!("{itself}/{way}"));
            }
        }
    }
}

#[tokio::test]
async fn entities_say_what_the_standard_asks_for() {
    let d = ok("/Datastreams('air-1:pm25')").await;
    assert_eq!(d["unitOfMeasurement"]["symbol"], "µg/m³");
    assert_eq!(d["unitOfMeasurement"]["definition"], "http://qudt.org/vocab/unit/MicroGM-PER-M3");
    assert_eq!(
        d["phenomenonTime"], "2025-10-27T18:00:00.000Z/2025-10-27T22:09:00.000Z",
        "first and last observation"
    );
    assert_eq!(d["observedArea"]["coordinates"][0][4], json!([108.2, 16.05]), "longitude first");
    let silent = ok("/Datastreams('new-1:pm25')").await;
    assert_eq!(silent.get("phenomenonTime"), None, "no observation, no time");
    let o = ok("/Observations('air-1:temperature:1761588120000:0')").await;
    assert_eq!(o["result"], 31.0);
    assert_eq!(o["resultQuality"]["DQ_Result"]["code"], "uncertain");
    assert_eq!(o["phenomenonTime"], "2025-10-27T18:02:00.000Z");
    assert_eq!(ok("/Locations('air-1')").await["location"]["type"], "Point");
    assert_eq!(ids("/Things('new-1')/Locations").await, Vec::<String>::new());
    assert_eq!(ok("/HistoricalLocations").await, json!({"value": []}));
}

#[tokio::test]
async fn paths_lead_from_one_to_the_other() {
    assert_eq!(ids("/Things('air-1')/Datastreams").await, ["air-1:pm25", "air-1:temperature"]);
    let way = "/Observations('air-2:pm25:1761588090000:0')/Datastream/Thing/Locations('air-2')\
               /Things('air-2')/Datastreams('air-2:pm25')/ObservedProperty/Datastreams";
    assert_eq!(ids(way).await, ["air-1:pm25", "air-2:pm25", "new-1:pm25"]);
    assert_eq!(ids("/FeaturesOfInterest('gauge-1')/Observations").await.len(), 3);
    assert_eq!(ok("/Things('air-1')/name").await, json!({"name": "Trạm 1"}));
    assert_eq!(ok("/Things('air-1')/name/$value").await, json!("Trạm 1"));
    assert_eq!(ok("/Things('air-1')/properties/service").await, json!({"service": "air"}));
    assert_eq!(ok("/Locations('air-1')/location/coordinates/1/$value").await, json!(16.05));
    let links = ok("/Things('air-1')/Datastreams/$ref?$top=1&$count=true").await;
    assert_eq!(links["@iot.count"], 2);
    assert_eq!(
        links["value"],
        json!([{"@iot.selfLink": format!("{BASE}/Datastreams('air-1:pm25')")}])
    );
    let link = ok("/Datastreams('air-1:pm25')/Thing/$ref").await;
    assert_eq!(link, json!({"@iot.selfLink": format!("{BASE}/Things('air-1')")}));
    assert_eq!(get("/Datastreams('new-1:pm25')/phenomenonTime").await.0, 204);
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    for address in [
        "/Nothing",
        "/Things('air-9')",
        "/Things(1)",
        "/Things('air-1')/Nothing",
        "/Things('air-1')/Datastreams('gauge-1:water_level')",
        "/Locations('new-1')",
        "/Observations('air-1:pm25:1761588000001:0')",
        "/Observations('air-1:pm25:1761588000000:1')",
        "/Observations('gauge-1:water_level:1761588000000:2')",
        "/Datastreams('air-2:pm25')/Observations('air-1:pm25:1761588000000:0')",
        "/Things('air-1')/properties/nothing",
        "/Things('air-1')/name/x",
        "/Things/name",
    ] {
        let (status, body) = get(address).await;
        assert_eq!(status, 404, "{address}: {body}");
        assert_eq!(body["code"], "not_found");
    }
}

#[tokio::test]
async fn two_points_of_one_millisecond_are_two_observations() {
    let at = T0.0;
    let all = ids("/Datastreams('gauge-1:water_level')/Observations").await;
    let expected = [(at, 0), (at, 1), (at + 1_000, 0)];
    let expected = expected.map(|(t, n)| format!("gauge-1:water_level:{t}:{n}"));
    assert_eq!(all, expected);
    let mut back =
        ids("/Datastreams('gauge-1:water_level')/Observations?$orderby=phenomenonTime%20desc")
            .await;
    back.reverse();
    assert_eq!(back, expected);
    let second = ok(&format!("/Observations('{}')", expected[1])).await;
    assert_eq!(second["result"], 1.5);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_double() {
    for (address, count, least_pages) in [
        ("/Observations", 258, 3),
        ("/Observations?$top=7", 258, 37),
        ("/Observations?$orderby=phenomenonTime&$top=9", 258, 29),
        ("/Observations?$orderby=phenomenonTime%20desc&$top=9", 258, 29),
        ("/Observations?$orderby=result%20desc&$top=50", 258, 6),
        ("/Observations?$filter=result%20gt%20100&$top=20", 150, 8),
        ("/Datastreams('air-1:pm25')/Observations?$orderby=phenomenonTime+desc&$top=1000", 250, 1),
        ("/FeaturesOfInterest('gauge-1')/Observations?$top=1&$orderby=phenomenonTime+desc", 3, 3),
        ("/Things?$top=1", 4, 4),
        ("/Datastreams?$orderby=name%20desc&$top=2", 5, 3),
    ] {
        let (all, pages) = follow(address).await;
        assert_eq!(all.len(), count, "{address}");
        assert!(pages >= least_pages, "{address}: {pages}");
        let different: BTreeSet<String> = all.iter().map(Value::to_string).collect();
        assert_eq!(different.len(), count, "{address}: one came twice");
    }
}

#[tokio::test]
async fn falling_order_is_the_reverse_of_rising() {
    let (mut rising, _) = follow("/Observations?$orderby=phenomenonTime&$top=11").await;
    let (falling, _) = follow("/Observations?$orderby=phenomenonTime%20DESC&$top=13").await;
    rising.reverse();
    assert_eq!(rising, falling);
}

#[tokio::test]
async fn a_changed_skip_counts_more_than_the_mark_of_a_link() {
    let first = ok("/Datastreams('air-1:pm25')/Observations?$top=5").await;
    let next = first["@iot.nextLink"].as_str().expect("more").strip_prefix(BASE).expect("below");
    assert!(next.contains("$top=5") && next.contains("$skip=5"), "{next}");
    assert_eq!(each(&ok(next).await, "result")[0], 5.0);
    let moved = next.replace("$skip=5", "$skip=17");
    assert_eq!(each(&ok(&moved).await, "result")[0], 17.0);
    assert_eq!(fault(&next.replace("5.air-1", "5.air-9")).await.0, 400);
}

#[tokio::test]
async fn the_latest_is_found_without_reading_everything() {
    let store = Arc::new(store());
    let sources = testing::sources_with(store.clone(), testing::devices());
    let query = "$orderby=phenomenonTime%20desc&$top=1";
    let path = "/Datastreams('air-1:pm25')/Observations";
    let (_, body) = get_from(&sources, &Scope::city(), path, query).await;
    assert_eq!(each(&body, "result"), [249.0]);
    assert!(store.calls.load(Relaxed) <= 2, "{:?}", store.calls);
    // Overall: only the datastream that has it is opened, besides those with as new ones.
    let (_, body) = get_from(&sources, &Scope::city(), "/Observations", query).await;
    assert_eq!(each(&body, "result"), [249.0]);
    assert!(store.calls.load(Relaxed) <= 5, "{:?}", store.calls);
}

#[tokio::test]
async fn times_of_a_filter_reach_the_store() {
    let store = Arc::new(store());
    let sources = testing::sources_with(store.clone(), testing::devices());
    let query = "$filter=phenomenonTime ge 2025-10-27T18:10:00Z and phenomenonTime lt \
                 2025-10-27T18:12:00Z&$count=true";
    let path = "/Datastreams('air-1:pm25')/Observations";
    let (_, body) = get_from(&sources, &Scope::city(), path, query).await;
    assert_eq!(each(&body, "result"), [10.0, 11.0]);
    assert_eq!(body["@iot.count"], 2);
    let (_, body) = get_from(
        &sources,
        &Scope::city(),
        "/Observations",
        "$filter=phenomenonTime eq 2025-10-27T18:00:30Z",
    )
    .await;
    assert_eq!(each(&body, "result"), [500.0]);
}

#[tokio::test]
async fn counts_are_of_all_that_pass() {
    let count = async |a: &str| ok(a).await["@iot.count"].clone();
    assert_eq!(count("/Things?$count=true&$top=1").await, 4);
    assert_eq!(count("/Observations?$count=true&$top=0").await, 258);
    assert_eq!(count("/Observations?$count=true&$filter=result%20ge%20100").await, 151);
    assert_eq!(count("/Things('air-1')/Datastreams?$count=true").await, 2);
    assert_eq!(count("/Observations?$count=true&$orderby=result&$top=1").await, 258);
    assert_eq!(count("/Things").await, Value::Null);
    assert_eq!(count("/Things?$count=false").await, Value::Null);
    let none = ok("/Things?$top=0").await;
    assert_eq!(none, json!({"value": []}), "no endless link");
}

#[tokio::test]
async fn raw_points_that_were_given_up_are_not_counted() {
    let mut store = store();
    // As if retention had taken the first 100 points, while windows still knew of them.
    store.raw_from = Some(T0.plus_ms(6_000_000));
    let sources = testing::sources(store);
    let path = "/Datastreams('air-1:pm25')/Observations";
    let query = "$count=true&$top=1&$filter=phenomenonTime ge 2025-10-27T18:01:30Z";
    let (_, body) = get_from(&sources, &Scope::city(), path, query).await;
    assert_eq!(body["@iot.count"], 248);
}

#[tokio::test]
async fn filters_know_the_functions_and_the_ways() {
    for (filter, expected) in [
        ("name eq 'Trạm 1'", "air-1"),
        ("id eq 'air-2'", "air-2"),
        ("startswith(id,'air') and not endswith(id,'1')", "air-2"),
        ("substringof('aug',@iot.id)", "gauge-1"),
        ("contains(properties/service,'wat')", "gauge-1"),
        ("properties/service eq 'water' or properties/kind eq 'none'", "gauge-1"),
        ("length(name) eq 5 and tolower(id) eq 'new-1'", "new-1"),
        ("indexof(id,'-') eq 5", "gauge-1"),
        ("substring(id,6) eq '1'", "gauge-1"),
        ("concat(concat(id,'-'),properties/area) eq 'air-2-hai_chau'", "air-2"),
        ("trim(toupper(' x ')) eq 'X' and id eq 'air-1'", "air-1"),
        ("Datastreams/ObservedProperty/id eq 'water_level'", "gauge-1"),
        ("Datastreams/unitOfMeasurement/symbol eq '°C'", "air-1"),
        ("geo.distance(Locations/location,geography'POINT (108.19 16.01)') lt 0.001", "gauge-1"),
        (
            "st_within(Locations/location,geography'POLYGON ((108.24 16, 108.3 16, 108.3 17, 108.24 16))')",
            "air-2",
        ),
        (
            "st_intersects(geography'LINESTRING (108.19 16, 108.19 17)',Locations/location)",
            "gauge-1",
        ),
        ("st_relate(Locations/location,geography'POINT (108.25 16.06)','T********')", "air-2"),
        (
            "Locations/name eq null and properties/cadence_s mul 2 sub 20 div 4 eq 115 and id gt 'n'",
            "",
        ),
        ("properties/cadence_s mod 7 eq 4 and id gt 'h'", "new-1"),
        (
            "round(properties/cadence_s div 7) eq 9 and floor(1.5) eq 1 and ceiling(1.5) eq 2 and id eq 'air-1'",
            "air-1",
        ),
        ("-(properties/cadence_s) eq -60 and id eq 'air-1'", "air-1"),
        (
            "year(now()) eq 2025 and month(now()) eq 10 and day(now()) eq 27 and hour(now()) eq 19 and id eq 'air-1'",
            "air-1",
        ),
        (
            "minute(now()) eq 0 and second(now()) eq 0 and fractionalseconds(now()) eq 0 and id eq 'air-1'",
            "air-1",
        ),
        (
            "date(now()) eq 2025-10-27 and time(now()) eq 19:00:00 and totaloffsetminutes(now()) eq 0 and id eq 'air-1'",
            "air-1",
        ),
        ("now() gt mindatetime() and now() lt maxdatetime() and id eq 'air-1'", "air-1"),
        ("now() sub duration'PT1H' eq 2025-10-27T18:00:00Z and id eq 'air-1'", "air-1"),
    ] {
        let query =
            percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC);
        let found = ids(&format!("/Things?$filter={query}")).await;
        assert_eq!(found.join(" "), expected, "{filter}");
    }
}

#[tokio::test]
async fn filters_of_observations_know_their_datastream() {
    let results = async |f: &str| {
        let query = f.replace(' ', "%20");
        each(&ok(&format!("/Observations?$filter={query}")).await, "result")
    };
    assert_eq!(results("Datastream/ObservedProperty/id eq 'water_level'").await, [1.0, 1.5, 2.0]);
    assert_eq!(
        results("Datastream/Thing/properties/service eq 'water' and result lt 1.2").await,
        [1.0]
    );
    assert_eq!(results("resultQuality/DQ_Result/code eq 'bad'").await, [99.0]);
    assert_eq!(
        results("hour(phenomenonTime) eq 22 and minute(phenomenonTime) eq 5").await,
        [245.0]
    );
    assert_eq!(results("result sub 5 gt 244.5 or result eq 30.5").await, [30.5, 500.0]);
    assert_eq!(results("not (result le 249) and FeatureOfInterest/id eq 'air-2'").await, [500.0]);
    assert_eq!(results("phenomenonTime lt 2025-10-27T18:00:00.001Z and Datastream/phenomenonTime lt 2025-10-27T18:01:00Z").await, [1.0, 1.5]);
}

#[tokio::test]
async fn orders_are_kept() {
    assert_eq!(ids("/Things?$orderby=id%20desc").await, ["new-1", "gauge-1", "air-2", "air-1"]);
    let by = "/Things?$orderby=properties/service%20desc,id%20desc";
    assert_eq!(ids(by).await, ["gauge-1", "new-1", "air-2", "air-1"]);
    let top = ok("/Observations?$orderby=result%20desc&$top=3").await;
    assert_eq!(each(&top, "result"), [500.0, 249.0, 248.0]);
    let by_stream = "/Observations?$orderby=Datastream/id%20desc,phenomenonTime%20desc&$top=4";
    let ids = ids(by_stream).await;
    assert_eq!(ids[0], format!("gauge-1:water_level:{}:0", T0.0 + 1_000));
    assert!(ids[3].starts_with("air-2"), "{ids:?}");
    let ends = ok("/Datastreams?$orderby=phenomenonTime%20desc&$top=1").await;
    assert_eq!(each(&ends, "@iot.id"), ["air-2:pm25"], "the one that began last");
}

#[tokio::test]
async fn only_what_is_selected_is_sent() {
    let body = ok("/Things?$select=name,id&$top=1").await;
    assert_eq!(body["value"], json!([{"@iot.id": "air-1", "name": "Trạm 1"}]));
    let body = ok("/Things('air-1')?$select=Datastreams").await;
    let link = format!("{BASE}/Things('air-1')/Datastreams");
    assert_eq!(body, json!({"Datastreams@iot.navigationLink": link}));
}

#[tokio::test]
async fn expansions_nest_and_have_their_own_options() {
    let query = "$top=1&$expand=Locations,Datastreams($orderby=id desc;$select=name;$count=true;$top=1;\
                 $expand=ObservedProperty($select=id),Observations($orderby=phenomenonTime desc;\
                 $top=1;$select=result;$filter=result gt 5 and result lt 90))";
    let (status, body) = get_from(&sources(), &Scope::city(), "/Things", query).await;
    assert_eq!(status, 200, "{body}");
    let thing = &body["value"][0];
    assert_eq!(thing["Locations"][0]["@iot.id"], "air-1");
    assert_eq!(thing.get("Locations@iot.navigationLink"), None, "the content is there instead");
    assert_eq!(thing["Datastreams@iot.count"], 2);
    let next = thing["Datastreams@iot.nextLink"].as_str().expect("one more");
    let rest = ok(next.strip_prefix(BASE).expect("below")).await;
    assert_eq!(each(&rest, "name"), ["Trạm 1: Bụi mịn PM2.5"], "the options go with the link");
    let d = &thing["Datastreams"][0];
    assert_eq!(d["ObservedProperty"], json!({"@iot.id": "temperature"}));
    assert_eq!(d["Observations"], json!([{"result": 31.0}]));
    assert!(d["Observations@iot.nextLink"].as_str().expect("more").contains("$skiptoken"));

    let old = ok("/Datastreams('air-1:pm25')?$expand=Thing/Locations,Thing").await;
    assert_eq!(old["Thing"]["Locations"][0]["@iot.id"], "air-1", "the way of version 1.0");
}

#[tokio::test]
async fn rows_are_grouped_by_datastream() {
    let address = "/Observations?$resultFormat=dataArray&$top=2&$count=true&$orderby=phenomenonTime%20desc\
                   &$filter=phenomenonTime%20le%202025-10-27T18:01:00Z%20and%20result%20lt%2050";
    let body = ok(address).await;
    assert_eq!(body["@iot.count"], 6);
    let groups = body["value"].as_array().expect("groups");
    assert_eq!(groups.len(), 2, "{body}");
    assert_eq!(
        groups[1]["components"],
        json!(["id", "phenomenonTime", "resultTime", "result", "resultQuality"])
    );
    assert_eq!(groups[0]["dataArray@iot.count"], 1);
    assert_eq!(
        groups[0]["Datastream@iot.navigationLink"],
        format!("{BASE}/Datastreams('air-1:pm25')")
    );
    assert_eq!(groups[0]["dataArray"][0][3], 1.0);
    assert!(body["@iot.nextLink"].as_str().expect("more").contains("dataArray"));
    let select =
        ok("/Datastreams('air-2:pm25')/Observations?$resultFormat=dataArray&$select=result").await;
    assert_eq!(select["value"][0]["dataArray"], json!([[500.0], [7.0]]));
}

#[tokio::test]
async fn mistakes_are_named_with_their_place() {
    for (address, status, part) in [
        ("/Things?$filter=name%20eq", 400, "$filter, character 8: a value is missing"),
        ("/Things?$filter=nam%20eq%20'x'", 400, "$filter, character 1: Things have no `nam`"),
        (
            "/Things?$filter=name%20gt%205",
            400,
            "character 6: `gt` does not fit a text and a number",
        ),
        ("/Things?$filter=name", 400, "not a condition"),
        ("/Things?$filter=length(5)%20eq%201", 400, "length does not take a number"),
        (
            "/Things?$filter=Datastreams/Observations/result%20gt%205",
            400,
            "cannot be searched from here",
        ),
        ("/Things?$filter=Datastreams/phenomenonTime%20gt%20now()", 400, "not known from here"),
        ("/Things?$filter=Datastreams%20eq%201", 400, "ends at an entity"),
        ("/Things?$filter=name/x%20eq%201", 400, "`name` has no members"),
        ("/Things?$top=-1", 400, "$top, character 1"),
        ("/Things?$top=x", 400, "whole number"),
        ("/Things?$top=99999999999999999999", 400, "too large"),
        ("/Things?$top=1&$top=2", 400, "given twice"),
        ("/Things?$count=yes", 400, "true or false"),
        ("/Things?$select=nope", 400, "Things have no `nope`"),
        ("/Things?$expand=Nope", 400, "do not lead to `Nope`"),
        ("/Things?$expand=Datastreams($top=1", 400, "closing parenthesis"),
        ("/Things?$expand=Datastreams($top=x)", 400, "$expand(Datastreams)/$top, character 1"),
        ("/Things?$expand=Datastreams(top)", 400, "has no `=`"),
        ("/Datastreams?$expand=Thing($filter=name%20eq%20'x')", 400, "is for sets"),
        ("/Things('air-1')?$top=1", 400, "is for sets"),
        ("/Things?$resultFormat=dataArray", 400, "is for Observations"),
        ("/Observations?$resultFormat=CSV", 501, "not served"),
        ("/Things?$apply=x", 501, "there is no option $apply"),
        ("/Things?$filter=%ff", 400, "no UTF-8"),
        ("/Things/$value", 400, "$value is for properties"),
        ("/$ref", 400, "the service itself"),
        ("/Observations?$skip=100001", 400, "follow @iot.nextLink"),
        (
            "/Things?$expand=Datastreams/Thing/Datastreams/Thing/Datastreams/Thing/Datastreams",
            400,
            "deeper than",
        ),
    ] {
        let (found, message) = fault(address).await;
        assert_eq!(found, status, "{address}: {message}");
        assert!(message.contains(part), "{address}: {message}");
    }
    assert_eq!(get("/Things?limit=5").await.0, 200, "parameters of the client's own");
}

/// A device as the configuration knows it.
fn configured(device: &DeviceView) -> DeviceSpec {
    let (lat, lon) = device.place.unwrap_or_default();
    DeviceSpec {
        id: device.id.clone(),
        name: device.name.clone(),
        kind: device.kind.clone(),
        service: device.service.clone(),
        area: device.area.clone(),
        lat,
        lon,
        properties: device.properties.clone(),
        cadence_s: device.cadence_s,
        parent: None,
        segment: None,
    }
}

#[tokio::test]
async fn only_what_is_published_is_there() {
    let pairs = BTreeSet::from([(Name::from("air"), Name::from("pm25"))]);
    let scope = Scope::Published(Arc::new(pairs));
    let mut sources = sources();
    let mut city = City::clone(&sources.city);
    for device in (sources.devices)().iter().filter(|d| !d.id.starts_with("new")) {
        city.devices.insert(device.id.clone(), configured(device));
    }
    sources.city = Arc::new(city);
    let get = async |path: &str, query: &str| get_from(&sources, &scope, path, query).await;
    let things = each(&get("/Things", "").await.1, "@iot.id");
    assert_eq!(things, ["air-1", "air-2"], "new-1 is known from its feed only");
    assert_eq!(each(&get("/ObservedProperties", "").await.1, "@iot.id"), ["pm25"]);
    assert_eq!(get("/Observations", "$count=true&$top=0").await.1["@iot.count"], 252);
    for hidden in [
        "/Things('new-1')",
        "/Things('gauge-1')",
        "/Locations('gauge-1')",
        "/FeaturesOfInterest('gauge-1')",
        "/Datastreams('air-1:temperature')",
        "/ObservedProperties('temperature')",
        "/Observations('air-1:temperature:1761588000000:0')",
    ] {
        assert_eq!(get(hidden, "").await.0, 404, "{hidden}");
    }
    let all = get("/Things", "$expand=Datastreams($expand=Observations($top=1000))").await.1;
    assert!(!all.to_string().contains("temperature") && !all.to_string().contains("bad"), "{all}");
    let nothing = Scope::Published(Arc::default());
    let (status, body) = get_from(&sources, &nothing, "/Things", "").await;
    assert_eq!((status, body), (200, json!({"value": []})));
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let mut devices = testing::devices();
    devices[0].id = "a'b/../<x>\u{202e}?#".into();
    devices[0].name.vi = "=cmd|'<script>'".to_owned();
    devices[0].kind = "<b>".to_owned();
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    let sources = testing::sources_with(Arc::new(store()), devices);
    let (_, body) =
        get_from(&sources, &Scope::city(), "/Things", "$expand=Datastreams/Sensor").await;
    let thing = &body["value"][0];
    let link = thing["@iot.selfLink"].as_str().expect("a link").strip_prefix(BASE).expect("below");
    assert!(link.bytes().all(|b| b.is_ascii_alphanumeric() || b"/()'~.-_:".contains(&b)), "{link}");
    let (status, again) = get_from(&sources, &Scope::city(), link, "").await;
    assert_eq!((status, &again["name"]), (200, &thing["name"]));
    let metadata = &thing["Datastreams"][0]["Sensor"]["metadata"];
    assert!(metadata.as_str().expect("HTML").contains("&lt;b&gt;"), "{metadata}");
}

#[tokio::test]
async fn a_store_that_fails_is_503() {
    let mut store = store();
    store.fail_from = Some(0);
    let sources = testing::sources(store);
    let (status, body) = get_from(&sources, &Scope::city(), "/Observations", "").await;
    assert_eq!(status, 503);
    assert!(!body.to_string().contains("fake store"), "the store's words are not for outside");
    assert_eq!(get_from(&sources, &Scope::city(), "/Things", "").await.0, 200, "needs no store");
}

#[tokio::test]
async fn work_is_bounded_and_pages_end_early() {
    let many: Vec<(i64, f64)> = (0..400_000).map(|i| (i, (i % 2) as f64)).collect();
    let mut store = FakeStore::default().with("air-1", "pm25", &many);
    store = store.with("air-2", "pm25", &[(0, 9.0)]);
    let sources = testing::sources(store);
    let get = async |query: &str| get_from(&sources, &Scope::city(), "/Observations", query).await;
    // Nothing in the first 300,000 passes: words, not an empty page that ends some clients.
    let (status, body) = get("$filter=result gt 8").await;
    assert_eq!(status, 400, "{body}");
    assert!(body["hint"].as_str().expect("a hint").contains("phenomenonTime"), "{body}");
    let (status, body) = get("$filter=Datastream/id eq 'air-2:pm25' and result gt 8").await;
    assert_eq!((status, each(&body, "result")), (200, vec![json!(9.0)]));
    let (status, body) = get("$orderby=result").await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().expect("words").contains("would have to be ordered"));
    // A hundred at 1 ms, then a page that ends where the work does.
    let (status, body) =
        get("$filter=result eq 1 and (result lt 5 or phenomenonTime gt now())&$top=0").await;
    assert_eq!((status, body), (200, json!({"value": []})));
    let (status, body) = get("$count=true&$top=5").await;
    assert_eq!((status, &body["@iot.count"]), (200, &json!(400_001)), "windows count");
    let (status, _) = get("$count=true&$filter=result eq 1").await;
    assert_eq!(status, 400);
    let (_, body) = get("$orderby=phenomenonTime desc&$top=1000").await;
    let results = each(&body, "@iot.id");
    assert_eq!(results[0], format!("air-1:pm25:{}:0", T0.0 + 399_999));
    assert_eq!(results.len(), 1_000);
}

#[tokio::test]
async fn a_page_of_expansions_ends_where_the_work_does() {
    let many: Vec<(i64, f64)> = (0..150_000).map(|i| (i, 0.0)).collect();
    let store = FakeStore::default()
        .with("air-1", "pm25", &many)
        .with("air-2", "pm25", &many)
        .with("gauge-1", "water_level", &many);
    let sources = testing::sources(store);
    let query =
        "$select=id&$expand=Observations($filter=result eq 0 and result lt 1;$count=true;$top=1)";
    let (status, body) = get_from(&sources, &Scope::city(), "/Datastreams", query).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(each(&body, "@iot.id"), ["air-1:pm25", "air-1:temperature"], "what could be had");
    let next = body["@iot.nextLink"].as_str().expect("the rest").strip_prefix(BASE).expect("below");
    let (path, query) = next.split_once('?').expect("options");
    let (status, body) = get_from(&sources, &Scope::city(), path, query).await;
    assert_eq!((status, each(&body, "@iot.id")[0].clone()), (200, json!("air-2:pm25")));
}
