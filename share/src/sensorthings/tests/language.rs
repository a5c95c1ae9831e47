//! The parser: what it prints it reads, what is hostile it refuses.

use proptest::prelude::*;

use super::super::expr::{Expr, Function, Is, Literal, Op};
use super::super::geometry::Geometry;
use super::super::kind::Kind;
use super::super::options::Options;
use super::super::parse;
use super::super::when;

fn printed(text: &str) -> String {
    match parse::expression("$filter", text) {
        Ok(e) => e.to_string(),
        Err(f) => f.at.map_or_else(|| f.text.clone(), |(_, at)| format!("{at}: {}", f.text)),
    }
}

#[test]
fn operators_bind_as_odata_has_it() {
    let of = |a: &str, b: &str| assert_eq!(printed(a), printed(b), "{a}");
    of("a or b and c", "a or (b and c)");
    of("a eq 1 and b gt 2 or c", "((a eq 1) and (b gt 2)) or c");
    of("a add 1 mul 2 eq 3", "(a add (1 mul 2)) eq 3");
    of("a sub 1 sub 2", "(a sub 1) sub 2");
    of("not a eq b", "(not a) eq b");
    of("not (a eq b) and c", "(not (a eq b)) and c");
    of("-a mul 2", "(-(a)) mul 2");
    of("a gt -5 and b lt -1.5e3", "(a gt (-5)) and (b lt (-1500))");
}

#[test]
fn literals_are_read_as_they_are_written() {
    assert_eq!(printed("'it''s'"), "'it''s'");
    assert_eq!(printed("2026-01-31T12:00:00Z"), "2026-01-31T12:00:00.000Z");
    assert_eq!(printed("2026-01-31T19:00:00.5+07:00"), "2026-01-31T12:00:00.500Z");
    // A plus that was not encoded arrives as a blank.
    assert_eq!(printed("a gt 2026-01-31T19:00:00 07:00"), "(a) gt (2026-01-31T12:00:00.000Z)");
    assert_eq!(
        printed("2026-01-31T12:00:00Z/2026-02-01T00:00:00Z"),
        "2026-01-31T12:00:00.000Z/2026-02-01T00:00:00.000Z"
    );
    assert_eq!(printed("2026-01-31"), "2026-01-31");
    assert_eq!(printed("13:20:00"), "13:20:00.000");
    assert_eq!(printed("duration'PT1H'"), "duration'PT3600.000S'");
    assert_eq!(printed("1e-7 gt 2020-01-01T00:00:00Z"), "(1e-7) gt (2020-01-01T00:00:00.000Z)");
    assert_eq!(printed("geography'POINT(1 2)'"), "geography'POINT (1.0 2.0)'");
    assert_eq!(printed("Thing/properties/some-key"), "Thing/properties/some-key");
    assert_eq!(printed("substringof( 'a' , name )"), "substringof('a',name)");
}

#[test]
fn mistakes_have_their_place() {
    assert_eq!(printed("name eq"), "8: a value is missing");
    assert_eq!(printed("name eq 'x"), "9: the text has no closing quote");
    assert_eq!(printed("ô eq (1"), "8: a closing parenthesis is missing");
    assert_eq!(printed("a b"), "3: `b` is not expected here");
    assert_eq!(printed("foo(1)"), "1: there is no function `foo`");
    assert_eq!(printed("length(a,b)"), "1: length takes 1 values");
    assert_eq!(printed("a eq 2026-13-01T00:00:00Z"), "6: `2026-13-01T00:00:00Z` is no time");
    assert_eq!(printed("a eq 2026-01-01T00:00:00"), "6: `2026-01-01T00:00:00` is no time");
    assert_eq!(printed("a eq 5x"), "6: `5x` is no number");
    assert_eq!(printed("a eq 1e999"), "6: `1e999` is no number");
    assert_eq!(printed("a/"), "3: a name is missing after `/`");
    assert_eq!(printed(""), "1: a value is missing");
    assert_eq!(
        printed("geography'POINT(1)'"),
        "1: a point is two numbers: longitude, then latitude"
    );
    assert_eq!(
        printed("2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"),
        "22: the period ends before it begins"
    );
}

#[test]
fn depth_and_length_are_bounded() {
    for text in [
        format!("{}1{}", "(".repeat(2_000), ")".repeat(2_000)),
        "not ".repeat(1_000),
        "-".repeat(4_000),
        "length(".repeat(500),
        format!("a eq 1{}", " and a eq 1".repeat(1_000)),
    ] {
        let fault = parse::expression("$filter", &text).expect_err("too deep or too long");
        assert!(fault.text.contains("deeper") || fault.text.contains("longer"), "{}", fault.text);
    }
    let long = format!("a eq 1{}", " or a eq 1".repeat(300));
    assert!(parse::expression("$filter", &long).is_ok(), "long, but not deep");
}

#[test]
fn orders_are_lists_of_keys() {
    let keys = |text: &str| match parse::order("$orderby", text) {
        Ok(keys) => keys.iter().map(|(k, f)| format!("{k}{}", if *f { "↓" } else { "" })).collect(),
        Err(f) => vec![f.text],
    };
    assert_eq!(keys("phenomenonTime desc, id"), ["phenomenonTime↓", "id"]);
    assert_eq!(keys("name ASC,length(name) DESC"), ["name", "length(name)↓"]);
    assert_eq!(keys("name down"), ["`down` is not expected here"]);
    assert_eq!(keys("a,a,a,a,a,a,a,a,a"), ["more than 8 keys to order by"]);
}

fn literal() -> impl Strategy<Value = Literal> {
    let place = (-180.0..180.0f64, -90.0..90.0f64);
    let places = prop::collection::vec(place.clone(), 3..6);
    let closed = places.clone().prop_map(|mut ring| {
        ring.push(ring[0]);
        Geometry::Polygon(vec![ring])
    });
    let time = when::EARLIEST_MS..=when::LATEST_MS;
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        (-1e12..1e12f64).prop_map(Literal::Number),
        prop::num::f64::NORMAL.prop_map(Literal::Number),
        "\\PC{0,12}".prop_map(Literal::Text),
        time.clone().prop_map(Literal::Time),
        (time.clone(), time.clone()).prop_map(|(a, b)| Literal::Period(a.min(b), a.max(b))),
        time.prop_map(|t| Literal::Date(t.div_euclid(when::DAY_MS))),
        (0..when::DAY_MS).prop_map(Literal::Clock),
        (-300_000_000_000_000i64..300_000_000_000_000).prop_map(Literal::Duration),
        place.prop_map(|p| Literal::Geometry(Geometry::Point(p))),
        places.prop_map(|p| Literal::Geometry(Geometry::Line(p))),
        closed.prop_map(Literal::Geometry),
    ]
}

fn expression() -> impl Strategy<Value = Expr> {
    let e = |is: Is| Expr { at: 0, is };
    let name = prop::sample::select(vec!["name", "result", "Datastream", "@iot.id", "properties"]);
    let leaf = prop_oneof![
        literal().prop_map(Is::Literal),
        prop::collection::vec(name, 1..4)
            .prop_map(|p| Is::Path(p.into_iter().map(str::to_owned).collect())),
    ];
    leaf.prop_map(e).prop_recursive(5, 24, 3, move |inner| {
        let op = prop::sample::select(Op::ALL.to_vec());
        let boxed = inner.clone().prop_map(Box::new);
        let function = prop::sample::select(Function::ALL.to_vec());
        let call = (function, prop::collection::vec(inner, 3)).prop_map(|(f, mut list)| {
            list.truncate(f.arguments().0);
            Is::Call(f, list)
        });
        // A minus before a number is the number's own.
        let minus = boxed.clone().prop_map(|b| match b.is {
            Is::Literal(Literal::Number(n)) => Is::Literal(Literal::Number(-n)),
            _ => Is::Negative(b),
        });
        prop_oneof![
            boxed.clone().prop_map(Is::Not),
            minus,
            (op, boxed.clone(), boxed).prop_map(|(op, a, b)| Is::Both(op, a, b)),
            call,
        ]
        .prop_map(e)
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_it_was(e in expression()) {
        let text = e.to_string();
        prop_assume!(text.len() <= parse::MAX_TEXT);
        let read = parse::expression("$filter", &text);
        prop_assert_eq!(read.as_ref(), Ok(&e), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = parse::expression("$filter", &text);
        let _ = parse::order("$orderby", &text);
    }

    #[test]
    fn no_text_of_our_words_panics(words in prop::collection::vec(prop::sample::select(vec![
        "not", "-", "(", ")", "'", "''", ",", "/", " ", "and", "eq", "add", "1", "1e", "2026-01-01",
        "T00:00:00Z", "+07:00", " 07:00", "geography'", "duration'", "POINT(", "name", "length(",
        "now()", "é", "@iot.id", ":", ".", "desc", "null", "12:00:00",
    ]), 0..24)) {
        let text: String = words.concat();
        let _ = parse::expression("$filter", &text);
        let _ = parse::order("$orderby", &text);
    }

    #[test]
    fn no_query_panics(query in "(\\$(expand|filter|select|orderby|top|skip|count|skiptoken)=[\\PC]{0,40}&){0,4}") {
        for kind in Kind::ALL {
            let _ = Options::parse(&query, kind, false);
        }
    }
}
