//! What units and properties are called elsewhere.

/// Name and definition of a unit symbol: QUDT, else UCUM. Units that neither has get none.
pub(super) fn unit(symbol: &str) -> (&str, Option<&'static str>) {
    match symbol {
        "µg/m³" => {
            ("microgram per cubic metre", Some("http://qudt.org/vocab/unit/MicroGM-PER-M3"))
        }
        "mg/m³" => {
            ("milligram per cubic metre", Some("http://qudt.org/vocab/unit/MilliGM-PER-M3"))
        }
        "mg/L" => ("milligram per litre", Some("http://qudt.org/vocab/unit/MilliGM-PER-L")),
        "°C" => ("degree Celsius", Some("http://qudt.org/vocab/unit/DEG_C")),
        "%" => ("percent", Some("http://qudt.org/vocab/unit/PERCENT")),
        "hPa" => ("hectopascal", Some("http://qudt.org/vocab/unit/HectoPA")),
        "m/s" => ("metre per second", Some("http://qudt.org/vocab/unit/M-PER-SEC")),
        "km/h" => ("kilometre per hour", Some("http://qudt.org/vocab/unit/KiloM-PER-HR")),
        "m" => ("metre", Some("http://qudt.org/vocab/unit/M")),
        "mm" => ("millimetre", Some("http://qudt.org/vocab/unit/MilliM")),
        "mm/h" => ("millimetre per hour", Some("http://qudt.org/vocab/unit/MilliM-PER-HR")),
        "m³/s" => ("cubic metre per second", Some("http://qudt.org/vocab/unit/M3-PER-SEC")),
        "°" => ("degree", Some("http://qudt.org/vocab/unit/DEG")),
        "dBA" => ("A-weighted decibel", Some("http://qudt.org/vocab/unit/DeciB_A")),
        "veh/h" => {
            ("vehicles per hour", Some("http://www.opengis.net/def/uom/UCUM/0/%7Bvehicle%7D%2Fh"))
        }
        other => (other, None),
    }
}

/// Definition of a property: pollutants as the European air quality vocabulary has them, others
/// as standard names of the CF conventions. Properties that neither has get none.
pub(super) fn property(id: &str) -> Option<&'static str> {
    Some(match id {
        "pm25" => "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/6001",
        "pm10" => "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/5",
        "no2" => "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/8",
        "so2" => "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/1",
        "co" => "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/10",
        "o3" => "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/7",
        "temperature" => "http://vocab.nerc.ac.uk/standard_name/air_temperature/",
        "humidity" => "http://vocab.nerc.ac.uk/standard_name/relative_humidity/",
        "pressure" => "http://vocab.nerc.ac.uk/standard_name/air_pressure/",
        "wind_speed" => "http://vocab.nerc.ac.uk/standard_name/wind_speed/",
        "rain_intensity" => "http://vocab.nerc.ac.uk/standard_name/rainfall_rate/",
        "discharge" => {
            "http://vocab.nerc.ac.uk/standard_name/water_volume_transport_in_river_channel/"
        }
        _ => return None,
    })
}
