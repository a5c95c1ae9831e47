//! Every way to get in without being let in.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::provider::{FakeProvider, Signer, b64};
use super::*;

const MINUTE: i64 = 60_000;

/// Takes the code back as another browser, or in another way.
async fn back_as(world: &World, change: impl FnOnce(&mut Browser, &mut Back)) -> Landed {
    let mut browser = world.browser();
    let mut back = world.provider.sign_in(&browser.begin("vneid").await);
    change(&mut browser, &mut back);
    browser.come_back(&back).await
}

#[tokio::test]
async fn a_state_without_the_browser_that_began_is_worth_nothing() {
    let world = World::start().await;
    let landed = back_as(&world, |browser, _| browser.cookie = None).await;
    assert_eq!(landed.refusal(), "oidc_expired");
    for state in ["", "x", "' OR 1=1", &"A".repeat(43)] {
        let landed = back_as(&world, |_, back| back.state = state.replace(' ', "+")).await;
        assert_eq!(landed.refusal(), "oidc_expired", "{state}");
    }
    // A link with somebody else's code and state, opened in a browser that began one of its own:
    // signing a person in as another.
    let mut attacker = world.browser();
    let theirs = world.provider.sign_in(&attacker.begin("vneid").await);
    let landed = back_as(&world, |_, back| *back = theirs.clone()).await;
    assert_eq!(landed.refusal(), "oidc_expired");
    assert_eq!(world.provider.asked("/token"), 0, "no code went anywhere");
    assert!(names(&world).is_empty());
    world.stop().await;
}

#[tokio::test]
async fn the_way_back_is_open_for_ten_minutes_and_once() {
    let world = World::start().await;
    let mut browser = world.browser();
    let back = world.provider.sign_in(&browser.begin("vneid").await);
    world.advance(10 * MINUTE);
    assert_eq!(browser.come_back(&back).await.refusal(), "oidc_expired");
    assert_eq!(world.provider.asked("/token"), 0);

    let mut browser = world.browser();
    let back = world.provider.sign_in(&browser.begin("vneid").await);
    let cookie = browser.cookie.clone();
    world.advance(10 * MINUTE - 1);
    assert!(browser.come_back(&back).await.session.is_some());
    browser.cookie = cookie;
    assert_eq!(browser.come_back(&back).await.refusal(), "oidc_expired");
    assert_eq!(world.provider.asked("/token"), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_code_is_of_no_use_in_another_sign_in() {
    let world = World::start().await;
    // Stolen before it was used: the verifier of PKCE is another browser's.
    let mut victim = world.browser();
    let stolen = world.provider.sign_in(&victim.begin("vneid").await);
    let landed = back_as(&world, |_, back| back.code = stolen.code.clone()).await;
    assert_eq!(landed.refusal(), "oidc_declined");
    // Stolen after it was used.
    let mut victim = world.browser();
    let used = world.provider.sign_in(&victim.begin("vneid").await);
    assert!(victim.come_back(&used).await.session.is_some());
    let landed = back_as(&world, |_, back| back.code = used.code.clone()).await;
    assert_eq!(landed.refusal(), "oidc_declined");
    for code in ["", "%00", &"c".repeat(5_000)] {
        let landed = back_as(&world, |_, back| back.code = code.into()).await;
        assert_eq!(landed.refusal(), "oidc_expired", "{}", code.len());
    }
    world.stop().await;
}

#[tokio::test]
async fn a_token_that_does_not_say_the_right_things_is_refused() {
    let s = NOON / 1_000;
    let wrong: Vec<(&str, Value)> = vec![
        ("nonce", json!("another")),
        ("nonce", json!("")),
        ("nonce", json!(null)),
        ("aud", json!("another")),
        ("aud", json!([])),
        ("aud", json!(["ioc", "another"])),
        ("aud", json!({ "ioc": true })),
        ("azp", json!("another")),
        ("iss", json!("https://accounts.example.vn")),
        ("iss", json!(null)),
        ("sub", json!("")),
        ("sub", json!(null)),
        ("sub", json!("x".repeat(256))),
        ("sub", json!("a\nb")),
        ("exp", json!(s - 60)),
        ("exp", json!(null)),
        ("exp", json!("never")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("iat", json!(s + 61)),
        ("iat", json!(s - 61)),
        ("iat", json!(null)),
        ("nbf", json!(s + 61)),
        // CVE-2026-25537 of another implementation: of a wrong type, and taken as absent.
        ("nbf", json!("99999999999")),
        ("exp", json!({})),
        ("auth_time", json!(s + 61)),
    ];
    let world = World::start().await;
    for (claim, value) in wrong {
        let (of, held) = (claim.to_owned(), value.clone());
        world.provider.script().make = Some(Box::new(move |signer, header, mut claims| {
            claims[&of] = held.clone();
            signer.token(&header, &claims)
        }));
        assert_eq!(world.sign_in().await.refusal(), "oidc_failed", "{claim}: {value}");
        world.server.clock.store(NOON, Relaxed);
        unslow(&world);
    }
    // The issuer with a slash at its end is another one.
    let issuer = format!("{}/", world.provider.issuer);
    world.provider.script().person["iss"] = json!(issuer);
    world.provider.script().make = None;
    assert_eq!(world.sign_in().await.refusal(), "oidc_failed");
    // At the limits, and with several audiences of which it is meant for us.
    let person = json!({ "sub": "1", "groups": "ioc-readers", "exp": s - 59, "iat": s - 59,
                         "nbf": s + 60, "aud": ["another", "ioc"], "azp": "ioc" });
    world.provider.script().person = person;
    let landed = world.sign_in().await;
    assert!(landed.session.is_some(), "{landed:?}");
    world.stop().await;
}

/// Attempts of one address come back with time; tests make more than a person.
fn unslow(world: &World) {
    world.server.auth.forget_attempts();
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_sign_is_refused() {
    let world = World::start().await;
    let rsa = Arc::new(Signer::rsa("r1"));
    world.provider.script().signer = Arc::clone(&rsa);
    let key = rsa.jwk();
    let bytes = |name: &str| key[name].as_str().expect("text").to_owned();
    let public = key.to_string();
    type Make = Box<dyn Fn(&Signer, Value, Value) -> String + Send>;
    let none = |alg: &'static str| -> Make {
        Box::new(move |_, mut header, claims| {
            header["alg"] = json!(alg);
            format!("{}.{}.", b64(header.to_string()), b64(claims.to_string()))
        })
    };
    let keyed = |secret: Vec<u8>| -> Make {
        Box::new(move |signer, _, claims| signer.hs256(&secret, &claims))
    };
    let header = |name: &'static str, value: Value| -> Make {
        Box::new(move |signer, mut header, claims| {
            header[name] = value.clone();
            signer.token(&header, &claims)
        })
    };
    let forger = Arc::new(Signer::p256("r1"));
    let forged = Arc::clone(&forger);
    let inside = Arc::clone(&forger);
    let other = Arc::new(Signer::ed25519("r1"));
    let attacks: Vec<(&str, Make)> = vec![
        ("none", none("none")),
        ("None", none("None")),
        ("nOnE", none("nOnE")),
        ("empty alg", none("")),
        ("signature taken away", none("RS256")),
        ("HS256, the public key as JWK", keyed(public.clone().into_bytes())),
        ("HS256, the modulus", keyed(bytes("n").into_bytes())),
        ("HS256, nothing", keyed(Vec::new())),
        ("RS384", header("alg", json!("RS384"))),
        ("PS256", header("alg", json!("PS256"))),
        ("ES256 with an RSA key", header("alg", json!("ES256"))),
        ("alg of another type", header("alg", json!(["RS256"]))),
        ("crit", header("crit", json!(["exp"]))),
        ("b64", header("b64", json!(false))),
        ("an access token", header("typ", json!("at+jwt"))),
        ("a logout token", header("typ", json!("logout+jwt"))),
        (
            "a stranger's key of the same name",
            Box::new(move |_, mut header, claims| {
                header["alg"] = json!("ES256");
                forged.token(&header, &claims)
            }),
        ),
        (
            "its key inside",
            Box::new(move |_, mut header, claims| {
                header["alg"] = json!("ES256");
                header["jwk"] = inside.jwk();
                header["jku"] = json!("https://evil.example/keys");
                inside.token(&header, &claims)
            }),
        ),
        (
            "another kind of key",
            Box::new(move |_, mut header, claims| {
                header["alg"] = json!("EdDSA");
                other.token(&header, &claims)
            }),
        ),
        (
            "claims exchanged",
            Box::new(|signer, header, mut claims| {
                let token = signer.token(&header, &claims);
                claims["groups"] = json!(["ioc-admins"]);
                let parts: Vec<&str> = token.split('.').collect();
                format!("{}.{}.{}", parts[0], b64(claims.to_string()), parts[2])
            }),
        ),
        (
            "a bit of the signature",
            Box::new(|signer, header, claims| {
                let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
                let mut signature = signer.sign(signed.as_bytes());
                signature[7] ^= 1;
                format!("{signed}.{}", b64(signature))
            }),
        ),
        ("padding", Box::new(|s, h, c| format!("{}=", s.token(&h, &c)))),
        ("white space", Box::new(|s, h, c| format!("{} ", s.token(&h, &c)))),
        ("five parts", Box::new(|s, h, c| format!("{}.a.b", s.token(&h, &c)))),
        ("no token", Box::new(|_, _, _| "x".into())),
        ("nothing", Box::new(|_, _, _| String::new())),
        ("too large", Box::new(|_, _, _| "a.".repeat(60_000))),
    ];
    for (name, make) in attacks {
        world.provider.script().make = Some(make);
        assert_eq!(world.sign_in().await.refusal(), "oidc_failed", "{name}");
        unslow(&world);
    }
    assert!(names(&world).is_empty());
    world.provider.script().make = None;
    assert!(world.sign_in().await.session.is_some(), "and the right one is taken");
    world.stop().await;
}

#[tokio::test]
async fn a_new_key_is_asked_for_at_most_once_a_minute() {
    let world = World::start().await;
    assert!(world.sign_in().await.session.is_some());
    assert_eq!(world.provider.asked("/keys"), 1);
    // The provider takes a new key at once: within the minute nobody asks again.
    world.provider.script().signer = Arc::new(Signer::p256("k2"));
    for _ in 0..3 {
        assert_eq!(world.sign_in().await.refusal(), "oidc_failed");
    }
    assert_eq!(world.provider.asked("/keys"), 1);
    world.advance(MINUTE);
    assert!(world.sign_in().await.session.is_some());
    assert_eq!(world.provider.asked("/keys"), 2);
    // What the old key signs is not believed any more.
    let old = Arc::new(Signer::p256("k1"));
    let new = world.provider.script().signer.jwk();
    world.provider.script().published = Some(vec![new]);
    world.provider.script().signer = old;
    world.advance(MINUTE);
    assert_eq!(world.sign_in().await.refusal(), "oidc_failed");
    assert_eq!(world.provider.asked("/keys"), 3);
    // A flood of made-up names of keys asks no more often.
    for _ in 0..5 {
        world.sign_in().await.refusal();
    }
    assert_eq!(world.provider.asked("/keys"), 3);
    assert_eq!(world.provider.asked("/.well-known/openid-configuration"), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawn_key_holds_for_an_hour_at_most() {
    let world = World::start().await;
    assert!(world.sign_in().await.session.is_some());
    world.provider.script().published = Some(vec![Signer::p256("k2").jwk()]);
    world.advance(60 * MINUTE);
    assert_eq!(world.sign_in().await.refusal(), "oidc_failed");
    world.stop().await;
}

#[tokio::test]
async fn without_a_name_there_must_be_no_choice_of_keys() {
    let world = World::start().await;
    world.provider.script().make = Some(Box::new(|signer, mut header, claims| {
        header.as_object_mut().expect("an object").remove("kid");
        signer.token(&header, &claims)
    }));
    let own = world.provider.script().signer.jwk();
    let mut encrypts = Signer::p256("k8").jwk();
    encrypts["use"] = json!("enc");
    let of_another_kind = Signer::ed25519("k9").jwk();
    world.provider.script().published = Some(vec![encrypts, of_another_kind, own.clone()]);
    assert!(world.sign_in().await.session.is_some(), "one of its kind");
    world.provider.script().published = Some(vec![own, Signer::p256("k2").jwk()]);
    world.advance(60 * MINUTE);
    assert_eq!(world.sign_in().await.refusal(), "oidc_failed", "two of its kind");
    world.stop().await;
}

#[tokio::test]
async fn keys_that_are_broken_or_weak_are_left_out() {
    let world = World::start().await;
    let own = world.provider.script().signer.jwk();
    let mut short = own.clone();
    short["x"] = json!("AA");
    let mut bent = own.clone();
    bent["crv"] = json!("P-384");
    let strange =
        vec![json!(7), json!({}), json!({ "kty": "oct", "kid": "k1", "k": "AAAA" }), short, bent];
    world.provider.script().published = Some(strange.clone());
    assert_eq!(world.sign_in().await.refusal(), "oidc_failed");
    world.advance(MINUTE);
    world.provider.script().published = Some([strange, vec![own]].concat());
    assert!(world.sign_in().await.session.is_some());
    world.stop().await;
}

#[tokio::test]
async fn two_providers_are_not_mixed_up() {
    let evil = FakeProvider::start(NOON).await;
    let mut second = config(&evil);
    second.id = "evil".into();
    let world = World::with(move |config| config.oidc.push(second)).await;
    // The person began at the honest provider; the dishonest one answers with its own code.
    let mut browser = world.browser();
    let honest = world.provider.sign_in(&browser.begin("vneid").await);
    let code = evil.sign_in(&browser_location(&world, "evil").await).code;
    let path = format!(
        "/signin/oidc/callback?code={code}&state={}&iss={}",
        honest.state,
        evil.issuer.replace(':', "%3A").replace('/', "%2F")
    );
    assert_eq!(browser.go(&path).await.refusal(), "oidc_failed");
    assert_eq!((evil.asked("/token"), world.provider.asked("/token")), (0, 0));
    // A provider that says it names itself, and does not this time.
    world.provider.script().metadata =
        json!({ "authorization_response_iss_parameter_supported": true });
    world.advance(60 * MINUTE);
    let landed = back_as(&world, |_, _| {}).await;
    assert_eq!(landed.refusal(), "oidc_failed");
    assert_eq!(world.provider.asked("/token"), 0);
    // The dishonest one signs a token in the honest one's name, for its own sign-in.
    evil.script().issuer = evil.issuer.clone();
    evil.script().person["iss"] = json!(world.provider.issuer);
    evil.advance(60 * MINUTE);
    let mut browser = world.browser();
    let back = evil.sign_in(&browser.begin("evil").await);
    assert_eq!(browser.come_back(&back).await.refusal(), "oidc_failed");
    // The same `sub` of two providers are two people.
    evil.script().person = json!({ "sub": "1", "groups": ["ioc-readers"] });
    let mut browser = world.browser();
    let back = evil.sign_in(&browser.begin("evil").await);
    assert!(browser.come_back(&back).await.session.is_some());
    world.provider.script().metadata = json!({});
    world.advance(60 * MINUTE);
    world.provider.script().person = json!({ "sub": "1", "groups": ["ioc-readers"] });
    assert!(world.sign_in().await.session.is_some());
    assert_eq!(names(&world), ["evil:user", "vneid:user"]);
    world.stop().await;
}

async fn browser_location(world: &World, provider: &str) -> String {
    world.browser().begin(provider).await
}

#[tokio::test]
async fn a_provider_that_says_no_is_believed() {
    let world = World::start().await;
    for error in ["access_denied", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "login_required"] {
        let mut browser = world.browser();
        let back = world.provider.sign_in(&browser.begin("vneid").await);
        let (code, state) = (&back.code, &back.state);
        let path = format!("/signin/oidc/callback?error={error}&code={code}&state={state}");
        assert_eq!(browser.go(&path).await.refusal(), "oidc_declined");
    }
    assert_eq!(world.provider.asked("/token"), 0);
    world.stop().await;
}

#[tokio::test]
async fn guesses_are_slowed_by_address() {
    let world = World::start().await;
    let client = world.server.stranger();
    let mut answers = Vec::new();
    for _ in 0..25 {
        let path = "/signin/oidc/callback?code=a&state=b";
        answers.push(client.request("GET", path).send().await.expect("answers").status().as_u16());
    }
    assert_eq!(answers[..20], [303; 20]);
    assert_eq!(answers[20..], [429; 5]);
    world.stop().await;
}
