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
    /// Has a second factor of ours.
    pub totp: bool,
    /// Who knows the password.
    pub source: Source,
    /// When they last signed in, as far as it is known (30 days).
    pub seen: Option<Timestamp>,
}

/// Who checks who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// We do.
    Local,
    /// An identity provider does.
    Oidc,
}

/// A session, for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// Names it; does not open it.
    pub id: String,
    /// When they signed in.
    pub began: Timestamp,
    /// When it was last used, to a minute.
    pub seen: Timestamp,
    /// From where; IPv6 by network.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// It is the one that asks.
    pub current: bool,
}

/// An API token, for lists; never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiTokenRow {
    /// Number.
    pub id: u64,
    /// Whose.
    pub user: String,
    /// What it is for.
    pub label: String,
    /// What it may, as far as its owner may.
    pub grants: Vec<Grant>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it works.
    pub expires: Timestamp,
    /// When it was last used, to a minute.
    pub used: Option<Timestamp>,
}

/// A wall token, for lists; never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WallRow {
    /// Number.
    pub id: u64,
    /// Where the screen hangs.
    pub label: String,
    /// What it shows.
    pub view: String,
    /// Who made it.
    pub user: String,
    /// Where; `None`: the whole city.
    pub areas: Option<Vec<ioc_model::Name>>,
    /// In which services; `None`: in all.
    pub services: Option<Vec<ioc_model::Name>>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it works; `None`: until it is revoked.
    pub expires: Option<Timestamp>,
    /// When a screen last signed in with it.
    pub used: Option<Timestamp>,
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
    /// Too short, too long, too common, or the name itself.
    #[error(
        "a password has at least 8 characters (12 are better) and at most 256 bytes, and is neither \
         the user's name nor among the most common ones"
    )]
    WeakPassword,
    /// It is the old one.
    #[error("the new password is the old one")]
    SamePassword,
    /// It has none of ours.
    #[error("{0} signs in with an identity provider and has no password or second factor here")]
    NotLocal(String),
    /// There is nothing to confirm.
    #[error("ask for a new second factor first")]
    NoTotp,
    /// The code does not fit.
    #[error("the code does not fit")]
    WrongCode,
    /// A picture cannot be drawn.
    #[error("picture: {0}")]
    Picture(String),
    /// As many as there may be.
    #[error("there are {0} of them already; revoke one first")]
    Full(usize),
    /// What is said of a token makes no sense.
    #[error("{0}")]
    BadToken(String),
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
    /// All is right but the code of the second factor, which was not given.
    #[error("the code of the second factor is missing")]
    CodeNeeded,
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
