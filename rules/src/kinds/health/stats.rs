//! Medians of few numbers.

/// The median; of an even number the mean of the two in the middle. `None` of nothing.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(*high);
    }
    let low = values.get(middle - 1)?;
    Some(low + (high - low) / 2.0)
}

/// The median of the distances from `centre`.
pub(super) fn deviation(values: &mut [f64], centre: f64) -> Option<f64> {
    for v in values.iter_mut() {
        *v = (*v - centre).abs();
    }
    median(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 100.0]), Some(3.0));
        assert_eq!(deviation(&mut [1.0, 2.0, 9.0], 2.0), Some(1.0));
    }
}
