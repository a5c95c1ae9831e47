//! Lists inside one cell: items stand between `;`, and `\` takes its meaning from a character.

use std::collections::BTreeMap;

use ioc_model::DeviceField;

/// Parts between separators that have their meaning, as they stand.
fn split(text: &str, is_separator: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (n, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if is_separator(c) {
            parts.push(&text[start..n]);
            start = n + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn plain(text: &str) -> String {
    let (mut out, mut escaped) = (String::with_capacity(text.len()), false);
    for c in text.trim().chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if matches!(c, '\\' | ';' | '=' | '|') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Items of a cell; a line break separates them as well.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let parts = split(text, |c| c == ';' || c == '\n');
    parts.into_iter().filter(|p| !p.trim().is_empty())
}

/// `a;b;c`.
pub(super) fn list(text: &str) -> Vec<String> {
    items(text).map(plain).collect()
}

pub(super) fn of_list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let mut out = String::new();
    for item in items {
        if !out.is_empty() {
            out.push(';');
        }
        escape(item.as_ref(), &mut out);
    }
    out
}

/// `name=property|unit;…`; the item that is none.
pub(super) fn fields(text: &str) -> Result<Vec<DeviceField>, String> {
    let field = |item: &str| {
        let [name, rest] = split(item, |c| c == '=')[..] else { return Err(item.to_owned()) };
        let (property, unit) = match split(rest, |c| c == '|')[..] {
            [property] => (property, None),
            [property, unit] => (property, Some(plain(unit))),
            _ => return Err(item.to_owned()),
        };
        Ok(DeviceField { name: plain(name), property: plain(property).into(), unit })
    };
    items(text).map(field).collect()
}

pub(super) fn of_fields(fields: &[DeviceField]) -> String {
    let mut out = String::new();
    for field in fields {
        if !out.is_empty() {
            out.push(';');
        }
        escape(&field.name, &mut out);
        out.push('=');
        escape(&field.property, &mut out);
        if let Some(unit) = &field.unit {
            out.push('|');
            escape(unit, &mut out);
        }
    }
    out
}

/// `key=value;…`; the item that is none.
pub(super) fn tags(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut tags = BTreeMap::new();
    for item in items(text) {
        let [key, value] = split(item, |c| c == '=')[..] else { return Err(item.to_owned()) };
        if tags.insert(plain(key), plain(value)).is_some() {
            return Err(item.to_owned());
        }
    }
    Ok(tags)
}

pub(super) fn of_tags<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut out = String::new();
    for (key, value) in tags {
        if !out.is_empty() {
            out.push(';');
        }
        escape(key, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ITEM: &str = r#"[a-zA-Zđ;=|\\,"'+]([ a-zA-Zđ;=|\\,"'+]{0,6}[a-z\\;])?"#;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            items in prop::collection::vec(ITEM, 0..4),
            tags_in in prop::collection::btree_map(ITEM, ITEM, 0..4),
            units in prop::collection::vec(prop::option::of(ITEM), 4),
        ) {
            prop_assert_eq!(list(&of_list(&items)), items.clone());
            prop_assert_eq!(tags(&of_tags(&tags_in)), Ok(tags_in));
            let of = |(name, unit): (&String, &Option<String>)| DeviceField {
                name: name.clone(),
                property: name.as_str().into(),
                unit: unit.clone(),
            };
            let many: Vec<_> = items.iter().zip(&units).map(of).collect();
            prop_assert_eq!(fields(&of_fields(&many)), Ok(many));
        }
    }

    #[test]
    fn says_which_item_is_wrong() {
        assert_eq!(fields("a=b;c"), Err("c".into()));
        assert_eq!(tags("a=b=c"), Err("a=b=c".into()));
        assert_eq!(tags("a=1;a=2"), Err("a=2".into()));
        assert_eq!(list(" a ;; b \n c"), ["a", "b", "c"]);
    }
}
