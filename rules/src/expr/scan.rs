//! Bounds that hold before a parser sees the text: length, characters, brackets, operators.

use super::{ExprError, MAX_BRACKETS, MAX_SOURCE};

/// Conditional operators; each nests the rest of the text.
const MAX_CONDITIONS: usize = 32;

/// Refuses what is too long or nested too deep for the parser, which is recursive. Texts have no
/// escapes and there are no comments, so that where a text begins and ends needs no parser.
pub(super) fn check(source: &str) -> Result<(), ExprError> {
    if source.chars().take(MAX_SOURCE + 1).count() > MAX_SOURCE {
        let message = format!("the expression is longer than {MAX_SOURCE} characters");
        return Err(ExprError::new(MAX_SOURCE, message));
    }
    if source.trim().is_empty() {
        return Err(ExprError::new(0, "the expression is empty"));
    }
    let mut quote: Option<(char, usize)> = None;
    let (mut depth, mut conditions) = (0usize, 0usize);
    let mut before = '\0';
    for (i, c) in source.chars().enumerate() {
        let refuse = |what: &str| Err(ExprError::new(i, what.to_owned()));
        if c == '\\' {
            return refuse("`\\` has no use here: texts have no escapes");
        }
        if c.is_control() && !matches!(c, '\n' | '\t') {
            return refuse("control characters are not allowed");
        }
        if let Some((q, _)) = quote {
            if c == q {
                quote = None;
            } else if c == '\n' {
                return refuse("a text must end on its line");
            }
            before = c;
            continue;
        }
        match c {
            '\'' | '"' if before == c => {
                return refuse("two quotes in a row: a text may not be empty");
            }
            '\'' | '"' if before.is_alphanumeric() => {
                return refuse("a quote may not follow a letter or a digit");
            }
            '\'' | '"' => quote = Some((c, i)),
            '(' | '[' | '{' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return refuse("more than 32 brackets inside each other");
                }
            }
            ')' | ']' | '}' => match depth.checked_sub(1) {
                Some(d) => depth = d,
                None => return refuse("this bracket was not opened"),
            },
            '?' => {
                conditions += 1;
                if conditions > MAX_CONDITIONS {
                    return refuse("more than 32 conditional operators");
                }
            }
            '/' if before == '/' => {
                return Err(ExprError::new(i - 1, "comments are not part of an expression")
                    .hint("write them in the YAML, after #"));
            }
            '`' => return refuse("backticks are not allowed"),
            c if !c.is_ascii() => {
                return refuse("only texts may have other characters than ASCII");
            }
            _ => {}
        }
        before = c;
    }
    match quote {
        Some((_, at)) => Err(ExprError::new(at, "this text does not end")),
        None if depth > 0 => Err(ExprError::new(source.chars().count(), "a bracket is not closed")),
        None => Ok(()),
    }
}
