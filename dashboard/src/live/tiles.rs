//! The services' tiles: figures over the fresh devices of each service.

use std::collections::HashMap;

use ioc_model::{City, Name, Quality, Severity};
use serde::Serialize;

use super::device::LIVE;
use super::state::State;
use super::view::Inside;

/// One service as the page shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Tile {
    pub id: Name,
    pub feeds: bool,
    pub devices: u64,
    pub fresh: u64,
    pub newest: Option<i64>,
    pub indicators: Vec<Indicator>,
    pub open_alerts: u64,
    pub worst: Option<Severity>,
}

/// One figure of a tile; null until a fresh device has sent it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Indicator {
    pub property: Name,
    /// Mean over fresh devices of good quality.
    pub value: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Devices it was made of.
    pub n: u64,
}

struct PlannedService {
    id: Name,
    indicators: Vec<(Name, Option<u16>)>,
}

/// What a tile needs to know of the catalogue, looked up once.
pub(crate) struct TilePlan {
    services: Vec<PlannedService>,
    index: HashMap<Name, usize, ahash::RandomState>,
    /// The name `battery`, made once.
    pub battery: Name,
}

impl Default for TilePlan {
    fn default() -> Self {
        Self { services: Vec::new(), index: HashMap::default(), battery: "battery".into() }
    }
}

impl TilePlan {
    pub fn new(city: &City, intern: &mut dyn FnMut(&Name) -> Option<u16>) -> Self {
        let mut catalogue: Vec<_> = city.services.values().collect();
        catalogue.sort_by_key(|s| s.order);
        let services: Vec<_> = catalogue
            .into_iter()
            .map(|s| PlannedService {
                id: s.id.clone(),
                indicators: s.indicators.iter().map(|p| (p.clone(), intern(p))).collect(),
            })
            .collect();
        let index = services.iter().enumerate().map(|(i, s)| (s.id.clone(), i)).collect();
        Self { services, index, ..Self::default() }
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    n: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Sum {
    fn add(&mut self, v: f64) {
        (self.min, self.max) =
            if self.n == 0 { (v, v) } else { (self.min.min(v), self.max.max(v)) };
        self.n += 1;
        self.sum += v;
    }

    fn indicator(self, property: Name) -> Indicator {
        let some = |v: f64| (self.n > 0 && v.is_finite()).then_some(v);
        Indicator {
            property,
            value: some(self.sum / self.n as f64),
            min: some(self.min),
            max: some(self.max),
            n: self.n,
        }
    }
}

/// All tiles in the order of the catalogue, of the whole city or of what a view holds.
pub(crate) fn tiles(
    state: &State,
    view: Option<&Inside>,
    now: i64,
    event_clock: bool,
) -> Vec<Tile> {
    let plan = &state.plan;
    let mut tiles: Vec<Tile> = plan.services.iter().map(empty).collect();
    let mut sums: Vec<Vec<Sum>> =
        plan.services.iter().map(|s| vec![Sum::default(); s.indicators.len()]).collect();
    let all = state.devices.len();
    let n = view.map_or(all, |view| view.members.len());
    let devices = (0..n).map(|i| view.map_or(i, |view| view.members[i] as usize));
    for (device, hot) in devices.map(|idx| (&state.devices[idx], &state.hot[idx])) {
        let Some(&service) = plan.index.get(&device.service) else { continue };
        let tile = &mut tiles[service];
        tile.devices += 1;
        let Some(heard) = hot.last_message() else { continue };
        tile.feeds = true;
        tile.newest = tile.newest.max(Some(if event_clock { hot.time } else { heard }));
        if hot.condition != LIVE {
            continue;
        }
        tile.fresh += 1;
        for ((_, property), sum) in plan.services[service].indicators.iter().zip(&mut sums[service])
        {
            let held = hot.latest.iter().find(|l| Some(l.property) == *property);
            // A device may go on sending while one of its sensors has gone silent.
            let fresh = held.filter(|l| {
                let at = if event_clock { l.time } else { l.received };
                l.quality == Quality::Good
                    && (hot.stale_after_ms == 0 || now.saturating_sub(at) <= hot.stale_after_ms)
            });
            if let Some(latest) = fresh {
                sum.add(latest.value);
            }
        }
    }
    let mut alerts = state.alerts.by_service(view.map(|view| view.pairs.as_slice()));
    for ((tile, service), sums) in tiles.iter_mut().zip(&plan.services).zip(sums) {
        let names = service.indicators.iter().map(|(name, _)| name.clone());
        tile.indicators = names.zip(sums).map(|(name, sum)| sum.indicator(name)).collect();
        if let Some((open, worst)) = alerts.remove(&tile.id) {
            tile.open_alerts = open;
            tile.worst = Some(worst);
        }
    }
    tiles
}

fn empty(service: &PlannedService) -> Tile {
    Tile {
        id: service.id.clone(),
        feeds: false,
        devices: 0,
        fresh: 0,
        newest: None,
        indicators: Vec::new(),
        open_alerts: 0,
        worst: None,
    }
}
