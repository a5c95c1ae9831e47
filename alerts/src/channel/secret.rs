//! Secrets are never written into the configuration: it only says where they are.

use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// Where a secret is: exactly one of the two. YAML: `{ secret_file: /run/secrets/x }` or
/// `{ secret_env: IOC_X }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// A file that holds it; line ends at its end do not count.
    #[serde(default)]
    pub secret_file: Option<Spanned<String>>,
    /// An environment variable.
    #[serde(default)]
    pub secret_env: Option<Spanned<String>>,
}

/// A checked [`SecretRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource<'a> {
    /// Path.
    File(&'a str),
    /// Name.
    Env(&'a str),
}

impl SecretRef {
    /// Where it is; `None` if not exactly one place is named.
    pub fn source(&self) -> Option<SecretSource<'_>> {
        match (&self.secret_file, &self.secret_env) {
            (Some(file), None) => Some(SecretSource::File(&file.value)),
            (None, Some(env)) => Some(SecretSource::Env(&env.value)),
            _ => None,
        }
    }
}

/// A secret text; prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: only for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads a secret from where it is.
///
/// # Errors
/// Why it cannot be read, without what it is.
pub fn read_secret(source: SecretSource<'_>) -> Result<Secret, String> {
    let text = match source {
        SecretSource::File(path) => {
            std::fs::read_to_string(path).map_err(|e| format!("cannot read `{path}`: {e}"))?
        }
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| format!("environment variable `{name}` is not set"))?
        }
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err("the secret is empty".into()) } else { Ok(Secret::new(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(…))");
    }

    #[test]
    fn the_line_end_of_a_file_is_not_part_of_the_secret() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("s");
        std::fs::write(&path, "k e y\r\n").expect("writes");
        let path = path.to_str().expect("UTF-8");
        assert_eq!(read_secret(SecretSource::File(path)).expect("reads").expose(), "k e y");
    }
}
