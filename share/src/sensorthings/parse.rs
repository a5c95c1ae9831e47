//! Text of `$filter` and `$orderby` to [`Expr`]: recursive descent, bounded in length and depth.

use super::expr::{Expr, Function, Is, Literal, Op};
use super::fault::{Fault, shown};
use super::geometry::Geometry;
use super::when;

/// Longest text of an expression, bytes.
pub(super) const MAX_TEXT: usize = 4_096;
/// Deepest nesting.
const MAX_DEPTH: usize = 40;

/// Reads a whole expression.
///
/// # Errors
/// A [`Fault`] with the position in `text`.
pub(super) fn expression(option: &str, text: &str) -> Result<Expr, Fault> {
    let mut parser = Parser::new(option, text)?;
    let e = parser.operators(0)?;
    parser.end("an operator such as `and`, `eq` or `gt`")?;
    Ok(e)
}

/// Reads `a desc,b asc`: expressions, and whether they fall.
pub(super) fn order(option: &str, text: &str) -> Result<Vec<(Expr, bool)>, Fault> {
    let mut parser = Parser::new(option, text)?;
    let mut keys = Vec::new();
    loop {
        let e = parser.operators(0)?;
        let falls = match parser.word().to_ascii_lowercase().as_str() {
            word @ ("asc" | "desc") => {
                parser.at += word.len();
                word == "desc"
            }
            _ => false,
        };
        keys.push((e, falls));
        parser.space();
        if !parser.eat(',') {
            break;
        }
    }
    parser.end("`asc`, `desc` or a comma")?;
    match keys.len() {
        1..=8 => Ok(keys),
        _ => Err(parser.fault(0, "more than 8 keys to order by")),
    }
}

struct Parser<'a> {
    option: &'a str,
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(option: &'a str, text: &'a str) -> Result<Self, Fault> {
        if text.len() > MAX_TEXT {
            let what = format!("longer than {MAX_TEXT} bytes");
            return Err(Fault::at(option, text, MAX_TEXT, what));
        }
        Ok(Self { option, text, at: 0, depth: 0 })
    }

    fn fault(&self, at: usize, what: impl Into<String>) -> Fault {
        Fault::at(self.option, self.text, at, what)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    /// The word that stands here, after space; it is not eaten.
    fn word(&mut self) -> &'a str {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !in_word(c)).unwrap_or(rest.len());
        &rest[..end]
    }

    fn end(&mut self, expected: &str) -> Result<(), Fault> {
        self.space();
        match self.rest() {
            "" => Ok(()),
            rest => Err(self.fault(self.at, format!("`{}` is not expected here", shown(rest))))
                .map_err(|f: Fault| f.hint(format!("expected {expected}, or the end"))),
        }
    }

    /// Operators of at least this strength.
    fn operators(&mut self, least: u8) -> Result<Expr, Fault> {
        self.deeper(|p| {
            let mut left = p.prefix()?;
            loop {
                let word = p.word();
                let op = Op::ALL.into_iter().find(|o| o.word() == word);
                let Some(op) = op.filter(|o| o.strength() >= least) else { return Ok(left) };
                let at = p.at;
                p.at += word.len();
                let right = p.operators(op.strength() + 1)?;
                left = Expr { at, is: Is::Both(op, Box::new(left), Box::new(right)) };
            }
        })
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= MAX_DEPTH {
            return Err(self.fault(self.at, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// `not x`, `-x`, or a value. `not` and `-` bind tighter than every operator.
    fn prefix(&mut self) -> Result<Expr, Fault> {
        self.space();
        let at = self.at;
        if self.word() == "not" {
            self.at += "not".len();
            let e = self.deeper(Self::prefix)?;
            return Ok(Expr { at, is: Is::Not(Box::new(e)) });
        }
        if self.eat('-') {
            let e = self.deeper(Self::prefix)?;
            let is = match e.is {
                Is::Literal(Literal::Number(n)) => Is::Literal(Literal::Number(-n)),
                _ => Is::Negative(Box::new(e)),
            };
            return Ok(Expr { at, is });
        }
        self.value(at)
    }

    fn value(&mut self, at: usize) -> Result<Expr, Fault> {
        let literal = |l| Ok(Expr { at, is: Is::Literal(l) });
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let e = self.operators(0)?;
                self.space();
                match self.eat(')') {
                    true => Ok(e),
                    false => Err(self.fault(self.at, "a closing parenthesis is missing")),
                }
            }
            Some('\'') => literal(Literal::Text(self.quoted()?)),
            Some(c) if c.is_ascii_digit() => {
                let l = self.digits()?;
                literal(l)
            }
            Some(c) if in_word(c) => self.named(at),
            Some(c) => Err(self.fault(at, format!("`{c}` is not expected here"))),
            None => Err(self.fault(at, "a value is missing")),
        }
    }

    /// Text in single quotes; a quote in it is doubled.
    fn quoted(&mut self) -> Result<String, Fault> {
        let begin = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(end) = self.rest().find('\'') else {
                return Err(self
                    .fault(begin, "the text has no closing quote")
                    .hint("a quote inside of a text is written twice"));
            };
            out.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.eat('\'') {
                return Ok(out);
            }
            out.push('\'');
        }
    }

    /// A number, a date, a time of day, a moment, or a period of two moments.
    fn digits(&mut self) -> Result<Literal, Fault> {
        let begin = self.at;
        let mut token = self.run();
        let b = token.as_bytes();
        if b.len() > 5 && b[4] == b'-' {
            let from = self.moment(begin, &token)?;
            if let Literal::Time(from) = from
                && self.eat('/')
            {
                let second = self.at;
                token = self.run();
                return match self.moment(second, &token)? {
                    Literal::Time(to) if from <= to => Ok(Literal::Period(from, to)),
                    Literal::Time(_) => Err(self.fault(second, "the period ends before it begins")),
                    _ => Err(self.fault(second, "a period is two moments")),
                };
            }
            return Ok(from);
        }
        if b.len() > 2 && b[2] == b':' {
            return when::parse_clock(&token)
                .map(Literal::Clock)
                .ok_or_else(|| self.fault(begin, "no time of day"));
        }
        match token.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Literal::Number(n)),
            _ => Err(self
                .fault(begin, format!("`{}` is no number", shown(&token)))
                .hint("a time is 2026-01-31T12:00:00Z, a text is in single quotes")),
        }
    }

    /// Letters, digits and `:.+-` from here on. A blank before an offset was a `+` that nobody
    /// encoded.
    fn run(&mut self) -> String {
        let rest = self.rest();
        let inside = |(i, c): (usize, char)| {
            let exponent = || {
                rest[..i]
                    .strip_suffix(['e', 'E'])
                    .is_some_and(|m| m.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            };
            c.is_ascii_alphanumeric()
                || c == ':'
                || c == '.'
                || (matches!(c, '+' | '-') && (rest[..i].contains('-') || i == 4 || exponent()))
        };
        let end = rest.char_indices().find(|x| !inside(*x)).map_or(rest.len(), |(i, _)| i);
        self.at += end;
        let mut token = rest[..end].to_owned();
        let offset = rest.as_bytes().get(end..end + 6).filter(|o| {
            token.contains('T')
                && o[0] == b' '
                && o[3] == b':'
                && [1, 2, 4, 5].iter().all(|i| o[*i].is_ascii_digit())
        });
        if offset.is_some() {
            token.push('+');
            token.push_str(&rest[end + 1..end + 6]);
            self.at += 6;
        }
        token
    }

    fn moment(&self, at: usize, token: &str) -> Result<Literal, Fault> {
        let found = match token.contains('T') {
            true => when::parse_time(token).map(Literal::Time),
            false => when::parse_date(token).map(Literal::Date),
        };
        found.ok_or_else(|| {
            self.fault(at, format!("`{}` is no time", shown(token)))
                .hint("a time has its offset: 2026-01-31T12:00:00Z or 2026-01-31T19:00:00%2B07:00")
        })
    }

    /// A word: `null`, `true`, `false`, a literal with a prefix, a function, a path.
    fn named(&mut self, at: usize) -> Result<Expr, Fault> {
        let word = self.word();
        self.at += word.len();
        let literal = match word {
            "null" => Some(Literal::Null),
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            _ => None,
        };
        if let Some(l) = literal {
            return Ok(Expr { at, is: Is::Literal(l) });
        }
        if self.peek() == Some('\'') {
            let text = self.quoted()?;
            let l = match word {
                "geography" | "geometry" => Geometry::parse(&text).map(Literal::Geometry),
                "duration" => when::parse_duration(&text)
                    .map(Literal::Duration)
                    .ok_or_else(|| "a duration is P1D, PT12H or P1DT2H30M".into()),
                _ => Err(format!("`{}` before a text is not known", shown(word))),
            };
            return match l {
                Ok(l) => Ok(Expr { at, is: Is::Literal(l) }),
                Err(what) => Err(self.fault(at, what)),
            };
        }
        if self.peek() == Some('(') {
            return self.call(at, word);
        }
        let mut parts = vec![word.to_owned()];
        while self.peek() == Some('/') {
            self.at += 1;
            let rest = self.rest();
            let end = rest.find(|c: char| !in_member(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(self.fault(self.at, "a name is missing after `/`"));
            }
            parts.push(rest[..end].to_owned());
            self.at += end;
        }
        Ok(Expr { at, is: Is::Path(parts) })
    }

    fn call(&mut self, at: usize, word: &str) -> Result<Expr, Fault> {
        let Some(function) = Function::ALL.iter().copied().find(|f| f.word() == word) else {
            let names: Vec<&str> = Function::ALL.iter().map(|f| f.word()).collect();
            return Err(self
                .fault(at, format!("there is no function `{}`", shown(word)))
                .hint(format!("functions are {}", names.join(", "))));
        };
        self.at += 1;
        let mut arguments = Vec::new();
        self.space();
        while !self.eat(')') {
            if !arguments.is_empty() && !self.eat(',') {
                return Err(self.fault(self.at, "a comma or a closing parenthesis is missing"));
            }
            arguments.push(self.operators(0)?);
            self.space();
        }
        let (least, most) = function.arguments();
        if !(least..=most).contains(&arguments.len()) {
            let count =
                if least == most { least.to_string() } else { format!("{least} or {most}") };
            return Err(self.fault(at, format!("{word} takes {count} values")));
        }
        Ok(Expr { at, is: Is::Call(function, arguments) })
    }
}

/// A character of a name: letters, digits, and those of `@iot.id` and `geo.distance`.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '.')
}

/// A character of a name after a slash: members of `properties` may have more in them.
fn in_member(c: char) -> bool {
    in_word(c) || c == '-'
}
