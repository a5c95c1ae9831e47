//! Starting and ending the programs under test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Folder of the built binaries: tests run from `<target>/<profile>/deps`.
pub fn binary(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let dir = me.parent().and_then(Path::parent).context("no folder above the test")?;
    let path = dir.join(name);
    if !path.is_file() {
        bail!("{} is not built; run `make test`", path.display());
    }
    Ok(path)
}

/// The wall clock, ms since the epoch.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as i64)
}

/// Waits until `done` gives something, asking every 20 ms.
pub async fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut done: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = done().await;
        if let Ok(Some(found)) = last {
            return Ok(found);
        }
        if start.elapsed() > limit {
            return match last {
                Err(e) => Err(e.context(format!("{what}: not within {limit:?}"))),
                _ => bail!("{what}: not within {limit:?}"),
            };
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How an `ioc` is started.
#[derive(Clone, Debug, Default)]
pub struct IocOptions {
    /// `--clock event`.
    pub event_clock: bool,
    /// Replaces `ioc.yaml` of the shipped configuration.
    pub settings: Option<String>,
    /// With `settings`: open data are published.
    pub open_data: bool,
    /// A configuration folder, used as it is.
    pub config: Option<PathBuf>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Fixed MQTT port, for clients that must find it again after a restart.
    pub mqtt_port: u16,
    /// Fixed HTTP port.
    pub http_port: u16,
}

/// A running `ioc` on a data folder of the test's.
pub struct Ioc {
    child: Child,
    /// Where it takes MQTT.
    pub mqtt: String,
    /// Where it takes MQTT in TLS, if it does.
    pub mqtts: Option<String>,
    /// Where it serves the page.
    pub http: String,
    /// Over TLS.
    pub tls: bool,
    /// One-time sign-in link of a first start.
    pub signin: Option<String>,
    /// Password of the first administrator, as a first start printed it.
    pub password: Option<String>,
    /// From start to the ready line.
    pub ready_after: Duration,
}

impl Ioc {
    /// Starts the binary and waits for its ready line.
    pub fn start(data: &Path, options: &IocOptions) -> Result<Self> {
        let mut command = Command::new(binary("ioc")?);
        command.arg("run").arg("--data").arg(data);
        command.arg("--mqtt-listen").arg(format!("127.0.0.1:{}", options.mqtt_port));
        command.arg("--http-listen").arg(format!("127.0.0.1:{}", options.http_port));
        if options.event_clock {
            command.args(["--clock", "event"]);
        }
        if let Some(settings) = &options.settings {
            let dir = data.join("config");
            if options.open_data {
                config_with_open_data(&dir)?;
            } else {
                copy_folder(&config_folder(), &dir)?;
            }
            std::fs::write(dir.join("ioc.yaml"), settings)?;
            command.arg("--config").arg(dir);
        }
        if let Some(dir) = &options.config {
            command.arg("--config").arg(dir);
        }
        command.envs(options.env.iter().cloned());
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.join("ioc.log"))
            .context("cannot open the log")?;
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().context("no stdout")?;
        let (mut signin, mut password) = (None, None);
        let mut lines = BufReader::new(out).lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some(at) = line.find("/signin?token=") {
                signin = Some(line[at..].split_whitespace().next().unwrap_or("").to_owned());
            }
            if let Some((_, said)) = line.split_once(" with password ") {
                password = Some(said.trim().to_owned());
            }
            if let Some(rest) = line.strip_prefix("ready ") {
                let field = |name: &str| {
                    rest.split(' ')
                        .find_map(|f| f.strip_prefix(name))
                        .map(str::to_owned)
                        .with_context(|| format!("no {name} in `{line}`"))
                };
                let (mqtt, mqtts) = (field("mqtt=")?, field("mqtts=").ok());
                let tls = field("https=").is_ok();
                let http = field(if tls { "https=" } else { "http=" })?;
                // Nobody reads further lines, but the pipe must stay open.
                std::thread::spawn(move || lines.for_each(drop));
                let ready_after = start.elapsed();
                return Ok(Self { child, mqtt, mqtts, http, tls, signin, password, ready_after });
            }
        }
        let status = child.wait()?;
        let log = std::fs::read_to_string(data.join("ioc.log")).unwrap_or_default();
        bail!("ioc ended with {status} before it was ready:\n{log}");
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for an orderly end.
    pub fn stop(mut self) -> Result<Duration> {
        let start = Instant::now();
        terminate(self.child.id())?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("ioc ended with {status} after SIGTERM");
        }
        Ok(start.elapsed())
    }

    /// `http://…` or `https://…`.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.http)
    }

    /// `mqtt://…`.
    pub fn mqtt_url(&self) -> String {
        format!("mqtt://{}", self.mqtt)
    }

    /// Port of an address.
    pub fn port(address: &str) -> u16 {
        address.rsplit(':').next().and_then(|p| p.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Ioc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends SIGTERM to a process this test started.
pub fn terminate(id: u32) -> Result<()> {
    let status = Command::new("kill").args(["-TERM", &id.to_string()]).status()?;
    if !status.success() {
        bail!("kill -TERM {id}: {status}");
    }
    Ok(())
}

/// The repository's configuration folder.
pub fn config_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

/// A copy of the repository's configuration in `folder`, with its open data published.
pub fn config_with_open_data(folder: &Path) -> Result<()> {
    copy_folder(&config_folder(), folder)?;
    let file = folder.join("opendata.yaml");
    let text = std::fs::read_to_string(&file)?;
    if !text.contains("enabled: false") {
        bail!("open data are not off as shipped");
    }
    std::fs::write(&file, text.replacen("enabled: false", "enabled: true", 1))?;
    Ok(())
}

/// A folder of `../shared/data`, or `None` with a word when it is not there.
pub fn shared_data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path)
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Runs `ioc-sim` with these arguments to its end and gives what it printed.
pub async fn simulate(args: &[&str]) -> Result<String> {
    let program = binary("ioc-sim")?;
    let out = tokio::process::Command::new(program)
        .args(args)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        bail!("ioc-sim {args:?}: {}\n{text}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    Ok(text)
}

/// Debian's Mosquitto on a free loopback port.
pub struct Mosquitto {
    child: Child,
    dir: PathBuf,
    /// Its port, the same after a restart.
    pub port: u16,
}

impl Mosquitto {
    /// Starts it with persistence in `dir`.
    pub fn start(dir: &Path) -> Result<Self> {
        let port = free_port()?;
        let child = Self::spawn(dir, port)?;
        Ok(Self { child, dir: dir.to_owned(), port })
    }

    fn spawn(dir: &Path, port: u16) -> Result<Child> {
        let conf = dir.join("mosquitto.conf");
        std::fs::write(
            &conf,
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n\
                 persistence_location {}/\nmax_queued_messages 0\nmax_inflight_messages 1000\nuser root\n",
                dir.display()
            ),
        )?;
        let child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start mosquitto; `make test-deps` installs it")?;
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                bail!("mosquitto does not listen on {port}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(child)
    }

    /// Ends it in order (its queues are written) and starts it again on the same port.
    pub fn restart(&mut self) -> Result<()> {
        terminate(self.child.id())?;
        self.child.wait()?;
        self.child = Self::spawn(&self.dir, self.port)?;
        Ok(())
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Adds an account by `ioc user add` and gives its first password, which is to be changed.
pub fn add_user(data: &Path, name: &str, role: &str) -> Result<String> {
    add_user_with(data, name, role, &[])
}

/// The same in another environment.
pub fn add_user_with(
    data: &Path,
    name: &str,
    role: &str,
    env: &[(&str, String)],
) -> Result<String> {
    let add = ["user", "add", name, "--role", role, "--data"];
    let env = env.iter().map(|(name, value)| (*name, value.as_str()));
    let out = Command::new(binary("ioc")?).args(add).arg(data).envs(env).output()?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let first = said.lines().next().and_then(|line| line.rsplit_once(": "));
    let (_, password) = first
        .with_context(|| format!("no password: {said}{}", String::from_utf8_lossy(&out.stderr)))?;
    Ok(password.to_owned())
}
