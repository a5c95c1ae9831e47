use proptest::prelude::*;

use super::*;

/// The value as a tree, for comparing.
fn tree(value: Value<'_>) -> Json<'_> {
    if let Some(items) = value.items() {
        return Json::Array(items.map(tree).collect());
    }
    if value.is_object() {
        return Json::Object(value.fields().map(|(k, v)| (k.into(), tree(v))).collect());
    }
    value.json()
}

/// Both readers must say the same of a payload.
fn same(payload: &str) {
    let got = with(payload.as_bytes(), |value| Ok(format!("{:?}", tree(value))));
    match (got, Json::parse(payload.as_bytes())) {
        // As texts: `==` does not tell -0 from 0.
        (Ok(got), Ok(expect)) => assert_eq!(got, format!("{expect:?}"), "{payload}"),
        (Err(a), Err(b)) => assert_eq!(a.reason, b.reason, "{payload}: {} {}", a.detail, b.detail),
        (got, expect) => assert_eq!(format!("{got:?}"), format!("{expect:?}"), "{payload}"),
    }
}

#[test]
fn reads_and_refuses_like_the_tree() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let wide = |n: usize| {
        let fields: Vec<String> = (0..n).map(|i| format!("\"k{i}\":0")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let long = |n: usize| format!("\"{}\"", "ế".repeat(n / 3) + &"x".repeat(n % 3));
    for owned in [
        deep(16),
        deep(17),
        deep(30_000),
        wide(256),
        wide(257),
        long(4_096),
        long(4_097),
        format!("{{{}:1}}", long(4_096)),
        "9".repeat(400),
        "-".to_owned() + &"9".repeat(310),
        format!("0.{}", "9".repeat(400)),
    ] {
        same(&owned);
    }
    for payload in [
        "",
        " ",
        "null",
        "nul",
        "nulll",
        "true",
        "false",
        "0",
        "-0",
        "00",
        "01",
        "-",
        "-1",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "1e+",
        "1e999",
        "-1e999",
        "1e-999",
        "NaN",
        "+1",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "0.1",
        "108.218212345678901234",
        "5e-324",
        "\"",
        "\"a",
        "\"a\"",
        "\"a\"b",
        "\"\\\"",
        "\"\\\\\"",
        "\"\\n\\t\\/\\b\\f\\r\"",
        "\"\\x\"",
        "\"\\u0041\"",
        "\"\\u0000\"",
        "\"\\u00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\u0041\"",
        "\"a\\u1ebfb\\u1ebf\"",
        "\"\t\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"12345678\\\"\"",
        "\"1234567\\n9\"",
        "\"đường Hùng Vương\"",
        "\"\u{7f}\u{80}\"",
        "[]",
        "[ ]",
        "[1]",
        "[1,2]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "[",
        "]",
        "[[],[[]],{}]",
        "{}",
        "{ }",
        "{\"a\":1}",
        "{\"a\" : 1 , \"b\":[ {} ]}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,\"a\":2}",
        "{\"\":1,\"\":2}",
        "{\"a\":{\"a\":1}}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\u0061\":1,\"a\":2}",
        "{\"ab\":[1,{\"c\":2}],\"ba\":3,\"ab\":4}",
        "{\"\\u0000\":1}",
        "{} {}",
        "{}x",
        "\u{feff}{}",
        "[\u{a0}]",
        "// c",
        "{\"a\":NaN}",
    ] {
        same(payload);
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    for payload in [&b"\"\xff\""[..], b"\xff", b"{\"a\xc3\":1}", b"\"\xed\xa0\x80\""] {
        assert!(with(payload, |_| Ok(())).is_err() && Json::parse(payload).is_err(), "{payload:?}");
    }
}

#[test]
fn a_message_leaves_nothing_for_the_next() {
    let texts = |payload: &str| {
        with(payload.as_bytes(), |v| Ok(v.fields().map(|(k, _)| k.to_owned()).collect::<Vec<_>>()))
    };
    assert_eq!(texts(r#"{"a\n":1,"b":{"c":2}}"#).expect("JSON"), ["a\n", "b"]);
    assert!(texts(r#"{"x\n":1,"#).is_err());
    assert_eq!(texts(r#"{"d\t":1}"#).expect("JSON"), ["d\t"]);
}

/// JSON of all kinds, and what is nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?[0-9]{1,22}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        any::<String>().prop_map(|s| serde_json::to_string(&s).expect("text")),
        r#""(\\u[0-9a-dA-D]{4}|\\[nt"]|[a-z ế]){0,20}""#,
    ];
    let whole = leaf.prop_recursive(4, 40, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..6);
        let fields = prop::collection::vec(("\"[ab]{0,2}[a-zế]{0,9}\"", inner), 0..6);
        prop_oneof![
            list.prop_map(|items| format!("[{}]", items.join(","))),
            fields.prop_map(|fields| {
                let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k} : {v}")).collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    });
    (whole, any::<prop::sample::Index>(), "[\\[\\]{},:\"\\\\0-9eE.+\\-a ]{0,2}", 0..3usize)
        .prop_map(|(json, at, put, cut)| {
            let mut signs: Vec<char> = json.chars().collect();
            let at = at.index(signs.len() + 1);
            let end = (at + cut).min(signs.len());
            signs.splice(at..end, put.chars());
            signs.into_iter().collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn says_what_the_tree_says(payload in nearly_json()) {
        same(&payload);
    }

    #[test]
    fn says_what_the_tree_says_of_any_text(payload in any::<String>()) {
        same(&payload);
    }
}
