//! The alert part of the composition: register, shifts, figures of the alarm system, notification.

use std::sync::Arc;

use anyhow::Context;
use ioc_alerts::cap::{CapStore, Feed};
use ioc_alerts::channel::Surroundings;
use ioc_alerts::kpi::Kpis;
use ioc_alerts::notify::{Notifier, NotifierParts, NotifyHandle, Way, WayParts};
use ioc_alerts::sheet;
use ioc_alerts::shift::{self, Shifts};
use ioc_alerts::{Language, Register, RegisterParts, cap};
use ioc_dashboard::{Forms, Lang, Live, NoteAct, Printout};
use ioc_ingest::Publications;
use ioc_model::{AlertStore, Timestamp};
use tokio::sync::Notify;

use crate::announce;
use crate::check::Base;
use crate::exit::BadConfig;

/// What time it is for people's work on alerts.
pub(crate) type AlertClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the stages and the screens share of it.
#[derive(Clone)]
pub(crate) struct Alerting {
    pub register: Arc<Register>,
    pub shifts: Arc<Shifts>,
    pub kpis: Arc<Kpis>,
    pub notifications: Arc<NotifyHandle>,
    pub clock: AlertClock,
}

/// Where changes go.
pub(crate) struct Ways {
    pub publications: Arc<Publications>,
    pub live: Arc<Live>,
}

impl Alerting {
    /// Opens what is on disk and the ways to the receivers; nothing runs yet.
    pub(crate) fn open(
        base: &Base,
        ways: &Ways,
        clock: AlertClock,
    ) -> anyhow::Result<(Self, Notifier)> {
        let changed = Arc::new(Notify::new());
        let listener = announce::listener(&ways.publications, &ways.live, &changed);
        let path = base.settings.file("alerts.sqlite");
        let parts = RegisterParts {
            city: Arc::clone(&base.city),
            policy: Arc::clone(&base.policy),
            listener,
        };
        let register = Arc::new(Register::open(&path, parts)?);
        let anchors = base.settings.alerts.anchors.clone();
        let anchors = anchors.unwrap_or_else(|| base.settings.file("audit.anchors"));
        register.keep_anchors(&anchors).with_context(|| {
            format!("cannot keep anchors of the audit log in {}", anchors.display())
        })?;
        announce::open_alerts(&register, &ways.publications, &ways.live)?;
        let (shifts, kpis) = (Shifts::open(&path)?, Kpis::open(&path)?);
        let notifier =
            notifier(base, Arc::clone(&register) as _, (ways, &clock))?.woken_by(changed);
        let alerting = Self {
            register,
            shifts: Arc::new(shifts),
            kpis: Arc::new(kpis),
            notifications: Arc::new(notifier.handle()),
            clock,
        };
        Ok((alerting, notifier))
    }

    /// The audit log for acts that are about no alert.
    pub(crate) fn note_act(&self) -> NoteAct {
        let register = Arc::clone(&self.register);
        Arc::new(move |action, actor, detail| {
            Ok(register.note_act(action, actor, (None, Some(detail))).map(drop)?)
        })
    }
}

/// The outbox and the ways to its receivers.
fn notifier(
    base: &Base,
    alerts: Arc<dyn AlertStore>,
    (ways, clock): (&Ways, &AlertClock),
) -> anyhow::Result<Notifier> {
    let (config, path) = (base.notify.clone(), base.settings.file("notify.sqlite"));
    let cap = Arc::new(CapStore::open(&path).context("cannot open the public warnings")?);
    let around = Surroundings {
        city: Arc::clone(&base.city),
        base_url: config.base_url.clone(),
        clock: Arc::clone(clock),
    };
    let publisher = Arc::new(announce::OwnTopics(Arc::clone(&ways.publications)));
    let way_parts = WayParts {
        around,
        alerts: Arc::clone(&alerts),
        publisher: Some(publisher),
        cap: Some(Arc::clone(&cap)),
    };
    let channels = config.channels(&way_parts).map_err(BadConfig)?;
    let clock = Arc::clone(clock);
    let parts = NotifierParts { config, alerts, channels, cap: Some(cap), clock };
    Notifier::open(&path, parts).context("cannot open the outbox of notifications")
}

/// Documents that the dashboard serves and the alert part writes.
pub(crate) fn forms(base: &Base) -> Forms {
    let [one, two, three] = [(); 3].map(|()| Arc::clone(&base.city));
    let warnings = base.notify.receivers.iter().find_map(|r| match &r.way {
        Way::Cap(settings) => Some(settings.clone()),
        _ => None,
    });
    Forms {
        handover_html: Arc::new(move |handover, lang| Printout {
            html: shift::html(handover, &one, language(lang)),
            style: shift::STYLE_HASH.into(),
        }),
        handover_csv: Arc::new(move |handover, lang| shift::csv(handover, &two, language(lang))),
        alerts_csv: Arc::new(move |rows, head, lang| {
            sheet::alerts(rows, head, &three, language(lang))
        }),
        cap_feed: Arc::new(move |rows, here| {
            let now = crate::stages::wall();
            let feed = match &warnings {
                Some(settings) => Feed::of(settings, here, now),
                None => Feed { title: "CAP", author: "ioc", authority: "ioc", base_url: here, now },
            };
            // Writing into memory does not fail.
            cap::atom(&feed, rows).unwrap_or_default()
        }),
    }
}

fn language(lang: Lang) -> Language {
    match lang {
        Lang::Vi => Language::Vi,
        Lang::En => Language::En,
    }
}
