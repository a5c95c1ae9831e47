//! A provider at run time: what it says of itself and its keys, kept for an hour; the exchange of
//! a code for an ID token.

use std::sync::{Arc, Mutex, PoisonError};

use ioc_model::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::OidcConfig;
use super::claims::{self, Expected, Person};
use super::error::OidcError;
use super::fetch::{self, Fetcher};
use super::flow::Flow;
use super::jws::{KeySet, Keys, Token, Verdict};

/// What a provider said holds for so long.
const KEPT_MS: i64 = 3_600_000;
/// A key that is not known is asked for at most this often.
const KEYS_AGAIN_MS: i64 = 60_000;
/// A provider that failed is left alone for so long.
const REST_MS: i64 = 5_000;
/// Sign-ins that talk with a provider at once; further ones are told to come again.
const AT_ONCE: usize = 16;

/// What we need of a provider's configuration (OpenID Connect Discovery 1.0, 3).
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The same, checked.
#[derive(Debug)]
struct Metadata {
    authorization: Url,
    token: Url,
    keys: Url,
    /// The secret goes into the form, not into a header.
    secret_in_form: bool,
    /// The answer names its issuer (RFC 9207).
    names_issuer: bool,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Timestamp)>,
    keys: Option<(Arc<Keys>, Timestamp)>,
    failed: Option<Timestamp>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

/// What came back with the browser.
#[derive(Debug)]
pub(super) struct Returned<'a> {
    pub code: &'a str,
    /// The issuer that the answer names.
    pub iss: Option<&'a str>,
    pub redirect: &'a str,
}

pub(super) struct Provider {
    pub config: OidcConfig,
    fetch: Fetcher,
    known: Mutex<Known>,
    /// One at a time asks for what is kept; the others find it there.
    asking: Semaphore,
    talking: Semaphore,
}

impl Provider {
    /// # Errors
    /// What is wrong with the settings, or with the files they name.
    pub fn new(config: OidcConfig) -> Result<Self, String> {
        config.check()?;
        let fetch = Fetcher::new(&config)?;
        let provider = Self {
            config,
            fetch,
            known: Mutex::default(),
            asking: Semaphore::new(1),
            talking: Semaphore::new(AT_ONCE),
        };
        provider.secret().map_err(|e| format!("the client secret: {e}"))?;
        Ok(provider)
    }

    /// Where the browser goes to sign in.
    pub async fn authorize(
        &self,
        flow: &Flow,
        redirect: &str,
        now: Timestamp,
    ) -> Result<Url, OidcError> {
        let mut url = self.metadata(now).await?.authorization.clone();
        let scope = std::iter::once("openid").chain(self.config.scopes.iter().map(String::as_str));
        let scope: Vec<&str> = scope.collect();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", &scope.join(" "))
            .append_pair("state", &flow.state())
            .append_pair("nonce", &flow.nonce())
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256");
        if !self.config.acr_values.is_empty() {
            query.append_pair("acr_values", &self.config.acr_values.join(" "));
        }
        if flow.confirm {
            query.append_pair("prompt", "login").append_pair("max_age", "0");
        }
        drop(query);
        Ok(url)
    }

    /// Exchanges the code and says who the person is.
    pub async fn person(
        &self,
        flow: &Flow,
        returned: Returned<'_>,
        now: Timestamp,
    ) -> Result<Person, OidcError> {
        let _turn = self.talking.try_acquire().map_err(|_| OidcError::Busy)?;
        let metadata = self.metadata(now).await?;
        self.same_issuer(&metadata, returned.iss)?;
        let text = self.exchange(&metadata, flow, &returned).await?;
        let token = Token::parse(&text)?;
        let mut verdict = token.verdict(&*self.keys(&metadata, now, KEPT_MS).await?);
        if verdict == Verdict::UnknownKey {
            verdict = token.verdict(&*self.keys(&metadata, now, KEYS_AGAIN_MS).await?);
        }
        match verdict {
            Verdict::Good => {}
            Verdict::UnknownKey => return Err(OidcError::Token("is signed by an unknown key")),
            Verdict::Bad => return Err(OidcError::Token("has a wrong signature")),
        }
        let (nonce, began) = (flow.nonce(), flow.began);
        let expected = Expected { config: &self.config, nonce: &nonce, began, now };
        let person = claims::check(token.payload(), expected)?;
        // Asked to show who they are again, and did not.
        let shown = person.shown.is_some_and(|at| at.0 >= began.0 - claims::SKEW_MS);
        if flow.confirm && !shown { Err(OidcError::TooWeak) } else { Ok(person) }
    }

    /// An answer of another provider than the one that was asked is refused before the code goes
    /// anywhere (RFC 9700, 4.4).
    fn same_issuer(&self, metadata: &Metadata, iss: Option<&str>) -> Result<(), OidcError> {
        match iss {
            Some(iss) if iss == self.config.issuer => Ok(()),
            Some(_) => Err(OidcError::Token("comes with another issuer's name")),
            None if metadata.names_issuer => Err(OidcError::Token("comes without its issuer")),
            None => Ok(()),
        }
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        flow: &Flow,
        returned: &Returned<'_>,
    ) -> Result<String, OidcError> {
        const ACT: &str = "exchange the code";
        let verifier = flow.verifier();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", returned.code),
            ("redirect_uri", returned.redirect),
            ("code_verifier", verifier.as_str()),
        ];
        let secret = self.secret().map_err(OidcError::Secret)?;
        let mut request = self.fetch.post(metadata.token.clone());
        match &secret {
            Some(secret) if !metadata.secret_in_form => {
                // RFC 6749, 2.3.1: both are form-encoded first.
                let (user, password) = (form_encoded(&self.config.client_id), form_encoded(secret));
                request = request.basic_auth(user, Some(password));
            }
            Some(secret) => {
                form.extend([("client_id", &*self.config.client_id), ("client_secret", secret)]);
            }
            None => form.push(("client_id", &self.config.client_id)),
        }
        let (status, body) = fetch::answer(ACT, request.form(&form)).await?;
        if status != StatusCode::OK {
            return Err(match serde_json::from_slice::<TokenError>(&body) {
                Ok(answer) if status.is_client_error() => OidcError::declined(&answer.error),
                _ => OidcError::Status { act: ACT, status: status.as_u16() },
            });
        }
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|source| OidcError::Malformed { act: ACT, source })?;
        Ok(answer.id_token)
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, OidcError> {
        let kept = |known: &Known| fresh(known.metadata.as_ref(), now, KEPT_MS);
        let ask = async {
            let text = format!(
                "{}/.well-known/openid-configuration",
                self.config.issuer.trim_end_matches('/')
            );
            let url = self.fetch.endpoint(&text)?;
            let document = fetch::document("read the configuration", self.fetch.get(url)).await?;
            Ok(Arc::new(self.checked(document)?))
        };
        self.ask(now, kept, ask, |known, got| known.metadata = Some((got, now))).await
    }

    async fn keys(
        &self,
        metadata: &Metadata,
        now: Timestamp,
        kept_ms: i64,
    ) -> Result<Arc<Keys>, OidcError> {
        let kept = |known: &Known| fresh(known.keys.as_ref(), now, kept_ms);
        let ask = async {
            let request = self.fetch.get(metadata.keys.clone());
            let set: KeySet = fetch::document("read the keys", request).await?;
            Ok(Arc::new(Keys::from(set)))
        };
        self.ask(now, kept, ask, |known, got| known.keys = Some((got, now))).await
    }

    /// What is kept, else what the provider answers; one asks, the others wait for it.
    async fn ask<T>(
        &self,
        now: Timestamp,
        kept: impl Fn(&Known) -> Option<T>,
        ask: impl Future<Output = Result<T, OidcError>>,
        keep: impl FnOnce(&mut Known, T),
    ) -> Result<T, OidcError>
    where
        T: Clone,
    {
        if let Some(held) = kept(&self.known()) {
            return Ok(held);
        }
        let _turn = self.asking.acquire().await.map_err(|_| OidcError::Busy)?;
        {
            let known = self.known();
            if let Some(held) = kept(&known) {
                return Ok(held);
            }
            let rests = known.failed.is_some_and(|at| (0..REST_MS).contains(&now.since_ms(at)));
            if rests {
                return Err(OidcError::Resting);
            }
        }
        let answer = ask.await;
        let mut known = self.known();
        match answer {
            Ok(got) => {
                known.failed = None;
                keep(&mut known, got.clone());
                Ok(got)
            }
            Err(error) => {
                known.failed = Some(now);
                Err(error)
            }
        }
    }

    fn checked(&self, document: Document) -> Result<Metadata, OidcError> {
        if document.issuer != self.config.issuer {
            return Err(OidcError::Metadata("it is of another issuer"));
        }
        let s256 = |methods: &Vec<String>| methods.iter().any(|m| m == "S256");
        if document.code_challenge_methods_supported.as_ref().is_some_and(|m| !s256(m)) {
            return Err(OidcError::Metadata("it does not take PKCE with S256"));
        }
        let methods = document.token_endpoint_auth_methods_supported.unwrap_or_default();
        let takes = |method: &str| methods.iter().any(|m| m == method);
        Ok(Metadata {
            authorization: self.fetch.endpoint(&document.authorization_endpoint)?,
            token: self.fetch.endpoint(&document.token_endpoint)?,
            keys: self.fetch.endpoint(&document.jwks_uri)?,
            secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
            names_issuer: document.authorization_response_iss_parameter_supported,
        })
    }

    /// Read at every use, so that it can be changed while we run.
    fn secret(&self) -> std::io::Result<Option<String>> {
        let text = match (&self.config.secret_file, &self.config.secret_env) {
            (Some(file), _) => std::fs::read_to_string(file)?,
            (None, Some(name)) => std::env::var(name).map_err(std::io::Error::other)?,
            (None, None) => return Ok(None),
        };
        let text = text.trim_end_matches(['\r', '\n']);
        let empty = || std::io::Error::other("it is empty");
        (!text.is_empty()).then(|| Some(text.to_owned())).ok_or_else(empty)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fresh<T>(held: Option<&(Arc<T>, Timestamp)>, now: Timestamp, ms: i64) -> Option<Arc<T>> {
    let (held, at) = held?;
    (0..ms).contains(&now.since_ms(*at)).then(|| Arc::clone(held))
}

fn form_encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}
