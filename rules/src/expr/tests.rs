use ioc_model::City;
use proptest::prelude::*;

use super::*;
use crate::kinds::bench::{T0, city};
use crate::ruleset::CityView;

fn names(list: &[&str]) -> Vec<Name> {
    list.iter().map(|n| Name::from(*n)).collect()
}

const AIR: [&str; 4] = ["pm25", "pm10", "temperature", "humidity"];

fn predicate(city: &City, text: &str) -> Result<Expression, Vec<ExprError>> {
    let air = names(&AIR);
    let env = Env { city, properties: Some(&air) };
    Expression::compile(text, Wanted::Predicate, &env)
}

/// A predicate over pm25 = 50, pm10 = 80, temperature = 30 and a humidity nobody has told, of
/// the station Sư phạm on Tuesday, 28 October 2025, 00:00.
fn holds(text: &str) -> Option<bool> {
    let city = city();
    let view = CityView::new(&city);
    let mut lasts = Lasts::default();
    lasts.take(T0, &[(0, 50.0), (1, 80.0), (2, 30.0)]);
    let device = Name::from("air-su-pham");
    let scope = Scope { lasts: &lasts, fresh_ms: 1_000, t: T0, device: Some(&device), city: &view };
    predicate(&city, text).unwrap_or_else(|e| unreachable!("{text}: {e:?}")).holds(&scope)
}

fn mistakes(text: &str) -> String {
    let city = city();
    let errors = predicate(&city, text).expect_err(text);
    let line = |e: &ExprError| {
        let hint = e.hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        format!("{}: {}{hint}", e.offset, e.message)
    };
    errors.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn values_device_time_and_thresholds_are_there() {
    for (text, expect) in [
        ("value == 50", Some(true)),
        ("values.pm10 - pm25 == 30.0", Some(true)),
        ("values['pm10'] > 79", Some(true)),
        ("pm25 >= threshold('qcvn05.pm25.24h')", Some(true)),
        ("pm25 > threshold('qcvn05.pm25.24h') * 1.2", Some(false)),
        ("device.id == 'air-su-pham' && device.kind == \"air_station\"", Some(true)),
        ("area == 'hoa_khanh' && device.area == area && device.service == 'air'", Some(true)),
        ("area in ['hai_chau', 'son_tra']", Some(false)),
        ("device.id.startsWith('air-') && !device.id.endsWith('x')", Some(true)),
        ("device.id.contains('su-ph')", Some(true)),
        ("hour == 0 && weekday == 2", Some(true)),
        ("hour in [22, 23, 0, 1]", Some(true)),
        ("min(pm25, pm10) == 50 && max(pm25, 70, pm10) == 80 && abs(20 - pm25) == 30", Some(true)),
        ("(temperature > 35 ? pm10 : pm25) == 50", Some(true)),
        ("1 / 2 == 0.5 && pm25 > 0", Some(true)),
        ("-pm25 < -49.5", Some(true)),
        ("pm25 > 40\n  && pm10 > 70", Some(true)),
    ] {
        assert_eq!(holds(text), expect, "{text}");
    }
}

#[test]
fn what_is_not_known_has_no_value_unless_the_other_side_decides() {
    for (text, expect) in [
        ("humidity > 50", None),
        ("!(humidity > 50)", None),
        ("humidity > 50 || pm25 > 40", Some(true)),
        ("pm25 > 40 || humidity > 50", Some(true)),
        ("humidity > 50 && pm25 > 60", Some(false)),
        ("humidity > 50 && pm25 > 40", None),
        ("has(values.humidity)", Some(false)),
        ("has('pm25') && has(values.pm10)", Some(true)),
        ("!has(values.humidity) || humidity > 50", Some(true)),
        ("pm25 / (pm10 - 80) > 1", None),
        ("pm25 * 1e308 * 10 > 1", None),
        ("(humidity > 50 ? pm25 : pm10) > 0", None),
    ] {
        assert_eq!(holds(text), expect, "{text}");
    }
}

#[test]
fn a_value_is_known_until_it_is_too_old() {
    let city = city();
    let view = CityView::new(&city);
    let e = predicate(&city, "pm25 > 40").expect("right");
    let mut lasts = Lasts::default();
    lasts.take(T0, &[(0, 50.0)]);
    let at = |t| Scope { lasts: &lasts, fresh_ms: 1_000, t, device: None, city: &view };
    assert_eq!(e.holds(&at(T0 + 1_000)), Some(true));
    assert_eq!(e.holds(&at(T0 + 1_001)), None);
    // A straggler does not replace a newer value.
    lasts.take(T0 - 1, &[(0, 1.0)]);
    assert_eq!((lasts.last(0), lasts.newest), (Some((50.0, T0)), T0));
}

#[test]
fn thresholds_are_those_of_the_device() {
    let city = city();
    let view = CityView::new(&city);
    let level = names(&["water_level"]);
    let env = Env { city: &city, properties: Some(&level) };
    let text = "value >= threshold('flood.bd1')";
    let e = Expression::compile(text, Wanted::Predicate, &env).expect("right");
    let mut lasts = Lasts::default();
    lasts.take(T0, &[(0, 1.2)]);
    let of = |d: &str| {
        let device = Name::from(d);
        let device = Some(&device);
        e.holds(&Scope { lasts: &lasts, fresh_ms: 1, t: T0, device, city: &view })
    };
    assert_eq!(of("river-cam-le"), Some(true));
    assert_eq!(of("river-tam-ky"), Some(false));
    assert_eq!(of("river-elsewhere"), None);
}

#[test]
fn mistakes_name_their_place_and_what_was_meant() {
    let mut wrong = Vec::new();
    for (text, expect) in [
        ("pm26 > 1", "0: unknown name `pm26` (did you mean `pm25`?)"),
        ("pm25 > 1 && valeu > 2", "12: unknown name `valeu` (did you mean `value`?)"),
        ("no2 > 40", "0: `no2` is not among the rule's properties (add `no2` to `properties`)"),
        ("values.pm2 > 1", "6: unknown property `pm2` (did you mean `pm25`?)"),
        ("device.kin == 'x'", "6: unknown field `kin` of `device` (did you mean `kind`?)"),
        ("pm25 > treshold('x')", "15: unknown function `treshold` (did you mean `threshold`?)"),
        (
            "pm25 > threshold('qcvn05.pm25.1h')",
            "17: unknown threshold `qcvn05.pm25.1h` (did you mean `qcvn05.pm25.24h`?)",
        ),
        ("pm25 > qcvn05.pm25.24h", "18: not an expression: mismatched input '.24'"),
        ("pm25 > heat.notice", "11: unknown name `heat.notice` (write threshold('heat.notice'))"),
        (
            "[1, 2].exists(x, x > 1)",
            "13: comprehensions are not part of the language: an expression looks at one device",
        ),
        (
            "pm25.map(x, x)",
            "8: comprehensions are not part of the language: an expression looks at one device",
        ),
        (
            "pm25 + pm10",
            "5: the result is a number, expected true or false (write a comparison, such as `pm25 > 45`)",
        ),
        ("pm25 && pm10 > 1", "0: expected true or false, found a number"),
        ("pm25 > 'x'", "5: a number cannot be compared with a text"),
        (
            "pm25 > temperature",
            "5: one side is in `µg/m³`, the other in `°C` (values and thresholds need the same unit)",
        ),
        (
            "pm25 > threshold('heat.notice') * 2",
            "5: one side is in `µg/m³`, the other in `°C` (values and thresholds need the same unit)",
        ),
        ("area == 'hai_chu'", "8: unknown area `hai_chu` (did you mean `hai_chau`?)"),
        (
            "device.kind in ['camera', 'air_staton']",
            "26: unknown device kind `air_staton` (did you mean `air_station`?)",
        ),
        ("pm25 % 2 == 0", "5: `%` is for whole numbers, measured values are none"),
        ("pm25 / 0 > 1", "5: division by zero"),
        (
            "(pm25 > 1) == true",
            "11: true and false are not compared (write the condition itself, or `!` before it)",
        ),
        (
            "size(device.id) > 3",
            "4: unknown function `size` (one of: abs, contains, endsWith, has, max, min, startsWith, threshold)",
        ),
        (
            "pm25 > null",
            "7: `null` is no value here (ask `has(values.x)` whether a value is known)",
        ),
        ("pm25 >", "6: not an expression: mismatched input the end"),
        ("pm25 > 1 pm10", "9: not an expression: extraneous input 'pm10'"),
        (
            "pm26 > 1 && pm11 > 2",
            "0: unknown name `pm26` (did you mean `pm25`?)\n12: unknown name `pm11` (did you mean `pm10`?)",
        ),
    ] {
        if mistakes(text) != expect {
            wrong.push((text, mistakes(text), expect));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_before_it_is_parsed() {
    let deep = format!("{}pm25{} > 1", "(".repeat(33), ")".repeat(33));
    assert_eq!(mistakes(&deep), "32: more than 32 brackets inside each other");
    let long = format!("pm25 > {}1", "1 + ".repeat(250));
    assert_eq!(mistakes(&long), "1000: the expression is longer than 1000 characters");
    let chain = format!("pm25 > {}1", "1 + ".repeat(100));
    assert!(mistakes(&chain).starts_with("0: operators and brackets are nested"), "{chain}");
    let conditions = "pm25 > 1 ? true : ".repeat(40) + "false";
    assert!(mistakes(&conditions).contains("more than 32 conditional operators"));
    for (text, expect) in [
        ("", "0: the expression is empty"),
        ("pm25 > 1)", "8: this bracket was not opened"),
        ("device.id == 'x", "13: this text does not end"),
        ("device.id == r'x'", "14: a quote may not follow a letter or a digit"),
        ("device.id == '\\x41'", "14: `\\` has no use here: texts have no escapes"),
        (
            "pm25 > 1 // why",
            "9: comments are not part of an expression (write them in the YAML, after #)",
        ),
        ("pm25 \u{0} > 1", "5: control characters are not allowed"),
        ("pm25 > １", "7: only texts may have other characters than ASCII"),
    ] {
        assert_eq!(mistakes(text), expect, "{text}");
    }
}

#[test]
fn places_count_characters_not_bytes() {
    assert_eq!(
        mistakes("device.id == 'Đà Nẵng' && pm26 > 1"),
        "26: unknown name `pm26` (did you mean `pm25`?)"
    );
}

#[test]
fn predicates_that_never_or_always_hold_are_known() {
    let city = city();
    for (text, expect) in [
        ("pm25 > 45", None),
        ("pm25 > 2000", Some(false)),
        ("pm25 >= 0", Some(true)),
        ("pm25 < 0 || pm10 > 9000", Some(false)),
        ("pm25 > 45 || hour < 24", Some(true)),
        ("hour >= 24", Some(false)),
        ("weekday in [0, 8]", Some(false)),
        ("pm25 + pm10 > 7000", Some(false)),
        ("pm25 / pm10 > 9", None),
        ("min(pm25, 10) > 10", Some(false)),
        ("pm25 > threshold('qcvn05.pm25.24h')", None),
        ("pm25 * 0 > 1", Some(false)),
        ("abs(temperature) > 70", Some(false)),
        ("device.id == 'air-su-pham'", None),
    ] {
        let e = predicate(&city, text).expect(text);
        assert_eq!(e.constant(&city), expect, "{text}");
    }
}

#[test]
fn numbers_have_the_unit_of_what_they_are_made_of() {
    let city = city();
    let env = Env { city: &city, properties: None };
    for (text, unit, inputs) in [
        ("pm25 * 2", Some("µg/m³"), &["pm25"][..]),
        ("max(pm10 - pm25, 0)", Some("µg/m³"), &["pm10", "pm25"]),
        ("pm25 / pm10 * 100", None, &["pm25", "pm10"]),
        ("parking_free / 2", Some(""), &["parking_free"]),
        ("hour * 1.0", None, &[]),
    ] {
        let e = Expression::compile(text, Wanted::Number, &env).expect(text);
        assert_eq!((e.unit.as_deref(), e.inputs), (unit, names(inputs)), "{text}");
    }
    let e = Expression::compile("value * 2", Wanted::Number, &env).expect_err("no main property");
    assert_eq!(e[0].message, "`value` means nothing here: there is no main property");
    let e = Expression::compile("pm25 > 2", Wanted::Number, &env).expect_err("no number");
    assert_eq!(e[0].message, "the result is true/false, expected a number");
}

#[test]
fn equality_of_a_quotient_is_noted_not_refused() {
    let e = predicate(&city(), "pm25 / pm10 == 1.0").expect("right");
    assert_eq!(e.notes, ["`==` of a quotient is hardly ever exact (character 13)"]);
}

/// The crate's own interpreter on the same text, every number a double.
fn oracle(text: &str, values: [f64; 4]) -> Option<bool> {
    let mut context = cel::Context::default();
    for (name, value) in AIR.iter().zip(values) {
        context.add_variable_from_value(*name, value);
    }
    context.add_variable_from_value("area", "hoa_khanh");
    let program = cel::Program::compile(text).expect("the oracle reads what we read");
    match program.execute(&context) {
        Ok(cel::Value::Bool(b)) => Some(b),
        other => unreachable!("{text}: {other:?}"),
    }
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(AIR.to_vec()).prop_map(str::to_owned),
        (-50i32..200).prop_map(|n| format!("{:?}", f64::from(n) / 4.0)),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} < {b} ? {c} : {a})")),
        ]
    })
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (number(), prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]), number())
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        Just("area == 'hoa_khanh'".to_owned()),
        Just("area in ['hai_chau', 'hoa_khanh']".to_owned()),
        Just("area.startsWith('hai')".to_owned()),
        prop::sample::select(AIR.to_vec()).prop_map(|p| format!("{p} in [10.0, 20.0]")),
    ];
    leaf.prop_recursive(3, 10, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || {b}")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a}) ? {b} : {c}")),
        ]
    })
}

/// The same units, so that any may be added to any.
fn pure_city() -> City {
    let mut city = city();
    for name in AIR {
        let property = city.properties.get_mut(name).expect("there");
        property.unit = "".into();
        (property.min, property.max) = (-1e9, 1e9);
    }
    city
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_has_a_value_has_the_value_cel_gives_it(
        text in condition(),
        values in prop::array::uniform4((0i32..400).prop_map(|n| f64::from(n) / 4.0)),
    ) {
        prop_assume!(text.chars().count() <= MAX_SOURCE);
        let city = pure_city();
        let view = CityView::new(&city);
        let Ok(e) = predicate(&city, &text) else { return Err(TestCaseError::reject("too deep")) };
        let mut lasts = Lasts::default();
        lasts.take(T0, &[(0, values[0]), (1, values[1]), (2, values[2]), (3, values[3])]);
        let device = Name::from("air-su-pham");
        let scope = Scope { lasts: &lasts, fresh_ms: 1, t: T0, device: Some(&device), city: &view };
        let got = e.holds(&scope);
        prop_assert_eq!(got, oracle(&text, values), "{}", text);
        // And what is always so is so.
        let constant = e.constant(&city);
        prop_assert!(constant.is_none() || constant == got, "{} is {:?}", text, constant);
    }
}

fn soup() -> impl Strategy<Value = String> {
    let words = vec![
        "pm25",
        "value",
        "values",
        "device",
        ".",
        ".id",
        "area",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "'x'",
        "threshold",
        "('flood.bd1')",
        "has",
        "min",
        "max",
        ",",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "=",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "&",
        "&&",
        "|",
        "||",
        "?",
        ":",
        " in ",
        "1",
        "0.5",
        "1e999",
        "0x",
        "99999999999999999999",
        "5u",
        ".5",
        "1.",
        "\n",
        " ",
        "true",
        "null",
        "b'x'",
        "r",
        "\\",
        "`",
        "package",
        "x.exists(y,",
        "dyn(",
        "é",
        "\u{1F600}",
        "@in",
        "_&&_",
        "#",
        "//",
        "\t",
        "\u{0}",
        "'Đà Nẵng'",
        "[1,2,3]",
        "{1:2}",
        "a.b.c.d",
        "!!!!",
        "--",
    ];
    prop::collection::vec(prop::sample::select(words), 0..40).prop_map(|w| w.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![soup(), ".{0,60}", "[ -~]{0,80}"]) {
        let city = CITY.with(|c| c.clone());
        if let Ok(e) = predicate(&city, &text) {
            let view = CityView::default();
            let lasts = Lasts::default();
            let _ = e.holds(&Scope { lasts: &lasts, fresh_ms: 0, t: T0, device: None, city: &view });
        }
    }
}

thread_local! {
    /// Without its devices and areas, cheap to clone.
    static CITY: City = {
        let city = city();
        City { properties: city.properties, thresholds: city.thresholds, ..City::default() }
    };
}

/// Worst cases for the parser: the most of one thing that the bounds let through.
#[test]
fn the_longest_sources_are_read_on_a_small_stack_and_soon() {
    let air = city();
    let fill = |unit: &str, head: &str, tail: &str| {
        let n = (MAX_SOURCE - head.len() - tail.len()) / unit.len();
        format!("{head}{}{tail}", unit.repeat(n))
    };
    let sources = [
        fill("!", "", "true"),
        fill("-", "", "1 > 0"),
        fill("- -", "", "1 > 0"),
        fill(".a", "a", ""),
        fill("[0]", "a", ""),
        fill("1+", "", "1 > 0"),
        fill("1<", "", "1"),
        fill("a&&", "", "a"),
        fill("a||", "", "a"),
        fill("1 in ", "", "1"),
        fill(".a()", "a", ""),
        fill("1,", "1 in [", "1]"),
        fill("1,", "min(", "1) > 0"),
        fill("1 ", "", ""),
        fill("a b ", "", ""),
        fill(")(", "(", ")"),
        fill("&", "", ""),
        fill("@", "", ""),
        format!("{}1{}", "(".repeat(32), ")".repeat(32)),
        format!("{}1{}", "[".repeat(32), "]".repeat(32)),
        format!("{}1{}", "{1:".repeat(32), "}".repeat(32)),
        format!("{}1{}", "a(".repeat(32), ")".repeat(32)),
        format!("{}a", "a?b:".repeat(32)),
        format!("{}1{}", "(1+1+1+1+1+1+1+1+1+".repeat(32), ")".repeat(32)),
        format!("{}1{}", "-(".repeat(32), ")".repeat(32)),
        format!("{}1{}", "(true&&true||".repeat(32), ")".repeat(32)),
    ];
    let read = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let slow = |s: &String| {
            let start = std::time::Instant::now();
            let _ = predicate(&air, s);
            (start.elapsed(), s.chars().take(24).collect::<String>())
        };
        sources.iter().map(slow).max().expect("some")
    });
    let (longest, which) = read.expect("a thread").join().expect("a small stack is enough");
    // Measured 4 ms with opt-level 1; five hundred times that would be a parser gone wild.
    assert!(longest.as_millis() < 2_000, "{longest:?} for {which}");
    println!("longest: {longest:?} for {which}");
}

struct Values([f64; 4]);

impl cel::context::VariableResolver for Values {
    fn resolve<'b>(&'b self, name: &str) -> Option<cel::common::value::CowVal<'b, 'b>> {
        let i = AIR.iter().position(|n| *n == name)?;
        Some(cel::common::value::CowVal::owned(cel::common::types::CelDouble::from(self.0[i])))
    }
}

/// `cargo test --release -p ioc-rules --lib expr::tests::measure -- --ignored --nocapture`: the
/// figures of docs/adr/0005.
#[test]
#[ignore = "a measurement"]
fn measure_one_evaluation() {
    const N: u32 = 200_000;
    let city = city();
    let view = CityView::new(&city);
    let device = Name::from("air-su-pham");
    for text in [
        "pm25 > 45.0",
        "pm25 > 45.0 && humidity < 80.0",
        "pm25 > 45.0 && (pm10 / 2.0 > 100.0 || humidity < 80.0 && temperature + 2.0 > 30.0)",
    ] {
        let time = |name: &str, f: &mut dyn FnMut(f64) -> bool| {
            let start = std::time::Instant::now();
            let held = (0..N).filter(|i| f(f64::from(i % 90))).count();
            let ns = start.elapsed().as_nanos() as f64 / f64::from(N);
            println!("{ns:>9.1} ns  {name}  ({held} of {N} hold)  {text}");
        };
        let e = predicate(&city, text).expect("right");
        let mut lasts = Lasts::default();
        time("ours, with taking the values", &mut |v| {
            lasts.take(T0, &[(0, v), (1, 80.0), (2, 30.0), (3, 70.0)]);
            let scope =
                Scope { lasts: &lasts, fresh_ms: 1, t: T0, device: Some(&device), city: &view };
            e.holds(&scope) == Some(true)
        });
        let program = cel::Program::compile(text).expect("right");
        let root = cel::Context::default();
        time("cel, shared root and resolver", &mut |v| {
            let values = Values([v, 80.0, 30.0, 70.0]);
            let mut scope = root.new_inner_scope();
            scope.set_variable_resolver(&values);
            program.execute(&scope) == Ok(cel::Value::Bool(true))
        });
        time("cel, shared root, variables in a child", &mut |v| {
            let mut scope = root.new_inner_scope();
            for (name, value) in AIR.iter().zip([v, 80.0, 30.0, 70.0]) {
                scope.add_variable_from_value(*name, value);
            }
            program.execute(&scope) == Ok(cel::Value::Bool(true))
        });
        let mut few = 0;
        time("cel, a fresh context (every 20th)", &mut |v| {
            few += 1;
            if few % 20 != 0 {
                return false;
            }
            let mut context = cel::Context::default();
            for (name, value) in AIR.iter().zip([v, 80.0, 30.0, 70.0]) {
                context.add_variable_from_value(*name, value);
            }
            program.execute(&context) == Ok(cel::Value::Bool(true))
        });
        let start = std::time::Instant::now();
        for _ in 0..200 {
            assert!(predicate(&city, text).is_ok());
        }
        println!("{:>9.1} µs  to compile", start.elapsed().as_micros() as f64 / 200.0);
    }
}
