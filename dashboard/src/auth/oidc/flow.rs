//! One sign-in under way. Nothing of it is kept here: all that belongs to it is derived from 256
//! random bits that only the browser holds, in a cookie of ten minutes. A flood of beginnings so
//! costs no memory, and a `state` without the cookie of the browser that began is worth nothing
//! (RFC 9700, 4.7.1).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ioc_model::Timestamp;
use rand::Rng;
use ring::{digest, hmac};

use super::error::OidcError;

/// Time a person has at the provider.
pub(super) const FLOW_MS: i64 = 600_000;
/// Ended sign-ins that are remembered, so that none is used twice; further ones must wait.
const MAX_USED: usize = 100_000;

/// One sign-in under way.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Flow {
    secret: [u8; 32],
    pub provider: String,
    pub began: Timestamp,
    /// Somebody who is signed in shows once more who they are.
    pub confirm: bool,
}

impl Flow {
    pub fn begin(provider: &str, confirm: bool, now: Timestamp) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill(&mut secret);
        Self { secret, provider: provider.into(), began: now, confirm }
    }

    /// Goes to the provider and comes back with the browser.
    pub fn state(&self) -> String {
        self.derive("state")
    }

    /// Stands in the ID token, so that one of another sign-in is of no use.
    pub fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// Only who holds it can use the code (RFC 7636); it goes to the provider from us alone.
    pub fn verifier(&self) -> String {
        self.derive("verifier")
    }

    /// S256 of the verifier.
    pub fn challenge(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.verifier().as_bytes());
        URL_SAFE_NO_PAD.encode(hash)
    }

    /// One of the values cannot be computed from another.
    fn derive(&self, what: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, what.as_bytes()))
    }
}

/// Writes and reads the cookies of this process.
pub(super) struct Flows {
    key: hmac::Key,
    used: Mutex<HashMap<[u8; 32], Timestamp, ahash::RandomState>>,
}

impl Flows {
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill(&mut bytes);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), used: Mutex::default() }
    }

    /// `SECRET.BEGAN.CONFIRM.PROVIDER.MAC`.
    pub fn write(&self, flow: &Flow) -> String {
        let secret = URL_SAFE_NO_PAD.encode(flow.secret);
        let text =
            format!("{secret}.{}.{}.{}", flow.began.0, u8::from(flow.confirm), flow.provider);
        let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, text.as_bytes()));
        format!("{text}.{mac}")
    }

    /// The sign-in that a browser began here in the last ten minutes.
    pub fn read(&self, cookie: &str, now: Timestamp) -> Result<Flow, OidcError> {
        let flow = self.parse(cookie).ok_or(OidcError::Stale("the cookie is not ours"))?;
        let age = now.since_ms(flow.began);
        if (0..FLOW_MS).contains(&age) { Ok(flow) } else { Err(OidcError::Stale("too late")) }
    }

    fn parse(&self, cookie: &str) -> Option<Flow> {
        let (text, mac) = cookie.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.key, text.as_bytes(), &mac).ok()?;
        let mut parts = text.splitn(4, '.');
        let secret = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let began = Timestamp(parts.next()?.parse().ok()?);
        let confirm = parts.next()? == "1";
        Some(Flow { secret, provider: parts.next()?.into(), began, confirm })
    }

    /// Takes the one use that a sign-in has.
    pub fn take(&self, flow: &Flow, now: Timestamp) -> Result<(), OidcError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_USED {
            used.retain(|_, began| now.since_ms(*began) < FLOW_MS);
        }
        if used.len() >= MAX_USED {
            return Err(OidcError::Busy);
        }
        match used.insert(flow.secret, flow.began) {
            None => Ok(()),
            Some(_) => Err(OidcError::Stale("used already")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_761_588_000_123);

    #[test]
    fn a_cookie_is_read_back_for_ten_minutes_and_used_once() {
        let flows = Flows::new();
        let flow = Flow::begin("vneid", true, NOW);
        let cookie = flows.write(&flow);
        let read = flows.read(&cookie, NOW.plus_ms(FLOW_MS - 1)).expect("in time");
        assert!(read == flow);
        assert!(flows.read(&cookie, NOW.plus_ms(FLOW_MS)).is_err(), "too late");
        assert!(flows.read(&cookie, NOW.plus_ms(-1)).is_err(), "from the future");
        assert!(flows.take(&flow, NOW).is_ok());
        assert!(flows.take(&flow, NOW).is_err(), "the second time");
    }

    #[test]
    fn no_cookie_but_our_own_is_read() {
        let flows = Flows::new();
        let cookie = flows.write(&Flow::begin("vneid", false, NOW));
        for i in 0..cookie.len() {
            let mut other = cookie.clone().into_bytes();
            other[i] = if other[i] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            assert!(flows.read(&other, NOW).is_err(), "byte {i}: {other}");
        }
        assert!(Flows::new().read(&cookie, NOW).is_err(), "of another process");
        for text in ["", ".", "....", "a.b.c.d.e"] {
            assert!(flows.read(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_provider_sees_says_nothing_of_the_rest() {
        let flow = Flow::begin("vneid", false, NOW);
        let all = [flow.state(), flow.nonce(), flow.verifier(), flow.challenge()];
        for (i, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 43, "256 bits");
            assert!(!all[..i].contains(one));
        }
        assert_ne!(flow.state(), Flow::begin("vneid", false, NOW).state());
    }
}
