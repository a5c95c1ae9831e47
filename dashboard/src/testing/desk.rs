//! Samples of everything else about alerts, and stores that give them.

use std::sync::{Arc, Mutex};

use ioc_model::{
    Actor, AlertId, CapRow, DeliveryFilter, DeliveryRow, DeliveryState, Handover, HeldBy, Hold,
    HoldId, HoldScope, IncidentId, IncidentKind, IncidentRow, KpiFigure, KpiGroup, KpiPeriod,
    KpiQuery, KpiReport, KpiStore, KpiSuggestion, KpiVerdict, NotifyStore, ReceiverRow,
    RegisterError, Severity, ShiftEntry, ShiftId, ShiftRow, ShiftStore, Timestamp,
};

use super::{NOON, alert, text};
use crate::{Forms, Lang, Printout};

/// `sha256-` of the empty text.
pub(crate) const STYLE: &str = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

pub(crate) fn incident() -> IncidentRow {
    IncidentRow {
        id: IncidentId(format!("{:032x}-1", 1)),
        ver: 2,
        kind: IncidentKind::Cause,
        area: "hai_chau".into(),
        service: "air".into(),
        cause: "air_quality".into(),
        parent: None,
        root: AlertId(format!("{:032x}", 1)),
        name: text("PM2.5"),
        severity: Severity::Major,
        opened_at: Timestamp(NOON),
        last_at: Timestamp(NOON + 1),
        closed_at: None,
        alerts: 3,
        open: 2,
        unacknowledged: 1,
    }
}

pub(crate) fn hold() -> Hold {
    Hold {
        id: HoldId(7),
        by: HeldBy::Maintenance,
        scope: HoldScope { device: Some("air-000".into()), ..HoldScope::default() },
        from: Timestamp(NOON),
        until: Some(Timestamp(NOON + 1_000)),
        reason: "new filter".into(),
        who: "operator".into(),
        ended: None,
    }
}

pub(crate) fn kpi(query: &KpiQuery) -> KpiReport {
    let group = KpiGroup {
        id: "pm25_high".into(),
        name: Some(text("PM2.5")),
        alarms: 3,
        share: 100.0,
        standing: 1,
        stale: 0,
        chattering: 0,
        fleeting: 0,
        ack_p50_s: Some(12.0),
        ack_p90_s: Some(40.0),
        resolve_p50_s: None,
        resolve_p90_s: None,
        false_share: None,
    };
    let figure = KpiFigure {
        id: "per_10_min".into(),
        value: Some(0.5),
        unit: "alarms".into(),
        target: Some(1.0),
        limit: Some(2.0),
        source: Some("ISA-18.2".into()),
        verdict: Some(KpiVerdict::Good),
    };
    let suggestion = KpiSuggestion {
        rule: "pm25_high".into(),
        why: text("chatters"),
        field: "for".into(),
        value: "2m".into(),
        spares: 2,
    };
    KpiReport {
        from: query.from,
        to: query.to,
        positions: query.positions.unwrap_or(1),
        alarms: 3,
        incidents: 1,
        held: 0,
        figures: vec![figure],
        periods: vec![KpiPeriod { at: query.from, alarms: 3, incidents: 1, flood: false }],
        step_ms: 600_000,
        priorities: vec![(Severity::Minor, 3)],
        rules: vec![group],
        areas: Vec::new(),
        services: Vec::new(),
        suggestions: vec![suggestion],
    }
}

/// Answers with what it was asked.
pub(crate) struct FakeKpi;

impl KpiStore for FakeKpi {
    fn report(&self, query: &KpiQuery) -> Result<KpiReport, RegisterError> {
        if query.to.0 - query.from.0 > 400 * 86_400_000 {
            return Err(RegisterError::Bad("at most 400 days".into()));
        }
        Ok(kpi(query))
    }
}

#[derive(Default)]
pub(crate) struct FakeShifts {
    pub actors: Mutex<Vec<Actor>>,
}

impl FakeShifts {
    fn shift(&self, actor: &Actor) -> ShiftRow {
        self.actors.lock().expect("no panic").push(actor.clone());
        ShiftRow {
            id: 3,
            user: actor.user.clone(),
            position: "desk-1".into(),
            from: actor.at,
            until: None,
            handover: None,
        }
    }
}

fn entry(id: u64) -> ShiftEntry {
    ShiftEntry {
        id,
        at: Timestamp(NOON),
        user: "operator".into(),
        text: "checked".into(),
        alert: Some(AlertId(format!("{:032x}", 1))),
        open: true,
        done: None,
    }
}

impl ShiftStore for FakeShifts {
    fn on_duty(&self) -> Result<Vec<ShiftRow>, RegisterError> {
        let actor = Actor { user: "lan".into(), origin: None, at: Timestamp(NOON) };
        Ok(vec![self.shift(&actor)])
    }

    fn begin(&self, position: &str, actor: &Actor) -> Result<ShiftRow, RegisterError> {
        Ok(ShiftRow { position: position.into(), ..self.shift(actor) })
    }

    fn end(
        &self,
        shift: ShiftId,
        handover: Option<&str>,
        actor: &Actor,
    ) -> Result<ShiftRow, RegisterError> {
        if shift != 3 {
            return Err(RegisterError::Bad(format!("there is no shift {shift}")));
        }
        let handover = handover.map(String::from);
        Ok(ShiftRow { until: Some(actor.at), handover, ..self.shift(actor) })
    }

    fn write(
        &self,
        text: &str,
        alert: Option<&AlertId>,
        open: bool,
        actor: &Actor,
    ) -> Result<ShiftEntry, RegisterError> {
        let (text, user) = (text.into(), actor.user.clone());
        Ok(ShiftEntry { text, user, alert: alert.cloned(), open, ..entry(1) })
    }

    fn done(&self, id: u64, actor: &Actor) -> Result<ShiftEntry, RegisterError> {
        Ok(ShiftEntry { done: Some((actor.at, actor.user.clone())), ..entry(id) })
    }

    fn log(
        &self,
        _from: Timestamp,
        _to: Timestamp,
        limit: usize,
    ) -> Result<Vec<ShiftEntry>, RegisterError> {
        Ok((1..=2).take(limit).map(entry).collect())
    }

    fn handover(&self, from: Timestamp, to: Timestamp) -> Result<Handover, RegisterError> {
        Ok(Handover {
            from,
            to,
            shifts: self.on_duty()?,
            entries: vec![entry(1)],
            to_do: vec![entry(2)],
            open: vec![alert(1, "air-000", Severity::Major)],
            open_total: 1,
            held: Vec::new(),
            incidents: vec![incident()],
            raised: 4,
            closed: 2,
            ack_p50_s: Some(30.0),
        })
    }
}

#[derive(Default)]
pub(crate) struct FakeNotify {
    pub filters: Mutex<Vec<DeliveryFilter>>,
}

fn delivery(seq: u64) -> DeliveryRow {
    DeliveryRow {
        id: format!("d-{seq}"),
        seq,
        receiver: "duty".into(),
        route: "all".into(),
        alerts: vec![AlertId(format!("{:032x}", 1))],
        reasons: vec!["raise".into()],
        state: DeliveryState::Waiting,
        attempts: 1,
        created_at: Timestamp(NOON),
        next_at: Some(Timestamp(NOON + 1_000)),
        ended_at: None,
        answer: Some("503".into()),
    }
}

fn warning() -> CapRow {
    CapRow {
        id: "ioc.danang-1".into(),
        sent: Timestamp(NOON),
        kind: "Alert".into(),
        title: text("Heavy rain"),
        xml: "<alert>&lt;b&gt;</alert>".into(),
    }
}

impl NotifyStore for FakeNotify {
    fn receivers(&self) -> Result<Vec<ReceiverRow>, RegisterError> {
        Ok(vec![ReceiverRow {
            id: "duty".into(),
            kind: "webhook".into(),
            target: "https://hook.example".into(),
            waiting: 1,
            dead: 0,
            delivered_at: Some(Timestamp(NOON)),
            trouble: None,
        }])
    }

    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, RegisterError> {
        self.filters.lock().expect("no panic").push(filter.clone());
        let newest = filter.before.map_or(3, |b| b - 1);
        Ok((1..=newest).rev().take(filter.limit).map(delivery).collect())
    }

    fn test(&self, receiver: &str, _actor: &Actor) -> Result<DeliveryRow, RegisterError> {
        match receiver {
            "duty" => Ok(delivery(9)),
            other => Err(RegisterError::Bad(format!("there is no receiver {other}"))),
        }
    }

    fn retry(&self, id: &str, _actor: &Actor) -> Result<DeliveryRow, RegisterError> {
        match id {
            "d-1" => Ok(delivery(1)),
            other => Err(RegisterError::Bad(format!("there is no dead delivery {other}"))),
        }
    }

    fn cap_feed(&self, limit: usize) -> Result<Vec<CapRow>, RegisterError> {
        Ok(vec![warning(); limit.min(1)])
    }

    fn cap(&self, id: &str) -> Result<Option<CapRow>, RegisterError> {
        Ok(Some(warning()).filter(|w| w.id == id))
    }
}

/// Documents that show what they were made of.
pub(crate) fn forms() -> Forms {
    Forms {
        handover_html: Arc::new(|handover, lang| Printout {
            html: format!("<!doctype html><p>{lang:?} {}", handover.raised),
            style: if lang == Lang::Vi { STYLE.into() } else { String::new() },
        }),
        handover_csv: Arc::new(|handover, lang| {
            format!("\u{feff}{lang:?},{}\r\n", handover.raised)
        }),
        alerts_csv: Arc::new(|rows, head, lang| {
            let ids: Vec<_> = rows.iter().map(|r| r.id.0.clone()).collect();
            format!("{lang:?} {head:?} {}", ids.join(" "))
        }),
        cap_feed: Arc::new(|rows, base| format!("<feed>{base} {}</feed>", rows.len())),
    }
}
