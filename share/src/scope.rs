use std::collections::BTreeSet;
use std::sync::Arc;

use ioc_model::Name;

/// What the asker may see: the one place where it is decided for export, open data and
/// SensorThings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that measurements are (personal data are none).
    All,
    /// Only these pairs of service and property, as open data name them.
    Published(Arc<BTreeSet<(Name, Name)>>),
}

impl Scope {
    /// Whether a property of a service may be seen.
    pub fn allows(&self, service: &str, property: &str) -> bool {
        match self {
            Self::All => true,
            Self::Published(pairs) => {
                pairs.iter().any(|(s, p)| **s == *service && **p == *property)
            }
        }
    }
}
