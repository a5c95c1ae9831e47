//! The area of a place, found among bounding boxes first: an import asks for 100,000.

use ioc_model::{Area, City, Name};

/// West, south, east, north.
type Bounds = (f64, f64, f64, f64);

#[derive(Debug, Default)]
pub(super) struct Areas(Vec<(Bounds, Name)>);

impl Areas {
    pub(super) fn new(city: &City) -> Self {
        Self(city.areas.values().map(|a| (bounds(a), Name::clone(&a.id))).collect())
    }

    /// As [`City::area_at`].
    pub(super) fn at<'c>(&self, city: &'c City, lon: f64, lat: f64) -> Option<&'c Area> {
        let around = |(west, south, east, north): Bounds| {
            (west..=east).contains(&lon) && (south..=north).contains(&lat)
        };
        let near = self.0.iter().filter(|(b, _)| around(*b));
        near.filter_map(|(_, id)| city.areas.get(id)).find(|a| a.contains(lon, lat))
    }
}

fn bounds(area: &Area) -> Bounds {
    let start = (f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
    area.rings
        .iter()
        .flatten()
        .fold(start, |(w, s, e, n), &(lon, lat)| (w.min(lon), s.min(lat), e.max(lon), n.max(lat)))
}
