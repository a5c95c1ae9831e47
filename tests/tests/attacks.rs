//! Attackers and users at the same time, against the real binary: no user's request fails, every
//! attacker is closed. What users wait is printed; it is a figure, not a claim, on a machine that
//! the attackers share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::join_all;
use ioc_tests::{Ioc, IocOptions, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for something that must come.
const LIMIT: Duration = Duration::from_secs(120);
const USERS: usize = 8;
/// What a user asks, one after the other.
const PATHS: [&str; 4] = ["/api/v1/session", "/api/v1/devices", "/api/v1/alerts?limit=100", "/"];
const QUIET_REQUESTS: usize = 400;

/// Users that ask without an end, and what they have seen.
struct Users {
    seen: Arc<Mutex<Vec<Duration>>>,
    failed: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Users {
    fn start(ioc: &Ioc, session: &str) -> Result<Self> {
        let name = if ioc.tls { "__Host-ioc" } else { "ioc_session" };
        let mut users = Self {
            seen: Arc::default(),
            failed: Arc::default(),
            stop: Arc::default(),
            tasks: Vec::new(),
        };
        for n in 0..USERS {
            let builder = reqwest::Client::builder().no_proxy().timeout(LIMIT);
            // The certificate is the test's own.
            let client = builder.danger_accept_invalid_certs(true).build()?;
            // Half of them come anew each time, as a browser that was just opened.
            let fresh = n % 2 == 1;
            let cookie = format!("{name}={session}");
            let urls = PATHS.map(|path| ioc.url(path));
            let (seen, failed) = (Arc::clone(&users.seen), Arc::clone(&users.failed));
            let stop = Arc::clone(&users.stop);
            users.tasks.push(tokio::spawn(async move {
                for url in urls.iter().cycle() {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let mut request =
                        client.get(url).header("cookie", &cookie).header("accept", "text/html");
                    if fresh {
                        request = request.header("connection", "close");
                    }
                    let again = request.try_clone();
                    let start = Instant::now();
                    let mut answer = request.send().await;
                    // A kept connection that the server closes just then: a browser asks once
                    // more (RFC 9110, 9.2.2), and so do these users.
                    let closed = answer.as_ref().is_err_and(|e| e.is_request() && !e.is_timeout());
                    if let (true, false, Some(again)) = (closed, fresh, again) {
                        answer = again.send().await;
                    }
                    let trouble = match answer {
                        Ok(answer) if answer.status() == 200 => {
                            answer.bytes().await.err().map(|e| format!("{e:?}"))
                        }
                        Ok(answer) => Some(format!("{}", answer.status())),
                        Err(error) => Some(format!("{error:?}")),
                    };
                    let took = start.elapsed();
                    match trouble {
                        None => seen.lock().expect("no panic").push(took),
                        Some(why) => {
                            failed.lock().expect("no panic").push(format!("{url}: {why}"));
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }));
        }
        Ok(users)
    }

    /// Waits for so many more answers and prints what they took; fails if any request failed.
    async fn figures(&self, what: &str, more: usize) -> Result<()> {
        let done = || self.seen.lock().expect("no panic").len();
        let from = done();
        wait_until("answers to users", LIMIT, async || {
            Ok((done() >= from + more || !self.fine()).then_some(()))
        })
        .await?;
        self.print(what, from)
    }

    fn fine(&self) -> bool {
        self.failed.lock().expect("no panic").is_empty()
    }

    fn mark(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }

    fn print(&self, what: &str, from: usize) -> Result<()> {
        let failed = self.failed.lock().expect("no panic");
        ensure!(
            failed.is_empty(),
            "{what}: {} requests failed: {:?}",
            failed.len(),
            failed.first()
        );
        let mut took = self.seen.lock().expect("no panic")[from..].to_vec();
        took.sort_unstable();
        ensure!(!took.is_empty(), "{what}: no user was answered");
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        println!(
            "  {what:<44} {:>6} answers  p50 {:>9.2?}  p99 {:>9.2?}  max {:>9.2?}",
            took.len(),
            at(50),
            at(99),
            at(100)
        );
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await?;
        }
        let failed = self.failed.lock().expect("no panic").clone();
        ensure!(
            failed.is_empty(),
            "{} requests of users failed: {:?}",
            failed.len(),
            failed.first()
        );
        Ok(())
    }
}

/// The cookie's value, by the link that a first start printed.
async fn session(ioc: &Ioc) -> Result<String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .build()?;
    let link = ioc.signin.as_deref().context("no sign-in link")?;
    let answer = client.get(ioc.url(link)).send().await?;
    let cookie = answer.headers().get("set-cookie").and_then(|v| v.to_str().ok());
    let value = cookie.and_then(|c| c.split(';').next()?.split_once('='));
    Ok(value.context("no cookie")?.1.to_owned())
}

async fn metric(ioc: &Ioc, name: &str) -> Result<u64> {
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build()?;
    let text = client.get(ioc.url("/metrics")).send().await?.text().await?;
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|n| n.parse().ok()).with_context(|| format!("no {name} in the metrics"))
}

/// Sends a byte a second until the server closes; gives what the server said.
async fn drip(mut stream: TcpStream, head: String) -> Result<String> {
    stream.write_all(head.as_bytes()).await?;
    let (mut read, mut write) = stream.into_split();
    let dripping = async {
        while write.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut got = Vec::new();
    let ended = async {
        // A reset is an end too.
        let _ = read.read_to_end(&mut got).await;
    };
    let both = async {
        tokio::select! { () = dripping => {}, () = ended => {} }
    };
    tokio::time::timeout(LIMIT, both).await.context("a slow client was never closed")?;
    Ok(String::from_utf8_lossy(&got).into_owned())
}

fn post(address: &str, length: &str) -> String {
    format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
         X-IOC-Request: 1\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    )
}

async fn slow_heads(ioc: &Ioc) -> Result<()> {
    let one = async || {
        let stream = TcpStream::connect(&ioc.http).await?;
        let got = drip(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".into()).await?;
        ensure!(!got.contains("200 OK"), "half a head was answered: {got}");
        anyhow::Ok(())
    };
    join_all((0..300).map(|_| one())).await.into_iter().collect()
}

async fn slow_bodies(ioc: &Ioc) -> Result<()> {
    let one = async || {
        let stream = TcpStream::connect(&ioc.http).await?;
        let got = drip(stream, post(&ioc.http, "Content-Length: 60000")).await?;
        ensure!(got.is_empty() || got.starts_with("HTTP/1.1 408 "), "a slow body: {got}");
        anyhow::Ok(got.len())
    };
    let all: Vec<usize> =
        join_all((0..300).map(|_| one())).await.into_iter().collect::<Result<_>>()?;
    ensure!(all.iter().any(|n| *n > 0), "none was told why");
    Ok(())
}

/// Sends a body as fast as the server takes it; gives bytes sent and the answer.
async fn pour(address: &str, head: &str, part: &[u8]) -> Result<(u64, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    let (mut read, mut write) = stream.into_split();
    let sent = AtomicU64::new(0);
    let pouring = async {
        while write.write_all(part).await.is_ok() {
            sent.fetch_add(part.len() as u64, Relaxed);
        }
    };
    let mut got = vec![0; 2_048];
    let answer = async { read.read(&mut got).await };
    // The answer comes before the body is over; then the server takes no more.
    let both = async { tokio::join!(pouring, answer) };
    let ((), n) = tokio::time::timeout(LIMIT, both).await.context("a huge body was taken on")?;
    let n = n.unwrap_or(0);
    Ok((sent.into_inner(), String::from_utf8_lossy(&got[..n]).into_owned()))
}

async fn huge_bodies(ioc: &Ioc) -> Result<()> {
    let part = vec![b'x'; 64 * 1_024];
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend_from_slice(&part);
    chunk.extend_from_slice(b"\r\n");
    let cases = [
        (post(&ioc.http, "Content-Length: 50000000000"), &part, "413"),
        (post(&ioc.http, "Transfer-Encoding: chunked"), &chunk, "411"),
    ];
    for (head, part, status) in &cases {
        let all = join_all((0..20).map(|_| pour(&ioc.http, head, part))).await;
        let all: Vec<(u64, String)> = all.into_iter().collect::<Result<_>>()?;
        let most = all.iter().map(|(sent, _)| *sent).max().unwrap_or(0);
        println!("  of a body without an end, {} KiB left the attacker ({status})", most / 1_024);
        // What fits into the buffers of two kernels.
        ensure!(most < 32 * 1_024 * 1_024, "{most} bytes were taken");
        for (_, got) in all {
            // A reset may overtake the answer.
            ensure!(got.is_empty() || got.starts_with(&format!("HTTP/1.1 {status} ")), "{got}");
        }
    }
    Ok(())
}

/// Opens so many that say this and then nothing.
async fn hold(address: &str, n: usize, words: &[u8]) -> Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(n);
    for batch in 0..n.div_ceil(100) {
        let opening = (0..100.min(n - batch * 100)).map(|_| TcpStream::connect(address));
        for stream in join_all(opening).await {
            let mut stream = stream?;
            // One that had to make room already does not take it.
            let _ = stream.write_all(words).await;
            held.push(stream);
        }
    }
    Ok(held)
}

/// All of them are closed by the server.
async fn until_closed(held: Vec<TcpStream>) -> Result<()> {
    let one = async |mut stream: TcpStream| {
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got).await;
    };
    let all = join_all(held.into_iter().map(one));
    tokio::time::timeout(LIMIT, all).await.context("an idle connection was never closed")?;
    Ok(())
}

fn many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // The children inherit it. Where it may not be raised, the tests say what is missing.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_huge_requests_and_thousands_of_idle_connections_shut_nobody_out() -> Result<()> {
    many_files();
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let users = Users::start(&ioc, &session(&ioc).await?)?;
    println!("== {USERS} users, plain HTTP, 4,096 places");
    users.figures("nobody else", QUIET_REQUESTS).await?;

    let from = users.mark();
    slow_heads(&ioc).await?;
    users.print("300 heads at 1 B/s, until closed", from)?;
    let from = users.mark();
    slow_bodies(&ioc).await?;
    users.print("300 bodies at 1 B/s, until closed", from)?;
    let from = users.mark();
    huge_bodies(&ioc).await?;
    users.print("40 bodies without an end", from)?;

    let from = users.mark();
    let held = hold(&ioc.http, 5_000, b"").await?;
    users.print("5,000 idle connections, while they come", from)?;
    users.figures("5,000 idle connections, while they stay", QUIET_REQUESTS).await?;
    let closed = metric(&ioc, "ioc_dashboard_connections_closed_early_total").await?;
    println!("  closed to make room: {closed}");
    ensure!(closed >= 5_000 - 4_096, "only {closed} made room");
    until_closed(held).await?;

    // The same with one answer each: they are clients, as far as anybody can tell.
    let ask = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", ioc.http);
    let from = users.mark();
    let held = hold(&ioc.http, 5_000, ask.as_bytes()).await?;
    users.print("5,000 idle after one answer", from)?;
    until_closed(held).await?;
    users.figures("nobody else again", QUIET_REQUESTS).await?;
    users.stop().await?;
    let open = async || {
        let open = metric(&ioc, "ioc_dashboard_connections").await?;
        if open > USERS as u64 + 8 {
            bail!("{open} are open")
        }
        Ok(Some(()))
    };
    wait_until("their places are free again", LIMIT, open).await?;
    ioc.stop()?;
    Ok(())
}

fn certificate(folder: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    std::fs::write(folder.join("server.pem"), made.cert.pem())?;
    std::fs::write(folder.join("server.key"), made.signing_key.serialize_pem())?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_shut_nobody_out() -> Result<()> {
    many_files();
    let data = tempfile::tempdir()?;
    certificate(data.path())?;
    let file = |name: &str| data.path().join(name).display().to_string();
    let settings = format!(
        "dashboard:\n  tls:\n    certificate_file: {}\n    key_file: {}\n",
        file("server.pem"),
        file("server.key")
    );
    let options = IocOptions { settings: Some(settings), ..IocOptions::default() };
    let ioc = Ioc::start(data.path(), &options)?;
    ensure!(ioc.tls, "the ready line does not say https=");
    let users = Users::start(&ioc, &session(&ioc).await?)?;
    println!("== {USERS} users, TLS 1.3");
    users.figures("nobody else", QUIET_REQUESTS).await?;
    let from = users.mark();
    let silent = hold(&ioc.http, 500, b"").await?;
    // The beginning of a ClientHello of 512 bytes.
    let half = hold(&ioc.http, 500, &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 7, 7, 7]).await?;
    users.print("1,000 handshakes, while they come", from)?;
    let from = users.mark();
    until_closed(silent.into_iter().chain(half).collect()).await?;
    users.print("1,000 handshakes, until closed", from)?;
    let failed = metric(&ioc, "ioc_dashboard_tls_failures_total").await?;
    ensure!(failed >= 1_000, "only {failed} counted");

    // Finished handshakes cost CPU: as many as one attacker gets through.
    let stop = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = (0..4)
        .map(|_| {
            let (url, stop) = (ioc.url("/healthz"), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Relaxed) {
                    let client = reqwest::Client::builder().no_proxy();
                    let client = client.danger_accept_invalid_certs(true).build()?;
                    n += u64::from(client.get(&url).send().await.is_ok());
                }
                anyhow::Ok(n)
            })
        })
        .collect();
    users.figures("4 attackers that shake hands and go", QUIET_REQUESTS).await?;
    stop.store(true, Relaxed);
    let mut shaken = 0;
    for attacker in attackers {
        shaken += attacker.await??;
    }
    println!("  {shaken} handshakes meanwhile");
    users.stop().await?;
    ioc.stop()?;
    Ok(())
}
