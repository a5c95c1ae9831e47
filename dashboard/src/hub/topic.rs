//! What may be subscribed to on `/ws`, and what it needs: one table, as for the routes.

use ioc_model::{City, Scope};

use crate::routes::Reach;
use crate::{Identity, Permission};

/// A topic of `/ws`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Devices, as binary frames.
    State,
    /// The services' tiles.
    Tiles,
    /// New states of alerts.
    Alerts,
    /// Alarm floods; comes along with `alerts` for who may have it.
    Flood,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::State, Self::Tiles, Self::Alerts, Self::Flood];

    /// The word in a subscription.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Tiles => "tiles",
            Self::Alerts => "alerts",
            Self::Flood => "flood",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }

    /// The table: which permission a topic needs, and how much of it. What is `Scoped` is cut to
    /// the scope of the permission.
    pub fn policy(self) -> (Permission, Reach) {
        match self {
            Self::State | Self::Tiles | Self::Alerts => (Permission::Watch, Reach::Scoped),
            // The load of the whole city's operators.
            Self::Flood => (Permission::Watch, Reach::City),
        }
    }

    /// Where somebody may have this topic.
    ///
    /// # Errors
    /// The code of the refusal.
    pub fn scope(self, who: &Identity, city: &City) -> Result<Scope, &'static str> {
        let (permission, reach) = self.policy();
        let scope = who.scope(permission, city);
        if scope.is_nothing() {
            return Err("not_permitted");
        }
        if reach == Reach::City && !scope.is_city() {
            return Err("scope_too_small");
        }
        Ok(scope)
    }
}

/// The topics of a subscription that may be had, and the others with the code of their refusal.
pub(crate) fn admit<'a>(
    words: &'a [String],
    who: &Identity,
    city: &City,
) -> (Vec<Topic>, Vec<(&'a str, &'static str)>) {
    let (mut topics, mut refused) = (Vec::new(), Vec::new());
    for word in words {
        match Topic::parse(word).map(|topic| (topic, topic.scope(who, city))) {
            Some((topic, Ok(_))) => topics.push(topic),
            Some((_, Err(code))) => refused.push((word.as_str(), code)),
            None => refused.push((word.as_str(), "unknown_topic")),
        }
    }
    (topics, refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Grant, Role};

    #[test]
    fn every_topic_has_a_policy_and_stands_in_the_protocol() {
        let protocol = include_str!("../../../docs/protocol.md");
        for topic in Topic::ALL {
            let (permission, reach) = topic.policy();
            let reach = if reach == Reach::City { "whole city" } else { "scope" };
            let row = format!("| `{}` | `{}`, {reach} |", topic.as_str(), permission.as_str());
            assert!(protocol.contains(&row), "{row}");
            assert_eq!(Topic::parse(topic.as_str()), Some(topic));
        }
    }

    #[test]
    fn each_role_gets_the_topics_of_its_permissions_and_reach() {
        let city = crate::testing::city(1);
        let words = ["state", "tiles", "alerts", "flood", "personal"].map(String::from);
        for role in Role::ALL {
            let whole = Identity::person("an", vec![Grant::city(role)]);
            let part = Grant { areas: Some(vec!["hai_chau".into()]), ..Grant::city(role) };
            let part = Identity::person("an", vec![part]);
            let (had, refused) = admit(&words, &whole, &city);
            assert_eq!(had.len(), if role.may(Permission::Watch) { 4 } else { 0 });
            assert_eq!(refused.last(), Some(&("personal", "unknown_topic")));
            let (had, refused) = admit(&words, &part, &city);
            assert_eq!(had, [Topic::State, Topic::Tiles, Topic::Alerts]);
            assert_eq!(refused[0], ("flood", "scope_too_small"));
        }
        let nobody = Identity::person("an", Vec::new());
        let (had, refused) = admit(&words[..1], &nobody, &city);
        assert_eq!((had, refused), (vec![], vec![("state", "not_permitted")]));
    }
}
