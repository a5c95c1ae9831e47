//! VN_AQI by Quyết định 1459/QĐ-TCMT of 12 November 2019. The breakpoints are data
//! (`config/indices.yaml`); here is only how they are used.
//!
//! Concentrations are not rounded before they are looked up: the decision prints them with one
//! decimal in its examples (20.27 as 20.3), all of which come out the same.

use ioc_model::Breakpoints;

/// Hours that Nowcast looks back, the present one included.
pub(crate) const NOWCAST_HOURS: usize = 12;

/// The index of one concentration, not rounded:
/// `(I[i+1] - I[i]) / (BP[i+1] - BP[i]) * (C - BP[i]) + I[i]`.
///
/// At and above the last breakpoint of a full table the index is the last of the scale: the
/// decision writes `≥` there. A shorter table says nothing beyond its end (`None`; the decision has
/// no 8-hour ozone above 400 µg/m³), nor is there an index of a negative concentration.
pub(crate) fn sub_index(scale: &[f64], table: &Breakpoints, c: f64) -> Option<f64> {
    let (bp, top) = (&table.at, table.at.len().checked_sub(1)?);
    if c.is_nan() || c < bp[0] {
        return None;
    }
    if c >= bp[top] {
        let full = bp.len() == scale.len();
        return (full || c == bp[top]).then(|| scale[top]);
    }
    let i = bp.partition_point(|b| *b <= c) - 1;
    Some((scale[i + 1] - scale[i]) / (bp[i + 1] - bp[i]) * (c - bp[i]) + scale[i])
}

/// Weighted mean of the last hours, the present one (`c1`) first; `None` for hours without a mean.
///
/// `w* = min / max` of the hours there are, `w = w*` but at least ½. For `w > ½` the mean is
/// `Σ w^(i-1) c_i / Σ w^(i-1)`, for `w = ½` it is `½ c1 + ½² c2 + … + ½^12 c12`, as the decision
/// prints it. An hour without a mean has weight 0; two of the last three hours must be there.
///
/// By the letter of the decision the sum for `w = ½` is not divided by its weights: where hours
/// are missing it lies below the true mean.
pub(crate) fn nowcast(hours: &[Option<f64>; NOWCAST_HOURS]) -> Option<Nowcast> {
    if hours[..3].iter().flatten().count() < 2 {
        return None;
    }
    let known = || hours.iter().flatten().copied();
    let (min, max) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
    let ratio = if max > 0.0 { min / max } else { 1.0 };
    let weight = ratio.max(0.5);
    let (mut sum, mut weights, mut w) = (0.0, 0.0, 1.0);
    for c in hours {
        if let Some(c) = c {
            sum += w * c;
            weights += w;
        }
        w *= weight;
    }
    let value = if ratio > 0.5 { sum / weights } else { sum * 0.5 };
    Some(Nowcast { value, weight })
}

/// Result of [`nowcast`] with the weight it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Nowcast {
    pub(crate) value: f64,
    pub(crate) weight: f64,
}

/// What is known of one pollutant for the index of an hour or a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Concentration<'a> {
    pub(crate) table: &'a Breakpoints,
    pub(crate) value: f64,
}

/// The index of a station: the largest of its pollutants' rounded indices, with the number of the
/// pollutant that decided; the first of equals.
///
/// `None` without dust: "VN_AQI must include at least PM10 or PM2.5". `is_dust` tells which they
/// are.
pub(crate) fn station(
    scale: &[f64],
    concentrations: &[Concentration<'_>],
    is_dust: impl Fn(&Breakpoints) -> bool,
) -> Option<(f64, usize)> {
    let mut best: Option<(f64, usize)> = None;
    let mut dust = false;
    for (n, c) in concentrations.iter().enumerate() {
        let Some(value) = sub_index(scale, c.table, c.value) else { continue };
        dust |= is_dust(c.table);
        let value = value.round();
        if best.is_none_or(|(b, _)| value > b) {
            best = Some((value, n));
        }
    }
    best.filter(|_| dust)
}

#[cfg(test)]
mod tests {
    use ioc_model::Index;

    use super::*;
    use crate::kinds::bench::city;

    fn aqi() -> Index {
        city().indices["vn_aqi"].clone()
    }

    fn sub(property: &str, average_h: u32, c: f64) -> f64 {
        let aqi = aqi();
        sub_index(&aqi.scale, aqi.table(property, average_h).expect("a table"), c)
            .expect("in range")
    }

    fn near(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() <= by, "{a} is not {b}");
    }

    /// PM2.5 of 09 to 20 o'clock in the decision's example.
    const EXAMPLE: [f64; 12] =
        [26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6];

    fn newest_first(hours: [f64; 12]) -> [Option<f64>; 12] {
        let mut all = hours.map(Some);
        all.reverse();
        all
    }

    #[test]
    fn nowcast_of_the_decisions_example_is_20_27() {
        let n = nowcast(&newest_first(EXAMPLE)).expect("all hours are there");
        near(n.weight, 0.6134, 0.00005);
        near(n.value, 20.27, 0.005);
    }

    #[test]
    fn hour_indices_of_the_decisions_example() {
        near(sub("o3", 1, 136.1), 42.5, 0.05);
        assert_eq!(sub("o3", 1, 136.1).round(), 43.0);
        near(sub("pm25", 24, 20.3), 40.6, 1e-9);
        assert_eq!(sub("pm25", 24, 20.3).round(), 41.0);
        let n = nowcast(&newest_first(EXAMPLE)).expect("all hours are there");
        assert_eq!(sub("pm25", 24, n.value).round(), 41.0);
        // The decision prints 60 for NO2: (100 - 50) / (200 - 100) * (118.7 - 100) + 50 = 59.35 is rounded to 59. Its 60 is
        // a slip of arithmetic, not a rule.
        near(sub("no2", 1, 118.7), 59.35, 1e-9);
        assert_eq!(sub("no2", 1, 118.7).round(), 59.0);
    }

    #[test]
    fn day_indices_of_the_decisions_example() {
        assert_eq!(sub("o3", 8, 89.3).round(), 45.0);
        assert_eq!(sub("o3", 1, 114.6).round(), 36.0);
        assert_eq!(sub("no2", 1, 130.8).round(), 65.0);
        near(sub("pm25", 24, 55.7), 109.5, 1e-9);
        assert_eq!(sub("pm25", 24, 55.7).round(), 110.0);
        let o3 = [15.7, 14.2, 17.7, 18.9, 19.3, 15.7, 19.7, 22.6];
        near(o3.iter().sum::<f64>() / 8.0, 17.975, 1e-9);
    }

    #[test]
    fn the_station_has_the_worst_of_its_pollutants_and_none_without_dust() {
        let aqi = aqi();
        let c = |p: &str, h: u32, value: f64| Concentration {
            table: aqi.table(p, h).expect("a table"),
            value,
        };
        let dust = |t: &Breakpoints| t.average_h == 24;
        let day = [c("o3", 8, 89.3), c("o3", 1, 114.6), c("no2", 1, 130.8), c("pm25", 24, 55.7)];
        assert_eq!(station(&aqi.scale, &day, dust), Some((110.0, 3)));
        assert_eq!(station(&aqi.scale, &day[..3], dust), None);
        let hour = [c("o3", 1, 136.1), c("pm25", 24, 20.3), c("no2", 1, 118.7)];
        assert_eq!(station(&aqi.scale, &hour, dust), Some((59.0, 2)));
    }

    #[test]
    fn the_index_meets_the_scale_at_every_breakpoint_and_is_continuous() {
        let aqi = aqi();
        for table in &aqi.tables {
            for (c, i) in table.at.iter().zip(&aqi.scale) {
                assert_eq!(sub_index(&aqi.scale, table, *c), Some(*i), "{}", table.property);
                if *c > 0.0 {
                    let below = sub_index(&aqi.scale, table, c * (1.0 - 1e-9)).expect("in range");
                    near(below, *i, 1e-5);
                }
            }
        }
    }

    #[test]
    fn above_the_last_breakpoint_it_is_500_but_ozone_of_8_hours_says_nothing() {
        let aqi = aqi();
        let of = |p: &str, h, c| sub_index(&aqi.scale, aqi.table(p, h).expect("a table"), c);
        assert_eq!(of("pm25", 24, 1999.0), Some(500.0));
        assert_eq!(of("o3", 8, 400.0), Some(300.0));
        assert_eq!(of("o3", 8, 400.1), None);
        assert_eq!(of("pm25", 24, -0.1), None);
        assert_eq!(of("pm25", 24, f64::NAN), None);
    }

    #[test]
    fn nowcast_needs_two_of_the_last_three_hours() {
        let mut hours = newest_first(EXAMPLE);
        hours[0] = None;
        assert!(nowcast(&hours).is_some());
        hours[2] = None;
        assert_eq!(nowcast(&hours), None);
    }

    #[test]
    fn nowcast_of_a_sudden_rise_halves_hour_by_hour() {
        let mut hours = [Some(10.0); 12];
        hours[0] = Some(100.0);
        let n = nowcast(&hours).expect("all hours are there");
        assert_eq!(n.weight, 0.5);
        // ½·100 + (½² + … + ½^12)·10
        near(n.value, 50.0 + 10.0 * (0.5 - 0.5f64.powi(12)), 1e-9);
        // Equal hours: w = 1, the plain mean; and nothing but zeros is zero.
        assert_eq!(nowcast(&[Some(7.0); 12]).map(|n| n.value), Some(7.0));
        assert_eq!(nowcast(&[Some(0.0); 12]).map(|n| n.value), Some(0.0));
    }
}
