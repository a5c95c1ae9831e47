//! Units and their conversion. Amounts of gas in ppm or ppb are not converted: that needs
//! temperature and pressure, which would be a guess.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Fraction,
    Temperature,
    Pressure,
    Speed,
    Length,
    LengthPerHour,
    Density,
    Sound,
    Flow,
    Count,
    CountPerHour,
    Acidity,
}

/// One unit: a value times `scale` plus `offset` is in the dimension's base unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    dimension: Dimension,
    scale: f64,
    offset: f64,
}

/// Symbols (and UN/CEFACT codes, as FIWARE's `unitCode` has them) with scale and offset to the
/// dimension's base unit: %, °C, hPa, m/s, m, mm/h, µg/m³, dBA, m³/s, 1, 1/h, pH.
const TABLE: &[(&[&str], Dimension, f64, f64)] = {
    use Dimension::*;
    &[
        (&["%", "P1"], Fraction, 1.0, 0.0),
        (&["fraction", "0-1"], Fraction, 100.0, 0.0),
        (&["‰", "permille"], Fraction, 0.1, 0.0),
        (&["°C", "degC", "C", "celsius", "CEL"], Temperature, 1.0, 0.0),
        (&["K", "kelvin", "KEL"], Temperature, 1.0, -273.15),
        (&["°F", "degF", "F", "fahrenheit", "FAH"], Temperature, 5.0 / 9.0, -160.0 / 9.0),
        (&["hPa", "mbar", "A97", "MBR"], Pressure, 1.0, 0.0),
        (&["Pa", "PAL"], Pressure, 0.01, 0.0),
        (&["kPa", "KPA"], Pressure, 10.0, 0.0),
        (&["bar", "BAR"], Pressure, 1000.0, 0.0),
        (&["mmHg", "HN"], Pressure, 1.333_223_874_15, 0.0),
        (&["m/s", "MTS"], Speed, 1.0, 0.0),
        (&["km/h", "KMH"], Speed, 1.0 / 3.6, 0.0),
        (&["mph", "HM"], Speed, 0.447_04, 0.0),
        (&["kn", "knot", "KNT"], Speed, 1852.0 / 3600.0, 0.0),
        (&["m", "MTR"], Length, 1.0, 0.0),
        (&["cm", "CMT"], Length, 0.01, 0.0),
        (&["mm", "MMT", "L/m²", "L/m2", "l/m²"], Length, 0.001, 0.0),
        (&["km", "KMT"], Length, 1000.0, 0.0),
        (&["ft", "FOT"], Length, 0.3048, 0.0),
        (&["in", "INH"], Length, 0.0254, 0.0),
        (&["mm/h", "H67"], LengthPerHour, 1.0, 0.0),
        (&["in/h"], LengthPerHour, 25.4, 0.0),
        (&["µg/m³", "ug/m3", "µg/m3", "ug/m³", "µg/Nm³", "GQ"], Density, 1.0, 0.0),
        (&["mg/m³", "mg/m3", "GP"], Density, 1e3, 0.0),
        (&["mg/L", "mg/l", "M1", "g/m³", "g/m3", "mg/L Cl⁻"], Density, 1e6, 0.0),
        (&["g/L", "g/l", "kg/m³", "KMQ", "GL"], Density, 1e9, 0.0),
        (&["dBA", "dB(A)", "dB", "2N"], Sound, 1.0, 0.0),
        (&["m³/s", "m3/s", "MQS"], Flow, 1.0, 0.0),
        (&["m³/h", "m3/h", "MQH"], Flow, 1.0 / 3600.0, 0.0),
        (&["L/s", "l/s", "G51"], Flow, 0.001, 0.0),
        (&["", "1", "count", "C62"], Count, 1.0, 0.0),
        (&["1/h", "veh/h"], CountPerHour, 1.0, 0.0),
        (&["pH", "Q30"], Acidity, 1.0, 0.0),
    ]
};

impl Unit {
    /// The unit of a symbol, if it is one that can be converted.
    pub(super) fn parse(symbol: &str) -> Option<Self> {
        // U+03BC (Greek mu) and U+00B5 (micro sign) look alike and mean the same.
        let symbol = symbol.trim().replace('\u{3bc}', "\u{b5}");
        TABLE
            .iter()
            .find(|(symbols, ..)| symbols.contains(&&*symbol))
            .map(|&(_, dimension, scale, offset)| Self { dimension, scale, offset })
    }
}

/// Turns values of one unit into another of the same dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conversion {
    scale: f64,
    offset: f64,
}

impl Conversion {
    /// Leaves values as they are.
    pub(super) const SAME: Self = Self { scale: 1.0, offset: 0.0 };

    /// From a symbol to the symbol of a property. The same symbol always fits, also if it is not
    /// in the table; a property without a unit takes counts.
    pub(super) fn between(from: &str, to: &str) -> Option<Self> {
        if from == to {
            return Some(Self::SAME);
        }
        let from = Unit::parse(from)?;
        let Some(to) = Unit::parse(to) else {
            // Catalogue units outside the table (`người`, `xe`) count things.
            return (from.dimension == Dimension::Count).then_some(Self::SAME);
        };
        if from == to {
            return Some(Self::SAME);
        }
        (from.dimension == to.dimension).then(|| Self {
            scale: from.scale / to.scale,
            offset: (from.offset - to.offset) / to.scale,
        })
    }

    pub(super) fn apply(self, value: f64) -> f64 {
        if self == Self::SAME {
            return value;
        }
        // 12 significant digits: 0.54 → 54 and not 54.00000000000001.
        let exact = value * self.scale + self.offset;
        format!("{exact:.11e}").parse().unwrap_or(exact)
    }
}

/// Whether values in `from` can be turned into `to`.
pub(crate) fn unit_fits(from: &str, to: &str) -> bool {
    Conversion::between(from, to).is_some()
}

/// Symbols that can be turned into `to`, the usual one of each unit.
pub(crate) fn units_like(to: &str) -> Vec<&'static str> {
    let usual = TABLE.iter().filter_map(|(symbols, ..)| symbols.first());
    usual.copied().filter(|from| unit_fits(from, to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: f64, from: &str, to: &str, expect: f64) {
        let got = Conversion::between(from, to).expect("same dimension").apply(value);
        assert_eq!(got, expect, "{value} {from} in {to}");
    }

    #[test]
    fn converts_the_usual_suspects() {
        check(0.54, "fraction", "%", 54.0);
        check(298.65, "K", "°C", 25.5);
        check(77.0, "°F", "°C", 25.0);
        check(1.2, "GP", "µg/m³", 1200.0);
        check(50.0, "km/h", "m/s", 13.888_888_888_9);
        check(10.0, "m/s", "km/h", 36.0);
        check(30.0, "mph", "km/h", 48.280_32);
        check(352.0, "cm", "m", 3.52);
        check(3.0, "L/m²", "mm", 3.0);
        check(101_325.0, "Pa", "hPa", 1_013.25);
        check(7.0, "\u{3bc}g/m³", "\u{b5}g/m³", 7.0);
        check(12.0, "count", "người", 12.0);
        check(5.0, "mg/L", "mg/L", 5.0);
    }

    #[test]
    fn refuses_other_dimensions_and_unknown_units() {
        for (from, to) in
            [("°C", "%"), ("ppb", "µg/m³"), ("m", "m/s"), ("count", "veh/h"), ("mm", "mm/h")]
        {
            assert_eq!(Conversion::between(from, to), None, "{from} in {to}");
        }
    }

    #[test]
    fn no_symbol_stands_for_two_units() {
        for (i, (symbols, ..)) in TABLE.iter().enumerate() {
            for (other, ..) in &TABLE[i + 1..] {
                assert!(!symbols.iter().any(|s| other.contains(s)), "{symbols:?} {other:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(
            a in prop::sample::select(TABLE.to_vec()),
            b in prop::sample::select(TABLE.to_vec()),
            value in -1e4f64..1e4,
        ) {
            let there = Conversion::between(a.0[0], b.0[0]);
            prop_assert_eq!(there.is_some(), a.1 == b.1);
            if let Some(there) = there {
                let back = Conversion::between(b.0[0], a.0[0]).expect("symmetric");
                let got = back.apply(there.apply(value));
                prop_assert!((got - value).abs() <= 1e-6 * value.abs().max(1e3), "{} {}", got, value);
            }
        }
    }
}
