//! What an `email` receiver is told in `notify.yaml`.

use std::net::IpAddr;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use serde::Deserialize;

use crate::channel::{SecretRef, read_secret};

/// Settings of an `email` receiver.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailSpec {
    /// The mail server that takes our messages.
    pub host: String,
    /// Default: 465 with `implicit`, else 587.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: TlsMode,
    /// Allows `tls: none` and a password without encryption to another machine.
    #[serde(default)]
    pub allow_plain: bool,
    /// Certificates (PEM) to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// Account at the server.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// Sender: `IOC Đà Nẵng <ioc@danang.gov.vn>` or only the address.
    pub from: String,
    /// Readers, in the same form.
    pub to: Vec<String>,
    /// The name we greet with; default: the domain of `from`.
    #[serde(default)]
    pub hello: Option<String>,
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// STARTTLS, and nothing is said without it.
    #[default]
    Required,
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS if the server offers it: no protection against somebody in between.
    Opportunistic,
    /// None.
    None,
}

/// Settings that were checked.
#[derive(Clone)]
pub struct EmailSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: TlsMode,
    pub(super) parameters: Option<TlsParameters>,
    pub(super) credentials: Option<Credentials>,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    pub(super) hello: ClientId,
}

/// Most readers of one receiver.
const MAX_TO: usize = 50;

impl EmailSpec {
    /// All mistakes, in words; reads no file, so that a configuration can be checked elsewhere.
    pub fn mistakes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        parsed(self, &mut wrong);
        if self.user.is_some() != self.password.is_some() {
            wrong.push("user and password belong together".to_owned());
        }
        if self.password.as_ref().is_some_and(|p| p.source().is_none()) {
            wrong.push("password: name secret_file or secret_env".to_owned());
        }
        wrong
    }
}

/// What is read from texts.
struct Parsed {
    from: Option<Mailbox>,
    to: Vec<Mailbox>,
    hello: Option<ClientId>,
}

fn parsed(spec: &EmailSpec, wrong: &mut Vec<String>) -> Parsed {
    if spec.host.is_empty() || spec.host.contains(|c: char| c.is_control() || c == ' ') {
        wrong.push(format!("{:?} is no host", spec.host));
    }
    let from = mailbox(&spec.from).map_err(|e| wrong.push(format!("from: {e}"))).ok();
    let to = spec
        .to
        .iter()
        .filter_map(|to| mailbox(to).map_err(|e| wrong.push(format!("to: {e}"))).ok())
        .collect();
    if spec.to.is_empty() || spec.to.len() > MAX_TO {
        wrong.push(format!("to: 1 to {MAX_TO} addresses are needed"));
    }
    plain(spec, wrong);
    let hello = match (&spec.hello, &from) {
        (Some(name), _) => hello(name).map_err(|e| wrong.push(e)).ok(),
        (None, from) => from.as_ref().map(|f| ClientId::Domain(f.email.domain().to_owned())),
    };
    Parsed { from, to, hello }
}

impl EmailSettings {
    /// Checks the settings, and reads the password and the certificates.
    ///
    /// # Errors
    /// All mistakes, in words.
    pub fn new(spec: &EmailSpec) -> Result<Self, Vec<String>> {
        let mut wrong = spec.mistakes();
        let Parsed { from, to, hello } = parsed(spec, &mut Vec::new());
        let credentials = credentials(spec).map_err(|e| wrong.push(e)).ok().flatten();
        let parameters = parameters(spec).map_err(|e| wrong.push(e)).ok().flatten();
        let (Some(from), Some(hello), true) = (from, hello, wrong.is_empty()) else {
            return Err(wrong);
        };
        let default = if spec.tls == TlsMode::Implicit { 465 } else { 587 };
        let port = spec.port.unwrap_or(default);
        let host = spec.host.clone();
        Ok(Self { host, port, tls: spec.tls, parameters, credentials, from, to, hello })
    }
}

/// Nothing secret, and no alert, goes to another machine in clear by mistake.
fn plain(spec: &EmailSpec, wrong: &mut Vec<String>) {
    if spec.allow_plain || is_loopback(&spec.host) {
        return;
    }
    if spec.tls == TlsMode::None {
        wrong.push("tls: none needs allow_plain, unless the server is on this machine".into());
    }
    if spec.tls == TlsMode::Opportunistic && spec.user.is_some() {
        wrong.push("tls: opportunistic would give the password away; use required".into());
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A name may be anything (it is encoded); the address itself has to be ASCII, because not every
/// server on the way can do more.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    if text.contains(char::is_control) {
        return Err(format!("{text:?} has a control character"));
    }
    let mailbox: Mailbox = text.parse().map_err(|e| format!("{text:?} is no address: {e}"))?;
    let address: &str = mailbox.email.as_ref();
    if address.is_ascii() { Ok(mailbox) } else { Err(format!("{text:?} is not ASCII")) }
}

fn hello(name: &str) -> Result<ClientId, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("hello: {name:?} is no host name"));
    }
    Ok(ClientId::Domain(name.to_owned()))
}

fn credentials(spec: &EmailSpec) -> Result<Option<Credentials>, String> {
    let source = spec.password.as_ref().and_then(SecretRef::source);
    let (Some(user), Some(source)) = (&spec.user, source) else {
        return Ok(None);
    };
    let secret = read_secret(source).map_err(|e| format!("password: {e}"))?;
    Ok(Some(Credentials::new(user.clone(), secret.expose().to_owned())))
}

fn parameters(spec: &EmailSpec) -> Result<Option<TlsParameters>, String> {
    if spec.tls == TlsMode::None {
        return Ok(None);
    }
    let mut builder = TlsParameters::builder(spec.host.clone());
    if let Some(path) = &spec.ca_file {
        let pem = std::fs::read(path).map_err(|e| format!("ca_file: cannot read {path:?}: {e}"))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|e| format!("ca_file: {path:?}: {e}"))?;
        builder =
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build_rustls().map(Some).map_err(|e| format!("tls: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<EmailSettings, Vec<String>> {
        EmailSettings::new(&serde_saphyr::from_str(yaml).expect("a spec"))
    }

    #[test]
    fn a_plain_connection_is_only_for_this_machine_unless_allowed() {
        let mail = |extra: &str| format!("{{from: a@b.vn, to: [c@d.vn], {extra}}}");
        assert!(check(&mail("host: 127.0.0.1, tls: none")).is_ok());
        assert!(check(&mail("host: '[::1]', tls: none")).is_ok());
        assert!(check(&mail("host: mail.vn, tls: none")).is_err());
        assert!(check(&mail("host: mail.vn, tls: none, allow_plain: true")).is_ok());
        assert!(check(&mail("host: mail.vn, tls: opportunistic")).is_ok());
        let settings = check(&mail("host: mail.vn")).unwrap_or_else(|e| unreachable!("{e:?}"));
        assert_eq!((settings.tls, settings.port), (TlsMode::Required, 587));
        let settings = check(&mail("host: mail.vn, tls: implicit")).map(|s| s.port);
        assert_eq!(settings.ok(), Some(465));
    }

    #[test]
    fn a_password_needs_encryption_and_a_user() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("p");
        std::fs::write(&file, "geheim\n").expect("writes");
        let with = |extra: &str| {
            let file = file.display();
            check(&format!(
                "{{host: mail.vn, from: a@b.vn, to: [c@d.vn], password: {{secret_file: {file}}}, \
                 {extra}}}"
            ))
        };
        assert!(with("user: x").is_ok_and(|s| s.credentials.is_some()));
        assert!(with("user: x, tls: opportunistic").is_err());
        assert!(with("tls: required").is_err());
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let wrong = check(
            "{host: '', from: nobody, to: ['a b@', \"a@b.vn\\r\\nBcc: x@y.vn\", 'đ@b.vn'], \
             tls: none, hello: 'a b', ca_file: /nowhere, user: x}",
        );
        let told = wrong.err().expect("wrong");
        assert_eq!(told.len(), 8, "{told:#?}");
    }
}
