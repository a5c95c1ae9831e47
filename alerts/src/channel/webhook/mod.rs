//! Webhooks: `POST` of JSON, signed, to where the guard lets it.

mod gsm7;
mod guard;
mod settings;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::Sha256;

use super::{Channel, Notification, Secret, SendError, Sent, Surroundings, answer, read_secret};
pub use guard::{Forbidden, Guard, Lookup, Network, SystemLookup};
pub use settings::WebhookSettings;
pub use template::Template;

use guard::GuardedResolver;
use template::Form;

/// Time for a whole request (guarantees.md §SSRF).
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// A receiver cannot silence us for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// One webhook receiver.
pub struct Webhook {
    settings: WebhookSettings,
    url: Url,
    headers: HeaderMap,
    token: Option<Secret>,
    signing: Option<Secret>,
    around: Surroundings,
    client: Client,
}

impl Webhook {
    /// A webhook whose settings were checked; reads its secrets now.
    ///
    /// # Errors
    /// Why a secret or a setting cannot be used, without the secret.
    pub fn new(
        settings: &WebhookSettings,
        around: &Surroundings,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, String> {
        let secret = |place: &Option<_>| -> Result<Option<Secret>, String> {
            let place: &Option<serde_saphyr::Spanned<super::SecretRef>> = place;
            let Some(source) = place.as_ref().and_then(|p| p.value.source()) else {
                return Ok(None);
            };
            read_secret(source).map(Some)
        };
        let token = secret(&settings.token)?;
        let signing = secret(&settings.signing)?;
        let text = token.as_ref().map_or("", Secret::expose);
        if text.contains(['?', '#', '\\']) || text.chars().any(|c| !c.is_ascii_graphic()) {
            return Err("the token has a character that cannot be part of an address".into());
        }
        let guard = settings.guard();
        let url = settings.judge_url(&settings.url_with(text), &guard).map_err(|(m, _)| m)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
            let value = value.value.replace("{{token}}", text);
            let mut value = HeaderValue::from_str(&value).map_err(|e| e.to_string())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let client = client(GuardedResolver { guard, lookup })?;
        let (settings, around) = (settings.clone(), around.clone());
        Ok(Self { settings, url, headers, token, signing, around, client })
    }

    fn body(&self, n: &Notification) -> String {
        let form = Form {
            template: self.settings.template,
            custom: self.settings.body.as_ref().map(|b| b.value.as_str()),
            to: self.settings.to.as_deref().unwrap_or_default(),
            token: self.token.as_ref().map_or("", Secret::expose),
            city: &self.around.city,
            base_url: &self.around.base_url,
        };
        form.body(n)
    }
}

/// A client for other channels that `POST`: the same guard, nothing but public addresses and
/// `allow`.
///
/// # Errors
/// Why TLS cannot be set up.
pub fn guarded_client(allow: Vec<Network>) -> Result<Client, String> {
    client(GuardedResolver { guard: Guard::new(allow), lookup: Arc::new(SystemLookup) })
}

/// Without proxy, redirects and second lookup.
fn client(resolver: GuardedResolver) -> Result<Client, String> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30))
        .dns_resolver(Arc::new(resolver))
        .build()
        .map_err(|e| chain(&e))
}

/// `v1=` and the HMAC-SHA256 of `timestamp.body` in hex.
pub fn signature(secret: &Secret, timestamp_s: i64, body: &str) -> String {
    // HMAC takes keys of any length (RFC 2104).
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("a key of any length");
    mac.update(format!("{timestamp_s}.{body}").as_bytes());
    let mut out = String::from("v1=");
    for byte in mac.finalize().into_bytes() {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

#[async_trait]
impl Channel for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn target(&self) -> String {
        // As written: `{{token}}` stands where the token goes. Queries hold keys now and then.
        self.settings.url.value.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    async fn send(&self, n: &Notification) -> Result<Sent, SendError> {
        let body = self.body(n);
        let timestamp_s = (self.around.clock)().0.div_euclid(1_000);
        let mut request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(USER_AGENT, concat!("ioc/", env!("CARGO_PKG_VERSION")))
            .header("Idempotency-Key", &n.id)
            .header("X-IOC-Timestamp", timestamp_s);
        if let Some(secret) = &self.signing {
            request = request.header("X-IOC-Signature", signature(secret, timestamp_s, &body));
        }
        let response = request.body(body).send().await.map_err(|e| self.lost(e))?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let text = read(response).await;
        // Gateways like to repeat what they were sent.
        let text = self.without_token(&text);
        if status.is_success() && self.settings.template.accepts(&text) {
            return Ok(Sent { answer: answer(&format!("{} {text}", status.as_u16())) });
        }
        let permanent = status.is_client_error()
            && !matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        let answer = answer(&format!("{} {text}", status.as_u16()));
        Err(SendError { permanent, retry_after, answer })
    }
}

impl Webhook {
    fn lost(&self, e: reqwest::Error) -> SendError {
        // The address may hold the token.
        let text = chain(&e.without_url());
        SendError::again(self.without_token(&text))
    }

    fn without_token(&self, text: &str) -> String {
        let secrets = [&self.token, &self.signing].into_iter().flatten();
        secrets.fold(text.to_owned(), |text, s| text.replace(s.expose(), "…"))
    }
}

/// An error and what it came from.
fn chain(e: &(dyn std::error::Error + 'static)) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}

/// Seconds only; a date would need the receiver's clock to be right.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The beginning of the answer. What is cut off or breaks off does not change what the status
/// said.
async fn read(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ANSWER_BYTES - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() >= MAX_ANSWER_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
