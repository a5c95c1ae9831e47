use serde_json::json;

use crate::Answer;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub status: u16,
    pub text: String,
    /// Option or part of the address, and the character in it (from 1).
    pub at: Option<(String, usize)>,
    pub hint: Option<String>,
    /// The request was understood, but would be too much work: a smaller part of it can be
    /// answered.
    pub too_much: bool,
}

impl Fault {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), at: None, hint: None, too_much: false }
    }

    /// 400 at a byte of an option's text.
    pub(super) fn at(option: &str, text: &str, byte: usize, what: impl Into<String>) -> Self {
        let position = text.char_indices().take_while(|(i, _)| *i < byte).count() + 1;
        Self { at: Some((option.to_owned(), position)), ..Self::new(400, what) }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn too_much(text: impl Into<String>, hint: &str) -> Self {
        Self { too_much: true, ..Self::new(400, text).hint(hint) }
    }

    pub(super) fn answer(&self) -> Answer {
        let mut message = self.text.clone();
        if let Some((option, position)) = &self.at {
            message = format!("{option}, character {position}: {message}");
        }
        if let Some(hint) = &self.hint {
            message = format!("{message}; {hint}");
        }
        let mut body = json!({"code": code(self.status), "message": message});
        if let Some((option, position)) = &self.at {
            body["option"] = json!(option);
            body["position"] = json!(position);
        }
        if let Some(hint) = &self.hint {
            body["hint"] = json!(hint);
        }
        Answer::of("application/json", body.to_string()).status(self.status)
    }
}

fn code(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        404 => "not_found",
        501 => "not_implemented",
        503 => "unavailable",
        _ => "internal",
    }
}

/// Outside text in a message: short, without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.chars().count() > 60 {
        out.push('…');
    }
    out
}
