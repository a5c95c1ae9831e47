//! One transaction of the register.

use ioc_model::{
    Actor, AlertChanges, AlertRow, Hold, HoldId, HoldRequest, IncidentId, RegisterError, Scope,
    Severity, Timestamp, Transition,
};
use rusqlite::Transaction;

use super::row::SYSTEM;
use crate::audit::{self, AuditLine};
use crate::group::{DeviceTree, Flood, Grouping, Touched, hold};
use crate::policy::Policy;
use crate::schema::{self, store};

/// What stays the same from one transaction to the next.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub tree: &'a DeviceTree,
    pub policy: &'a Policy,
    /// The alarm flood as the last commit left it.
    pub flood: &'a Flood,
}

/// What one transaction has changed so far. Every change of an alert goes through
/// [`Batch::record`]; what was written is told to the listener after the commit.
pub(crate) struct Batch<'a> {
    pub tx: Transaction<'a>,
    pub policy: &'a Policy,
    tree: &'a DeviceTree,
    flood: &'a Flood,
    /// After the raises of this transaction, if there were any.
    new_flood: Option<Flood>,
    touched: Touched,
    /// Number of the newest change.
    change: u64,
    changes: AlertChanges,
}

/// What a line of the audit log says besides the alert and its severity after it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line<'a> {
    pub action: &'a str,
    pub actor: &'a str,
    pub origin: Option<&'a str>,
    pub at: Timestamp,
    pub note: Option<&'a str>,
    /// JSON text.
    pub detail: Option<&'a str>,
    /// What a rule found; nothing for people and timers.
    pub found: Option<&'a Transition>,
}

impl<'a> Line<'a> {
    fn about(&self, alert: &'a str, severity: Severity) -> AuditLine<'a> {
        let evidence = self.found.map(|t| &*t.evidence).filter(|e| !e.is_empty());
        AuditLine {
            alert,
            action: self.action,
            actor: self.actor,
            origin: self.origin,
            at: self.at.0,
            severity,
            value: self.found.and_then(|t| t.value),
            limit: self.found.and_then(|t| t.limit),
            note: self.note,
            message: self.found.map(|t| &t.message),
            evidence,
            detail: self.detail,
        }
    }
}

impl<'a> Batch<'a> {
    pub(super) fn begin(tx: Transaction<'a>, ground: Ground<'a>) -> Result<Self, RegisterError> {
        let change = schema::newest_change(&tx)?;
        let Ground { tree, policy, flood } = ground;
        Ok(Self {
            tx,
            policy,
            tree,
            flood,
            new_flood: None,
            touched: Touched::default(),
            change,
            changes: AlertChanges::default(),
        })
    }

    /// The row as this transaction sees it.
    pub fn read(&self, id: &str) -> Result<Option<AlertRow>, RegisterError> {
        schema::read_row(&self.tx, id)
    }

    /// Writes `row` as the next change, gives it its numbers and its state, and writes the line
    /// that tells of it. `before` is the row as it stands in the table; `None`: it is new.
    pub fn record(
        &mut self,
        before: Option<&AlertRow>,
        row: &mut AlertRow,
        line: &Line<'_>,
    ) -> Result<(), RegisterError> {
        self.change += 1;
        row.change = self.change;
        row.ver += 1;
        row.settle();
        let due = self.policy.next_timer(row).map(|(at, _)| at);
        schema::write_row(&self.tx, before, row, due)?;
        audit::append(&self.tx, &line.about(&row.id.0, row.severity))?;
        self.changes.alerts.push(row.clone());
        self.touched.row(&self.tx, before, row)?;
        let follows = hold::follow(&self.tx, before, row, (self.tree, line.at))?;
        self.held(follows, line.at)
    }

    /// Writes the rows that a hold or an outage changed.
    pub fn held(&mut self, changed: hold::Changed, now: Timestamp) -> Result<(), RegisterError> {
        for hold::HeldChange { before, mut row, kind, why } in changed.rows {
            let line = Line {
                action: kind.as_str(),
                actor: SYSTEM,
                at: now,
                note: Some(&why),
                ..Line::default()
            };
            self.record(Some(&before), &mut row, &line)?;
        }
        Ok(())
    }

    /// Gives a new row what holds it back and its incident.
    pub fn place(&mut self, row: &mut AlertRow) -> Result<(), RegisterError> {
        let at = row.raised_at;
        self.hold_back(row, at)?;
        let flood = self.new_flood.get_or_insert_with(|| self.flood.clone());
        if row.is_listed() {
            flood.raise(at);
        }
        let flood = flood.is_on(at);
        let grouping = Grouping { tree: self.tree, gap_ms: self.policy.incident_gap_ms, flood };
        self.touched.join(&self.tx, row, &grouping)
    }

    /// Brings what holds a row back up to date at `now`; its shelf stays.
    pub fn hold_back(&mut self, row: &mut AlertRow, now: Timestamp) -> Result<(), RegisterError> {
        hold::on_raise(&self.tx, row, self.tree, now)
    }

    /// Puts a row into another incident; false: it is there. One outside of the scope does not
    /// exist.
    pub fn merge(
        &mut self,
        row: &mut AlertRow,
        into: &IncidentId,
        scope: &Scope,
    ) -> Result<bool, RegisterError> {
        self.touched.merge(&self.tx, row, into, scope)
    }

    /// Puts a row into an incident of its own, or into `own` that an earlier row of the same split
    /// got.
    pub fn split(
        &mut self,
        row: &mut AlertRow,
        own: Option<&IncidentId>,
    ) -> Result<IncidentId, RegisterError> {
        let own = match own {
            Some(own) => own.clone(),
            None => self.touched.split(&self.tx, row)?,
        };
        row.incident = Some(own.clone());
        Ok(own)
    }

    /// Opens a hold and begins to hold what it covers.
    pub fn open_hold(&mut self, request: &HoldRequest) -> Result<Hold, RegisterError> {
        let (hold, changed) = hold::open(&self.tx, request, self.tree, request.actor.at)?;
        self.about_hold("hold", &hold, (&request.actor, Some(&request.reason)))?;
        self.held(changed, request.actor.at)?;
        Ok(hold)
    }

    /// Ends one and begins to release what it held.
    pub fn end_hold(
        &mut self,
        id: &HoldId,
        (actor, note): (&Actor, Option<&str>),
    ) -> Result<Hold, RegisterError> {
        let (hold, changed) = hold::end(&self.tx, id, (actor, note), self.tree)?;
        // One that was over stays as it ended.
        if hold.ended.as_ref().is_some_and(|(at, who)| *at == actor.at && *who == actor.user) {
            self.about_hold("end_hold", &hold, (actor, note))?;
        }
        self.held(changed, actor.at)?;
        Ok(hold)
    }

    /// Begins and ends holds whose time has come, and goes on with what is left of others; true
    /// if there is more.
    pub fn due_holds(&mut self, now: Timestamp) -> Result<bool, RegisterError> {
        let changed = hold::due(&self.tx, self.tree, now)?;
        let more = changed.more;
        self.held(changed, now)?;
        Ok(more)
    }

    fn about_hold(
        &mut self,
        action: &str,
        hold: &Hold,
        who: (&Actor, Option<&str>),
    ) -> Result<(), RegisterError> {
        let detail = serde_json::to_string(hold).map_err(store)?;
        self.about_no_alert(action, who, Some(&detail))
    }

    /// An act that changes no alert.
    pub fn note(
        &mut self,
        action: &str,
        actor: &Actor,
        (note, detail): (Option<&str>, Option<&str>),
    ) -> Result<(), RegisterError> {
        self.about_no_alert(action, (actor, note), detail)
    }

    fn about_no_alert(
        &mut self,
        action: &str,
        (actor, note): (&Actor, Option<&str>),
        detail: Option<&str>,
    ) -> Result<(), RegisterError> {
        let line = Line {
            action,
            actor: &actor.user,
            origin: actor.origin.as_deref(),
            at: actor.at,
            note,
            detail,
            found: None,
        };
        audit::append(&self.tx, &line.about("", Severity::Info))?;
        Ok(())
    }

    /// Commits; returns what changed, and the flood if it is another.
    pub(super) fn commit(mut self) -> Result<(AlertChanges, Option<Flood>), RegisterError> {
        self.changes.incidents = self.touched.finish(&self.tx)?;
        schema::set_newest_change(&self.tx, self.change)?;
        self.tx.commit().map_err(store)?;
        Ok((self.changes, self.new_flood))
    }
}
