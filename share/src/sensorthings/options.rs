//! `$`-options of a request, and of each `$expand` in it.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::eval::{self, From};
use super::expr::Expr;
use super::fault::{Fault, shown};
use super::kind::{Kind, Nav};
use super::parse;

/// Longest query, bytes as sent.
pub(super) const MAX_QUERY: usize = 16_384;
/// Deepest `$expand`.
const MAX_EXPAND: usize = 6;
/// Largest `$skip`.
const MAX_SKIP: usize = 10_000_000;

/// What is asked of a set or an entity.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub top: Option<usize>,
    pub skip: usize,
    /// Id of the observation after which the page begins.
    pub after: Option<String>,
    pub count: bool,
    pub filter: Option<Filter>,
    pub order: Option<Order>,
    pub select: Option<Vec<&'static str>>,
    pub expand: Vec<Expand>,
    pub data_array: bool,
    /// Names and decoded values, as they were given.
    pub given: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Filter {
    option: String,
    text: String,
    pub expr: Expr,
    /// Asks for the times of datastreams.
    pub spans: bool,
}

#[derive(Debug)]
pub(super) struct Order {
    option: String,
    text: String,
    /// With whether it falls.
    pub keys: Vec<(Expr, bool)>,
    pub spans: bool,
}

#[derive(Debug)]
pub(super) struct Expand {
    pub nav: &'static Nav,
    pub options: Options,
}

impl Filter {
    pub(super) fn from(&self) -> From<'_> {
        From { option: &self.option, text: &self.text }
    }
}

impl Order {
    pub(super) fn from(&self) -> From<'_> {
        From { option: &self.option, text: &self.text }
    }
}

/// Decodes `%XX` and, as forms do, `+` for a blank.
pub(super) fn decode(text: &str, option: &str) -> Result<String, Fault> {
    let blanks = text.replace('+', " ");
    let decoded = percent_decode_str(&blanks).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| {
        Fault::new(400, format!("{} is no UTF-8 after percent-decoding", shown(option)))
    })
}

impl Options {
    /// Reads the text after the `?`.
    pub(super) fn parse(query: &str, kind: Kind, one: bool) -> Result<Self, Fault> {
        if query.len() > MAX_QUERY {
            return Err(Fault::new(400, format!("the query is longer than {MAX_QUERY} bytes")));
        }
        let mut given = Vec::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            given.push((decode(name, "an option's name")?, decode(value, name)?));
        }
        Self::read(given, kind, one, "", 0)
    }

    fn read(
        given: Vec<(String, String)>,
        kind: Kind,
        one: bool,
        within: &str,
        depth: usize,
    ) -> Result<Self, Fault> {
        let mut options = Self::default();
        for (i, (name, value)) in given.iter().enumerate() {
            let label = format!("{within}{name}");
            if given[..i].iter().any(|(n, _)| n == name) {
                return Err(Fault::new(400, format!("{} is given twice", shown(&label))));
            }
            let allowed_for_one = matches!(name.as_str(), "$select" | "$expand");
            if one && name.starts_with('$') && !allowed_for_one {
                let what = format!("{} is for sets, this is one entity", shown(&label));
                return Err(Fault::new(400, what).hint("$select and $expand can be used"));
            }
            options.set(&label, name, value, (kind, depth))?;
        }
        options.given = given;
        Ok(options)
    }

    fn set(
        &mut self,
        label: &str,
        name: &str,
        value: &str,
        (kind, depth): (Kind, usize),
    ) -> Result<(), Fault> {
        let from = From { option: label, text: value };
        match name {
            "$top" => self.top = Some(number(label, value, usize::MAX)?),
            "$skip" => self.skip = number(label, value, MAX_SKIP)?,
            "$skiptoken" => self.after = Some(value.to_owned()),
            "$count" => {
                self.count = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(from.fault(0, "$count is true or false")),
                }
            }
            "$filter" => {
                let expr = parse::expression(label, value)?;
                let spans = eval::check(&expr, kind, from)?;
                let (option, text) = (label.to_owned(), value.to_owned());
                self.filter = Some(Filter { option, text, expr, spans });
            }
            "$orderby" => {
                let keys = parse::order(label, value)?;
                let mut spans = false;
                for (key, _) in &keys {
                    spans |= eval::check(key, kind, from)?;
                }
                let (option, text) = (label.to_owned(), value.to_owned());
                self.order = Some(Order { option, text, keys, spans });
            }
            "$select" => self.select = Some(select(value, kind, from)?),
            "$expand" => self.expand = expand(value, kind, from, depth)?,
            "$resultFormat" if depth == 0 => match (value, kind) {
                ("dataArray", Kind::Observation) => self.data_array = true,
                ("dataArray", _) => {
                    return Err(from.fault(0, "dataArray is for Observations"));
                }
                ("json" | "default", _) => {}
                _ => {
                    return Err(Fault::new(501, "this $resultFormat is not served")
                        .hint("dataArray is, for Observations"));
                }
            },
            other if other.starts_with('$') => {
                return Err(Fault::new(501, format!("there is no option {}", shown(label))).hint(
                    "options are $filter, $orderby, $select, $expand, $top, $skip, $count and \
                     $resultFormat",
                ));
            }
            // Parameters without a dollar are the client's own (OData 4.0 part 2, 5.2).
            _ => {}
        }
        Ok(())
    }

    /// The place after which the page begins, unless `$skip` was changed since it was given out.
    pub(super) fn token(&self) -> Option<&str> {
        let (skip, id) = self.after.as_deref()?.split_once('.')?;
        (skip.parse() == Ok(self.skip)).then_some(id)
    }

    /// These options for the next page.
    pub(super) fn next(&self, skip: usize, after: Option<&str>) -> String {
        let mut out = String::new();
        let mut put = |name: &str, value: &str| {
            out.push(if out.is_empty() { '?' } else { '&' });
            out.extend(utf8_percent_encode(name, &QUERY));
            out.push('=');
            out.extend(utf8_percent_encode(value, &QUERY));
        };
        for (name, value) in self.given.iter().filter(|(n, _)| n != "$skip" && n != "$skiptoken") {
            put(name, value);
        }
        put("$skip", &skip.to_string());
        if let Some(id) = after {
            put("$skiptoken", &format!("{skip}.{id}"));
        }
        out
    }
}

/// Characters that are encoded in a link's query.
const QUERY: AsciiSet = CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

fn number(label: &str, value: &str, most: usize) -> Result<usize, Fault> {
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse::<usize>() {
        Ok(n) if plain && n <= most => Ok(n),
        _ if plain => Err(Fault::at(label, value, 0, "the number is too large")),
        _ => Err(Fault::at(label, value, 0, "not a whole number of 0 or more")),
    }
}

fn select(value: &str, kind: Kind, from: From<'_>) -> Result<Vec<&'static str>, Fault> {
    let mut names = Vec::new();
    for (at, part) in split(value, ',', from)? {
        let name = part.trim();
        let found = match name {
            "@iot.selfLink" => Some("@iot.selfLink"),
            _ => kind.property(name).or_else(|| kind.nav(name).map(|n| n.name)),
        };
        let Some(found) = found else {
            let what = format!("{} have no `{}`", kind.set(), shown(name));
            let hint = format!("they have id, {}", kind.properties().join(", "));
            return Err(from.fault(at, what).hint(hint));
        };
        if !names.contains(&found) {
            names.push(found);
        }
    }
    Ok(names)
}

fn expand(value: &str, kind: Kind, from: From<'_>, depth: usize) -> Result<Vec<Expand>, Fault> {
    let mut list = Vec::new();
    for (at, item) in split(value, ',', from)? {
        let open = item.find('(').unwrap_or(item.len());
        let (path, rest) = item.split_at(open);
        let names: Vec<&str> = path.trim().split('/').collect();
        let given = match rest.trim_end().strip_prefix('(') {
            None => Vec::new(),
            Some(inner) => {
                let inner = inner
                    .strip_suffix(')')
                    .ok_or_else(|| from.fault(at, "a closing parenthesis is missing"))?;
                let mut given = Vec::new();
                for (_, pair) in split(inner, ';', from)? {
                    let pair = pair.trim();
                    if pair.is_empty() {
                        continue;
                    }
                    let (name, value) = pair
                        .split_once('=')
                        .ok_or_else(|| from.fault(at, format!("`{}` has no `=`", shown(pair))))?;
                    given.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                given
            }
        };
        add(&mut list, &names, given, &Place { kind, from, at, depth })?;
    }
    Ok(list)
}

/// Where an expansion stands.
struct Place<'a> {
    kind: Kind,
    from: From<'a>,
    at: usize,
    depth: usize,
}

/// Adds `A/B(options)` as `A($expand=B(options))`; `A` and `A/B` together are one expansion.
fn add(
    list: &mut Vec<Expand>,
    names: &[&str],
    given: Vec<(String, String)>,
    p: &Place<'_>,
) -> Result<(), Fault> {
    let Some((name, rest)) = names.split_first() else { return Ok(()) };
    if p.depth >= MAX_EXPAND {
        return Err(p.from.fault(p.at, format!("expanded deeper than {MAX_EXPAND}")));
    }
    let Some(nav) = p.kind.nav(name) else {
        let ways: Vec<&str> = p.kind.navs().iter().map(|n| n.name).collect();
        let what = format!("{} do not lead to `{}`", p.kind.set(), shown(name));
        return Err(p.from.fault(p.at, what).hint(format!("they lead to {}", ways.join(", "))));
    };
    let at = match list.iter().position(|e| e.nav.name == nav.name) {
        Some(at) if rest.is_empty() && !given.is_empty() => {
            let what = format!("`{}` is expanded twice", list[at].nav.name);
            return Err(p.from.fault(p.at, what));
        }
        Some(at) => at,
        None => {
            list.push(Expand { nav, options: Options::default() });
            list.len() - 1
        }
    };
    if rest.is_empty() {
        if !given.is_empty() {
            let within = format!("{}({})/", p.from.option, nav.name);
            list[at].options = Options::read(given, nav.to, !nav.many, &within, p.depth + 1)?;
        }
        return Ok(());
    }
    let deeper = Place { kind: nav.to, depth: p.depth + 1, ..*p };
    add(&mut list[at].options.expand, rest, given, &deeper)
}

/// Splits where a separator stands outside of quotes and parentheses; with the byte of each part.
fn split<'a>(text: &'a str, by: char, from: From<'_>) -> Result<Vec<(usize, &'a str)>, Fault> {
    let (mut parts, mut begin, mut open, mut quoted) = (Vec::new(), 0, 0usize, false);
    for (i, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => open += 1,
            ')' => {
                open = open
                    .checked_sub(1)
                    .ok_or_else(|| from.fault(i, "a closing parenthesis without an opening one"))?;
            }
            _ if c == by && open == 0 => {
                parts.push((begin, &text[begin..i]));
                begin = i + c.len_utf8();
            }
            _ => {}
        }
    }
    if quoted || open > 0 {
        let what =
            if quoted { "a closing quote is missing" } else { "a closing parenthesis is missing" };
        return Err(from.fault(text.len(), what));
    }
    parts.push((begin, &text[begin..]));
    Ok(parts)
}
