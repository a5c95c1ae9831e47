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
        "devices.csv",
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
        "devices.csv:7:91: unknown service `rivr`\n  hint: did you mean `river`?\n\
         devices.csv:7:96: unknown area `cam_lee`\n  hint: did you mean `cam_le`?\n\
         devices.csv:7:111: `1o8` is not a number\n\
         devices.csv:7:115: unknown property `depth`",
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
