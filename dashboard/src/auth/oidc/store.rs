//! Accounts of people who come by a provider: known by issuer and `sub`, beside the local ones.

use std::net::IpAddr;

use rusqlite::{OptionalExtension, params};

use super::claims::Person;
use super::error::OidcError;
use crate::auth::store::text_of;
use crate::auth::{Auth, AuthError, Session, SignInError, limit};
use crate::{Grant, Identity};

/// Which account is whose. One local account is nobody's here, so no provider can take it over.
pub(in crate::auth) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS oidc_accounts (
  iss TEXT NOT NULL, sub TEXT NOT NULL,
  user TEXT NOT NULL UNIQUE REFERENCES users(name) ON DELETE CASCADE,
  PRIMARY KEY (iss, sub)) STRICT, WITHOUT ROWID;
";

/// In the place of a password hash: no password fits it.
const NO_PASSWORD: &str = crate::auth::password::DUMMY;
/// Names that are tried for a new account.
const MOST_NAMES: usize = 1_000;

impl Auth {
    /// Takes an attempt from the allowance of the address.
    pub(super) fn attempt_by_provider(&self, from: IpAddr) -> Result<(), SignInError> {
        let mut limits = self.limits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        limits.address.take(limit::network_of(from), self.now())
    }

    /// Gives all addresses their allowance back.
    #[cfg(test)]
    pub(super) fn forget_attempts(&self) {
        let mut limits = self.limits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        limits.address = limit::Limiter::new(crate::auth::ADDRESS_RATE);
    }

    /// Begins a session of a person whom a provider vouches for, with these grants; makes the
    /// account when they come for the first time.
    ///
    /// # Errors
    /// [`OidcError::NoGroup`] without grants: what they had is taken away, and their sessions end.
    /// [`OidcError::Disabled`]; the database.
    pub(super) fn sign_in_by_provider(
        &self,
        provider: &str,
        person: &Person,
        grants: &[Grant],
        from: IpAddr,
    ) -> Result<Session, OidcError> {
        let from = limit::network_of(from);
        let user = self.account(provider, person, grants).map_err(OidcError::Auth)?;
        let Some((user, disabled)) = user else { return Err(OidcError::NoGroup { user: None }) };
        if disabled {
            return Err(OidcError::Disabled(user));
        }
        if grants.is_empty() {
            return Err(OidcError::NoGroup { user: Some(user) });
        }
        let session = self.begin(Identity::person(user, grants.to_vec()), from)?;
        // A provider that remembers people lets them in without a word: only when they showed who
        // they are counts for critical acts.
        let shown = person.shown.map_or(0, |at| at.0);
        let sql = "UPDATE sessions SET confirmed = ?2 WHERE hash = ?1";
        self.store()
            .db
            .execute(sql, params![session.token.hash(), shown])
            .map_err(AuthError::from)?;
        let mut limits = self.limits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        limits.address.give_back(&from);
        Ok(session)
    }

    /// The person's account, with what its groups give now; `None`: there is none, and without
    /// grants none is made.
    fn account(
        &self,
        provider: &str,
        person: &Person,
        grants: &[Grant],
    ) -> Result<Option<(String, bool)>, AuthError> {
        let now = self.now();
        let mut store = self.store();
        let tx = store.db.transaction()?;
        let sql = "SELECT u.name, u.disabled FROM oidc_accounts o JOIN users u ON u.name = o.user
                   WHERE o.iss = ?1 AND o.sub = ?2";
        let row = tx.query_row(sql, [&person.iss, &person.sub], |r| Ok((r.get(0)?, r.get(1)?)));
        let held: Option<(String, bool)> = row.optional()?;
        let text = text_of(grants);
        let (user, disabled) = match held {
            Some(held) => {
                // The provider's word counts even for the last administrator: the command line
                // can always make another.
                tx.execute("UPDATE users SET grants = ?2 WHERE name = ?1", [&held.0, &text])?;
                if grants.is_empty() {
                    tx.execute("DELETE FROM sessions WHERE user = ?1", [&held.0])?;
                }
                held
            }
            None if grants.is_empty() => return Ok(None),
            None => {
                let user = free_name(&tx, provider, &person.name)?;
                let sql = "INSERT INTO users (name, hash, grants, created) VALUES (?1, ?2, ?3, ?4)";
                tx.execute(sql, params![user, NO_PASSWORD, text, now.0])?;
                let sql = "INSERT INTO oidc_accounts (iss, sub, user) VALUES (?1, ?2, ?3)";
                tx.execute(sql, [&person.iss, &person.sub, &user])?;
                (user, false)
            }
        };
        tx.commit()?;
        drop(store);
        self.changes.tell();
        Ok(Some((user, disabled)))
    }
}

/// `PROVIDER:NAME`, with a number behind it when somebody has that name. It stays when the
/// provider's name for the person changes, so that the audit log tells of one person.
fn free_name(tx: &rusqlite::Connection, provider: &str, wished: &str) -> Result<String, AuthError> {
    let good = |c: &char| c.is_ascii_alphanumeric() || ['_', '.', '-'].contains(c);
    // With the provider's 16, the colon and a number: at most 64.
    let wished: String =
        wished.split('@').next().unwrap_or("").chars().filter(good).take(40).collect();
    let wished = if wished.is_empty() { "user".to_owned() } else { wished.to_lowercase() };
    for number in 1..=MOST_NAMES {
        let name = match number {
            1 => format!("{provider}:{wished}"),
            n => format!("{provider}:{wished}-{n}"),
        };
        let taken = tx.query_row("SELECT 1 FROM users WHERE name = ?1", [&name], |_| Ok(()));
        if taken.optional()?.is_none() {
            return Ok(name);
        }
    }
    Err(AuthError::Exists(format!("{provider}:{wished}")))
}
