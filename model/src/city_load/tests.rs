use std::path::Path;

use crate::{City, ConfigFiles};

/// The shipped configuration.
fn shipped() -> ConfigFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut files = ConfigFiles::default();
    for name in [
        "city.yaml",
        "areas.csv",
        "boundaries.geojson",
        "services.yaml",
        "properties.yaml",
        "thresholds.yaml",
        "indices.yaml",
        "devices.csv",
        "zones.geojson",
        "clusters.yaml",
    ] {
        let text = std::fs::read_to_string(folder.join(name)).expect("shipped file");
        files.0.insert(name.into(), text);
    }
    files
}

/// The shipped configuration with `from` replaced by `to` in one file.
fn changed(file: &str, from: &str, to: &str) -> ConfigFiles {
    let mut files = shipped();
    let text = files.0.get_mut(file).expect("shipped file");
    assert!(text.contains(from), "`{from}` is not in {file}");
    *text = text.replacen(from, to, 1);
    files
}

fn check(files: &ConfigFiles, expect: &str) {
    let errors = City::load(files).err().unwrap_or_default();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(text.join("\n"), expect);
}

#[test]
fn the_shipped_city_is_complete() {
    let city = City::load(&shipped()).expect("shipped city loads");
    assert_eq!(city.areas.len(), 94);
    assert_eq!(city.services.len(), 18);
    let basic = city.services.values().filter(|s| s.group == crate::ServiceGroup::Basic).count();
    assert_eq!(basic, 6);
    assert!(city.devices.len() >= 150);
    let fed: std::collections::BTreeSet<_> = city.devices.values().map(|d| &d.service).collect();
    assert!(fed.len() >= 9);
    for service in city.services.values() {
        assert_eq!(fed.contains(&service.id), !service.indicators.is_empty(), "{}", service.id);
    }
    let levels: Vec<_> = ["flood.bd1", "flood.bd2", "flood.bd3"]
        .iter()
        .map(|id| city.thresholds[*id].for_device("river-cam-le"))
        .collect();
    assert_eq!(levels, [Some(1.0), Some(2.0), Some(2.5)]);
}

#[test]
fn every_device_lies_in_the_area_it_names() {
    let city = City::load(&shipped()).expect("shipped city loads");
    for device in city.devices.values() {
        let area = city.area_at(device.lon, device.lat).map(|a| &*a.id);
        assert_eq!(area, Some(&*device.area), "{}", device.id);
    }
}

#[test]
fn flood_levels_rise_from_one_to_three_at_every_station() {
    let city = City::load(&shipped()).expect("shipped city loads");
    for station in city.thresholds["flood.bd1"].by_device.keys() {
        let level = |id: &str| city.thresholds[id].for_device(station).expect("a level");
        assert!(level("flood.bd1") < level("flood.bd2"), "{station}");
        assert!(level("flood.bd2") < level("flood.bd3"), "{station}");
    }
}

#[test]
fn a_wrong_indicator_names_its_place_and_the_likely_word() {
    check(
        &changed(
            "services.yaml",
            "indicators: [speed, traffic_flow",
            "indicators: [sped, traffic_flow",
        ),
        "services.yaml:14:16: unknown property `sped`\n  hint: did you mean `speed`?",
    );
}

#[test]
fn a_wrong_device_row_names_every_field() {
    check(
        &changed(
            "devices.csv",
            "river_gauge,river,cam_le,16.011,108.204,water_level,600",
            "river_gauge,rivr,cam_lee,16.011,1o8,water_level;depth,600",
        ),
        "devices.csv:9:91: unknown service `rivr`\n  hint: did you mean `river`?\n\
         devices.csv:9:96: unknown area `cam_lee`\n  hint: did you mean `cam_le`?\n\
         devices.csv:9:111: `1o8` is not a number\n\
         devices.csv:9:115: unknown property `depth`",
    );
}

#[test]
fn mistakes_of_several_files_come_together() {
    let mut files = changed("thresholds.yaml", "unit: m\n", "unit: metre\n");
    let areas = files.0.get_mut("areas.csv").expect("shipped file");
    *areas = areas.replacen(",ward,", ",borough,", 1);
    let city = files.0.get_mut("city.yaml").expect("shipped file");
    *city = city.replace("Asia/Ho_Chi_Minh", "Asia/Danang");
    files.0.remove("services.yaml");
    check(
        &files,
        "areas.csv:4:15: unknown kind `borough`\n  hint: expected ward, commune or special_zone\n\
         city.yaml:6:12: unknown time zone `Asia/Danang`\n  \
         hint: an IANA name such as Asia/Ho_Chi_Minh\n\
         services.yaml:0:0: the file is missing\n  \
         hint: copy it from the shipped configuration, then change it\n\
         thresholds.yaml:4:9: no property has the unit `metre`\n  \
         hint: write the unit as in properties.yaml",
    );
}

#[test]
fn a_threshold_may_be_a_rate_of_a_known_unit() {
    let files = changed("thresholds.yaml", "unit: m\n", "unit: m/h\n");
    assert!(City::load(&files).is_ok());
    check(
        &changed("thresholds.yaml", "unit: m\n", "unit: m/week\n"),
        "thresholds.yaml:4:9: no property has the unit `m/week`\n  \
         hint: write the unit as in properties.yaml",
    );
}

#[test]
fn a_mistake_of_form_in_yaml_has_its_place() {
    check(
        &changed("services.yaml", "  order: 2\n", "  order: two\n"),
        "services.yaml:11:10: invalid u32\n  hint: found `two`",
    );
    check(
        &changed("services.yaml", "  order: 2\n", "  ordre: 2\n"),
        "services.yaml:11:3: unknown field `ordre`, expected one of id, order, group, name, indicators\n  hint: found `ordre:`",
    );
}

#[test]
fn a_boundary_of_no_area_and_an_area_without_boundary_are_mistakes() {
    check(
        &changed("boundaries.geojson", "\"id\":\"hai_van\"", "\"id\":\"haivan\""),
        "boundaries.geojson:0:0: area `hai_van` has no boundary\n\
         boundaries.geojson:2:1: unknown area `haivan`\n  hint: did you mean `hai_van`?",
    );
}

#[test]
fn a_device_list_without_the_later_columns_is_still_read() {
    let mut files = shipped();
    let text = files.0.get_mut("devices.csv").expect("shipped file");
    let header = "id,name_vi,name_en,kind,service,area,lat,lon,properties,cadence_s";
    *text = format!("{header}\na,A,A,camera,traffic,hai_chau,16.07,108.22,speed,60\n");
    files.0.remove("zones.geojson");
    files.0.insert("thresholds.yaml".into(), "[]".into());
    let city = City::load(&files).expect("an older configuration");
    let device = &city.devices["a"];
    assert_eq!((&device.parent, &device.segment), (&None, &None));
    assert!(city.zones.is_empty());
}

#[test]
fn a_parent_must_be_another_known_device() {
    let row = |id: &str, parent: &str| {
        format!("{id},A,A,camera,traffic,hai_chau,16.07,108.22,speed,60,{parent},le duan\n")
    };
    let mut files = shipped();
    let text = files.0.get_mut("devices.csv").expect("shipped file");
    for (id, parent) in [("x1", "x2"), ("x2", "x1"), ("x3", "x4"), ("x4", "")] {
        text.push_str(&row(id, parent).replace("le duan", ""));
    }
    text.push_str(&row("x5", "river-cam-lee"));
    let own = "is its own parent\n  hint: the parent is the gateway that the device speaks through";
    check(
        &files,
        &format!(
            "devices.csv:204:54: device `x1` {own}\ndevices.csv:205:54: device `x2` {own}\n\
             devices.csv:208:54: unknown parent device `river-cam-lee`\n  \
             hint: did you mean `river-cam-le`?\n\
             devices.csv:208:68: `le duan` cannot be an id\n  \
             hint: 1 to 64 of the characters A-Z a-z 0-9 _ . : -"
        ),
    );
}

#[test]
fn a_list_with_a_strange_column_is_refused() {
    let files = changed("devices.csv", ",parent,segment\n", ",parent,road\n");
    check(
        &files,
        "devices.csv:8:1: expected the columns id,name_vi,name_en,kind,service,area,lat,lon,\
         properties,cadence_s\n  hint: further ones: parent,segment",
    );
}

#[test]
fn shipped_zones_lie_where_their_names_say() {
    let city = City::load(&shipped()).expect("shipped city loads");
    for (zone, lat, lon, expect) in [
        ("tho_quang_harbour", 16.0985, 108.2440, true),
        ("tho_quang_harbour", 16.1100, 108.2440, false),
        ("tien_sa_port", 16.1220, 108.2150, true),
        ("da_nang_hospital", 16.0727, 108.2158, true),
        ("cham_islands_reserve", 15.92, 108.50, true),
        ("cham_islands_reserve", 15.96, 108.51, false), // The village is a hole.
        ("cham_islands_reserve", 15.98, 108.41, true),  // The second part.
        ("fishing_watch", 16.3714, 112.0786, true),
    ] {
        let found = city.zones[zone].contains(lon, lat);
        assert_eq!(found, expect, "{zone} at {lat}, {lon}");
    }
    let zone = &city.zones["cham_islands_reserve"];
    assert_eq!(zone.bounds, (108.4, 15.9, 108.56, 16.01));
    for zone in city.zones.values() {
        let source = zone.source.as_deref().unwrap_or_default();
        assert!(source.contains("proposal"), "{} says where it comes from", zone.id);
    }
}

#[test]
fn a_wrong_zone_names_its_place() {
    let zones = |features: &str| {
        let mut files = shipped();
        let text = format!("{{\"type\":\"FeatureCollection\",\"features\":[\n{features}\n]}}");
        files.0.insert("zones.geojson".into(), text);
        files
    };
    let zone = |id: &str, coordinates: &str| {
        format!(
            "{{\"properties\":{{\"id\":\"{id}\",\"name_vi\":\"A\",\"name_en\":\"A\",\"kind\":\"port\"}},\n\
             \"geometry\":{{\"type\":\"Polygon\",\"coordinates\":{coordinates}}}}}"
        )
    };
    let good = "[[[108.2,16],[108.3,16],[108.3,16.1],[108.2,16]]]";
    let shape = "\n  hint: expected the properties id, name_vi, name_en, kind and a Polygon or \
                 MultiPolygon";
    let all = [
        zone("a", good),
        zone("a", good),
        zone("hai_chau", good),
        zone("b", "[[[16,108.2],[16,108.3],[16.1,108.3],[16,108.2]]]"),
        zone("c", "[[[108.2,16],[108.3,16],[108.3,16.1]]]"),
        zone("d", "[[[108.2,16],[108.3],[108.3,16.1]]]"),
        zone("e", "[]"),
        zone("f", good).replace("name_vi", "name"),
        zone("g", good).replace("Polygon", "Point"),
    ];
    check(
        &zones(&all.join(",\n")),
        &format!(
            "zones.geojson:4:1: zone `a` is there already\n\
             zones.geojson:6:15: `hai_chau` is the id of an area\n  \
             hint: rules may name areas as zones: choose another id\n\
             zones.geojson:9:45: no place on earth: longitude 16, latitude 108.2\n  \
             hint: longitude comes first\n\
             zones.geojson:11:45: a ring needs at least four positions, the last like the first\n\
             zones.geojson:13:64: not a ring of positions: a position is [longitude, latitude]{shape}\n\
             zones.geojson:15:44: the zone has no outline\n\
             zones.geojson:16:63: not the properties of a zone: missing field `name_vi`{shape}\n\
             zones.geojson:19:42: a zone cannot be a `Point`{shape}"
        ),
    );
    check(
        &zones("{\"type\": 5}, 7"),
        &format!(
            "zones.geojson:2:11: not a usable feature: missing field `properties`{shape}\n\
         zones.geojson:2:14: not a usable feature: invalid type: integer `7`, expected struct Feature{shape}"
        ),
    );
}

#[test]
fn the_air_quality_index_has_the_breakpoints_of_the_decision() {
    let city = City::load(&shipped()).expect("shipped city loads");
    let aqi = &city.indices["vn_aqi"];
    assert_eq!(aqi.scale, [0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0]);
    let at = |p: &str, h: u32| aqi.table(p, h).map(|t| t.at.clone()).expect("a table");
    assert_eq!(at("pm25", 24), [0.0, 25.0, 50.0, 80.0, 150.0, 250.0, 350.0, 500.0]);
    assert_eq!(at("o3", 8), [0.0, 100.0, 120.0, 170.0, 210.0, 400.0]);
    assert_eq!(at("so2", 1)[4..], [800.0, 1600.0, 2100.0, 2630.0]);
    let level = |v: f64| aqi.level(v).map(|l| (l.name.vi.as_str(), l.colour.as_str()));
    assert_eq!(level(50.0), Some(("Tốt", "#00e400")));
    assert_eq!(level(51.0), Some(("Trung bình", "#ffff00")));
    assert_eq!(level(500.0), Some(("Nguy hại", "#7e0023")));
}

#[test]
fn a_city_without_the_file_of_indices_has_none() {
    let mut files = shipped();
    files.0.remove("indices.yaml");
    assert!(City::load(&files).expect("still a city").indices.is_empty());
}

#[test]
fn mistakes_in_an_index_have_their_places() {
    check(
        &changed(
            "indices.yaml",
            "property: pm25, unit: \"µg/m³\"",
            "property: pm26, unit: \"ppb\"",
        ),
        "indices.yaml:13:19: unknown property `pm26`\n  hint: did you mean `pm25`?",
    );
    check(
        &changed("indices.yaml", "[0, 25, 50, 80", "[0, 25, 25, 80"),
        "indices.yaml:13:58: `at` needs two or more numbers that rise",
    );
    check(
        &changed("indices.yaml", "2019-11-12", "12/11/2019"),
        "indices.yaml:8:14: `12/11/2019` is not a date\n  hint: as in 2019-11-12",
    );
    check(
        &changed("indices.yaml", "average: 8h", "average: 8d"),
        "indices.yaml:16:47: `8d` is not an averaging time\n  hint: 1h to 24h",
    );
    check(
        &changed("indices.yaml", "\"#ff7e00\"", "orange"),
        "indices.yaml:23:62: `orange` is not a colour\n  hint: as in \"#ff7e00\"",
    );
}

#[test]
fn a_cluster_stands_for_its_wards() {
    let city = City::load(&shipped()).expect("shipped city loads");
    let named = |ids: &[&str]| city.wards(&ids.iter().map(|id| (*id).into()).collect::<Vec<_>>());
    let both = named(&["hoi_an_and_islands", "hai_chau"]);
    for (ward, inside) in [("hoi_an", true), ("hoi_an_tay", true), ("hai_chau", true)] {
        assert_eq!(both.holds(ward), inside, "{ward}");
    }
    assert!(!both.holds("son_tra") && !both.holds("hoi_an_and_islands"));
    assert_eq!(named(&["no_such_cluster"]), crate::Choice::only(<[&str; 0]>::default()));
}

#[test]
fn a_city_without_the_file_of_clusters_has_none() {
    let mut files = shipped();
    files.0.remove("clusters.yaml");
    assert!(City::load(&files).expect("loads").clusters.is_empty());
    files.0.insert("clusters.yaml".into(), "[]".into());
    assert!(City::load(&files).expect("loads").clusters.is_empty());
}

#[test]
fn a_wrong_cluster_names_its_place_and_the_likely_word() {
    let clusters = |text: &str| {
        let mut files = shipped();
        files.0.insert("clusters.yaml".into(), text.into());
        files
    };
    let name = "name: { vi: A, en: A }";
    check(
        &clusters(&format!(
            "- {{ id: a, {name}, areas: [hai_chau, hai_chu, hai_chau] }}\n\
             - {{ id: a, {name}, areas: [son_tra] }}\n\
             - {{ id: son_tra, {name}, areas: [son_tra] }}\n\
             - {{ id: unassigned, {name}, areas: [son_tra] }}\n\
             - {{ id: \"b c\", {name}, areas: [] }}\n"
        )),
        "clusters.yaml:1:54: unknown area `hai_chu`\n  hint: did you mean `hai_chau`?\n\
         clusters.yaml:1:63: area `hai_chau` is there already\n\
         clusters.yaml:2:9: cluster `a` is there already\n\
         clusters.yaml:3:9: `son_tra` is the id of an area\n  \
         hint: people may be given areas and clusters: choose another id\n\
         clusters.yaml:4:9: `unassigned` is the id of an area\n  \
         hint: people may be given areas and clusters: choose another id\n\
         clusters.yaml:5:9: `b c` cannot be an id\n  \
         hint: 1 to 64 of the characters A-Z a-z 0-9 _ . : -\n\
         clusters.yaml:5:47: cluster `b c` has no areas",
    );
    check(
        &clusters("- { id: a, name: { vi: A, en: A }, wards: [hai_chau] }\n"),
        "clusters.yaml:1:36: unknown field `wards`, expected one of id, name, areas\n  \
         hint: found `wards:`",
    );
}
