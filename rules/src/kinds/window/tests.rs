//! Window rules against naive recomputation, and what `docs/rules.md` says.

mod naive;
mod timelines;

use ioc_model::Name;

use super::*;
use crate::kinds::bench::{Bench, T0};
use crate::ruleset::CityView;

/// One rule on one entity, what it told, and a checkpoint after every step.
struct Run {
    rule: WindowRule,
    state: WindowState,
    view: CityView,
    out: Verdicts,
    checkpoints: bool,
}

impl Run {
    fn new(yaml: &str) -> Self {
        let levels = "\nlevels: [{ severity: minor, raise: '> 1' }]";
        let rule = Bench::<WindowRule>::new(&format!("{yaml}{levels}")).kind;
        let (state, out) = (WindowState::default(), Verdicts::new());
        Self { rule, state, view: CityView::default(), out, checkpoints: true }
    }

    /// Of several devices: nothing is known of the order of their readings.
    fn group(mut self) -> Self {
        self.rule.per = Per::Area;
        self
    }

    fn context<'a>(view: &'a CityView, now: i64) -> Context<'a> {
        Context { now, listening_since: T0, cadence_s: 0, device: None, city: view }
    }

    /// Time passes until then; what is due is done one deadline after the other.
    fn time(&mut self, now: i64) {
        let cx = Self::context(&self.view, now);
        let grace = self.rule.grace_ms();
        while let Some(d) = self.rule.deadline(&self.state, &cx).filter(|d| d + grace <= now) {
            self.rule.wake(&mut self.state, &cx, d, &mut self.out);
            let next = self.rule.deadline(&self.state, &cx);
            assert!(next.is_none_or(|next| next > d), "{next:?} after {d}");
        }
    }

    /// A reading of `t` that arrives at `now`.
    fn arrive(&mut self, now: i64, t: i64, v: f64) {
        self.time(now);
        let name: Name = "d0".into();
        let said = Said::Values(&[(0, v)]);
        let message =
            Message { t, received: now, clamped: false, bad: false, device: 0, name: &name, said };
        let cx = Self::context(&self.view, now);
        self.rule.feed(&mut self.state, &cx, &message, &mut self.out);
        if self.checkpoints {
            let bytes = postcard::to_stdvec(&self.state).expect("a state can be written");
            let again: WindowState = postcard::from_bytes(&bytes).expect("and read");
            assert_eq!(again, self.state);
            self.state = again;
        }
    }

    fn told(&self) -> Vec<(i64, f64)> {
        self.out.iter().filter(|v| v.ok).map(|v| (v.t, v.value)).collect()
    }
}

#[test]
fn the_state_of_a_tumbling_mean_is_136_bytes_and_nothing_on_the_heap() {
    let mut run = Run::new("property: pm25\naggregate: mean\nsize: 10s");
    for i in 0..100 {
        run.arrive(T0 + i * 700, T0 + i * 700, i as f64);
    }
    assert!(size_of::<WindowState>() <= 136, "{}", size_of::<WindowState>());
    assert_eq!(run.rule.heap_bytes(&run.state), 0);
}

#[test]
fn a_window_of_every_reading_stays_bounded_and_near() {
    // 200,000 readings of one hour: those of one 1024th leave together.
    let mut run = Run::new("property: pm25\naggregate: count\nsize: 1h\nslide: each");
    run.checkpoints = false;
    for i in 0..400_000i64 {
        run.arrive(T0 + i * 18, T0 + i * 18, 1.0);
    }
    assert!(run.rule.heap_bytes(&run.state) < 300_000, "{}", run.rule.heap_bytes(&run.state));
    let late = run.out.iter().skip(250_000).map(|v| (v.value - 200_000.0).abs());
    let worst = late.fold(0.0, f64::max);
    assert!((1.0..=200_000.0 / 1024.0 + 1.0).contains(&worst), "{worst}");
}

#[test]
fn the_percentile_of_every_reading_keeps_the_newest_values() {
    let mut run =
        Run::new("property: pm25\naggregate: percentile\npercentile: 50\nsize: 1h\nslide: each");
    run.checkpoints = false;
    for i in 0..6_000i64 {
        run.arrive(T0 + i * 100, T0 + i * 100, i as f64);
    }
    // Of the last 4,096 the middle, and what was dropped is counted.
    let told = run.told();
    assert_eq!(told.last().map(|v| v.1), Some(f64::from(6_000 - 4_096 / 2 - 1)));
    assert_eq!(run.rule.account(&run.state).0, f64::from(6_000 - 4_096));
}

#[test]
fn verdicts_of_a_group_never_go_back_in_time() {
    for span in ["size: 10s", "size: 10s\nslide: 2s", "size: 10s\nslide: each", "gap: 3s"] {
        let yaml = format!("property: pm25\naggregate: count\n{span}\ngrace: 0s");
        let mut run = Run::new(&yaml).group();
        for (now, t) in
            [(0, 0), (9_000, 9_000), (13_000, 1_000), (13_500, 12_900), (30_000, 22_000)]
        {
            run.arrive(T0 + now, T0 + t, 1.0);
        }
        run.time(T0 + 90_000);
        let times: Vec<i64> = run.out.iter().map(|v| v.t).collect();
        assert!(times.is_sorted() && times.len() >= 3, "{span} {times:?}");
    }
}

#[test]
fn rules_read_back_what_they_print() {
    let levels = "levels: [{ severity: minor, raise: '> 3', clear: '< 2' }]\nfor: 1m";
    for yaml in [
        "property: pm25\naggregate: mean\nsize: 24h\nslide: 1h\nmin_filled: 18",
        "property: pm25\naggregate: percentile\npercentile: 97.5\nsize: 1h\nslide: 5m\ngrace: 90s",
        "property: noise_laeq\naggregate: mean_level\nsize: 15m\nslide: each\nmin_count: 3",
        "property: rainfall\naggregate: sum\nonly: '> 0 mm'\ngap: 6h\nmax: 7d\nearly: true",
        "property: rainfall\naggregate: count\nonly: '>= rain.level1.24h * 0.5'\nsize: 500ms",
        "detects: [person, car]\nobjects: bus\nzones: [a, b]\nmin_confidence: 0.5\n\
         aggregate: distinct\nof: zone\nsize: 10m",
        "property: speed\naggregate: distinct\nof: device\nonly: '< 10 km/h'\nsize: 10m",
        "property: speed\naggregate: stddev\nsize: 10m",
    ] {
        let bench = Bench::<WindowRule>::new(&format!("{yaml}\n{levels}"));
        assert_eq!(bench.reads_back(), Ok(()), "{yaml}");
    }
}

#[test]
fn all_mistakes_of_a_window_are_told_at_once() {
    let load = |yaml: &str| Bench::<WindowRule>::load(yaml).map(|_| ()).expect_err("is wrong");
    let levels = "levels: [{ severity: minor, raise: '> 3' }]";
    for (yaml, expect) in [
        (
            "property: pm25\naggregate: mean_level\nsize: 1h\nslide: 7m\nonly: '> 3 km/h'",
            &["`mean_level` is for levels in dB", "do not fit together", "unit `km/h`"][..],
        ),
        ("property: pm25\naggregate: median\nsize: 1h", &["unknown aggregate `median`"]),
        ("property: pm25\naggregate: percentile\nsize: 1h", &["which percentile?"]),
        ("property: pm25\naggregate: percentile\npercentile: 0\nsize: 1h", &["above 0"]),
        ("property: pm25\naggregate: mean\npercentile: 9\nsize: 1h", &["`percentile` is for"]),
        ("property: pm25\naggregate: mean\nof: device\nsize: 1h", &["`of` is for"]),
        ("property: pm25\naggregate: distinct\nof: zone\nsize: 1h", &["unknown `of` `zone`"]),
        ("aggregate: mean", &["`property` is missing", "`size` is missing"]),
        ("property: pm25\ndetects: a\naggregate: mean\nsize: 1h", &["or over what a camera"]),
        ("property: pm25\nzones: a\naggregate: mean\nsize: 1h", &["narrow what a camera"]),
        ("property: pm25\naggregate: mean\nsize: 1h\nearly: true", &["are for sessions"]),
        ("property: pm25\naggregate: mean\nsize: 1h\ngap: 1m", &["no `size`"]),
        ("property: pm25\naggregate: mean\ngap: 1m\nmax: 1m", &["not longer than `gap`"]),
        ("property: pm25\naggregate: mean\ngap: 1m\nmin_filled: 2", &["counts slides"]),
        ("property: pm25\naggregate: mean\nsize: 1h\nmin_filled: 2", &["has only 1 slides"]),
        ("property: pm25\naggregate: mean\nsize: 1h\ngrace: 70d", &["grace of more than"]),
        (
            "property: pm25\naggregate: percentile\npercentile: 5\nsize: 24h\nslide: 1m",
            &["1 to 288 times"],
        ),
    ] {
        let told = load(&format!("{yaml}\n{levels}"));
        for part in expect {
            assert!(told.contains(part), "{yaml}\n{told}");
        }
    }
}

#[test]
fn levels_out_of_reach_are_refused() {
    let told = |yaml: &str, raise: &str, clear: &str| {
        let levels = format!("levels: [{{ severity: minor, raise: '{raise}', clear: '{clear}' }}]");
        Bench::<WindowRule>::load(&format!("{yaml}\n{levels}")).map(|_| ())
    };
    let refuses = |yaml: &str, raise: &str, clear: &str, why: &str| {
        let told = told(yaml, raise, clear).expect_err("out of reach");
        assert!(told.contains(why), "{yaml} {raise} {clear}: {told}");
    };
    let of = |what: &str| format!("property: pm25\naggregate: {what}\nsize: 1h");
    refuses(&of("mean"), "> 2000", "< 1000", "never fires");
    refuses(&of("mean"), "> 1000", "< 0", "never clears");
    refuses(&of("count"), "< 0", "> 3", "never fires");
    refuses(&format!("{}\nmin_count: 5", of("count")), "< 5", "> 6", "never fires");
    refuses(&format!("{}\nmin_count: 5", of("count")), "> 6", "< 5", "never clears");
    refuses(&of("stddev"), "> 1500", "< 1000", "never fires");
    refuses(&of("distinct"), "> 1024", "< 1000", "never fires");
    refuses("property: pm25\naggregate: count\ngap: 1m", ">= 3", "< 1", "never clears");
    assert_eq!(
        told("property: pm25\naggregate: count\ngap: 1m\nearly: true", ">= 3", "< 1"),
        Ok(())
    );
    assert_eq!(told(&of("count"), ">= 3", "< 1"), Ok(()));
    assert_eq!(told(&of("sum"), ">= 1e9", "< 1"), Ok(()));
}

/// `cargo test --release -p ioc-rules --lib window::tests::cost -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn cost_per_reading() {
    let cases = [
        ("tumbling mean 10 s", "aggregate: mean\nsize: 10s"),
        ("tumbling stddev 10 s", "aggregate: stddev\nsize: 10s"),
        ("tumbling p95 10 s", "aggregate: percentile\npercentile: 95\nsize: 10s"),
        ("hopping mean 1 s / 100 ms", "aggregate: mean\nsize: 1s\nslide: 100ms"),
        ("hopping mean 1 h / 5 min", "aggregate: mean\nsize: 1h\nslide: 5m"),
        ("sliding mean 1 s, each", "aggregate: mean\nsize: 1s\nslide: each"),
        ("sliding max 1 min, each", "aggregate: max\nsize: 1m\nslide: each"),
        ("sliding p95 1 min, each", "aggregate: percentile\npercentile: 95\nsize: 1m\nslide: each"),
        ("session sum 5 s", "aggregate: sum\ngap: 5s\nmax: 1m\nearly: true"),
    ];
    for (name, yaml) in cases {
        for step_ms in [1_000i64, 100] {
            let run = Run::new(&format!("property: pm25\n{yaml}"));
            let cx = Run::context(&run.view, T0);
            let mut states = vec![WindowState::default(); 1000];
            let device: Name = "d0".into();
            let (mut judged, rounds) = (0usize, 1000i64);
            let begin = std::time::Instant::now();
            for round in 0..rounds {
                for state in &mut states {
                    let t = T0 + round * step_ms;
                    let v = 20.0 + (round * 7 % 13) as f64;
                    let said = Said::Values(&[(0, v)]);
                    let message = Message {
                        t,
                        received: t,
                        clamped: false,
                        bad: false,
                        device: 0,
                        name: &device,
                        said,
                    };
                    let mut out = Verdicts::new();
                    run.rule.feed(state, &cx, &message, &mut out);
                    judged += out.len() + usize::from(run.rule.deadline(state, &cx).is_none());
                }
            }
            let ns = begin.elapsed().as_nanos() as f64 / (rounds * 1000) as f64;
            let heap: usize = states.iter().map(|s| run.rule.heap_bytes(s)).sum();
            println!(
                "{name}, a reading each {step_ms} ms: {ns:.0} ns, {judged} verdicts, {} B",
                heap / 1000
            );
        }
    }
}
