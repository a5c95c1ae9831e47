//! E-mail: one message for each notification, to all readers of the receiver.
//!
//! Each reader's server answers for itself: who took the message is not sent it again while this
//! process lives; after a restart it may come twice with the same `Message-ID`.

mod message;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};

pub use settings::{EmailSettings, EmailSpec, TlsMode};

use super::{Channel, Notification, SendError, Sent, Surroundings, answer};

/// Time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for everything; shorter than the notifier's patience, so that the reason is known.
const WHOLE: Duration = Duration::from_secs(25);
/// Deliveries of which some readers are remembered.
const MAX_PARTIAL: usize = 1_000;

/// An `email` receiver.
pub struct EmailChannel {
    settings: EmailSettings,
    around: Surroundings,
    /// Readers who have a delivery that others do not have yet.
    partial: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// What the server said to each reader.
#[derive(Debug, Default)]
struct Verdicts {
    taken: Vec<String>,
    later: Vec<String>,
    refused: Vec<String>,
    said: String,
}

impl EmailChannel {
    /// A channel for these settings.
    pub fn new(settings: EmailSettings, around: Surroundings) -> Self {
        Self { settings, around, partial: Mutex::default() }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let s = &self.settings;
        let host = s.host.trim_start_matches('[').trim_end_matches(']');
        let at_once = match s.tls {
            TlsMode::Implicit => s.parameters.clone(),
            _ => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (host, s.port),
            Some(CONNECT),
            &s.hello,
            at_once,
            None,
        )
        .await
        .map_err(|e| failed("connect", &e))?;
        if let (TlsMode::Required | TlsMode::Opportunistic, Some(tls)) = (s.tls, &s.parameters) {
            if connection.can_starttls() {
                connection
                    .starttls(tls.clone(), &s.hello)
                    .await
                    .map_err(|e| SendError::again(format!("starttls: {}", why(&e))))?;
            } else if s.tls == TlsMode::Required {
                connection.abort().await;
                return Err(SendError::again("starttls: the server does not offer it"));
            }
        }
        if let Some(credentials) = &s.credentials {
            // A refused account says nothing against the message: somebody may put it right.
            connection
                .auth(DEFAULT_MECHANISMS, credentials)
                .await
                .map_err(|e| SendError::again(format!("log in: {}", why(&e))))?;
        }
        Ok(connection)
    }

    async fn transmit(&self, to: &[Address], body: &[u8]) -> Result<Verdicts, SendError> {
        let mut connection = self.connect().await?;
        let from = self.settings.from.email.clone();
        connection
            .command(Mail::new(Some(from), Vec::new()))
            .await
            .map_err(|e| failed("sender", &e))?;
        let mut verdicts = Verdicts::default();
        for address in to {
            let name = address.to_string();
            match connection.command(Rcpt::new(address.clone(), Vec::new())).await {
                Ok(_) => verdicts.taken.push(name),
                Err(e) if e.is_permanent() => verdicts.refused.push(format!("{name}: {}", why(&e))),
                Err(e) if e.is_transient() => verdicts.later.push(format!("{name}: {}", why(&e))),
                Err(e) => return Err(failed("recipient", &e)),
            }
        }
        if !verdicts.taken.is_empty() {
            connection.command(Data).await.map_err(|e| failed("data", &e))?;
            let said = connection.message(body).await.map_err(|e| failed("message", &e))?;
            verdicts.said = said.message().collect::<Vec<_>>().join(" ");
        }
        // It was taken; how the talk ends does not matter.
        let _ = connection.quit().await;
        Ok(verdicts)
    }

    fn already(&self, id: &str) -> BTreeSet<String> {
        let partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        partial.get(id).cloned().unwrap_or_default()
    }

    fn remember(&self, id: &str, has: BTreeSet<String>, done: bool) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        if done {
            partial.remove(id);
        } else if partial.len() < MAX_PARTIAL {
            partial.insert(id.to_owned(), has);
        }
    }
}

#[async_trait]
impl Channel for EmailChannel {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn target(&self) -> String {
        let to: Vec<String> = self.settings.to.iter().map(|to| to.email.to_string()).collect();
        format!("{} ({}:{})", to.join(", "), self.settings.host, self.settings.port)
    }

    async fn send(&self, n: &Notification) -> Result<Sent, SendError> {
        let body = message::compose(&self.settings, &self.around, n)
            .map_err(|e| SendError::permanent(format!("message: {e}")))?
            .formatted();
        let mut has = self.already(&n.id);
        let all = self.settings.to.iter().map(|to| &to.email);
        let to: Vec<Address> = all.filter(|to| !has.contains(&to.to_string())).cloned().collect();
        let verdicts = tokio::time::timeout(WHOLE, self.transmit(&to, &body))
            .await
            .map_err(|_| SendError::again("the mail server took too long"))??;
        has.extend(verdicts.taken.iter().cloned());
        self.remember(&n.id, has.clone(), verdicts.later.is_empty());
        judge(&verdicts, !has.is_empty())
    }
}

/// Sent if nobody is left to try and at least one reader has it.
fn judge(verdicts: &Verdicts, somebody: bool) -> Result<Sent, SendError> {
    let refused = verdicts.refused.join("; ");
    if !verdicts.later.is_empty() {
        return Err(SendError::again(verdicts.later.join("; ")));
    }
    match (somebody, refused.is_empty()) {
        (false, _) => Err(SendError::permanent(refused)),
        (true, true) => Ok(Sent { answer: answer(&verdicts.said) }),
        (true, false) => {
            Ok(Sent { answer: answer(&format!("{}; refused: {refused}", verdicts.said)) })
        }
    }
}

/// 5xx is for good; 4xx and anything about the network may pass.
fn failed(step: &str, error: &SmtpError) -> SendError {
    let text = format!("{step}: {}", why(error));
    if error.is_permanent() { SendError::permanent(text) } else { SendError::again(text) }
}

/// An error with its causes.
fn why(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
