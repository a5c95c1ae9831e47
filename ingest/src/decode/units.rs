//! Units and their conversion. Amounts of gas in ppm or ppb do not become weights: that needs
//! temperature and pressure, which would be a guess.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use ahash::RandomState;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Fraction,
    Temperature,
    Pressure,
    Speed,
    Length,
    LengthPerHour,
    Density,
    MolePart,
    Sound,
    Flow,
    Count,
    CountPerHour,
    Acidity,
    Angle,
    Irradiance,
    Illuminance,
    Voltage,
    Current,
    Power,
    Energy,
    Conductivity,
    Turbidity,
    Signal,
}

/// One unit: a value times `scale` plus `offset` is in the dimension's base unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    dimension: Dimension,
    scale: f64,
    offset: f64,
}

type Row = (&'static [&'static str], Dimension, f64, f64);

/// Symbols as people and UCUM write them, UN/CEFACT codes (FIWARE's `unitCode`) and QUDT names,
/// with scale and offset to the dimension's base unit: %, °C, hPa, m/s, m, mm/h, µg/m³, ppm, dBA,
/// m³/s, 1, 1/h, pH, °, W/m², lx, V, A, W, kWh, µS/cm, NTU, dBm.
const TABLE: &[Row] = {
    use Dimension::*;
    &[
        (&["%", "P1", "PERCENT"], Fraction, 1.0, 0.0),
        (&["fraction", "0-1"], Fraction, 100.0, 0.0),
        (&["‰", "permille"], Fraction, 0.1, 0.0),
        (&["°C", "℃", "degC", "C", "celsius", "CEL", "Cel", "DEG_C"], Temperature, 1.0, 0.0),
        (&["K", "kelvin", "KEL"], Temperature, 1.0, -273.15),
        (
            &["°F", "℉", "degF", "F", "fahrenheit", "FAH", "[degF]", "DEG_F"],
            Temperature,
            5.0 / 9.0,
            -160.0 / 9.0,
        ),
        (&["hPa", "mbar", "A97", "MBR", "HectoPA", "MilliBAR"], Pressure, 1.0, 0.0),
        (&["Pa", "PAL", "PA"], Pressure, 0.01, 0.0),
        (&["kPa", "KPA", "KiloPA"], Pressure, 10.0, 0.0),
        (&["bar", "BAR"], Pressure, 1000.0, 0.0),
        (&["mmHg", "HN", "mm[Hg]", "MilliM_HG"], Pressure, 1.333_223_874_15, 0.0),
        (&["mH2O", "mH₂O", "m[H2O]"], Pressure, 98.0665, 0.0),
        (&["cmH2O", "cmH₂O", "cm[H2O]"], Pressure, 0.980_665, 0.0),
        (&["m/s", "MTS", "M-PER-SEC"], Speed, 1.0, 0.0),
        (&["km/h", "KMH", "KiloM-PER-HR"], Speed, 1.0 / 3.6, 0.0),
        (&["mph", "HM", "[mi_i]/h", "MI-PER-HR"], Speed, 0.447_04, 0.0),
        (&["kn", "knot", "KNT", "[kn_i]", "KN"], Speed, 1852.0 / 3600.0, 0.0),
        (&["m", "MTR", "M"], Length, 1.0, 0.0),
        (&["cm", "CMT", "CentiM"], Length, 0.01, 0.0),
        (&["mm", "MMT", "L/m²", "L/m2", "l/m²", "l/m2", "MilliM"], Length, 0.001, 0.0),
        (&["km", "KMT", "KiloM"], Length, 1000.0, 0.0),
        (&["ft", "FOT", "[ft_i]", "FT"], Length, 0.3048, 0.0),
        (&["in", "INH", "[in_i]", "IN"], Length, 0.0254, 0.0),
        (&["mm/h", "H67", "MilliM-PER-HR"], LengthPerHour, 1.0, 0.0),
        (&["in/h", "[in_i]/h"], LengthPerHour, 25.4, 0.0),
        (
            &["µg/m³", "ug/m3", "µg/m3", "ug/m³", "µg/Nm³", "GQ", "MicroGM-PER-M3"],
            Density,
            1.0,
            0.0,
        ),
        (&["mg/m³", "mg/m3", "GP", "MilliGM-PER-M3"], Density, 1e3, 0.0),
        (&["mg/L", "mg/l", "M1", "g/m³", "g/m3", "mg/L Cl⁻", "MilliGM-PER-L"], Density, 1e6, 0.0),
        (&["g/L", "g/l", "kg/m³", "kg/m3", "KMQ", "GL"], Density, 1e9, 0.0),
        (&["ppm", "59", "[ppm]", "PPM"], MolePart, 1.0, 0.0),
        (&["ppb", "61", "[ppb]", "PPB"], MolePart, 1e-3, 0.0),
        (&["dBA", "dB(A)", "dB", "2N", "DeciB"], Sound, 1.0, 0.0),
        (&["m³/s", "m3/s", "MQS", "M3-PER-SEC"], Flow, 1.0, 0.0),
        (&["m³/h", "m3/h", "MQH", "M3-PER-HR"], Flow, 1.0 / 3600.0, 0.0),
        (&["L/s", "l/s", "G51", "L-PER-SEC"], Flow, 0.001, 0.0),
        (&["", "1", "count", "C62", "{count}"], Count, 1.0, 0.0),
        (&["1/h", "veh/h"], CountPerHour, 1.0, 0.0),
        (&["pH", "[pH]", "Q30", "PH"], Acidity, 1.0, 0.0),
        (&["°", "deg", "DD", "DEG"], Angle, 1.0, 0.0),
        (&["W/m²", "W/m2", "D54", "W-PER-M2"], Irradiance, 1.0, 0.0),
        (&["kW/m²", "kW/m2"], Irradiance, 1e3, 0.0),
        (&["lx", "lux", "LUX", "LX"], Illuminance, 1.0, 0.0),
        (&["klx", "KLX"], Illuminance, 1e3, 0.0),
        (&["V", "VLT"], Voltage, 1.0, 0.0),
        (&["mV", "2Z", "MilliV"], Voltage, 1e-3, 0.0),
        (&["kV", "KVT", "KiloV"], Voltage, 1e3, 0.0),
        (&["A", "AMP"], Current, 1.0, 0.0),
        (&["mA", "4K", "MilliA"], Current, 1e-3, 0.0),
        (&["W", "WTT"], Power, 1.0, 0.0),
        (&["kW", "KWT", "KiloW"], Power, 1e3, 0.0),
        (&["MW", "MAW", "MegaW"], Power, 1e6, 0.0),
        (&["kWh", "kW.h", "KWH", "KiloW-HR"], Energy, 1.0, 0.0),
        (&["Wh", "W.h", "WHR", "W-HR"], Energy, 1e-3, 0.0),
        (&["MWh", "MW.h", "MWH", "MegaW-HR"], Energy, 1e3, 0.0),
        (&["µS/cm", "uS/cm", "G42", "MicroS-PER-CentiM"], Conductivity, 1.0, 0.0),
        (&["mS/cm", "H61", "MilliS-PER-CentiM"], Conductivity, 1e3, 0.0),
        (&["S/m", "D10", "S-PER-M"], Conductivity, 1e4, 0.0),
        (&["NTU", "{NTU}", "[NTU]"], Turbidity, 1.0, 0.0),
        (&["dBm", "DBM", "dB[mW]"], Signal, 1.0, 0.0),
    ]
};

static UNITS: LazyLock<HashMap<&'static str, Unit, RandomState>> = LazyLock::new(|| {
    let rows = TABLE.iter().flat_map(|&(symbols, dimension, scale, offset)| {
        symbols.iter().map(move |s| (*s, Unit { dimension, scale, offset }))
    });
    rows.collect()
});

impl Unit {
    /// The unit of a symbol, if it is one that can be converted.
    pub(super) fn parse(symbol: &str) -> Option<Self> {
        // U+03BC (Greek mu) and U+00B5 (micro sign) look alike and mean the same.
        let symbol = match symbol.trim() {
            greek if greek.contains('\u{3bc}') => Cow::from(greek.replace('\u{3bc}', "\u{b5}")),
            plain => Cow::from(plain),
        };
        UNITS.get(&*symbol).copied()
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
    /// in the table; a property without a unit takes counts; `1` (`C62`) of a percentage is 100 %.
    pub(super) fn between(from: &str, to: &str) -> Option<Self> {
        if from == to {
            return Some(Self::SAME);
        }
        let one = matches!(from.trim(), "1" | "C62");
        let from = Unit::parse(from)?;
        let Some(to) = Unit::parse(to) else {
            // Catalogue units outside the table (`người`, `xe`) count things.
            return (from.dimension == Dimension::Count).then_some(Self::SAME);
        };
        if from == to {
            return Some(Self::SAME);
        }
        if from.dimension == Dimension::Acidity && to.dimension == Dimension::Count {
            // The catalogue's pH has no unit.
            return Some(Self::SAME);
        }
        if one && to.dimension == Dimension::Fraction {
            return Some(Self { scale: 100.0 / to.scale, offset: 0.0 });
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
        rounded(value * self.scale + self.offset)
    }
}

/// Powers of ten that a float holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The float nearest to `exact` in 12 significant decimal digits: what printing and reading it
/// gives, but mostly without that.
fn rounded(exact: f64) -> f64 {
    let size = exact.abs();
    if size == 0.0 {
        return exact;
    }
    // 0.30103 is log10(2): at most one too small.
    let exponent = (((size.to_bits() >> 52) as i32 - 1023) * 1233) >> 12;
    let mut places = 11 - exponent;
    let scaled = |places: i32| Some(size * TENS.get(usize::try_from(places).ok()?)?);
    if scaled(places).is_some_and(|n| n >= 1e12) {
        places -= 1;
    }
    if let (Some(n), Ok(at)) = (scaled(places), usize::try_from(places)) {
        // The product is off by less than 0.0002, so its nearest integer is the right one unless
        // it is nearly half way. An integer by a power of ten is rounded once, as reading is.
        let whole = n.round();
        if (1e11..1e12).contains(&n) && (n - whole).abs() < 0.499 {
            return (whole / TENS[at]).copysign(exact);
        }
    }
    format!("{exact:.11e}").parse().unwrap_or(exact)
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

/// Symbols that are known, and of how many quantities.
#[cfg(test)]
pub(super) fn table_size() -> (usize, usize) {
    let quantities: std::collections::BTreeSet<u8> = TABLE.iter().map(|row| row.1 as u8).collect();
    (UNITS.len(), quantities.len())
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
        check(0.21, "C62", "%", 21.0);
        check(25.4, "Cel", "°C", 25.4);
        check(77.0, "[degF]", "DEG_C", 25.0);
        check(10.5, "m[H2O]", "hPa", 1_029.698_25);
        check(135.0, "DD", "°", 135.0);
        check(0.8, "kW/m2", "D54", 800.0);
        check(0.5, "mS/cm", "µS/cm", 500.0);
        check(0.05, "S/m", "G42", 500.0);
        check(420_000.0, "61", "ppm", 420.0);
        check(250.0, "4K", "A", 0.25);
        check(1.2, "KWT", "W", 1_200.0);
    }

    #[test]
    fn refuses_other_dimensions_and_unknown_units() {
        for (from, to) in [
            ("°C", "%"),
            ("ppb", "µg/m³"),
            ("m", "m/s"),
            ("count", "veh/h"),
            ("mm", "mm/h"),
            ("ppm", "mg/m³"),
            ("ppm", "%"),
            ("count", "%"),
            ("dBm", "dBA"),
            ("kW", "kWh"),
            ("m[H2O]", "m"),
        ] {
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

    #[test]
    fn rounds_as_printing_and_reading_does() {
        for exact in [
            54.000_000_000_000_01,
            0.76 * 100.0,
            1e-9 / 3.0,
            1e11,
            1e12 - 0.5,
            999_999_999_999.5,
            99_999_999_999.95,
            0.1 + 0.2,
            5e-324,
            f64::MAX,
            -273.15,
            0.0,
            1e22,
            123_456_789_012.5,
        ] {
            let slow: f64 = format!("{exact:.11e}").parse().expect("a number");
            assert_eq!(rounded(exact), slow, "{exact}");
        }
    }

    proptest! {
        #[test]
        fn rounds_all_as_printing_and_reading_does(exact in any::<f64>(), size in -12i32..14) {
            for exact in [exact, (exact % 1.0) * 10f64.powi(size)] {
                let slow: f64 = format!("{exact:.11e}").parse().expect("a number");
                prop_assert_eq!(rounded(exact).to_bits(), slow.to_bits(), "{}", exact);
            }
        }

        #[test]
        fn there_and_back_is_the_same(
            a in prop::sample::select(TABLE.to_vec()),
            b in prop::sample::select(TABLE.to_vec()),
            value in -1e4f64..1e4,
        ) {
            // A pH becomes a pure number, as the catalogue has it; no number becomes a pH.
            prop_assume!((a.1, b.1) != (Dimension::Acidity, Dimension::Count));
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
