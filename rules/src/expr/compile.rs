//! From the parser's tree to ours: names, types, units.

mod calls;
mod names;
mod types;

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, SourceInfo};
use ioc_model::Name;

use super::tree::{Body, Bool, Num, Text};
use super::{Env, ExprError, Expression, MAX_DEPTH, Wanted};
use types::{About, Typed, Unit};

pub(super) fn compile(
    source: &str,
    wanted: Wanted,
    env: &Env<'_>,
) -> Result<Expression, Vec<ExprError>> {
    // Without macros a comprehension is a call, which is refused by its name.
    let parsed = cel::Env::default().compile(source);
    let program = parsed.map_err(|e| vec![types::parse_error(source, &e)])?;
    let root = program.expression();
    if depth_exceeds(root, MAX_DEPTH) {
        let message = format!("operators and brackets are nested more than {MAX_DEPTH} deep");
        return Err(vec![ExprError::new(0, message).hint("write several rules, or fewer terms")]);
    }
    let inputs = env.properties.map(<[Name]>::to_vec).unwrap_or_default();
    let info = program.source_info();
    let mut c = Compiler { source, env, info, inputs, errors: Vec::new(), notes: Vec::new() };
    let found = c.expr(root).and_then(|typed| c.result(root, typed, wanted));
    let Compiler { inputs, mut errors, mut notes, .. } = c;
    errors.sort_by_key(|e| e.offset);
    errors.dedup();
    notes.dedup();
    match found {
        Some((body, unit)) if errors.is_empty() => {
            Ok(Expression { source: source.to_owned(), body, inputs, unit, notes })
        }
        _ if errors.is_empty() => Err(vec![ExprError::new(0, "this is no expression")]),
        _ => Err(errors),
    }
}

/// Whether a tree is deeper than `left`; looks no deeper than that.
fn depth_exceeds(e: &IdedExpr, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return true };
    match &e.expr {
        Expr::Call(call) => {
            call.target.as_deref().is_some_and(|t| depth_exceeds(t, left))
                || call.args.iter().any(|a| depth_exceeds(a, left))
        }
        Expr::Select(s) => depth_exceeds(&s.operand, left),
        Expr::List(l) => l.elements.iter().any(|a| depth_exceeds(a, left)),
        // Refused without looking inside.
        _ => false,
    }
}

struct Compiler<'a> {
    source: &'a str,
    env: &'a Env<'a>,
    info: &'a SourceInfo,
    inputs: Vec<Name>,
    errors: Vec<ExprError>,
    notes: Vec<String>,
}

impl Compiler<'_> {
    fn offset(&self, e: &IdedExpr) -> usize {
        // The parser counts bytes.
        let start = self.info.offset_for(e.id).map_or(0, |(start, _)| start as usize);
        self.source.char_indices().take_while(|(at, _)| *at < start).count()
    }

    /// Tells a mistake; always `None`.
    fn error<T>(&mut self, e: &IdedExpr, message: impl Into<String>) -> Option<T> {
        self.errors.push(ExprError::new(self.offset(e), message));
        None
    }

    fn hinted<T>(
        &mut self,
        e: &IdedExpr,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.errors.push(ExprError::new(self.offset(e), message).hint(hint));
        None
    }

    fn result(
        &mut self,
        root: &IdedExpr,
        typed: Typed,
        wanted: Wanted,
    ) -> Option<(Body, Option<Name>)> {
        match (typed, wanted) {
            (Typed::Bool(b), Wanted::Predicate) => Some((Body::Bool(b), None)),
            (Typed::Num(n, unit), Wanted::Number) => Some((Body::Num(n), unit.known())),
            (other, Wanted::Predicate) => {
                let message = format!("the result is {}, expected true or false", other.kind());
                self.hinted(root, message, "write a comparison, such as `pm25 > 45`")
            }
            (other, Wanted::Number) => {
                self.error(root, format!("the result is {}, expected a number", other.kind()))
            }
        }
    }

    fn expr(&mut self, e: &IdedExpr) -> Option<Typed> {
        match &e.expr {
            Expr::Literal(literal) => self.literal(e, literal),
            Expr::Ident(name) => self.name(e, name),
            Expr::Select(_) => self.select(e),
            Expr::Call(call) => self.call(e, call),
            Expr::List(_) => self.error(e, "a list can only stand behind `in`"),
            Expr::Comprehension(_) => self.error(e, calls::NO_COMPREHENSION),
            Expr::Map(_) | Expr::Struct(_) => self.error(e, "maps are no values here"),
            Expr::Unspecified => self.error(e, "this is no expression"),
        }
    }

    fn literal(&mut self, e: &IdedExpr, literal: &LiteralValue) -> Option<Typed> {
        let number = |n: f64| Some(Typed::Num(Num::Const(n), Unit::Free));
        match literal {
            LiteralValue::Boolean(b) => Some(Typed::Bool(Bool::Const(*b.inner()))),
            LiteralValue::Int(n) => number(*n.inner() as f64),
            LiteralValue::UInt(n) => number(*n.inner() as f64),
            LiteralValue::Double(n) if n.inner().is_finite() => number(*n.inner()),
            LiteralValue::Double(_) => self.error(e, "this number is too large"),
            LiteralValue::String(t) => {
                Some(Typed::Text(Text::Const(t.inner().into()), About::Literal(t.inner().into())))
            }
            LiteralValue::Null => self.hinted(
                e,
                "`null` is no value here",
                "ask `has(values.x)` whether a value is known",
            ),
            LiteralValue::Bytes(_) => self.error(e, "bytes are no values here"),
        }
    }
}
