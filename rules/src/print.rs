//! Rules back to text: trees of [`Node`]s and the YAML they make.

use std::fmt::Write;

use ioc_model::Text;

use crate::yaml::{Key, Node, Value};

fn node(value: Value) -> Node {
    Node { line: 0, column: 0, value }
}

pub(crate) fn text(t: impl Into<String>) -> Node {
    node(Value::Text(t.into()))
}

pub(crate) fn number(n: impl Into<f64>) -> Node {
    node(Value::Number(n.into()))
}

pub(crate) fn boolean(b: bool) -> Node {
    node(Value::Bool(b))
}

pub(crate) fn list(items: impl IntoIterator<Item = Node>) -> Node {
    node(Value::List(items.into_iter().collect()))
}

/// A list of texts; one text stands alone.
pub(crate) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Node {
    list(items.into_iter().map(|t| text(t.as_ref())))
}

pub(crate) fn map(entries: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let key = |name: &str| Key { line: 0, column: 0, name: name.to_owned() };
    node(Value::Map(entries.into_iter().map(|(k, n)| (key(k), n)).collect()))
}

pub(crate) fn both(t: &Text) -> Node {
    map([("vi", text(t.vi.as_str())), ("en", text(t.en.as_str()))])
}

/// `90s`, `5m`, `24h`: the largest unit without a rest.
pub(crate) fn duration(ms: i64) -> Node {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let exact = units.into_iter().find(|(_, unit)| ms != 0 && ms % unit == 0);
    text(exact.map_or_else(|| format!("{ms}ms"), |(word, unit)| format!("{}{word}", ms / unit)))
}

/// The tree as YAML in block style, texts quoted.
pub(crate) fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    block(node, 0, &mut out);
    out
}

fn block(node: &Node, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (i, (key, value)) in entries.iter().enumerate() {
                let pad = if i == 0 { "" } else { &pad };
                let _ = write!(out, "{pad}{}:", key.name);
                below(value, indent + 2, out);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                let pad = if i == 0 { "" } else { &pad };
                let _ = write!(out, "{pad}- ");
                block(item, indent + 2, out);
            }
        }
        other => {
            scalar(other, out);
            out.push('\n');
        }
    }
}

/// What stands behind `key:`.
fn below(node: &Node, indent: usize, out: &mut String) {
    let nested = match &node.value {
        Value::Map(entries) => !entries.is_empty(),
        Value::List(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        let _ = write!(out, "\n{}", " ".repeat(indent));
    } else {
        out.push(' ');
    }
    block(node, indent, out);
}

fn scalar(value: &Value, out: &mut String) {
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(b) => write!(out, "{b}"),
        Value::Number(n) => write!(out, "{n}"),
        Value::Text(t) => write!(out, "{}", quoted(t)),
        Value::List(_) => write!(out, "[]"),
        Value::Map(_) => write!(out, "{{}}"),
    };
}

/// A YAML double-quoted scalar.
fn quoted(t: &str) -> String {
    let mut out = String::with_capacity(t.len() + 2);
    out.push('"');
    for c in t.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || ('\u{2028}'..='\u{2029}').contains(&c) || c == '\u{feff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(n: &Node) -> String {
        match &n.value {
            Value::List(items) => {
                format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(","))
            }
            Value::Map(entries) => {
                let all: Vec<String> =
                    entries.iter().map(|(k, v)| format!("{}={}", k.name, shape(v))).collect();
                format!("{{{}}}", all.join(","))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn reads_back_what_it_prints() {
        let tree = map([
            ("id", text("a.b")),
            ("odd", text("\"quoted\" \\ line\nbreak: # no\u{7f} comment {x}")),
            ("numbers", list([number(1.5), number(-3.0), number(1e-9), boolean(true)])),
            ("where", map([("kinds", texts(["camera", "yes", "1"])), ("none", list([]))])),
            ("steps", list([map([("a", text("1")), ("b", list([list([text("x")])]))])])),
            ("span", duration(90_000)),
        ]);
        let printed = to_yaml(&tree);
        let read = crate::yaml::parse("x.yaml", &printed).expect("valid YAML");
        assert_eq!(shape(&read), shape(&tree), "{printed}");
    }
}
