//! Places on the map: inside or outside of an outline, how far from it, how far apart.
//!
//! Outlines may not cross the 180th meridian or hold a pole; the city does neither.

/// Mean radius of the earth, m (IUGG, R₁).
const EARTH_M: f64 = 6_371_008.8;

/// A place, degrees WGS 84.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) lon: f64,
    pub(crate) lat: f64,
}

impl Point {
    /// Metres to another place on a sphere (haversine formula; R. W. Sinnott, "Virtues of the
    /// Haversine", Sky and Telescope 68, 1984). Against the ellipsoid up to 0.5 % wrong.
    pub(crate) fn distance_m(self, other: Self) -> f64 {
        let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
        let cosines = self.lat.to_radians().cos() * other.lat.to_radians().cos();
        let h = half(self.lat, other.lat) + cosines * half(self.lon, other.lon);
        2.0 * EARTH_M * h.min(1.0).sqrt().asin()
    }
}

/// Outlines and holes (lon, lat); a point in an odd number of them is inside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    rings: Vec<Vec<(f64, f64)>>,
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Shape {
    pub(crate) fn new(rings: &[Vec<(f64, f64)>]) -> Self {
        let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut shape =
            Self { rings: rings.to_vec(), west: low, south: low, east: high, north: high };
        for &(lon, lat) in rings.iter().flatten() {
            shape.west = shape.west.min(lon);
            shape.south = shape.south.min(lat);
            shape.east = shape.east.max(lon);
            shape.north = shape.north.max(lat);
        }
        shape
    }

    /// True inside; a point on the outline itself may be either.
    pub(crate) fn contains(&self, p: Point) -> bool {
        (self.west..=self.east).contains(&p.lon)
            && (self.south..=self.north).contains(&p.lat)
            && self.rings.iter().filter(|r| crosses_oddly(r, p)).count() % 2 == 1
    }

    /// Metres to the nearest point of an outline, from outside or inside.
    ///
    /// Degrees become metres on a plane that touches the earth at `p` (local equirectangular
    /// projection), which for 20 km at the latitude of Đà Nẵng is less than 0.2 % wrong.
    pub(crate) fn boundary_m(&self, p: Point) -> f64 {
        let plane = Plane::at(p);
        let mut least = f64::INFINITY;
        for ring in &self.rings {
            for pair in ring.windows(2) {
                least = least.min(segment_m2(plane.xy(pair[0]), plane.xy(pair[1])));
            }
        }
        least.sqrt()
    }

    /// True if an outline is at most `limit_m` away.
    pub(crate) fn boundary_within(&self, p: Point, limit_m: f64) -> bool {
        let plane = Plane::at(p);
        let (west, south) = plane.xy((self.west, self.south));
        let (east, north) = plane.xy((self.east, self.north));
        // The box is never further than the outline.
        let x = west.max(-east).max(0.0);
        let y = south.max(-north).max(0.0);
        x * x + y * y <= limit_m * limit_m && self.boundary_m(p) <= limit_m
    }
}

/// Metres east and north of a place.
struct Plane {
    origin: Point,
    east_m: f64,
    north_m: f64,
}

impl Plane {
    fn at(origin: Point) -> Self {
        let north_m = EARTH_M.to_radians();
        Self { origin, east_m: north_m * origin.lat.to_radians().cos(), north_m }
    }

    fn xy(&self, (lon, lat): (f64, f64)) -> (f64, f64) {
        ((lon - self.origin.lon) * self.east_m, (lat - self.origin.lat) * self.north_m)
    }
}

/// Squared distance from the origin to a segment.
fn segment_m2((ax, ay): (f64, f64), (bx, by): (f64, f64)) -> f64 {
    let (dx, dy) = (bx - ax, by - ay);
    let length = dx * dx + dy * dy;
    let along = if length == 0.0 { 0.0 } else { (-(ax * dx + ay * dy) / length).clamp(0.0, 1.0) };
    let (x, y) = (ax + along * dx, ay + along * dy);
    x * x + y * y
}

/// Whether a ray to the east crosses the ring an odd number of times (W. R. Franklin's PNPOLY).
fn crosses_oddly(ring: &[(f64, f64)], p: Point) -> bool {
    let mut odd = false;
    for pair in ring.windows(2) {
        let ((xi, yi), (xj, yj)) = (pair[0], pair[1]);
        if (yi > p.lat) != (yj > p.lat) && p.lon < (xj - xi) * (p.lat - yi) / (yj - yi) + xi {
            odd = !odd;
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(lat: f64, lon: f64) -> Point {
        Point { lon, lat }
    }

    fn box_of(west: f64, south: f64, east: f64, north: f64) -> Vec<(f64, f64)> {
        vec![(west, south), (east, south), (east, north), (west, north), (west, south)]
    }

    #[test]
    fn distances_agree_with_known_ones() {
        // A degree of a great circle of that radius is 111,195 m.
        assert!((at(16.0, 108.0).distance_m(at(17.0, 108.0)) - 111_195.0).abs() < 1.0);
        // Nashville to Los Angeles, Rosetta Code's example for 6372.8 km: 2887.26 km.
        let d = at(36.12, -86.67).distance_m(at(33.94, -118.40)) * 6372.8 / 6371.0088;
        assert!((d - 2_887_260.0).abs() < 10.0, "{d}");
    }

    #[test]
    fn holes_and_parts_follow_the_even_odd_rule() {
        let outer = box_of(108.0, 16.0, 108.1, 16.1);
        let hole = box_of(108.04, 16.04, 108.06, 16.06);
        let other = box_of(108.2, 16.0, 108.3, 16.1);
        let shape = Shape::new(&[outer, hole, other]);
        assert!(shape.contains(at(16.02, 108.02)));
        assert!(!shape.contains(at(16.05, 108.05)), "the hole is outside");
        assert!(shape.contains(at(16.05, 108.25)), "the second part is inside");
        assert!(!shape.contains(at(16.05, 108.15)), "between the parts is outside");
        // In the middle of the hole its edge is nearest: 0.01° of latitude.
        assert!((shape.boundary_m(at(16.05, 108.05)) - 1068.8).abs() < 1.0);
    }

    #[test]
    fn the_distance_to_an_edge_is_that_to_its_nearest_point() {
        let shape = Shape::new(&[box_of(108.0, 16.0, 108.1, 16.1)]);
        let north = shape.boundary_m(at(16.11, 108.05));
        assert!((north - 1111.95).abs() < 0.1, "{north}");
        let corner = shape.boundary_m(at(16.11, 108.11));
        assert!((corner - at(16.11, 108.11).distance_m(at(16.1, 108.1))).abs() < 2.0, "{corner}");
        let degenerate = Shape::new(&[vec![(108.0, 16.0); 4]]);
        assert!((degenerate.boundary_m(at(16.01, 108.0)) - 1111.95).abs() < 0.1);
    }

    /// A star around the middle of the city with corners at these distances, degrees.
    fn star(radii: &[f64]) -> Vec<(f64, f64)> {
        let angle = |i: usize| std::f64::consts::TAU * i as f64 / radii.len() as f64;
        let corner =
            |(i, r): (usize, &f64)| (108.2 + r * angle(i).cos(), 16.0 + r * angle(i).sin());
        let mut ring: Vec<_> = radii.iter().enumerate().map(corner).collect();
        ring.push(ring[0]);
        ring
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// A star is judged by the angle: the naive test needs no crossing of rays.
        #[test]
        fn inside_agrees_with_the_angle_test(
            radii in prop::collection::vec(0.02f64..0.1, 3..9),
            lon in 108.05f64..108.35,
            lat in 15.85f64..16.15,
        ) {
            let ring = star(&radii);
            let shape = Shape::new(std::slice::from_ref(&ring));
            let winding: f64 = ring.windows(2).map(|pair| {
                let angle = |c: (f64, f64)| (c.1 - lat).atan2(c.0 - lon);
                let turn = angle(pair[1]) - angle(pair[0]);
                (turn + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI
            }).sum();
            prop_assert_eq!(shape.contains(at(lat, lon)), winding.abs() > 1.0);
        }

        /// Against the haversine distance to ten thousand points of the outline.
        #[test]
        fn boundary_agrees_with_many_points_of_the_outline(
            radii in prop::collection::vec(0.02f64..0.1, 3..7),
            lon in 108.05f64..108.35,
            lat in 15.85f64..16.15,
        ) {
            let ring = star(&radii);
            let shape = Shape::new(std::slice::from_ref(&ring));
            let p = at(lat, lon);
            let steps = 10_000 / radii.len();
            let mut naive = f64::INFINITY;
            for pair in ring.windows(2) {
                for i in 0..=steps {
                    let f = i as f64 / steps as f64;
                    let mix = |a: f64, b: f64| a + (b - a) * f;
                    let q = at(mix(pair[0].1, pair[1].1), mix(pair[0].0, pair[1].0));
                    naive = naive.min(p.distance_m(q));
                }
            }
            let exact = shape.boundary_m(p);
            prop_assert!((exact - naive).abs() < 10.0 + 0.002 * naive, "{} {}", exact, naive);
            prop_assert!(shape.boundary_within(p, exact + 0.001));
            prop_assert!(!shape.boundary_within(p, exact - 0.001));
        }
    }
}
