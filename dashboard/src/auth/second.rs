//! The second factor: TOTP codes and recovery codes.

use std::sync::PoisonError;

use ioc_model::Timestamp;
use rand::Rng;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{Auth, AuthError, SignInError, totp};

/// Recovery codes made at once: each opens once.
const RECOVERY_CODES: usize = 10;
/// Lower case, without what is taken for something else; 24 of 32 are 120 bits: with so many a
/// fast hash without more is enough (ASVS 5.0, 6.5.2 asks for 112).
const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const RECOVERY_CHARS: usize = 24;

/// A secret that waits for its first code.
pub(crate) struct NewTotp {
    pub secret: String,
    pub uri: String,
    pub qr: String,
}

fn new_recovery_code() -> String {
    let mut rng = rand::rng();
    let mut code = String::new();
    for i in 0..RECOVERY_CHARS {
        if i > 0 && i % 4 == 0 {
            code.push('-');
        }
        let at = rng.random_range(0..RECOVERY_ALPHABET.len());
        code.push(char::from(RECOVERY_ALPHABET[at]));
    }
    code
}

/// Hyphens, spaces and case make no difference.
fn recovery_hash(user: &str, code: &str) -> Option<[u8; 32]> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let plain = plain.to_ascii_lowercase();
    let good =
        plain.len() == RECOVERY_CHARS && plain.bytes().all(|b| RECOVERY_ALPHABET.contains(&b));
    let hash = || {
        Sha256::new().chain_update(user).chain_update([0]).chain_update(&plain).finalize().into()
    };
    good.then(hash)
}

impl Auth {
    /// A new secret for a user; the one in use goes on until the new one is confirmed.
    pub(crate) fn begin_totp(&self, user: &str) -> Result<NewTotp, AuthError> {
        self.local(user)?;
        let secret = totp::new_secret();
        let sql = "UPDATE users SET totp_new = ?2 WHERE name = ?1";
        self.store().db.execute(sql, params![user, secret])?;
        let uri = totp::uri(user, &secret);
        let qr = totp::picture(&uri)?;
        Ok(NewTotp { secret: totp::base32(&secret), uri, qr })
    }

    /// Puts the new secret to use if the code is its own; the recovery codes, told this once.
    pub(crate) fn confirm_totp(&self, user: &str, code: &str) -> Result<Vec<String>, SignInError> {
        let now = self.now();
        self.limits().code.take(user.into(), now)?;
        let mut store = self.store();
        let sql = "SELECT totp_new FROM users WHERE name = ?1";
        let secret: Option<Option<Vec<u8>>> =
            store.db.query_row(sql, [user], |r| r.get(0)).optional().map_err(AuthError::Store)?;
        let secret = secret.flatten().ok_or(AuthError::NoTotp)?;
        let step = totp::step_of(&secret, code, now).ok_or(AuthError::WrongCode)?;
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| new_recovery_code()).collect();
        let tx = store.db.transaction().map_err(AuthError::Store)?;
        let write = || -> Result<(), rusqlite::Error> {
            let sql = "UPDATE users SET totp = totp_new, totp_new = NULL, totp_step = ?2
                       WHERE name = ?1";
            tx.execute(sql, params![user, step])?;
            tx.execute("DELETE FROM recovery WHERE user = ?1", [user])?;
            for hash in codes.iter().filter_map(|code| recovery_hash(user, code)) {
                let sql = "INSERT INTO recovery (user, hash) VALUES (?1, ?2)";
                tx.execute(sql, params![user, hash])?;
            }
            Ok(())
        };
        write().map_err(AuthError::Store)?;
        tx.commit().map_err(AuthError::Store)?;
        drop(store);
        self.limits().code.give_back(&user.into());
        Ok(codes)
    }

    /// Takes the second factor away; was there one?
    ///
    /// # Errors
    /// [`AuthError::NotFound`], the database.
    pub fn remove_totp(&self, user: &str) -> Result<bool, AuthError> {
        let mut store = self.store();
        let had = store.find(user)?.ok_or_else(|| AuthError::NotFound(user.into()))?;
        let tx = store.db.transaction()?;
        tx.execute("UPDATE users SET totp = NULL, totp_new = NULL WHERE name = ?1", [user])?;
        tx.execute("DELETE FROM recovery WHERE user = ?1", [user])?;
        tx.commit()?;
        Ok(had.totp.is_some())
    }

    /// Recovery codes that are left.
    pub(crate) fn recovery_left(&self, user: &str) -> Result<u64, AuthError> {
        let sql = "SELECT count(*) FROM recovery WHERE user = ?1";
        let left: i64 = self.store().db.query_row(sql, [user], |r| r.get(0))?;
        Ok(left as u64)
    }

    /// Checks the second factor of a user who has one: a code of now that was not used yet, or a
    /// recovery code. Whoever gets here knows the password, so this limit locks nobody out.
    pub(super) fn check_code(
        &self,
        user: &str,
        secret: &[u8],
        code: Option<&str>,
    ) -> Result<(), SignInError> {
        let code = code.filter(|c| !c.trim().is_empty()).ok_or(SignInError::CodeNeeded)?;
        let now = self.now();
        self.limits().code.take(user.into(), now)?;
        if !self.use_code(user, secret, code, now)? {
            return Err(SignInError::Wrong);
        }
        self.limits().code.give_back(&user.into());
        Ok(())
    }

    fn use_code(
        &self,
        user: &str,
        secret: &[u8],
        code: &str,
        now: Timestamp,
    ) -> Result<bool, AuthError> {
        let store = self.store();
        // The change decides: of two requests with one code, the second changes nothing.
        if let Some(step) = totp::step_of(secret, code, now) {
            let sql = "UPDATE users SET totp_step = ?2 WHERE name = ?1 AND totp_step < ?2";
            return Ok(store.db.execute(sql, params![user, step])? == 1);
        }
        let Some(hash) = recovery_hash(user, code) else { return Ok(false) };
        let sql = "DELETE FROM recovery WHERE user = ?1 AND hash = ?2";
        Ok(store.db.execute(sql, params![user, hash])? == 1)
    }

    pub(super) fn limits(&self) -> std::sync::MutexGuard<'_, super::Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
