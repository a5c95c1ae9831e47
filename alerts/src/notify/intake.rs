//! Lines of the audit log become news in groups.

use ioc_model::{
    AlertId, AlertRow, AlertStore, AuditRow, Condition, Name, RegisterError, Scope, Severity,
    Timestamp,
};
use rusqlite::{Connection, params};

use super::ESCALATION;
use super::config::NotifyConfig;
use super::route::{GroupBy, News, On, Times};
use super::schema::{OVER, PENDING, TOLD, all, run};
use crate::channel::Change;
use crate::schema::{severity, store};

/// Takes lines within one transaction.
pub(super) struct Intake<'a> {
    pub(super) db: &'a Connection,
    pub(super) config: &'a NotifyConfig,
    pub(super) alerts: &'a dyn AlertStore,
    /// Time of what is taken: wall time, or the line's when a new outbox catches up.
    pub(super) now: Timestamp,
    /// A new outbox only learns what was told long ago.
    pub(super) silent: bool,
}

/// What one receiver knows of an alert.
pub(super) struct Told {
    receiver: Name,
    route: Name,
    grp: String,
    state: i64,
    severity: Severity,
}

/// Where news go.
struct To<'a> {
    receiver: &'a str,
    route: &'a str,
    grp: &'a str,
    times: Times,
    /// What is told of the alert from now on is followed up to its end.
    follow: bool,
}

impl Intake<'_> {
    /// One line. Returns how many alerts went away again before anybody was told of them.
    pub(super) fn line(&self, line: &AuditRow) -> Result<u64, RegisterError> {
        if line.alert.0.is_empty() {
            return Ok(0);
        }
        match line.action.as_str() {
            "raise" => {
                self.remember(line)?;
                self.news(line, On::Raise)?;
            }
            "severity" => {
                let worse = self.remember(line)?.is_none_or(|before| line.severity > before);
                self.news(line, if worse { On::Worse } else { On::Severity })?;
            }
            "clear" => {
                run(self.db, "DELETE FROM episode WHERE alert = ?1", params![line.alert.0])?;
                return self.end(line);
            }
            "reject" | "close" | "auto_close" => {
                let withheld = self.end(line)?;
                let on = if line.action == "reject" { On::Reject } else { On::Close };
                self.news(line, on)?;
                return Ok(withheld);
            }
            "shelve" | "suppress" => {
                let withheld = self.hold(line)?;
                if line.action == "shelve" {
                    self.news(line, On::Shelve)?;
                }
                return Ok(withheld);
            }
            "unshelve" | "shelf_expired" | "unsuppress" | "undo" => self.release(line)?,
            "escalate" => self.escalate(line)?,
            "deescalate" => {
                // Worse than this is worse again.
                self.remember(line)?;
                self.news(line, On::Deescalate)?;
            }
            other => {
                if let Some(on) = On::parse(other) {
                    self.news(line, on)?;
                }
            }
        }
        Ok(0)
    }

    /// Keeps the severity of a running alert; the one before.
    fn remember(&self, line: &AuditRow) -> Result<Option<Severity>, RegisterError> {
        let sql = "SELECT severity FROM episode WHERE alert = ?1";
        let before = all(self.db, sql, params![line.alert.0], |r| severity(r, 0))?;
        let sql = "INSERT INTO episode VALUES (?1, ?2) ON CONFLICT DO UPDATE SET severity = ?2";
        run(self.db, sql, params![line.alert.0, line.severity as u8])?;
        Ok(before.first().copied())
    }

    /// The alert as it stands; `None` if the register does not have it any more.
    fn row(&self, id: &AlertId) -> Result<Option<AlertRow>, RegisterError> {
        match self.alerts.get(id, &Scope::city()) {
            Ok(row) => Ok(Some(row)),
            Err(RegisterError::NotFound(_)) => {
                tracing::warn!(alert = %id, "notification of an alert that is not in the register");
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn told(&self, alert: &AlertId) -> Result<Vec<Told>, RegisterError> {
        let sql = "SELECT receiver, route, grp, state, severity FROM told WHERE alert = ?1";
        all(self.db, sql, params![alert.0], |r| {
            Ok(Told {
                receiver: r.get::<_, String>(0)?.into(),
                route: r.get::<_, String>(1)?.into(),
                grp: r.get(2)?,
                state: r.get(3)?,
                severity: severity(r, 4)?,
            })
        })
    }

    /// Asks the routes. What is held back is not told.
    fn news(&self, line: &AuditRow, on: On) -> Result<(), RegisterError> {
        if !self.config.routes.iter().any(|r| r.on.contains(&on) || on == On::Worse) {
            return Ok(());
        }
        let Some(row) = self.row(&line.alert)? else { return Ok(()) };
        if !row.held.is_empty() && on != On::Shelve {
            return Ok(());
        }
        let told = self.told(&line.alert)?;
        let news = News { row: &row, on, severity: line.severity, now: self.now };
        for (route, receiver) in self.config.routes_for(news) {
            let before = told.iter().find(|t| t.receiver == *receiver);
            if on == On::Raise && before.is_some() {
                // A log that was put back to an earlier state is read again.
                continue;
            }
            let follow = matches!(on, On::Raise | On::Worse | On::Overdue | On::Escalate);
            self.put_to(
                line,
                &line.action,
                before,
                To {
                    receiver,
                    route: &route.id,
                    grp: &route.group_by.key(&row),
                    times: route.times,
                    follow,
                },
            )?;
        }
        Ok(())
    }

    /// An alert that is no longer held back, or no longer taken for over: what was not told of it
    /// is news now.
    fn release(&self, line: &AuditRow) -> Result<(), RegisterError> {
        let Some(row) = self.row(&line.alert)? else { return Ok(()) };
        if !row.is_listed() || row.condition == Condition::Returned {
            return Ok(());
        }
        let told = self.told(&line.alert)?;
        let news = News { row: &row, on: On::Raise, severity: row.severity, now: self.now };
        for (route, receiver) in self.config.routes_for(news) {
            let before = told.iter().find(|t| t.receiver == *receiver);
            let word = match before {
                Some(t) if t.state == OVER && self.take_back_end(&line.alert, t)? => continue,
                Some(t) if t.state != OVER && t.severity >= row.severity => continue,
                Some(t) if t.state != OVER => "severity",
                _ => "raise",
            };
            self.put_to(
                line,
                word,
                before,
                To {
                    receiver,
                    route: &route.id,
                    grp: &route.group_by.key(&row),
                    times: route.times,
                    follow: true,
                },
            )?;
        }
        Ok(())
    }

    /// The step of an escalation chain names a receiver; the routes are asked too.
    fn escalate(&self, line: &AuditRow) -> Result<(), RegisterError> {
        let named = line.detail.as_deref().and_then(target);
        let Some(to) = named.filter(|to| self.config.receiver_by_id(to).is_some()) else {
            return self.news(line, On::Escalate);
        };
        let Some(row) = self.row(&line.alert)? else { return Ok(()) };
        if row.held.is_empty() {
            let told = self.told(&line.alert)?;
            let before = told.iter().find(|t| *t.receiver == *to);
            self.put_to(
                line,
                &line.action,
                before,
                To {
                    receiver: &to,
                    route: ESCALATION,
                    grp: &GroupBy::Alert.key(&row),
                    times: Times::ESCALATION,
                    follow: true,
                },
            )?;
        }
        // Whoever the chain names has it now; the key of `pending` keeps a second one out.
        self.news(line, On::Escalate)
    }

    /// The end of an alert goes to those who were told of it, whatever the routes say now.
    fn end(&self, line: &AuditRow) -> Result<u64, RegisterError> {
        let mut withheld = 0;
        for t in self.told(&line.alert)? {
            match t.state {
                PENDING => {
                    withheld += 1;
                    self.forget(&line.alert, &t)?;
                    tracing::info!(
                        alert = %line.alert, receiver = %t.receiver, action = %line.action,
                        "not told: over before the wait of its group was"
                    );
                }
                TOLD => {
                    let times = self.times(&t.route);
                    let (receiver, route, grp) = (&*t.receiver, &*t.route, t.grp.as_str());
                    self.put(
                        line,
                        &line.action,
                        &To { receiver, route, grp, times, follow: false },
                    )?;
                    let sql = "UPDATE told SET state = 2, ended_at = ?3
                               WHERE receiver = ?1 AND alert = ?2";
                    run(self.db, sql, params![receiver, line.alert.0, self.now.0])?;
                }
                _ => {}
            }
        }
        Ok(withheld)
    }

    /// What was not told yet of an alert that is held back now is not told.
    fn hold(&self, line: &AuditRow) -> Result<u64, RegisterError> {
        let mut withheld = 0;
        for t in self.told(&line.alert)?.iter().filter(|t| t.state == PENDING) {
            withheld += 1;
            self.forget(&line.alert, t)?;
            tracing::info!(
                alert = %line.alert, receiver = %t.receiver, action = %line.action,
                "not told: held back before the wait of its group was over"
            );
        }
        Ok(withheld)
    }

    /// An end that still waits in its group is not told; false if it was put out.
    fn take_back_end(&self, alert: &AlertId, t: &Told) -> Result<bool, RegisterError> {
        let sql = "DELETE FROM pending WHERE alert = ?1 AND receiver = ?2
                   AND change ->> 'reason' IN ('clear', 'reject', 'close', 'auto_close')";
        if run(self.db, sql, params![alert.0, &*t.receiver])? == 0 {
            return Ok(false);
        }
        self.rest(t)?;
        let sql = "UPDATE told SET state = 1, ended_at = NULL WHERE receiver = ?1 AND alert = ?2";
        run(self.db, sql, params![&*t.receiver, alert.0])?;
        Ok(true)
    }

    fn forget(&self, alert: &AlertId, t: &Told) -> Result<(), RegisterError> {
        let who = params![alert.0, &*t.receiver];
        run(self.db, "DELETE FROM pending WHERE alert = ?1 AND receiver = ?2", who)?;
        let who = params![alert.0, &*t.receiver];
        run(self.db, "DELETE FROM told WHERE alert = ?1 AND receiver = ?2", who)?;
        self.rest(t)
    }

    /// An empty group does not wait.
    fn rest(&self, t: &Told) -> Result<(), RegisterError> {
        let sql = "UPDATE grp SET due_at = NULL WHERE receiver = ?1 AND route = ?2 AND grp = ?3
                   AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.receiver = ?1 AND p.route = ?2
                                   AND p.grp = ?3)";
        run(self.db, sql, params![&*t.receiver, &*t.route, t.grp]).map(drop)
    }

    fn times(&self, route: &str) -> Times {
        if route == ESCALATION {
            return Times::ESCALATION;
        }
        self.config.route_by_id(route).map(|r| r.times).unwrap_or_default()
    }

    /// Everything about one alert goes to a receiver by the group in which it was first told, so
    /// that nothing overtakes.
    fn put_to(
        &self,
        line: &AuditRow,
        word: &str,
        before: Option<&Told>,
        mut to: To<'_>,
    ) -> Result<(), RegisterError> {
        let Some(t) = before else { return self.put(line, word, &to) };
        if to.route != ESCALATION {
            to.times = self.times(&t.route);
        }
        self.put(line, word, &To { route: &t.route, grp: &t.grp, ..to })
    }

    fn put(&self, line: &AuditRow, word: &str, to: &To<'_>) -> Result<(), RegisterError> {
        if self.silent {
            return self.learn(line, to);
        }
        let change = Change {
            seq: line.seq,
            alert: line.alert.clone(),
            reason: word.into(),
            actor: line.actor.as_str().into(),
            at: line.at,
            severity: line.severity,
            note: line.note.clone(),
        };
        let change = serde_json::to_string(&change).map_err(store)?;
        let sql = "INSERT OR IGNORE INTO pending VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values =
            params![to.receiver, to.route, to.grp, line.seq.cast_signed(), line.alert.0, change];
        if run(self.db, sql, values)? == 0 {
            return Ok(());
        }
        if to.follow {
            self.follow(line, to, PENDING)?;
        }
        self.due(line, word, to)
    }

    fn follow(&self, line: &AuditRow, to: &To<'_>, state: i64) -> Result<(), RegisterError> {
        let sql = "INSERT INTO told (receiver, alert, route, grp, state, severity)
                   VALUES (?1, ?2, ?3, ?4, ?6, ?5)
                   ON CONFLICT DO UPDATE SET state = CASE state WHEN 2 THEN ?6 ELSE state END,
                     ended_at = NULL, severity = max(severity, ?5)";
        let severity = line.severity as u8;
        let values = params![to.receiver, line.alert.0, to.route, to.grp, severity, state];
        run(self.db, sql, values).map(drop)
    }

    /// Takes it for told.
    fn learn(&self, line: &AuditRow, to: &To<'_>) -> Result<(), RegisterError> {
        let sql = "INSERT INTO grp (receiver, route, grp, flushed_at, severity)
                   VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO UPDATE SET flushed_at = ?4, severity = max(severity, ?5)";
        let severity = line.severity as u8;
        run(self.db, sql, params![to.receiver, to.route, to.grp, self.now.0, severity])?;
        if to.follow { self.follow(line, to, TOLD) } else { Ok(()) }
    }

    /// When the group is put out: the first time after its wait, later after its interval; what is
    /// worse than all that was told, and escalations, do not sit out the interval.
    fn due(&self, line: &AuditRow, word: &str, to: &To<'_>) -> Result<(), RegisterError> {
        let after_wait = self.now.plus_ms(to.times.wait(line.severity)).0;
        let urgent = word == "escalate";
        let news = matches!(word, "raise" | "severity");
        let sql = "INSERT INTO grp (receiver, route, grp, due_at) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT DO UPDATE SET due_at = min(ifnull(due_at, 9223372036854775807),
                     CASE WHEN flushed_at IS NULL OR ?7 OR (?6 AND severity < ?5) THEN ?4
                          ELSE max(?4, flushed_at + ?8) END)";
        let severity = line.severity as u8;
        let interval = to.times.interval_ms;
        let values =
            params![to.receiver, to.route, to.grp, after_wait, severity, news, urgent, interval];
        run(self.db, sql, values).map(drop)
    }
}

/// `to` of the detail of an `escalate` line.
fn target(detail: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(detail).ok()?;
    Some(json.get("to")?.as_str()?.to_owned())
}
