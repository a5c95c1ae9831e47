use super::*;

fn folder(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn seeds_and_what_fuzzers_found_hold_for_every_target() {
    for target in targets() {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target} has no seed");
        for seed in &seeds {
            run(target, seed);
        }
        let Ok(corpus) = std::fs::read_dir(folder("fuzz/corpus").join(target)) else { continue };
        for entry in corpus {
            let path = entry.expect("readable").path();
            println!("{}", path.display());
            run(target, &std::fs::read(&path).expect("readable"));
        }
    }
}

/// A format is one file and one line; its fuzz target is one more of each.
#[test]
fn every_format_has_examples_and_a_target() {
    let manifest = std::fs::read_to_string(folder("fuzz/Cargo.toml")).expect("fuzz/Cargo.toml");
    for target in targets() {
        let file = folder("fuzz/fuzz_targets").join(format!("{target}.rs"));
        let text = std::fs::read_to_string(&file).expect("a target's file");
        assert_eq!(text.matches(&format!("\"{target}\"")).count(), 2, "{}", file.display());
        assert!(
            manifest.contains(&format!("name = \"{target}\"\n")),
            "{target} in fuzz/Cargo.toml"
        );
    }
    let examples = example::formats();
    for format in targets().iter().take(2 + Decoders::formats().len()) {
        assert!(examples.iter().any(|e| e == format), "examples/{format}.jsonl");
    }
}

#[test]
#[should_panic(expected = "is not there")]
fn a_target_that_is_not_there_is_told() {
    run("nothing", b"");
}
