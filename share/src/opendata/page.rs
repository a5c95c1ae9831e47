//! Pages for people: plain HTML with one style of its own, no script, nothing loaded.

use std::fmt::Write as _;

use ioc_model::{Aggregate, City, Quality, Timestamp};

use super::catalog::{Entry, Format};
use super::config::{Catalogue, Dataset};
use super::html::{STYLE, escape};
use super::models::unit_code;
use super::params::Lang;
use super::read::{Chunk, Row, Station};
use super::update::iso8601;

/// Rows of values that a page shows.
const SAMPLE: usize = 12;

/// What all pages share.
pub(super) struct Site<'a> {
    pub catalogue: &'a Catalogue,
    pub city: &'a City,
    /// Path of open data, `/open`.
    pub path: &'a str,
    /// Address of the SensorThings service.
    pub service: String,
    pub lang: Lang,
}

/// The list of datasets.
pub(super) fn list(site: &Site<'_>) -> String {
    let mut page = Page::begin(site, site.lang.of(&site.catalogue.title), "");
    page.tag("p", site.lang.of(&site.catalogue.description));
    page.raw("<nav aria-label=\"");
    page.raw(site.lang.pick("Danh mục", "Catalogue"));
    page.raw("\">");
    page.link(&format!("{}/catalog.jsonld", site.path), "DCAT (JSON-LD)");
    page.link(&site.service, "OGC SensorThings API");
    page.raw("</nav>\n");
    for dataset in &site.catalogue.datasets {
        let address = format!("{}/datasets/{}", site.path, dataset.id);
        page.raw("<article><h2>");
        page.link(&page.in_language(&address), site.lang.of(&dataset.title));
        page.raw("</h2>");
        page.tag("p", site.lang.of(&dataset.description));
        page.raw("<p class=\"m\">");
        page.text(&every(dataset, site.lang));
        page.raw("</p>");
        page.files(dataset, &address);
        page.raw("</article>\n");
    }
    page.end()
}

/// One dataset.
pub(super) fn dataset(site: &Site<'_>, entry: &Entry<'_>, latest: &[Chunk]) -> String {
    let Entry { dataset, stations, since, horizon } = entry;
    let here = format!("{}/datasets/{}", site.path, dataset.id);
    let lang = site.lang;
    let mut page = Page::begin(site, lang.of(&dataset.title), &here);
    page.tag("p", lang.of(&dataset.description));
    page.raw("<dl>");
    page.fact(lang.pick("Cập nhật", "Published"), &every(dataset, lang));
    page.fact(lang.pick("Công bố gần nhất", "Latest publication"), &day_time(*horizon));
    let range = format!("{} – {}", day_time(*since), day_time(*horizon));
    page.fact(lang.pick("Khoảng thời gian", "Period"), &range);
    let resolution = match dataset.step_s {
        0 => lang.pick("như đo", "as measured").to_owned(),
        s => span(s, lang),
    };
    page.fact(lang.pick("Độ phân giải", "Resolution"), &resolution);
    page.fact(lang.pick("Số điểm đo", "Stations"), &stations.len().to_string());
    page.fact(lang.pick("Chủ đề", "Theme"), lang.pick(dataset.theme.vi, dataset.theme.en));
    page.fact("Smart Data Model", dataset.model.name());
    page.raw("</dl>\n");
    page.tag("h2", lang.pick("Tải về", "Download"));
    page.files(dataset, &here);
    page.how(dataset, &here);
    page.properties(dataset);
    page.sample(stations, latest);
    page.end()
}

fn every(dataset: &Dataset, lang: Lang) -> String {
    let every = span(dataset.update.seconds, lang);
    let mut text = format!("{} {every}", lang.pick("mỗi", "every"));
    if dataset.delay_s > 0 {
        let late = span(dataset.delay_s, lang);
        let _ = write!(text, ", {} {late}", lang.pick("sau khi đo", "held back for"));
    }
    let _ = write!(text, "; {} {}", dataset.days, lang.pick("ngày gần nhất", "days back"));
    text
}

fn how(aggregate: Aggregate, lang: Lang) -> &'static str {
    match aggregate {
        Aggregate::Mean => lang.pick("trung bình", "mean"),
        Aggregate::Min => lang.pick("nhỏ nhất", "minimum"),
        Aggregate::Max => lang.pick("lớn nhất", "maximum"),
        Aggregate::Sum => lang.pick("tổng", "sum"),
        Aggregate::Count => lang.pick("số lần", "count"),
        Aggregate::Last => lang.pick("cuối cùng", "last"),
    }
}

fn span(seconds: u64, lang: Lang) -> String {
    let units = [
        (86_400, "ngày", "day"),
        (3_600, "giờ", "hour"),
        (60, "phút", "minute"),
        (1, "giây", "second"),
    ];
    let fits = |(length, ..): &&(u64, &str, &str)| seconds.is_multiple_of(*length);
    let (length, vi, en) = units.iter().find(fits).unwrap_or(&units[3]);
    let n = seconds / length;
    match lang {
        Lang::Vi => format!("{n} {vi}"),
        Lang::En if n == 1 => format!("1 {en}"),
        Lang::En => format!("{n} {en}s"),
    }
}

/// `2026-01-31 07:05` in the city.
fn day_time(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    text.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

struct Page<'a> {
    out: String,
    site: &'a Site<'a>,
}

impl<'a> Page<'a> {
    fn begin(site: &'a Site<'a>, title: &str, here: &str) -> Self {
        let lang = site.lang;
        let mut page = Self { out: String::new(), site };
        page.raw("<!doctype html>\n<html lang=\"");
        page.raw(lang.code());
        page.raw(
            "\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>",
        );
        page.text(title);
        page.raw("</title><link rel=\"license\" href=\"");
        page.text(&site.catalogue.licence.uri);
        page.raw("\"><link rel=\"alternate\" type=\"application/ld+json\" href=\"");
        page.text(&format!("{}/catalog.jsonld", site.path));
        page.raw("\"><style>");
        page.raw(STYLE);
        page.raw("</style></head><body>\n<header>");
        page.raw("<nav aria-label=\"");
        page.raw(lang.pick("Trang", "Pages"));
        page.raw("\">");
        if !here.is_empty() {
            page.link(&page.in_language(site.path), lang.pick("Dữ liệu mở", "Open data"));
        }
        let (other, name) = lang.pick(("en", "English"), ("vi", "Tiếng Việt"));
        let there = if here.is_empty() { site.path } else { here };
        page.raw("<a lang=\"");
        page.raw(other);
        page.raw("\" href=\"");
        page.text(&format!("{there}?lang={other}"));
        page.raw("\">");
        page.raw(name);
        page.raw("</a></nav>");
        page.tag("h1", title);
        page.tag("p", lang.of(&site.catalogue.publisher.name));
        page.raw("</header>\n<main>\n");
        page
    }

    fn end(mut self) -> String {
        let lang = self.site.lang;
        let catalogue = self.site.catalogue;
        self.raw("</main>\n<footer><dl><dt>");
        self.raw(lang.pick("Giấy phép", "Licence"));
        self.raw("</dt><dd>");
        self.link(&catalogue.licence.uri, lang.of(&catalogue.licence.name));
        self.raw("</dd>");
        self.fact(lang.pick("Ghi nguồn", "Attribution"), lang.of(&catalogue.attribution));
        self.raw("<dt>");
        self.raw(lang.pick("Liên hệ", "Contact"));
        self.raw("</dt><dd>");
        let contact = &catalogue.publisher.contact;
        let name = lang.of(&contact.name);
        match (&contact.page, &contact.email) {
            (Some(page), _) => self.link(page, name),
            (None, Some(email)) => self.link(&format!("mailto:{email}"), name),
            (None, None) => self.text(name),
        }
        self.raw("</dd>");
        let requests = catalogue.limits.requests_per_minute;
        let limit = match lang {
            Lang::Vi => format!(
                "{requests} yêu cầu mỗi phút từ một địa chỉ, {} dòng mỗi lần",
                catalogue.limits.rows
            ),
            Lang::En => format!(
                "{requests} requests a minute from one address, {} rows at a time",
                catalogue.limits.rows
            ),
        };
        self.fact(lang.pick("Giới hạn", "Limits"), &limit);
        self.raw("</dl></footer>\n</body></html>\n");
        self.out
    }

    fn files(&mut self, dataset: &Dataset, address: &str) {
        let title = self.site.lang.of(&dataset.title);
        self.raw("<p class=\"f\">");
        for format in Format::ALL {
            self.raw("<a href=\"");
            self.text(&format!("{address}/{}", format.file()));
            self.raw("\" aria-label=\"");
            self.text(&format!("{title}: {}", format.name()));
            self.raw("\">");
            self.raw(format.name());
            self.raw("</a>");
        }
        self.raw("</p>\n");
    }

    fn how(&mut self, dataset: &Dataset, here: &str) {
        let lang = self.site.lang;
        self.marked(lang.pick(
                "Không có tham số: giá trị mới nhất của mỗi điểm đo. Một khoảng thời gian: `from`, \
                 `to` (RFC 3339 hoặc ngày), `step` (khoảng gộp, ví dụ PT1H), `device` (mã điểm đo). \
                 Giá trị bị đánh dấu hỏng không được công bố.",
                "Without parameters: the newest value of each station. A range: `from`, `to` \
                 (RFC 3339 or a day), `step` (windows, such as PT1H), `device` (id of a station). \
                 Values marked as bad are not published.",
        ));
        let step = iso8601(match dataset.step_s {
            0 => 3_600,
            s => 3_600_u64.div_ceil(s) * s,
        });
        let example = format!("{here}/data.csv?step={step}");
        self.raw("<p>");
        self.raw(lang.pick("Ví dụ: ", "As in: "));
        self.link(&example, &example);
        self.raw("</p>\n");
    }

    fn properties(&mut self, dataset: &Dataset) {
        let lang = self.site.lang;
        self.raw("<div class=\"t\"><table><caption>");
        self.raw(lang.pick("Đại lượng", "Properties"));
        self.raw("</caption><thead><tr>");
        for head in [
            lang.pick("Mã", "Id"),
            lang.pick("Tên", "Name"),
            lang.pick("Đơn vị", "Unit"),
            "UN/CEFACT",
            lang.pick("Khi gộp", "In a window"),
            "NGSI-LD",
        ] {
            self.raw("<th scope=\"col\">");
            self.raw(head);
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>");
        for id in &dataset.properties {
            let Some(property) = self.site.city.properties.get(id) else { continue };
            self.raw("<tr id=\"");
            self.text(id);
            self.raw("\"><th scope=\"row\"><code>");
            self.text(id);
            self.raw("</code></th>");
            let attribute = dataset.model.attribute(id).map_or(&**id, |a| a.name);
            for cell in [
                lang.of(&property.name),
                &property.unit,
                unit_code(&property.unit).unwrap_or("–"),
                how(dataset.aggregate(id), lang),
                attribute,
            ] {
                self.tag("td", cell);
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table></div>\n");
    }

    fn sample(&mut self, stations: &[Station], latest: &[Chunk]) {
        let lang = self.site.lang;
        self.raw("<div class=\"t\"><table><caption>");
        self.raw(lang.pick("Ví dụ: giá trị mới nhất", "Sample: newest values"));
        self.raw("</caption><thead><tr>");
        for head in [
            lang.pick("Điểm đo", "Station"),
            lang.pick("Đại lượng", "Property"),
            lang.pick("Giá trị", "Value"),
            lang.pick("Thời điểm", "Time"),
            lang.pick("Chất lượng", "Quality"),
        ] {
            self.raw("<th scope=\"col\">");
            self.raw(head);
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>");
        for chunk in latest.iter().take(SAMPLE) {
            if let (Some(station), Some(row)) = (stations.get(chunk.station), chunk.rows.first()) {
                self.sample_row(station, chunk, row);
            }
        }
        self.raw("</tbody></table></div>\n");
    }

    fn sample_row(&mut self, station: &Station, chunk: &Chunk, row: &Row) {
        let lang = self.site.lang;
        let property = self.site.city.properties.get(&chunk.property);
        let digits = property.map_or(3, |p| usize::from(p.digits));
        let unit = property.map_or("", |p| &p.unit);
        self.raw("<tr>");
        self.tag("td", lang.of(&station.name));
        self.tag("td", property.map_or(&chunk.property, |p| lang.of(&p.name)));
        self.raw("<td class=\"n\">");
        self.text(&format!("{:.digits$} {unit}", row.value));
        self.raw("</td><td class=\"n\">");
        self.text(&day_time(row.time));
        self.raw("</td>");
        let quality = match row.quality {
            Quality::Good => lang.pick("tốt", "good"),
            Quality::Uncertain => lang.pick("chưa chắc chắn", "uncertain"),
            Quality::Bad => lang.pick("hỏng", "bad"),
        };
        self.tag("td", quality);
        self.raw("</tr>");
    }

    fn in_language(&self, address: &str) -> String {
        format!("{address}?lang={}", self.site.lang.code())
    }

    /// A paragraph of ours in which words between backticks are code.
    fn marked(&mut self, text: &str) {
        self.raw("<p>");
        for (n, part) in text.split('`').enumerate() {
            self.raw(["", "<code>"][n % 2]);
            self.text(part);
            self.raw(["", "</code>"][n % 2]);
        }
        self.raw("</p>");
    }

    fn fact(&mut self, name: &str, value: &str) {
        self.tag("dt", name);
        self.tag("dd", value);
    }

    fn link(&mut self, address: &str, text: &str) {
        self.raw("<a href=\"");
        self.text(address);
        self.raw("\">");
        self.text(text);
        self.raw("</a>");
    }

    fn tag(&mut self, tag: &str, text: &str) {
        let _ = write!(self.out, "<{tag}>");
        self.text(text);
        let _ = write!(self.out, "</{tag}>");
    }

    /// Ours: as it is.
    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Not ours.
    fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }
}
