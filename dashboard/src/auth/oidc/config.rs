//! `dashboard.oidc`: the identity providers by which people may sign in.

use std::path::PathBuf;

use ioc_model::{City, Name, Text};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::fetch::is_loopback;
use crate::{Grant, Role};

/// An identity provider (OpenID Connect). Ours is `https://ORIGIN/signin/oidc/callback`; register
/// exactly that there, with the first `https://` of `dashboard.allowed_origins` as the origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Which, in addresses and names of users: `[a-z0-9_-]{1,16}`. Names of users begin with it.
    pub id: String,
    /// On the button of the sign-in page.
    pub name: Text,
    /// The issuer, letter for letter as the provider gives it. `https`, or `http` on loopback.
    pub issuer: String,
    /// What the provider calls us.
    pub client_id: String,
    /// File with the client secret; read at every sign-in, so that it can be changed.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Variable with the client secret. Neither of both: a public client, PKCE alone.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// Asked for besides `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// Claim of the ID token with the groups; a path such as `/realm_access/roles` when it begins
    /// with a slash.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// Claim from which the name of a new user is made.
    #[serde(default = "default_name_claim")]
    pub name_claim: String,
    /// Hosts (`host` or `host:port`) besides the issuer's own at which its endpoints may be.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// Certificate of the authority (PEM) that signed the provider's; the public ones hold no
    /// longer then.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Asked of the provider: how surely people must show who they are.
    #[serde(default)]
    pub acr_values: Vec<String>,
    /// One of these must stand in `acr`; empty: not looked at.
    #[serde(default)]
    pub required_acr: Vec<String>,
    /// One of these must stand in `amr`, such as `otp` or `mfa`; empty: not looked at.
    #[serde(default)]
    pub required_amr: Vec<String>,
    /// Seconds the provider may take for one answer.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
    /// Which groups may do what. Who is in none of them is refused.
    pub groups: Vec<GroupGrant>,
}

/// What a group of the provider may do here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupGrant {
    /// Name of the group, letter for letter.
    pub group: String,
    /// What for.
    pub role: Role,
    /// Where; not given: the whole city.
    #[serde(default)]
    pub areas: Option<Vec<Name>>,
    /// In which services; not given: in all.
    #[serde(default)]
    pub services: Option<Vec<Name>>,
}

fn default_scopes() -> Vec<String> {
    vec!["profile".into()]
}

fn default_groups_claim() -> String {
    "groups".into()
}

fn default_name_claim() -> String {
    "preferred_username".into()
}

fn default_timeout_s() -> u64 {
    10
}

impl GroupGrant {
    pub(super) fn grant(&self) -> Grant {
        Grant { role: self.role, areas: self.areas.clone(), services: self.services.clone() }
    }
}

impl OidcConfig {
    /// Settings of these providers that make no sense, or not in this city.
    pub fn mistakes(all: &[Self], city: &City) -> Vec<String> {
        let mut found = Vec::new();
        for (i, one) in all.iter().enumerate() {
            let twice = all[..i].iter().any(|other| other.id == one.id);
            let problem = if twice { Err("the id is given twice".into()) } else { one.check() };
            found.extend(problem.err());
            for grant in &one.groups {
                let areas = grant.areas.iter().flatten();
                let known = |a: &Name| city.areas.contains_key(a) || city.clusters.contains_key(a);
                let unknown = areas.filter(|a| !known(a));
                found.extend(unknown.map(|a| format!("group `{}`: no area `{a}`", grant.group)));
                let services = grant.services.iter().flatten();
                let unknown = services.filter(|s| !city.services.contains_key(&***s));
                found.extend(unknown.map(|s| format!("group `{}`: no service `{s}`", grant.group)));
            }
            for problem in &mut found {
                if !problem.starts_with("dashboard.oidc") {
                    *problem = format!("dashboard.oidc {}: {problem}", one.id);
                }
            }
        }
        found
    }

    /// The first setting that makes no sense.
    pub(super) fn check(&self) -> Result<(), String> {
        let id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let length = (1..=16).contains(&self.id.len());
        ensure(length && self.id.bytes().all(id), "`id` is not [a-z0-9_-]{1,16}")?;
        ensure(!self.name.vi.is_empty() && !self.name.en.is_empty(), "`name` needs vi and en")?;
        let issuer = Url::parse(&self.issuer).map_err(|e| format!("`issuer`: {e}"))?;
        let safe = issuer.scheme() == "https" || issuer.scheme() == "http" && is_loopback(&issuer);
        ensure(safe, "`issuer` is not https")?;
        let plain = issuer.query().is_none() && issuer.fragment().is_none();
        let named = !issuer.username().is_empty() || issuer.password().is_some();
        ensure(plain && !named, "`issuer` has a query, a fragment or a password")?;
        ensure(!self.client_id.is_empty(), "`client_id` is empty")?;
        let both = self.secret_file.is_some() && self.secret_env.is_some();
        ensure(!both, "`secret_file` and `secret_env`: give one of them")?;
        let token = |t: &String| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic());
        let asked = self.scopes.iter().chain(&self.acr_values).all(token);
        ensure(asked, "`scopes` and `acr_values` hold words without spaces")?;
        ensure((1..=60).contains(&self.timeout_s), "`timeout_s` is not between 1 and 60")?;
        ensure(!self.groups.is_empty(), "`groups` is empty: nobody could sign in")?;
        let wall = self.groups.iter().any(|g| g.role == Role::Wall);
        ensure(!wall, "`groups`: the role `wall` is for screens")?;
        for host in &self.endpoints {
            let url = Url::parse(&format!("https://{host}/")).ok();
            let plain = url.is_some_and(|u| u.path() == "/" && u.username().is_empty());
            ensure(plain && !host.contains(['/', '?', '#', '@']), "`endpoints` lists hosts")?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, problem: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.into()) }
}
