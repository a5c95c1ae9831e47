//! API tokens for programs, wall tokens for screens. Both are told once; what is kept is their hash.

use std::net::IpAddr;
use std::sync::PoisonError;

use ioc_model::{City, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::sessions::{Held, Session};
use super::store::{SEEN_STEP_MS, SESSIONS_PER_USER, grants_of, text_of};
use super::token::Token;
use super::{ApiTokenRow, Auth, AuthError, SignInError, WallRow, limit};
use crate::{Grant, Identity, Permission, Role, Seat};

/// In front of an API token, so that people and scanners of leaked secrets know one.
pub(super) const PREFIX: &str = "ioc_";
/// In front of a wall token.
const WALL_PREFIX: &str = "wall_";
/// API tokens of one person, and wall tokens of the city.
const TOKENS_OF_ONE: usize = 20;
const MOST_WALLS: usize = 200;
const LABEL_CHARS: usize = 80;
const DAYS: std::ops::RangeInclusive<u32> = 1..=365;
const DAY_MS: i64 = 24 * 3_600_000;

/// A token that has just been made; its text is told this once.
pub(crate) struct NewKey {
    pub id: u64,
    pub token: String,
    pub expires: Option<Timestamp>,
}

/// What a new wall token is for.
pub(crate) struct NewWall {
    pub label: String,
    pub view: String,
    pub grant: Grant,
    pub days: Option<u32>,
}

impl Auth {
    /// A new API token for what its owner may, or less.
    pub(crate) fn issue_token(
        &self,
        who: &Identity,
        label: &str,
        grants: &[Grant],
        days: u32,
        city: &City,
    ) -> Result<NewKey, AuthError> {
        super::check_grants(grants, city)?;
        within_owner(who, grants, city)?;
        let (label, now) = (checked_label(label)?, self.now());
        let expires = now.plus_ms(i64::from(checked_days(days)?) * DAY_MS);
        let store = self.store();
        let sql = "SELECT count(*) FROM tokens WHERE user = ?1 AND expires > ?2";
        let held: i64 = store.db.query_row(sql, params![who.user, now.0], |r| r.get(0))?;
        if held as usize >= TOKENS_OF_ONE {
            return Err(AuthError::Full(TOKENS_OF_ONE));
        }
        let token = Token::random();
        let sql = "INSERT INTO tokens (user, hash, label, grants, created, expires)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let hash = token.hash();
        let row = params![who.user, hash, label, text_of(grants), now.0, expires.0];
        store.db.execute(sql, row)?;
        let id = store.db.last_insert_rowid() as u64;
        let token = format!("{PREFIX}{}", token.text());
        Ok(NewKey { id, token, expires: Some(expires) })
    }

    /// The API tokens that work, of one user or of all.
    pub(crate) fn tokens(&self, user: Option<&str>) -> Result<Vec<ApiTokenRow>, AuthError> {
        let store = self.store();
        let sql = "SELECT id, user, label, grants, created, expires, used FROM tokens
                   WHERE expires > ?1 AND (?2 IS NULL OR user = ?2) ORDER BY id";
        let mut statement = store.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![self.now().0, user], |r| {
            Ok(ApiTokenRow {
                id: r.get::<_, i64>(0)? as u64,
                user: r.get(1)?,
                label: r.get(2)?,
                grants: grants_of(r, 3)?,
                created: Timestamp(r.get(4)?),
                expires: Timestamp(r.get(5)?),
                used: r.get::<_, Option<i64>>(6)?.map(Timestamp),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ends an API token, of this user only if one is named; whose it was.
    pub(crate) fn revoke_token(
        &self,
        id: u64,
        user: Option<&str>,
    ) -> Result<Option<String>, AuthError> {
        let sql = "DELETE FROM tokens WHERE id = ?1 AND (?2 IS NULL OR user = ?2) RETURNING user";
        let id = i64::try_from(id).unwrap_or(-1);
        self.changing(|store| {
            Ok(store.db.query_row(sql, params![id, user], |r| r.get(0)).optional()?)
        })
    }

    /// Who sends an API token: with its own grants, within those that its owner has now.
    pub(super) fn by_token(&self, hash: &[u8; 32]) -> Result<Option<Held>, AuthError> {
        let (now, settings) = (self.now(), self.settings());
        let store = self.store();
        let sql = "SELECT t.id, t.user, t.grants, u.grants, t.expires, t.used,
                     u.totp IS NOT NULL
                     OR EXISTS (SELECT 1 FROM oidc_accounts o WHERE o.user = u.name)
                   FROM tokens t JOIN users u ON u.name = t.user
                   WHERE t.hash = ?1 AND t.expires > ?2 AND u.disabled = 0 AND u.initial IS NULL";
        let found = store.db.prepare_cached(sql)?.query_row(params![hash, now.0], |r| {
            let (id, owners) = (r.get::<_, i64>(0)?, grants_of(r, 3)?);
            let second_factor = settings.wants_second_factor(&owners) && !r.get::<_, bool>(6)?;
            let who = Identity {
                user: r.get(1)?,
                grants: grants_of(r, 2)?,
                within: Some(owners),
                seat: Seat::Token { token: id as u64 },
            };
            let held = Held { second_factor, ..Held::of(who, Some(Timestamp(r.get(4)?))) };
            Ok((id, held, r.get::<_, Option<i64>>(5)?))
        });
        let Some((id, held, used)) = found.optional()? else { return Ok(None) };
        if used.is_none_or(|used| now.0 - used >= SEEN_STEP_MS) {
            store.db.execute("UPDATE tokens SET used = ?2 WHERE id = ?1", [id, now.0])?;
        }
        Ok(Some(held))
    }

    /// A new wall token.
    pub(crate) fn issue_wall(
        &self,
        user: &str,
        wall: &NewWall,
        city: &City,
    ) -> Result<NewKey, AuthError> {
        super::check_places(&wall.grant, city)?;
        let (label, now) = (checked_label(&wall.label)?, self.now());
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if !(1..=32).contains(&wall.view.len()) || !wall.view.chars().all(good) {
            return Err(AuthError::BadToken("view: 1 to 32 of a-z 0-9 _ -".into()));
        }
        let days = wall.days.map(checked_days).transpose()?;
        let expires = days.map(|days| now.plus_ms(i64::from(days) * DAY_MS));
        let store = self.store();
        store.db.execute("DELETE FROM walls WHERE expires <= ?1", [now.0])?;
        let held: i64 = store.db.query_row("SELECT count(*) FROM walls", [], |r| r.get(0))?;
        if held as usize >= MOST_WALLS {
            return Err(AuthError::Full(MOST_WALLS));
        }
        let token = Token::random();
        let sql = "INSERT INTO walls (user, hash, label, view, grants, created, expires)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let grants = text_of(std::slice::from_ref(&wall.grant));
        let ends = expires.map(|t| t.0);
        store
            .db
            .execute(sql, params![user, token.hash(), label, wall.view, grants, now.0, ends])?;
        let id = store.db.last_insert_rowid() as u64;
        Ok(NewKey { id, token: format!("{WALL_PREFIX}{}", token.text()), expires })
    }

    /// The wall tokens that work.
    pub(crate) fn walls(&self) -> Result<Vec<WallRow>, AuthError> {
        let store = self.store();
        let sql = "SELECT id, label, view, user, grants, created, expires, used FROM walls
                   WHERE expires IS NULL OR expires > ?1 ORDER BY id";
        let mut statement = store.db.prepare_cached(sql)?;
        let rows = statement.query_map([self.now().0], |r| {
            let grant = grants_of(r, 4)?.pop();
            let (areas, services) = grant.map_or((None, None), |g| (g.areas, g.services));
            Ok(WallRow {
                id: r.get::<_, i64>(0)? as u64,
                label: r.get(1)?,
                view: r.get(2)?,
                user: r.get(3)?,
                areas,
                services,
                created: Timestamp(r.get(5)?),
                expires: r.get::<_, Option<i64>>(6)?.map(Timestamp),
                used: r.get::<_, Option<i64>>(7)?.map(Timestamp),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ends a wall token and the sessions of its screens; was there one?
    pub(crate) fn revoke_wall(&self, id: u64) -> Result<bool, AuthError> {
        let id = i64::try_from(id).unwrap_or(-1);
        self.changing(|store| Ok(store.db.execute("DELETE FROM walls WHERE id = ?1", [id])? > 0))
    }

    /// Begins the session of a screen.
    pub(crate) fn sign_in_wall(&self, token: &str, from: IpAddr) -> Result<Session, SignInError> {
        let (from, now) = (limit::network_of(from), self.now());
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.address.take(from, now)?;
        drop(limits);
        let token = token.strip_prefix(WALL_PREFIX).and_then(Token::parse);
        let hash = token.ok_or(SignInError::Wrong)?.hash();
        let session = self.begin_wall(&hash, now)?.ok_or(SignInError::Wrong)?;
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.address.give_back(&from);
        Ok(session)
    }

    fn begin_wall(&self, hash: &[u8; 32], now: Timestamp) -> Result<Option<Session>, AuthError> {
        let mut store = self.store();
        let tx = store.db.transaction().map_err(AuthError::Store)?;
        let sql = "UPDATE walls SET used = ?2
                   WHERE hash = ?1 AND (expires IS NULL OR expires > ?2)
                   RETURNING user, grants, view, id";
        let found = tx
            .query_row(sql, params![hash, now.0], |r| Ok((wall_identity(r)?, r.get::<_, i64>(3)?)));
        let Some((who, wall)) = found.optional()? else { return Ok(None) };
        let session = Token::random();
        let sql = "INSERT INTO wall_sessions (hash, wall, began) VALUES (?1, ?2, ?3)";
        tx.execute(sql, params![session.hash(), wall, now.0])?;
        let sql = "DELETE FROM wall_sessions WHERE wall = ?1 AND hash NOT IN
                   (SELECT hash FROM wall_sessions WHERE wall = ?1 ORDER BY began DESC LIMIT ?2)";
        tx.execute(sql, [wall, SESSIONS_PER_USER])?;
        tx.commit()?;
        Ok(Some(Session { token: session, who }))
    }

    /// The screen behind a cookie: it has no limit of its own, it ends with its token.
    pub(super) fn by_wall(&self, hash: &[u8; 32]) -> Result<Option<Held>, AuthError> {
        let store = self.store();
        let sql = "SELECT w.user, w.grants, w.view, w.expires
                   FROM wall_sessions s JOIN walls w ON w.id = s.wall
                   WHERE s.hash = ?1 AND (w.expires IS NULL OR w.expires > ?2)";
        let found = store.db.prepare_cached(sql)?.query_row(params![hash, self.now().0], |r| {
            let expires = r.get::<_, Option<i64>>(3)?.map(Timestamp);
            Ok(Held::of(wall_identity(r)?, expires))
        });
        Ok(found.optional()?)
    }
}

/// Of `user, grants, view`.
fn wall_identity(row: &Row<'_>) -> rusqlite::Result<Identity> {
    Ok(Identity {
        user: row.get(0)?,
        grants: grants_of(row, 1)?,
        within: None,
        seat: Seat::Wall { view: row.get(2)? },
    })
}

/// Whoever makes a token cannot give what they have not.
fn within_owner(who: &Identity, grants: &[Grant], city: &City) -> Result<(), AuthError> {
    for grant in grants {
        let part = grant.part(city);
        let lacks = |p: &Permission| grant.role.may(*p) && !who.scope(*p, city).covers(&part);
        if let Some(permission) = Permission::ALL.into_iter().find(lacks) {
            let (role, word) = (grant.role, permission.as_str());
            let message = format!("{role}: you do not have `{word}` everywhere there yourself");
            return Err(AuthError::BadGrant(message));
        }
    }
    Ok(())
}

fn checked_label(label: &str) -> Result<&str, AuthError> {
    let label = label.trim();
    let good =
        (1..=LABEL_CHARS).contains(&label.chars().count()) && !label.chars().any(char::is_control);
    let bad = || AuthError::BadToken(format!("label: 1 to {LABEL_CHARS} characters on one line"));
    good.then_some(label).ok_or_else(bad)
}

fn checked_days(days: u32) -> Result<u32, AuthError> {
    let bad = || AuthError::BadToken("days: 1 to 365".into());
    DAYS.contains(&days).then_some(days).ok_or_else(bad)
}

/// The grant of a screen.
pub(crate) fn wall_grant(
    areas: Option<Vec<ioc_model::Name>>,
    services: Option<Vec<ioc_model::Name>>,
) -> Grant {
    Grant { role: Role::Wall, areas, services }
}
