//! CSV with a header line: RFC 4180, also as a Vietnamese Excel writes it.

use std::borrow::Cow;
use std::cell;

use ioc_model::{Name, nearest};

use super::row::{Cell, Row};
use crate::registry::columns::{COLUMNS, Column, words};
use crate::registry::export::FORMULA;
use crate::registry::mistakes::{At, Mistakes};

/// Calls `each` for every row until it says no. Empty lines and lines that start with `#` say
/// nothing.
pub(super) fn read<'t>(
    text: &'t str,
    mistakes: &Mistakes<'_>,
    each: &mut dyn FnMut(&Row<'t>) -> bool,
) {
    let mut cells: Vec<Cell<'t>> = Vec::new();
    let start = first_line(text);
    let separator = separator_of(text[start.at..].lines().next().unwrap_or_default(), start.told);
    let mut scan = Scan { text, at: start.at, separator, mistakes };
    if !scan.next(&mut cells) {
        mistakes.add(At::Byte(0), "the file is empty", format!("expected the columns {}", words()));
        return;
    }
    let Some(order) = header(&cells, mistakes) else { return };
    while scan.next(&mut cells) {
        let begin = cells.first().map_or(0, |c| c.at);
        if cells.iter().all(|c| c.text.trim().is_empty()) {
            continue; // What a spreadsheet leaves below the last row.
        }
        let spare = cells.get(order.len()..).unwrap_or_default();
        if cells.len() < order.len() || spare.iter().any(|c| !c.text.trim().is_empty()) {
            let message = format!("{} cells where {} are expected", cells.len(), order.len());
            let hint = format!("a text that holds `{separator}` stands in double quotes");
            mistakes.add(At::Byte(begin), message, hint);
            if mistakes.is_full() {
                return;
            }
            continue;
        }
        let mut row =
            Row { at: begin, cells: [const { None }; COLUMNS], decimal_comma: separator != ',' };
        for (column, cell) in order.iter().zip(cells.drain(..)) {
            row.cells[*column as usize] = Some(plain(cell));
        }
        if !each(&row) {
            return;
        }
    }
}

/// Takes off the apostrophe that keeps a spreadsheet from running a text.
fn plain(mut cell: Cell<'_>) -> Cell<'_> {
    let marked = cell.text.strip_prefix('\'').is_some_and(|rest| rest.starts_with(FORMULA));
    if marked {
        cell.text = match cell.text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[1..]),
            Cow::Owned(text) => Cow::Owned(text[1..].to_owned()),
        };
    }
    cell
}

struct Start {
    at: usize,
    /// Excel's `sep=;`.
    told: Option<char>,
}

/// Where the header begins: behind empty lines, comments, and Excel's `sep=;`.
fn first_line(text: &str) -> Start {
    let mut start = Start { at: 0, told: None };
    for line in text.split_inclusive('\n') {
        let words = line.trim();
        match words.strip_prefix("sep=") {
            Some(told) => start.told = told.chars().next(),
            None if words.is_empty() || words.starts_with('#') => {}
            None => break,
        }
        start.at += line.len();
    }
    start
}

fn separator_of(header: &str, told: Option<char>) -> char {
    let count = |c: char| header.matches(c).count();
    let most = [',', ';', '\t'].into_iter().rev().max_by_key(|c| count(*c));
    told.or(most).unwrap_or(',')
}

/// The column of each cell; `None`: something is wrong with them, which is told.
fn header(cells: &[Cell<'_>], mistakes: &Mistakes<'_>) -> Option<Vec<Column>> {
    let mut order = Vec::new();
    let good = cell::Cell::new(true);
    let refuse = |at, message: String, hint: String| {
        mistakes.add(At::Byte(at), message, hint);
        good.set(false);
    };
    let known: Vec<Name> = Column::ALL.iter().map(|(_, word)| Name::from(*word)).collect();
    // A spreadsheet may leave empty cells behind the last column.
    let named = cells.iter().rposition(|c| !c.text.trim().is_empty()).map_or(0, |n| n + 1);
    for cell in &cells[..named] {
        let word = cell.text.trim().to_ascii_lowercase();
        match Column::of(&word) {
            Some(column) if order.contains(&column) => {
                refuse(cell.at, format!("column `{word}` is there twice"), String::new());
            }
            Some(column) => order.push(column),
            None => {
                let hint = match nearest(&word, known.iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected any of {}; what is for people goes to tags", words()),
                };
                refuse(cell.at, format!("unknown column `{}`", word.escape_debug()), hint);
            }
        }
    }
    if good.get() && !order.contains(&Column::Id) {
        let at = cells.first().map_or(0, |c| c.at);
        refuse(at, "the column id is missing".into(), "the first line names the columns".into());
    }
    good.get().then_some(order)
}

/// Cuts a text into cells.
struct Scan<'t, 'm> {
    text: &'t str,
    at: usize,
    separator: char,
    mistakes: &'m Mistakes<'m>,
}

impl<'t> Scan<'t, '_> {
    /// The cells of the next row; `false` at the end.
    fn next(&mut self, cells: &mut Vec<Cell<'t>>) -> bool {
        cells.clear();
        loop {
            let line = self.text[self.at..].split_inclusive('\n').next();
            let Some(line) = line else { return false };
            if !line.trim().is_empty() && !line.starts_with('#') {
                break;
            }
            self.at += line.len();
        }
        while self.cell(cells) {}
        true
    }

    /// Adds one cell; `false`: the row is at its end.
    fn cell(&mut self, cells: &mut Vec<Cell<'t>>) -> bool {
        let at = self.at;
        let text = if self.text[at..].starts_with('"') { self.quoted() } else { None };
        let rest = &self.text[self.at..];
        let separator = self.separator;
        let end = rest.find([separator, '\n']).unwrap_or(rest.len());
        let bare = rest[..end].trim_end_matches('\r');
        let text = match text {
            Some(text) => {
                if !bare.trim().is_empty() {
                    let message = "text behind the closing quote of a cell";
                    let hint = "a quote inside a text is written twice";
                    self.mistakes.add(At::Byte(self.at), message, hint);
                }
                text
            }
            None => Cow::Borrowed(bare),
        };
        cells.push(Cell { at, text });
        self.at += end;
        let more = rest[end..].starts_with(separator);
        self.at += rest[end..].chars().next().map_or(0, char::len_utf8);
        more
    }

    /// The text between quotes, of which the first is here.
    fn quoted(&mut self) -> Option<Cow<'t, str>> {
        let begin = self.at + 1;
        let mut from = begin;
        let mut doubled = false;
        loop {
            let Some(quote) = self.text[from..].find('"') else {
                let message = "the quote that begins here is not closed";
                self.mistakes.add(At::Byte(self.at), message, "");
                self.at = self.text.len();
                return Some(Cow::Borrowed(&self.text[begin..]));
            };
            let quote = from + quote;
            if self.text[quote + 1..].starts_with('"') {
                (from, doubled) = (quote + 2, true);
                continue;
            }
            self.at = quote + 1;
            let text = &self.text[begin..quote];
            return Some(match doubled {
                true => Cow::Owned(text.replace("\"\"", "\"")),
                false => Cow::Borrowed(text),
            });
        }
    }
}
