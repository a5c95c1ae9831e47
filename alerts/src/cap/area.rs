//! Where a warning holds: the ward's outline with few points, or a circle.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{AlertRow, Area as Ward, City, DeviceSpec};

use super::document::{Area, Shape};
use crate::channel::words::{Language, tidy};

/// Most points of one outline: warnings also go over narrow ways (cell broadcast).
const MAX_POINTS: usize = 100;
/// A ward of more outlines than this (islands) gets a circle around all of them.
const MAX_RINGS: usize = 5;
/// Kilometres of one degree of latitude.
const KM_PER_DEGREE: f64 = 111.32;

/// More circles than this become whole wards.
const MAX_CIRCLES: usize = 20;

/// The areas of alerts, each once, in the order of their codes; the city if there is none.
pub(super) fn areas(
    rows: &[AlertRow],
    city: &City,
    circle_km: Option<f64>,
    language: Language,
) -> Vec<Area> {
    let devices: BTreeSet<_> = rows.iter().filter_map(|row| row.device.as_ref()).collect();
    let circle_km = circle_km.filter(|_| devices.len() <= MAX_CIRCLES);
    let mut places = BTreeMap::new();
    for row in rows {
        let device = row.device.as_ref().and_then(|id| city.devices.get(id));
        let ward = city.areas.get(&row.area);
        let (ward_id, device_id) = (ward.map(|w| &w.id), device.map(|d| &d.id));
        match (ward, device, circle_km) {
            (_, Some(device), Some(km)) => {
                places
                    .entry((ward_id, device_id))
                    .or_insert_with(|| around(device, ward, km, language));
            }
            (Some(ward), ..) => {
                places.entry((ward_id, None)).or_insert_with(|| whole(ward, language));
            }
            (None, Some(device), None) => {
                places
                    .entry((None, device_id))
                    .or_insert_with(|| around(device, None, FALLBACK_KM, language));
            }
            (None, None, _) => {}
        }
    }
    let mut out: Vec<Area> = places.into_values().collect();
    if out.is_empty() {
        let name = tidy(language.of(&city.name));
        out.push(Area { name, ..Area::default() });
    }
    out.sort_by(|a, b| (&a.code, &a.name).cmp(&(&b.code, &b.name)));
    out
}

/// Around a device that stands in no known ward.
const FALLBACK_KM: f64 = 1.0;

fn whole(ward: &Ward, language: Language) -> Area {
    let name = tidy(language.of(&ward.name));
    Area { name, shapes: shapes(ward), code: Some(ward.code.clone()) }
}

fn around(device: &DeviceSpec, ward: Option<&Ward>, km: f64, language: Language) -> Area {
    let mut name = tidy(language.of(&device.name));
    if let Some(ward) = ward {
        name = format!("{name}, {}", tidy(language.of(&ward.name)));
    }
    let shape = Shape::Circle(round(device.lat), round(device.lon), km);
    Area { name, shapes: vec![shape], code: ward.map(|w| w.code.clone()) }
}

fn shapes(ward: &Ward) -> Vec<Shape> {
    let rings: Vec<Vec<(f64, f64)>> =
        ward.rings.iter().filter_map(|ring| simplified(ring)).collect();
    if !rings.is_empty() && rings.len() == ward.rings.len() && rings.len() <= MAX_RINGS {
        return rings.into_iter().map(Shape::Polygon).collect();
    }
    let points = || ward.rings.iter().flatten();
    let count = points().count();
    if count == 0 {
        // Known by its centre only: a circle of the official size.
        let km = (ward.area_km2 / std::f64::consts::PI).sqrt().max(0.1);
        return vec![Shape::Circle(round(ward.lat), round(ward.lon), up(km))];
    }
    let bounds = points().fold((f64::MAX, f64::MIN, f64::MAX, f64::MIN), |b, &(lon, lat)| {
        (b.0.min(lon), b.1.max(lon), b.2.min(lat), b.3.max(lat))
    });
    let (lon, lat) = ((bounds.0 + bounds.1) / 2.0, (bounds.2 + bounds.3) / 2.0);
    let km = points().map(|&p| distance_km((lon, lat), p)).fold(0.1, f64::max);
    vec![Shape::Circle(round(lat), round(lon), up(km))]
}

/// The ring as (lat, lon), closed, with at most [`MAX_POINTS`]; `None` if it is no area.
fn simplified(ring: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    let mut ring: Vec<(f64, f64)> =
        ring.iter().map(|&(lon, lat)| (round(lon), round(lat))).collect();
    ring.dedup();
    if ring.first() != ring.last() {
        ring.push(*ring.first()?);
    }
    // Degrees; about 5 m to begin with.
    let mut tolerance = 0.00005;
    while ring.len() > MAX_POINTS {
        ring = thinned(&ring, tolerance);
        tolerance *= 1.5;
    }
    (ring.len() >= 4).then(|| ring.into_iter().map(|(lon, lat)| (lat, lon)).collect())
}

/// Ramer, Douglas and Peucker on a closed ring, cut at the point farthest from its start.
fn thinned(ring: &[(f64, f64)], tolerance: f64) -> Vec<(f64, f64)> {
    let last = ring.len() - 1;
    let far = (1..last)
        .max_by(|&a, &b| square(ring[0], ring[a]).total_cmp(&square(ring[0], ring[b])))
        .unwrap_or(last);
    let mut keep = vec![false; ring.len()];
    for i in [0, far, last] {
        keep[i] = true;
    }
    let mut open = vec![(0, far), (far, last)];
    while let Some((from, to)) = open.pop() {
        let worst = (from + 1..to)
            .map(|i| (i, off_line(ring[i], ring[from], ring[to])))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((i, off)) = worst
            && off > tolerance
        {
            keep[i] = true;
            open.extend([(from, i), (i, to)]);
        }
    }
    ring.iter().zip(keep).filter(|(_, keep)| *keep).map(|(p, _)| *p).collect()
}

fn square(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2)
}

/// Distance of a point from a segment, degrees.
fn off_line(p: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let length = square(a, b);
    if length == 0.0 {
        return square(p, a).sqrt();
    }
    let t = ((p.0 - a.0) * (b.0 - a.0) + (p.1 - a.1) * (b.1 - a.1)) / length;
    let t = t.clamp(0.0, 1.0);
    square(p, (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1))).sqrt()
}

/// Good enough within a city: flat, with the meridians closer together by the cosine.
fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let north = (b.1 - a.1) * KM_PER_DEGREE;
    let east = (b.0 - a.0) * KM_PER_DEGREE * a.1.to_radians().cos();
    north.hypot(east)
}

/// Five decimals: about a metre.
fn round(degrees: f64) -> f64 {
    (degrees * 1e5).round() / 1e5
}

/// A radius never smaller than it was, two decimals.
fn up(km: f64) -> f64 {
    (km * 100.0).ceil() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coast of `n` points around (108, 16), 0.1 degrees wide.
    fn coast(n: usize) -> Vec<(f64, f64)> {
        let mut ring: Vec<(f64, f64)> = (0..n)
            .map(|i| {
                let angle = std::f64::consts::TAU * i as f64 / n as f64;
                let r = 0.1 + 0.005 * (37.0 * angle).sin();
                (108.0 + r * angle.cos(), 16.0 + r * angle.sin())
            })
            .collect();
        ring.push(ring[0]);
        ring
    }

    fn area_of(ring: &[(f64, f64)]) -> f64 {
        ring.windows(2).map(|w| w[0].0 * w[1].1 - w[1].0 * w[0].1).sum::<f64>().abs() / 2.0
    }

    #[test]
    fn an_outline_keeps_its_size_closed_with_at_most_100_points() {
        for n in [4, 99, 100, 170, 5_000] {
            let ring = coast(n);
            let thin = simplified(&ring).expect("an area");
            assert!(thin.len() <= MAX_POINTS && thin.len() >= 4, "{n}: {}", thin.len());
            assert_eq!(thin.first(), thin.last());
            assert!((area_of(&thin) / area_of(&ring) - 1.0).abs() < 0.05, "{n}");
            assert!(thin.iter().all(|&(lat, lon)| (15.8..16.2).contains(&lat) && lon > 107.0));
        }
        let untouched = simplified(&coast(90)).expect("an area");
        assert_eq!(untouched.len(), 91, "a small outline is left as it is");
    }

    #[test]
    fn what_has_no_area_has_no_outline() {
        assert_eq!(simplified(&[]), None);
        assert_eq!(simplified(&[(108.0, 16.0); 50]), None);
        assert_eq!(simplified(&[(108.0, 16.0), (108.1, 16.0), (108.0, 16.0)]), None);
    }

    fn ward(rings: Vec<Vec<(f64, f64)>>) -> Ward {
        Ward {
            id: "w".into(),
            code: "20333".into(),
            name: ioc_model::Text::default(),
            kind: ioc_model::AreaKind::SpecialZone,
            lat: 16.0,
            lon: 108.0,
            area_km2: 305.0,
            rings,
        }
    }

    #[test]
    fn many_islands_become_one_circle_that_holds_them_all() {
        let islands: Vec<Vec<(f64, f64)>> = (0..20)
            .map(|i| coast(10).into_iter().map(|(x, y)| (x + f64::from(i), y)).collect())
            .collect();
        let [Shape::Circle(lat, lon, km)] = shapes(&ward(islands.clone()))[..] else {
            unreachable!("one circle")
        };
        for &p in islands.iter().flatten() {
            assert!(distance_km((lon, lat), p) <= km, "{p:?} outside {lat},{lon} {km}");
        }
    }

    #[test]
    fn a_ward_without_an_outline_is_a_circle_of_its_size() {
        let [Shape::Circle(lat, lon, km)] = shapes(&ward(Vec::new()))[..] else {
            unreachable!("one circle")
        };
        assert_eq!((lat, lon, km), (16.0, 108.0, 9.86));
    }
}
