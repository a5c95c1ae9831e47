//! The result as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Run;
use super::published::{LEADERBOARD, NAMES, PER_SERIES};
use super::score::{PROFILES, Profile, Scored, Tally, best_threshold, normalised};
use crate::args::NabArgs;

pub(super) fn text(args: &NabArgs, run: &Run<'_>) -> String {
    let mut out = String::new();
    let windows: usize = run.scored.iter().map(|s| s.series.windows.len()).sum();
    let _ = writeln!(
        out,
        "NAB v1.1 on {} of 58 series, {windows} of 116 windows, from {}\n\
         detector {:?}: {:.2} us per value, at most {} bytes per series\n",
        run.scored.len(),
        args.data.display(),
        args.detector,
        run.us_per_value,
        run.max_bytes
    );
    let thresholds = match args.threshold {
        Some(fixed) => [fixed; 3],
        None => PROFILES.map(|p| best_threshold(&run.scored, &p).0),
    };
    let how = if args.threshold.is_some() { "given" } else { "best for all series together" };
    groups(run, &thresholds, how, &mut out);
    if args.per_series {
        per_series(run, thresholds[0], &mut out);
    }
    own_thresholds(run, &mut out);
    published(run, &mut out);
    out
}

fn sum(scored: &[&Scored<'_>], threshold: f64, profile: &Profile) -> Tally {
    scored.iter().fold(Tally::default(), |t, s| t.plus(s.tally(threshold, profile)))
}

fn by_group<'a, 'b>(run: &'a Run<'b>) -> BTreeMap<&'b str, Vec<&'a Scored<'b>>> {
    let mut groups: BTreeMap<&str, Vec<&Scored<'_>>> = BTreeMap::new();
    for s in &run.scored {
        groups.entry(s.series.group()).or_default().push(s);
    }
    groups
}

fn groups(run: &Run<'_>, thresholds: &[f64; 3], how: &str, out: &mut String) {
    let _ = writeln!(
        out,
        "{:24}{:>7}{:>9}{:>10}{:>8}{:>8}{:>8}{:>8}",
        "group", "series", "windows", "standard", "low FP", "low FN", "found", "false"
    );
    let all: Vec<&Scored<'_>> = run.scored.iter().collect();
    let rows = by_group(run).into_iter().chain([("all", all)]);
    for (name, scored) in rows {
        let tallies = [0, 1, 2].map(|i| sum(&scored, thresholds[i], &PROFILES[i]));
        let shown = [0, 1, 2].map(|i| match tallies[i].normalised(&PROFILES[i]) {
            Some(score) => format!("{score:.1}"),
            None => format!("({:.2})", tallies[i].raw),
        });
        let [standard, fp, missed] = shown;
        let t = &tallies[0];
        let _ = writeln!(
            out,
            "{name:24}{:>7}{:>9}{standard:>10}{fp:>8}{missed:>8}{:>8}{:>8}",
            scored.len(),
            t.windows,
            t.found,
            t.fp
        );
    }
    let [a, b, c] = thresholds;
    let _ = writeln!(
        out,
        "thresholds {a} {b} {c} ({how}); found and false: standard; in brackets: raw, no windows\n"
    );
}

fn per_series(run: &Run<'_>, threshold: f64, out: &mut String) {
    for s in &run.scored {
        let t = s.tally(threshold, &PROFILES[0]);
        let _ = writeln!(
            out,
            "{:56}raw {:>8.4}  found {} of {}  false {}",
            s.series.name, t.raw, t.found, t.windows, t.fp
        );
    }
    out.push('\n');
}

fn own_thresholds(run: &Run<'_>, out: &mut String) {
    let _ = writeln!(out, "each group with a threshold of its own (not the procedure of NAB):");
    for (name, scored) in by_group(run) {
        let windows: usize = scored.iter().map(|s| s.series.windows.len()).sum();
        if windows == 0 {
            continue;
        }
        let scored: Vec<Scored<'_>> = scored.into_iter().cloned().collect();
        let best = PROFILES.map(|p| {
            let (threshold, raw) = best_threshold(&scored, &p);
            format!("{:.1} at {threshold:.3}", normalised(raw, windows, &p))
        });
        let _ = writeln!(out, "{name:24}{}", best.join("   "));
    }
    out.push('\n');
}

fn published(run: &Run<'_>, out: &mut String) {
    let here: Vec<&(&str, [f64; 4])> = PER_SERIES
        .iter()
        .filter(|(name, _)| run.scored.iter().any(|s| s.series.name == *name))
        .collect();
    if here.len() == run.scored.len() {
        let _ = writeln!(
            out,
            "published, on these series alone (standard; thresholds for the whole corpus):"
        );
        for (i, name) in NAMES.iter().enumerate() {
            let score = |group: &str| {
                let mine = |s: &&Scored<'_>| s.series.name.starts_with(group);
                let windows = run.scored.iter().filter(mine).map(|s| s.series.windows.len()).sum();
                let of = here.iter().filter(|(n, _)| n.starts_with(group));
                normalised(of.map(|(_, raw)| raw[i]).sum(), windows, &PROFILES[0])
            };
            let (all, traffic) = (score(""), score("realTraffic/"));
            let _ = writeln!(out, "{name:24}{all:>6.1}   realTraffic {traffic:.1}");
        }
        out.push('\n');
    }
    let _ =
        writeln!(out, "published, on the whole corpus of 58 series (standard, low FP, low FN):");
    for (name, standard, fp, missed) in LEADERBOARD {
        let _ = writeln!(out, "{name:24}{standard:>6.1}{fp:>7.1}{missed:>7.1}");
    }
}
