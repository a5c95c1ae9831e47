//! Which passwords are refused because everybody guesses them first.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The about 5,000 most common of at least 8 characters, in lower case; origin in NOTICE.
const LIST: &str = include_str!("data/common-passwords.txt");

/// Words of this place and this system: a password that is one of them and a few digits or signs
/// is guessed soon.
const CONTEXT: [&str; 18] = [
    "ioc",
    "danang",
    "dnang",
    "dana",
    "vietnam",
    "admin",
    "administrator",
    "operator",
    "operations",
    "password",
    "matkhau",
    "haichau",
    "sontra",
    "thanhpho",
    "city",
    "dashboard",
    "welcome",
    "xinchao",
];

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| LIST.lines().collect());

/// Is it among the first that are tried? Case, and digits and signs around it, make no difference.
pub(super) fn is_common(password: &str, user: &str) -> bool {
    let lower = password.to_lowercase();
    if COMMON.contains(lower.as_str()) {
        return true;
    }
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let core: String = core.chars().filter(|c| !c.is_whitespace() && !"_-.".contains(*c)).collect();
    let mut rest = core.as_str();
    // `danangioc`: words of ours in a row.
    while let Some(word) = CONTEXT.iter().filter(|w| rest.starts_with(**w)).max_by_key(|w| w.len())
    {
        rest = &rest[word.len()..];
    }
    let same = lower.chars().next();
    rest.is_empty() || core == user.to_lowercase() || lower.chars().all(|c| Some(c) == same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_long_enough_and_holds_only_what_the_length_rule_lets_through() {
        assert!(COMMON.len() >= 3_000, "{}", COMMON.len());
        assert!(LIST.lines().all(|l| l.chars().count() >= 8 && *l == l.to_lowercase()));
    }

    #[test]
    fn common_ones_and_our_own_words_are_refused_whatever_is_around_them() {
        for bad in [
            "password1",
            "PassWord1",
            "123456789",
            "Danang2026!",
            "danang-ioc",
            "IOC12345678",
            "Admin@123456",
            "aaaaaaaaaaaa",
            "lan.2026!!!",
            "87654321090",
            "matkhau!!123",
        ] {
            assert!(is_common(bad, "lan"), "{bad}");
        }
        for good in
            ["một mật khẩu dài", "cầu Rồng phun lửa", "correct horse battery", "danangsky9x"]
        {
            assert!(!is_common(good, "lan"), "{good}");
        }
    }
}
