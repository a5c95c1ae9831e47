//! `opendata.yaml` to a [`Catalogue`], all mistakes at once.

use std::collections::BTreeSet;

use ioc_model::{City, ConfigError, ConfigFiles, Name, Text};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::config::{
    Catalogue, Contact, Dataset, Keywords, Licence, Limits, Publisher, THEMES, Theme,
};
use super::models::Model;
use super::update::{BadUpdate, Update};

pub(super) const FILE: &str = "opendata.yaml";
const MAX_DATASETS: usize = 100;
const NO_PERSONAL: &str =
    "open data holds no personal data (Nghị định 47/2020/NĐ-CP, Luật 91/2025)";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenFile {
    #[serde(default)]
    enabled: bool,
    title: Spanned<Text>,
    description: Spanned<Text>,
    publisher: PublisherFile,
    #[serde(default)]
    licence: LicenceFile,
    attribution: Spanned<Text>,
    #[serde(default)]
    rate_limit: LimitsFile,
    datasets: Vec<DatasetFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublisherFile {
    name: Spanned<Text>,
    homepage: Spanned<String>,
    contact: ContactFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactFile {
    name: Spanned<Text>,
    #[serde(default)]
    email: Option<Spanned<String>>,
    #[serde(default)]
    page: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LicenceFile {
    uri: Spanned<String>,
    name: Spanned<Text>,
}

/// Free reuse, also commercial, with attribution: what Nghị định 47/2020/NĐ-CP asks for.
impl Default for LicenceFile {
    fn default() -> Self {
        Self {
            uri: nowhere("https://creativecommons.org/licenses/by/4.0/".into()),
            name: nowhere(Text {
                vi: "Creative Commons Ghi công 4.0 Quốc tế (CC BY 4.0)".into(),
                en: "Creative Commons Attribution 4.0 International (CC BY 4.0)".into(),
            }),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsFile {
    requests_per_minute: Spanned<u32>,
    rows: Spanned<usize>,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self { requests_per_minute: nowhere(60), rows: nowhere(200_000) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetFile {
    id: Spanned<String>,
    title: Spanned<Text>,
    description: Spanned<Text>,
    service: Spanned<String>,
    properties: Vec<Spanned<String>>,
    #[serde(default)]
    totals: Vec<Spanned<String>>,
    model: Spanned<String>,
    update: Spanned<String>,
    days: Spanned<u32>,
    #[serde(default = "none")]
    step_s: Spanned<u64>,
    #[serde(default = "none")]
    delay_s: Spanned<u64>,
    #[serde(default)]
    keywords: KeywordsFile,
    theme: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeywordsFile {
    vi: Vec<String>,
    en: Vec<String>,
}

fn none() -> Spanned<u64> {
    nowhere(0)
}

fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(value, serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

/// Mistakes as they are found.
struct Report(Vec<ConfigError>);

impl Report {
    fn at<T>(&mut self, node: &Spanned<T>, message: impl Into<String>, hint: &str) {
        let (line, column) = (node.referenced.line() as usize, node.referenced.column() as usize);
        self.0.push(ConfigError::new(FILE, line, column, message).hint(hint));
    }

    fn text(&mut self, node: &Spanned<Text>) -> Text {
        if node.value.vi.trim().is_empty() || node.value.en.trim().is_empty() {
            self.at(node, "the text is empty in a language", "write both `vi` and `en`");
        }
        node.value.clone()
    }

    fn address(&mut self, node: &Spanned<String>) -> String {
        let text = &node.value;
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        let clean = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"{}|\\^`".contains(c);
        if !is_web || text.len() > 2_000 || !text.chars().all(clean) {
            self.at(node, "this is no address of a page", "as in https://danang.gov.vn/");
        }
        text.clone()
    }

    fn within<T: PartialOrd + Copy>(
        &mut self,
        node: &Spanned<T>,
        low: T,
        high: T,
        hint: &str,
    ) -> T {
        if node.value < low || node.value > high {
            self.at(node, "the number is out of range", hint);
        }
        node.value
    }
}

/// What the file says: whether it is on, and the catalogue (none without a file).
pub(super) fn load(
    files: &ConfigFiles,
    city: &City,
) -> Result<Option<(bool, Catalogue)>, Vec<ConfigError>> {
    let Some(text) = files.get(FILE) else { return Ok(None) };
    let file: OpenFile = serde_saphyr::from_str(text).map_err(|e| vec![broken(&e)])?;
    let mut report = Report(Vec::new());
    let enabled = file.enabled;
    let catalogue = file.check(city, &mut report);
    if report.0.is_empty() {
        Ok(Some((enabled, catalogue)))
    } else {
        report.0.sort();
        Err(report.0)
    }
}

fn broken(e: &serde_saphyr::Error) -> ConfigError {
    let (line, column) = e.location().map_or((0, 0), |l| (l.line() as usize, l.column() as usize));
    let text = e.to_string();
    let message = text.lines().next().unwrap_or("not readable").to_owned();
    ConfigError::new(FILE, line, column, message).hint("docs/open-data.md shows every field")
}

impl OpenFile {
    fn check(self, city: &City, report: &mut Report) -> Catalogue {
        let mut ids = BTreeSet::new();
        for (n, dataset) in self.datasets.iter().enumerate() {
            if !ids.insert(&dataset.id.value) {
                report.at(&dataset.id, "this dataset is there already", "give it another id");
            }
            if n == MAX_DATASETS {
                report.at(&dataset.id, "more than 100 datasets", "put some together");
            }
        }
        let limits = &self.rate_limit;
        Catalogue {
            title: report.text(&self.title),
            description: report.text(&self.description),
            publisher: self.publisher.check(report),
            licence: Licence {
                uri: report.address(&self.licence.uri),
                name: report.text(&self.licence.name),
            },
            attribution: report.text(&self.attribution),
            limits: Limits {
                requests_per_minute: report.within(
                    &limits.requests_per_minute,
                    1,
                    100_000,
                    "1 to 100000 requests a minute",
                ),
                rows: report.within(&limits.rows, 1_000, 10_000_000, "1000 to 10000000 rows"),
            },
            datasets: self.datasets.iter().map(|d| d.check(city, report)).collect(),
        }
    }
}

impl PublisherFile {
    fn check(&self, report: &mut Report) -> Publisher {
        let contact = &self.contact;
        if contact.email.is_none() && contact.page.is_none() {
            report.at(&contact.name, "nobody can be reached", "give `email` or `page`");
        }
        if let Some(email) = &contact.email {
            let fits = email.value.split_once('@').is_some_and(|(who, host)| {
                !who.is_empty() && host.contains('.') && !email.value.contains(['<', '>', '"', ' '])
            });
            if !fits || email.value.chars().any(|c| c.is_control()) {
                report.at(email, "this is no e-mail address", "as in opendata@danang.gov.vn");
            }
        }
        Publisher {
            name: report.text(&self.name),
            homepage: report.address(&self.homepage),
            contact: Contact {
                name: report.text(&contact.name),
                email: contact.email.as_ref().map(|e| e.value.clone()),
                page: contact.page.as_ref().map(|p| report.address(p)),
            },
        }
    }
}

impl DatasetFile {
    fn check(&self, city: &City, report: &mut Report) -> Dataset {
        check_slug(&self.id, report);
        if !city.services.contains_key(&*self.service.value) {
            let message = format!("`{}` is no service", self.service.value);
            report.at(&self.service, message, "services.yaml lists them");
        }
        let properties = self.properties(city, report);
        let totals: Vec<Name> = self.totals.iter().map(|t| t.value.as_str().into()).collect();
        for total in self.totals.iter().filter(|t| !properties.contains(&t.value.as_str().into())) {
            let message = format!("`{}` is none of the properties above", total.value);
            report.at(total, message, "name it under `properties` too");
        }
        Dataset {
            id: self.id.value.as_str().into(),
            title: report.text(&self.title),
            description: report.text(&self.description),
            service: self.service.value.as_str().into(),
            properties,
            totals,
            model: self.model(report),
            update: self.update(report),
            days: report.within(&self.days, 1, 3_650, "1 to 3650 days"),
            step_s: report.within(&self.step_s, 0, 31 * 86_400, "0 to 2678400 (31 days), in s"),
            delay_s: report.within(&self.delay_s, 0, 31 * 86_400, "0 to 2678400 (31 days), in s"),
            keywords: Keywords { vi: self.keywords.vi.clone(), en: self.keywords.en.clone() },
            theme: self.theme(report),
        }
    }

    fn properties(&self, city: &City, report: &mut Report) -> Vec<Name> {
        let mut all: Vec<Name> = Vec::new();
        if self.properties.is_empty() {
            report.at(&self.id, "the dataset has no properties", "name them under `properties`");
        }
        for node in &self.properties {
            let name = node.value.as_str();
            if name == "event" || name.starts_with("event.") {
                let message = format!("`{name}` is what a camera or detector saw of someone");
                report.at(node, message, NO_PERSONAL);
            } else if ["latitude", "longitude", "heading"].contains(&name) {
                let message = format!("`{name}` says where someone's vehicle or vessel is");
                report.at(node, message, NO_PERSONAL);
            } else if !city.properties.contains_key(name) {
                let message = format!("`{name}` is no property");
                report.at(node, message, "properties.yaml lists them");
            } else if all.iter().any(|p| **p == *name) {
                report.at(node, format!("`{name}` is there already"), "take it out");
            }
            all.push(name.into());
        }
        all
    }

    fn model(&self, report: &mut Report) -> Model {
        Model::parse(&self.model.value).unwrap_or_else(|| {
            let names: Vec<_> = Model::names().collect();
            let message = format!("`{}` is no model we can write", self.model.value);
            report.at(&self.model, message, &format!("one of {}", names.join(", ")));
            Model::first()
        })
    }

    fn update(&self, report: &mut Report) -> Update {
        match Update::parse(&self.update.value) {
            Ok(update) => return update,
            Err(BadUpdate::Unreadable) => {
                let message = format!("`{}` says not how often", self.update.value);
                let hint = "an ISO 8601 duration (PT5M, P1D) or an address of the EU vocabulary \
                    of frequencies up to QUARTERLY";
                report.at(&self.update, message, hint);
            }
            Err(BadUpdate::Slow) => {
                let hint = "Nghị định 47/2020/NĐ-CP: at least every 3 months";
                report.at(&self.update, "this is too seldom", hint);
            }
        }
        Update::daily()
    }

    fn theme(&self, report: &mut Report) -> &'static Theme {
        THEMES.iter().find(|t| t.code == self.theme.value).unwrap_or_else(|| {
            let codes: Vec<_> = THEMES.iter().map(|t| t.code).collect();
            let message = format!("`{}` is no theme", self.theme.value);
            report.at(&self.theme, message, &format!("one of {}", codes.join(", ")));
            &THEMES[0]
        })
    }
}

fn check_slug(id: &Spanned<String>, report: &mut Report) {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=64).contains(&id.value.len()) || !id.value.bytes().all(fits) {
        let message = format!("`{}` cannot be the id of a dataset", id.value);
        report.at(id, message, "1 to 64 of the characters a-z 0-9 -");
    }
}
