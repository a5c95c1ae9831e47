use std::collections::BTreeSet;
use std::sync::Arc;

use ioc_model::Name;

/// What the asker may see: the one place where it is decided for export, open data and
/// SensorThings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All measurements (personal data are none) of devices of these areas × services.
    Within(ioc_model::Scope),
    /// Only these pairs of service and property, as open data name them, of the whole city.
    Published(Arc<BTreeSet<(Name, Name)>>),
}

impl Scope {
    /// Everything that measurements are.
    pub fn city() -> Self {
        Self::Within(ioc_model::Scope::city())
    }

    /// Whether a property of a device of this area and this service may be seen. A device that
    /// nobody knows any more has neither: only who sees the whole city sees it.
    pub fn allows(&self, area: &str, service: &str, property: &str) -> bool {
        match self {
            Self::Within(scope) => scope.allows(area, service),
            Self::Published(pairs) => {
                pairs.iter().any(|(s, p)| **s == *service && **p == *property)
            }
        }
    }

    /// Strangers: everybody may ask.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Published(_))
    }
}

#[cfg(test)]
mod tests;
