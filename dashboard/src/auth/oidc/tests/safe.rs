//! A provider, or somebody who speaks for it, that is up to no good; and settings.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::provider::Answer;
use super::*;
use crate::auth::oidc::Oidc;

/// Somewhere requests must not go: counts who comes.
async fn forbidden() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Relaxed);
            let _ = stream.read(&mut [0; 1_024]).await;
        }
    });
    (format!("http://{address}"), came)
}

fn at(
    end: &'static str,
    answer: impl Fn() -> Answer + Send + 'static,
) -> impl Fn(&str) -> Option<Answer> {
    move |path: &str| path.ends_with(end).then(&answer)
}

#[tokio::test]
async fn redirects_of_a_provider_lead_nowhere() {
    let (elsewhere, came) = forbidden().await;
    for (end, status) in
        [("/openid-configuration", 302), ("/token", 307), ("/token", 308), ("/keys", 301)]
    {
        let world = World::start().await;
        let to = elsewhere.clone();
        let special = at(end, move || (status, vec![("location", to.clone())], Vec::new()));
        world.provider.script().special = Some(Box::new(special));
        let mut browser = world.browser();
        let mut landed = browser.go("/signin/oidc?provider=vneid").await;
        if !landed.place.starts_with("/?") {
            let back = world.provider.sign_in(&landed.place);
            landed = browser.come_back(&back).await;
        }
        assert_eq!(landed.refusal(), "oidc_failed", "{end}");
        world.stop().await;
    }
    assert_eq!(came.load(Relaxed), 0);
}

#[tokio::test]
async fn endpoints_elsewhere_are_not_used() {
    let (elsewhere, came) = forbidden().await;
    let port = |p: &World| p.provider.address.port();
    let world = World::start().await;
    let own = format!("127.0.0.1:{}", port(&world));
    let bad = [
        elsewhere.clone(),
        "https://evil.example/token".into(),
        format!("http://user:password@{own}/token"),
        format!("http://{own}.evil.example/token"),
        format!("http://{own}@evil.example/token"),
        format!("http://127.0.0.1/token?x={own}"),
        "file:///etc/passwd".into(),
        "javascript:alert(1)".into(),
        "//evil.example".into(),
        format!("http://{own}/token#x"),
        "http://169.254.169.254/latest/meta-data".into(),
        String::new(),
    ];
    for field in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        for address in &bad {
            world.provider.script().metadata = json!({ field: address });
            let landed = world.browser().go("/signin/oidc?provider=vneid").await;
            assert_eq!(landed.refusal(), "oidc_failed", "{field}: {address}");
            assert!(landed.cookies.is_empty());
            world.advance(5_000);
        }
    }
    assert_eq!(came.load(Relaxed), 0);
    world.stop().await;
}

#[tokio::test]
async fn what_a_provider_says_of_itself_must_fit() {
    let world = World::start().await;
    let plain = json!({ "code_challenge_methods_supported": ["plain"] });
    let bad = [json!({ "issuer": "https://other.example" }), plain, json!({ "jwks_uri": null })];
    for metadata in bad {
        world.provider.script().metadata = metadata.clone();
        let landed = world.browser().go("/signin/oidc?provider=vneid").await;
        assert_eq!(landed.refusal(), "oidc_failed", "{metadata}");
        world.advance(5_000);
    }
    for body in ["", "[]", "{", "<html>"] {
        let special = at("/openid-configuration", || (200, Vec::new(), body.into()));
        world.provider.script().special = Some(Box::new(special));
        let landed = world.browser().go("/signin/oidc?provider=vneid").await;
        assert_eq!(landed.refusal(), "oidc_failed", "{body}");
        world.advance(5_000);
    }
    world.stop().await;
}

#[tokio::test]
async fn answers_that_are_too_large_are_not_read_to_their_end() {
    for end in ["/openid-configuration", "/token", "/keys"] {
        let world = World::start().await;
        // Valid JSON if it were read: only its size is wrong.
        let body = || format!("{{\"x\":\"{}\"}}", "a".repeat(8 << 20)).into_bytes();
        world.provider.script().special =
            Some(Box::new(at(end, move || (200, Vec::new(), body()))));
        let mut browser = world.browser();
        let mut landed = browser.go("/signin/oidc?provider=vneid").await;
        if !landed.place.starts_with("/?") {
            let back = world.provider.sign_in(&landed.place);
            landed = browser.come_back(&back).await;
        }
        assert_eq!(landed.refusal(), "oidc_failed", "{end}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_holds_nobody_up() {
    for end in ["/openid-configuration", "/token", "/keys"] {
        let world = World::with(|config| config.oidc[0].timeout_s = 1).await;
        world.provider.script().silent = Some(end);
        let mut browser = world.browser();
        let mut landed = browser.go("/signin/oidc?provider=vneid").await;
        if !landed.place.starts_with("/?") {
            let back = world.provider.sign_in(&landed.place);
            landed = browser.come_back(&back).await;
        }
        assert_eq!(landed.refusal(), "oidc_unreachable", "{end}");
        world.provider.script().silent = None;
        world.advance(5_000);
        assert!(world.sign_in().await.session.is_some(), "{end}: it is there again");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_for_a_while() {
    let world = World::start().await;
    world.provider.script().special = Some(Box::new(|_: &str| Some((503, Vec::new(), Vec::new()))));
    let mut words = Vec::new();
    for _ in 0..10 {
        let landed = world.browser().go("/signin/oidc?provider=vneid").await;
        words.push(landed.refusal().to_owned());
    }
    assert_eq!(words[0], "oidc_failed");
    assert!(words[1..].iter().all(|w| w == "oidc_unreachable"), "{words:?}");
    assert_eq!(world.provider.asked("/openid-configuration"), 1);
    world.stop().await;
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_of_the_query() {
    let world = World::start().await;
    let evil = "https%3A%2F%2Fevil.example";
    let more = format!("next={evil}&redirect_uri={evil}&url=//evil.example&return=/%5cevil");
    let mut browser = world.browser();
    let landed = browser.go(&format!("/signin/oidc?provider=vneid&{more}")).await;
    assert!(landed.place.starts_with(&world.provider.issuer), "{landed:?}");
    assert!(!landed.place.contains("evil"), "{landed:?}");
    let back = world.provider.sign_in(&landed.place);
    let (code, state) = (&back.code, &back.state);
    let path = format!("/signin/oidc/callback?code={code}&state={state}&{more}");
    assert_eq!(browser.go(&path).await.place, "/");
    for provider in ["evil", "vneid%0d%0aLocation:%20x", "..", ""] {
        let request = world.server.stranger();
        let path = format!("/signin/oidc?provider={provider}");
        let answer = request.request("GET", &path).send().await.expect("answers");
        assert_eq!(answer.status(), 400, "{provider}");
        assert!(answer.headers().get("location").is_none());
    }
    let answer = world.server.stranger().request("GET", "/signin/oidc?provider=vneid");
    let answer = answer.header("host", "evil.example").send().await.expect("answers");
    assert_eq!(answer.status(), 403, "a rebound name does not become the way back");
    world.stop().await;
}

#[tokio::test]
async fn settings_that_would_be_unsafe_are_refused() {
    let provider = FakeProvider::start(NOON).await;
    let good = config(&provider);
    type Change = fn(&mut OidcConfig);
    let wrong: Vec<(&str, Change)> = vec![
        ("https", |c| c.issuer = "http://sso.danang.gov.vn".into()),
        ("https", |c| c.issuer = "http://127.0.0.1.evil.example".into()),
        ("https", |c| c.issuer = "ftp://sso.danang.gov.vn".into()),
        ("password", |c| c.issuer = "https://a:b@sso.danang.gov.vn".into()),
        ("query", |c| c.issuer = "https://sso.danang.gov.vn/?x=1".into()),
        ("issuer", |c| c.issuer = "sso".into()),
        ("`id`", |c| c.id = "A b".into()),
        ("`id`", |c| c.id = "a".repeat(17)),
        ("client_id", |c| c.client_id = String::new()),
        ("nobody", |c| c.groups.clear()),
        ("wall", |c| c.groups[0].role = Role::Wall),
        ("`endpoints`", |c| c.endpoints = vec!["https://x.example/y".into()]),
        ("`endpoints`", |c| c.endpoints = vec!["a@b.example".into()]),
        ("one of them", |c| {
            c.secret_file = Some("/x".into());
            c.secret_env = Some("X".into());
        }),
        ("secret", |c| c.secret_file = Some("/nowhere/secret".into())),
        ("secret", |c| c.secret_env = Some("IOC_NO_SUCH_VARIABLE".into())),
        ("ca_file", |c| c.ca_file = Some("/nowhere/ca.pem".into())),
        ("timeout_s", |c| c.timeout_s = 0),
        ("spaces", |c| c.scopes = vec!["a b".into()]),
    ];
    for (word, change) in wrong {
        let mut one = good.clone();
        change(&mut one);
        let all = DashboardConfig { oidc: vec![one], ..DashboardConfig::default() };
        let mistake = Oidc::new(&all).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(mistake.contains(word), "{word}: {mistake:?}");
    }
    let twice = DashboardConfig { oidc: vec![good.clone(), good.clone()], ..Default::default() };
    assert!(Oidc::new(&twice).is_err());
    let listen = "0.0.0.0:8080".parse().expect("an address");
    let mut outside = DashboardConfig { oidc: vec![good], listen, ..Default::default() };
    let mistake = Oidc::new(&outside).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(mistake.contains("allowed_origins"), "{mistake}");
    outside.allowed_origins = vec!["https://ioc.example.vn".into()];
    assert!(Oidc::new(&outside).is_ok());
}

#[tokio::test]
async fn groups_name_areas_and_services_that_there_are() {
    let provider = FakeProvider::start(NOON).await;
    let city = crate::testing::city(1);
    let mut one = config(&provider);
    assert_eq!(OidcConfig::mistakes(&[one.clone()], &city), Vec::<String>::new());
    one.groups[0].areas = Some(vec!["gone".into()]);
    one.groups[1].services = Some(vec!["air".into(), "witchcraft".into()]);
    let mistakes = OidcConfig::mistakes(&[one], &city);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].starts_with("dashboard.oidc vneid: group `ioc-operators`: no area `gone`"));
}
