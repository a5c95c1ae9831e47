//! What people do to alerts, and what becomes of it.

use serde::{Deserialize, Serialize};

use crate::{AlertId, AlertRow, Assignee, IncidentId, Link, Scope, Timestamp};

/// What an operator does to alerts. JSON: `{"action": "shelve", "until": …, "reason": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Has seen it and takes note.
    Acknowledge {
        /// What they say.
        #[serde(default)]
        note: Option<String>,
    },
    /// Gives the work to somebody.
    Assign {
        /// Whom.
        to: Assignee,
        /// What they say.
        #[serde(default)]
        note: Option<String>,
    },
    /// Says something.
    Comment {
        /// What.
        text: String,
    },
    /// Attaches a link.
    Link {
        /// Which.
        link: Link,
    },
    /// Puts it aside until a time.
    Shelve {
        /// Until then, wall time; at most the configured maximum away.
        until: Timestamp,
        /// Why; required.
        reason: String,
    },
    /// Takes it back from the shelf.
    Unshelve {
        /// What they say.
        #[serde(default)]
        note: Option<String>,
    },
    /// Work begins.
    Start {
        /// What they say.
        #[serde(default)]
        note: Option<String>,
    },
    /// The work is done; resets a latched alert whose condition has returned.
    Resolve {
        /// What was done.
        #[serde(default)]
        note: Option<String>,
    },
    /// Nothing is left to do; only when the condition has returned.
    Close {
        /// What they say.
        #[serde(default)]
        note: Option<String>,
    },
    /// A false alarm.
    Reject {
        /// Why; required.
        reason: String,
    },
    /// Puts it into another incident.
    Merge {
        /// Which.
        into: IncidentId,
    },
    /// Takes the named alerts out of their incidents into one of their own.
    Split {
        /// What they say.
        #[serde(default)]
        note: Option<String>,
    },
}

impl Action {
    /// Its kind.
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::Acknowledge { .. } => ActionKind::Acknowledge,
            Self::Assign { .. } => ActionKind::Assign,
            Self::Comment { .. } => ActionKind::Comment,
            Self::Link { .. } => ActionKind::Link,
            Self::Shelve { .. } => ActionKind::Shelve,
            Self::Unshelve { .. } => ActionKind::Unshelve,
            Self::Start { .. } => ActionKind::Start,
            Self::Resolve { .. } => ActionKind::Resolve,
            Self::Close { .. } => ActionKind::Close,
            Self::Reject { .. } => ActionKind::Reject,
            Self::Merge { .. } => ActionKind::Merge,
            Self::Split { .. } => ActionKind::Split,
        }
    }
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word used in JSON, in the audit log and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words!(
    /// Kinds of [`Action`], and taking one back.
    ActionKind {
        /// See [`Action::Acknowledge`].
        Acknowledge = "acknowledge",
        /// See [`Action::Assign`].
        Assign = "assign",
        /// See [`Action::Comment`].
        Comment = "comment",
        /// See [`Action::Link`].
        Link = "link",
        /// See [`Action::Shelve`].
        Shelve = "shelve",
        /// See [`Action::Unshelve`].
        Unshelve = "unshelve",
        /// See [`Action::Start`].
        Start = "start",
        /// See [`Action::Resolve`].
        Resolve = "resolve",
        /// See [`Action::Close`].
        Close = "close",
        /// See [`Action::Reject`].
        Reject = "reject",
        /// See [`Action::Merge`].
        Merge = "merge",
        /// See [`Action::Split`].
        Split = "split",
    }
);

words!(
    /// What happens to an alert without a person.
    AutoKind {
        /// A new episode.
        Raise = "raise",
        /// The rule found another severity.
        Severity = "severity",
        /// The condition returned.
        Clear = "clear",
        /// The time of its shelf is over.
        ShelfExpired = "shelf_expired",
        /// A maintenance window, a parent's outage or an out-of-service mark began to hold it.
        Suppress = "suppress",
        /// Such a thing ended.
        Unsuppress = "unsuppress",
        /// Returned and nothing left to do.
        AutoClose = "auto_close",
        /// A due time passed.
        Overdue = "overdue",
        /// The next step of the escalation chain.
        Escalate = "escalate",
        /// Acknowledged and unchanged for so long that it counts less.
        Deescalate = "deescalate",
        /// Taken back by the person who did it.
        Undo = "undo",
    }
);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// User name.
    pub user: String,
    /// Address the request came from.
    pub origin: Option<String>,
    /// Wall time.
    pub at: Timestamp,
}

/// One alert of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub alert: AlertId,
    /// Only if it still has this `ver`.
    pub version: Option<u64>,
}

/// One thing to be done to one or many alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionRequest {
    /// To which, in this order; an alert named twice is acted on once.
    pub targets: Vec<Target>,
    /// What.
    pub action: Action,
    /// Who.
    pub actor: Actor,
    /// What they may act on; other alerts are refused as if they did not exist.
    pub scope: Scope,
    /// Repeating a request with the same key changes nothing and gives the same results.
    pub key: Option<String>,
}

impl ActionRequest {
    /// Most alerts of one request.
    pub const MAX_TARGETS: usize = 10_000;
}

/// Taking a request back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// `act` of the outcome.
    pub act: u64,
    /// Who; only the person who did it.
    pub actor: Actor,
    /// What they may act on now; other alerts stay as they are.
    pub scope: Scope,
}

impl Undo {
    /// Time in which a request can be taken back, ms.
    pub const WITHIN_MS: i64 = 10_000;
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionOutcome {
    /// Number of the request, for [`Undo`]; 0 if no row changed.
    pub act: u64,
    /// It can be taken back until then, wall time.
    pub undo_until: Timestamp,
    /// The same request (by its key) was done before; these are its results.
    pub repeated: bool,
    /// One for each target, in the same order.
    pub results: Vec<RowResult>,
}

/// What became of one alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowResult {
    /// Which.
    pub alert: AlertId,
    /// The row after it; of a refusal, the row as it stands, if there is one.
    pub row: Option<AlertRow>,
    /// Why not.
    pub refused: Option<Refused>,
}

/// Why one alert was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which reason.
    pub code: RefusedCode,
    /// The same in words, English.
    pub message: String,
    /// Who was faster, for a conflict or something done already.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

words!(
    /// Reasons for [`Refused`].
    RefusedCode {
        /// No such alert.
        NotFound = "not_found",
        /// It changed since the version that was named.
        Conflict = "conflict",
        /// It is done already (acknowledged, shelved, closed …).
        AlreadyDone = "already_done",
        /// The state does not allow it.
        NotAllowed = "not_allowed",
        /// The condition still holds.
        StillActive = "still_active",
        /// Something came after what is to be undone.
        ChangedSince = "changed_since",
    }
);
