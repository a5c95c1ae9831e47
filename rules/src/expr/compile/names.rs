//! Names: the main value, properties, the device, time.

use cel::IdedExpr;
use cel::common::ast::Expr;

use super::super::MAX_INPUTS;
use super::super::tree::{Num, Text};
use super::Compiler;
use super::types::{About, Typed, Unit};
use crate::fields::suggestion;

const WORDS: [&str; 6] = ["value", "values", "device", "area", "hour", "weekday"];
const DEVICE: [&str; 4] = ["id", "kind", "service", "area"];

impl Compiler<'_> {
    pub(super) fn name(&mut self, e: &IdedExpr, name: &str) -> Option<Typed> {
        match name {
            "value" if self.env.properties.is_some() => self.value(0),
            "value" => self.hinted(
                e,
                "`value` means nothing here: there is no main property",
                "name the property",
            ),
            "values" => self.hinted(e, "`values` needs a property", "such as `values.pm25`"),
            "device" => self.hinted(
                e,
                "`device` needs a field",
                "device.id, device.kind, device.service or device.area",
            ),
            "area" => Some(Typed::Text(Text::DeviceArea, About::Area)),
            "hour" => Some(Typed::Num(Num::Hour, Unit::Free)),
            "weekday" => Some(Typed::Num(Num::Weekday, Unit::Free)),
            _ => self.property(e, name, true),
        }
    }

    /// `values.pm25`, `device.kind`; a threshold that was not called by `threshold()`.
    pub(super) fn select(&mut self, e: &IdedExpr) -> Option<Typed> {
        let Expr::Select(select) = &e.expr else { return None };
        if let Expr::Ident(root) = &select.operand.expr {
            match (root.as_str(), select.field.as_str()) {
                ("values", field) => return self.property(e, field, false),
                ("device", "id") => return Some(Typed::Text(Text::DeviceId, About::Device)),
                ("device", "kind") => return Some(Typed::Text(Text::DeviceKind, About::Kind)),
                ("device", "service") => {
                    return Some(Typed::Text(Text::DeviceService, About::Service));
                }
                ("device", "area") => return Some(Typed::Text(Text::DeviceArea, About::Area)),
                ("device", field) => {
                    let message = format!("unknown field `{field}` of `device`");
                    let hint = suggestion(field, DEVICE.into_iter());
                    return self.hinted(e, message, hint.unwrap_or_default());
                }
                _ => {}
            }
        }
        let dotted = dotted(e).unwrap_or_else(|| select.field.clone());
        let message = format!("unknown name `{dotted}`");
        if self.env.city.thresholds.contains_key(dotted.as_str()) {
            return self.hinted(e, message, format!("write threshold('{dotted}')"));
        }
        self.error(e, message)
    }

    /// A property by its id; `bare`: it could be another name, too.
    pub(super) fn property(&mut self, e: &IdedExpr, id: &str, bare: bool) -> Option<Typed> {
        let input = self.input(e, id, bare)?;
        self.value(input)
    }

    /// The number of a property among the inputs.
    pub(super) fn input(&mut self, e: &IdedExpr, id: &str, bare: bool) -> Option<u8> {
        if let Some(i) = self.inputs.iter().position(|p| **p == *id) {
            return Some(i as u8);
        }
        let known = self.env.city.properties.get_key_value(id).map(|(k, _)| k.clone());
        let Some(property) = known else { return self.unknown(e, id, bare) };
        if self.env.properties.is_some() {
            let message = format!("`{id}` is not among the rule's properties");
            return self.hinted(e, message, format!("add `{id}` to `properties`"));
        }
        if self.inputs.len() >= MAX_INPUTS {
            return self.error(e, format!("more than {MAX_INPUTS} properties"));
        }
        self.inputs.push(property);
        Some(self.inputs.len() as u8 - 1)
    }

    fn unknown<T>(&mut self, e: &IdedExpr, name: &str, bare: bool) -> Option<T> {
        let what = if bare { "name" } else { "property" };
        let words = WORDS.into_iter().filter(|_| bare);
        let all = match self.env.properties {
            Some(listed) => listed.iter().map(|p| &**p).chain(words).collect::<Vec<_>>(),
            None => self.env.city.properties.keys().map(|p| &**p).chain(words).collect(),
        };
        let message = format!("unknown {what} `{name}`");
        match suggestion(name, all.into_iter()) {
            Some(hint) => self.hinted(e, message, hint),
            None => self.error(e, message),
        }
    }

    fn value(&mut self, input: u8) -> Option<Typed> {
        let property = self.inputs.get(usize::from(input))?;
        let unit = &self.env.city.properties.get(property)?.unit;
        Some(Typed::Num(Num::Value(input), Unit::Is(unit.clone())))
    }

    /// A word such as `'hai_chau'` where a ward is meant must be one.
    pub(super) fn check_word(&mut self, e: &IdedExpr, about: &About, word: &str) {
        let city = self.env.city;
        let (what, known, all): (_, bool, Vec<&str>) = match about {
            About::Area => (
                "area",
                city.areas.contains_key(word) || word == "unassigned",
                city.areas.keys().map(|k| &**k).collect(),
            ),
            About::Service => (
                "service",
                city.services.contains_key(word),
                city.services.keys().map(|k| &**k).collect(),
            ),
            About::Kind | About::Device => {
                // A city may have no device of a kind or name yet: only what looks like a slip is
                // an error.
                let all: Vec<&str> = match about {
                    About::Kind => city.devices.values().map(|d| d.kind.as_str()).collect(),
                    _ => city.devices.keys().map(|k| &**k).collect(),
                };
                let what = if *about == About::Kind { "device kind" } else { "device" };
                let slip = crate::fields::closest(word, all.iter().copied());
                (what, all.contains(&word) || slip.is_none(), all)
            }
            About::Literal(_) | About::Other => return,
        };
        if known {
            return;
        }
        let message = format!("unknown {what} `{word}`");
        match suggestion(word, all.into_iter()) {
            Some(hint) => self.hinted::<()>(e, message, hint),
            None => self.error(e, message),
        };
    }
}

/// `a.b.c` as it was written.
fn dotted(e: &IdedExpr) -> Option<String> {
    match &e.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(s) => Some(format!("{}.{}", dotted(&s.operand)?, s.field)),
        _ => None,
    }
}
