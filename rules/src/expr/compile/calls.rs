//! Operators and functions.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators as op};

use super::super::tree::{Bool, Calc, Cmp, Num, Text, TextTest};
use super::Compiler;
use super::types::{About, Typed, Unit, shown};
use crate::fields::suggestion;
use crate::limit::{Adjust, Limit};

pub(super) const NO_COMPREHENSION: &str =
    "comprehensions are not part of the language: an expression looks at one device";
const MACROS: [&str; 7] = ["all", "exists", "exists_one", "map", "filter", "optMap", "optFlatMap"];
const FUNCTIONS: [&str; 8] =
    ["threshold", "has", "min", "max", "abs", "startsWith", "endsWith", "contains"];

impl Compiler<'_> {
    pub(super) fn call(&mut self, e: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let name = call.func_name.as_str();
        match (&call.target, call.args.as_slice()) {
            (None, [a, b]) => match name {
                op::LOGICAL_AND | op::LOGICAL_OR => return self.logical(name, a, b),
                op::ADD => return self.calc(e, Calc::Add, a, b),
                op::SUBSTRACT => return self.calc(e, Calc::Sub, a, b),
                op::MULTIPLY => return self.calc(e, Calc::Mul, a, b),
                op::DIVIDE => return self.calc(e, Calc::Div, a, b),
                op::LESS => return self.compare(e, Cmp::Lt, a, b),
                op::LESS_EQUALS => return self.compare(e, Cmp::Le, a, b),
                op::GREATER => return self.compare(e, Cmp::Gt, a, b),
                op::GREATER_EQUALS => return self.compare(e, Cmp::Ge, a, b),
                op::EQUALS => return self.compare(e, Cmp::Eq, a, b),
                op::NOT_EQUALS => return self.compare(e, Cmp::Ne, a, b),
                op::IN => return self.one_of(e, a, b),
                op::INDEX => return self.index(e, a, b),
                op::MODULO => {
                    return self.error(e, "`%` is for whole numbers, measured values are none");
                }
                _ => {}
            },
            (None, [a]) if name == op::LOGICAL_NOT => {
                return Some(Typed::Bool(Bool::Not(Box::new(self.boolean(a)?))));
            }
            (None, [a]) if name == op::NEGATE => {
                let (n, unit) = self.number(a)?;
                return Some(Typed::Num(Num::Neg(Box::new(n)), unit));
            }
            (None, [c, a, b]) if name == op::CONDITIONAL => return self.choice(e, c, a, b),
            _ => {}
        }
        self.function(e, call)
    }

    fn function(&mut self, e: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        match (&call.target, call.func_name.as_str(), call.args.as_slice()) {
            (None, "threshold", [a]) => self.threshold(a),
            (None, "has", [a]) => self.has(a),
            (None, "abs", [a]) => {
                let (n, unit) = self.number(a)?;
                Some(Typed::Num(Num::Abs(Box::new(n)), unit))
            }
            (None, name @ ("min" | "max"), args) if args.len() >= 2 => {
                let all: Vec<_> = args.iter().map(|a| (a, self.number(a))).collect();
                let (mut unit, mut numbers) = (Unit::Free, Vec::new());
                for (at, found) in all {
                    let (n, u) = found?;
                    unit = self.same_unit(at, unit, u)?;
                    numbers.push(n);
                }
                let n = if name == "min" { Num::Min(numbers) } else { Num::Max(numbers) };
                Some(Typed::Num(n, unit))
            }
            (Some(t), "startsWith", [a]) => self.text_test(TextTest::StartsWith, t, a),
            (Some(t), "endsWith", [a]) => self.text_test(TextTest::EndsWith, t, a),
            (Some(t), "contains", [a]) => self.text_test(TextTest::Contains, t, a),
            (Some(_), name, _) if MACROS.contains(&name) => self.error(e, NO_COMPREHENSION),
            (target, name, args) if FUNCTIONS.contains(&name) => {
                let how = match name {
                    "threshold" => "threshold('flood.bd1')",
                    "has" => "has(values.pm25)",
                    "abs" => "abs(x)",
                    "min" | "max" => "min(x, y) or max(x, y, z)",
                    _ => "device.id.startsWith('air-')",
                };
                let found = args.len() + usize::from(target.is_some());
                let message = format!("`{name}` does not take {found} arguments so");
                self.hinted(e, message, format!("write {how}"))
            }
            (_, name, _) => {
                let message = format!("unknown function `{name}`");
                match suggestion(name, FUNCTIONS.into_iter()) {
                    Some(hint) => self.hinted(e, message, hint),
                    None => self.error(e, message),
                }
            }
        }
    }

    fn number(&mut self, e: &IdedExpr) -> Option<(Num, Unit)> {
        match self.expr(e)? {
            Typed::Num(n, unit) => Some((n, unit)),
            other => self.error(e, format!("expected a number, found {}", other.kind())),
        }
    }

    fn boolean(&mut self, e: &IdedExpr) -> Option<Bool> {
        match self.expr(e)? {
            Typed::Bool(b) => Some(b),
            other => self.error(e, format!("expected true or false, found {}", other.kind())),
        }
    }

    fn text(&mut self, e: &IdedExpr) -> Option<(Text, About)> {
        match self.expr(e)? {
            Typed::Text(t, about) => Some((t, about)),
            other => self.error(e, format!("expected a text, found {}", other.kind())),
        }
    }

    fn same_unit(&mut self, e: &IdedExpr, a: Unit, b: Unit) -> Option<Unit> {
        match a.same(b) {
            Ok(unit) => Some(unit),
            Err((a, b)) => {
                let message = format!("one side is {}, the other {}", shown(&a), shown(&b));
                self.hinted(e, message, "values and thresholds need the same unit")
            }
        }
    }

    fn logical(&mut self, name: &str, a: &IdedExpr, b: &IdedExpr) -> Option<Typed> {
        let sides = (self.boolean(a), self.boolean(b));
        let sides = Box::new((sides.0?, sides.1?));
        let both = if name == op::LOGICAL_AND { Bool::And(sides) } else { Bool::Or(sides) };
        Some(Typed::Bool(both))
    }

    fn calc(&mut self, e: &IdedExpr, op: Calc, a: &IdedExpr, b: &IdedExpr) -> Option<Typed> {
        let (a, b) = (self.number(a), self.number(b));
        let ((a, ua), (b, ub)) = (a?, b?);
        if op == Calc::Div && b == Num::Const(0.0) {
            return self.error(e, "division by zero");
        }
        let unit = match op {
            Calc::Add | Calc::Sub => self.same_unit(e, ua, ub)?,
            Calc::Mul => ua.times(ub),
            Calc::Div => ua.per(ub),
        };
        Some(Typed::Num(Num::Calc(op, Box::new((a, b))), unit))
    }

    fn compare(&mut self, e: &IdedExpr, op: Cmp, a: &IdedExpr, b: &IdedExpr) -> Option<Typed> {
        let sides = (self.expr(a), self.expr(b));
        match (sides.0?, sides.1?) {
            (Typed::Num(x, ux), Typed::Num(y, uy)) => {
                self.same_unit(e, ux, uy)?;
                let exact = matches!(op, Cmp::Eq | Cmp::Ne);
                if exact && (divides(&x) || divides(&y)) {
                    let at = self.offset(e);
                    self.notes.push(format!(
                        "`==` of a quotient is hardly ever exact (character {})",
                        at + 1
                    ));
                }
                Some(Typed::Bool(Bool::Compare(op, Box::new((x, y)))))
            }
            (Typed::Text(x, ax), Typed::Text(y, ay)) => {
                self.check_words((a, &ax), (b, &ay));
                let same = Bool::TextIs(TextTest::Equal, Box::new((x, y)));
                match op {
                    Cmp::Eq => Some(Typed::Bool(same)),
                    Cmp::Ne => Some(Typed::Bool(Bool::Not(Box::new(same)))),
                    _ => self.error(e, "texts can only be equal or not"),
                }
            }
            (Typed::Bool(_), Typed::Bool(_)) => self.hinted(
                e,
                "true and false are not compared",
                "write the condition itself, or `!` before it",
            ),
            (x, y) => {
                let message = format!("{} cannot be compared with {}", x.kind(), y.kind());
                self.error(e, message)
            }
        }
    }

    /// If one side is written out and the other says what it is about.
    fn check_words(&mut self, a: (&IdedExpr, &About), b: (&IdedExpr, &About)) {
        if let About::Literal(word) = a.1 {
            self.check_word(a.0, b.1, word);
        }
        if let About::Literal(word) = b.1 {
            self.check_word(b.0, a.1, word);
        }
    }

    fn one_of(&mut self, e: &IdedExpr, a: &IdedExpr, list: &IdedExpr) -> Option<Typed> {
        let Expr::List(items) = &list.expr else {
            return self.hinted(
                list,
                "expected a list",
                "such as `area in ['hai_chau', 'son_tra']`",
            );
        };
        if items.elements.is_empty() {
            return self.error(list, "nothing is in an empty list");
        }
        match self.expr(a)? {
            Typed::Num(n, mut unit) => {
                let mut all = Vec::new();
                for item in &items.elements {
                    let (x, u) = self.number(item)?;
                    unit = self.same_unit(item, unit, u)?;
                    all.push(x);
                }
                Some(Typed::Bool(Bool::NumIn(Box::new(n), all)))
            }
            Typed::Text(t, about) => {
                let mut all = Vec::new();
                for item in &items.elements {
                    let (x, other) = self.text(item)?;
                    self.check_words((a, &about), (item, &other));
                    all.push(x);
                }
                Some(Typed::Bool(Bool::TextIn(Box::new(t), all)))
            }
            Typed::Bool(_) => self.error(e, "true/false is in no list"),
        }
    }

    /// `values['pm25']`.
    fn index(&mut self, e: &IdedExpr, a: &IdedExpr, key: &IdedExpr) -> Option<Typed> {
        match (&a.expr, &key.expr) {
            (Expr::Ident(root), Expr::Literal(LiteralValue::String(id))) if root == "values" => {
                self.property(key, id.inner(), false)
            }
            _ => self.hinted(e, "only `values` has entries", "such as `values['pm25']`"),
        }
    }

    fn choice(
        &mut self,
        e: &IdedExpr,
        condition: &IdedExpr,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Option<Typed> {
        let parts = (self.boolean(condition), self.expr(a), self.expr(b));
        match (parts.0?, parts.1?, parts.2?) {
            (c, Typed::Num(x, ux), Typed::Num(y, uy)) => {
                let unit = self.same_unit(e, ux, uy)?;
                Some(Typed::Num(Num::If(Box::new((c, x, y))), unit))
            }
            (c, Typed::Bool(x), Typed::Bool(y)) => Some(Typed::Bool(Bool::If(Box::new((c, x, y))))),
            (c, Typed::Text(x, _), Typed::Text(y, _)) => {
                Some(Typed::Text(Text::If(Box::new((c, x, y))), About::Other))
            }
            (_, x, y) => {
                self.error(e, format!("one choice is {}, the other {}", x.kind(), y.kind()))
            }
        }
    }

    fn text_test(&mut self, test: TextTest, t: &IdedExpr, a: &IdedExpr) -> Option<Typed> {
        let sides = (self.text(t), self.text(a));
        let ((t, _), (a, _)) = (sides.0?, sides.1?);
        Some(Typed::Bool(Bool::TextIs(test, Box::new((t, a)))))
    }

    fn threshold(&mut self, a: &IdedExpr) -> Option<Typed> {
        let Expr::Literal(LiteralValue::String(id)) = &a.expr else {
            return self.hinted(a, "expected the name of a threshold", "threshold('flood.bd1')");
        };
        let id = id.inner();
        let Some(threshold) = self.env.city.thresholds.get(id) else {
            let names = self.env.city.thresholds.keys().map(|k| &**k);
            let message = format!("unknown threshold `{id}`");
            return match suggestion(id, names) {
                Some(hint) => self.hinted(a, message, hint),
                None => self.error(a, message),
            };
        };
        let limit = Limit::named(threshold, Adjust::plus(0.0));
        Some(Typed::Num(Num::Limit(Box::new(limit)), Unit::Is(threshold.unit.clone())))
    }

    /// `has(values.pm25)` as CEL writes it, or `has('pm25')`.
    fn has(&mut self, a: &IdedExpr) -> Option<Typed> {
        let input = match &a.expr {
            Expr::Literal(LiteralValue::String(id)) => self.input(a, id.inner(), false),
            Expr::Select(s) if matches!(&s.operand.expr, Expr::Ident(n) if n == "values") => {
                self.input(a, &s.field, false)
            }
            Expr::Ident(name) if name != "value" => self.input(a, name, true),
            _ => self.hinted(a, "`has` asks for a property", "such as `has(values.pm25)`"),
        };
        Some(Typed::Bool(Bool::Has(input?)))
    }
}

/// Whether a number comes out of a division.
fn divides(n: &Num) -> bool {
    match n {
        Num::Calc(op, sides) => *op == Calc::Div || divides(&sides.0) || divides(&sides.1),
        Num::Neg(n) | Num::Abs(n) => divides(n),
        Num::Min(all) | Num::Max(all) => all.iter().any(divides),
        Num::If(parts) => divides(&parts.1) || divides(&parts.2),
        _ => false,
    }
}
