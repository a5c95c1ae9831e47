use std::sync::Arc;

use ioc_model::{City, ConfigFiles, RuleChanges, Timestamp};
use ioc_rules::RuleInfo;

use super::files::{Folder, RuleFiles, changeable, changes};
use super::versions::{NewVersion, VersionStore};
use super::{Loader, edit};

const AIR: &str = "\
# Air of the city.
rules:
  # The limit of the day.
  - id: air.a   # first
    kind: threshold
    service: air
    name: { vi: \"a\", en: \"a\" }
    property: pm25
    levels:
      - severity: minor
        raise: \"> 50\"
        clear: \"< 45\"
    message: { vi: \"a\", en: \"a\" }

  # About the second.
  - id: air.b
    kind: threshold
    mode: shadow   # until spring
    service: air
    name: { vi: \"b\", en: \"b\" }
    property: pm25
    levels:
      - severity: minor
        raise: \"> 80\"
        clear: \"< 75\"
    message: { vi: \"b\", en: \"b\" }
";

pub(crate) fn base() -> (ConfigFiles, Arc<City>) {
    let mut files = crate::config::shipped();
    files.0.retain(|path, _| !path.starts_with("rules/"));
    let city = City::load(&files).expect("the shipped city");
    (files, Arc::new(city))
}

fn files(text: &str) -> RuleFiles {
    let (base, _) = base();
    let mut files = changeable(&base);
    files.insert("rules/air.yaml".into(), text.into());
    files
}

fn infos(files: &RuleFiles) -> Vec<RuleInfo> {
    let (base, city) = base();
    Loader::new(&base, city).accept(files).expect("good rules").set.infos()
}

fn rule(id: &str, limit: u32) -> String {
    format!(
        "id: {id}\nkind: threshold\nservice: air\nname: {{ vi: x, en: x }}\nproperty: pm25\n\
         levels:\n  - {{ severity: minor, raise: \"> {limit}\", clear: \"< {limit}\" }}\n\
         # why: the text of\n# the rule\nmessage: {{ vi: x, en: x }}\n"
    )
}

#[test]
fn a_replaced_rule_leaves_every_other_line_as_it_was() {
    let before = files(AIR);
    let put = edit::put(&before, &infos(&before), "air.a", &rule("air.a", 60)).expect("fits");
    let after = &put.files["rules/air.yaml"];
    let (head, tail) = AIR.split_once("  - id: air.a").expect("is there");
    let (_, tail) = tail.split_once("\n\n").expect("a blank line");
    assert!(after.starts_with(head), "{after}");
    assert!(after.ends_with(&format!("\n\n{tail}")), "{after}");
    let found = infos(&put.files);
    assert!(found[0].source.contains("> 60"), "{}", found[0].source);
    assert_eq!(changes(&infos(&before), &found).edited, ["air.a".into()]);
    assert_eq!(put.line, 4);
}

#[test]
fn the_source_of_a_rule_put_back_changes_nothing() {
    let before = files(AIR);
    let held = infos(&before);
    for info in &held {
        let put = edit::put(&before, &held, &info.id, &info.source).expect("fits");
        assert_eq!(put.files, before, "{}", info.id);
    }
}

#[test]
fn a_new_rule_goes_into_a_file_of_its_own_and_the_next_below_it() {
    let before = files(AIR);
    let one = edit::put(&before, &infos(&before), "c", &rule("c", 1)).expect("fits");
    assert_eq!(one.files["rules/air.yaml"], AIR);
    let two = edit::put(&one.files, &infos(&one.files), "d", &rule("d", 2)).expect("fits");
    let ids: Vec<String> = infos(&two.files).iter().map(|i| i.id.to_string()).collect();
    assert_eq!(ids, ["air.a", "air.b", "c", "d"]);
    assert!(two.files["rules/local.yaml"].starts_with(one.files["rules/local.yaml"].trim_end()));
}

#[test]
fn the_mode_is_one_line_with_its_comment_kept() {
    let before = files(AIR);
    let held = infos(&before);
    let on = edit::mode(&before, &held[1], "on").expect("has a line");
    let expected = AIR.replace("mode: shadow   # until", "mode: \"on\" # until");
    assert_eq!(on.files["rules/air.yaml"], expected);
    let off = edit::mode(&before, &held[0], "off").expect("gets a line");
    let expected = AIR.replacen("kind: threshold\n", "kind: threshold\n    mode: \"off\"\n", 1);
    assert_eq!(off.files["rules/air.yaml"], expected);
    assert_eq!(infos(&off.files)[0].mode, "off");
}

#[test]
fn deleted_rules_leave_a_file_that_still_loads() {
    let mut held = files(AIR);
    for (id, last) in [("air.b", false), ("air.a", true)] {
        let rules = infos(&held);
        let rule = rules.iter().find(|r| &*r.id == id).expect("is there");
        held = edit::delete(&held, rule, last).expect("has lines").files;
    }
    assert!(infos(&held).is_empty());
    assert!(held["rules/air.yaml"].contains("# About the second."), "{}", held["rules/air.yaml"]);
}

#[test]
fn texts_that_are_not_one_rule_are_refused() {
    let before = files(AIR);
    let held = infos(&before);
    let two = format!("- id: x\n  kind: threshold\n- {}", rule("y", 1).replace('\n', "\n  "));
    for (text, problem) in
        [("", "no rule"), ("# only\n\n", "no rule"), (&two, "one rule at a time")]
    {
        let error = edit::put(&before, &held, "x", text).expect_err(problem);
        assert!(error.contains(problem), "{error}");
    }
    let flow = files(
        "rules: [{ id: f, kind: threshold, service: air, name: { vi: a, en: a }, property: pm25, levels: [{ severity: minor, raise: \"> 1\", clear: \"< 1\" }], message: { vi: a, en: a } }]\n",
    );
    let error =
        edit::put(&flow, &infos(&flow), "f", &rule("f", 1)).expect_err("no lines of its own");
    assert!(error.contains("edit the file"), "{error}");
}

fn version(note: &str, text: &str) -> NewVersion {
    NewVersion {
        parent: None,
        at: Timestamp(5),
        author: "lan".into(),
        note: Some(note.into()),
        change: RuleChanges { added: vec!["air.a".into()], ..RuleChanges::default() },
        trial: None,
        files: files(text),
    }
}

#[test]
fn the_version_of_a_position_is_the_newest_that_began_before_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rules/versions.sqlite");
    let store = VersionStore::open(&path).expect("opens");
    for (position, expected) in [(0, (1, 0)), (10, (2, 10)), (10, (3, 10)), (7, (4, 10))] {
        let made = store.insert(position, &version("n", AIR)).expect("durable");
        assert_eq!(made, expected, "a position never goes back");
    }
    drop(store);
    let store = VersionStore::open(&path).expect("opens again");
    let at = |p| store.in_force_at(p).expect("reads").expect("some").number;
    assert_eq!([at(0), at(9), at(10), at(99)], [1, 1, 4, 4]);
    assert_eq!(store.after(9).expect("reads"), [(2, 10), (3, 10), (4, 10)]);
    assert!(store.after(10).expect("reads").is_empty());
    assert_eq!(store.touched().expect("reads")["air.a"].version, 4);
    assert_eq!(store.latest().expect("reads").expect("some").files, files(AIR));
}

#[test]
fn old_versions_are_dropped_beyond_a_thousand() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = VersionStore::open(&dir.path().join("v.sqlite")).expect("opens");
    let new = NewVersion { files: RuleFiles::new(), ..version("n", AIR) };
    for n in 0..1_003 {
        store.insert(n, &new).expect("durable");
    }
    let kept = store.list(2_000).expect("reads");
    assert_eq!((kept.len(), kept[0].number, kept[999].number), (1_000, 1_003, 4));
    assert_eq!(store.in_force_at(0).expect("reads").expect("the oldest kept").number, 4);
}

#[test]
fn a_folder_gets_exactly_the_files_of_a_version() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = Folder(dir.path().to_owned());
    let mut one = files(AIR);
    folder.write(&RuleFiles::new(), &one).expect("writes");
    assert_eq!(folder.read().expect("reads"), one);
    let first = folder.fingerprint();
    let mut two = one.clone();
    two.remove("rules/air.yaml");
    two.insert("rules/more/new.yaml".into(), "rules: []\n".into());
    folder.write(&one, &two).expect("writes");
    assert_eq!(folder.read().expect("reads"), two);
    assert_ne!(folder.fingerprint(), first);
    one.clear();
    std::fs::write(dir.path().join("rules/.swap.yaml"), "rules: [").expect("writes");
    assert_eq!(folder.read().expect("reads"), two, "editors' copies are not read");
}

#[test]
fn a_folder_without_rules_is_a_mistake_and_a_threshold_is_part_of_the_rules() {
    let (base, city) = base();
    let loader = Loader::new(&base, city);
    let none = changeable(&base);
    let mistakes = loader.accept(&none).err().expect("no file");
    assert!(mistakes[0].message.contains("no rule file"), "{mistakes:?}");
    let mut changed = files(AIR);
    let thresholds = changed["thresholds.yaml"].replacen("value:", "valeu:", 1);
    changed.insert("thresholds.yaml".into(), thresholds);
    let mistakes = loader.accept(&changed).err().expect("a misspelt field");
    assert!(mistakes.iter().any(|m| m.file == "thresholds.yaml"), "{mistakes:?}");
}
