//! Settings of accounts.

use serde::{Deserialize, Serialize};

/// The section `dashboard.sessions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsConfig {
    /// A session without a request or an open page for so long has ended, in minutes.
    pub idle_minutes: u32,
    /// A session of this age has ended, even in use, in hours.
    pub max_hours: u32,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { idle_minutes: 30, max_hours: 12 }
    }
}

impl SessionsConfig {
    pub(crate) fn idle_ms(self) -> i64 {
        i64::from(self.idle_minutes) * 60_000
    }

    pub(crate) fn max_ms(self) -> i64 {
        i64::from(self.max_hours) * 3_600_000
    }
}
