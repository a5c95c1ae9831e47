//! Sessions: who a cookie or a token stands for, and what of it has ended.

use std::net::IpAddr;

use ioc_model::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::store::{SEEN_STEP_MS, grants_of};
use super::token::Token;
use super::{Auth, AuthError, FRESH_MS, SessionRow};
use crate::{Identity, Seat};

/// A session that has just begun.
#[derive(Debug)]
pub(crate) struct Session {
    pub token: Token,
    pub who: Identity,
}

/// A session that holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub who: Identity,
    /// They showed a few minutes ago that they are themselves.
    pub fresh: bool,
    /// Their password was made by somebody else: it is to be changed first.
    pub change_password: bool,
    /// They must have a second factor, and have none yet.
    pub second_factor: bool,
    /// When it ends at the latest; `None`: when it is revoked.
    pub expires: Option<Timestamp>,
}

const AGENT_CHARS: usize = 200;

/// Names a session in lists: the start of what is stored, from which nobody gets to the cookie.
fn id_of(hash: &[u8]) -> String {
    hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

impl Auth {
    pub(super) fn begin(&self, who: Identity, from: IpAddr) -> Result<Session, AuthError> {
        let (token, now) = (Token::random(), self.now());
        let limits = self.settings().sessions;
        let mut store = self.store();
        store.purge(now.plus_ms(-limits.idle_ms()), now.plus_ms(-limits.max_ms()), now)?;
        store.add_session(&token.hash(), &who.user, from, now)?;
        Ok(Session { token, who })
    }

    /// Notes what the browser of a new session calls itself; ends the session it had before.
    pub(crate) fn arrived(
        &self,
        token: &str,
        agent: &str,
        before: Option<&str>,
    ) -> Result<(), AuthError> {
        if let Some(before) = before.filter(|b| *b != token) {
            self.sign_out(before)?;
        }
        let Some(token) = Token::parse(token) else { return Ok(()) };
        let plain = |c: &char| !c.is_control();
        let agent: String = agent.chars().filter(plain).take(AGENT_CHARS).collect();
        let sql = "UPDATE sessions SET agent = ?2 WHERE hash = ?1";
        self.store().db.execute(sql, params![token.hash(), agent])?;
        Ok(())
    }

    /// Who a cookie or a token belongs to, if it has not ended.
    pub(crate) fn who(&self, credential: &str) -> Result<Option<Identity>, AuthError> {
        Ok(self.session(credential)?.map(|held| held.who))
    }

    /// [`Auth::who`], with what the session may.
    pub(crate) fn session(&self, credential: &str) -> Result<Option<Held>, AuthError> {
        if let Some(token) = credential.strip_prefix(super::keys::PREFIX) {
            let Some(token) = Token::parse(token) else { return Ok(None) };
            return self.by_token(&token.hash());
        }
        let Some(token) = Token::parse(credential) else { return Ok(None) };
        match self.person(&token.hash())? {
            Some(held) => Ok(Some(held)),
            None => self.by_wall(&token.hash()),
        }
    }

    fn person(&self, hash: &[u8; 32]) -> Result<Option<Held>, AuthError> {
        let (now, settings) = (self.now(), self.settings());
        let limits = settings.sessions;
        let store = self.store();
        let sql = "SELECT u.name, u.grants, s.seen, s.began, s.confirmed, u.initial IS NOT NULL,
                     u.totp IS NOT NULL
                     OR EXISTS (SELECT 1 FROM oidc_accounts o WHERE o.user = u.name)
                   FROM sessions s JOIN users u ON u.name = s.user
                   WHERE s.hash = ?1 AND s.seen > ?2 AND s.began > ?3 AND u.disabled = 0";
        let (idle, oldest) = (now.plus_ms(-limits.idle_ms()), now.plus_ms(-limits.max_ms()));
        let found = store.db.prepare_cached(sql)?.query_row(params![hash, idle.0, oldest.0], |r| {
            let who = Identity::person(r.get::<_, String>(0)?, grants_of(r, 1)?);
            let second_factor =
                settings.wants_second_factor(&who.grants) && !r.get::<_, bool>(6)?;
            let held = Held {
                fresh: now.0 - r.get::<_, i64>(4)? < FRESH_MS,
                change_password: r.get(5)?,
                second_factor,
                expires: Some(Timestamp(r.get::<_, i64>(3)? + limits.max_ms())),
                who,
            };
            Ok((held, r.get::<_, i64>(2)?))
        });
        let Some((held, seen)) = found.optional()? else { return Ok(None) };
        if now.0 - seen >= SEEN_STEP_MS {
            let sql = "UPDATE sessions SET seen = ?2 WHERE hash = ?1";
            store.db.execute(sql, params![hash, now.0])?;
        }
        Ok(Some(held))
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, token: &str) -> Result<(), AuthError> {
        match Token::parse(token) {
            Some(token) => self.changing(|store| store.end_session(&token.hash())),
            None => Ok(()),
        }
    }

    /// The sessions of a user that have not ended, newest first; `current`: the cookie that asks.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], the database.
    pub fn sessions(
        &self,
        user: &str,
        current: Option<&str>,
    ) -> Result<Vec<SessionRow>, AuthError> {
        let (now, limits) = (self.now(), self.settings().sessions);
        let current = current.and_then(Token::parse).map(|t| t.hash());
        let store = self.store();
        store.find(user)?.ok_or_else(|| AuthError::NotFound(user.into()))?;
        let sql = "SELECT hash, began, seen, address, agent FROM sessions
                   WHERE user = ?1 AND seen > ?2 AND began > ?3 ORDER BY began DESC, hash";
        let (idle, oldest) = (now.plus_ms(-limits.idle_ms()), now.plus_ms(-limits.max_ms()));
        let mut statement = store.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![user, idle.0, oldest.0], |r| {
            let hash: [u8; 32] = r.get(0)?;
            Ok(SessionRow {
                id: id_of(&hash),
                began: Timestamp(r.get(1)?),
                seen: Timestamp(r.get(2)?),
                address: r.get(3)?,
                agent: r.get(4)?,
                current: Some(hash) == current,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ends one session of a user; was there one?
    pub(crate) fn end_session(&self, user: &str, id: &str) -> Result<bool, AuthError> {
        let sql = "DELETE FROM sessions WHERE user = ?1 AND lower(hex(substr(hash, 1, 8))) = ?2";
        self.changing(|store| Ok(store.db.execute(sql, [user, id])? > 0))
    }

    /// Ends all sessions of a user; how many there were.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], the database.
    pub fn end_sessions(&self, user: &str) -> Result<usize, AuthError> {
        self.changing(|store| {
            store.find(user)?.ok_or_else(|| AuthError::NotFound(user.into()))?;
            store.db.execute("DELETE FROM links WHERE user = ?1", [user])?;
            Ok(store.db.execute("DELETE FROM sessions WHERE user = ?1", [user])?)
        })
    }

    /// Notes that the person of a session has shown that they are themselves.
    pub(super) fn confirmed(&self, token: &str) -> Result<(), AuthError> {
        let Some(token) = Token::parse(token) else { return Ok(()) };
        let sql = "UPDATE sessions SET confirmed = ?2 WHERE hash = ?1";
        self.store().db.execute(sql, params![token.hash(), self.now().0])?;
        Ok(())
    }
}

impl Held {
    /// Of a token or a wall.
    pub(super) fn of(who: Identity, expires: Option<Timestamp>) -> Self {
        Self { who, fresh: false, change_password: false, second_factor: false, expires }
    }

    /// Is it a person's own session?
    pub fn is_person(&self) -> bool {
        self.who.seat == Seat::Person
    }
}
