//! Tokens: 256 random bits, kept as SHA-256, in memory for signing in.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, RwLock};

use ahash::RandomState;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ioc_model::{Name, Timestamp, TokenInfo};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Tokens that one device may have.
pub(super) const PER_DEVICE: usize = 8;
const PREFIX: &str = "iocd_";
/// `iocd_` and 43 characters.
const TOKEN_BYTES: usize = 48;
const HOUR_MS: i64 = 3_600_000;

pub(super) type Hash = [u8; 32];

/// A new token and what is kept of it.
pub(super) fn make() -> (String, Hash) {
    let secret: [u8; 32] = rand::random();
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = hash(token.as_bytes());
    (token, hash)
}

fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

/// What is kept of one token.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) id: i64,
    pub(super) hash: Hash,
    pub(super) label: String,
    pub(super) created: Timestamp,
    pub(super) created_by: String,
    /// Begin of the hour of the last sign-in, ms; 0: never.
    pub(super) used: AtomicI64,
}

impl Token {
    pub(super) fn info(&self) -> TokenInfo {
        TokenInfo {
            id: self.id,
            label: self.label.clone(),
            created: self.created,
            created_by: self.created_by.clone(),
            last_used: Some(self.used.load(Relaxed)).filter(|ms| *ms > 0).map(Timestamp),
        }
    }
}

pub(super) type Table = HashMap<Name, Vec<Arc<Token>>, RandomState>;

/// All tokens by device.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Held for a look-up or the exchange of one entry, never across I/O.
    table: RwLock<Table>,
    /// Signed in with in an hour that the file does not know yet; each token once an hour.
    used: Mutex<Vec<Arc<Token>>>,
}

impl Tokens {
    pub(super) fn replace(&self, table: Table) {
        *self.table.write().unwrap_or_else(|e| e.into_inner()) = table;
    }

    pub(super) fn set(&self, device: &Name, tokens: Vec<Arc<Token>>) {
        let mut table = self.table.write().unwrap_or_else(|e| e.into_inner());
        match tokens.is_empty() {
            true => drop(table.remove(device)),
            false => drop(table.insert(Arc::clone(device), tokens)),
        }
    }

    pub(super) fn of(&self, device: &str) -> Vec<Arc<Token>> {
        let table = self.table.read().unwrap_or_else(|e| e.into_inner());
        table.get(device).cloned().unwrap_or_default()
    }

    /// The number of the device's token. Always one hash and [`PER_DEVICE`] comparisons, with
    /// nothing where there is no token, so that time tells nothing of devices or tokens.
    pub(super) fn find(&self, device: &str, token: &[u8], now_ms: i64) -> Option<i64> {
        let shown = hash(token.get(..TOKEN_BYTES).unwrap_or(token));
        let length = Choice::from(u8::from(token.len() == TOKEN_BYTES));
        let table = self.table.read().unwrap_or_else(|e| e.into_inner());
        let known = table.get(device).map(Vec::as_slice).unwrap_or_default();
        let mut found = i64::MIN;
        for slot in 0..PER_DEVICE {
            let (id, kept, real) = match known.get(slot) {
                Some(token) => (token.id, &token.hash, 1),
                None => (0, &[0; 32], 0),
            };
            let same = kept.ct_eq(&shown) & Choice::from(real) & length;
            found.conditional_assign(&id, same);
        }
        let token = known.iter().find(|t| t.id == found)?;
        let hour = now_ms - now_ms.rem_euclid(HOUR_MS);
        if token.used.swap(hour, Relaxed) != hour {
            self.used.lock().unwrap_or_else(|e| e.into_inner()).push(Arc::clone(token));
        }
        Some(found)
    }

    /// Whether the device has the token of a number.
    pub(super) fn has(&self, device: &str, id: i64) -> bool {
        let table = self.table.read().unwrap_or_else(|e| e.into_inner());
        table.get(device).is_some_and(|tokens| tokens.iter().any(|t| t.id == id))
    }

    /// Takes the tokens whose last use is to be written.
    pub(super) fn take_used(&self) -> Vec<Arc<Token>> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Gives them back: they could not be written.
    pub(super) fn give_back(&self, tokens: Vec<Arc<Token>>) {
        self.used.lock().unwrap_or_else(|e| e.into_inner()).extend(tokens);
    }
}
