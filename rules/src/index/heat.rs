//! Heat index of the US National Weather Service.

/// Heat index in °C of the air temperature in °C and the relative humidity in %.
///
/// Rothfusz's regression (NWS Technical Attachment SR 90-23, 1990) with the adjustments and the
/// simple formula (Steadman) below 80 °F as the NWS Weather Prediction Center publishes them:
/// <https://www.wpc.ncep.noaa.gov/html/heatindex_equation.shtml>. At and below 40 °F, where it is
/// not defined, it is the air temperature, as the NWS calculator has it. `None` for a humidity
/// outside 0 to 100 % or a temperature that is not finite.
///
/// The regression was fitted to shade temperatures of 80 to about 112 °F (27 to 44 °C); beyond,
/// the numbers are an extrapolation.
pub(crate) fn heat_index(celsius: f64, humidity: f64) -> Option<f64> {
    if !celsius.is_finite() || !(0.0..=100.0).contains(&humidity) {
        return None;
    }
    let t = celsius * 1.8 + 32.0;
    Some((fahrenheit(t, humidity) - 32.0) / 1.8)
}

fn fahrenheit(t: f64, rh: f64) -> f64 {
    if t <= 40.0 {
        return t;
    }
    let simple = 0.5 * (t + 61.0 + (t - 68.0) * 1.2 + rh * 0.094);
    // "this simple value is averaged with the temperature"
    let mean = (simple + t) / 2.0;
    if mean < 80.0 {
        return mean;
    }
    let full = -42.379 + 2.049_015_23 * t + 10.143_331_27 * rh
        - 0.224_755_41 * t * rh
        - 6.837_83e-3 * t * t
        - 5.481_717e-2 * rh * rh
        + 1.228_74e-3 * t * t * rh
        + 8.528_2e-4 * t * rh * rh
        - 1.99e-6 * t * t * rh * rh;
    if rh < 13.0 && (80.0..=112.0).contains(&t) {
        full - (13.0 - rh) / 4.0 * ((17.0 - (t - 95.0).abs()) / 17.0).sqrt()
    } else if rh > 85.0 && (80.0..=87.0).contains(&t) {
        full + (rh - 85.0) / 10.0 * ((87.0 - t) / 5.0)
    } else {
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The chart of the NWS (<https://www.weather.gov/safety/heat-index>), as the tests of
    /// malexer/meteocalc quote it: °F, %, heat index °F.
    const CHART: [(f64, f64, f64); 17] = [
        (80.0, 40.0, 80.0),
        (88.0, 40.0, 88.0),
        (90.0, 40.0, 91.0),
        (96.0, 40.0, 101.0),
        (98.0, 40.0, 105.0),
        (106.0, 40.0, 124.0),
        (108.0, 40.0, 130.0),
        (110.0, 40.0, 136.0),
        (80.0, 65.0, 82.0),
        (84.0, 65.0, 89.0),
        (86.0, 65.0, 93.0),
        (96.0, 65.0, 121.0),
        (100.0, 65.0, 136.0),
        (80.0, 100.0, 87.0),
        (82.0, 100.0, 95.0),
        (86.0, 100.0, 112.0),
        (90.0, 100.0, 132.0),
    ];

    #[test]
    fn agrees_with_the_chart_of_the_weather_service() {
        for (t, rh, expect) in CHART {
            // The chart shows the regression without its adjustment for very moist air.
            let moist =
                if rh > 85.0 && t <= 87.0 { (rh - 85.0) / 10.0 * (87.0 - t) / 5.0 } else { 0.0 };
            let got = fahrenheit(t, rh) - moist;
            assert_eq!(got.round(), expect, "{t} °F {rh} %: {got}");
        }
    }

    #[test]
    fn the_adjustments_take_and_give() {
        // 95 °F and 5 %: (13 - 5) / 4 * sqrt(17 / 17) = 2 less than the regression.
        let raw = |t: f64, rh: f64| {
            -42.379 + 2.04901523 * t + 10.14333127 * rh
                - 0.22475541 * t * rh
                - 0.00683783 * t * t
                - 0.05481717 * rh * rh
                + 0.00122874 * t * t * rh
                + 0.00085282 * t * rh * rh
                - 0.00000199 * t * t * rh * rh
        };
        assert!((fahrenheit(95.0, 5.0) - (raw(95.0, 5.0) - 2.0)).abs() < 1e-9);
        // 82 °F and 95 %: (95 - 85) / 10 * (87 - 82) / 5 = 1 more.
        assert!((fahrenheit(82.0, 95.0) - (raw(82.0, 95.0) + 1.0)).abs() < 1e-9);
    }

    #[test]
    fn celsius_in_and_out_and_mild_or_cold_air_feels_as_it_is() {
        // A humid summer noon in Đà Nẵng: 35 °C, 65 %.
        let got = heat_index(35.0, 65.0).expect("in range");
        assert!((got - 47.6).abs() < 0.1, "{got}");
        assert!((heat_index(20.0, 60.0).expect("in range") - 20.0).abs() < 1.0);
        let cold = heat_index(2.0, 90.0).expect("in range");
        assert!((cold - 2.0).abs() < 1e-9, "{cold}");
        assert_eq!(heat_index(30.0, 101.0), None);
        assert_eq!(heat_index(30.0, -1.0), None);
        assert_eq!(heat_index(f64::NAN, 50.0), None);
    }
}
