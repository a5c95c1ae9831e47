//! Which series an export is of: the one place where the scope is applied.

use std::sync::Arc;

use ioc_model::{City, HistoryError, SeriesFilter, SeriesKey};

use super::request::{Lang, Request};
use crate::{DeviceView, Scope, Sources};

/// Series of a page of the store's list.
const PAGE: usize = 10_000;

/// What an export says of a series besides its values.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub key: SeriesKey,
    /// Name of the device for people; its id if nobody named it.
    pub name: String,
    /// Empty where the device is not known any more.
    pub service: String,
    /// Empty where the device is not known any more.
    pub area: String,
    /// Latitude, longitude.
    pub place: Option<(f64, f64)>,
    /// Empty for a pure number or an unknown property.
    pub unit: String,
}

/// A selected series: its key, and its device's place in the list.
pub(super) struct Selected {
    pub key: SeriesKey,
    device: Option<usize>,
}

/// The selection, in the order of series.
pub(super) struct Selection {
    pub series: Vec<Selected>,
    devices: Arc<Vec<DeviceView>>,
    city: Arc<City>,
    lang: Lang,
}

impl Selection {
    /// Selects what was asked for and may be seen.
    pub async fn make(
        sources: &Sources,
        scope: &Scope,
        request: &Request,
    ) -> Result<Self, HistoryError> {
        let devices = (sources.devices)();
        let mut series = Vec::new();
        for key in candidates(sources, request).await? {
            let found = devices.binary_search_by(|d| d.id.cmp(&key.device)).ok();
            let (service, area) =
                found.map_or(("", ""), |i| (&*devices[i].service, &*devices[i].area));
            let wanted = |list: &[ioc_model::Name], text: &str| {
                list.is_empty() || list.iter().any(|n| **n == *text)
            };
            if wanted(&request.services, service)
                && wanted(&request.areas, area)
                && wanted(&request.properties, &key.property)
                && scope.allows(area, service, &key.property)
            {
                series.push(Selected { key, device: found });
            }
        }
        let (city, lang) = (Arc::clone(&sources.city), request.lang);
        Ok(Self { series, devices, city, lang })
    }

    /// What is said of the series at an index.
    pub fn facts(&self, index: usize) -> Facts {
        let Selected { key, device } = &self.series[index];
        let device = device.map(|i| &self.devices[i]);
        let unit = self.city.properties.get(&key.property);
        Facts {
            key: key.clone(),
            name: device.map_or(&*key.device, |d| self.name(d)).to_owned(),
            service: device.map_or_else(String::new, |d| d.service.to_string()),
            area: device.map_or_else(String::new, |d| d.area.to_string()),
            place: device.and_then(|d| d.place).filter(|(a, b)| a.is_finite() && b.is_finite()),
            unit: unit.map_or_else(String::new, |p| p.unit.to_string()),
        }
    }

    fn name<'a>(&self, d: &'a DeviceView) -> &'a str {
        match self.lang {
            Lang::Vi => &d.name.vi,
            Lang::En => &d.name.en,
        }
    }
}

/// The series that the store may have to be asked about, in order, each once.
async fn candidates(sources: &Sources, request: &Request) -> Result<Vec<SeriesKey>, HistoryError> {
    let mut all = Vec::new();
    // Lists of the request are in order, so their answers are too.
    let devices: Vec<_> = match request.devices.is_empty() {
        true => vec![None],
        false => request.devices.iter().map(Some).collect(),
    };
    for device in devices {
        let mut filter =
            SeriesFilter { device: device.cloned(), limit: PAGE, ..SeriesFilter::default() };
        loop {
            let page = sources.history.series(&filter).await?;
            let more = page.len() >= PAGE;
            filter.after = page.last().cloned();
            all.extend(page);
            if !more {
                break;
            }
        }
    }
    Ok(all)
}
