//! docs/formats.md says what the examples say: its numbers and its examples are compared with
//! `ingest/examples/*.jsonl`; `IOC_WRITE_DOCS=1` writes them anew.

use std::collections::BTreeSet;
use std::path::Path;

use super::example::{Example, examples, formats};
use super::units;

/// `| format | … | examples | of them traps | taken | silent | refused | reasons |`: the last six
/// cells of a format's row.
fn numbers(format: &str) -> String {
    let all = examples(format);
    let count = |is: &dyn Fn(&&Example) -> bool| all.iter().filter(is).count();
    let taken = count(&|e| e.expect == "accepted");
    let silent = count(&|e| e.expect == "silent");
    let reasons: BTreeSet<&str> =
        (all.iter().map(|e| &*e.expect)).filter(|e| !["accepted", "silent"].contains(e)).collect();
    let cells = [
        all.len(),
        count(&|e| e.about.starts_with("trap:")),
        taken,
        silent,
        all.len() - taken - silent,
        reasons.len(),
    ];
    cells.map(|n| format!(" {n} |")).concat()
}

/// A documented example as somebody would try it, and what it says.
fn shown(example: &Example, all: &[Example]) -> String {
    let Example { topic, payload, text, base64, .. } = example;
    let mut lines = vec!["```sh".to_owned()];
    let one = |e: &Example| {
        let json = e.payload.as_ref().map(|p| p.get());
        json.or(e.text.as_deref()).unwrap_or_default().to_owned()
    };
    if let Some(base64) = base64 {
        lines.push(format!("echo {base64} |"));
        lines.push(format!("  base64 -d | ioc decode --topic '{topic}'"));
    } else if example.after.is_empty() {
        assert!(payload.is_some() || text.is_some(), "{topic}: nothing to show");
        lines.push(format!("ioc decode --topic '{topic}' <<'E'\n{}\nE", one(example)));
    } else {
        lines.push("ioc decode --lines <<'E'".into());
        let before = example.after.iter().filter_map(|a| all.iter().find(|e| e.about == *a));
        lines.extend(before.chain([example]).map(|e| format!("{} {}", e.topic, one(e))));
        lines.push("E".into());
    }
    lines.extend(example.records.iter().map(|record| format!("# {record}")));
    lines.push("```".into());
    lines.join("\n")
}

/// The text with what can be counted and shown from the examples.
fn written(text: &str) -> String {
    let known = formats();
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let named = line.strip_prefix("| [").and_then(|l| l.split_once(']')).map(|(name, _)| name);
        if let Some(format) = named.filter(|name| known.iter().any(|k| k == name)) {
            let cells: Vec<&str> = line.trim_end_matches('|').split('|').collect();
            let said = cells.len().checked_sub(6).and_then(|n| cells.get(..n));
            out.push(format!("{}|{}", said.expect("six numbers").join("|"), numbers(format)));
        } else if let Some(which) = line.strip_prefix("<!-- example ") {
            let which = which.strip_suffix(" -->").expect("the end of a comment");
            let (format, about) = which.split_once(": ").expect("format: about");
            let all = examples(format);
            let example = all.iter().find(|e| e.about == about);
            let example = example.unwrap_or_else(|| unreachable!("{format}: {about}"));
            out.extend([line.to_owned(), shown(example, &all), "<!-- end -->".to_owned()]);
            let end = lines.find(|l| *l == "<!-- end -->");
            assert!(end.is_some(), "{which}: no end");
        } else if line.starts_with("**Units.** ") {
            let (symbols, quantities) = units::table_size();
            let rest = line.split_once(" quantities").expect("so many quantities").1;
            out.push(format!("**Units.** {symbols} symbols of {quantities} quantities{rest}"));
        } else {
            out.push(line.to_owned());
        }
    }
    out.join("\n") + "\n"
}

#[test]
fn the_table_of_formats_is_what_the_examples_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let text = std::fs::read_to_string(&path).expect("docs/formats.md");
    for format in formats() {
        assert!(text.contains(&format!("\n| [{format}](#{format}) |")), "{format} has no row");
        assert!(text.contains(&format!("\n## {format}\n")), "{format} has no section");
        assert!(text.contains(&format!("\n<!-- example {format}: ")), "{format} shows nothing");
    }
    let right = written(&text);
    if std::env::var_os("IOC_WRITE_DOCS").is_some() {
        std::fs::write(&path, &right).expect("written");
        return;
    }
    let differs = text.lines().zip(right.lines()).find(|(is, should)| is != should);
    assert!(
        text == right,
        "docs/formats.md is out of date: IOC_WRITE_DOCS=1 cargo test -p ioc-ingest docs::\n{differs:?}"
    );
}
