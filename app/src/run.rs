//! `ioc run`: the composition, from top to bottom.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context;
use ioc_alerts::notify::Notifier;
use ioc_dashboard::{Auth, Dashboard, FirstAdmin, Forms, Live, Parts};
use ioc_history::{EmbeddedStore, InfluxStore};
use ioc_ingest::{GatewayAddresses, Publications, Registry};
use ioc_journal::{Journal, OpenReport, Writer};
use ioc_model::{City, HistoryStore, Ledger, Timestamp};
use ioc_share::opendata::OpenData;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::alerting::{self, AlertClock, Alerting, Ways};
use crate::check::{self, Base};
use crate::cli::RunArgs;
use crate::doors::{self, DoorParts, Doors};
use crate::rulebook::{self, Bench, Book, Desk, DeskParts, RulesView, Start, watch};
use crate::settings::{Clock, HistoryBackend, Settings};
use crate::stages::{
    AlertsStage, CHECKPOINT_EVERY, EntryCodec, EntryJournal, HistoryStage, HousekeepingStage,
    LiveStage, Personal, PersonalStage, Progress, REQUESTS, RegistryStage, Request, RulesLinks,
    RulesStage, wall,
};
use crate::status::Watch;
use crate::stop::{Running, first_failure};
use crate::{config, https, metrics, status};

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(&args.log)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let files = config::read(&args.config)?;
    let mut base = check::load_all_but_rules(&files)?;
    base.settings = base.settings.with(args);
    let registry = doors::known_registry(&mut base)?;
    let versions = base.settings.file("rules/versions.sqlite");
    let rules = rulebook::start(&versions, &files, &base.city)?;
    let registry = registry.map_or_else(|| doors::registry(&base), Ok)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(compose((base, registry), rules, args));
    // What still blocks after the deadline must not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn compose(
    (base, registry): (Base, Arc<Registry>),
    mut rules: Start,
    args: &RunArgs,
) -> anyhow::Result<()> {
    let mut running = Running::new();
    let (core, writer, notifier) = Core::open(base, registry)?;
    let (stage, requests) = mpsc::channel(REQUESTS);
    let history = core.start_readers((&mut rules, requests), writer, &mut running).await?;
    let (doors, addresses) = core.open_doors(&mut running).await?;
    core.start_alerting(notifier, &mut running);
    let desk = core.open_desk(rules, stage, args, &mut running);
    let (first, screens) = core.open_screens(desk, history, doors, &mut running)?;
    if let Some(first) = first {
        println!("first start: user {} with password {}", first.user, first.password);
        println!("one-time sign-in: {}/signin?token={}", screens.url(), first.signin_token);
    }
    println!("{}", ready(addresses, screens));
    let limit = Duration::from_secs(core.settings.stop_within_s);
    running.until_stopped(core.journal, limit).await
}

/// The line that says where everything is.
fn ready(mqtt: GatewayAddresses, screens: Screens) -> String {
    let named = |name: &str, address: Option<SocketAddr>| {
        address.map_or_else(String::new, |address| format!(" {name}={address}"))
    };
    let (tcp, tls) = (named("mqtt", mqtt.tcp), named("mqtts", mqtt.tls));
    let redirect = named("redirect", screens.redirect);
    format!("ready{tcp}{tls} {}={}{redirect}", screens.scheme(), screens.address)
}

/// Where the screens are reached.
#[derive(Clone, Copy)]
struct Screens {
    address: SocketAddr,
    tls: bool,
    /// The plain address that sends browsers on.
    redirect: Option<SocketAddr>,
}

impl Screens {
    fn scheme(self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    fn url(self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }
}

/// What more than one part of the composition needs.
struct Core {
    settings: Settings,
    city: Arc<City>,
    forms: Forms,
    open_data: Arc<OpenData>,
    registry: Arc<Registry>,
    journal: EntryJournal,
    opened: OpenReport,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
    view: Arc<RulesView>,
    publications: Arc<Publications>,
    live: Arc<Live>,
    live_next: u64,
    alerting: Alerting,
    /// `None`: no personal data is kept.
    personal: Option<Personal>,
}

impl Core {
    /// Opens what is on disk; nothing runs yet.
    fn open(
        base: Base,
        registry: Arc<Registry>,
    ) -> anyhow::Result<(Self, Writer<EntryCodec>, Notifier)> {
        let settings = base.settings.clone();
        let (journal, writer, opened) = Journal::open(settings.journal.clone(), EntryCodec)?;
        tracing::info!(?opened, "journal opened");
        let publications = Arc::new(Publications::default());
        let (live, live_next) = open_live(&settings, &base.city, opened.first)?;
        let progress = Arc::<Progress>::default();
        let ways = Ways { publications: Arc::clone(&publications), live: Arc::clone(&live) };
        let clock = alert_clock(settings.clock, &progress);
        let (alerting, notifier) = Alerting::open(&base, &ways, clock)?;
        let personal = Personal::open(&settings, &alerting.register)?;
        registry.tell(alerting.note_act());
        let core = Self {
            settings,
            city: Arc::clone(&base.city),
            forms: alerting::forms(&base),
            open_data: Arc::clone(&base.open_data),
            registry,
            journal,
            opened,
            ledger: Arc::default(),
            progress,
            view: Arc::default(),
            publications,
            live,
            live_next,
            alerting,
            personal,
        };
        Ok((core, writer, notifier))
    }

    /// Starts the journal and its readers, and waits until the rules have judged what was there.
    async fn start_readers(
        &self,
        (start, requests): (&mut Start, mpsc::Receiver<Request>),
        mut writer: Writer<EntryCodec>,
        running: &mut Running,
    ) -> anyhow::Result<Arc<dyn HistoryStore>> {
        let links = RulesLinks {
            checkpoint: self.settings.file("rules.checkpoint"),
            checkpoint_every: CHECKPOINT_EVERY,
            register: Arc::clone(&self.alerting.register),
            journal: self.journal.clone(),
            ledger: Arc::clone(&self.ledger),
            live: Arc::clone(&self.live),
            progress: Arc::clone(&self.progress),
            view: Arc::clone(&self.view),
        };
        let rules = RulesStage::open(start, self.settings.engine(), requests, links)?;
        // After a power cut without `journal.sync = commit` readers may be ahead of the journal:
        // a position must never mean two entries.
        let seen = rules.spoken_for().max(self.live_next).max(self.alerting.register.cursor()?);
        let seen = seen.max(self.personal.as_ref().map_or(0, |p| p.db.cursor()));
        let history = self.open_history(self.opened.next.max(seen)).await?;
        let stored = history.cursor().await?;
        writer.skip_to(seen.max(stored));
        let start = self.journal.stats().next;
        let cursors = [("rules", rules.next()), ("live", self.live_next), ("history", stored)];
        for (reader, cursor) in cursors {
            self.journal.set_cursor(reader, cursor);
        }
        running.core.spawn_blocking(move || writer.run().map(drop).context("journal"));
        running.core.spawn(rules.run(start));
        let live = LiveStage {
            live: Arc::clone(&self.live),
            next: self.live_next,
            journal: self.journal.clone(),
            snapshot: self.settings.file("live.snapshot"),
            progress: Arc::clone(&self.progress),
        };
        running.core.spawn(live.run());
        let writer = HistoryStage {
            store: Arc::clone(&history),
            journal: self.journal.clone(),
            progress: Arc::clone(&self.progress),
        };
        running.core.spawn(writer.run(running.stop_history.clone()));
        let housekeeping = HousekeepingStage {
            store: Arc::clone(&history),
            clock: Arc::clone(&self.alerting.clock),
        };
        running.core.spawn(housekeeping.run(running.stop_history.clone()));
        if let Some(personal) = &self.personal {
            let (db, journal) = (Arc::clone(&personal.db), self.journal.clone());
            journal.set_cursor("personal", db.cursor());
            running.core.spawn(PersonalStage { db, journal }.run(running.stop_history.clone()));
        }
        self.catch_up(running).await?;
        Ok(history)
    }

    async fn open_history(&self, count_from: u64) -> anyhow::Result<Arc<dyn HistoryStore>> {
        let (settings, ledger) = (&self.settings, Arc::clone(&self.ledger));
        let config = settings.history.clone();
        Ok(match config.backend {
            HistoryBackend::Embedded => {
                let path = settings.file("history.sqlite");
                Arc::new(EmbeddedStore::open(&path, config.embedded, ledger, count_from)?)
            }
            HistoryBackend::Influxdb => {
                let folder = settings.file("influx");
                Arc::new(InfluxStore::open(&folder, config.influxdb, ledger, count_from).await?)
            }
        })
    }

    async fn catch_up(&self, running: &mut Running) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(Duration::from_millis(5));
        while self.progress.rules.load(Relaxed) < self.opened.next {
            tokio::select! {
                _ = every.tick() => {}
                e = first_failure(&mut running.core) => return Err(e),
            }
        }
        Ok(())
    }

    /// Opens gateway and subscribers, and starts the clock; keeps the registry.
    async fn open_doors(&self, running: &mut Running) -> anyhow::Result<(Doors, GatewayAddresses)> {
        let parts = DoorParts {
            settings: &self.settings,
            city: &self.city,
            registry: &self.registry,
            journal: &self.journal,
            opened: &self.opened,
            ledger: &self.ledger,
            publications: &self.publications,
            personal: self.personal.as_ref(),
        };
        let doors = parts.open(running).await?;
        let stage = RegistryStage {
            registry: Arc::clone(&self.registry),
            live: Arc::clone(&self.live),
            inbox: Arc::clone(&doors.0.received),
        };
        running.screens.spawn(stage.run(running.stop_screens.clone()));
        Ok(doors)
    }

    /// Timers of alerts, and notification. They end with the screens: what the rules say last is
    /// still told.
    fn start_alerting(&self, notifier: Notifier, running: &mut Running) {
        let stage = AlertsStage {
            register: Arc::clone(&self.alerting.register),
            shifts: Arc::clone(&self.alerting.shifts),
            live: Arc::clone(&self.live),
            clock: Arc::clone(&self.alerting.clock),
        };
        running.screens.spawn(stage.run(running.stop_screens.clone()));
        let stop = running.stop_screens.clone();
        running.screens.spawn(async move {
            let stats = notifier.run(stop).await;
            tracing::info!(?stats, "notification stopped");
            Ok(())
        });
    }

    /// Lets rules change while all runs.
    fn open_desk(
        &self,
        rules: Start,
        stage: mpsc::Sender<Request>,
        args: &RunArgs,
        running: &mut Running,
    ) -> Arc<Desk> {
        let number = rules.version.as_ref().map_or(0, |v| v.number);
        let parts = DeskParts {
            loader: rules.loader,
            folder: args.config.config.clone(),
            store: rules.store,
            view: Arc::clone(&self.view),
            stage,
            bench: Bench { journal: self.journal.clone(), config: self.settings.engine() },
            journal_dir: self.settings.journal.dir.clone(),
            trial: self.settings.trial(),
        };
        let current = (number, rules.files, rules.accepted);
        let desk = Arc::new(Desk::new(parts, current, rules.trouble));
        running.doors.spawn(watch(Arc::clone(&desk), running.stop_doors.clone()));
        desk
    }

    /// Opens the dashboard.
    fn open_screens(
        &self,
        desk: Arc<Desk>,
        history: Arc<dyn HistoryStore>,
        doors: Doors,
        running: &mut Running,
    ) -> anyhow::Result<(Option<FirstAdmin>, Screens)> {
        let auth = Arc::new(Auth::open(&self.settings.file("users.sqlite"))?);
        let first = auth.first_start()?;
        let https = self.settings.dashboard.tls.as_ref().map(https::open).transpose()?;
        let watch = Arc::new(Watch {
            journal: self.journal.clone(),
            ledger: Arc::clone(&self.ledger),
            progress: Arc::clone(&self.progress),
            gateway: doors.gateway,
            subscribers: doors.subscribers,
            tls: doors.tls,
            https: https.clone(),
            registry: Arc::clone(&self.registry),
            clock: self.settings.clock,
            started: wall(),
            desk: Arc::clone(&desk),
            alerting: self.alerting.clone(),
            personal: self.personal.clone(),
        });
        let (a, b, c) = (Arc::clone(&watch), Arc::clone(&watch), watch);
        let parts = Parts {
            city: Arc::clone(&self.city),
            ledger: Arc::clone(&self.ledger),
            alerts: Arc::clone(&self.alerting.register) as _,
            kpi: Arc::clone(&self.alerting.kpis) as _,
            shifts: Arc::clone(&self.alerting.shifts) as _,
            notifications: Arc::clone(&self.alerting.notifications) as _,
            forms: self.forms.clone(),
            history,
            note_act: self.alerting.note_act(),
            open_data: Arc::clone(&self.open_data),
            quarantine: doors.quarantine,
            rerun: doors.rerun,
            devices: Arc::clone(&self.registry) as _,
            received: doors.received,
            personal: self.personal.as_ref().map(|p| Arc::clone(&p.db) as _),
            rules: Arc::new(Book::new(desk)),
            status: Arc::new(move || status::status(&a)),
            metrics: Arc::new(move || metrics::render(&b)),
            ready: Arc::new(move || status::ready(&c)),
            live: Arc::clone(&self.live),
            auth,
            mqtt: Some(doors.mqtt),
            tls: https.as_ref().map(https::source),
            clock: Arc::new(wall),
        };
        let tls = https.is_some();
        let (dashboard, address) = Dashboard::bind(self.settings.dashboard.clone(), parts)?;
        let screens = Screens { address, tls, redirect: dashboard.redirects_from() };
        if let Some(https) = https {
            running.screens.spawn(https::watch(https, running.stop_screens.clone()));
        }
        let stop = running.stop_screens.clone();
        running.screens.spawn(async move {
            let sockets = TaskTracker::new();
            dashboard.run(sockets.clone(), stop).await.context("dashboard")?;
            sockets.close();
            sockets.wait().await;
            Ok(())
        });
        Ok((first, screens))
    }
}

/// What the wall says; in a replay what the readings say.
fn alert_clock(clock: Clock, progress: &Arc<Progress>) -> AlertClock {
    match clock {
        Clock::Wall => Arc::new(wall),
        Clock::Event => {
            let progress = Arc::clone(progress);
            Arc::new(move || Timestamp(progress.watermark.load(Relaxed)))
        }
    }
}

fn open_live(settings: &Settings, city: &City, first: u64) -> anyhow::Result<(Arc<Live>, u64)> {
    match std::fs::read(settings.file("live.snapshot")) {
        Ok(bytes) => match Live::restore(city, &bytes) {
            Ok((live, next)) => return Ok((Arc::new(live), next)),
            Err(error) => {
                tracing::warn!(%error, "live snapshot not usable, reading the journal anew");
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).context("cannot read the live snapshot"),
    }
    Ok((Arc::new(Live::new(city, Vec::new())), first))
}
