mod oracle;
mod suggest;

use super::episode::{Episode, NEVER, Sample};

/// An alert that nobody has touched.
fn episode(raised: i64, cleared: Option<i64>) -> Episode {
    Episode {
        raised,
        cleared: cleared.unwrap_or(NEVER),
        acked: NEVER,
        resolved: NEVER,
        closed: NEVER,
        alarm: 1,
        incident: 0,
        rule: 0,
        area: 0,
        service: 0,
        severity: 2,
        flags: 0,
    }
}

fn sample(mut episodes: Vec<Episode>) -> Sample {
    episodes.sort_unstable_by_key(|e| (e.raised, e.alarm));
    let mut sample = Sample { episodes, ..Sample::default() };
    for i in 0..4 {
        sample.rules.number(&format!("rule.{i}"));
        sample.areas.number(&format!("area-{i}"));
        sample.services.number(&format!("service_{i}"));
    }
    sample
}
