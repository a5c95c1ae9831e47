use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The configuration as texts: path relative to the configuration folder, to content.
/// Reading the folder (or the copy inside the binary) is the caller's work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFiles(pub BTreeMap<String, String>);

impl ConfigFiles {
    /// The text of one file.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Files below `folder/` that end with `suffix`, in the order of their names.
    pub fn below<'a>(
        &'a self,
        folder: &'a str,
        suffix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(path, text)| {
            let inside = path.strip_prefix(folder)?.starts_with('/') && path.ends_with(suffix);
            inside.then_some((path.as_str(), text.as_str()))
        })
    }
}

/// One mistake in the configuration, with its place. All mistakes of a load are collected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigError {
    /// Path inside the configuration folder.
    pub file: String,
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// From 1; 0 when the whole line is meant.
    pub column: usize,
    /// What is wrong: lower-case fragment without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ConfigError {
    /// A mistake at a place, without a hint.
    pub fn new(file: &str, line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line, column, message: message.into(), hint: None }
    }

    /// The same mistake with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}
