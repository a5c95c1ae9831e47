//! What is published: the checked content of `opendata.yaml`.

use ioc_model::{Name, Text};

use super::models::Model;
use super::update::Update;

/// What is published, by whom, and under which licence.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    /// Title of the catalogue.
    pub title: Text,
    /// What it is about.
    pub description: Text,
    /// Who publishes.
    pub publisher: Publisher,
    /// Licence of all datasets.
    pub licence: Licence,
    /// How the source is to be named.
    pub attribution: Text,
    /// What one address may ask for.
    pub limits: Limits,
    /// Datasets in the order of the file.
    pub datasets: Vec<Dataset>,
}

/// Who publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Publisher {
    /// Name of the organisation.
    pub name: Text,
    /// Its page.
    pub homepage: String,
    /// Whom to ask.
    pub contact: Contact,
}

/// Whom to ask about the data. At least one way is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Name of the office.
    pub name: Text,
    /// Its address for e-mail.
    pub email: Option<String>,
    /// A page with more ways to ask.
    pub page: Option<String>,
}

/// Under which licence.
#[derive(Clone, Debug, PartialEq)]
pub struct Licence {
    /// Address of the licence.
    pub uri: String,
    /// Its name.
    pub name: Text,
}

/// What one address may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute (and at once).
    pub requests_per_minute: u32,
    /// Rows of one answer.
    pub rows: usize,
}

/// A dataset: properties of the devices of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Slug, part of its address.
    pub id: Name,
    /// Title.
    pub title: Text,
    /// What it says, how it is measured, what to mind.
    pub description: Text,
    /// Service code.
    pub service: Name,
    /// Properties, the most important first.
    pub properties: Vec<Name>,
    /// Of them, those that are added up over a step instead of averaged: rain, vehicles.
    pub totals: Vec<Name>,
    /// Smart Data Model of the NGSI-LD distribution.
    pub model: Model,
    /// How often it is published.
    pub update: Update,
    /// How many days back it reaches.
    pub days: u32,
    /// Finest resolution that is given, s; 0: as measured.
    pub step_s: u64,
    /// Values are held back so long, s.
    pub delay_s: u64,
    /// Keywords by language: `vi`, `en`.
    pub keywords: Keywords,
    /// Code of the EU data theme, `ENVI`.
    pub theme: &'static Theme,
}

/// Keywords by language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keywords {
    /// Vietnamese.
    pub vi: Vec<String>,
    /// English.
    pub en: Vec<String>,
}

/// An entry of the EU vocabulary of data themes.
#[derive(Debug, PartialEq, Eq)]
pub struct Theme {
    /// Its code, `ENVI`.
    pub code: &'static str,
    /// Its English name.
    pub en: &'static str,
    /// Our translation.
    pub vi: &'static str,
}

const fn theme(code: &'static str, en: &'static str, vi: &'static str) -> Theme {
    Theme { code, en, vi }
}

/// The vocabulary: http://publications.europa.eu/resource/authority/data-theme.
pub(super) const THEMES: [Theme; 13] = [
    theme("AGRI", "Agriculture, fisheries, forestry and food", "Nông, lâm, ngư nghiệp, thực phẩm"),
    theme("ECON", "Economy and finance", "Kinh tế, tài chính"),
    theme("EDUC", "Education, culture and sport", "Giáo dục, văn hóa, thể thao"),
    theme("ENER", "Energy", "Năng lượng"),
    theme("ENVI", "Environment", "Môi trường"),
    theme("GOVE", "Government and public sector", "Chính quyền, khu vực công"),
    theme("HEAL", "Health", "Y tế"),
    theme("INTR", "International issues", "Vấn đề quốc tế"),
    theme("JUST", "Justice, legal system and public safety", "Tư pháp, an toàn công cộng"),
    theme("REGI", "Regions and cities", "Vùng và đô thị"),
    theme("SOCI", "Population and society", "Dân số, xã hội"),
    theme("TECH", "Science and technology", "Khoa học, công nghệ"),
    theme("TRAN", "Transport", "Giao thông"),
];

impl Dataset {
    /// Moves a moment back to the last moment of publishing: nothing at or after it is given.
    pub(super) fn horizon(&self, now: ioc_model::Timestamp) -> ioc_model::Timestamp {
        let ended = now.plus_ms(-ms(self.delay_s));
        let at = local_step(ms(self.update.seconds)).begin(ended);
        if self.step_s == 0 { at } else { local_step(ms(self.step_s)).begin(at) }
    }

    /// First moment that may be asked for.
    pub(super) fn reach(&self, horizon: ioc_model::Timestamp) -> ioc_model::Timestamp {
        horizon.plus_ms(-ms(u64::from(self.days) * 86_400))
    }
}

pub(super) fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)
}

/// Windows that begin with the day of the city (UTC+7).
pub(super) fn local_step(ms: i64) -> ioc_model::Step {
    const OFFSET_MS: i64 = -7 * 3_600_000;
    let ms = ms.max(1);
    ioc_model::Step { ms, offset_ms: OFFSET_MS.rem_euclid(ms) }
}
