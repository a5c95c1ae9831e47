//! A sign-in from the browser's first step to the session, and every way to cheat in it.

mod provider;
mod refused;
mod safe;
mod signs_in;

use std::sync::atomic::Ordering::Relaxed;

use provider::{Back, FakeProvider};
use serde_json::{Value, json};

use super::{GroupGrant, OidcConfig};
use crate::testing::{Client, NOON, Server, text};
use crate::{DashboardConfig, Role};

/// The settings of a provider as `vneid`.
fn config(provider: &FakeProvider) -> OidcConfig {
    let group = |group: &str, role, areas: Option<&[&str]>| GroupGrant {
        group: group.into(),
        role,
        areas: areas.map(|a| a.iter().map(|a| (*a).into()).collect()),
        services: None,
    };
    OidcConfig {
        id: "vneid".into(),
        name: text("VNeID"),
        issuer: provider.issuer.clone(),
        client_id: "ioc".into(),
        secret_file: None,
        secret_env: None,
        scopes: vec!["profile".into()],
        groups_claim: "groups".into(),
        name_claim: "preferred_username".into(),
        endpoints: Vec::new(),
        ca_file: None,
        acr_values: Vec::new(),
        required_acr: Vec::new(),
        required_amr: Vec::new(),
        timeout_s: 10,
        groups: vec![
            group("ioc-operators", Role::Operator, Some(&["son_tra"])),
            group("ioc-readers", Role::Viewer, None),
            group("ioc-admins", Role::Administrator, None),
        ],
    }
}

/// A server with one provider.
struct World {
    server: Server,
    provider: FakeProvider,
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut DashboardConfig)) -> Self {
        let provider = FakeProvider::start(NOON).await;
        let one = config(&provider);
        let server = Server::with(1, |config| {
            config.oidc = vec![one];
            change(config);
        });
        Self { server: server.await, provider }
    }

    fn browser(&self) -> Browser {
        Browser { client: self.server.stranger(), cookie: None }
    }

    fn advance(&self, ms: i64) {
        self.provider.advance(ms);
        self.server.clock.fetch_add(ms, Relaxed);
    }

    /// The whole way; where the browser ends, and its session.
    async fn sign_in(&self) -> Landed {
        let mut browser = self.browser();
        let back = self.provider.sign_in(&browser.begin("vneid").await);
        browser.come_back(&back).await
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

/// Where a browser ends.
#[derive(Debug)]
struct Landed {
    place: String,
    session: Option<String>,
    cookies: Vec<String>,
}

impl Landed {
    /// The word for the page, of a refusal; and that there is no session.
    fn refusal(&self) -> &str {
        assert_eq!(self.session, None, "{self:?}");
        self.place.strip_prefix("/?signin=").expect("a refusal")
    }
}

/// A browser with the cookie of a sign-in under way.
struct Browser {
    client: Client,
    cookie: Option<String>,
}

impl Browser {
    /// Goes to the provider: the address.
    async fn begin(&mut self, provider: &str) -> String {
        let path = format!("/signin/oidc?provider={provider}");
        let landed = self.go(&path).await;
        landed.place
    }

    async fn come_back(&mut self, back: &Back) -> Landed {
        let (code, state) = (&back.code, &back.state);
        self.go(&format!("/signin/oidc/callback?code={code}&state={state}")).await
    }

    async fn go(&mut self, path: &str) -> Landed {
        let mut request = self.client.request("GET", path);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let answer = request.send().await.expect("answers");
        assert_eq!(answer.status(), 303, "{path}");
        let text = |v: &reqwest::header::HeaderValue| v.to_str().expect("text").to_owned();
        let place = text(&answer.headers()["location"]);
        let cookies: Vec<String> =
            answer.headers().get_all("set-cookie").iter().map(text).collect();
        let mut session = None;
        for cookie in &cookies {
            let pair = cookie.split(';').next().expect("a pair");
            match pair.split_once('=').expect("a pair") {
                ("ioc_oidc" | "__Host-ioc-oidc", "") => self.cookie = None,
                ("ioc_oidc" | "__Host-ioc-oidc", _) => self.cookie = Some(pair.to_owned()),
                ("ioc_session", value) => session = Some(value.to_owned()),
                other => unreachable!("{other:?}"),
            }
        }
        Landed { place, session, cookies }
    }
}

/// What the server says of a session.
async fn who(world: &World, landed: &Landed) -> (u16, Value) {
    let client = Client { session: landed.session.clone(), ..world.server.stranger() };
    client.get("/api/v1/session").await
}

fn names(world: &World) -> Vec<String> {
    let users = world.server.auth.list().expect("lists");
    users.into_iter().map(|u| u.name).collect()
}

fn groups(names: &[&str]) -> Value {
    json!(names)
}
