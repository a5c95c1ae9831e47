//! Mistakes in what was given, collected with their places.

use std::cell::RefCell;

use ioc_model::ConfigError;

use super::columns::Column;

/// Mistakes told at once.
const MOST: usize = 100;

/// Where something stands: bytes from the begin of the text, or a field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Byte(usize),
    Field(Column),
}

/// Mistakes and remarks of one file or request.
pub(super) struct Mistakes<'a> {
    file: &'a str,
    text: &'a str,
    mistakes: RefCell<Vec<ConfigError>>,
    notes: RefCell<Vec<ConfigError>>,
}

impl<'a> Mistakes<'a> {
    /// Those of a file; of a request both are empty.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, mistakes: RefCell::default(), notes: RefCell::default() }
    }

    pub(super) fn add(&self, at: At, message: impl Into<String>, hint: impl Into<String>) {
        self.push(&self.mistakes, at, message.into(), hint.into());
    }

    /// Something that is taken but looks odd.
    pub(super) fn note(&self, at: At, message: impl Into<String>, hint: impl Into<String>) {
        self.push(&self.notes, at, message.into(), hint.into());
    }

    fn push(&self, to: &RefCell<Vec<ConfigError>>, at: At, message: String, hint: String) {
        let mut all = to.borrow_mut();
        if all.len() >= MOST {
            return;
        }
        let error = match at {
            At::Byte(byte) => {
                let (line, column) = place(self.text, byte);
                ConfigError::new(self.file, line, column, message)
            }
            At::Field(field) => ConfigError::new(field.word(), 0, 0, message),
        };
        all.push(if hint.is_empty() { error } else { error.hint(hint) });
    }

    /// Whether no further one would be told.
    pub(super) fn is_full(&self) -> bool {
        self.mistakes.borrow().len() >= MOST
    }

    /// The remarks, or the mistakes if there are any; both in the order of their places.
    pub(super) fn end(self) -> Result<Vec<ConfigError>, Vec<ConfigError>> {
        let (mut mistakes, mut notes) = (self.mistakes.into_inner(), self.notes.into_inner());
        if mistakes.is_empty() {
            notes.sort();
            return Ok(notes);
        }
        mistakes.sort();
        Err(mistakes)
    }
}

/// Line and column (characters), both from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
