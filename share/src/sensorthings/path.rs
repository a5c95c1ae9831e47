//! Resource paths: what an address names (18-088, 9.2).

use percent_encoding::percent_decode_str;

use super::fault::{Fault, shown};

/// Most parts of a path.
const MAX_PARTS: usize = 12;

/// One part of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub name: String,
    /// Id in parentheses.
    pub key: Option<String>,
}

/// Takes the path apart. A slash at the end does not count.
pub(super) fn parse(path: &str) -> Result<Vec<Part>, Fault> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() > MAX_PARTS {
        return Err(Fault::new(400, format!("the path has more than {MAX_PARTS} parts")));
    }
    parts.into_iter().map(part).collect()
}

fn part(text: &str) -> Result<Part, Fault> {
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Fault::new(400, "the path is no UTF-8 after percent-decoding"))?;
    let Some((name, rest)) = text.split_once('(') else {
        return Ok(Part { name: text.into_owned(), key: None });
    };
    let key = rest.strip_suffix(')').ok_or_else(|| {
        Fault::new(400, format!("`{}` has no closing parenthesis at its end", shown(&text)))
    })?;
    let key = key
        .strip_prefix('\'')
        .and_then(|k| k.strip_suffix('\''))
        .filter(|k| !k.replace("''", "").contains('\''))
        .ok_or_else(|| {
            Fault::new(404, format!("there is no {}", shown(&text)))
                .hint(format!("ids are texts in single quotes: {}('…')", shown(name)))
        })?;
    Ok(Part { name: name.to_owned(), key: Some(key.replace("''", "'")) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(path: &str) -> String {
        match parse(path) {
            Ok(parts) => parts
                .iter()
                .map(|p| format!("{}={:?}", p.name, p.key.as_deref().unwrap_or("-")))
                .collect::<Vec<_>>()
                .join(" "),
            Err(f) => f.status.to_string(),
        }
    }

    #[test]
    fn paths_are_names_with_keys() {
        assert_eq!(shape(""), "");
        assert_eq!(shape("/"), "");
        assert_eq!(shape("/Things"), "Things=\"-\"");
        assert_eq!(shape("/Things('a')/Datastreams/"), "Things=\"a\" Datastreams=\"-\"");
        assert_eq!(
            shape("/Things(%27a%20b%27)/name/$value"),
            "Things=\"a b\" name=\"-\" $value=\"-\""
        );
        assert_eq!(shape("/Things('a''b')"), "Things=\"a'b\"");
        assert_eq!(shape("/Things(1)"), "404");
        assert_eq!(shape("/Things('a'b')"), "404");
        assert_eq!(shape("/Things(')"), "404");
        assert_eq!(shape("/Things('a'"), "400");
        assert_eq!(shape("/Things(%ff)"), "400");
        assert_eq!(shape(&"/x".repeat(13)), "400");
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "\\PC{0,60}") {
            let _ = parse(&path);
        }
    }
}
