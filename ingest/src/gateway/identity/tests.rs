use super::*;
use crate::access::Client;

const TOKEN: &[u8] = b"iocd_right";

fn find(device: &str, token: &[u8]) -> Option<i64> {
    (device == "d1" && token == TOKEN).then_some(7)
}

fn shown(user: Option<&str>, password: Option<&[u8]>) -> Credentials {
    Credentials {
        user: user.map(Into::into),
        password: password.map(|p| Zeroizing::new(p.to_vec())),
    }
}

fn devices(state: Option<DeviceState>) -> Devices {
    let unknown = |id: &str| {
        ioc_model::Device::unknown(id, &"air".into(), &"hai_chau".into(), Default::default())
    };
    let d1 = state.map(|state| Arc::new(ioc_model::Device { state, ..unknown("d1") }));
    d1.into_iter().collect()
}

/// Everything that can be shown, from everywhere, under every setting.
#[test]
fn every_way_to_connect_is_judged_as_the_rule_says() {
    let users = [None, Some(""), Some("d1"), Some("d2"), Some("D1"), Some("d1 "), Some("#")];
    let passwords: [Option<&[u8]>; 5] =
        [None, Some(b""), Some(TOKEN), Some(b"iocd_wrong"), Some(b"iocd_right ")];
    let names: [&[&str]; 5] =
        [&[], &["d1"], &["gateway", "d1"], &["d2"], &["d1.example", "*", "d"]];
    let addresses =
        ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.7", "::ffff:10.0.0.7", "fe80::1"];
    let states =
        [None, Some(DeviceState::Approved), Some(DeviceState::Pending), Some(DeviceState::Blocked)];
    let policies = [UnknownDevices::Accept, UnknownDevices::Hold, UnknownDevices::Refuse];
    let (mut cells, mut allowed) = (0, 0);
    for (n_user, user) in users.into_iter().enumerate() {
        for password in passwords {
            for certificate in names {
                for address in addresses {
                    for via in [Via::Tcp, Via::Tls, Via::WebSocket] {
                        for anonymous in [Anonymous::Never, Anonymous::Loopback, Anonymous::All] {
                            for plaintext_tokens in [false, true] {
                                let config = GatewayConfig {
                                    anonymous,
                                    plaintext_tokens,
                                    ..Default::default()
                                };
                                let peer = Peer {
                                    address: (address.parse::<std::net::IpAddr>().expect("ip"), 1)
                                        .into(),
                                    via,
                                    names: certificate.iter().map(|n| n.to_string()).collect(),
                                };
                                let judged =
                                    judge(("d1", &shown(user, password)), &peer, &config, find);
                                for state in states {
                                    for policy in policies {
                                        let got = judged.and_then(|proof| {
                                            check_state("d1", proof, &devices(state), policy)
                                                .map(|()| proof)
                                        });
                                        // The naive rule.
                                        let local =
                                            address.contains("127.0.0.1") || address == "::1";
                                        let token = password == Some(TOKEN);
                                        let safe = via != Via::Tcp || local || plaintext_tokens;
                                        let named = certificate.contains(&"d1");
                                        let proven = token || named;
                                        let nobody = anonymous == Anonymous::All
                                            || anonymous == Anonymous::Loopback
                                                && local
                                                && via == Via::Tcp;
                                        let good_user = n_user < 3;
                                        let user_alone =
                                            user == Some("d1") && password.is_none() && !named;
                                        let welcome = match state {
                                            Some(DeviceState::Blocked) => false,
                                            Some(DeviceState::Approved) => true,
                                            _ => !proven || policy != UnknownDevices::Refuse,
                                        };
                                        let expect = good_user
                                            && (certificate.is_empty() || named)
                                            && (password.is_none() || (token && safe))
                                            && (proven || nobody)
                                            && !user_alone
                                            && welcome;
                                        cells += 1;
                                        allowed += usize::from(expect);
                                        assert_eq!(
                                            got.is_ok(),
                                            expect,
                                            "{user:?} {password:?} {peer:?} {anonymous:?} \
                                             {plaintext_tokens} {state:?} {policy:?}: {got:?}"
                                        );
                                        if let Ok(proof) = got {
                                            assert_eq!(proof == Proof::None, !proven);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    println!("identity matrix: {cells} cells, {allowed} allowed");
    assert!(allowed > 1_000 && cells > 20 * 1_000);
}

#[test]
fn unknown_devices_and_wrong_tokens_get_the_same_answer() {
    let peer = Peer { address: ([10, 0, 0, 7], 1).into(), via: Via::Tls, names: vec![] };
    let config = GatewayConfig::default();
    let wrong = judge(("d1", &shown(Some("d1"), Some(b"x"))), &peer, &config, find);
    let unknown = judge(("d9", &shown(Some("d9"), Some(TOKEN))), &peer, &config, find);
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.map_err(|d| (d.code, d.is_guess)), Err((0x86, true)));
}

#[test]
fn a_token_is_never_looked_at_where_others_can_read_it() {
    let peer = Peer { address: ([10, 0, 0, 7], 1).into(), via: Via::Tcp, names: vec![] };
    let looked = std::cell::Cell::new(false);
    let find = |_: &str, _: &[u8]| {
        looked.set(true);
        Some(7)
    };
    let config = GatewayConfig::default();
    let judged = judge(("d1", &shown(Some("d1"), Some(TOKEN))), &peer, &config, find);
    assert!(judged.is_err() && !looked.get(), "nor does the answer tell whether it was right");
}

#[test]
fn debug_output_of_a_hello_holds_no_password() {
    let text = format!("{:?}", shown(Some("d1"), Some(TOKEN)));
    assert!(text.contains("d1") && !text.contains("right") && !text.contains("105"), "{text}");
}

#[test]
fn a_badge_holds_as_long_as_its_proof_and_the_devices_state() {
    let badge = |proof| Badge { client: Client::device("d1"), proof };
    let registry = |state| Registry::of(devices(state));
    let certificate = badge(Proof::Certificate);
    assert!(certificate.holds(&registry(Some(DeviceState::Approved))));
    assert!(certificate.holds(&registry(None)), "unknown devices are accepted by default");
    assert!(!certificate.holds(&registry(Some(DeviceState::Blocked))));
    assert!(!badge(Proof::Token(7)).holds(&registry(Some(DeviceState::Approved))), "no such token");
}
