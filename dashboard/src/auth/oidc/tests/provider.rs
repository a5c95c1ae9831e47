//! An identity provider on loopback with real keys, that does what a test tells it to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use ring::{digest, hmac};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Only here: signs what tests say.
const RSA_KEY: &[u8] = include_bytes!("rsa2048.pk8");

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key with the name it is published under.
pub(super) enum Secret {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub(super) struct Signer {
    pub kid: String,
    pub secret: Secret,
}

impl Signer {
    pub fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::from_pkcs8(RSA_KEY).expect("a key");
        Self { kid: kid.into(), secret: Secret::Rsa(Box::new(pair)) }
    }

    pub fn p256(kid: &str) -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let text = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("generates");
        let pair = EcdsaKeyPair::from_pkcs8(kind, text.as_ref(), &random).expect("a key");
        Self { kid: kid.into(), secret: Secret::P256(pair) }
    }

    pub fn ed25519(kid: &str) -> Self {
        let text = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("generates");
        let pair = Ed25519KeyPair::from_pkcs8(text.as_ref()).expect("a key");
        Self { kid: kid.into(), secret: Secret::Ed25519(pair) }
    }

    pub fn alg(&self) -> &'static str {
        match self.secret {
            Secret::Rsa(_) => "RS256",
            Secret::P256(_) => "ES256",
            Secret::Ed25519(_) => "EdDSA",
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signs");
                signature
            }
            Secret::P256(pair) => pair.sign(&random, message).expect("signs").as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as it is published.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.secret {
            Secret::Rsa(pair) => {
                let parts: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({ "kty": "RSA", "n": b64(parts.n), "e": b64(parts.e) })
            }
            Secret::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256",
                        "x": b64(&point[1..33]), "y": b64(&point[33..]) })
            }
            Secret::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token of this header and these claims.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// A token whose MAC was made with what everybody knows.
    pub fn hs256(&self, secret: &[u8], claims: &Value) -> String {
        let header = json!({ "alg": "HS256", "kid": self.kid });
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!("{signed}.{}", b64(hmac::sign(&key, signed.as_bytes())))
    }
}

/// A code that was given out.
#[derive(Clone)]
struct Given {
    challenge: String,
    nonce: String,
    redirect: String,
}

pub(super) type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);
type MakeToken = Box<dyn Fn(&Signer, Value, Value) -> String + Send>;
type Special = Box<dyn Fn(&str) -> Option<Answer> + Send>;

pub(super) struct Script {
    pub issuer: String,
    pub signer: Arc<Signer>,
    /// What is published; `None`: the signer's.
    pub published: Option<Vec<Value>>,
    /// Claims besides the usual ones.
    pub person: Value,
    /// Makes the token of the header and claims; `None`: as it should be.
    pub make: Option<MakeToken>,
    /// Answers a path otherwise.
    pub special: Option<Special>,
    /// More of the configuration.
    pub metadata: Value,
    pub secret: Option<String>,
    /// Never answers these paths.
    pub silent: Option<&'static str>,
    codes: HashMap<String, Given>,
    pub asked: Vec<String>,
    pub authorization: Vec<String>,
    /// Bodies of the token requests.
    pub forms: Vec<String>,
}

pub(super) struct FakeProvider {
    pub issuer: String,
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    clock: Arc<AtomicI64>,
    run: tokio::task::JoinHandle<()>,
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl FakeProvider {
    pub async fn start(now: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let issuer = format!("http://{address}/realms/city");
        let clock = Arc::new(AtomicI64::new(now));
        let script = Script {
            issuer: issuer.clone(),
            signer: Arc::new(Signer::p256("k1")),
            published: None,
            person: json!({ "sub": "248289761001", "preferred_username": "lan",
                            "groups": ["ioc-operators"] }),
            make: None,
            special: None,
            metadata: json!({}),
            secret: None,
            silent: None,
            codes: HashMap::new(),
            asked: Vec::new(),
            authorization: Vec::new(),
            forms: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let (held, time) = (Arc::clone(&script), Arc::clone(&clock));
        let run = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (script, time) = (Arc::clone(&held), Arc::clone(&time));
                tokio::spawn(async move { answer(stream, &script, time.load(Relaxed)).await });
            }
        });
        Self { issuer, address, script, clock, run }
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no panic")
    }

    pub fn advance(&self, ms: i64) {
        self.clock.fetch_add(ms, Relaxed);
    }

    /// How often a path was asked for.
    pub fn asked(&self, end: &str) -> usize {
        self.script().asked.iter().filter(|p| p.ends_with(end)).count()
    }

    /// The person signs in at the provider: the code that the browser takes back.
    pub fn sign_in(&self, location: &str) -> Back {
        let url = Url::parse(location).expect("an address");
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let of = |name: &str| query[name].clone();
        assert_eq!((&*of("response_type"), &*of("code_challenge_method")), ("code", "S256"));
        assert!(of("scope").split(' ').any(|s| s == "openid"));
        let given = Given {
            challenge: of("code_challenge"),
            nonce: of("nonce"),
            redirect: of("redirect_uri"),
        };
        let mut script = self.script();
        let code = format!("code-{}-{}", self.address.port(), script.codes.len() + 1);
        script.codes.insert(code.clone(), given);
        Back { code, state: of("state"), redirect: of("redirect_uri"), query }
    }
}

/// What the provider gives the browser.
#[derive(Clone)]
pub(super) struct Back {
    pub code: String,
    pub state: String,
    pub redirect: String,
    pub query: HashMap<String, String>,
}

async fn answer(mut stream: TcpStream, script: &Mutex<Script>, now: i64) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let path = head.split(' ').nth(1).unwrap_or("").to_owned();
    let silent = {
        let mut script = script.lock().expect("no panic");
        script.asked.push(path.clone());
        script.silent.is_some_and(|end| path.ends_with(end))
    };
    if silent {
        // Until the other side has had enough.
        let _ = stream.read(&mut [0; 1]).await;
        return;
    }
    let (status, headers, body) =
        respond(&mut script.lock().expect("no panic"), &path, &head, &body, now);
    let mut text = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    for (name, value) in &headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    // No length: the end of the connection is the end of the body.
    text.push_str("content-type: application/json\r\n\r\n");
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().filter_map(|l| l.split_once(':'));
        let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map(|(_, n)| n.trim().parse().expect("a number")).next().unwrap_or(0);
        if body.len() >= length {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

fn respond(script: &mut Script, path: &str, head: &str, body: &str, now: i64) -> Answer {
    if let Some(answer) = script.special.as_ref().and_then(|special| special(path)) {
        return answer;
    }
    let good = |value: Value| (200, Vec::new(), value.to_string().into_bytes());
    let at = |end: &str| format!("{}/{end}", script.issuer);
    if path.ends_with("/.well-known/openid-configuration") {
        let mut document = json!({
            "issuer": script.issuer,
            "authorization_endpoint": at("auth"),
            "token_endpoint": at("token"),
            "jwks_uri": at("keys"),
        });
        for (name, value) in script.metadata.as_object().expect("an object") {
            document[name] = value.clone();
        }
        return good(document);
    }
    if path.ends_with("/keys") {
        let own = || vec![script.signer.jwk()];
        return good(json!({ "keys": script.published.clone().unwrap_or_else(own) }));
    }
    if path.ends_with("/token") {
        return token(script, head, body, now);
    }
    (404, Vec::new(), Vec::new())
}

fn token(script: &mut Script, head: &str, body: &str, now: i64) -> Answer {
    let refused = |word: &str| (400, Vec::new(), json!({ "error": word }).to_string().into_bytes());
    script.forms.push(body.to_owned());
    let line = head.lines().find_map(|l| l.strip_prefix("authorization: "));
    script.authorization.push(line.unwrap_or("").to_owned());
    let form = Url::parse(&format!("http://x/?{body}")).expect("a form");
    let form: HashMap<String, String> = form.query_pairs().into_owned().collect();
    let of = |name: &str| form.get(name).cloned().unwrap_or_default();
    if let Some(secret) = &script.secret {
        let basic = format!("Basic {}", STANDARD.encode(format!("ioc:{secret}")));
        if line != Some(&*basic) && of("client_secret") != *secret {
            return refused("invalid_client");
        }
    }
    // A code is good once.
    let Some(given) = script.codes.remove(&of("code")) else { return refused("invalid_grant") };
    let hash = digest::digest(&digest::SHA256, of("code_verifier").as_bytes());
    if b64(hash) != given.challenge || of("redirect_uri") != given.redirect {
        return refused("invalid_grant");
    }
    let header = json!({ "alg": script.signer.alg(), "kid": script.signer.kid, "typ": "JWT" });
    let mut claims = json!({ "iss": script.issuer, "aud": "ioc", "exp": now / 1_000 + 300,
                             "iat": now / 1_000, "nonce": given.nonce });
    for (name, value) in script.person.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let token = match &script.make {
        Some(make) => make(&script.signer, header, claims),
        None => script.signer.token(&header, &claims),
    };
    let answer = json!({ "access_token": "a", "token_type": "Bearer", "id_token": token });
    (200, Vec::new(), answer.to_string().into_bytes())
}
