//! Every window computed anew from all readings.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

type Reading = (i64, f64);

/// The aggregate of a window as a textbook has it.
fn aggregate(word: &str, values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(match word {
        "count" => n,
        "sum" => sum,
        "distinct" => values.iter().map(|v| v.to_bits()).collect::<BTreeSet<_>>().len() as f64,
        _ if values.is_empty() => return None,
        "mean" => sum / n,
        "mean_level" => {
            10.0 * (values.iter().map(|v| 10f64.powf(v / 10.0)).sum::<f64>() / n).log10()
        }
        "min" => sorted[0],
        "max" => sorted[sorted.len() - 1],
        "stddev" if values.len() < 2 => return None,
        "stddev" => {
            let mean = sum / n;
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
        }
        // The smallest that at least p percent do not exceed.
        "percentile" => {
            let share = |v: f64| values.iter().filter(|x| **x <= v).count() as f64 / n;
            sorted.iter().copied().find(|v| share(*v) >= 0.75).expect("the largest one")
        }
        _ => unreachable!("{word}"),
    })
}

const WORDS: [&str; 9] =
    ["count", "sum", "mean", "mean_level", "min", "max", "stddev", "percentile", "distinct"];

fn values(readings: &[Reading], within: impl Fn(i64) -> bool) -> Vec<f64> {
    readings.iter().filter(|(t, _)| within(*t)).map(|(_, v)| *v).collect()
}

/// Tumbling and hopping: all panes from the first reading on, of empty windows only the first.
fn panes(readings: &[Reading], word: &str, size: i64, slide: i64) -> Vec<(i64, Option<f64>)> {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return vec![] };
    // T0 is a local midnight and all slides here divide a day.
    let mut end = T0 + (first.0 - T0).div_euclid(slide) * slide + slide;
    let mut out = Vec::new();
    let mut empty = true;
    while end - size <= last.0 + slide {
        let inside = values(readings, |t| end - size <= t && t < end);
        if !(empty && inside.is_empty()) {
            out.push((end, aggregate(word, &inside)));
        }
        empty = inside.is_empty();
        end += slide;
    }
    out
}

fn each(readings: &[Reading], word: &str, size: i64) -> Vec<(i64, Option<f64>)> {
    let mut times: BTreeSet<(i64, usize)> = readings.iter().map(|r| (r.0 + size, 0)).collect();
    times.extend(readings.iter().enumerate().map(|(i, r)| (r.0, i + 1)));
    let window = |(t, reading): (i64, usize)| {
        // Who leaves does so before those who come in the same moment.
        let heard = if reading > 0 {
            &readings[..reading]
        } else {
            &readings[..readings.partition_point(|r| r.0 < t)]
        };
        (t, aggregate(word, &values(heard, |at| t - size < at)))
    };
    times.into_iter().map(window).collect()
}

fn sessions(
    readings: &[Reading],
    word: &str,
    (gap, max, early): (i64, i64, bool),
) -> Vec<(i64, Option<f64>)> {
    let mut out = Vec::new();
    let mut from = 0;
    for i in 0..readings.len() {
        let of = |to: usize| values(&readings[from..to], |_| true);
        if early {
            out.push((readings[i].0, aggregate(word, &of(i + 1))));
        }
        let end = (readings[i].0 + gap).min(readings[from].0 + max);
        if readings.get(i + 1).is_none_or(|next| next.0 >= end) {
            if !early {
                out.push((end, aggregate(word, &of(i + 1))));
            }
            from = i + 1;
        }
    }
    out
}

/// A kind of window with its naive twin.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Panes(i64, i64),
    Each(i64),
    Session(i64, i64, bool),
}

impl Kind {
    fn yaml(self) -> String {
        match self {
            Self::Panes(size, slide) => format!("size: {size}ms\nslide: {slide}ms"),
            Self::Each(size) => format!("size: {size}ms\nslide: each"),
            Self::Session(gap, max, early) => {
                format!("gap: {gap}ms\nmax: {max}ms\nearly: {early}")
            }
        }
    }

    fn naive(self, readings: &[Reading], word: &str) -> Vec<(i64, f64)> {
        let all = match self {
            Self::Panes(size, slide) => panes(readings, word, size, slide),
            Self::Each(size) => each(readings, word, size),
            Self::Session(gap, max, early) => sessions(readings, word, (gap, max, early)),
        };
        all.into_iter().filter_map(|(t, v)| Some((t, v?))).collect()
    }
}

fn rule(kind: Kind, word: &str, grace: i64) -> Run {
    let property = if word == "mean_level" { "noise_laeq" } else { "temperature" };
    let percentile = if word == "percentile" { "percentile: 75\n" } else { "" };
    let yaml = format!("property: {property}\naggregate: {word}\n{percentile}{}", kind.yaml());
    Run::new(&format!("{yaml}\ngrace: {grace}ms"))
}

fn near(got: &[(i64, f64)], expect: &[(i64, f64)], word: &str) -> Result<(), TestCaseError> {
    let exact = !matches!(word, "stddev" | "mean_level");
    prop_assert_eq!(got.len(), expect.len(), "{} {:?} {:?}", word, got, expect);
    for (g, e) in got.iter().zip(expect) {
        let off = if exact { 0.0 } else { 1e-9 * (1.0 + e.1.abs()) };
        prop_assert!(g.0 == e.0 && (g.1 - e.1).abs() <= off, "{word} {g:?} is not {e:?}");
    }
    Ok(())
}

/// Gaps of all sizes: none, bursts, silences longer than any window here.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0i64), 6 => 1i64..900, 4 => 900i64..9_000, 1 => 9_000i64..400_000]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (1i64..9, prop::sample::select(vec![500i64, 1_000, 6_000]))
            .prop_map(|(n, slide)| Kind::Panes(n * slide, slide)),
        (200i64..20_000).prop_map(Kind::Each),
        (200i64..9_000, 1i64..30_000, any::<bool>()).prop_map(|(gap, more, early)| Kind::Session(
            gap,
            gap + more,
            early
        )),
    ]
}

/// Quarters add up exactly, so that sums must be equal to the bit.
fn stream() -> impl Strategy<Value = Vec<Reading>> {
    prop::collection::vec((gap(), -100i32..280), 1..90).prop_map(|steps| {
        let mut t = T0 + 12_345;
        let step = |(gap, v): (i64, i32)| {
            t += gap;
            (t, f64::from(v) / 4.0)
        };
        steps.into_iter().map(step).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_window_and_aggregate_equals_naive_recomputation(readings in stream(), kind in kind()) {
        for word in WORDS {
            let mut run = rule(kind, word, 0);
            for (t, v) in &readings {
                run.arrive(*t, *t, *v);
            }
            run.time(T0 + 1_000_000_000);
            near(&run.told(), &kind.naive(&readings, word), word)?;
        }
    }

    #[test]
    fn the_order_of_arrival_within_the_grace_does_not_matter(
        readings in stream(),
        kind in kind(),
        delays in prop::collection::vec(0i64..5_000, 90),
        tenths in prop::collection::vec(0i32..3_000, 90),
    ) {
        for word in WORDS {
            // Tenths do not add up exactly: even so the results must be the same to the bit.
            let readings: Vec<Reading> =
                readings.iter().zip(&tenths).map(|(r, v)| (r.0, f64::from(*v) / 10.0)).collect();
            let mut order: Vec<(i64, Reading)> =
                readings.iter().zip(&delays).map(|(r, delay)| (r.0 + delay, *r)).collect();
            let (mut straight, mut mixed) =
                (rule(kind, word, 5_000).group(), rule(kind, word, 5_000).group());
            for (t, v) in &readings {
                straight.arrive(*t, *t, *v);
            }
            order.sort_by_key(|(now, _)| *now);
            for (now, (t, v)) in &order {
                mixed.arrive(*now, *t, *v);
            }
            straight.time(T0 + 1_000_000_000);
            mixed.time(T0 + 1_000_000_000);
            prop_assert_eq!(&straight.out, &mixed.out, "{}", word);
            prop_assert_eq!(mixed.rule.account(&mixed.state).0, 0.0);
        }
    }

    #[test]
    fn waiting_for_stragglers_changes_no_result(readings in stream(), kind in kind()) {
        for word in ["sum", "percentile", "distinct"] {
            let mut run = rule(kind, word, 7_000);
            for (t, v) in &readings {
                run.arrive(*t, *t, *v);
            }
            run.time(T0 + 1_000_000_000);
            let mut sorted = readings.clone();
            if !matches!(kind, Kind::Panes(..)) {
                // Of one moment in order of value.
                sorted.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            }
            near(&run.told(), &kind.naive(&sorted, word), word)?;
        }
    }
}
