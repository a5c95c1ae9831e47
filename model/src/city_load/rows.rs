//! CSV rows with the place of each field.

use super::Report;

/// One row; fields are read by position in the list of columns given to [`read`].
pub(super) struct Row<'a> {
    fields: Vec<String>,
    line_text: &'a str,
    /// Line number from 1.
    pub(super) line: usize,
    /// Position in the file of each column; an optional one may not be there.
    order: &'a [Option<usize>],
}

impl Row<'_> {
    /// Text of a column, without blanks around it; empty if the file does not have it.
    pub(super) fn text(&self, column: usize) -> &str {
        self.order[column].map_or("", |at| self.fields[at].trim())
    }

    /// Where a column stands: line and column (characters, from 1).
    pub(super) fn place(&self, column: usize) -> (usize, usize) {
        (self.line, self.order[column].map_or(0, |at| field_column(self.line_text, at)))
    }

    /// A number of a column within limits, or a mistake.
    pub(super) fn number(
        &self,
        column: usize,
        (min, max): (f64, f64),
        report: &mut Report<'_>,
    ) -> Option<f64> {
        let text = self.text(column);
        match text.parse::<f64>() {
            Ok(v) if v >= min && v <= max => Some(v),
            Ok(_) => {
                report.add_hint(
                    self.place(column),
                    format!("`{text}` is out of range"),
                    format!("expected {min} to {max}"),
                );
                None
            }
            Err(_) => {
                report.add(self.place(column), format!("`{text}` is not a number"));
                None
            }
        }
    }
}

/// Calls `each` for every row that has all columns of the file; lines that start with `#` are
/// comments. The last `optional` of the columns may be missing in the whole file.
pub(super) fn read(
    text: &str,
    (columns, optional): (&[&str], usize),
    report: &mut Report<'_>,
    mut each: impl FnMut(&Row<'_>, &mut Report<'_>),
) {
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let header: Vec<String> = match records.next() {
        Some(Ok(h)) => h.iter().map(|c| c.trim().to_string()).collect(),
        _ => Vec::new(),
    };
    let order: Vec<Option<usize>> =
        columns.iter().map(|c| header.iter().position(|h| h == c)).collect();
    let needed = columns.len().saturating_sub(optional);
    let found = order.iter().flatten().count();
    if order[..needed].contains(&None) || header.len() != found {
        let line = lines.iter().position(|l| !l.starts_with('#')).map_or(1, |n| n + 1);
        let message = format!("expected the columns {}", columns[..needed].join(","));
        match columns[needed..].join(",") {
            further if further.is_empty() => report.add((line, 1), message),
            further => report.add_hint((line, 1), message, format!("further ones: {further}")),
        }
        return;
    }
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let line = e.position().map_or(0, |p| p.line() as usize);
                report.add((line, 0), "not a CSV row".into());
                continue;
            }
        };
        let line = record.position().map_or(0, |p| p.line() as usize);
        let line_text = line.checked_sub(1).and_then(|n| lines.get(n)).copied().unwrap_or("");
        if record.len() != header.len() {
            report.add_hint(
                (line, 0),
                format!("{} fields where {} are expected", record.len(), header.len()),
                "a text that holds a comma stands in double quotes".into(),
            );
            continue;
        }
        let fields = record.iter().map(str::to_string).collect();
        each(&Row { fields, line_text, line, order: &order }, report);
    }
}

/// Column (characters, from 1) at which field `index` of a CSV line starts.
fn field_column(line: &str, index: usize) -> usize {
    let mut field = 0;
    let mut quoted = false;
    if index == 0 {
        return 1;
    }
    for (n, c) in line.chars().enumerate() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                field += 1;
                if field == index {
                    return n + 2;
                }
            }
            _ => {}
        }
    }
    0
}
