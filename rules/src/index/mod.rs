//! Indices as pure functions: numbers in, number out. Nothing here keeps state or knows a device.
//!
//! - [`aqi`]: VN_AQI of an hour and of a day, Nowcast (Quyết định 1459/QĐ-TCMT).
//! - [`heat`]: heat index (US National Weather Service).
//! - [`traffic`]: speed of a road against its free flow, with the learned free-flow speed.

pub(crate) mod aqi;
pub(crate) mod heat;
pub(crate) mod traffic;

/// Share of parking spaces that are taken, %. `None` where the numbers contradict each other: no
/// spaces at all, fewer than none free, more free than there are.
pub(crate) fn occupancy(total: f64, free: f64) -> Option<f64> {
    (total > 0.0 && (0.0..=total).contains(&free)).then(|| (total - free) / total * 100.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn occupancy_is_the_share_of_taken_spaces() {
        assert_eq!(super::occupancy(200.0, 50.0), Some(75.0));
        assert_eq!(super::occupancy(200.0, 0.0), Some(100.0));
        for (total, free) in [(0.0, 0.0), (10.0, 11.0), (10.0, -1.0), (f64::NAN, 1.0)] {
            assert_eq!(super::occupancy(total, free), None, "{total} {free}");
        }
    }
}
