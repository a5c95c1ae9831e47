//! Addresses taken apart, and the headers of answers.

use ioc_model::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::catalog::{Entry, Format, Places};
use super::config::{Catalogue, Dataset, ms};
use super::page::{self, STYLE_HASH, Site};
use super::params::{Lang, Refusal};
use super::read;
use crate::{Answer, Ask, Sources};

/// What does not depend on the horizon of one dataset is fresh for so long, s.
const PAGE_AGE_S: i64 = 300;
/// Nothing is kept longer without asking, s.
const MAX_AGE_S: i64 = 86_400;

/// What an address names.
pub(super) enum Route<'a> {
    List,
    Catalogue,
    Page(&'a Dataset),
    Data(&'a Dataset, Format),
}

impl<'a> Route<'a> {
    pub fn of(catalogue: &'a Catalogue, path: &str) -> Option<Self> {
        match path.strip_suffix('/').unwrap_or(path) {
            "" => return Some(Self::List),
            "/catalog.jsonld" => return Some(Self::Catalogue),
            _ => {}
        }
        let rest = path.strip_prefix("/datasets/")?;
        let (id, file) = rest.split_once('/').unwrap_or((rest, ""));
        let dataset = catalogue.datasets.iter().find(|d| *d.id == *id)?;
        if file.is_empty() {
            return Some(Self::Page(dataset));
        }
        let format = Format::ALL.into_iter().find(|f| f.file() == file)?;
        Some(Self::Data(dataset, format))
    }
}

/// What the answering of one request knows.
pub(super) struct Call<'a> {
    pub sources: &'a Sources,
    pub ask: &'a Ask<'a>,
    pub catalogue: &'a Catalogue,
    pub now: Timestamp,
}

impl<'a> Call<'a> {
    pub fn places(&self) -> Places<'a> {
        Places { base: self.ask.base }
    }

    pub fn site(&self, lang: Option<Lang>) -> Site<'a> {
        Site {
            catalogue: self.catalogue,
            city: &self.sources.city,
            path: path_of(self.ask.base),
            service: self.places().service(),
            lang: lang.unwrap_or_else(|| Lang::accepted(self.ask.language)),
        }
    }

    /// A dataset with its stations; `since` is when the store begins.
    pub fn entry(&self, dataset: &'a Dataset, since: Option<Timestamp>) -> Entry<'a> {
        let horizon = dataset.horizon(self.now);
        let reach = dataset.reach(horizon);
        Entry {
            dataset,
            stations: read::stations(dataset, self.sources, None),
            since: since.map_or(reach, |s| s.clamp(reach, horizon)),
            horizon,
        }
    }

    /// A page of ours.
    pub fn html(&self, html: String) -> Answer {
        let tag = hashed(&[html.as_bytes()]);
        let answer = with_policy(Answer::of("text/html; charset=utf-8", html));
        self.cached(answer, &tag, PAGE_AGE_S).with("vary", "accept-language")
    }

    /// The catalogue.
    pub fn catalogue(&self, text: String) -> Answer {
        let tag = hashed(&[text.as_bytes()]);
        self.cached(Answer::of("application/ld+json", text), &tag, PAGE_AGE_S)
    }

    /// How long a document of this horizon is fresh: until the next moment of publishing.
    fn data_age(&self, dataset: &Dataset, horizon: Timestamp) -> i64 {
        let step = ms(dataset.update.seconds.max(dataset.step_s));
        let next = horizon.plus_ms(step).plus_ms(ms(dataset.delay_s));
        (next.since_ms(self.now) / 1_000).clamp(1, MAX_AGE_S)
    }

    /// Headers of data.
    pub fn data(
        &self,
        answer: Answer,
        dataset: &Dataset,
        format: Format,
        (tag, horizon): (&str, Timestamp),
    ) -> Answer {
        let address = self.places().dataset(dataset);
        let mut answer = self.cached(answer, tag, self.data_age(dataset, horizon));
        answer.headers.push((
            "link",
            format!(
                "<{}>; rel=\"license\", <{address}>; rel=\"describedby\"",
                self.catalogue.licence.uri
            ),
        ));
        if let Some(date) = http_date(horizon) {
            answer.headers.push(("last-modified", date));
        }
        if format == Format::Csv {
            let day: String = horizon.to_rfc3339().chars().take(10).collect();
            let name = format!("attachment; filename=\"{}-{day}.csv\"", dataset.id);
            answer.headers.push(("content-disposition", name));
        }
        answer
    }

    /// Public, with its tag and age; without its body when the asker has it.
    fn cached(&self, answer: Answer, tag: &str, age_s: i64) -> Answer {
        let answer = if matches(self.ask.if_none_match, tag) {
            let kept = answer.headers.into_iter().filter(|(name, _)| *name != "content-type");
            let headers = kept.collect();
            Answer { status: 304, headers, body: crate::Body::Bytes(bytes::Bytes::new()) }
        } else {
            answer
        };
        open(answer).with("etag", tag).with("cache-control", format!("public, max-age={age_s}"))
    }
}

/// Anyone's page may read it: it is public.
fn open(answer: Answer) -> Answer {
    answer
        .with("access-control-allow-origin", "*")
        .with("access-control-expose-headers", "etag, last-modified, link, retry-after")
}

fn with_policy(answer: Answer) -> Answer {
    answer.with(
        "content-security-policy",
        format!(
            "default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        ),
    )
}

/// Says no, in both languages: as a page to people, as JSON to programs.
pub(super) fn refused(ask: &Ask<'_>, refusal: &Refusal) -> Answer {
    let answer = if ask.accept.contains("text/html") {
        let html = page::refusal(path_of(ask.base), refusal);
        with_policy(Answer::of("text/html; charset=utf-8", html))
    } else {
        let body = json!({
            "code": refusal.code,
            "message": refusal.en,
            "message_vi": refusal.vi,
        });
        Answer::of("application/json", body.to_string())
    };
    open(answer.status(refusal.status)).with("cache-control", "no-store")
}

/// The store is away, or too many read at once.
pub(super) fn unavailable(ask: &Ask<'_>, after_s: u64) -> Answer {
    let refusal = Refusal {
        status: 503,
        code: "unavailable",
        vi: "Tạm thời chưa có dữ liệu, xin thử lại sau".into(),
        en: "The data is not available now, please try again".into(),
    };
    refused(ask, &refusal).with("retry-after", after_s.to_string())
}

pub(super) fn content_type(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::GeoJson => "application/geo+json",
        Format::NgsiLd => "application/ld+json",
    }
}

/// `/open` of `https://ioc.example.vn/open`.
fn path_of(base: &str) -> &str {
    let host = base.split_once("://").map_or(base, |(_, rest)| rest);
    host.find('/').map_or("", |at| &host[at..])
}

/// A weak tag of what a document depends on.
pub(super) fn hashed(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(12).map(|b| format!("{b:02x}")).collect();
    format!("W/\"{hex}\"")
}

/// Whether the asker has it (RFC 9110 §13.1.2, weak comparison).
pub(super) fn matches(if_none_match: &str, tag: &str) -> bool {
    let opaque = |t: &str| t.trim().trim_start_matches("W/").to_owned();
    if_none_match.trim() == "*"
        || if_none_match.split(',').any(|t| !t.trim().is_empty() && opaque(t) == opaque(tag))
}

/// RFC 9110 §5.6.7.
fn http_date(time: Timestamp) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(time.0).ok()?;
    jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S GMT", time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let tag = hashed(&[b"a"]);
        assert!(matches(&tag, &tag));
        assert!(matches(&format!("\"x\", {}", tag.trim_start_matches("W/")), &tag));
        assert!(matches("*", &tag));
        assert!(!matches("", &tag) && !matches("\"x\"", &tag) && !matches(",", &tag));
        assert_ne!(hashed(&[b"a", b"b"]), hashed(&[b"ab"]));
    }

    #[test]
    fn dates_are_those_of_http() {
        let date = http_date(Timestamp(784_111_777_000));
        assert_eq!(date.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
