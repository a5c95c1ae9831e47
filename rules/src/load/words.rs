//! Messages in both languages.

use crate::fields::{Fields, both, suggestion};
use crate::load::Check;
use crate::template::{Template, TemplateError};
use crate::yaml::Node;

type Both = [Template; 2];

/// `message` and `cleared`; the latter has a default for each kind.
pub(super) fn words(
    fields: &mut Fields<'_>,
    default: Option<(&'static str, &'static str)>,
    check: &mut Check<'_>,
) -> Option<(Both, Both)> {
    let message = fields.require("message", &mut check.report).and_then(|n| templates(n, check));
    let cleared = match (fields.get("cleared"), default) {
        (Some(n), _) => templates(n, check),
        (None, Some((vi, en))) => {
            Template::parse(vi).ok().zip(Template::parse(en).ok()).map(Into::into)
        }
        (None, None) => None,
    };
    Some((message?, cleared?))
}

fn templates(node: &Node, check: &mut Check<'_>) -> Option<Both> {
    let texts = both(node, &mut check.report)?;
    let mut parse = |text: &str| match Template::parse(text) {
        Ok(template) => Some(template),
        Err(TemplateError::Brace) => {
            check.report.error(node, format!("a brace is open or lonely in `{text}`"));
            None
        }
        Err(TemplateError::Unknown(name)) => {
            let hint = suggestion(&name, Template::field_names()).unwrap_or_default();
            check.report.hinted(node, format!("unknown placeholder `{{{name}}}`"), hint);
            None
        }
    };
    let (vi, en) = (parse(&texts.vi), parse(&texts.en));
    Some([vi?, en?])
}
