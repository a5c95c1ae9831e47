//! Figure 4: one reading in is one point out, and an independent parser (`influxdb-line-protocol`,
//! of the InfluxDB 3 people) reads exactly what was meant.
//!
//! `IOC_LINE_POINTS` sets how many points are made (100,000 unless told otherwise), `IOC_LINE_SEED`
//! where the generator begins.

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use ioc_model::line::{LineError, LinePoint, nanos, write_point, write_record};
use ioc_model::{Body, Detection, Quality, Record, Status, Timestamp, Values};
use proptest::prelude::*;

/// splitmix64: the same texts in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Any character there is, the dangerous ones often.
    fn char(&mut self) -> char {
        const DANGEROUS: [char; 26] = [
            ',',
            '=',
            ' ',
            '\\',
            '"',
            '\'',
            '#',
            '_',
            '\n',
            '\r',
            '\t',
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{2028}',
            '\u{202e}',
            '\u{feff}',
            '\u{fffd}',
            '\u{10ffff}',
            '{',
            '$',
            ';',
            '/',
            'i',
            '0',
        ];
        match self.below(10) {
            0..4 => char::from(b' ' + self.below(95) as u8),
            4..6 => self.of(&DANGEROUS[..6]),
            6 => self.of(&DANGEROUS),
            7 => char::from_u32(0xa0 + self.below(0x2000) as u32).unwrap_or('x'),
            _ => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('y'),
        }
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 12] = [
            "st-1",
            "pm25",
            " value=1,quality=0i 1",
            "\\ ",
            "\\,",
            "\\=",
            ",tag=x",
            "# x",
            "_x",
            "\"a b\"",
            "é😀",
            "it's",
        ];
        let length = match self.below(1_000) {
            0 => 65_536,
            1..4 => 1_000 + self.below(40),
            4..20 => 0,
            _ => 1 + self.below(12),
        };
        let mut out = String::new();
        while out.len() < length {
            if self.below(6) == 0 { out.push_str(self.of(&PIECES)) } else { out.push(self.char()) }
        }
        // Half of the texts are made writable: otherwise few points have four that are.
        if self.below(4) > 0 {
            out = out.chars().filter(|c| !c.is_control()).collect::<String>().replace('\\', "/");
        }
        out
    }

    fn value(&mut self) -> f64 {
        match self.below(6) {
            0 => f64::from_bits(self.next()),
            1 => self.of(&[
                0.0,
                -0.0,
                1e16,
                1e-7,
                5e-324,
                f64::MAX,
                f64::MIN,
                f64::NAN,
                f64::INFINITY,
            ]),
            2 => self.below(1_000_000) as f64,
            _ => self.below(10_000_000) as f64 / 100.0 - 500.0,
        }
    }

    fn nanos(&mut self) -> i64 {
        match self.below(3) {
            0 => self.next() as i64,
            _ => 1_700_000_000_000_000_000 + self.below(1 << 50) as i64,
        }
    }
}

/// What may be refused, said apart from the writer's own words.
fn refusable(p: &LinePoint<'_>) -> bool {
    let odd = |t: &str| {
        let ends = ["\\,", "\\=", "\\ ", "\\\\"];
        t.is_empty()
            || t.len() > 1_024
            || t.chars().any(char::is_control)
            || t.ends_with('\\')
            || ends.iter().any(|e| t.contains(e))
    };
    [p.service, p.area, p.device, p.property].iter().any(|t| odd(t))
        || p.service.starts_with('#')
        || p.service.starts_with('_')
        || !p.value.is_finite()
}

fn same(line: &ParsedLine<'_>, p: &LinePoint<'_>) -> Result<(), String> {
    let tags: Vec<(&str, &str)> =
        line.series.tag_set.iter().flatten().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let fields: Vec<&str> = line.field_set.iter().map(|(k, _)| k.as_str()).collect();
    let value = match line.field_value("value") {
        Some(FieldValue::F64(v)) => v.to_bits() == p.value.to_bits(),
        _ => false,
    };
    let quality = line.field_value("quality") == Some(&FieldValue::I64(p.quality as i64));
    let expect = [("area", p.area), ("device", p.device), ("property", p.property)];
    let good = line.series.measurement == p.service
        && tags == expect
        && fields == ["value", "quality"]
        && value
        && quality
        && line.timestamp == Some(p.nanos);
    if good { Ok(()) } else { Err(format!("{line:?} is not {p:?}")) }
}

/// Separators without a backslash before them: (commas, equals signs after the measurement, spaces).
/// The parser is more lenient than InfluxDB 1 and 2 here: it takes a bare `=` in the value of a tag.
fn separators(line: &str) -> (usize, usize, usize) {
    let (mut commas, mut equals, mut spaces, mut escaped) = (0, 0, 0, false);
    for c in line.chars() {
        match c {
            ',' if !escaped => commas += 1,
            '=' if !escaped && commas > 0 => equals += 1,
            ' ' if !escaped => spaces += 1,
            _ => {}
        }
        escaped = c == '\\';
    }
    (commas, equals, spaces)
}

/// Writes a point after others and reads all of it back; whether it was written.
fn check(p: &LinePoint<'_>, out: &mut String) -> Result<bool, String> {
    let before = out.len();
    if let Err(e) = write_point(p, out) {
        let justified = refusable(p) && out.len() == before && e != LineError::Time;
        return if justified { Ok(false) } else { Err(format!("{e} for {p:?}")) };
    }
    let line = &out[before..];
    if refusable(p) || !line.ends_with('\n') || line.matches('\n').count() != 1 {
        return Err(format!("{line:?} for {p:?}"));
    }
    if separators(line) != (4, 5, 2) {
        return Err(format!("a bare separator in {line:?}"));
    }
    let mut lines = parse_lines(line);
    let (first, second) = (lines.next(), lines.next());
    match (first, second) {
        (Some(Ok(read)), None) => same(&read, p).map(|()| true),
        other => Err(format!("{other:?} for {p:?}")),
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn an_independent_parser_reads_every_point_as_it_was_meant() {
    let points = number("IOC_LINE_POINTS", 100_000);
    let mut random = Random(number("IOC_LINE_SEED", 2026));
    let (mut written, mut refused, mut batch, mut out) = (0u64, 0u64, 0usize, String::new());
    for i in 0..points {
        let (service, area) = (random.text(), random.text());
        let (device, property) = (random.text(), random.text());
        let point = LinePoint {
            service: &service,
            area: &area,
            device: &device,
            property: &property,
            value: random.value(),
            quality: Quality::from_u8(random.below(3) as u8),
            nanos: random.nanos(),
        };
        match check(&point, &mut out) {
            Ok(true) => (written, batch) = (written + 1, batch + 1),
            Ok(false) => refused += 1,
            Err(e) => unreachable!("point {i}: {e}"),
        }
        // Lines one after the other do not run into each other.
        if i % 500 == 499 {
            assert_eq!(parse_lines(&out).filter(Result::is_ok).count(), batch);
            assert_eq!(out.lines().count(), batch);
            (batch, out) = (0, String::new());
        }
    }
    println!("{points} points: {written} written and read back, {refused} refused");
    assert!(written > points / 20 && refused > points / 20, "both happen: {written}, {refused}");
}

fn record(service: &str, device: &str, time: i64, body: Body) -> Record {
    Record {
        device: device.into(),
        area: "hai_chau".into(),
        service: service.into(),
        source: 0,
        time: Timestamp(time),
        received: Timestamp(0),
        seq: None,
        clock_clamped: false,
        derived: false,
        body,
    }
}

fn body() -> impl Strategy<Value = Body> {
    let text = "\\PC{0,8}|[ ,=\\\\\"#_\n\u{0}a]{0,8}";
    let values = proptest::collection::vec((text, proptest::num::f64::ANY), 0..5);
    prop_oneof![
        (values, 0u8..3).prop_map(|(v, q)| {
            let values: Values = v.into_iter().map(|(k, v)| (k.into(), v)).collect();
            Body::Observation { quality: Quality::from_u8(q), values }
        }),
        (text, proptest::option::of(proptest::num::f64::ANY)).prop_map(|(kind, count)| {
            Body::Detection(Box::new(Detection { kind: kind.into(), count, ..Default::default() }))
        }),
        (any::<bool>(), proptest::option::of(proptest::num::f64::ANY))
            .prop_map(|(online, battery)| Body::Status(Status { online, battery })),
    ]
}

proptest! {
    /// Each point of a record has exactly one outcome, and the lines are those of the good ones in
    /// their order.
    #[test]
    fn a_record_gives_each_of_its_points_once(
        body in body(),
        service in "[a-z #_,=]{1,6}",
        device in "\\PC{1,10}",
        time in prop_oneof![any::<i64>(), 1_600_000_000_000i64..1_900_000_000_000],
    ) {
        let record = record(&service, &device, time, body);
        let (mut out, mut ends, mut refused) = (String::from("before x=1 1\n"), Vec::new(), 0);
        write_record(&record, &mut out, |result| match result {
            Ok(end) => ends.push(Some(end)),
            Err(_) => {
                ends.push(None);
                refused += 1;
            }
        });
        let mut lines = parse_lines(&out);
        prop_assert!(lines.next().is_some_and(|l| l.is_ok()), "what was there stays");
        let mut outcomes = ends.iter();
        let mut problem = None;
        record.for_each_point(|property, value, quality| {
            let Some(Some(_)) = outcomes.next() else { return };
            let point = LinePoint {
                service: &service,
                area: "hai_chau",
                device: &device,
                property,
                value,
                quality,
                nanos: nanos(&record).unwrap_or_default(),
            };
            let read = lines.next().map(|l| l.map(|l| same(&l, &point)));
            if !matches!(read, Some(Ok(Ok(())))) {
                problem = Some(format!("{read:?}"));
            }
        });
        prop_assert_eq!(problem, None);
        prop_assert!(outcomes.next().is_none() && lines.next().is_none(), "nothing is left over");
        let whole = ends.iter().flatten().next_back().copied().unwrap_or("before x=1 1\n".len());
        prop_assert_eq!(whole, out.len());
        if nanos(&record).is_none() {
            prop_assert_eq!(refused, ends.len());
        }
    }
}
