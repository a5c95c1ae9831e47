//! Pages for people: plain HTML with one style of its own, no script, nothing loaded.

use std::fmt::Write as _;

use ioc_model::{City, Timestamp};

use super::catalog::{Entry, Format};
use super::config::{Catalogue, Dataset};
use super::csv::quality;
use super::models::unit_code;
use super::params::{Lang, Refusal};
use super::read::{Chunk, Row, Station};

const STYLE: &str = "\
:root{color-scheme:light}*{box-sizing:border-box}\
body{font:16px/1.5 'Noto Sans',system-ui,Arial,sans-serif;color:#1b1f24;background:#fff;margin:0}\
header,main,footer{max-width:60rem;margin:0 auto;padding:1rem}\
header{border-bottom:3px solid #0b5cad}footer{border-top:1px solid #8a929b;margin-top:2rem}\
h1{font-size:1.6rem;line-height:1.25;margin:.3rem 0}h2{font-size:1.2rem;margin:1.5rem 0 .4rem}\
p{margin:.5rem 0}a{color:#0b5cad}a:focus-visible{outline:3px solid #c2410c;outline-offset:2px}\
nav a,.f a{display:inline-block;min-height:2.75rem;line-height:2.75rem;margin-right:1.2rem}\
article{border-top:1px solid #c4cad0}.m{color:#4b535b}\
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.3rem 1rem;margin:.5rem 0}\
dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}\
.t{overflow-x:auto}table{border-collapse:collapse;width:100%}\
caption{text-align:left;padding:.3rem 0}\
th,td{border:1px solid #8a929b;padding:.3rem .5rem;text-align:left;vertical-align:top}\
th{background:#eef2f6}.n{text-align:right;white-space:nowrap}\
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}\
@media (max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}";

/// The hash of the pages' one `<style>` as a `Content-Security-Policy` names it.
pub const STYLE_HASH: &str = "sha256-I/ky4GGqukHEzuPNkCBnXTXRB1G9oPcRDBV7+iyAwuM=";

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

/// A refusal, in both languages.
pub(super) fn refusal(path: &str, refusal: &Refusal) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"vi\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
         <style>{STYLE}</style></head><body><main><h1>",
        refusal.status
    );
    escape(&mut out, &refusal.vi);
    out.push_str("</h1><p lang=\"en\">");
    escape(&mut out, &refusal.en);
    out.push_str("</p><p><a href=\"");
    escape(&mut out, path);
    out.push_str(
        "\">Dữ liệu mở · <span lang=\"en\">Open data</span></a></p></main></body></html>\n",
    );
    out
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
        self.tag(
            "p",
            lang.pick(
                "Không có tham số: giá trị mới nhất của mỗi điểm đo. Một khoảng thời gian: `from`, \
                 `to` (RFC 3339 hoặc ngày), `step` (khoảng gộp, ví dụ PT1H), `device` (mã điểm đo). \
                 Giá trị bị đánh dấu hỏng không được công bố.",
                "Without parameters: the newest value of each station. A range: `from`, `to` \
                 (RFC 3339 or a day), `step` (windows, such as PT1H), `device` (id of a station). \
                 Values marked as bad are not published.",
            ),
        );
        let step = if dataset.step_s > 3_600 { "P1D" } else { "PT1H" };
        self.raw("<p><code>");
        self.text(&format!("{here}/data.csv?from=2026-01-01&to=2026-01-02&step={step}"));
        self.raw("</code></p>\n");
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
            let total = dataset.totals.contains(id);
            let attribute = dataset.model.attribute(id).map_or(&**id, |a| a.name);
            for cell in [
                lang.of(&property.name),
                &property.unit,
                unit_code(&property.unit).unwrap_or("–"),
                if total { lang.pick("tổng", "sum") } else { lang.pick("trung bình", "mean") },
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
        self.tag("td", quality(row.quality));
        self.raw("</tr>");
    }

    fn in_language(&self, address: &str) -> String {
        format!("{address}?lang={}", self.site.lang.code())
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

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Neither controls nor marks that turn the direction of what follows.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            c if c.is_control() && c != '\n' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
}
