//! Why a sign-in by a provider does not come about.

use crate::AuthError;

/// Names the failed act; what the person is told is [`OidcError::code`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// The browser brought no cookie of ours, an old one, or one that was used already, or the
    /// state is not that of the cookie.
    #[error("{0}")]
    Stale(&'static str),
    /// The provider did not sign the person in.
    #[error("the provider answered `{0}`")]
    Declined(String),
    /// It cannot be reached or breaks off.
    #[error("cannot {act}")]
    Unreachable {
        /// What was tried.
        act: &'static str,
        /// Why.
        source: reqwest::Error,
    },
    /// It failed a moment ago; it is left alone for a few seconds.
    #[error("the provider did not answer a moment ago")]
    Resting,
    /// Too many sign-ins wait for it.
    #[error("too many sign-ins wait for the provider")]
    Busy,
    /// It answers with an error.
    #[error("cannot {act}: status {status}")]
    Status {
        /// What was tried.
        act: &'static str,
        /// The answer.
        status: u16,
    },
    /// It answers with more than can be meant.
    #[error("cannot {0}: the answer is too large")]
    TooLarge(&'static str),
    /// It answers with something else than JSON of the right form.
    #[error("cannot {act}")]
    Malformed {
        /// What was tried.
        act: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// What it says of itself cannot be used.
    #[error("the provider's configuration: {0}")]
    Metadata(&'static str),
    /// It names an address that is not listed.
    #[error("the provider's configuration: {0} is no address of the issuer or of `endpoints`")]
    Endpoint(String),
    /// The client secret cannot be read.
    #[error("cannot read the client secret")]
    Secret(#[source] std::io::Error),
    /// The ID token is not to be believed.
    #[error("ID token: {0}")]
    Token(&'static str),
    /// The person did not show surely enough who they are.
    #[error("the provider did not ask for what `required_acr` or `required_amr` demands")]
    TooWeak,
    /// The person is in no group that may do anything here.
    #[error("in none of the configured groups")]
    NoGroup {
        /// Their account, if they had one.
        user: Option<String>,
    },
    /// An administrator closed the account.
    #[error("the account {0} is disabled")]
    Disabled(String),
    /// Our own task ended badly.
    #[error("the task failed")]
    Task(#[source] tokio::task::JoinError),
    /// Users could not be read or changed.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl OidcError {
    /// An error that the provider names, fit for the log.
    pub fn declined(error: &str) -> Self {
        let good = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        Self::Declined(error.chars().filter(good).take(64).collect())
    }

    /// The word that the page is given; it says the rest in the person's language.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stale(_) => "oidc_expired",
            Self::Declined(_) => "oidc_declined",
            Self::Unreachable { .. } | Self::Resting | Self::Busy => "oidc_unreachable",
            Self::Status { .. }
            | Self::TooLarge(_)
            | Self::Malformed { .. }
            | Self::Metadata(_)
            | Self::Endpoint(_)
            | Self::Secret(_)
            | Self::Token(_)
            | Self::Task(_)
            | Self::Auth(_) => "oidc_failed",
            Self::TooWeak => "oidc_too_weak",
            Self::NoGroup { .. } => "oidc_no_group",
            Self::Disabled(_) => "oidc_disabled",
        }
    }

    /// The account it is about, if there is one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::NoGroup { user } => user.as_deref(),
            Self::Disabled(user) => Some(user),
            _ => None,
        }
    }
}
