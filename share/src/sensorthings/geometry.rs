//! Places as filters know them: a point against a point, a line or a polygon, by the
//! intersection matrix of the Simple Features standard (06-103r4, 6.1.15).

use std::fmt;

pub(super) type Place = (f64, f64);

/// A geometry, longitude before latitude, in degrees of WGS 84.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Geometry {
    Point(Place),
    Line(Vec<Place>),
    /// Outline, then holes.
    Polygon(Vec<Vec<Place>>),
}

/// Where a point lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Interior,
    Boundary,
    Exterior,
}

impl Geometry {
    /// Reads well-known text, with or without `SRID=4326;` before it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = match text.split_once(';') {
            Some((srid, rest)) if srid.trim().eq_ignore_ascii_case("SRID=4326") => rest.trim(),
            Some(_) => return Err("only SRID 4326 (WGS 84) is known".into()),
            None => text,
        };
        let open =
            text.find('(').ok_or("a geometry is POINT (x y), LINESTRING (…) or POLYGON ((…))")?;
        let (name, body) = text.split_at(open);
        let body = body
            .strip_prefix('(')
            .and_then(|b| b.trim_end().strip_suffix(')'))
            .ok_or("the geometry has no closing parenthesis")?;
        match name.trim().to_ascii_uppercase().as_str() {
            "POINT" => Ok(Self::Point(place(body)?)),
            "LINESTRING" => match places(body)? {
                line if line.len() < 2 => Err("a LINESTRING has two points at least".into()),
                line => Ok(Self::Line(line)),
            },
            "POLYGON" => polygon(body),
            _ => Err("only POINT, LINESTRING and POLYGON are known".into()),
        }
    }

    /// The nine marks of this against another; `None` where neither is a point.
    pub(super) fn relate(&self, other: &Self) -> Option<[u8; 9]> {
        match (self, other) {
            (Self::Point(p), _) => Some(other.marks(*p)),
            (_, Self::Point(p)) => {
                let m = self.marks(*p);
                Some([m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]])
            }
            _ => None,
        }
    }

    /// Marks of a point against this.
    fn marks(&self, p: Place) -> [u8; 9] {
        let (ii, ib, ie) = match self.part(p) {
            Part::Interior => (b'0', b'F', b'F'),
            Part::Boundary => (b'F', b'0', b'F'),
            Part::Exterior => (b'F', b'F', b'0'),
        };
        let (ei, eb) = match self {
            Self::Point(q) => (if *q == p { b'F' } else { b'0' }, b'F'),
            Self::Line(line) => (b'1', if line.first() == line.last() { b'F' } else { b'0' }),
            Self::Polygon(_) => (b'2', b'1'),
        };
        [ii, ib, ie, b'F', b'F', b'F', ei, eb, b'2']
    }

    fn part(&self, p: Place) -> Part {
        match self {
            Self::Point(q) if *q == p => Part::Interior,
            Self::Point(_) => Part::Exterior,
            Self::Line(line) => {
                let closed = line.first() == line.last();
                if !on(line, p) {
                    Part::Exterior
                } else if !closed && (line.first() == Some(&p) || line.last() == Some(&p)) {
                    Part::Boundary
                } else {
                    Part::Interior
                }
            }
            Self::Polygon(rings) if rings.iter().any(|r| on(r, p)) => Part::Boundary,
            Self::Polygon(rings) => match rings.iter().filter(|r| inside(r, p)).count() % 2 {
                1 => Part::Interior,
                _ => Part::Exterior,
            },
        }
    }

    /// Shortest distance in degrees; `None` where neither is a point.
    pub(super) fn distance(&self, other: &Self) -> Option<f64> {
        let (p, g) = match (self, other) {
            (Self::Point(p), g) | (g, Self::Point(p)) => (*p, g),
            _ => return None,
        };
        if g.part(p) != Part::Exterior {
            return Some(0.0);
        }
        let near = |line: &[Place]| {
            line.windows(2).map(|w| to_segment(p, w[0], w[1])).fold(f64::INFINITY, f64::min)
        };
        Some(match g {
            Self::Point(q) => (p.0 - q.0).hypot(p.1 - q.1),
            Self::Line(line) => near(line),
            Self::Polygon(rings) => rings.iter().map(|r| near(r)).fold(f64::INFINITY, f64::min),
        })
    }

    /// Length of a line in degrees; 0 for others, as in Simple Features.
    pub(super) fn length(&self) -> f64 {
        match self {
            Self::Line(line) => {
                line.windows(2).map(|w| (w[0].0 - w[1].0).hypot(w[0].1 - w[1].1)).sum()
            }
            _ => 0.0,
        }
    }
}

/// Whether marks fit a pattern of `T F * 0 1 2`.
pub(super) fn fits(marks: [u8; 9], pattern: &str) -> bool {
    pattern.len() == 9
        && marks.iter().zip(pattern.bytes()).all(|(m, p)| match p.to_ascii_uppercase() {
            b'*' => true,
            b'T' => *m != b'F',
            p => *m == p,
        })
}

fn polygon(body: &str) -> Result<Geometry, String> {
    let mut rings = Vec::new();
    let mut rest = body.trim();
    while !rest.is_empty() {
        let ring = rest.strip_prefix('(').ok_or("each ring of a POLYGON is in parentheses")?;
        let end = ring.find(')').ok_or("a ring has no closing parenthesis")?;
        let points = places(&ring[..end])?;
        if points.len() < 4 || points.first() != points.last() {
            return Err("a ring ends with its first point and has four points at least".into());
        }
        rings.push(points);
        rest = ring[end + 1..].trim_start();
        if let Some(next) = rest.strip_prefix(',') {
            rest = next.trim_start();
        } else if !rest.is_empty() {
            return Err("rings are separated by commas".into());
        }
    }
    if rings.is_empty() { Err("a POLYGON has a ring".into()) } else { Ok(Geometry::Polygon(rings)) }
}

fn places(text: &str) -> Result<Vec<Place>, String> {
    text.split(',').map(place).collect()
}

fn place(text: &str) -> Result<Place, String> {
    let mut parts = text.split_whitespace().map(str::parse::<f64>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(x)), Some(Ok(y)), None) if x.is_finite() && y.is_finite() => Ok((x, y)),
        _ => Err("a point is two numbers: longitude, then latitude".into()),
    }
}

fn to_segment(p: Place, a: Place, b: Place) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { ((p.0 - a.0) * dx + (p.1 - a.1) * dy) / length } else { 0.0 };
    let t = t.clamp(0.0, 1.0);
    (p.0 - a.0 - t * dx).hypot(p.1 - a.1 - t * dy)
}

fn on(line: &[Place], p: Place) -> bool {
    line.windows(2).any(|w| to_segment(p, w[0], w[1]) == 0.0)
}

fn inside(ring: &[Place], (x, y): Place) -> bool {
    ring.windows(2).fold(false, |odd, w| {
        let ((ax, ay), (bx, by)) = (w[0], w[1]);
        odd != ((ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax)
    })
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |line: &[Place]| {
            line.iter().map(|(x, y)| format!("{x:?} {y:?}")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Point((x, y)) => write!(f, "POINT ({x:?} {y:?})"),
            Self::Line(line) => write!(f, "LINESTRING ({})", list(line)),
            Self::Polygon(rings) => {
                let rings: Vec<String> = rings.iter().map(|r| format!("({})", list(r))).collect();
                write!(f, "POLYGON ({})", rings.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 1 2, 2 2, 2 1, 1 1))";

    fn marks(a: &str, b: &str) -> String {
        let (a, b) = (Geometry::parse(a).expect("left"), Geometry::parse(b).expect("right"));
        String::from_utf8(a.relate(&b).expect("one is a point").to_vec()).expect("ASCII")
    }

    #[test]
    fn points_relate_to_what_is_around_them() {
        assert_eq!(marks("POINT (1 1)", "POINT (1 1)"), "0FFFFFFF2");
        assert_eq!(marks("POINT (1 1)", "POINT (1 2)"), "FF0FFF0F2");
        assert_eq!(marks("POINT (3 3)", SQUARE), "0FFFFF212");
        assert_eq!(marks("POINT (1.5 1.5)", SQUARE), "FF0FFF212", "in the hole");
        assert_eq!(marks("POINT (4 2)", SQUARE), "F0FFFF212", "on the edge");
        assert_eq!(marks("POINT (1 0)", "LINESTRING (0 0, 2 0)"), "0FFFFF102");
        assert_eq!(marks("POINT (2 0)", "LINESTRING (0 0, 2 0)"), "F0FFFF102");
        assert_eq!(marks(SQUARE, "POINT (3 3)"), "0F2FF1FF2");
    }

    #[test]
    fn wrong_text_is_refused() {
        for text in [
            "",
            "POINT",
            "POINT (1)",
            "POINT (1 2",
            "POINT (x y)",
            "POINT (1 inf)",
            "POLYGON (0 0, 1 1)",
            "POLYGON ((0 0, 1 0, 1 1))",
            "CIRCLE (0 0)",
            "POLYGON ()",
            "SRID=3857;POINT (1 2)",
            "LINESTRING (0 0)",
            "(",
            ")",
            "POLYGON ((",
        ] {
            assert!(Geometry::parse(text).is_err(), "{text}");
        }
        assert!(Geometry::parse("srid=4326; point(108.2 16)").is_ok());
    }

    #[test]
    fn distances_are_degrees() {
        let d = |a: &str, b: &str| {
            Geometry::parse(a).expect("a").distance(&Geometry::parse(b).expect("b"))
        };
        assert_eq!(d("POINT (0 0)", "POINT (3 4)"), Some(5.0));
        assert_eq!(d("POINT (6 2)", SQUARE), Some(2.0));
        assert_eq!(d(SQUARE, "POINT (3 3)"), Some(0.0));
        assert_eq!(d(SQUARE, SQUARE), None);
    }
}
