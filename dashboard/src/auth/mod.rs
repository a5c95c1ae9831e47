//! Users, sessions, second factors, tokens and one-time sign-in links, in one SQLite file.
//!
//! Passwords are argon2id (19 MiB, 2 passes); session ids and tokens are 256 random bits of which
//! only the SHA-256 is kept. Sessions outlive a restart of the server. Everything here blocks on
//! the disk except what is `async`, which brings its own blocking thread.
//!
//! [`people`] changes accounts, [`sessions`] says whom a cookie stands for, [`second`] is the second
//! factor, [`keys`] are tokens of programs and screens, `oidc` lets identity providers vouch.

mod changes;
mod common;
mod config;
mod failures;
mod keys;
mod limit;
pub(crate) mod oidc;
mod password;
mod people;
mod second;
mod sessions;
mod store;
mod token;
mod totp;
mod types;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use ioc_model::Timestamp;
use tokio::sync::Semaphore;

use crate::parts::Clock;
use crate::{Grant, Identity, Role};
pub use config::SessionsConfig;
use failures::Failures;
pub(crate) use keys::{NewKey, NewWall, wall_grant};
pub(crate) use limit::network_of;
use limit::{Limiter, Rate};
pub use people::check_grants;
use people::{MAX_PASSWORD_BYTES, check_places};
pub(crate) use sessions::{Held, Session};
use store::Store;
use token::Token;
pub use types::{
    ApiTokenRow, AuthError, FirstAdmin, SessionRow, SignInError, Source, UserRow, WallRow,
};

/// A one-time link is good for this long.
const LINK_MS: i64 = 24 * 3_600_000;
/// An address that signed in to an account in this time is not slowed by others' attempts on it.
const KNOWN_ADDRESS_MS: i64 = 30 * 24 * 3_600_000;
/// Addresses are kept for this long: `ioc doctor` names accounts that nobody used for 90 days.
const REMEMBERED_ADDRESS_MS: i64 = 91 * 24 * 3_600_000;
/// Who showed in this time that they are themselves may do critical things.
const FRESH_MS: i64 = 10 * 60_000;
/// Password hashes computed at once (each takes 19 MiB and about 35 ms).
const HASHES_AT_ONCE: usize = 2;
/// Sign-ins that may wait for a hash; more are told to come again.
const HASHES_WAITING: usize = 32;
const MINUTE_MS: i64 = 60_000;
const ACCOUNT_RATE: Rate = Rate { most: 5, within_ms: MINUTE_MS };
const ADDRESS_RATE: Rate = Rate { most: 20, within_ms: MINUTE_MS };
/// Of all strangers together: at 35 ms each, a tenth of two cores.
const GLOBAL_RATE: Rate = Rate { most: 300, within_ms: MINUTE_MS };
/// Wrong codes of a second factor, by who knows the password: a guess is right once in 300,000.
const CODE_RATE: Rate = Rate { most: 5, within_ms: 5 * MINUTE_MS };
/// Passwords asked again within a session.
const CONFIRM_RATE: Rate = Rate { most: 5, within_ms: MINUTE_MS };

struct Limits {
    account: Limiter<String>,
    address: Limiter<IpAddr>,
    global: Limiter<()>,
    code: Limiter<String>,
    confirm: Limiter<String>,
}

/// What the settings say of accounts.
#[derive(Debug, Default)]
struct Settings {
    sessions: SessionsConfig,
    second_factor_for: Vec<Role>,
}

impl Settings {
    fn wants_second_factor(&self, grants: &[Grant]) -> bool {
        grants.iter().any(|g| self.second_factor_for.contains(&g.role))
    }
}

/// What somebody gives to be let in.
pub(crate) struct Attempt {
    pub user: String,
    pub password: String,
    /// Of the second factor.
    pub code: Option<String>,
    pub from: IpAddr,
}

/// Users, sessions, one-time links.
pub struct Auth {
    store: Mutex<Store>,
    limits: Mutex<Limits>,
    settings: RwLock<Arc<Settings>>,
    failures: Failures,
    hashing: Semaphore,
    waiting: AtomicUsize,
    /// Hashes computed for sign-ins.
    hashed: AtomicU64,
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
                global: Limiter::new(GLOBAL_RATE),
                code: Limiter::new(CODE_RATE),
                confirm: Limiter::new(CONFIRM_RATE),
            }),
            settings: RwLock::default(),
            failures: Failures::default(),
            hashing: Semaphore::new(HASHES_AT_ONCE),
            waiting: AtomicUsize::new(0),
            hashed: AtomicU64::new(0),
            clock,
            changes: changes::Changes::default(),
        })
    }

    /// Takes the settings of accounts; without, the defaults hold.
    pub fn configure(&self, sessions: SessionsConfig, second_factor_for: Vec<Role>) {
        let settings = Arc::new(Settings { sessions, second_factor_for });
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
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
        attempt: Attempt,
    ) -> Result<Session, SignInError> {
        let attempt = Attempt { from: limit::network_of(attempt.from), ..attempt };
        let (auth, name, from) = (Arc::clone(self), attempt.user.clone(), attempt.from);
        let counted = blocking(move || auth.admit(&name, from)).await?;
        let auth = Arc::clone(self);
        self.hashing(move || auth.let_in(&attempt, counted)).await
    }

    /// Runs what computes a hash, two at once; refuses when many wait.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, SignInError> + Send + 'static,
    ) -> Result<T, SignInError> {
        if self.waiting.fetch_add(1, Relaxed) >= HASHES_WAITING {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(SignInError::TooMany { retry_after_s: 2 });
        }
        let permit = self.hashing.acquire().await;
        self.waiting.fetch_sub(1, Relaxed);
        let done = blocking(work).await;
        drop(permit);
        done
    }

    /// Takes the attempt from the allowances of the address, of all, and of the account; those of
    /// strangers do not count against an address that the user is known to come from. Says whether
    /// the attempt was a stranger's.
    fn admit(&self, user: &str, from: IpAddr) -> Result<bool, SignInError> {
        let now = self.now();
        let known = self.store().knows_address(user, from, now.plus_ms(-KNOWN_ADDRESS_MS))?;
        let mut limits = self.limits();
        let account: String = user.chars().take(64).collect();
        limits.address.room(&from, now)?;
        if !known {
            limits.account.room(&account, now)?;
            limits.global.take((), now)?;
            limits.account.take(account, now)?;
        }
        limits.address.take(from, now)?;
        Ok(!known)
    }

    /// The attempt was right: it counts for nothing. Only what it took is given back, or who may
    /// sign in could make room for others' guesses.
    fn forgive(&self, user: &str, from: IpAddr, counted: bool) {
        let mut limits = self.limits();
        limits.address.give_back(&from);
        if counted {
            limits.account.give_back(&user.into());
            limits.global.give_back(&());
        }
    }

    /// Is it the password? Exactly one hash is computed, whatever the answer.
    fn fits(&self, password: &str, hash: Option<&str>) -> bool {
        self.hashed.fetch_add(1, Relaxed);
        let short = password.len() <= MAX_PASSWORD_BYTES;
        let password = if short { password } else { "" };
        password::verify(password, hash.unwrap_or(password::DUMMY)) && short
    }

    fn let_in(&self, attempt: &Attempt, counted: bool) -> Result<Session, SignInError> {
        let (user, from) = (attempt.user.as_str(), attempt.from);
        let held = self.store().find(user)?;
        let right = self.fits(&attempt.password, held.as_ref().map(|u| u.hash.as_str()));
        let now = self.now();
        let may =
            |u: &store::StoredUser| right && !u.disabled && u.initial.is_none_or(|ends| now < ends);
        let held = held.filter(may).ok_or(SignInError::Wrong)?;
        if let Some(secret) = &held.totp {
            let checked = self.check_code(user, secret, attempt.code.as_deref());
            if matches!(checked, Err(SignInError::CodeNeeded)) {
                self.forgive(user, from, counted);
            }
            checked?;
        }
        let session = self.begin(Identity::person(user, held.grants), from)?;
        self.forgive(user, from, counted);
        Ok(session)
    }

    /// The person of a session shows once more that they are themselves.
    pub(crate) async fn confirm(
        self: &Arc<Self>,
        session: String,
        attempt: Attempt,
    ) -> Result<(), SignInError> {
        self.limits().confirm.take(attempt.user.clone(), self.now())?;
        let auth = Arc::clone(self);
        let work = move || {
            let held = auth.store().find(&attempt.user)?;
            let hash = held.as_ref().map(|u| u.hash.as_str());
            if !auth.fits(&attempt.password, hash) {
                return Err(SignInError::Wrong);
            }
            if let Some(secret) = held.and_then(|u| u.totp) {
                auth.check_code(&attempt.user, &secret, attempt.code.as_deref())?;
            }
            auth.confirmed(&session)?;
            auth.limits().confirm.give_back(&attempt.user);
            Ok(())
        };
        self.hashing(work).await
    }

    /// Changes one's own password; the other sessions end.
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        session: String,
        user: String,
        (old, new): (String, String),
    ) -> Result<(), SignInError> {
        self.limits().confirm.take(user.clone(), self.now())?;
        let auth = Arc::clone(self);
        let work = move || {
            auth.local(&user)?;
            let held = auth.store().find(&user)?;
            if !auth.fits(&old, held.as_ref().map(|u| u.hash.as_str())) {
                return Err(SignInError::Wrong);
            }
            auth.limits().confirm.give_back(&user);
            if old == new {
                return Err(AuthError::SamePassword.into());
            }
            Ok(auth.replace_password(&user, &session, &new)?)
        };
        self.hashing(work).await
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

    /// Counts a refused sign-in; what to write down of it, if it is time to: whose account it was
    /// about, if there is one of that name, and how often.
    pub(crate) fn count_failure(
        &self,
        user: &str,
        from: IpAddr,
        limited: bool,
    ) -> Result<Option<(Option<String>, u64)>, AuthError> {
        let now = self.now();
        // Never what was typed in the place of a name: people type passwords there.
        let known = self.store().find(user)?.map(|_| user.to_owned());
        let key =
            if limited { (None, None) } else { (known.clone(), Some(limit::network_of(from))) };
        let times = self.failures.count(key, now);
        Ok(times.map(|n| (if limited { None } else { known }, n)))
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

/// Does it look like an API token, and so belong into `Authorization`, not into a cookie?
pub(crate) fn is_token(credential: &str) -> bool {
    credential.starts_with(keys::PREFIX)
}

#[cfg(test)]
pub(crate) use totp::code as totp_code;

#[cfg(test)]
mod guessing;
#[cfg(test)]
mod tests;
