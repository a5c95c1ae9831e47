//! A small city and an alert in it, for the tests of channels.

use std::sync::Arc;

use ioc_model::{
    AlertId, AlertRow, Area, AreaKind, City, DeviceSpec, Entity, Evidence, IncidentId, Severity,
    Text, Timestamp, Transition, TransitionKind,
};

use super::{Change, Language, Notification, Surroundings};

pub(crate) fn text(vi: &str, en: &str) -> Text {
    Text { vi: vi.into(), en: en.into() }
}

pub(crate) fn city() -> City {
    let mut city =
        City { name: text("Thành phố Đà Nẵng", "Da Nang City"), ..City::default() };
    let area = Area {
        id: "cam_le".into(),
        code: "20305".into(),
        name: text("Phường Cẩm Lệ", "Cam Le Ward"),
        kind: AreaKind::Ward,
        lat: 16.0,
        lon: 108.2,
        area_km2: 10.0,
        rings: Vec::new(),
    };
    city.areas.insert(area.id.clone(), area);
    let device = DeviceSpec {
        id: "gauge-1".into(),
        name: text("Trạm Cẩm Lệ", "Cam Le gauge"),
        kind: "river_gauge".into(),
        service: "river".into(),
        area: "cam_le".into(),
        lat: 16.0,
        lon: 108.2,
        properties: Vec::new(),
        cadence_s: 600,
        parent: None,
        segment: None,
    };
    city.devices.insert(device.id.clone(), device);
    city
}

pub(crate) fn row(entity: Entity) -> AlertRow {
    let time = Timestamp::parse_rfc3339("2025-10-29T13:00:00+07:00").expect("a time");
    AlertRow::raised(&Transition {
        position: 1,
        alert: AlertId::new("bd3", &entity, time),
        rule: "bd3".into(),
        entity,
        device: Some("gauge-1".into()),
        area: "cam_le".into(),
        service: "river".into(),
        time,
        kind: TransitionKind::Raise,
        severity: Severity::Emergency,
        value: Some(2.6),
        limit: Some(2.5),
        unit: "m".into(),
        name: text("Nước sông trên báo động III", "River above alarm III"),
        message: text("Trạm Cẩm Lệ: 2,6 m", "Cam Le gauge: 2.6 m"),
        cause: "flood".into(),
        latched: false,
        evidence: Box::new(Evidence::default()),
    })
}

pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        city: Arc::new(city()),
        base_url: "https://ioc.example.vn".into(),
        clock: Arc::new(|| Timestamp(1_761_717_600_000)),
    }
}

/// One alert, and these changes of it.
pub(crate) fn notification(reasons: &[&str]) -> Notification {
    let mut row = row(Entity::Device("gauge-1".into()));
    row.incident = Some(IncidentId(row.id.0.clone()));
    let change = |(i, reason): (usize, &&str)| Change {
        seq: i as u64 + 1,
        alert: row.id.clone(),
        reason: (*reason).into(),
        actor: "system".into(),
        at: row.changed_at,
        severity: row.severity,
        note: None,
    };
    Notification {
        id: "0123456789abcdef0123456789abcdef".into(),
        receiver: "duty".into(),
        route: "all".into(),
        group: "g".into(),
        reasons: reasons.iter().map(|r| (*r).into()).collect(),
        incident: None,
        changes: reasons.iter().enumerate().map(change).collect(),
        alerts: vec![row.clone()],
        more: 0,
        at: Timestamp(1_761_717_600_000),
        test: false,
        language: Language::Vi,
    }
}
