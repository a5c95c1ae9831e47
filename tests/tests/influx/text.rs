//! One reading in is one point out, whatever texts a device sends.

use std::collections::BTreeMap;

use ioc_model::line::{nanos, write_record};
use ioc_model::{
    Entry, HistoryStore, LastValue, Point, RangeQuery, Record, SeriesFilter, SeriesKey, Timestamp,
};
use ioc_tests::influx_fake::line::{self, Field};

use crate::real;
use crate::support::{Setup, flush_to, now_ms, reading};

/// splitmix64: the same texts in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    /// Mostly what can be written with care, now and then what cannot.
    fn text(&mut self) -> String {
        const HARD: [&str; 14] = [
            "a",
            "Z9",
            ",",
            "=",
            " ",
            "\\x",
            "\"",
            "'",
            "#",
            "ệ",
            "😀",
            "\u{202e}",
            "value=1",
            " 1700000000000000000",
        ];
        const IMPOSSIBLE: [&str; 9] = ["\n", "\r", "\t", "\0", "\u{85}", "\\", "\\,", "_", "\\\\"];
        let n = if self.below(40) == 0 { 0 } else { 1 + self.below(5) };
        let mut parts: Vec<&str> = (0..n).map(|_| HARD[self.below(HARD.len())]).collect();
        if self.below(8) == 0 {
            parts.insert(self.below(n + 1), IMPOSSIBLE[self.below(IMPOSSIBLE.len())]);
        }
        parts.concat()
    }

    fn value(&mut self) -> f64 {
        let bits = (self.below(usize::MAX) as u64) ^ ((self.below(usize::MAX) as u64) << 1);
        if self.below(2) == 0 { f64::from_bits(bits) } else { self.below(100_000) as f64 / 100.0 }
    }
}

fn hostile(random: &mut Random) -> Record {
    let Entry::Record(mut r) = reading("air", "d", now_ms(), random.value()) else {
        unreachable!("a reading is a record")
    };
    r.service = random.text().into();
    r.device = random.text().into();
    r.area = random.text().into();
    if let ioc_model::Body::Observation { values, .. } = &mut r.body {
        values[0].0 = random.text().into();
    }
    r
}

#[test]
fn what_is_written_reads_back_and_the_rest_is_refused() {
    let mut random = Random(2026);
    let (mut written, mut refused) = (0, 0);
    for _ in 0..300_000 {
        let r = hostile(&mut random);
        let mut text = String::new();
        let mut results = Vec::new();
        write_record(&r, &mut text, |x| results.push(x.is_ok()));
        assert_eq!(results.len(), 1, "one point, one outcome");
        let lines: Vec<_> = line::lines(&text).collect();
        if !results[0] {
            assert_eq!(text, "");
            refused += 1;
            continue;
        }
        written += 1;
        assert_eq!(lines.len(), 1, "one line: {text:?}");
        let line = lines[0].1.clone().unwrap_or_else(|e| unreachable!("{e}: {text:?}"));
        assert_eq!(line.series.measurement, *r.service, "{text:?}");
        assert_eq!(line.time, nanos(&r));
        let tags = &line.series.tags;
        r.for_each_point(|property, value, quality| {
            assert_eq!((&*tags["area"], &*tags["device"]), (&*r.area, &*r.device), "{text:?}");
            assert_eq!((&*tags["property"], tags.len()), (&**property, 3), "{text:?}");
            let Field::Float(got) = line.fields["value"] else { unreachable!("float: {text:?}") };
            assert_eq!(got.to_bits(), value.to_bits(), "{text:?}");
            assert_eq!(line.fields["quality"], Field::Integer(quality as i64));
        });
    }
    assert!(written > 10_000 && refused > 10_000, "both happen: {written}, {refused}");
}

#[tokio::test]
async fn hostile_texts_arrive_as_they_are_or_as_dead_letters() {
    let s = Setup::new().await;
    let store = s.open().await;
    let mut random = Random(7);
    let entries: Vec<Entry> = (0..3_000)
        .map(|i| {
            let mut r = hostile(&mut random);
            // Distinct moments: no reading may overwrite another.
            r.time.0 += i;
            Entry::Record(r)
        })
        .collect();
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 3_000).await;
    let can = |e: &&Entry| {
        let Entry::Record(r) = e else { return false };
        let mut good = true;
        write_record(r, &mut String::new(), |x| good &= x.is_ok());
        good
    };
    let good: Vec<&Entry> = entries.iter().filter(can).collect();
    let n = good.len() as u64;
    s.assert_stored(good);
    assert_eq!(s.counted(), (n, 3_000 - n));
    let stats = store.influx_stats().await.expect("stats");
    assert_eq!((stats.malformed, stats.dead_letters), (0, 3_000 - n));
}

/// What the real parser of InfluxDB makes of hostile texts: its index and its values.
#[tokio::test]
async fn influxdb_1_reads_hostile_texts_as_they_were_meant() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = real::influxd(&folder).await else { return };
    let store = real::open(real::compatibility_proxy(base).await, &folder).await;
    let mut random = Random(99);
    let mut newest = BTreeMap::new();
    let entries: Vec<Entry> = (0..4_000)
        .map(|i| {
            let mut r = hostile(&mut random);
            r.time.0 += i;
            let mut good = true;
            write_record(&r, &mut String::new(), |x| good &= x.is_ok());
            r.for_each_point(|property, value, quality| {
                let series = SeriesKey { device: r.device.clone(), property: property.clone() };
                if good {
                    newest.insert(series, Point { time: r.time, value, quality });
                }
            });
            Entry::Record(r)
        })
        .collect();
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 4_000).await;
    assert_eq!(store.influx_stats().await.expect("stats").malformed, 0, "not one 400");
    let keys = store.series(&SeriesFilter::default()).await.expect("series");
    assert_eq!(keys, newest.keys().cloned().collect::<Vec<_>>());
    let expect: Vec<LastValue> =
        newest.into_iter().map(|(series, point)| LastValue { series, point }).collect();
    let got = store.last(None, Timestamp(now_ms() + 86_400_000)).await.expect("last");
    assert_eq!(got, expect);
    // Each can be asked for by its name.
    for LastValue { series, point } in expect.iter().step_by(20) {
        let (from, to) = (point.time, point.time.plus_ms(1));
        let query = RangeQuery { series: series.clone(), from, to, step: None, limit: 9 };
        assert_eq!(store.range(&query).await.expect("range").points, [*point], "{series:?}");
    }
}

#[tokio::test]
async fn two_readings_of_one_millisecond_are_two_points() {
    let s = Setup::new().await;
    let store = s.open().await;
    let now = now_ms();
    let entries: Vec<Entry> = (0..50).map(|i| reading("air", "d", now, f64::from(i))).collect();
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 50).await;
    s.assert_stored(&entries);
}
