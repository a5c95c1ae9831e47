//! Writing XML: every text is escaped, and characters that XML 1.0 forbids or that no reader
//! should be shown are left out.

use ioc_model::Timestamp;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::channel::words;

/// A document under way.
pub(super) struct Out(Writer<Vec<u8>>);

/// A whole document with one root element in one namespace.
pub(super) fn elements(
    root: &str,
    namespace: &str,
    body: impl FnOnce(&mut Out) -> std::io::Result<()>,
) -> std::io::Result<String> {
    let mut out = Out(Writer::new_with_indent(Vec::new(), b' ', 1));
    out.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    out.0
        .write_event(Event::Start(BytesStart::new(root).with_attributes([("xmlns", namespace)])))?;
    body(&mut out)?;
    out.0.write_event(Event::End(BytesEnd::new(root)))?;
    String::from_utf8(out.0.into_inner()).map_err(std::io::Error::other)
}

impl Out {
    /// An element with a text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))?;
        self.0.write_event(Event::Text(BytesText::new(&clean(text))))?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element, if there is a text.
    pub(super) fn some(&mut self, name: &str, text: Option<&str>) -> std::io::Result<()> {
        text.map_or(Ok(()), |text| self.text(name, text))
    }

    /// An element with others in it.
    pub(super) fn within(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Self) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))?;
        body(self)?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element with attributes only.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> std::io::Result<()> {
        let attributes: Vec<(&str, String)> =
            attributes.iter().map(|(k, v)| (*k, clean(v))).collect();
        let with = attributes.iter().map(|(k, v)| (*k, v.as_str()));
        self.0.write_event(Event::Empty(BytesStart::new(name).with_attributes(with)))
    }
}

/// A text without control characters (line breaks stay) and without invisible ones.
fn clean(text: &str) -> String {
    text.lines().map(words::line).collect::<Vec<_>>().join("\n")
}

/// What CAP allows in identifiers, senders and incidents: no white space, no comma, no `<`, no `&`
/// (nor quotes, which would group words of `incidents`).
pub(super) fn token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !",<>&\"'".contains(*c)).take(200).collect()
}

/// A time as CAP wants it: whole seconds and the city's offset, never `Z`.
pub(super) fn cap_time(at: Timestamp) -> String {
    words::local(at)
        .map_or_else(|| at.to_string(), |t| t.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_characters_never_reach_the_document() {
        let xml = elements("a", "urn:x", |w| {
            w.text("b", "<i>&amp; ]]> \u{0}\u{8}\u{1b}\u{fffe}\u{202e}one\r\ntwo")?;
            w.empty("c", &[("href", "\"><x y='\n'")])
        })
        .expect("memory");
        assert!(xml.contains("&lt;i&gt;&amp;amp; ]]&gt; one\ntwo</b>"), "{xml}");
        assert!(xml.contains("&quot;&gt;&lt;x"), "{xml}");
        assert!(xml.chars().all(|c| c == '\n' || !c.is_control()), "{xml:?}");
    }

    #[test]
    fn identifiers_have_no_space_comma_less_or_ampersand() {
        assert_eq!(token(" a,b<c>&d\"e'\u{e9}\n-1.2@x:y "), "abcde-1.2@x:y");
        assert_eq!(token(&"x".repeat(999)).len(), 200);
    }

    #[test]
    fn times_have_whole_seconds_and_the_offset_of_the_city() {
        let at = Timestamp::parse_rfc3339("2025-10-29T06:00:00.999Z").expect("a time");
        assert_eq!(cap_time(at), "2025-10-29T13:00:00+07:00");
    }
}
