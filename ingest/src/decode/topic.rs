//! Topic patterns of the configuration: `factory/{device}/env`, `fiware/#`, `/+/+/attrs`.

/// Names that a pattern captured, in the order of the pattern.
pub(super) type Captures<'t> = Vec<(Capture, &'t str)>;

/// What a level can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    Device,
    Area,
    Service,
    Property,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Text(String),
    One,
    Capture(Capture),
    Rest,
}

/// A checked pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Level>);

impl Pattern {
    /// Reads a pattern; an error is a fragment that says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 256 {
            return Err("topic pattern must have 1 to 256 bytes".into());
        }
        let mut levels = Vec::new();
        for level in text.split('/') {
            if levels.last() == Some(&Level::Rest) {
                return Err("`#` must be the last level of a topic pattern".into());
            }
            levels.push(match level {
                "#" => Level::Rest,
                "+" => Level::One,
                "{device}" => Level::Capture(Capture::Device),
                "{area}" => Level::Capture(Capture::Area),
                "{service}" => Level::Capture(Capture::Service),
                "{property}" => Level::Capture(Capture::Property),
                text if text.contains(['{', '}', '+', '#', '\0']) => {
                    return Err(format!(
                        "level `{text}` is neither a text, `+`, `#`, `{{device}}`, `{{area}}`, \
                         `{{service}}` nor `{{property}}`"
                    ));
                }
                text => Level::Text(text.into()),
            });
            let capture = matches!(levels.last(), Some(Level::Capture(_)));
            if capture && levels.iter().filter(|l| Some(*l) == levels.last()).count() > 1 {
                return Err(format!("`{level}` comes twice"));
            }
        }
        Ok(Self(levels))
    }

    /// The captured levels if the topic fits.
    pub(super) fn matches<'t>(&self, topic: &'t str) -> Option<Captures<'t>> {
        let mut captures = Vec::new();
        let mut levels = topic.split('/');
        for pattern in &self.0 {
            if *pattern == Level::Rest {
                // `a/#` also takes `a` (MQTT 4.7.1.2).
                return Some(captures);
            }
            let level = levels.next()?;
            match pattern {
                Level::Text(text) if text != level => return None,
                Level::Capture(c) => captures.push((*c, level)),
                _ => {}
            }
        }
        levels.next().is_none().then_some(captures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, topic: &str, expect: Option<&[&str]>) {
        let pattern = Pattern::parse(pattern).expect("pattern");
        let got = pattern.matches(topic).map(|c| c.iter().map(|(_, t)| *t).collect::<Vec<_>>());
        assert_eq!(got.as_deref(), expect, "{topic}");
    }

    #[test]
    fn matches_as_mqtt_does() {
        check("fiware/#", "fiware/a/b", Some(&[]));
        check("fiware/#", "fiware", Some(&[]));
        check("fiware/#", "fiwareX/a", None);
        check("/+/+/attrs", "/key/dev/attrs", Some(&[]));
        check("/+/+/attrs", "key/dev/attrs", None);
        check("f/{area}/{device}/env", "f/hai_chau/d1/env", Some(&["hai_chau", "d1"]));
        check("f/{device}", "f/d1/x", None);
        check("f/{device}", "f", None);
    }

    #[test]
    fn refuses_what_would_match_by_accident() {
        for bad in ["", "a/#/b", "a/b#", "a/{dev}", "{device}/{device}", "a/x+"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
