//! Where a setting stands in a YAML file: file and line, found by indentation.

use ioc_model::ConfigFiles;

/// `ioc.yaml:7 dashboard.listen`; without a line when the setting is a default or stands in a
/// form that is not looked through (`{…}` on one line names the line of the whole).
pub(super) fn of(files: &ConfigFiles, file: &str, setting: &str) -> String {
    let line = files.0.get(file).and_then(|text| line(text, setting));
    match line {
        Some(line) => format!("{file}:{line} {setting}"),
        None => format!("{file} {setting}"),
    }
}

/// The line of the setting, or of the innermost part of its path that stands there; counted
/// from 1. `None`: not even the first part does.
fn line(text: &str, setting: &str) -> Option<usize> {
    let mut found = None;
    let mut parts = setting.split('.');
    let mut wanted = parts.next()?;
    // The indentation of the part found last; children stand deeper.
    let mut outer: Option<usize> = None;
    let mut level: Option<usize> = None;
    for (number, row) in (1..).zip(text.lines()) {
        let content = row.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = row.len() - content.len();
        if outer.is_some_and(|outer| indent <= outer) {
            break;
        }
        let deep = *level.get_or_insert(indent);
        let Some(rest) = content.strip_prefix(wanted).filter(|_| indent == deep) else { continue };
        if !rest.trim_start().starts_with(':') {
            continue;
        }
        found = Some(number);
        let Some(next) = parts.next() else { break };
        (wanted, outer, level) = (next, Some(indent), None);
    }
    found
}

/// The line where an entry of a list has this id: `id: NAME`.
pub(super) fn entry(files: &ConfigFiles, file: &str, id: &str) -> String {
    let named = |row: &str| {
        let row = row.trim_start().trim_start_matches("- ").trim_start_matches('{').trim_start();
        let value = row.strip_prefix("id:").map(|v| v.split([',', '#', '}']).next().unwrap_or(""));
        value.is_some_and(|v| v.trim().trim_matches(['"', '\'']) == id)
    };
    let line = files.0.get(file).and_then(|text| text.lines().position(named));
    line.map_or_else(|| format!("{file} {id}"), |at| format!("{file}:{} {id}", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# listen: 1\n\
        data: /var/lib/ioc\n\
        ingest:\n  \
          gateway:\n    \
            tls:\n      \
              listen: 0.0.0.0:8883\n    \
            # listen: no\n    \
            listen: 0.0.0.0:1883\n\
        dashboard: { listen: '0.0.0.0:80' }\n\
        listen: wrong\n";

    #[test]
    fn finds_the_line_of_a_setting_at_its_depth() {
        assert_eq!(line(TEXT, "data"), Some(2));
        assert_eq!(line(TEXT, "ingest.gateway.listen"), Some(8));
        assert_eq!(line(TEXT, "ingest.gateway.tls.listen"), Some(6));
        assert_eq!(line(TEXT, "dashboard.listen"), Some(9), "the whole of it");
        assert_eq!(line(TEXT, "ingest.intake.workers"), Some(3), "a default below ingest");
        assert_eq!(line(TEXT, "history.backend"), None);
        assert_eq!(line(TEXT, "dat"), None);
    }

    #[test]
    fn finds_an_entry_by_its_id() {
        let text = "receivers:\n  - id: duty\n    email: {}\n  - { id: 'zalo', webhook: {} }\n";
        let files = ConfigFiles([("notify.yaml".to_owned(), text.to_owned())].into());
        assert_eq!(entry(&files, "notify.yaml", "duty"), "notify.yaml:2 duty");
        assert_eq!(entry(&files, "notify.yaml", "zalo"), "notify.yaml:4 zalo");
        assert_eq!(entry(&files, "notify.yaml", "gone"), "notify.yaml gone");
    }
}
