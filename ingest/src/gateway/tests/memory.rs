//! What an idle connection costs: `cargo test -p ioc-ingest --lib memory -- --ignored --nocapture
//! --test-threads 1`. Both ends are in this process, so that the figure is an
//! upper bound. TLS and WebSocket are not measured here: their clients cost more than the server.

use super::*;

const CONNECTIONS: usize = 4_000;

fn rss_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a line");
    let kib = line.trim().trim_end_matches("kB").trim().parse::<usize>().expect("a number");
    kib * 1024
}

async fn idle() -> usize {
    let config = GatewayConfig { max_connections: CONNECTIONS * 2, ..Default::default() };
    let g = gateway_with(config, Commits::Done).await;
    let mut open = Vec::with_capacity(CONNECTIONS);
    let mut before = 0;
    for n in 0..CONNECTIONS + 200 {
        if n == 200 {
            before = rss_bytes();
        }
        let id = format!("d{n}");
        let mut c = g.v4(&id, true).await;
        let topic = format!("ioc/v1/hai_chau/air/{id}/obs");
        c.send(&publish(false, 1, 1, &topic, "x")).await;
        c.packet().await;
        c.bytes = Vec::new();
        open.push(c);
    }
    (rss_bytes() - before) / CONNECTIONS
}

#[tokio::test]
#[ignore = "a measurement"]
async fn an_idle_connection_costs_at_most_8_kib_over_tcp() {
    let each = idle().await;
    println!("tcp: {each} bytes for both ends");
    assert!(each <= 8 * 1024);
}
