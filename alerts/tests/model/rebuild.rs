//! Each alert's state from the audit log alone.

use std::collections::BTreeMap;

use ioc_model::{Action, Assignee, AuditRow, Link, Timestamp, Work};
use serde_json::Value;

use crate::reference::{self, Alert};

/// States of one alert before each of its lines, and the one after the last.
#[derive(Clone, Default)]
pub struct Told(BTreeMap<String, Vec<(String, Alert)>>);

impl Told {
    /// Hears the next line. What a rule says of an alert once and for all (what it is latched
    /// for, its device) stands in `known`.
    pub fn line(&mut self, line: &AuditRow, known: &Alert) -> Result<(), String> {
        let story = self.0.entry(line.alert.0.clone()).or_default();
        let state = match story.last() {
            None if line.action == "raise" => {
                let mut state = known.clone();
                state.active = true;
                (state.seen, state.seen_by, state.work) = (None, None, Work::New);
                (state.severity, state.worst) = (line.severity, line.severity);
                (state.raised, state.since, state.changed) = (line.at, line.at, line.at);
                (state.cleared, state.resolved, state.shelf) = (None, None, None);
                (state.overdue, state.escalated) = (false, 0);
                (state.assignee, state.comments, state.links) = (None, 0, 0);
                state
            }
            None => return Err(format!("line {} is before the raise", line.seq)),
            Some((_, state)) => after(line, state.clone(), story)?,
        };
        story.push((line.action.clone(), state));
        Ok(())
    }

    pub fn lines(&self, alert: &str) -> u64 {
        self.0.get(alert).map_or(0, |story| story.len() as u64)
    }

    /// What the log says of an alert differs from what is so.
    pub fn differs(&self, is: &Alert) -> Option<String> {
        let (_, told) = self.0.get(&is.id)?.last()?;
        let of = |a: &Alert| {
            let seen = a.seen.is_some();
            let work = (a.active, seen, a.work, a.severity, a.worst, a.assignee.clone());
            (work, a.shelf, a.overdue, a.escalated, a.comments, a.links)
        };
        (of(told) != of(is)).then(|| format!("the log tells {:?}, it is {:?}", of(told), of(is)))
    }
}

fn after(line: &AuditRow, mut a: Alert, story: &[(String, Alert)]) -> Result<Alert, String> {
    let detail: Value = match &line.detail {
        Some(text) => serde_json::from_str(text).map_err(|e| e.to_string())?,
        None => Value::Null,
    };
    match &*line.action {
        "severity" => {
            a.found(line.severity, line.at);
        }
        "clear" => a.returned(line.severity, line.at),
        "shelf_expired" => a.shelf = None,
        "suppress" | "unsuppress" => {}
        "auto_close" => a.end(Work::Closed),
        "overdue" => a.overdue = true,
        "escalate" => a.escalated += 1,
        "deescalate" => {
            a.severity = line.severity;
            a.changed = line.at;
        }
        "undo" => {
            let [.., (_, before), (done, _)] = story else {
                return Err(format!("line {} takes nothing back", line.seq));
            };
            if detail["action"] != **done {
                return Err(format!("line {} takes back {detail}, not {done}", line.seq));
            }
            a = before.clone();
            a.shelf = a.shelf.filter(|until| *until > line.at);
        }
        _ => reference::act(&mut a, &action(line, &detail)?, line.at, &line.actor),
    }
    if a.severity != line.severity {
        return Err(format!("line {} says {:?}, it is {:?}", line.seq, line.severity, a.severity));
    }
    Ok(a)
}

fn action(line: &AuditRow, detail: &Value) -> Result<Action, String> {
    let note = line.note.clone();
    let text = note.clone().unwrap_or_default();
    let into = ioc_model::IncidentId(detail["into"].as_str().unwrap_or_default().into());
    Ok(match &*line.action {
        "acknowledge" => Action::Acknowledge { note },
        "assign" => {
            let to: Assignee =
                serde_json::from_value(detail["to"].clone()).map_err(|e| e.to_string())?;
            Action::Assign { to, note }
        }
        "comment" => Action::Comment { text },
        "link" => {
            let link: Link =
                serde_json::from_value(detail["link"].clone()).map_err(|e| e.to_string())?;
            Action::Link { link }
        }
        "shelve" => {
            let until = detail["until"].as_i64().ok_or("no `until`")?;
            Action::Shelve { until: Timestamp(until), reason: text }
        }
        "unshelve" => Action::Unshelve { note },
        "start" => Action::Start { note },
        "resolve" => Action::Resolve { note },
        "close" => Action::Close { note },
        "reject" => Action::Reject { reason: text },
        "merge" => Action::Merge { into },
        "split" => Action::Split { note },
        other => return Err(format!("line {}: what is `{other}`?", line.seq)),
    })
}
