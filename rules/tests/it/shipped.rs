//! The rules of Đà Nẵng in `config/rules`.

use ioc_model::City;
use ioc_rules::RuleSet;

use crate::world::shipped_files;

#[test]
fn shipped_rules_load_and_their_own_tests_pass() {
    let files = shipped_files();
    let city = match City::load(&files) {
        Ok(city) => city,
        Err(errors) => unreachable!("city: {errors:#?}"),
    };
    let set = match RuleSet::load(&files, &city) {
        Ok(set) => set,
        Err(errors) => {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            unreachable!("rules:\n{}", all.join("\n"))
        }
    };
    let passed = set.run_tests().unwrap_or_else(|failed| {
        let all: Vec<String> = failed.iter().map(ToString::to_string).collect();
        unreachable!("tests:\n{}", all.join("\n"))
    });
    assert!(passed >= 8, "only {passed} tests ran");
    let infos = set.infos();
    let slow = infos.iter().find(|r| &*r.id == "traffic.slow").expect("shipped");
    assert!(slow.source.trim_start().starts_with("- id: traffic.slow"), "{}", slow.source);
    assert!(slow.source.trim_end().ends_with("expect: []"), "{}", slow.source);
}

#[test]
fn shipped_rules_leave_no_selected_device_out() {
    let files = shipped_files();
    let city = City::load(&files).expect("checked above");
    let set = RuleSet::load(&files, &city).expect("checked above");
    assert_eq!(set.notes(), &[], "shipped rules leave somebody out");
}
