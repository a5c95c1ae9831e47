//! The operators' door: REST, the live WebSocket, sign-in, and the embedded page.
//!
//! What it does: serves `docs/protocol.md` with warp filters behind its own accept loop (header
//! timeout, connection and socket limits, exact Origin and Host checks), keeps the live state of
//! every device ([`Live`]), and knows the users ([`Auth`]). What it does not do: no rule, no
//! threshold, no measurement store; alerts, history and quarantine are reached through the traits
//! of `ioc_model`.
//!
//! Data flow: journal entries → [`Live::apply_batch`]; register changes →
//! [`Live::alerts_changed`]; both → one task per socket → browser. Requests → accept loop → warp
//! → one table of routes and policies → handler.
//!
//! How it fails: a handler's error is one JSON answer with a request id, the detail goes to the
//! log. A slow browser gets fewer, fuller frames and is closed after 10 s without progress; it
//! never holds up another. What cannot be shown (too many devices, too many properties) is counted.

mod access;
mod api;
mod assets;
mod auth;
mod config;
mod context;
mod cross_site;
mod denials;
mod dispatch;
mod error;
mod hub;
mod json;
mod live;
mod long;
mod mqtt;
mod openapi;
mod origin;
mod parts;
mod query;
mod reply;
mod router;
mod routes;
mod server;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tiles;
mod upgrade;

pub use access::{Grant, Identity, Permission, Role, Seat};
pub use auth::oidc::{GroupGrant, OidcConfig};
pub use auth::{
    ApiTokenRow, Auth, AuthError, FirstAdmin, SessionRow, SessionsConfig, SignInError, Source,
    UserRow, WallRow, check_grants,
};
pub use config::{ConfigMistake, DashboardConfig, DashboardTlsConfig};
pub use error::DashboardError;
pub use live::{AlertCounts, FloodState, Live, LiveLimits, RestoreError};
pub use mqtt::{MqttDoor, MqttSeat, MqttStream};
pub use parts::{Clock, FeedForm, Forms, HandoverForm, Lang, NoteAct, Parts, Printout, TlsSource};
pub use server::{Dashboard, Network, NotANetwork};
pub use tiles::MapConfig;
