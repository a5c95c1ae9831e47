/// MQTT 5 reason codes the gateway uses (MQTT 5, table 2-6).
pub(super) mod code {
    pub(in crate::gateway) const SUCCESS: u8 = 0x00;
    pub(in crate::gateway) const DISCONNECT_WITH_WILL: u8 = 0x04;
    pub(in crate::gateway) const NO_SUBSCRIPTION: u8 = 0x11;
    pub(in crate::gateway) const UNSPECIFIED: u8 = 0x80;
    pub(in crate::gateway) const MALFORMED: u8 = 0x81;
    pub(in crate::gateway) const PROTOCOL_ERROR: u8 = 0x82;
    pub(in crate::gateway) const VERSION: u8 = 0x84;
    pub(in crate::gateway) const BAD_CLIENT_ID: u8 = 0x85;
    pub(in crate::gateway) const BAD_CREDENTIALS: u8 = 0x86;
    pub(in crate::gateway) const NOT_AUTHORISED: u8 = 0x87;
    pub(in crate::gateway) const BUSY: u8 = 0x89;
    pub(in crate::gateway) const SHUTTING_DOWN: u8 = 0x8B;
    pub(in crate::gateway) const BAD_AUTH_METHOD: u8 = 0x8C;
    pub(in crate::gateway) const KEEP_ALIVE: u8 = 0x8D;
    pub(in crate::gateway) const TAKEN_OVER: u8 = 0x8E;
    pub(in crate::gateway) const BAD_FILTER: u8 = 0x8F;
    pub(in crate::gateway) const BAD_TOPIC: u8 = 0x90;
    pub(in crate::gateway) const ID_NOT_FOUND: u8 = 0x92;
    pub(in crate::gateway) const RECEIVE_MAXIMUM: u8 = 0x93;
    pub(in crate::gateway) const TOPIC_ALIAS: u8 = 0x94;
    pub(in crate::gateway) const TOO_LARGE: u8 = 0x95;
    pub(in crate::gateway) const QUOTA: u8 = 0x97;
    pub(in crate::gateway) const ADMINISTRATIVE: u8 = 0x98;
    pub(in crate::gateway) const BAD_PAYLOAD: u8 = 0x99;
    pub(in crate::gateway) const NO_SHARED: u8 = 0x9E;
    pub(in crate::gateway) const CONNECTION_RATE: u8 = 0x9F;
    pub(in crate::gateway) const NO_SUBSCRIPTION_IDS: u8 = 0xA1;
}

/// A rule of the protocol was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Reason code for the DISCONNECT.
    pub(super) code: u8,
    /// What, for the log.
    pub(super) what: &'static str,
}

impl Broken {
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self { code: code::MALFORMED, what }
    }

    pub(super) const fn protocol(what: &'static str) -> Self {
        Self { code: code::PROTOCOL_ERROR, what }
    }
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// DISCONNECT: the will is dropped.
    Client,
    /// DISCONNECT with "publish my will".
    ClientWithWill,
    /// The socket closed or failed.
    Lost,
    /// The client broke the protocol.
    Broken(Broken),
    /// A newer connection has the client id.
    TakenOver,
    /// The client's certificate was revoked.
    Revoked,
    /// The registry no longer lets it in: blocked, removed, its token revoked.
    Evicted,
    /// Nothing came for 1.5 × keep-alive.
    KeepAlive,
    /// The client does not read.
    NotReading,
    /// The intake or a commit failed; nothing more can be acknowledged here.
    Sink,
    /// The gateway stops.
    Stopped,
}

impl End {
    /// The reason code to tell an MQTT 5 client, if it is to be told.
    pub(super) fn reason(&self) -> Option<u8> {
        Some(match self {
            Self::Client | Self::ClientWithWill | Self::Lost | Self::NotReading => return None,
            Self::Broken(broken) => broken.code,
            Self::TakenOver => code::TAKEN_OVER,
            Self::Revoked => code::ADMINISTRATIVE,
            Self::Evicted => code::NOT_AUTHORISED,
            Self::KeepAlive => code::KEEP_ALIVE,
            Self::Sink => code::UNSPECIFIED,
            Self::Stopped => code::SHUTTING_DOWN,
        })
    }

    /// The same in words.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Client | Self::ClientWithWill | Self::Lost | Self::NotReading => "",
            Self::Broken(broken) => broken.what,
            Self::TakenOver => "another connection has this client id",
            Self::Evicted => "this device is blocked or removed, or its token is revoked",
            Self::Revoked => "the certificate is revoked",
            Self::KeepAlive => "nothing came within 1.5 times the keep-alive",
            Self::Sink => "what was sent could not be written; send it again",
            Self::Stopped => "the gateway stops",
        }
    }

    /// Whether the client's will is to be published. Not at our own stop: the device is well.
    pub(super) fn publishes_will(&self) -> bool {
        !matches!(self, Self::Client | Self::Stopped)
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}
