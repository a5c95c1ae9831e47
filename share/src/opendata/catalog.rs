//! The catalogue as DCAT (W3C DCAT 2 and 3, profile DCAT-AP 3.0) in JSON-LD.
//!
//! Its terms are explained in the document itself; nothing has to be fetched to read it. Entries
//! of vocabularies are named with their type, as the shapes of DCAT-AP want it.

use ioc_model::{City, Text, Timestamp};
use serde_json::{Value, json};

use super::config::{Catalogue, Dataset};
use super::read::Station;
use super::update::iso8601;

const EU: &str = "http://publications.europa.eu/resource/authority";
const MEDIA: &str = "https://www.iana.org/assignments/media-types";

/// A form in which a dataset is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    GeoJson,
    NgsiLd,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Csv, Self::GeoJson, Self::NgsiLd];

    /// Last part of its address.
    pub fn file(self) -> &'static str {
        match self {
            Self::Csv => "data.csv",
            Self::GeoJson => "data.geojson",
            Self::NgsiLd => "data.jsonld",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::GeoJson => "GeoJSON",
            Self::NgsiLd => "NGSI-LD (JSON-LD)",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::GeoJson => "application/geo+json",
            Self::NgsiLd => "application/ld+json",
        }
    }

    /// Its entry in the EU vocabulary of file types.
    fn code(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::GeoJson => "GEOJSON",
            Self::NgsiLd => "JSON_LD",
        }
    }

    fn standard(self, dataset: &Dataset) -> (String, &'static str) {
        match self {
            Self::Csv => ("https://www.rfc-editor.org/rfc/rfc4180".into(), "RFC 4180"),
            Self::GeoJson => ("https://www.rfc-editor.org/rfc/rfc7946".into(), "RFC 7946"),
            Self::NgsiLd => (dataset.model.page(), dataset.model.name()),
        }
    }
}

/// A dataset with what only the city and the store know of it.
pub(super) struct Entry<'a> {
    pub dataset: &'a Dataset,
    pub stations: Vec<Station>,
    /// First moment given, as far as known.
    pub since: Timestamp,
    /// All before it is given.
    pub horizon: Timestamp,
}

/// Addresses.
pub(super) struct Places<'a> {
    /// Of open data, `https://ioc.example.vn/open`.
    pub base: &'a str,
}

impl Places<'_> {
    pub fn dataset(&self, dataset: &Dataset) -> String {
        format!("{}/datasets/{}", self.base, dataset.id)
    }

    /// SensorThings lies beside open data.
    pub fn service(&self) -> String {
        let site = self.base.strip_suffix("/open").unwrap_or(self.base);
        format!("{site}/sensorthings/v1.1")
    }
}

/// The whole document.
pub(super) fn document(
    catalogue: &Catalogue,
    city: &City,
    places: &Places<'_>,
    entries: &[Entry<'_>],
) -> Value {
    let base = places.base;
    let themes = format!("{EU}/data-theme");
    let datasets: Vec<Value> = entries.iter().map(|e| dataset(catalogue, places, e)).collect();
    let modified = entries.iter().map(|e| e.horizon).max();
    let mut document = json!({
        "@context": context(),
        "@id": format!("{base}/catalog.jsonld#catalog"),
        "@type": "dcat:Catalog",
        "dct:title": texts(&catalogue.title),
        "dct:description": texts(&catalogue.description),
        "dct:publisher": publisher(catalogue, base),
        "dct:license": licence(catalogue),
        "dct:language": [language("VIE"), language("ENG")],
        "foaf:homepage": { "@id": base, "@type": "foaf:Document" },
        "dcat:themeTaxonomy": {
            "@id": themes,
            "@type": "skos:ConceptScheme",
            "dct:title": { "@language": "en", "@value": "Data theme" },
        },
        "dcat:dataset": datasets,
        "dcat:service": service(catalogue, places, entries),
    });
    if let Value::Object(map) = &mut document {
        if let Some(time) = modified {
            map.insert("dct:modified".into(), date_time(time));
        }
        if let Some(bounds) = bounds(area_points(city)) {
            map.insert("dct:spatial".into(), location(bounds));
        }
    }
    document
}

fn dataset(catalogue: &Catalogue, places: &Places<'_>, entry: &Entry<'_>) -> Value {
    let Entry { dataset, stations, since, horizon } = entry;
    let address = places.dataset(dataset);
    let theme = dataset.theme;
    let words = |words: &[String], lang: &str| -> Vec<Value> {
        words.iter().map(|w| json!({ "@language": lang, "@value": w })).collect()
    };
    let mut keywords = words(&dataset.keywords.vi, "vi");
    keywords.extend(words(&dataset.keywords.en, "en"));
    let files: Vec<Value> =
        Format::ALL.iter().map(|f| distribution(catalogue, entry, &address, *f)).collect();
    let mut value = json!({
        "@id": address,
        "@type": "dcat:Dataset",
        "dct:identifier": address,
        "dct:title": texts(&dataset.title),
        "dct:description": texts(&dataset.description),
        "dct:publisher": { "@id": agent(places.base) },
        "dcat:contactPoint": contact(catalogue, places.base),
        "dct:accessRights": public(),
        "dct:language": [language("VIE"), language("ENG")],
        "dct:accrualPeriodicity":
            { "@id": dataset.update.frequency(), "@type": "dct:Frequency" },
        "dct:modified": date_time(*horizon),
        "dct:temporal": {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": date_time(*since),
            "dcat:endDate": date_time(*horizon),
        },
        "dcat:theme": {
            "@id": format!("{EU}/data-theme/{}", theme.code),
            "@type": "skos:Concept",
            "skos:prefLabel": [
                { "@language": "en", "@value": theme.en },
                { "@language": "vi", "@value": theme.vi },
            ],
        },
        "dcat:keyword": keywords,
        // The dataset's own address names the dataset, so its page needs another.
        "dcat:landingPage": page(&format!("{address}?lang=vi")),
        "dcat:distribution": files,
    });
    if let Value::Object(map) = &mut value {
        if dataset.step_s > 0 {
            map.insert("dcat:temporalResolution".into(), duration(dataset.step_s));
        }
        let points = stations.iter().map(|s| (s.place.1, s.place.0));
        if let Some(bounds) = bounds(points) {
            map.insert("dct:spatial".into(), location(bounds));
        }
    }
    value
}

fn distribution(catalogue: &Catalogue, entry: &Entry<'_>, address: &str, format: Format) -> Value {
    let file = format!("{address}/{}", format.file());
    let (standard, standard_name) = format.standard(entry.dataset);
    let title = |lang, text: &str| json!({ "@language": lang, "@value": format!("{text} ({})", format.name()) });
    let mut value = json!({
        "@id": format!("{file}#distribution"),
        "@type": "dcat:Distribution",
        "dct:title":
            [title("vi", &entry.dataset.title.vi), title("en", &entry.dataset.title.en)],
        "dct:description": [
            { "@language": "vi", "@value":
                "Giá trị mới nhất; thêm `from`, `to`, `step`, `device` để lấy một khoảng thời gian." },
            { "@language": "en", "@value":
                "The newest values; with `from`, `to`, `step`, `device` those of a range." },
        ],
        "dcat:accessURL": { "@id": file, "@type": "rdfs:Resource" },
        "dcat:downloadURL": { "@id": file, "@type": "rdfs:Resource" },
        "dcat:mediaType":
            { "@id": format!("{MEDIA}/{}", format.media_type()), "@type": "dct:MediaType" },
        "dct:format": {
            "@id": format!("{EU}/file-type/{}", format.code()),
            "@type": "dct:MediaTypeOrExtent",
        },
        "dct:conformsTo": {
            "@id": standard,
            "@type": "dct:Standard",
            "dct:title": { "@language": "en", "@value": standard_name },
        },
        "dct:license": licence(catalogue),
        "dct:rights": {
            "@type": "dct:RightsStatement",
            "rdfs:label": texts(&catalogue.attribution),
        },
        "dct:modified": date_time(entry.horizon),
    });
    if let (Value::Object(map), true) = (&mut value, entry.dataset.step_s > 0) {
        map.insert("dcat:temporalResolution".into(), duration(entry.dataset.step_s));
    }
    value
}

fn service(catalogue: &Catalogue, places: &Places<'_>, entries: &[Entry<'_>]) -> Value {
    let endpoint = places.service();
    let served: Vec<Value> =
        entries.iter().map(|e| json!({ "@id": places.dataset(e.dataset) })).collect();
    json!({
        "@id": format!("{}/catalog.jsonld#sensorthings", places.base),
        "@type": "dcat:DataService",
        "dct:title": [
            { "@language": "vi", "@value": "OGC SensorThings API (chỉ đọc)" },
            { "@language": "en", "@value": "OGC SensorThings API (read only)" },
        ],
        "dcat:endpointURL": { "@id": endpoint, "@type": "rdfs:Resource" },
        "dct:conformsTo": {
            "@id": "http://www.opengis.net/spec/iot_sensing/1.1",
            "@type": "dct:Standard",
            "dct:title": { "@language": "en", "@value": "OGC SensorThings API 1.1" },
        },
        "dct:publisher": { "@id": agent(places.base) },
        "dcat:contactPoint": { "@id": desk(places.base) },
        "dct:license": licence(catalogue),
        "dct:accessRights": public(),
        "dcat:servesDataset": served,
    })
}

fn agent(base: &str) -> String {
    format!("{base}/catalog.jsonld#publisher")
}

fn desk(base: &str) -> String {
    format!("{base}/catalog.jsonld#contact")
}

fn publisher(catalogue: &Catalogue, base: &str) -> Value {
    let publisher = &catalogue.publisher;
    json!({
        "@id": agent(base),
        "@type": ["foaf:Agent", "foaf:Organization"],
        "foaf:name": texts(&publisher.name),
        "foaf:homepage": page(&publisher.homepage),
    })
}

fn contact(catalogue: &Catalogue, base: &str) -> Value {
    let contact = &catalogue.publisher.contact;
    let mut value = json!({
        "@id": desk(base),
        "@type": ["vcard:Kind", "vcard:Organization"],
        "vcard:fn": texts(&contact.name),
    });
    if let Value::Object(map) = &mut value {
        if let Some(email) = &contact.email {
            map.insert("vcard:hasEmail".into(), json!({ "@id": format!("mailto:{email}") }));
        }
        if let Some(page) = &contact.page {
            map.insert("vcard:hasURL".into(), json!({ "@id": page }));
        }
    }
    value
}

fn licence(catalogue: &Catalogue) -> Value {
    let licence = &catalogue.licence;
    json!({
        "@id": licence.uri,
        "@type": "dct:LicenseDocument",
        "dct:title": texts(&licence.name),
    })
}

fn public() -> Value {
    json!({ "@id": format!("{EU}/access-right/PUBLIC"), "@type": "dct:RightsStatement" })
}

fn language(code: &str) -> Value {
    json!({ "@id": format!("{EU}/language/{code}"), "@type": "dct:LinguisticSystem" })
}

fn page(address: &str) -> Value {
    json!({ "@id": address, "@type": "foaf:Document" })
}

fn texts(text: &Text) -> Value {
    json!([
        { "@language": "vi", "@value": text.vi },
        { "@language": "en", "@value": text.en },
    ])
}

fn date_time(time: Timestamp) -> Value {
    json!({ "@type": "xsd:dateTime", "@value": time.to_rfc3339() })
}

fn duration(seconds: u64) -> Value {
    json!({ "@type": "xsd:duration", "@value": iso8601(seconds) })
}

/// West, south, east, north.
type Bounds = (f64, f64, f64, f64);

fn area_points(city: &City) -> impl Iterator<Item = (f64, f64)> {
    city.areas.values().flat_map(|a| a.rings.iter().flatten().copied())
}

/// Of points (longitude, latitude).
fn bounds(points: impl Iterator<Item = (f64, f64)>) -> Option<Bounds> {
    points.fold(None, |all, (x, y)| {
        let (w, s, e, n) = all.unwrap_or((x, y, x, y));
        Some((w.min(x), s.min(y), e.max(x), n.max(y)))
    })
}

fn location((w, s, e, n): Bounds) -> Value {
    let wkt = |text: String| json!({ "@type": "geo:wktLiteral", "@value": text });
    let bbox = format!("POLYGON(({w} {s}, {e} {s}, {e} {n}, {w} {n}, {w} {s}))");
    // Six digits are a decimetre.
    let middle = |a: f64, b: f64| (f64::midpoint(a, b) * 1e6).round() / 1e6;
    json!({
        "@type": "dct:Location",
        "dcat:bbox": wkt(bbox),
        "dcat:centroid": wkt(format!("POINT({} {})", middle(w, e), middle(s, n))),
    })
}

fn context() -> Value {
    json!({
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "geo": "http://www.opengis.net/ont/geosparql#",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "vcard": "http://www.w3.org/2006/vcard/ns#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    })
}
