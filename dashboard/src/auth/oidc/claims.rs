//! What an ID token must say (OpenID Connect Core 1.0, 3.1.3.7), and who it says the person is.

use ioc_model::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::OidcConfig;
use super::error::OidcError;

/// What the two clocks may differ.
pub(super) const SKEW_MS: i64 = 60_000;
/// Longest `sub` (OpenID Connect Core 1.0, 2).
const MAX_SUB: usize = 255;
/// Groups of a person that are looked at.
const MAX_GROUPS: usize = 2_000;

/// What the token must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub config: &'a OidcConfig,
    pub nonce: &'a str,
    /// When this sign-in began: no token is older.
    pub began: Timestamp,
    pub now: Timestamp,
}

/// Who the provider says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// With `sub`, the key of the account.
    pub iss: String,
    pub sub: String,
    /// For the name of a new account; nothing is decided by it.
    pub name: String,
    pub groups: Vec<String>,
    /// When they last showed the provider who they are, if it says so.
    pub shown: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMore,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: String,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
    auth_time: Option<f64>,
}

/// Checks the payload of a token whose signature is good.
pub(super) fn check(payload: &[u8], expected: Expected<'_>) -> Result<Person, OidcError> {
    let wrong = |_| OidcError::Token("lacks a claim, or has one of a wrong type");
    let all: Value = serde_json::from_slice(payload).map_err(wrong)?;
    let claims: Claims = serde_json::from_slice(payload).map_err(wrong)?;
    let Expected { config, nonce, began, now } = expected;
    ensure(claims.iss == config.issuer, "is of another issuer")?;
    let aud = claims.aud.list();
    ensure(aud.contains(&config.client_id), "is for somebody else (aud)")?;
    let azp = claims.azp.as_ref();
    ensure(azp.is_some() || aud.len() == 1, "is for several and does not say for whom (azp)")?;
    ensure(azp.is_none_or(|azp| *azp == config.client_id), "was given to somebody else (azp)")?;
    let (exp, iat) = (ms(claims.exp)?, ms(claims.iat)?);
    ensure(exp.0.saturating_add(SKEW_MS) > now.0, "has expired, or the clocks differ")?;
    ensure(iat.0 <= now.0 + SKEW_MS, "is from the future: the clocks differ")?;
    ensure(iat.0 >= began.0 - SKEW_MS, "is older than this sign-in")?;
    let nbf = claims.nbf.map(ms).transpose()?;
    ensure(nbf.is_none_or(|nbf| nbf.0 <= now.0 + SKEW_MS), "does not hold yet")?;
    ensure(claims.nonce == nonce, "is of another sign-in (nonce)")?;
    let sub = (1..=MAX_SUB).contains(&claims.sub.len());
    ensure(sub && !claims.sub.chars().any(char::is_control), "names nobody (sub)")?;
    let acr = claims.acr.is_some_and(|acr| config.required_acr.contains(&acr));
    let amr = claims.amr.iter().any(|amr| config.required_amr.contains(amr));
    if !config.required_acr.is_empty() && !acr || !config.required_amr.is_empty() && !amr {
        return Err(OidcError::TooWeak);
    }
    let shown = claims.auth_time.map(ms).transpose()?;
    ensure(shown.is_none_or(|at| at.0 <= now.0 + SKEW_MS), "is from the future (auth_time)")?;
    let name = at(&all, &config.name_claim).and_then(Value::as_str).unwrap_or("").to_owned();
    let groups = groups(at(&all, &config.groups_claim));
    Ok(Person { iss: claims.iss, sub: claims.sub, name, groups, shown })
}

fn ensure(holds: bool, problem: &'static str) -> Result<(), OidcError> {
    if holds { Ok(()) } else { Err(OidcError::Token(problem)) }
}

/// Seconds since 1970, of the years that there are.
fn ms(seconds: f64) -> Result<Timestamp, OidcError> {
    let good = (0.0..=253_402_300_799.0).contains(&seconds);
    ensure(good, "has a time that is none")?;
    Ok(Timestamp((seconds * 1_000.0) as i64))
}

/// A claim by name, or by path when it begins with a slash.
fn at<'a>(all: &'a Value, claim: &str) -> Option<&'a Value> {
    if claim.starts_with('/') { all.pointer(claim) } else { all.get(claim) }
}

fn groups(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => {
            let names = list.iter().take(MAX_GROUPS).filter_map(Value::as_str);
            names.map(String::from).collect()
        }
        _ => Vec::new(),
    }
}
