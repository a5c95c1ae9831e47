use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use super::pki::{Device, stranger};
use super::*;
use crate::GatewayTlsConfig;

async fn tls_gateway(tls: GatewayTlsConfig) -> Running {
    let anonymous = Anonymous::All;
    let config = GatewayConfig { tls: Some(tls), anonymous, ..Default::default() };
    gateway_with(config, Commits::Done).await
}

/// A client that has been welcomed, or `None` when it is not let in.
async fn enter(g: &Running, config: Arc<ClientConfig>, id: &str) -> Option<Raw> {
    let address = g.addresses.tls.expect("listens");
    let mut raw = Raw::new(over::tls(address, config).await.ok()?);
    // In TLS 1.3 a client learns that its certificate was refused only after its handshake.
    raw.stream.write_all(&connect(5, id, 2, 60, &[], &[])).await.ok()?;
    raw.stream.flush().await.ok()?;
    let welcome = raw.try_packet().await?;
    assert_eq!(welcome[3], 0, "accepted");
    Some(raw)
}

/// Publishes as the device of its certificate.
async fn publishes(c: &mut Raw, device: &str, id: u16) {
    let topic = format!("ioc/v1/hai_chau/air/{device}/obs");
    c.send(&publish(true, 1, id, &topic, "x")).await;
    let [high, low] = id.to_be_bytes();
    assert_eq!(c.packet().await, [0x40, 2, high, low]);
}

/// Subject of the certificate that the gateway shows.
async fn shown(g: &Running, pki: &Pki) -> String {
    let address = g.addresses.tls.expect("listens");
    let stream = over::tls(address, pki.client(None)).await.expect("shakes hands");
    let chain = stream.get_ref().1.peer_certificates().expect("shown").to_vec();
    let (_, own) = x509_parser::parse_x509_certificate(&chain[0]).expect("a certificate");
    own.subject().to_string()
}

async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("in time");
}

#[tokio::test]
async fn plain_and_tls_are_served_side_by_side() {
    let pki = Pki::new();
    let g = tls_gateway(pki.config(ClientCertificates::Off)).await;
    let mut secure = enter(&g, pki.client(None), "d1").await.expect("let in");
    let mut plain = g.v5("d2", true).await;
    publishes(&mut secure, "d1", 1).await;
    publishes(&mut plain, "d2", 1).await;
    assert_eq!(g.metrics.tls_handshakes.load(Relaxed), 1);
}

#[tokio::test]
async fn tls_1_2_is_refused_unless_it_is_switched_on() {
    let pki = Pki::new();
    let old = pki.client_of(None, &[&TLS12]);
    let g = tls_gateway(pki.config(ClientCertificates::Off)).await;
    assert!(enter(&g, Arc::clone(&old), "d1").await.is_none());
    assert_eq!(g.metrics.tls_failures.load(Relaxed), 1);
    let both = GatewayTlsConfig { tls12: true, ..pki.config(ClientCertificates::Off) };
    let g = tls_gateway(both).await;
    let mut c = enter(&g, Arc::clone(&old), "d1").await.expect("let in");
    publishes(&mut c, "d1", 1).await;
    enter(&g, old, "d2").await.expect("a second time");
    assert_eq!(g.metrics.tls_resumed.load(Relaxed), 1, "by its ticket");
}

#[tokio::test]
async fn only_good_certificates_are_let_in_where_they_are_required() {
    let pki = Pki::new();
    let (good, revoked) = (pki.device("d1"), pki.device("d2"));
    pki.revoke(&[&revoked]);
    let bad = [stranger("d1"), pki.expired("d1"), revoked];
    let g = tls_gateway(pki.config(ClientCertificates::Required)).await;
    for (n, device) in bad.iter().enumerate() {
        assert!(enter(&g, pki.client(Some(device)), "d1").await.is_none(), "{n}");
    }
    assert!(enter(&g, pki.client(None), "d1").await.is_none(), "none");
    assert_eq!(g.metrics.tls_failures.load(Relaxed), 4);
    assert_eq!(g.metrics.connected.load(Relaxed), 0);
    let mut c = enter(&g, pki.client(Some(&good)), "d1").await.expect("let in");
    publishes(&mut c, "d1", 1).await;
}

#[tokio::test]
async fn a_certificate_may_be_left_out_where_it_is_optional_but_not_be_bad() {
    let pki = Pki::new();
    let g = tls_gateway(pki.config(ClientCertificates::Optional)).await;
    assert!(enter(&g, pki.client(None), "d1").await.is_some());
    assert!(enter(&g, pki.client(Some(&pki.device("d2"))), "d2").await.is_some());
    for device in [stranger("d3"), pki.expired("d3")] {
        assert!(enter(&g, pki.client(Some(&device)), "d3").await.is_none());
    }
}

#[tokio::test]
async fn a_device_that_comes_back_resumes_but_not_with_a_certificate_revoked_meanwhile() {
    let pki = Pki::new();
    let device = pki.device("d1");
    let g = tls_gateway(pki.config(ClientCertificates::Required)).await;
    let client = pki.client(Some(&device));
    for _ in 0..2 {
        let mut c = enter(&g, Arc::clone(&client), "d1").await.expect("let in");
        publishes(&mut c, "d1", 1).await;
        c.send(&[0xE0, 0]).await;
        c.expect_closed().await;
    }
    assert_eq!(g.metrics.tls_resumed.load(Relaxed), 1);
    pki.revoke(&[&device]);
    g.tls.as_ref().expect("listens").reload().expect("loads");
    assert!(enter(&g, client, "d1").await.is_none());
    assert_eq!(g.metrics.tls_resumed.load(Relaxed), 2, "the ticket itself was good");
    assert_eq!(g.metrics.tls_failures.load(Relaxed), 1);
}

#[tokio::test]
async fn revoking_a_certificate_closes_its_connections_and_no_other() {
    let pki = Pki::new();
    let devices = ["d1", "d2"].map(|id| pki.device(id));
    let g = tls_gateway(pki.config(ClientCertificates::Required)).await;
    let mut gone = enter(&g, pki.client(Some(&devices[0])), "d1").await.expect("let in");
    let alias = "d1.devices.example.vn";
    let mut again = enter(&g, pki.client(Some(&devices[0])), alias).await.expect("let in");
    let mut stays = enter(&g, pki.client(Some(&devices[1])), "d2").await.expect("let in");
    pki.revoke(&[&devices[0]]);
    g.tls.as_ref().expect("listens").reload().expect("loads");
    for c in [&mut gone, &mut again] {
        let told = c.packet().await;
        assert_eq!((told[0], told[2]), (0xE0, 0x98), "administrative action");
        c.expect_closed().await;
    }
    publishes(&mut stays, "d2", 1).await;
    assert_eq!(g.metrics.revoked.load(Relaxed), 2);
    drop((gone, again));
    until(|| g.metrics.connected.load(Relaxed) == 1).await;
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart_and_loses_no_message() {
    let pki = Pki::new();
    let g = tls_gateway(pki.config(ClientCertificates::Off)).await;
    assert_eq!(shown(&g, &pki).await, "CN=ioc");
    let done = AtomicBool::new(false);
    let load = async |id: &str| {
        let mut c = enter(&g, pki.client(None), id).await.expect("let in");
        let mut sent = 0;
        while !done.load(Relaxed) {
            sent += 1;
            publishes(&mut c, id, sent % 60_000 + 1).await;
        }
        usize::from(sent)
    };
    let change = async {
        g.sink.until(100).await;
        for n in 0..20 {
            pki.serve(&format!("ioc {n}"));
            g.tls.as_ref().expect("listens").reload().expect("loads");
            assert_eq!(shown(&g, &pki).await, format!("CN=ioc {n}"));
        }
        done.store(true, Relaxed);
    };
    let (a, b, c, ()) = tokio::join!(load("d1"), load("d2"), load("d3"), change);
    assert_eq!(g.sink.payloads().len(), a + b + c);
    let status = g.tls.as_ref().expect("listens").status();
    assert_eq!((status.subject.as_str(), status.loads), ("CN=ioc 19", 21));
}

#[tokio::test]
async fn broken_files_leave_the_old_set_in_force_and_are_told() {
    let pki = Pki::new();
    let device = pki.device("d1");
    let g = tls_gateway(pki.config(ClientCertificates::Required)).await;
    let tls = g.tls.as_ref().expect("listens");
    let key = std::fs::read_to_string(pki.path("server.key")).expect("read");
    let other = Pki::new();
    for (name, text, told) in [
        ("server.pem", "no PEM", "server.pem"),
        ("server.key", "", "server.key"),
        (
            "server.key",
            &std::fs::read_to_string(other.path("server.key")).expect("read"),
            "together",
        ),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.pem"),
        ("crl.pem", "", "crl.pem"),
        ("crl.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "crl.pem"),
    ] {
        let before = std::fs::read_to_string(pki.path(name)).expect("read");
        pki.write(name, text);
        assert!(tls.reload().is_err(), "{name}: {text}");
        let failure = tls.status().failure.expect("told");
        assert!(failure.contains(told), "{failure}");
        let mut c = enter(&g, pki.client(Some(&device)), "d1").await.expect("the old set");
        publishes(&mut c, "d1", 1).await;
        pki.write(name, &before);
    }
    assert_eq!(g.metrics.tls_reload_errors.load(Relaxed), 6);
    assert_eq!(std::fs::read_to_string(pki.path("server.key")).expect("read"), key);
    tls.reload().expect("loads");
    assert_eq!(tls.status().failure, None);
}

#[tokio::test]
async fn changed_files_are_found_by_looking() {
    let pki = Pki::new();
    let g = tls_gateway(pki.config(ClientCertificates::Off)).await;
    pki.serve("ioc anew");
    until(|| g.metrics.tls_reloads.load(Relaxed) == 1).await;
    assert_eq!(shown(&g, &pki).await, "CN=ioc anew");
}

#[tokio::test]
async fn a_list_past_its_next_update_still_revokes_and_is_told_once_a_day() {
    let pki = Pki::new();
    let [good, bad] = ["d1", "d2"].map(|id| pki.device(id));
    pki.write("crl.pem", &pki.list_until(&[&bad], 2024));
    let g = tls_gateway(pki.config(ClientCertificates::Required)).await;
    let tls = g.tls.as_ref().expect("listens");
    assert!(enter(&g, pki.client(Some(&good)), "d1").await.is_some());
    assert!(enter(&g, pki.client(Some(&bad)), "d2").await.is_none());
    until(|| tls.status().crl_overdue).await;
    let now = tls.status().crl_next_update.expect("has one").plus_ms(1);
    // More looks on the same day say nothing more; the gateway's own were on another.
    let told = || g.metrics.crl_overdue.load(Relaxed);
    tls.0.look(now);
    let before = told();
    (0..10).for_each(|hour| tls.0.look(now.plus_ms(hour * 3_600_000)));
    assert!(before >= 1 && told() - before <= 1, "{before}, {}", told());
    pki.write("crl.pem", &pki.list_until(&[&bad], 2100));
    tls.reload().expect("loads");
    until(|| !tls.status().crl_overdue).await;
}

#[tokio::test]
async fn a_start_with_a_file_that_cannot_be_used_is_refused_with_its_name() {
    let pki = Pki::new();
    let good = || pki.config(ClientCertificates::Required);
    let gone = || pki.path("gone.pem");
    pki.write("empty.pem", "");
    for (config, told) in [
        (GatewayTlsConfig { crl_files: vec![gone()], ..good() }, "gone.pem"),
        (GatewayTlsConfig { crl_files: vec![pki.path("empty.pem")], ..good() }, "empty.pem"),
        (GatewayTlsConfig { client_ca_file: Some(gone()), ..good() }, "gone.pem"),
        (GatewayTlsConfig { client_ca_file: None, ..good() }, "needs client_ca_file"),
        (GatewayTlsConfig { key_file: gone(), ..good() }, "gone.pem"),
        (GatewayTlsConfig { certificate_file: pki.path("ca.pem"), ..good() }, "used together"),
        (
            GatewayTlsConfig { client_certificates: ClientCertificates::Off, ..good() },
            "has no effect",
        ),
    ] {
        let config = GatewayConfig { tls: Some(config), listen: None, ..Default::default() };
        let sink = TestSink::new(Commits::Done);
        let registry = Arc::new(Registry::of(Devices::default()));
        let bound = Gateway::bind(config, sink, Arc::default(), registry).await;
        let Err(IngestError::Tls(error)) = bound.map(drop) else {
            unreachable!("{told}: must be refused")
        };
        assert!(error.to_string().contains(told), "{error}");
    }
}

/// mqtt5 0.49: one idle connection held up its TLS accept loop.
#[tokio::test]
async fn slow_handshakes_hold_up_nobody_and_are_ended_in_time() {
    let pki = Pki::new();
    let tls = GatewayTlsConfig {
        handshake_timeout_ms: 1_000,
        ..pki.config(ClientCertificates::Required)
    };
    let g = tls_gateway(tls).await;
    let address = g.addresses.tls.expect("listens");
    let mut slow = Vec::new();
    for n in 0..60 {
        let mut c = Raw::new(TcpStream::connect(address).await.expect("connects"));
        // Nothing; the head of a record; a record that is not complete.
        c.send([&[][..], &[0x16, 3, 1], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]][n % 3]).await;
        slow.push(c);
    }
    until(|| g.metrics.accepted.load(Relaxed) == 60).await;
    let device = pki.device("d1");
    let mut good = enter(&g, pki.client(Some(&device)), "d1").await.expect("let in");
    publishes(&mut good, "d1", 1).await;
    for mut c in slow {
        c.expect_closed().await;
    }
    until(|| g.metrics.tls_timeouts.load(Relaxed) == 60).await;
    publishes(&mut good, "d1", 2).await;
}

#[tokio::test]
async fn what_is_not_tls_is_refused_and_counted() {
    let pki = Pki::new();
    let g = tls_gateway(pki.config(ClientCertificates::Off)).await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &connect(4, "d1", 2, 60, &[], &[])] {
        let address = g.addresses.tls.expect("listens");
        let mut c = Raw::new(TcpStream::connect(address).await.expect("connects"));
        c.send(bytes).await;
        // An alert, then the end.
        while c.try_packet().await.is_some() {}
    }
    until(|| g.metrics.tls_failures.load(Relaxed) == 2).await;
}

#[tokio::test]
async fn many_devices_that_reconnect_at_once_all_come_back() {
    let pki = Pki::new();
    let devices: Vec<Device> = (0..40).map(|n| pki.device(&format!("d{n}"))).collect();
    let g = tls_gateway(pki.config(ClientCertificates::Required)).await;
    let come = devices.iter().enumerate().map(async |(n, device)| {
        let id = format!("d{n}");
        let mut c = enter(&g, pki.client(Some(device)), &id).await.expect("let in");
        publishes(&mut c, &id, 1).await;
        c
    });
    let all = futures::future::join_all(come).await;
    assert_eq!(g.metrics.connected.load(Relaxed), all.len() as u64);
}

#[tokio::test]
async fn stop_closes_open_handshakes_at_once() {
    let pki = Pki::new();
    let g = tls_gateway(pki.config(ClientCertificates::Off)).await;
    let address = g.addresses.tls.expect("listens");
    let mut c = Raw::new(TcpStream::connect(address).await.expect("connects"));
    until(|| g.metrics.accepted.load(Relaxed) == 1).await;
    g.stop.cancel();
    c.expect_closed().await;
    assert_eq!(g.done.await.expect("no panic").expect("no error").cut_off, 0);
}

#[tokio::test]
async fn both_versions_of_tls_offer_the_same_to_a_client_that_has_both() {
    let pki = Pki::new();
    let both = GatewayTlsConfig { tls12: true, ..pki.config(ClientCertificates::Off) };
    let g = tls_gateway(both).await;
    let client = pki.client_of(None, &[&TLS12, &TLS13]);
    let address = g.addresses.tls.expect("listens");
    let stream = over::tls(address, client).await.expect("shakes hands");
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"mqtt"[..]));
}
