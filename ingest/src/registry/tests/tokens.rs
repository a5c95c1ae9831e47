use super::*;

#[test]
fn a_token_opens_for_its_device_alone_until_it_is_revoked() {
    let bench = Bench::new();
    let r = &bench.registry;
    r.put(air("a1"), &lan()).expect("taken");
    r.put(air("a2"), &lan()).expect("taken");
    let one = r.issue_token("a1", " box \n 1 ", &lan()).expect("made");
    let two = r.issue_token("a1", "spare", &lan()).expect("made");
    assert!(one.token.starts_with("iocd_") && one.token.len() == 48, "{}", one.token);
    assert_eq!((&*one.info.label, &*one.info.created_by), ("box 1", "lan"));
    assert_ne!(one.token, two.token);
    assert_eq!(r.token("a1", one.token.as_bytes()), Some(one.info.id));
    assert_eq!(r.token("a1", two.token.as_bytes()), Some(two.info.id));
    let longer = format!("{}x", one.token);
    for (device, token) in [
        ("a2", one.token.as_str()),
        ("nobody", &one.token),
        ("a1", &one.token[..47]),
        ("a1", &longer),
        ("a1", &one.token.to_lowercase()),
        ("a1", ""),
    ] {
        assert_eq!(r.token(device, token.as_bytes()), None, "{device} {token}");
    }
    let moved = *r.changes().borrow();
    r.revoke_token("a1", one.info.id, &lan()).expect("revoked");
    assert_eq!(*r.changes().borrow(), moved + 1, "connections must look again");
    assert_eq!(r.token("a1", one.token.as_bytes()), None);
    assert_eq!(r.token("a1", two.token.as_bytes()), Some(two.info.id));
    assert!(matches!(r.revoke_token("a1", one.info.id, &lan()), Err(DeviceError::NotThere)));
    assert!(matches!(r.revoke_token("a2", two.info.id, &lan()), Err(DeviceError::NotThere)));
    let again = bench.open();
    assert_eq!(again.token("a1", one.token.as_bytes()), None);
    assert_eq!(again.token("a1", two.token.as_bytes()), Some(two.info.id));
}

#[test]
fn the_token_is_nowhere_in_the_file() {
    let bench = Bench::new();
    bench.registry.put(air("a1"), &lan()).expect("taken");
    let token = bench.registry.issue_token("a1", "box", &lan()).expect("made").token;
    let secret = &token.as_bytes()[5..];
    for name in std::fs::read_dir(bench.dir.path()).expect("folder") {
        let bytes = std::fs::read(name.expect("entry").path()).expect("file");
        assert!(!bytes.windows(secret.len()).any(|w| w == secret));
    }
}

#[test]
fn a_device_has_at_most_eight_and_loses_them_when_it_is_removed() {
    let bench = Bench::new();
    let r = &bench.registry;
    r.put(air("a1"), &lan()).expect("taken");
    let all: Vec<_> =
        (0..8).map(|n| r.issue_token("a1", &n.to_string(), &lan()).expect("made")).collect();
    assert!(matches!(r.issue_token("a1", "9", &lan()), Err(DeviceError::Conflict(_))));
    // The last of eight opens as well as the first.
    for token in &all {
        assert_eq!(r.token("a1", token.token.as_bytes()), Some(token.info.id));
    }
    assert!(matches!(r.issue_token("a2", "", &lan()), Err(DeviceError::NotThere)));
    r.remove("a1", &lan()).expect("removed");
    r.put(air("a1"), &lan()).expect("another of that name");
    assert_eq!(r.token("a1", all[0].token.as_bytes()), None);
    assert!(r.tokens("a1").expect("there").is_empty());
}

#[test]
fn the_last_use_is_kept_to_the_hour() {
    let bench = Bench::new();
    let r = &bench.registry;
    r.put(air("a1"), &lan()).expect("taken");
    let token = r.issue_token("a1", "box", &lan()).expect("made").token;
    assert_eq!(r.tokens("a1").expect("there")[0].last_used, None);
    r.maintain(Timestamp(10 * 3_600_000 + 1234)).expect("maintained");
    assert!(r.token("a1", token.as_bytes()).is_some());
    assert!(r.token("a1", token.as_bytes()).is_some());
    let used = Some(Timestamp(10 * 3_600_000));
    assert_eq!(r.tokens("a1").expect("there")[0].last_used, used);
    assert_eq!(bench.open().tokens("a1").expect("there")[0].last_used, None, "not written yet");
    r.maintain(Timestamp(10 * 3_600_000 + 2234)).expect("maintained");
    assert_eq!(bench.open().tokens("a1").expect("there")[0].last_used, used);
}
