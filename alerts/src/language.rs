use ioc_model::Text;
use serde::{Deserialize, Serialize};

/// The language of a message or a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Language {
    /// `vi` or `en`.
    pub(crate) fn code(self) -> &'static str {
        self.pick("vi", "en")
    }

    /// The text in this language; in the other one if this one is empty.
    pub fn of(self, text: &Text) -> &str {
        let (first, second) = self.pick((&text.vi, &text.en), (&text.en, &text.vi));
        if first.is_empty() { second } else { first }
    }

    /// One of two.
    pub fn pick<T>(self, vi: T, en: T) -> T {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }
}
