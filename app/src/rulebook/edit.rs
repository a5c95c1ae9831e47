//! Changes to the text of rule files: one rule's lines, and nothing else.

use ioc_rules::RuleInfo;

use super::files::RuleFiles;

/// New rules go here unless they exist elsewhere.
const LOCAL: &str = "rules/local.yaml";
const INDENT: usize = 2;

/// Files after an edit, and where in them the new text begins.
#[derive(Debug, PartialEq)]
pub(crate) struct Edited {
    pub files: RuleFiles,
    pub file: String,
    /// From 1.
    pub line: usize,
}

/// Puts `text`, YAML of one rule (a mapping or a list of one), in the place of the rule `id`.
pub(crate) fn put(
    files: &RuleFiles,
    rules: &[RuleInfo],
    id: &str,
    text: &str,
) -> Result<Edited, String> {
    let Some(rule) = rules.iter().find(|r| &*r.id == id) else {
        return append(files, rules, text);
    };
    let (mut lines, place) = find(files, rule)?;
    let own = list_item(text, place.indent)?;
    lines.splice(place.first..place.end, own);
    Ok(edited(files, &rule.file, lines, place.first))
}

/// Takes the lines of a rule out.
pub(crate) fn delete(files: &RuleFiles, rule: &RuleInfo, last: bool) -> Result<Edited, String> {
    let (mut lines, place) = find(files, rule)?;
    lines.drain(place.first..place.end);
    if last {
        // Nothing below `rules:` is no list.
        for line in lines.iter_mut().filter(|l| l.trim_end() == "rules:") {
            *line = "rules: []".into();
        }
    }
    Ok(edited(files, &rule.file, lines, place.first))
}

/// Sets the line `mode:` of a rule; in quotes, because a bare `on` is a yes in YAML.
pub(crate) fn mode(files: &RuleFiles, rule: &RuleInfo, mode: &str) -> Result<Edited, String> {
    let (mut lines, place) = find(files, rule)?;
    let head = &lines[place.key_line];
    let keys = match head.trim_start().strip_prefix('-') {
        Some(rest) => head.len() - rest.trim_start().len(),
        None => indent_of(head),
    };
    if lines[place.key_line].get(keys..).is_some_and(|rest| rest.starts_with('{')) {
        return Err(elsewhere(rule));
    }
    let key = |line: &str, name: &str, at: usize| {
        let own = at == place.key_line || indent_of(line) == keys;
        own && line.get(keys..).is_some_and(|rest| rest.starts_with(name))
    };
    let here = place.key_line..place.end;
    let find_key = |name: &str| here.clone().find(|i| key(&lines[*i], name, *i));
    match find_key("mode:") {
        Some(at) => {
            let line = &lines[at];
            let comment = line.find(" #").map_or("", |c| &line[c..]);
            lines[at] = format!("{}mode: \"{mode}\"{comment}", &line[..keys]);
        }
        None => {
            let after = find_key("kind:").unwrap_or(place.key_line);
            lines.insert(after + 1, format!("{}mode: \"{mode}\"", " ".repeat(keys)));
        }
    }
    Ok(edited(files, &rule.file, lines, place.first))
}

/// Where a rule stands in its file; numbers of lines from 0.
struct Place {
    /// Line of the dash.
    first: usize,
    /// Line of the first key.
    key_line: usize,
    end: usize,
    /// Columns before the dash.
    indent: usize,
}

fn elsewhere(rule: &RuleInfo) -> String {
    format!("{} does not hold `{}` on lines of its own: edit the file", rule.file, rule.id)
}

fn find(files: &RuleFiles, rule: &RuleInfo) -> Result<(Vec<String>, Place), String> {
    let text = files.get(&rule.file).ok_or_else(|| elsewhere(rule))?;
    let lines: Vec<String> = text.split('\n').map(String::from).collect();
    let key_line = rule.line.saturating_sub(1);
    let end = key_line + rule.source.split('\n').count();
    let head = lines.get(key_line).filter(|_| end <= lines.len()).ok_or_else(|| elsewhere(rule))?;
    let is_dash = |l: &String| l.trim_start() == "-" || l.trim_start().starts_with("- ");
    let first = if is_dash(head) {
        key_line
    } else {
        // The dash may stand alone above the keys, perhaps with a comment.
        let alone = |l: &String| {
            let rest = l.trim_start().strip_prefix('-').map(str::trim_start);
            rest.is_some_and(|r| r.is_empty() || r.starts_with('#'))
        };
        let above = key_line.checked_sub(1).filter(|i| alone(&lines[*i]));
        above.ok_or_else(|| elsewhere(rule))?
    };
    let indent = indent_of(&lines[first]);
    Ok((lines, Place { first, key_line, end, indent }))
}

fn edited(files: &RuleFiles, file: &str, lines: Vec<String>, first: usize) -> Edited {
    let mut files = files.clone();
    files.insert(file.to_owned(), lines.join("\n"));
    Edited { files, file: file.to_owned(), line: first + 1 }
}

fn append(files: &RuleFiles, rules: &[RuleInfo], text: &str) -> Result<Edited, String> {
    let held = files.get(LOCAL).map_or("", String::as_str);
    let mut lines: Vec<String> = held.trim_end().split('\n').map(String::from).collect();
    if held.trim().is_empty() {
        lines.clear();
    }
    let mut indent = INDENT;
    match rules.iter().rev().find(|r| r.file == LOCAL) {
        Some(rule) => indent = find(files, rule)?.1.indent,
        None => {
            lines.retain(|l| !l.starts_with("rules:"));
            lines.push("rules:".into());
        }
    }
    let first = lines.len();
    lines.extend(list_item(text, indent)?);
    lines.push(String::new());
    Ok(edited(files, LOCAL, lines, first))
}

/// The lines of one rule as an item of a list, with the dash at `indent`.
fn list_item(text: &str, indent: usize) -> Result<Vec<String>, String> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let idle = |l: &&str| l.is_empty();
    while lines.last().is_some_and(idle) {
        lines.pop();
    }
    let is_content = |l: &&str| !l.is_empty() && !l.trim_start().starts_with('#');
    let Some(head) = lines.iter().position(is_content) else {
        return Err("the text holds no rule".into());
    };
    let base = indent_of(lines[head]);
    let dashed = lines[head].trim_start().starts_with("- ");
    let inner = if dashed { indent } else { indent + INDENT };
    let mut out = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some(rest) = line.get(base.min(indent_of(line))..).filter(|r| !r.is_empty()) else {
            // Blank lines before the rule are not its own.
            if i > head {
                out.push(String::new());
            }
            continue;
        };
        let comment = rest.starts_with('#');
        if indent_of(line) < base && !comment {
            return Err(format!("line {} stands further left than the rule's first", i + 1));
        }
        if i > head && dashed && indent_of(line) == base && !comment {
            return Err(format!("line {} begins something else: one rule at a time", i + 1));
        }
        out.push(match i {
            _ if i < head => format!("{}{rest}", " ".repeat(indent)),
            _ if i == head && !dashed => format!("{}- {rest}", " ".repeat(indent)),
            _ => format!("{}{rest}", " ".repeat(inner)),
        });
    }
    Ok(out)
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
