//! Who users are, and why they are refused.

use ioc_model::Timestamp;
use serde::Serialize;

use crate::Grant;

/// A user, for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserRow {
    /// Name.
    pub name: String,
    /// What they may do, and where.
    pub grants: Vec<Grant>,
    /// May not sign in.
    pub disabled: bool,
    /// When the user was made.
    pub created: Timestamp,
}

/// What the first start prints, once.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstAdmin {
    /// `admin`.
    pub user: String,
    /// Random.
    pub password: String,
    /// For `/signin?token=…`, good once and for 24 h.
    pub signin_token: String,
}

impl std::fmt::Debug for FirstAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstAdmin").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why users could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The database.
    #[error("user database: {0}")]
    Store(#[from] rusqlite::Error),
    /// The file cannot be made or protected.
    #[error("user database {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Hashing failed.
    #[error("password hash: {0}")]
    Hash(argon2::password_hash::Error),
    /// Not `[A-Za-z0-9_.:-]{1,64}`.
    #[error("`{0}` is no user name: 1 to 64 of A-Z a-z 0-9 _ . : -")]
    BadName(String),
    /// No role.
    #[error("`{0}` is no role: viewer, operator, supervisor, engineer, administrator or auditor")]
    BadRole(String),
    /// What was to be granted cannot be.
    #[error("grants: {0}")]
    BadGrant(String),
    /// Too short, too long, or the name itself.
    #[error("a password has at least 8 characters, at most 256 bytes, and is not the user's name")]
    WeakPassword,
    /// That name is taken.
    #[error("user {0} exists already")]
    Exists(String),
    /// No such user.
    #[error("user {0} does not exist")]
    NotFound(String),
    /// The last enabled administrator cannot be taken away.
    #[error("{0} is the last administrator")]
    LastAdministrator(String),
}

/// Why a sign-in was refused. Unknown user, wrong password and disabled user are one answer.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Wrong user or password, or a link that is used up.
    #[error("user or password is wrong")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// Our own trouble.
    #[error(transparent)]
    Auth(#[from] AuthError),
}
