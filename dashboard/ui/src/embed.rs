use std::borrow::Cow;

use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/ui"]
struct Page;

/// The file at `path`, relative and without a leading slash, such as `index.html` or
/// `assets/index-Cx1.js`; `metadata.sha256_hash()` serves as its ETag, `metadata.mimetype` is not
/// set. `None` when the page has no such file.
#[must_use]
pub fn get(path: &str) -> Option<EmbeddedFile> {
    Page::get(path)
}

/// The paths of all files of the page.
pub fn paths() -> impl Iterator<Item = Cow<'static, str>> {
    Page::iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> String {
        let file = get(path).expect("the page has this file");
        String::from_utf8_lossy(&file.data).into_owned()
    }

    #[test]
    fn every_asset_that_the_page_names_is_embedded() {
        let index = text("index.html");
        let named: Vec<&str> = index
            .split('"')
            .filter_map(|part| part.strip_prefix('/'))
            .filter(|path| path.contains('.'))
            .collect();
        for path in &named {
            assert!(get(path).is_some(), "{path} is named by index.html but not embedded");
        }
        let placeholder = index.contains("IOC_UI=skip");
        assert!(placeholder || named.iter().any(|path| path.ends_with(".js")), "{index}");
    }

    #[test]
    fn the_page_has_no_inline_script_or_style() {
        let index = text("index.html");
        for script in index.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("src="), "inline script: {tag}");
        }
        assert!(!index.contains("<style") && !index.contains(" style="), "{index}");
    }

    #[test]
    fn paths_outside_the_page_are_unknown() {
        for path in ["../Cargo.toml", "/index.html", "", "nothing.js"] {
            assert!(get(path).is_none(), "{path}");
        }
    }
}
