//! Who a client is: the answer to a CONNECT, and whether it still holds.
//!
//! A token (MQTT password) or a certificate proves a device whose id is the client id; a client
//! that shows neither is trusted or refused by `gateway.anonymous`. What is shown is always
//! checked. An unknown device and a wrong token get the same answer after the same work.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ioc_model::{DeviceState, Devices};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};
use zeroize::Zeroizing;

use super::config::GatewayConfig;
use super::connect::{Hello, Refused};
use super::connection::Shared;
use super::end::code;
use super::metrics::add;
use super::peer::{Peer, Via};
use super::session::Taken;
use super::sink::MessageSink;
use crate::{Client, Registry, Standing, UnknownDevices};

/// Shortest time between two looks at all connections after changes of the registry.
const GAP: Duration = Duration::from_millis(250);

/// Who may connect without a token or a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// Nobody.
    Never,
    /// Processes of this machine that use the plain port; they may speak for any device. Not
    /// through TLS or WebSocket: a proxy on this machine, or a page in a browser on it, would
    /// make strangers local.
    #[default]
    Loopback,
    /// Everybody, and may speak for any device: for a trial in a closed network only.
    All,
}

/// User name and password of a CONNECT; never logged, wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &password)
            .finish()
    }
}

/// What a client showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing; it is trusted by the setting.
    None,
    /// The token of this number.
    Token(i64),
    /// A certificate with its client id.
    Certificate,
}

/// Why a client is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) code: u8,
    /// In words for the device's owner; the same for an unknown device and a wrong token.
    pub(super) why: &'static str,
    /// It was a guess, and counts as one.
    pub(super) is_guess: bool,
}

impl Denied {
    const fn new(why: &'static str) -> Self {
        Self { code: code::NOT_AUTHORISED, why, is_guess: false }
    }
}

const WRONG_TOKEN: Denied = Denied {
    code: code::BAD_CREDENTIALS,
    why: "no such device, or not its token: the client id is the device id, the password the token",
    is_guess: true,
};
const OTHER_USER: Denied =
    Denied::new("the user name must be empty or the device id, which is also the client id");
const OTHER_NAME: Denied =
    Denied::new("the client id is not a name of the certificate that was shown");
const NO_PASSWORD: Denied = Denied {
    code: code::BAD_CREDENTIALS,
    why: "a user name but no token: the password must be the device's token",
    is_guess: false,
};
const PLAINTEXT: Denied =
    Denied::new("a token is not taken over an open connection: use TLS; make a new token");
const ANONYMOUS: Denied = Denied::new(
    "who are you? connect with the device id as client id and its token as password, or with a \
     certificate",
);
const BLOCKED: Denied = Denied::new("this device is blocked");
const UNKNOWN: Denied = Denied::new("this device is not in the registry");
const PENDING: Denied = Denied::new("this device waits for its approval in the registry");

/// Judges what a client shows. `token` finds the number of a device's token.
///
/// # Errors
/// Why it is turned away.
pub(super) fn judge(
    (id, shown): (&str, &Credentials),
    peer: &Peer,
    config: &GatewayConfig,
    token: impl FnOnce(&str, &[u8]) -> Option<i64>,
) -> Result<Proof, Denied> {
    let local = peer.address.ip().to_canonical().is_loopback();
    let mut proof = Proof::None;
    if !peer.names.is_empty() {
        if !peer.names.iter().any(|name| name == id) {
            return Err(OTHER_NAME);
        }
        proof = Proof::Certificate;
    }
    let user = shown.user.as_deref().filter(|u| !u.is_empty());
    if user.is_some_and(|user| user != id) {
        return Err(OTHER_USER);
    }
    match (&shown.password, user) {
        (Some(password), _) => {
            if peer.via == Via::Tcp && !local && !config.plaintext_tokens {
                return Err(PLAINTEXT);
            }
            let number = token(id, password).ok_or(WRONG_TOKEN)?;
            // The certificate also holds when the token is revoked.
            if proof == Proof::None {
                proof = Proof::Token(number);
            }
        }
        (None, Some(_)) if proof == Proof::None => return Err(NO_PASSWORD),
        (None, _) => {}
    }
    let may_be_nobody = match config.anonymous {
        Anonymous::Never => false,
        Anonymous::Loopback => local && peer.via == Via::Tcp,
        Anonymous::All => true,
    };
    if proof == Proof::None && !may_be_nobody { Err(ANONYMOUS) } else { Ok(proof) }
}

/// Whether a client that proved who it is may be connected, by what the registry says now.
///
/// # Errors
/// Why not.
pub(super) fn check_state(
    id: &str,
    proof: Proof,
    devices: &Devices,
    policy: UnknownDevices,
) -> Result<(), Denied> {
    let state = devices.get(id).map(|d| d.state);
    match state {
        Some(DeviceState::Blocked) => Err(BLOCKED),
        _ if proof == Proof::None => Ok(()),
        None if policy == UnknownDevices::Refuse => Err(UNKNOWN),
        Some(DeviceState::Pending) if policy == UnknownDevices::Refuse => Err(PENDING),
        _ => Ok(()),
    }
}

/// Who a connection is, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) client: Client,
    pub(super) proof: Proof,
}

impl Badge {
    /// Whether it may still be connected.
    pub(super) fn holds(&self, registry: &Registry) -> bool {
        let id = &self.client.id;
        let policy = registry.config().unknown_devices;
        let has_proof = match self.proof {
            Proof::Token(number) => registry.has_token(id, number),
            Proof::None | Proof::Certificate => true,
        };
        has_proof && check_state(id, self.proof, &registry.now(), policy).is_ok()
    }
}

/// The answer to a CONNECT.
///
/// # Errors
/// The refusal for the client.
pub(super) fn admit<S: MessageSink>(
    shared: &Shared<S>,
    hello: &Hello,
    peer: &Peer,
) -> Result<Badge, Refused> {
    let (id, registry, metrics) = (&hello.client_id, &*shared.registry, &shared.metrics);
    let from = peer.address.ip();
    let now = Instant::now();
    if hello.credentials.password.is_some() && !shared.addresses.may_sign_in(from, id, now) {
        add(&metrics.sign_ins_delayed, 1);
        let words = "too many failed sign-ins from this address: wait some minutes";
        return Err(Refused::new(hello.v5, code::CONNECTION_RATE, "sign-in rate").with(words));
    }
    let find = |device: &str, token: &[u8]| registry.token(device, token);
    let policy = registry.config().unknown_devices;
    let judged = judge((id, &hello.credentials), peer, &shared.config, find)
        .and_then(|proof| check_state(id, proof, &registry.now(), policy).map(|()| proof));
    let proof = judged.map_err(|denied| {
        add(&metrics.sign_ins_refused, 1);
        if denied.is_guess {
            shared.addresses.failed(from, id, now);
        }
        Refused::new(hello.v5, denied.code, denied.why).with(denied.why)
    })?;
    let client = Client {
        id: Arc::clone(id),
        standing: if proof == Proof::None { Standing::Trusted } else { Standing::Device },
    };
    if let Some(will) = &hello.will {
        client.may_publish(&registry.now(), &will.topic).map_err(|refusal| {
            add(&metrics.sign_ins_refused, 1);
            Refused::new(hello.v5, code::NOT_AUTHORISED, "will topic")
                .with(&format!("will: {}", refusal.detail))
        })?;
    }
    Ok(Badge { client, proof })
}

/// The answer to a CONNECT whose client id is not to be had. The device is told on its errors
/// topic too: who is refused may not be the one whose owner looks.
pub(super) fn tell_taken<S: MessageSink>(
    shared: &Shared<S>,
    hello: &Hello,
    taken: Taken,
) -> Refused {
    let (counter, code, why) = match taken {
        Taken::ByDevice => (
            &shared.metrics.takeovers_refused,
            code::NOT_AUTHORISED,
            "this client id belongs to a device that proved who it is: show its token",
        ),
        Taken::TooOften => (
            &shared.metrics.takeovers_slowed,
            code::BUSY,
            "another connection with this client id pushes this one out again and again: two \
             devices have one id",
        ),
    };
    add(counter, 1);
    if taken == Taken::TooOften {
        let payload = serde_json::json!({
            "time": super::inbound::now().0,
            "severity": "error",
            "reason": "client_id_in_use",
            "detail": why,
        });
        let topic = format!("ioc/v1/devices/{}/errors", hello.client_id);
        shared.publications.publish(&topic, payload.to_string().into(), false);
    }
    Refused::new(hello.v5, code, "client id in use").with(why)
}

/// Closes the connections that a change of the registry has ended, within a second of it.
pub(super) async fn watch<S: MessageSink>(shared: Arc<Shared<S>>) {
    let mut changes = shared.registry.changes();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        for (badge, kick) in shared.sessions.online() {
            if !badge.holds(&shared.registry) {
                add(&shared.metrics.evicted, 1);
                tracing::info!(client = &*badge.client.id, "connection ended by the registry");
                kick.evict();
            }
        }
        // A list that is imported device by device must not cost a look each.
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(GAP) => {}
        }
    }
}
