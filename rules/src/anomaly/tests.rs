//! What the detector sees and what it leaves alone.

use std::f64::consts::TAU;

use super::{AnomalyDetector, Finding, Part};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const NORMAL: f64 = 0.55;

/// Noise without a generator of random numbers: uniform in ±1 (splitmix64).
fn noise(i: i64) -> f64 {
    let mut z = (i as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Every 5 minutes for `days`; the findings, with their times.
fn run(days: i64, mut value: impl FnMut(i64) -> Option<f64>) -> Vec<(i64, Finding)> {
    let mut detector = AnomalyDetector::new();
    let times = (0..days * 288).map(|i| i * 5 * MINUTE);
    times.filter_map(|t| value(t).map(|x| (t, detector.judge(t, x)))).collect()
}

/// A daily wave of ±10 around 20 with noise of ±2.
fn wave(t: i64) -> f64 {
    20.0 + 10.0 * (TAU * t as f64 / DAY as f64).sin() + 2.0 * noise(t)
}

/// Findings at the level of `sensitivity: normal`, from day 3 on.
fn alarms(findings: &[(i64, Finding)]) -> Vec<(i64, Part)> {
    let told = findings.iter().filter(|(t, f)| *t >= 3 * DAY && f.score >= NORMAL);
    told.map(|(t, f)| (*t, f.part)).collect()
}

#[test]
fn a_daily_wave_with_noise_is_nothing_unusual() {
    let found = alarms(&run(28, |t| Some(wave(t))));
    assert!(found.len() <= 1, "{found:?}");
}

#[test]
fn a_spike_is_told_at_its_value_and_once() {
    let at = 10 * DAY + 7 * 5 * MINUTE;
    let all =
        run(14, |t| Some(if (at..at + 3 * 5 * MINUTE).contains(&t) { 75.0 } else { wave(t) }));
    let found = alarms(&all);
    assert_eq!(found.first(), Some(&(at, Part::Spike)), "{found:?}");
    assert!(found.len() <= 2, "{found:?}");
    let (_, f) = all.iter().find(|(t, _)| *t == at).expect("a value at that time");
    assert!((f.expected - 21.8).abs() < 2.0, "{f:?}");
    assert!((f.change - 53.0).abs() < 4.0, "{f:?}");
}

#[test]
fn a_value_in_its_range_at_the_wrong_time_of_day_is_told() {
    // Day 10 has its wave upside down: no value is out of the range of the others.
    let all = run(14, |t| Some(if t / DAY == 10 { 40.0 - wave(t) } else { wave(t) }));
    let found = alarms(&all);
    let (first, part) = *found.first().expect("an alarm");
    assert_eq!((first / DAY, part), (10, Part::Season), "{found:?}");
    assert!(first - 10 * DAY < 4 * 60 * MINUTE, "{found:?}");
}

#[test]
fn a_shift_of_the_level_is_told_within_an_hour_and_becomes_usual() {
    let all = run(40, |t| Some(wave(t) + if t >= 20 * DAY { 25.0 } else { 0.0 }));
    let found = alarms(&all);
    let (first, _) = *found.first().expect("an alarm");
    assert!((20 * DAY..20 * DAY + 60 * MINUTE).contains(&first), "{found:?}");
    let late = all.iter().filter(|(t, f)| *t >= 30 * DAY && f.level >= NORMAL).count();
    assert_eq!(late, 0, "it is still told ten days later");
}

#[test]
fn a_frozen_sensor_is_told_although_its_value_is_usual() {
    let from = 10 * DAY;
    let frozen = |t: i64| (from..from + DAY / 4).contains(&t);
    let all = run(14, |t| Some(if frozen(t) { wave(from) } else { wave(t) }));
    let found = alarms(&all);
    let (first, part) = *found.first().expect("an alarm");
    assert_eq!(part, Part::Flat, "{found:?}");
    assert!(first - from <= 60 * MINUTE, "{found:?}");
}

#[test]
fn values_that_often_repeat_are_not_frozen() {
    // A counter that is 0 through each night.
    let night = |t: i64| t.rem_euclid(DAY) < DAY / 3;
    let all = run(14, |t| Some(if night(t) { 0.0 } else { (10.0 + 5.0 * noise(t)).round() }));
    let flat: Vec<_> = alarms(&all).into_iter().filter(|(_, p)| *p == Part::Flat).collect();
    assert_eq!(flat, [], "nights of the same length");
}

#[test]
fn more_noise_is_told() {
    let all = run(14, |t| Some(wave(t) + if t / DAY == 10 { 8.0 * noise(t + 1) } else { 0.0 }));
    let found = alarms(&all);
    assert_eq!(found.first().map(|(t, _)| t / DAY), Some(10), "{found:?}");
}

#[test]
fn weekends_are_learned() {
    // Rush hours on working days only.
    let traffic = |t: i64| {
        let hour = t.rem_euclid(DAY) as f64 / 3_600_000.0;
        let rush = (-((hour - 8.0) / 1.5).powi(2)).exp() + (-((hour - 17.5) / 2.0).powi(2)).exp();
        let works = (t / DAY) % 7 < 5;
        50.0 + if works { 400.0 * rush } else { 60.0 * rush } + 15.0 * noise(t)
    };
    // In week 7 one working day has the traffic of a Sunday: nothing out of range, but not usual.
    let holiday = |t: i64| t / DAY == 45;
    let all = run(56, |t| Some(if holiday(t) { traffic(t + 3 * DAY) } else { traffic(t) }));
    let weeks = all.iter().filter(|(t, _)| *t >= 28 * DAY);
    let on = weeks.clone().filter(|(t, _)| holiday(*t)).map(|(_, f)| f.level).fold(0.0, f64::max);
    let off = weeks.filter(|(t, _)| !holiday(*t)).map(|(_, f)| f.level).fold(0.0, f64::max);
    assert!(on >= 0.5 && off < 0.5, "on the day {on}, on others {off}");
}

#[test]
fn gaps_up_to_days_are_not_anomalies() {
    for (from, hours) in [(9, 3), (9, 30), (9, 84)] {
        let gap = |t: i64| {
            (from * DAY + 2 * DAY / 3..).contains(&t)
                && t < from * DAY + 2 * DAY / 3 + hours * 60 * MINUTE
        };
        let found = alarms(&run(21, |t| (!gap(t)).then(|| wave(t))));
        assert!(found.len() <= 1, "{hours} h: {found:?}");
    }
}

#[test]
fn equal_values_give_equal_scores_after_a_restart() {
    let mut one = AnomalyDetector::new();
    for i in 0..3000 {
        one.step(i * 5 * MINUTE, wave(i * 5 * MINUTE));
    }
    let bytes = postcard::to_allocvec(&one).expect("serialises");
    assert!(bytes.len() <= AnomalyDetector::MAX_BYTES, "{} bytes", bytes.len());
    let mut two: AnomalyDetector = postcard::from_bytes(&bytes).expect("reads back");
    assert_eq!(one, two);
    for i in 3000..4000 {
        let (t, x) = (i * 5 * MINUTE, wave(i * 7 * MINUTE));
        assert_eq!(one.judge(t, x), two.judge(t, x));
    }
}

#[test]
fn hostile_numbers_leave_it_whole() {
    let odd = [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, -0.0, f64::MIN_POSITIVE, 1e300];
    let mut detector = AnomalyDetector::new();
    for i in 0..2000i64 {
        let t = [i * MINUTE, i64::MAX, i64::MIN, -i][i as usize % 4];
        let f = detector.judge(t, odd[i as usize % odd.len()]);
        let fine = (0.0..=1.0).contains(&f.score) && (0.0..=1.0).contains(&f.level);
        assert!(fine && f.expected.is_finite() && f.change.is_finite(), "{i}: {f:?}");
    }
}

/// All series of the benchmark that are there.
#[test]
fn no_series_of_the_benchmark_needs_more_than_4_kib() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/nab/data");
    let Ok(groups) = std::fs::read_dir(&dir) else {
        eprintln!("NOT RUN: {} is missing", dir.display());
        return;
    };
    let mut series = 0;
    for group in groups {
        let group = group.expect("a folder").path();
        for file in std::fs::read_dir(group).expect("a folder of series") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
            let mut detector = AnomalyDetector::new();
            // The values matter here, not their calendar: 5 minutes apart.
            for (i, line) in text.lines().skip(1).enumerate() {
                let value = line.split_once(',').and_then(|(_, v)| v.parse().ok());
                detector.step(i as i64 * 5 * MINUTE, value.expect("a value"));
                let bytes = size_of::<AnomalyDetector>() + detector.heap_bytes();
                assert!(bytes <= AnomalyDetector::MAX_BYTES, "{bytes} bytes");
            }
            series += 1;
        }
    }
    assert!(series >= 18, "only {series} series");
}
