//! The small city of the benches: one service, one property.

use ioc_model::{City, Property, Service, ServiceGroup, Text};

pub fn city() -> City {
    let mut city = City::default();
    let both = || Text { vi: "x".into(), en: "x".into() };
    let service = Service {
        id: "air".into(),
        order: 1,
        group: ServiceGroup::Additional,
        name: both(),
        indicators: vec![],
    };
    city.services.insert("air".into(), service);
    let pm25 = Property {
        id: "pm25".into(),
        name: both(),
        unit: "µg/m³".into(),
        min: 0.0,
        max: 1e6,
        digits: 1,
        normal: None,
    };
    city.properties.insert("pm25".into(), pm25);
    city
}
