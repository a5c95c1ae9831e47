//! Sign-in by an identity provider: OpenID Connect, authorization code with PKCE (S256).
//!
//! `GET /signin/oidc` sends the browser to the provider with values that are all derived from a
//! secret in a short-lived cookie ([`flow`]); `GET /signin/oidc/callback` takes the code, exchanges
//! it ([`provider`]), checks signature ([`jws`]) and claims ([`claims`]) of the ID token, makes
//! grants of its groups, and begins a session of our own ([`store`]). An account is known by issuer
//! and `sub` alone. Signing out ends our session, not the one at the provider.
//!
//! How it fails: the person is sent to `/?signin=CODE` ([`error`]), the reason goes to the log.
//! Why without a library for it: docs/adr/0009-openid-connect.md.

mod api;
mod claims;
mod config;
mod error;
mod fetch;
mod flow;
mod jws;
mod notes;
mod provider;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use api::{begin, callback};
pub use config::{GroupGrant, OidcConfig};
pub(super) use store::SCHEMA;

use crate::{ConfigMistake, DashboardConfig, Grant};
use claims::Person;
use flow::Flows;
use notes::Refusals;
use provider::Provider;

/// All providers.
pub(crate) struct Oidc {
    providers: Vec<Provider>,
    flows: Flows,
    refusals: Refusals,
}

impl Oidc {
    /// # Errors
    /// The first setting that makes no sense, or file that cannot be read.
    pub fn new(config: &DashboardConfig) -> Result<Self, ConfigMistake> {
        let mut providers: Vec<Provider> = Vec::new();
        for one in &config.oidc {
            let mistake = |problem| ConfigMistake::Oidc { id: one.id.clone(), problem };
            if providers.iter().any(|p| p.config.id == one.id) {
                return Err(mistake("the id is given twice".into()));
            }
            if config.allowed_origins.is_empty() && !config.listen.ip().is_loopback() {
                let problem = "`dashboard.allowed_origins` must name where people reach us";
                return Err(mistake(problem.into()));
            }
            providers.push(Provider::new(one.clone()).map_err(mistake)?);
        }
        Ok(Self { providers, flows: Flows::new(), refusals: Refusals::default() })
    }

    /// Of a configuration that has been checked; what cannot be used any more since then is left
    /// out, and logged.
    pub fn of_checked(config: &DashboardConfig) -> Self {
        Self::new(config).unwrap_or_else(|error| {
            tracing::error!(%error, "no sign-in by identity providers");
            Self { providers: Vec::new(), flows: Flows::new(), refusals: Refusals::default() }
        })
    }

    fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|p| p.config.id == id)
    }
}

impl Provider {
    /// What the person's groups may do here, in the order of the configuration.
    fn grants(&self, person: &Person) -> Vec<Grant> {
        let mut grants = Vec::new();
        for row in self.config.groups.iter().filter(|row| person.groups.contains(&row.group)) {
            let grant = row.grant();
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
        if grants.len() > Grant::MOST {
            let (held, most) = (grants.len(), Grant::MOST);
            tracing::warn!(held, most, provider = self.config.id, "grants beyond are left out");
            grants.truncate(most);
        }
        grants
    }
}
