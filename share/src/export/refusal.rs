use crate::Answer;

/// Why there is no export: a status, a code for programs, words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(super) fn parameter(name: &str, problem: &str) -> Self {
        let name: String = name.chars().take(64).collect();
        let message = format!("parameter `{name}` {problem}");
        Self { status: 400, code: "bad_parameter", message }
    }

    pub(super) fn new(status: u16, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned() }
    }
}

impl From<Refusal> for Answer {
    fn from(r: Refusal) -> Self {
        let body = serde_json::json!({ "code": r.code, "message": r.message });
        Self::of("application/json; charset=utf-8", body.to_string()).status(r.status)
    }
}
