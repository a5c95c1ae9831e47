//! `webhook:` of a receiver in `notify.yaml`.

use std::collections::BTreeMap;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::guard::{Guard, Network};
use super::template::{self, Template};
use crate::channel::SecretRef;
use crate::notify::Report;

/// Where and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// `https://…`; `{{token}}` in its path or query is replaced by the token.
    pub(super) url: Spanned<String>,
    /// Form of the body.
    #[serde(default)]
    pub(super) template: Template,
    /// The body for `template: custom`: JSON with `{{field}}`.
    #[serde(default)]
    pub(super) body: Option<Spanned<String>>,
    /// Chat, user or phone number, for templates that have one.
    #[serde(default)]
    pub(super) to: Option<String>,
    /// The service's secret, for `{{token}}`.
    #[serde(default)]
    pub(super) token: Option<Spanned<SecretRef>>,
    /// Key of the signature.
    #[serde(default)]
    pub(super) signing: Option<Spanned<SecretRef>>,
    /// More headers; a value may contain `{{token}}`.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    /// `http://` too.
    #[serde(default)]
    pub(super) allow_http: bool,
    /// Networks that may be reached although they are not public.
    #[serde(default)]
    pub(super) allow_networks: Vec<Spanned<String>>,
}

const TOKEN: &str = "{{token}}";
/// A token that stands for the real one while the configuration is checked.
const SAMPLE: &str = "TOKEN-SAMPLE";
/// Headers that are ours or the connection's.
const TAKEN: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "idempotency-key",
    "x-ioc-timestamp",
    "x-ioc-signature",
    "expect",
];

impl WebhookSettings {
    /// Alerts may go to it without encryption.
    pub fn allows_http(&self) -> bool {
        self.allow_http
    }

    /// Where its secrets are.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        self.token.iter().chain(&self.signing).map(|s| &s.value).collect()
    }

    /// A header that is for a secret has a value without `{{token}}`.
    pub fn has_secret_in_clear(&self) -> bool {
        let meant = ["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"];
        let secret = |name: &str| meant.contains(&name.to_ascii_lowercase().as_str());
        self.headers.iter().any(|(name, value)| secret(name) && !value.value.contains(TOKEN))
    }

    /// Tells all mistakes.
    pub(crate) fn check(&self, report: &mut Report) {
        let guard = self.check_networks(report);
        self.check_url(&guard, report);
        self.check_body(report);
        for (name, value) in &self.headers {
            let own = TAKEN.contains(&name.to_ascii_lowercase().as_str());
            if own || HeaderName::from_bytes(name.as_bytes()).is_err() {
                let message = format!("header `{name}` cannot be set");
                report.wrong(value, message, "a name of letters, digits and -, not one of ours");
            } else if HeaderValue::from_str(&value.value).is_err() {
                let message = format!("header `{name}` has a value that cannot be sent");
                report.wrong(value, message, "printable characters on one line");
            }
        }
        for secret in [&self.token, &self.signing].into_iter().flatten() {
            if secret.value.source().is_none() {
                let hint = "give either secret_file or secret_env";
                report.wrong(secret, "not one place of a secret", hint);
            }
        }
        let texts = self.headers.values().chain([&self.url]).chain(&self.body);
        let named = texts.filter(|t| t.value.contains(TOKEN)).count();
        if named > 0 && self.token.is_none() {
            let hint = "add token: { secret_env: NAME } or { secret_file: PATH }";
            report.wrong(&self.url, "`{{token}}` is used, but there is no token", hint);
        }
        if let Some(token) = self.token.as_ref().filter(|_| named == 0) {
            let hint = "write {{token}} into the url, a header or the body";
            report.wrong(token, "the token is not used", hint);
        }
    }

    fn check_networks(&self, report: &mut Report) -> Guard {
        let mut networks = Vec::new();
        for text in &self.allow_networks {
            match Network::parse(&text.value) {
                Some(network) => networks.push(network),
                None => {
                    let message = format!("`{}` is not a network", text.value);
                    report.wrong(text, message, "such as 10.1.2.0/24 or fd00::/8");
                }
            }
        }
        Guard::new(networks)
    }

    fn check_url(&self, guard: &Guard, report: &mut Report) {
        if let Err((message, hint)) = self.judge_url(&self.url_with(SAMPLE), guard) {
            report.wrong(&self.url, message, hint);
        }
    }

    /// The checked address with the token in it.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn judge_url(
        &self,
        text: &str,
        guard: &Guard,
    ) -> Result<Url, (String, &'static str)> {
        // The library drops tabs and line ends and takes `\` for `/`: what is meant should be
        // what is written.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err((
                "the address contains a blank, a control character or \\".into(),
                "remove it",
            ));
        }
        let url =
            Url::parse(text).map_err(|e| (format!("not an address: {e}"), "https://host/path"))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => {
                return Err(("http is not allowed".into(), "use https, or set allow_http: true"));
            }
            other => return Err((format!("`{other}` is not allowed"), "use https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(("an address with a user name".into(), "put the secret into token"));
        }
        if url.fragment().is_some() {
            return Err(("an address with #".into(), "remove what follows #"));
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(("an address without a host".into(), "https://host/path"));
        }
        if host.contains(&SAMPLE.to_ascii_lowercase()) {
            return Err(("the token cannot be part of the host".into(), "only path or query"));
        }
        // The library has brought every way to write an IPv4 address into the usual one.
        if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            let hint = "name its network in allow_networks";
            guard.judge(ip).map_err(|e| (e.to_string(), hint))?;
        }
        Ok(url)
    }

    pub(super) fn guard(&self) -> Guard {
        Guard::new(self.allow_networks.iter().filter_map(|n| Network::parse(&n.value)).collect())
    }

    pub(super) fn url_with(&self, token: &str) -> String {
        self.url.value.replace(TOKEN, token)
    }

    fn check_body(&self, report: &mut Report) {
        let template = self.template;
        if template.needs_to() && self.to.as_deref().unwrap_or_default().is_empty() {
            let hint = "to: chat, user or phone number";
            report.wrong(&self.url, "this template needs to", hint);
        }
        let Some(body) = &self.body else {
            if template == Template::Custom {
                report.wrong(&self.url, "template custom needs a body", "body: '{…}'");
            }
            return;
        };
        if template != Template::Custom {
            report.wrong(body, "a body without template: custom", "add template: custom");
        }
        for field in template::fields(&body.value).filter(|f| !template::FIELDS.contains(f)) {
            let hint = format!("one of {}", template::FIELDS.join(", "));
            report.wrong(body, format!("unknown field `{field}`"), &hint);
        }
        if !template::is_json(&body.value) {
            report.wrong(body, "the body is not JSON", "put {{field}} inside quotes");
        }
    }
}
