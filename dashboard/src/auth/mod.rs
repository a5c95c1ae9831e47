//! Users, sessions and one-time sign-in links, in one SQLite file.
//!
//! Passwords are argon2id (19 MiB, 2 passes); session ids and link tokens are 256 random bits of
//! which only the SHA-256 is kept. Sessions outlive a restart of the server. Everything here
//! blocks on the disk except [`Auth::sign_in`], which brings its own blocking thread.

mod changes;
mod limit;
pub(crate) mod oidc;
mod password;
mod store;
mod token;
mod types;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ioc_model::Timestamp;
use tokio::sync::Semaphore;

use crate::parts::Clock;
use crate::{Grant, Identity, Role};
pub(crate) use limit::network_of;
use limit::{Limiter, Rate};
use store::Store;
use token::Token;
pub use types::{AuthError, FirstAdmin, SignInError, UserRow};

/// A session nobody used for this long has ended: a wall screen reads all the time, a closed
/// laptop over night does not.
const SESSION_IDLE_MS: i64 = 12 * 3_600_000;
/// A session ends at this age even in use.
const SESSION_MAX_MS: i64 = 7 * 24 * 3_600_000;
/// A one-time link is good for this long.
const LINK_MS: i64 = 24 * 3_600_000;
/// An address that signed in to an account in this time is not slowed by others' attempts on it.
const KNOWN_ADDRESS_MS: i64 = 30 * 24 * 3_600_000;
/// Password hashes computed at once (each takes 19 MiB and about 35 ms).
const HASHES_AT_ONCE: usize = 2;
/// Sign-ins that may wait for a hash; more are told to come again.
const HASHES_WAITING: usize = 32;
const ACCOUNT_RATE: Rate = Rate { burst: 5.0, per_minute: 5.0 };
const ADDRESS_RATE: Rate = Rate { burst: 20.0, per_minute: 20.0 };
const MIN_PASSWORD_CHARS: usize = 8;
const MAX_PASSWORD_BYTES: usize = 256;

/// A session that has just begun.
#[derive(Debug)]
pub(crate) struct Session {
    pub token: Token,
    pub who: Identity,
}

struct Limits {
    account: Limiter<String>,
    address: Limiter<IpAddr>,
}

/// Users, sessions, one-time links.
pub struct Auth {
    store: Mutex<Store>,
    limits: Mutex<Limits>,
    hashing: Semaphore,
    waiting: AtomicUsize,
    clock: Clock,
    changes: changes::Changes,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl Auth {
    /// Opens or makes the file (`users.sqlite`), readable by its owner only.
    ///
    /// # Errors
    /// [`AuthError`] when it cannot be made or is no such database.
    pub fn open(path: &Path) -> Result<Self, AuthError> {
        Self::open_with_clock(path, Arc::new(wall_clock))
    }

    /// [`Auth::open`] with another clock, for tests.
    ///
    /// # Errors
    /// As [`Auth::open`].
    pub fn open_with_clock(path: &Path, clock: Clock) -> Result<Self, AuthError> {
        Ok(Self {
            store: Mutex::new(Store::open(path)?),
            limits: Mutex::new(Limits {
                account: Limiter::new(ACCOUNT_RATE),
                address: Limiter::new(ADDRESS_RATE),
            }),
            hashing: Semaphore::new(HASHES_AT_ONCE),
            waiting: AtomicUsize::new(0),
            clock,
            changes: changes::Changes::default(),
        })
    }

    /// 100 random bits that can be typed, for users whom the command line adds.
    pub fn random_password() -> String {
        token::random_password()
    }

    /// Makes `admin` with a random password and a one-time link when there is no user at all.
    /// Call it at every start and print what it returns: it is told only this once.
    ///
    /// # Errors
    /// [`AuthError`] of the database.
    pub fn first_start(&self) -> Result<Option<FirstAdmin>, AuthError> {
        if !self.list()?.is_empty() {
            return Ok(None);
        }
        let (user, password) = (String::from("admin"), token::random_password());
        self.add_user(&user, &password, Role::Administrator)?;
        let signin_token = self.signin_link(&user)?;
        Ok(Some(FirstAdmin { user, password, signin_token }))
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`AuthError::BadName`], [`AuthError::WeakPassword`], [`AuthError::Exists`], the database.
    pub fn add_user(&self, user: &str, password: &str, role: Role) -> Result<(), AuthError> {
        check_name(user)?;
        check_password(user, password)?;
        let hash = password::hash(password)?;
        self.store().add(user, &hash, &[Grant::city(role)], self.now())
    }

    /// Sets a password and ends the user's sessions.
    ///
    /// # Errors
    /// [`AuthError::WeakPassword`], [`AuthError::NotFound`], the database.
    pub fn set_password(&self, user: &str, password: &str) -> Result<(), AuthError> {
        check_password(user, password)?;
        let hash = password::hash(password)?;
        self.changing(|store| store.set_password(user, &hash))
    }

    /// Says what a user may do; open sessions have it from their next request on.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::LastAdministrator`], [`AuthError::BadGrant`], the
    /// database.
    pub fn set_grants(&self, user: &str, grants: &[Grant]) -> Result<(), AuthError> {
        if !(1..=Grant::MOST).contains(&grants.len()) {
            return Err(AuthError::BadGrant(format!("1 to {} of them", Grant::MOST)));
        }
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

    /// All users by name.
    ///
    /// # Errors
    /// The database.
    pub fn list(&self) -> Result<Vec<UserRow>, AuthError> {
        self.store().list()
    }

    /// A new one-time token for `/signin?token=…`; older ones of the user end.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], the database.
    pub fn signin_link(&self, user: &str) -> Result<String, AuthError> {
        let token = Token::random();
        self.store().add_link(user, &token.hash(), self.now().plus_ms(LINK_MS))?;
        Ok(token.text())
    }

    /// Checks a password and begins a session. Takes the same time for unknown users.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        user: String,
        password: String,
        from: IpAddr,
    ) -> Result<Session, SignInError> {
        let from = limit::network_of(from);
        let (auth, name) = (Arc::clone(self), user.clone());
        blocking(move || auth.admit(&name, from)).await?;
        if self.waiting.fetch_add(1, Relaxed) >= HASHES_WAITING {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(SignInError::TooMany { retry_after_s: 2 });
        }
        let permit = self.hashing.acquire().await;
        self.waiting.fetch_sub(1, Relaxed);
        let auth = Arc::clone(self);
        let session = blocking(move || auth.check_password(&user, &password, from)).await;
        drop(permit);
        session
    }

    /// Takes the attempt from the allowances of the address and of the account.
    fn admit(&self, user: &str, from: IpAddr) -> Result<(), SignInError> {
        let now = self.now();
        let known = self.store().knows_address(user, from, now.plus_ms(-KNOWN_ADDRESS_MS))?;
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.address.take(from, now)?;
        if known {
            return Ok(());
        }
        limits.account.take(user.chars().take(64).collect(), now)
    }

    fn check_password(
        &self,
        user: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Session, SignInError> {
        let held = self.store().find(user)?;
        let hash = held.as_ref().map_or(password::DUMMY, |u| u.hash.as_str());
        let fits = password.len() <= MAX_PASSWORD_BYTES;
        let right = password::verify(if fits { password } else { "" }, hash) && fits;
        let Some(held) = held.filter(|u| right && !u.disabled) else {
            return Err(SignInError::Wrong);
        };
        let who = Identity::person(user, held.grants);
        let session = self.begin(who, from)?;
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.account.give_back(&session.who.user);
        limits.address.give_back(&from);
        Ok(session)
    }

    /// Uses up a one-time link and begins a session.
    pub(crate) fn sign_in_by_link(
        &self,
        token: &str,
        from: IpAddr,
    ) -> Result<Session, SignInError> {
        let from = limit::network_of(from);
        let now = self.now();
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).address.take(from, now)?;
        let token = Token::parse(token).ok_or(SignInError::Wrong)?;
        let who = self.store().use_link(&token.hash(), now)?.ok_or(SignInError::Wrong)?;
        Ok(self.begin(who, from)?)
    }

    fn begin(&self, who: Identity, from: IpAddr) -> Result<Session, AuthError> {
        let (token, now) = (Token::random(), self.now());
        let mut store = self.store();
        store.purge(now.plus_ms(-SESSION_IDLE_MS), now.plus_ms(-SESSION_MAX_MS), now)?;
        store.add_session(&token.hash(), &who.user, from, now)?;
        Ok(Session { token, who })
    }

    /// Who a session belongs to, if it has not ended.
    pub(crate) fn who(&self, token: &str) -> Result<Option<Identity>, AuthError> {
        let Some(token) = Token::parse(token) else { return Ok(None) };
        let now = self.now();
        let (idle, oldest) = (now.plus_ms(-SESSION_IDLE_MS), now.plus_ms(-SESSION_MAX_MS));
        self.store().session(&token.hash(), idle, oldest, now)
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, token: &str) -> Result<(), AuthError> {
        match Token::parse(token) {
            Some(token) => self.changing(|store| store.end_session(&token.hash())),
            None => Ok(()),
        }
    }

    /// Seconds a cookie may live at most.
    pub(crate) fn cookie_max_age_s() -> i64 {
        SESSION_MAX_MS / 1_000
    }

    /// Hears of each change of accounts, grants, sessions and tokens that this process makes.
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes a change of who may do what, and tells of it.
    fn changing<T>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T, AuthError>,
    ) -> Result<T, AuthError> {
        let done = change(&mut self.store())?;
        self.changes.tell();
        Ok(done)
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SignInError> + Send + 'static,
) -> Result<T, SignInError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "sign-in task failed");
            Err(SignInError::Wrong)
        }
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn check_name(user: &str) -> Result<(), AuthError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if (1..=64).contains(&user.len()) && user.chars().all(good) {
        return Ok(());
    }
    Err(AuthError::BadName(user.chars().take(64).collect()))
}

fn check_password(user: &str, password: &str) -> Result<(), AuthError> {
    let long_enough = password.chars().count() >= MIN_PASSWORD_CHARS;
    if long_enough && password.len() <= MAX_PASSWORD_BYTES && password != user {
        return Ok(());
    }
    Err(AuthError::WeakPassword)
}

#[cfg(test)]
mod tests;
