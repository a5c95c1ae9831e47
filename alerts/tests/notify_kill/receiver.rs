//! A webhook receiver that keeps what it was sent, by the first part of the path.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub struct Post {
    pub key: String,
    pub body: String,
    pub receiver: String,
    /// Alert and reason.
    pub changes: Vec<(String, String)>,
}

pub struct Receiver {
    address: SocketAddr,
    posts: Mutex<BTreeMap<String, Vec<Post>>>,
    starts: Mutex<BTreeMap<String, i64>>,
}

impl Receiver {
    pub fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let this = Arc::new(Self { address, posts: Mutex::default(), starts: Mutex::default() });
        let server = Arc::clone(&this);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.serve(stream));
            }
        });
        this
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// When a point began, ms; the same for its restart.
    pub fn start_of(&self, point: &str) -> i64 {
        let mut starts = self.starts.lock().expect("no panic");
        *starts.entry(point.to_owned()).or_insert_with(super::wall)
    }

    pub fn posts(&self, point: &str) -> Vec<Post> {
        self.posts.lock().expect("no panic").get(point).cloned().unwrap_or_default()
    }

    /// Posts, and how many of them were repetitions.
    pub fn figures(&self) -> (usize, usize) {
        let posts = self.posts.lock().expect("no panic");
        posts.values().fold((0, 0), |(all, repeated), posts| {
            let keys: BTreeSet<&str> = posts.iter().map(|p| p.key.as_str()).collect();
            (all + posts.len(), repeated + posts.len() - keys.len())
        })
    }

    /// Requests of one connection, until it ends; a request that breaks off did not arrive.
    fn serve(&self, stream: TcpStream) {
        let mut answers = stream.try_clone().expect("a socket");
        let mut reader = BufReader::new(stream);
        while let Some((point, post)) = read(&mut reader) {
            self.posts.lock().expect("no panic").entry(point).or_default().push(post);
            if answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<(String, Post)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let point = line.split_whitespace().nth(1)?.trim_start_matches('/').to_owned();
    let (mut key, mut length) = (None, 0usize);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let json: serde_json::Value = serde_json::from_str(&body).ok()?;
    let text =
        |v: &serde_json::Value, field: &str| v[field].as_str().unwrap_or_default().to_owned();
    let changes = json["changes"].as_array()?;
    let changes = changes.iter().map(|c| (text(c, "alert"), text(c, "reason"))).collect();
    Some((point, Post { key: key?, receiver: text(&json, "receiver"), changes, body }))
}
