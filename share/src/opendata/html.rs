//! What all pages have: the style, and text made harmless.

use super::params::Refusal;

pub(super) const STYLE: &str = "\
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
caption{text-align:left;padding:1rem 0 .3rem;font-weight:600}\
th,td{border:1px solid #8a929b;padding:.3rem .5rem;text-align:left;vertical-align:top}\
th{background:#eef2f6}.n{text-align:right;white-space:nowrap}\
code{font:.9em ui-monospace,monospace}\
@media (max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}";

/// The hash of the pages' one `<style>` as a `Content-Security-Policy` names it.
pub const STYLE_HASH: &str = "sha256-DZ79ftGwv9Siloi6KQqeLmLBVKq5Me403IMvcGelUhU=";

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

/// Appends text that is not ours.
pub(super) fn escape(out: &mut String, text: &str) {
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
