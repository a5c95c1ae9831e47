//! What would make a rule better, by plain rules with the thresholds of `targets.yaml`:
//!
//! - many fleeting or chattering alerts → `for`, so long that it covers 90 % of these;
//! - many raised again soon after they cleared → `clear_for`, so long that it bridges 90 % of
//!   those gaps;
//! - mostly rejected as false → `mode: shadow`;
//! - one rule makes much of the load and none of that applies → `look`.
//!
//! What a change would have spared is counted from the alerts themselves. How long a condition
//! held is told from the alert: it was raised one `for` after the condition began and cleared one
//! `clear_for` after it ended. Short interruptions within an alert are not known, so it is an
//! estimate; a backtest over the journal is the answer.

use ioc_model::{KpiSuggestion, Text};

use super::episode::{About, CHATTER, CLOSED, Episode, NEVER, REJECTED, Sample};
use super::load::{percent, percentile};
use super::marks::Mark;
use super::targets::Suggest;

/// Of each rule whose figures are known ([`Sample::about`]), those that spare most first.
pub(crate) fn suggestions(
    sample: &Sample,
    order: &[u32],
    marks: &[Mark],
    table: &Suggest,
) -> Vec<KpiSuggestion> {
    let load: Vec<(&Episode, Mark)> = order
        .iter()
        .map(|i| (&sample.episodes[*i as usize], marks[*i as usize]))
        .filter(|(_, mark)| mark.load())
        .collect();
    let mut all = Vec::new();
    for alerts in load.chunk_by(|a, b| a.0.rule == b.0.rule) {
        let number = alerts[0].0.rule;
        let Some(about) = sample.about.get(&number) else { continue };
        let rule = Rule { alerts, about, table, id: sample.rules.word(number) };
        if alerts.len() >= table.least_alarms {
            rule.suggest(load.len(), &mut all);
        }
    }
    all.sort_by(|a, b| {
        b.spares.cmp(&a.spares).then_with(|| (&a.rule, &a.field).cmp(&(&b.rule, &b.field)))
    });
    all.truncate(table.most);
    all
}

struct Rule<'a> {
    /// In the order of alarm and raise.
    alerts: &'a [(&'a Episode, Mark)],
    about: &'a About,
    table: &'a Suggest,
    id: &'a str,
}

impl Rule<'_> {
    fn suggest(&self, load: usize, all: &mut Vec<KpiSuggestion>) {
        let before = all.len();
        all.extend(self.longer_for());
        all.extend(self.longer_clear_for());
        all.extend(self.shadow());
        let share = percent(self.alerts.len(), load).unwrap_or(0.0);
        if all.len() == before && share > self.table.load_percent {
            let why = Text {
                vi: format!("{share:.0} % tổng số cảnh báo là của một quy tắc này"),
                en: format!("{share:.0} % of all alerts come from this one rule"),
            };
            all.push(self.say("look", String::new(), why, 0));
        }
    }

    fn say(&self, field: &str, value: String, why: Text, spares: usize) -> KpiSuggestion {
        KpiSuggestion {
            rule: self.id.into(),
            why,
            field: field.into(),
            value,
            spares: u32::try_from(spares).unwrap_or(u32::MAX),
        }
    }

    fn longer_for(&self) -> Option<KpiSuggestion> {
        let short: Vec<i64> = self
            .alerts
            .iter()
            .filter(|(_, mark)| mark.chattering() || mark.fleeting())
            .filter_map(|(e, _)| self.held(e))
            .collect();
        let (n, of) = (short.len(), self.alerts.len());
        if percent(n, of)? < self.table.short_percent {
            return None;
        }
        let now = self.about.for_ms;
        let value = self.step(short, now, self.table.longest_for_s)?;
        let spares = self.alerts.iter().filter_map(|(e, _)| self.held(e)).filter(|ms| *ms < value);
        let why = Text {
            vi: format!("{n} trong {of} cảnh báo chớp nhoáng hoặc bật tắt liên tục"),
            en: format!("{n} of {of} alerts were fleeting or chattering"),
        };
        Some(self.say("for", span(value), why, spares.count()))
    }

    fn longer_clear_for(&self) -> Option<KpiSuggestion> {
        let gaps: Vec<i64> = self
            .alerts
            .windows(2)
            .filter_map(|pair| match pair {
                [(a, _), (b, _)] if a.alarm == b.alarm => self.gap(a, b),
                _ => None,
            })
            .collect();
        let longest = self.table.gap_s * 1000;
        // As they were seen: without what the two timers add and take.
        let timers = self.about.clear_for_ms - self.about.for_ms;
        let short: Vec<i64> = gaps.iter().copied().filter(|ms| *ms - timers <= longest).collect();
        let (n, of) = (short.len(), self.alerts.len());
        if percent(n, of)? < self.table.gap_percent {
            return None;
        }
        let now = self.about.clear_for_ms;
        let value = self.step(short, now, self.table.longest_clear_for_s)?;
        let why = Text {
            vi: format!("{n} trong {of} cảnh báo phát lại ngay sau khi vừa hết"),
            en: format!("{n} of {of} alerts were raised again soon after they had cleared"),
        };
        let spares = gaps.iter().filter(|ms| **ms < value).count();
        Some(self.say("clear_for", span(value), why, spares))
    }

    fn shadow(&self) -> Option<KpiSuggestion> {
        let count = |flag| self.alerts.iter().filter(|(e, _)| e.is(flag)).count();
        let (closed, rejected) = (count(CLOSED), count(REJECTED));
        let judged = closed + rejected;
        if judged < self.table.least_judged as usize
            || percent(rejected, judged)? < self.table.false_percent
        {
            return None;
        }
        let why = Text {
            vi: format!("{rejected} trong {judged} cảnh báo đã xử lý là báo động giả"),
            en: format!("{rejected} of {judged} judged alerts were rejected as false"),
        };
        Some(self.say("mode", "shadow".into(), why, self.alerts.len()))
    }

    /// How long the condition of an alert held, ms; nothing while it holds, and nothing of one that
    /// its rule held together: its condition came and went meanwhile.
    fn held(&self, e: &Episode) -> Option<i64> {
        let known = e.cleared != NEVER && !e.is(CHATTER);
        let seen = known.then(|| e.cleared.saturating_sub(e.raised))?;
        Some(seen.saturating_sub(self.about.clear_for_ms).max(0) + self.about.for_ms)
    }

    /// How long the condition was gone between two alerts, ms.
    fn gap(&self, a: &Episode, b: &Episode) -> Option<i64> {
        if a.is(CHATTER) || a.cleared == NEVER {
            return None;
        }
        let seen = b.raised.checked_sub(a.cleared).filter(|ms| *ms >= 0)?;
        Some((seen + self.about.clear_for_ms - self.about.for_ms).max(0))
    }

    /// The natural step above the times that are to be covered, in ms; nothing if it is no longer
    /// than it is now, or too long.
    fn step(&self, mut times: Vec<i64>, now: i64, longest_s: i64) -> Option<i64> {
        times.sort_unstable();
        // Strictly above: what lasts exactly that long still raises.
        let cover = percentile(&times, self.table.cover_percentile)?.max(now);
        let steps = self.table.steps_s.iter().filter(|s| **s <= longest_s).map(|s| s * 1000);
        steps.into_iter().find(|ms| *ms > cover)
    }
}

/// A time as rules write it.
fn span(ms: i64) -> String {
    let s = ms / 1000;
    match s {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
