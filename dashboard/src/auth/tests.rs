use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::*;

fn open(folder: &tempfile::TempDir) -> (Auth, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_761_588_000_000));
    let held = Arc::clone(&now);
    let clock: Clock = Arc::new(move || Timestamp(held.load(Relaxed)));
    (Auth::open_with_clock(&folder.path().join("users.sqlite"), clock).expect("opens"), now)
}

fn here() -> IpAddr {
    "127.0.0.1".parse().expect("an address")
}

#[test]
fn sessions_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, _) = open(&folder);
    auth.add_user("an", "mật khẩu riêng", Role::Operator).expect("adds");
    let link = auth.signin_link("an").expect("a link");
    let session = auth.sign_in_by_link(&link, here()).expect("signs in").token.text();
    drop(auth);
    let (auth, _) = open(&folder);
    let who = auth.who(&session).expect("reads");
    assert_eq!(who, Some(Identity::person("an", vec![Grant::city(Role::Operator)])));
}

#[test]
fn neither_sessions_nor_links_nor_passwords_are_stored_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, _) = open(&folder);
    auth.add_user("an", "mat khau rieng 7", Role::Viewer).expect("adds");
    let link = auth.signin_link("an").expect("a link");
    let session = auth.sign_in_by_link(&link, here()).expect("signs in").token.text();
    let second = auth.signin_link("an").expect("a link");
    drop(auth);
    for file in std::fs::read_dir(folder.path()).expect("lists") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("reads");
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|w| w == text);
        for secret in [&session, &second, "mat khau rieng 7"] {
            assert!(!holds(secret.as_bytes()));
        }
        for token in [&session, &second] {
            let raw: Vec<u8> = (0..64)
                .step_by(2)
                .map(|i| u8::from_str_radix(&token[i..i + 2], 16).expect("hex"))
                .collect();
            assert!(!holds(&raw));
        }
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let _open = open(&folder);
    let about = std::fs::metadata(folder.path().join("users.sqlite")).expect("exists");
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_link_ends_after_a_day_and_when_a_newer_one_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, now) = open(&folder);
    auth.add_user("an", "mật khẩu riêng", Role::Viewer).expect("adds");
    let first = auth.signin_link("an").expect("a link");
    let second = auth.signin_link("an").expect("a link");
    assert!(auth.sign_in_by_link(&first, here()).is_err());
    now.fetch_add(LINK_MS, Relaxed);
    assert!(auth.sign_in_by_link(&second, here()).is_err());
    assert!(auth.signin_link("nobody").is_err());
}

#[test]
fn the_last_administrator_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, _) = open(&folder);
    auth.add_user("a", "passwort von Anna", Role::Administrator).expect("adds");
    auth.add_user("b", "passwort von Bert", Role::Viewer).expect("adds");
    assert!(matches!(auth.disable("a"), Err(AuthError::LastAdministrator(_))));
    assert!(matches!(
        auth.set_grants("a", &[Grant::city(Role::Viewer)]),
        Err(AuthError::LastAdministrator(_))
    ));
    assert_eq!(
        auth.list().expect("lists")[0].grants,
        [Grant::city(Role::Administrator)],
        "nothing was changed"
    );
    auth.set_grants("b", &[Grant::city(Role::Administrator)]).expect("sets");
    auth.disable("a").expect("another one is left");
    assert!(auth.list().expect("lists")[0].disabled);
}

#[test]
fn refuses_bad_names_and_passwords() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, _) = open(&folder);
    for name in ["", "a b", "ä", "a/b", "tokens", &"a".repeat(65)] {
        let refused = auth.add_user(name, "long enough", Role::Viewer);
        assert!(matches!(refused, Err(AuthError::BadName(_))), "{name}");
    }
    for password in
        ["short", &"xy".repeat(129), "username", "UserName", "password1", "iocdanang2026"]
    {
        let refused = auth.add_user("username", password, Role::Viewer);
        assert!(matches!(refused, Err(AuthError::WeakPassword)), "{password}");
    }
    auth.add_user("username", "long enough", Role::Viewer).expect("adds");
    let twice = auth.add_user("username", "long enough", Role::Viewer);
    assert!(matches!(twice, Err(AuthError::Exists(_))));
    assert!(matches!(auth.set_password("none", "long enough"), Err(AuthError::NotFound(_))));
    assert!("root".parse::<Role>().is_err());
}

#[test]
fn an_old_session_ends_when_a_user_has_too_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let (auth, now) = open(&folder);
    auth.add_user("an", "mật khẩu riêng", Role::Viewer).expect("adds");
    let mut sessions = Vec::new();
    for _ in 0..51 {
        // Slow enough for the limit of the address.
        now.fetch_add(4_000, Relaxed);
        let link = auth.signin_link("an").expect("a link");
        sessions.push(auth.sign_in_by_link(&link, here()).expect("signs in").token.text());
    }
    assert_eq!(auth.who(&sessions[0]).expect("reads"), None);
    assert!(auth.who(&sessions[1]).expect("reads").is_some());
}
