//! New states of alerts on their way to the sockets: written once, cut out per scope.

use ioc_model::{AlertRow, Name, Scope};

/// One row in the text of a batch.
#[derive(Debug)]
struct Part {
    area: Name,
    service: Name,
    change: u64,
    from: usize,
    to: usize,
}

/// New states of alerts, as one text frame.
#[derive(Debug)]
pub(crate) struct AlertBatch {
    /// Highest change number in it.
    pub change: u64,
    /// The `alerts` message for who may see all of it.
    text: String,
    parts: Vec<Part>,
}

impl AlertBatch {
    /// Of at least one row.
    pub fn new(rows: &[AlertRow]) -> Option<Self> {
        let change = rows.iter().map(|r| r.change).max()?;
        let mut text = head(change);
        let mut parts = Vec::with_capacity(rows.len());
        for row in rows {
            if !parts.is_empty() {
                text.push(',');
            }
            let from = text.len();
            match serde_json::to_string(row) {
                Ok(row) => text.push_str(&row),
                Err(error) => {
                    tracing::error!(%error, "an alert row cannot be written as JSON");
                    return None;
                }
            }
            let (area, service) = (row.area.clone(), row.service.clone());
            parts.push(Part { area, service, change: row.change, from, to: text.len() });
        }
        text.push_str("]}");
        Some(Self { change, text, parts })
    }

    /// The message with the rows inside a scope; `None`: there are none.
    pub fn within(&self, scope: &Scope) -> Option<String> {
        if scope.is_city() {
            return Some(self.text.clone());
        }
        let inside = || self.parts.iter().filter(|p| scope.allows(&p.area, &p.service));
        // The number of their own newest row: that of a foreign one is none of their business.
        let mut text = head(inside().map(|p| p.change).max()?);
        for (n, part) in inside().enumerate() {
            if n > 0 {
                text.push(',');
            }
            text.push_str(&self.text[part.from..part.to]);
        }
        text.push_str("]}");
        Some(text)
    }
}

fn head(change: u64) -> String {
    format!(r#"{{"t":"alerts","change":{change},"rows":["#)
}

/// The `alerts` message.
pub(crate) fn alerts_text(change: u64, rows: &[AlertRow]) -> String {
    #[derive(serde::Serialize)]
    struct Message<'a> {
        t: &'static str,
        change: u64,
        rows: &'a [AlertRow],
    }
    let message = Message { t: "alerts", change, rows };
    serde_json::to_string(&message).unwrap_or_else(|error| {
        tracing::error!(%error, "alert rows cannot be written as JSON");
        String::from(r#"{"t":"alerts_reset"}"#)
    })
}
