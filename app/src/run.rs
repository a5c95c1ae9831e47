//! `ioc run`: the composition, from top to bottom.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context;
use ioc_alerts::{Listener, Register};
use ioc_dashboard::{Auth, Dashboard, Live, Parts};
use ioc_history::{EmbeddedStore, InfluxStore};
use ioc_ingest::{
    Decoders, Gateway, GatewayMetrics, Intake, Publications, Quarantine, Subscriber,
    SubscriberMetrics,
};
use ioc_journal::Journal;
use ioc_model::{AlertFilter, AlertRow, AlertStore, City, Condition, Entry, HistoryStore, Ledger};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::check::{self, Checked};
use crate::cli::RunArgs;
use crate::exit::BadConfig;
use crate::settings::{Clock, FILE, HistoryBackend, Settings};
use crate::stages::{
    EntryCodec, EntryJournal, HistoryStage, JournalSink, LiveStage, Progress, RulesLinks,
    RulesStage, tick, wall,
};
use crate::{config, metrics, status};

/// Entries read back at a start to know redelivered messages again.
const REMEMBER_ENTRIES: u64 = 200_000;

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(&args.log)?)
        .with_writer(std::io::stderr)
        .init();
    let checked = check::load(&config::read(&args.config)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(compose(checked, args));
    // What still blocks after the deadline must not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Tokens of the stop order: doors first, screens last.
struct Stop {
    doors: CancellationToken,
    history: CancellationToken,
    screens: CancellationToken,
}

async fn compose(checked: Checked, args: &RunArgs) -> anyhow::Result<()> {
    let settings = checked.settings.with(args);
    let city = Arc::new(checked.city);
    std::fs::create_dir_all(&settings.data)
        .with_context(|| format!("cannot make the data folder {}", settings.data.display()))?;
    let stop = Stop {
        doors: CancellationToken::new(),
        history: CancellationToken::new(),
        screens: CancellationToken::new(),
    };
    let sockets = TaskTracker::new();
    let progress = Arc::<Progress>::default();
    let ledger = Arc::<Ledger>::default();

    // Journal.
    let (journal, mut writer, opened) = Journal::open(settings.journal.clone(), EntryCodec)?;
    tracing::info!(?opened, "journal opened");

    // Alerts: what changes goes to MQTT and to the screens, in order.
    let publications = Arc::new(Publications::default());
    let (live, live_next) = open_live(&settings, &city, opened.first)?;
    let listener = alert_listener(Arc::clone(&publications), Arc::clone(&live));
    let register = Arc::new(Register::open(&settings.file("alerts.sqlite"), listener)?);
    announce_active(&register, &publications, &live)?;

    // Readers of the journal.
    let infos = checked.rules.infos();
    let rules = RulesStage::open(
        checked.rules,
        settings.engine(),
        RulesLinks {
            checkpoint: settings.file("rules.checkpoint"),
            register: Arc::clone(&register),
            journal: journal.clone(),
            ledger: Arc::clone(&ledger),
            live: Arc::clone(&live),
            progress: Arc::clone(&progress),
        },
    )?;
    // After a power cut without `journal.sync = commit` readers may be ahead of the journal: a
    // position must never mean two entries.
    let seen = rules.next().max(live_next).max(register.cursor()?);
    let (history, stored) = open_history(&settings, &ledger, opened.next.max(seen)).await?;
    writer.skip_to(seen.max(stored));
    let start = journal.stats().next;
    for (reader, cursor) in [("rules", rules.next()), ("live", live_next), ("history", stored)] {
        journal.set_cursor(reader, cursor);
    }
    let mut core = JoinSet::new();
    core.spawn_blocking(move || writer.run().map(drop).context("journal"));
    core.spawn(rules.run(start));
    core.spawn(
        LiveStage {
            live: Arc::clone(&live),
            next: live_next,
            journal: journal.clone(),
            snapshot: settings.file("live.snapshot"),
            progress: Arc::clone(&progress),
        }
        .run(),
    );
    core.spawn(
        HistoryStage {
            store: Arc::clone(&history),
            journal: journal.clone(),
            progress: Arc::clone(&progress),
        }
        .run(stop.history.clone()),
    );
    catch_up(&progress, opened.next, &mut core).await?;

    // Doors.
    let quarantine = Arc::new(Quarantine::open(
        &settings.file("quarantine.sqlite"),
        settings.ingest.quarantine.clone(),
    )?);
    let intake = Arc::new(Intake::new(
        settings.ingest.intake.clone(),
        Arc::clone(&city),
        Arc::clone(&ledger),
        Decoders::new(FILE, &settings.ingest.decoders, Arc::clone(&city)).map_err(BadConfig)?,
        Arc::new(JournalSink(journal.clone())),
        Arc::clone(&quarantine),
    ));
    remember(&journal, &intake, opened.first, opened.next).await?;
    let (gateway, mqtt) = Gateway::bind(
        settings.ingest.gateway.clone(),
        Arc::clone(&intake),
        Arc::clone(&publications),
    )
    .await?;
    let gateway_metrics = gateway.metrics();
    let brokers = &settings.ingest.subscribers;
    let subscribers = brokers
        .iter()
        .map(|c| Ok((c.name.clone(), Subscriber::new(c.clone(), Arc::clone(&intake))?)))
        .collect::<anyhow::Result<Vec<_>>>()?;

    // Screens.
    let auth = Arc::new(Auth::open(&settings.file("users.sqlite"))?);
    let first = auth.first_start()?;
    let watch = Watch {
        journal: journal.clone(),
        ledger: Arc::clone(&ledger),
        progress: Arc::clone(&progress),
        gateway: gateway_metrics,
        subscribers: subscribers.iter().map(|(name, s)| (name.clone(), s.metrics())).collect(),
        live: Arc::clone(&live),
        clock: settings.clock,
        started: wall(),
        history: Arc::clone(&history),
    };
    let watch = Arc::new(watch);
    let (dashboard, http) = Dashboard::bind(
        settings.dashboard.clone(),
        parts(&watch, city, register, quarantine, infos, auth),
    )?;
    if settings.clock == Clock::Wall {
        core.spawn(tick(journal.clone(), stop.doors.clone()));
    }
    let mut doors = JoinSet::new();
    let (tracker, token) = (sockets.clone(), stop.doors.clone());
    doors.spawn(async move {
        gateway.run(tracker.clone(), token).await.context("gateway")?;
        tracker.close();
        tracker.wait().await;
        Ok(())
    });
    for (_, subscriber) in subscribers {
        let token = stop.doors.clone();
        doors.spawn(async move { subscriber.run(token).await.map(drop).context("subscriber") });
    }
    let (tracker, token) = (TaskTracker::new(), stop.screens.clone());
    let mut screens = JoinSet::new();
    screens.spawn(async move {
        dashboard.run(tracker.clone(), token).await.context("dashboard")?;
        tracker.close();
        tracker.wait().await;
        Ok(())
    });

    if let Some(first) = first {
        println!("first start: user {} with password {}", first.user, first.password);
        println!("one-time sign-in: http://{http}/signin?token={}", first.signin_token);
    }
    println!("ready mqtt={mqtt} http={http}");

    let failed = tokio::select! {
        asked = signal() => asked.err(),
        e = first_failure(&mut core) => Some(e),
        e = first_failure(&mut doors) => Some(e),
        e = first_failure(&mut screens) => Some(e),
    };
    let limit = Duration::from_secs(settings.stop_within_s);
    let orderly = shut_down(stop, journal, core, doors, screens);
    tokio::select! {
        ended = tokio::time::timeout(limit, orderly) => {
            if ended.is_err() {
                tracing::warn!(seconds = settings.stop_within_s, "not stopped in time, ending as it is");
            }
        }
        _ = signal() => tracing::warn!("second signal, ending at once"),
    }
    failed.map_or(Ok(()), Err)
}

/// What status page, readiness and metrics look at.
pub(crate) struct Watch {
    pub journal: EntryJournal,
    pub ledger: Arc<Ledger>,
    pub progress: Arc<Progress>,
    pub gateway: Arc<GatewayMetrics>,
    pub subscribers: Vec<(String, Arc<SubscriberMetrics>)>,
    pub live: Arc<Live>,
    pub clock: Clock,
    pub started: ioc_model::Timestamp,
    pub history: Arc<dyn HistoryStore>,
}

fn parts(
    watch: &Arc<Watch>,
    city: Arc<City>,
    alerts: Arc<Register>,
    quarantine: Arc<Quarantine>,
    infos: Vec<ioc_rules::RuleInfo>,
    auth: Arc<Auth>,
) -> Parts {
    let (a, b, c) = (Arc::clone(watch), Arc::clone(watch), Arc::clone(watch));
    Parts {
        city,
        ledger: Arc::clone(&watch.ledger),
        alerts,
        history: Arc::clone(&watch.history),
        quarantine,
        rules: infos.into_iter().map(status::rule_info).collect(),
        status: Arc::new(move || status::status(&a)),
        metrics: Arc::new(move || metrics::render(&b)),
        ready: Arc::new(move || status::ready(&c)),
        live: Arc::clone(&watch.live),
        auth,
        clock: Arc::new(wall),
    }
}

fn open_live(settings: &Settings, city: &City, first: u64) -> anyhow::Result<(Arc<Live>, u64)> {
    let path = settings.file("live.snapshot");
    match std::fs::read(&path) {
        Ok(bytes) => match Live::restore(city, &bytes) {
            Ok((live, next)) => return Ok((Arc::new(live), next)),
            Err(e) => {
                tracing::warn!(error = %e, "live snapshot not usable, reading the journal anew")
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).context("cannot read the live snapshot"),
    }
    Ok((Arc::new(Live::new(city, Vec::new())), first))
}

async fn open_history(
    settings: &Settings,
    ledger: &Arc<Ledger>,
    count_from: u64,
) -> anyhow::Result<(Arc<dyn HistoryStore>, u64)> {
    let ledger = Arc::clone(ledger);
    let store: Arc<dyn HistoryStore> = match settings.history.backend {
        HistoryBackend::Embedded => Arc::new(EmbeddedStore::open(
            &settings.file("history.sqlite"),
            settings.history.embedded.clone(),
            ledger,
            count_from,
        )?),
        HistoryBackend::Influxdb => Arc::new(
            InfluxStore::open(
                &settings.file("influx"),
                settings.history.influxdb.clone(),
                ledger,
                count_from,
            )
            .await?,
        ),
    };
    let cursor = store.cursor().await?;
    Ok((store, cursor))
}

/// Topic of an alert on MQTT.
fn alert_topic(row: &AlertRow) -> String {
    format!("ioc/v1/alerts/{}/{}/{}", row.service, row.area, row.id)
}

fn publish_alert(publications: &Publications, row: &AlertRow) {
    let Ok(body) = serde_json::to_vec(row) else { return };
    let topic = alert_topic(row);
    let active = row.condition == Condition::Active;
    publications.publish(&topic, body.into(), active);
    if !active {
        // Zero bytes take the retained message away.
        publications.publish(&topic, Vec::new().into(), true);
    }
}

fn alert_listener(publications: Arc<Publications>, live: Arc<Live>) -> Listener {
    Arc::new(move |rows: &[AlertRow]| {
        live.alerts_changed(rows);
        rows.iter().for_each(|row| publish_alert(&publications, row));
    })
}

/// Screens and retained topics know the open alerts of earlier runs.
fn announce_active(
    register: &Register,
    publications: &Publications,
    live: &Live,
) -> anyhow::Result<()> {
    let filter = AlertFilter { open_only: true, limit: 10_000, ..AlertFilter::default() };
    let (rows, _) = register.list(&filter)?;
    live.set_open_alerts(&rows);
    for row in rows.iter().filter(|r| r.condition == Condition::Active) {
        publish_alert(publications, row);
    }
    Ok(())
}

/// Fills the duplicate window from the newest entries of the journal.
async fn remember(
    journal: &EntryJournal,
    intake: &Intake,
    first: u64,
    next: u64,
) -> anyhow::Result<()> {
    let from = next.saturating_sub(REMEMBER_ENTRIES).max(first);
    let mut reader = journal.reader("remember", from);
    let mut at = from;
    while at < next {
        let Some(batch) = reader.next().await? else { break };
        for entry in &batch.entries {
            if let Entry::Record(record) = entry {
                intake.remember(record);
            }
        }
        at = batch.first + batch.entries.len() as u64;
    }
    Ok(())
}

/// Waits until the rules have judged what was in the journal at the start.
async fn catch_up(
    progress: &Progress,
    next: u64,
    core: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut every = tokio::time::interval(Duration::from_millis(5));
    while progress.rules.load(Relaxed) < next {
        tokio::select! {
            _ = every.tick() => {}
            e = first_failure(core) => return Err(e),
        }
    }
    Ok(())
}

/// The first stage that ended with an error; a stage that ended without one is none.
async fn first_failure(stages: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    loop {
        match stages.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(e))) => return e,
            Some(Err(e)) => return anyhow::Error::new(e).context("a stage ended unexpectedly"),
            None => std::future::pending().await,
        }
    }
}

/// Resolves at SIGINT or SIGTERM.
async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
    Ok(())
}

/// Ingest, journal, rules and alerts, history, dashboard: each ends when what it reads has ended.
async fn shut_down(
    stop: Stop,
    journal: EntryJournal,
    mut core: JoinSet<anyhow::Result<()>>,
    mut doors: JoinSet<anyhow::Result<()>>,
    mut screens: JoinSet<anyhow::Result<()>>,
) {
    tracing::info!("stopping");
    stop.doors.cancel();
    while doors.join_next().await.is_some() {}
    journal.close();
    stop.history.cancel();
    while core.join_next().await.is_some() {}
    stop.screens.cancel();
    while screens.join_next().await.is_some() {}
    tracing::info!("stopped");
}
