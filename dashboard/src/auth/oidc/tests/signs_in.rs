//! The good way, and whose account it is.

use std::sync::Arc;

use super::provider::Signer;
use super::*;

#[tokio::test]
async fn a_person_signs_in_and_may_do_what_their_groups_may() {
    let world = World::start().await;
    let mut browser = world.browser();
    let location = browser.begin("vneid").await;
    assert!(location.starts_with(&format!("{}/auth?", world.provider.issuer)), "{location}");
    let back = world.provider.sign_in(&location);
    assert_eq!(back.redirect, format!("{}/signin/oidc/callback", world.server.origin()));
    assert_eq!(back.query["client_id"], "ioc");
    assert_eq!(back.query["scope"], "openid profile");
    assert!(!back.query.contains_key("prompt"));
    let landed = browser.come_back(&back).await;
    assert_eq!(landed.place, "/");
    assert_eq!(browser.cookie, None, "the cookie of the way is gone");
    let (status, answer) = who(&world, &landed).await;
    assert_eq!(status, 200);
    assert_eq!(answer["user"], "vneid:lan");
    assert_eq!(
        answer["grants"],
        json!([{ "role": "operator", "areas": ["son_tra"], "services": null }])
    );
    world.stop().await;
}

#[tokio::test]
async fn the_three_algorithms_are_understood() {
    let signers = [Signer::rsa("r1"), Signer::p256("p1"), Signer::ed25519("e1")];
    for signer in signers {
        let world = World::start().await;
        let alg = signer.alg();
        world.provider.script().signer = Arc::new(signer);
        let landed = world.sign_in().await;
        assert!(landed.session.is_some(), "{alg}: {landed:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn the_cookie_of_the_way_is_lax_and_bound_to_the_host() {
    let world = World::start().await;
    let mut browser = world.browser();
    let landed = browser.go("/signin/oidc?provider=vneid").await;
    let [cookie] = &landed.cookies[..] else { unreachable!("{landed:?}") };
    assert!(cookie.starts_with("ioc_oidc="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    world.stop().await;

    let public = |config: &mut DashboardConfig| {
        config.allowed_origins = vec!["http://10.0.0.1".into(), "https://ioc.example.vn".into()];
    };
    let world = World::with(public).await;
    let mut browser = world.browser();
    let landed = browser.go("/signin/oidc?provider=vneid").await;
    let cookie = &landed.cookies[0];
    assert!(cookie.starts_with("__Host-ioc-oidc="), "{cookie}");
    assert!(cookie.contains("; Secure;") && !cookie.contains("Domain"), "{cookie}");
    let back = world.provider.sign_in(&landed.place);
    assert_eq!(back.redirect, "https://ioc.example.vn/signin/oidc/callback");
    assert!(browser.come_back(&back).await.session.is_some());
    world.stop().await;
}

#[tokio::test]
async fn the_account_is_known_by_issuer_and_subject_and_nothing_else() {
    let world = World::start().await;
    world.sign_in().await;
    assert_eq!(names(&world), ["vneid:lan"]);
    // Another name and mail of the same person.
    world.provider.script().person["preferred_username"] = json!("lan.nguyen");
    world.provider.script().person["email"] = json!("lan.nguyen@danang.gov.vn");
    let (_, answer) = who(&world, &world.sign_in().await).await;
    assert_eq!(answer["user"], "vneid:lan");
    // Somebody else with their name and mail.
    let other = json!({ "sub": "other", "preferred_username": "lan", "groups": ["ioc-readers"],
                        "email": "lan.nguyen@danang.gov.vn", "email_verified": true });
    world.provider.script().person = other;
    let (_, answer) = who(&world, &world.sign_in().await).await;
    assert_eq!(answer["user"], "vneid:lan-2");
    assert_eq!(names(&world), ["vneid:lan", "vneid:lan-2"]);
    world.stop().await;
}

#[tokio::test]
async fn a_local_user_of_the_same_name_is_never_taken_over() {
    let world = World::start().await;
    for name in ["lan", "vneid:lan", "admin"] {
        let auth = Arc::clone(&world.server.auth);
        let add = move || auth.add_user(name, crate::testing::PASSWORD, Role::Administrator);
        tokio::task::spawn_blocking(add).await.expect("no panic").expect("adds");
    }
    for wished in ["lan", "vneid:lan", "admin", "../admin", "admin\u{0}", "ADMIN", ""] {
        world.provider.script().person["preferred_username"] = json!(wished);
        world.provider.script().person["sub"] = json!(format!("sub of {wished:?}"));
        let landed = world.sign_in().await;
        let (_, answer) = who(&world, &landed).await;
        let user = answer["user"].as_str().expect("a name").to_owned();
        assert!(user.starts_with("vneid:") && user != "vneid:lan", "{wished:?}: {user}");
        assert_eq!(answer["role"], "operator", "{wished:?}");
        world.advance(60_000);
    }
    let users = world.server.auth.list().expect("lists");
    for user in users.iter().filter(|u| ["lan", "vneid:lan", "admin"].contains(&&*u.name)) {
        assert_eq!(user.grants, [crate::Grant::city(Role::Administrator)], "{user:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn no_password_opens_the_account_of_a_provider() {
    let world = World::start().await;
    world.sign_in().await;
    for password in ["", "a", "AAAAAAAA", crate::testing::PASSWORD] {
        let body = json!({ "user": "vneid:lan", "password": password });
        let (status, _) = world.browser().client.post("/api/v1/session", &body).await;
        assert!(status == 401 || status == 429, "{password:?}: {status}");
    }
    world.stop().await;
}

#[tokio::test]
async fn groups_count_anew_at_every_sign_in() {
    let world = World::start().await;
    world.provider.script().person["groups"] = groups(&["ioc-admins", "ioc-readers", "others"]);
    let first = world.sign_in().await;
    let (_, answer) = who(&world, &first).await;
    assert_eq!(answer["grants"].as_array().expect("a list").len(), 2);
    assert!(answer["can"].to_string().contains("people"));
    // One group less: also the session of before has less.
    world.provider.script().person["groups"] = groups(&["ioc-readers"]);
    let second = world.sign_in().await;
    for landed in [&first, &second] {
        let (_, answer) = who(&world, landed).await;
        assert_eq!(answer["role"], "viewer");
        assert!(!answer["can"].to_string().contains("people"));
    }
    // None left: refused, and what there was has ended.
    world.provider.script().person["groups"] = groups(&["ioc-Readers", "ioc-readers "]);
    assert_eq!(world.sign_in().await.refusal(), "oidc_no_group");
    for landed in [&first, &second] {
        assert_eq!(who(&world, landed).await.0, 401);
    }
    let users = world.server.auth.list().expect("lists");
    assert_eq!(users[0].grants, []);
    world.stop().await;
}

#[tokio::test]
async fn who_is_in_no_group_gets_no_account() {
    let world = World::start().await;
    for claim in [json!([]), json!("others"), json!(null), json!({ "ioc-admins": true }), json!(7)]
    {
        world.provider.script().person["groups"] = claim;
        assert_eq!(world.sign_in().await.refusal(), "oidc_no_group");
    }
    assert!(names(&world).is_empty());
    world.stop().await;
}

#[tokio::test]
async fn groups_are_found_where_the_settings_say() {
    let world = World::with(|config| {
        config.oidc[0].groups_claim = "/realm_access/roles".into();
    });
    let world = world.await;
    world.provider.script().person["realm_access"] = json!({ "roles": ["ioc-readers"] });
    let (_, answer) = who(&world, &world.sign_in().await).await;
    assert_eq!(answer["role"], "viewer");
    world.stop().await;
}

#[tokio::test]
async fn a_disabled_account_stays_closed() {
    let world = World::start().await;
    let landed = world.sign_in().await;
    let auth = Arc::clone(&world.server.auth);
    let disable = move || auth.disable("vneid:lan");
    tokio::task::spawn_blocking(disable).await.expect("no panic").expect("disables");
    assert_eq!(who(&world, &landed).await.0, 401);
    assert_eq!(world.sign_in().await.refusal(), "oidc_disabled");
    world.stop().await;
}

#[tokio::test]
async fn the_client_shows_its_secret_as_the_provider_takes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "s3:cret+/ %\n").expect("writes");
    let in_form = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    for metadata in [json!({}), in_form] {
        let path = file.clone();
        let world = World::with(move |config| config.oidc[0].secret_file = Some(path)).await;
        world.provider.script().metadata = metadata.clone();
        assert!(world.sign_in().await.session.is_some());
        let line = world.provider.script().authorization[0].clone();
        let form = world.provider.script().forms[0].clone();
        let basic = "Basic aW9jOnMzJTNBY3JldCUyQiUyRiUyMCUyNQ==";
        if metadata == json!({}) {
            assert_eq!(line, basic);
            assert!(!form.contains("secret"), "{form}");
        } else {
            assert_eq!(line, "");
            assert!(form.contains("client_secret=s3%3Acret"), "{form}");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_new_client_secret_holds_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "old").expect("writes");
    let path = file.clone();
    let world = World::with(move |config| config.oidc[0].secret_file = Some(path)).await;
    world.provider.script().secret = Some("new".into());
    assert_eq!(world.sign_in().await.refusal(), "oidc_declined");
    std::fs::write(&file, "new").expect("writes");
    assert!(world.sign_in().await.session.is_some());
    std::fs::remove_file(&file).expect("removes");
    assert_eq!(world.sign_in().await.refusal(), "oidc_failed");
    world.stop().await;
}

#[tokio::test]
async fn what_shows_who_they_are_is_looked_at() {
    let strict = |config: &mut DashboardConfig| {
        config.oidc[0].acr_values = vec!["urn:2fa".into()];
        config.oidc[0].required_acr = vec!["urn:2fa".into()];
        config.oidc[0].required_amr = vec!["otp".into(), "hwk".into()];
    };
    let world = World::with(strict).await;
    let cases = [
        (json!(null), json!([]), false),
        (json!("urn:pwd"), json!(["otp"]), false),
        (json!("urn:2fa"), json!(["pwd"]), false),
        (json!("urn:2fa"), json!(["pwd", "hwk"]), true),
    ];
    for (acr, amr, good) in cases {
        world.provider.script().person["acr"] = acr.clone();
        world.provider.script().person["amr"] = amr.clone();
        let mut browser = world.browser();
        let back = world.provider.sign_in(&browser.begin("vneid").await);
        assert_eq!(back.query["acr_values"], "urn:2fa");
        let landed = browser.come_back(&back).await;
        assert_eq!(landed.session.is_some(), good, "{acr} {amr}: {landed:?}");
        assert!(good || landed.refusal() == "oidc_too_weak");
    }
    world.stop().await;
}

#[tokio::test]
async fn who_is_to_confirm_must_have_shown_themselves_just_now() {
    let world = World::start().await;
    let minutes = 60_000;
    world.advance(30 * minutes);
    let now = world.server.clock.load(std::sync::atomic::Ordering::Relaxed) / 1_000;
    for (auth_time, good) in [(json!(null), false), (json!(now - 1_200), false), (json!(now), true)]
    {
        world.provider.script().person["auth_time"] = auth_time.clone();
        let mut browser = world.browser();
        let location = browser.go("/signin/oidc?provider=vneid&confirm=1").await.place;
        let back = world.provider.sign_in(&location);
        assert_eq!((&*back.query["prompt"], &*back.query["max_age"]), ("login", "0"));
        let landed = browser.come_back(&back).await;
        assert_eq!(landed.session.is_some(), good, "{auth_time}: {landed:?}");
    }
    world.stop().await;
}
