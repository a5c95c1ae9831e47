//! Random tokens: 256 bits, shown as 64 hex digits, stored as their SHA-256.

use rand::Rng;
use sha2::{Digest, Sha256};

/// Letters and digits that are not taken for one another when read aloud or typed.
const PASSWORD_ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
/// 100 bits.
const PASSWORD_CHARS: usize = 20;

/// A session id or a one-time token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill(&mut bytes);
        Self(bytes)
    }

    /// The token of exactly 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// What is stored: looking it up leaks nothing, because it is not what the client sends.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// 100 random bits that can be typed.
pub(crate) fn random_password() -> String {
    let mut rng = rand::rng();
    let pick = |_| char::from(PASSWORD_ALPHABET[rng.random_range(0..PASSWORD_ALPHABET.len())]);
    (0..PASSWORD_CHARS).map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_nothing_else() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.text()), Some(token.clone()));
        assert_eq!(Token::parse(&token.text()[..63]), None);
        assert_eq!(Token::parse(&"g".repeat(64)), None);
        assert_eq!(Token::parse(&"é".repeat(32)), None);
        assert_ne!(Token::random(), token);
    }

    #[test]
    fn passwords_differ_and_are_long() {
        let (a, b) = (random_password(), random_password());
        assert_ne!(a, b);
        assert_eq!(a.len(), 20);
    }
}
