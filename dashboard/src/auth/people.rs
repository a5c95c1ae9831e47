//! Accounts: made, changed, closed. By the command line and by administrators.

use ioc_model::{City, Name};
use rusqlite::{OptionalExtension, params};

use super::{Auth, AuthError, Source, UserRow, common, password, token};
use crate::{Grant, Role};

/// A password that somebody else made ends after this.
const INITIAL_MS: i64 = 7 * 24 * 3_600_000;
const MIN_PASSWORD_CHARS: usize = 8;
pub(super) const MAX_PASSWORD_BYTES: usize = 256;

/// What somebody may know of their own account.
pub(crate) struct Account {
    pub grants: Vec<Grant>,
    pub source: Source,
    pub totp: bool,
    pub changed: ioc_model::Timestamp,
}

/// Are these grants that a person can have? Each area or cluster and each service must exist.
///
/// # Errors
/// [`AuthError::BadGrant`] with the first that is wrong.
pub fn check_grants(grants: &[Grant], city: &City) -> Result<(), AuthError> {
    count_grants(grants)?;
    grants.iter().try_for_each(|grant| check_places(grant, city))
}

pub(super) fn check_places(grant: &Grant, city: &City) -> Result<(), AuthError> {
    let bad = |what: String| Err(AuthError::BadGrant(what));
    let known_area = |id: &&Name| city.areas.contains_key(*id) || city.clusters.contains_key(*id);
    let known_service = |id: &&Name| city.services.contains_key(*id);
    if let Some(areas) = &grant.areas {
        if areas.is_empty() {
            return bad("areas: name one, or leave them out for the whole city".into());
        }
        if let Some(id) = areas.iter().find(|id| !known_area(id)) {
            return bad(format!("no area or cluster `{}`", shown(id)));
        }
    }
    if let Some(services) = &grant.services {
        if services.is_empty() {
            return bad("services: name one, or leave them out for all".into());
        }
        if let Some(id) = services.iter().find(|id| !known_service(id)) {
            return bad(format!("no service `{}`", shown(id)));
        }
    }
    Ok(())
}

fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// So many, none twice, and none of a screen.
fn count_grants(grants: &[Grant]) -> Result<(), AuthError> {
    if !(1..=Grant::MOST).contains(&grants.len()) {
        return Err(AuthError::BadGrant(format!("1 to {} of them", Grant::MOST)));
    }
    if grants.iter().any(|g| g.role == Role::Wall) {
        return Err(AuthError::BadGrant("the role wall is for screens: make a wall token".into()));
    }
    Ok(())
}

fn check_name(user: &str) -> Result<(), AuthError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    // `/api/v1/people/tokens` is a route of its own.
    if (1..=64).contains(&user.len()) && user.chars().all(good) && user != "tokens" {
        return Ok(());
    }
    Err(AuthError::BadName(user.chars().take(64).collect()))
}

fn check_password(user: &str, password: &str) -> Result<(), AuthError> {
    let long_enough = password.chars().count() >= MIN_PASSWORD_CHARS;
    let good = long_enough
        && password.len() <= MAX_PASSWORD_BYTES
        && !password.eq_ignore_ascii_case(user)
        && !common::is_common(password, user);
    if good { Ok(()) } else { Err(AuthError::WeakPassword) }
}

impl Auth {
    /// Adds a user with a role in the whole city and a password of their own.
    ///
    /// # Errors
    /// [`AuthError::BadName`], [`AuthError::WeakPassword`], [`AuthError::Exists`], the database.
    pub fn add_user(&self, user: &str, password: &str, role: Role) -> Result<(), AuthError> {
        self.add(user, password, &[Grant::city(role)], false)
    }

    /// Adds a user with a random password, which is returned: it is to be changed at the first
    /// sign-in and ends after 7 days.
    ///
    /// # Errors
    /// [`AuthError::BadName`], [`AuthError::BadGrant`], [`AuthError::Exists`], the database.
    pub fn add_person(&self, user: &str, grants: &[Grant]) -> Result<String, AuthError> {
        let password = token::random_password();
        self.add(user, &password, grants, true)?;
        Ok(password)
    }

    fn add(
        &self,
        user: &str,
        password: &str,
        grants: &[Grant],
        initial: bool,
    ) -> Result<(), AuthError> {
        check_name(user)?;
        check_password(user, password)?;
        count_grants(grants)?;
        let (hash, now) = (password::hash(password)?, self.now());
        let initial = initial.then(|| now.plus_ms(INITIAL_MS));
        self.store().add((user, &hash), grants, initial, now)
    }

    /// Sets a user's own password and ends the sessions.
    ///
    /// # Errors
    /// [`AuthError::WeakPassword`], [`AuthError::NotFound`], the database.
    pub fn set_password(&self, user: &str, password: &str) -> Result<(), AuthError> {
        check_password(user, password)?;
        self.local(user)?;
        let hash = password::hash(password)?;
        self.changing(|store| store.set_password((user, &hash), None, None, self.now()))
    }

    /// Gives a user a random password, which is returned, and ends the sessions. It is to be
    /// changed at the first sign-in and ends after 7 days.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::NotLocal`], the database.
    pub fn reset_password(&self, user: &str) -> Result<String, AuthError> {
        self.local(user)?;
        let password = token::random_password();
        let (hash, now) = (password::hash(&password)?, self.now());
        let initial = Some(now.plus_ms(INITIAL_MS));
        self.changing(|store| store.set_password((user, &hash), initial, None, now))?;
        Ok(password)
    }

    /// A password that is not the old one any more; the session that asks goes on.
    pub(super) fn replace_password(
        &self,
        user: &str,
        session: &str,
        password: &str,
    ) -> Result<(), AuthError> {
        check_password(user, password)?;
        let kept = token::Token::parse(session).map(|t| t.hash());
        let hash = password::hash(password)?;
        self.changing(|store| store.set_password((user, &hash), None, kept, self.now()))
    }

    /// Says what a user may do; open sessions have it from their next request on. Ask
    /// [`check_grants`] first whether the places exist.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::LastAdministrator`], [`AuthError::BadGrant`], the
    /// database.
    pub fn set_grants(&self, user: &str, grants: &[Grant]) -> Result<(), AuthError> {
        count_grants(grants)?;
        self.changing(|store| store.set_grants(user, grants))
    }

    /// Ends the user's sessions and refuses new ones.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::LastAdministrator`], the database.
    pub fn disable(&self, user: &str) -> Result<(), AuthError> {
        self.changing(|store| store.set_disabled(user, true))
    }

    /// Lets a disabled user sign in again.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], the database.
    pub fn enable(&self, user: &str) -> Result<(), AuthError> {
        self.changing(|store| store.set_disabled(user, false))
    }

    /// Forgets a user with sessions, tokens and second factor. What they did stays in the audit log.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::LastAdministrator`], the database.
    pub fn remove(&self, user: &str) -> Result<(), AuthError> {
        self.changing(|store| store.remove(user))
    }

    /// All users by name.
    ///
    /// # Errors
    /// The database.
    pub fn list(&self) -> Result<Vec<UserRow>, AuthError> {
        self.store().list()
    }

    /// What a user may know of their own account.
    pub(crate) fn own_account(&self, user: &str) -> Result<Option<Account>, AuthError> {
        let row = self.list()?.into_iter().find(|u| u.name == user);
        let Some(row) = row else { return Ok(None) };
        let sql = "SELECT changed FROM users WHERE name = ?1";
        let changed: i64 = self.store().db.query_row(sql, [user], |r| r.get(0))?;
        Ok(Some(Account {
            grants: row.grants,
            source: row.source,
            totp: row.totp,
            changed: ioc_model::Timestamp(changed),
        }))
    }

    /// Is it a user of ours, not of an identity provider?
    pub(super) fn local(&self, user: &str) -> Result<(), AuthError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM oidc_accounts o WHERE o.user = name)
                   FROM users WHERE name = ?1";
        let held = self.store().db.query_row(sql, params![user], |r| r.get(0)).optional()?;
        match held {
            None => Err(AuthError::NotFound(user.into())),
            Some(true) => Err(AuthError::NotLocal(user.into())),
            Some(false) => Ok(()),
        }
    }
}
