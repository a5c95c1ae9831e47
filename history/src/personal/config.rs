use std::collections::BTreeMap;

use serde::Deserialize;

/// Which personal data is kept at all, and how long. By default none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersonalConfig {
    /// By service: the kinds of events whose plate and link are kept, because a stated purpose
    /// needs them. What is not named is forgotten at the door.
    pub keep: BTreeMap<String, Vec<String>>,
    /// Days until it is deleted, with at most one day more. 1 to 366.
    pub keep_days: u32,
}

impl Default for PersonalConfig {
    fn default() -> Self {
        Self { keep: BTreeMap::new(), keep_days: 30 }
    }
}

impl PersonalConfig {
    /// Every mistake, in words; empty if there is none. `is_service` knows the city's services.
    pub fn check(&self, is_service: impl Fn(&str) -> bool) -> Vec<String> {
        let mut wrong = Vec::new();
        if !(1..=366).contains(&self.keep_days) {
            wrong.push(format!("personal.keep_days: {} is not 1 to 366", self.keep_days));
        }
        for (service, kinds) in &self.keep {
            if !is_service(service) {
                wrong.push(format!("personal.keep: service `{service}` is not in the catalogue"));
            }
            for kind in kinds.iter().filter(|k| !is_kind(k)) {
                wrong.push(format!(
                    "personal.keep.{service}: kind `{kind}` must be 1 to 48 of a-z 0-9 _"
                ));
            }
        }
        wrong
    }

    /// Nothing is kept.
    pub fn is_off(&self) -> bool {
        self.keep.values().all(Vec::is_empty)
    }

    pub(super) fn keeps(&self, service: &str, kind: &str) -> bool {
        self.keep.get(service).is_some_and(|kinds| kinds.iter().any(|k| k == kind))
    }
}

fn is_kind(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=48).contains(&text.len()) && text.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_unless_it_is_named() {
        let config = PersonalConfig::default();
        assert!(config.is_off() && !config.keeps("traffic", "red_light"));
        let keep = [("traffic".to_owned(), vec!["red_light".to_owned()])].into();
        let config = PersonalConfig { keep, ..config };
        assert!(!config.is_off() && config.keeps("traffic", "red_light"));
        assert!(!config.keeps("traffic", "wrong_way") && !config.keeps("security", "red_light"));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let kinds = vec!["red_light".to_owned(), "Bad kind".to_owned()];
        let keep = [("traffic".to_owned(), kinds.clone()), ("trafic".to_owned(), kinds)].into();
        let wrong = PersonalConfig { keep, keep_days: 0 }.check(|s| s == "traffic");
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong[0].contains("keep_days") && wrong[2].contains("`trafic`"), "{wrong:?}");
        assert!(PersonalConfig::default().check(|_| false).is_empty());
    }
}
