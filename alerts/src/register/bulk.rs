//! Requests: one action on one or many alerts.

use std::collections::HashMap;

use ioc_model::{ActionOutcome, ActionRequest, AlertRow, RegisterError, RowResult, Target, Undo};

use super::{
    Batch, Register,
    act::{self, Act},
    check, request,
};
use crate::schema::parse;

/// Alerts of one transaction: the rules wait for no more than these.
pub(super) const CHUNK: u32 = 100;

pub(super) fn act(
    register: &Register,
    request: &ActionRequest,
) -> Result<ActionOutcome, RegisterError> {
    check::request(request)?;
    let (targets, places) = distinct(&request.targets);
    let mut run = Run {
        request,
        hash: request::hash(request, &targets)?,
        act: None,
        results: vec![None; targets.len()],
        repeated: false,
    };
    loop {
        let (done, _) = register.write(|batch| run.chunk(batch, &targets))?;
        if done {
            break;
        }
    }
    run.outcome(&places)
}

/// Each alert once, and for each target which of them it is.
fn distinct(targets: &[Target]) -> (Vec<&Target>, Vec<usize>) {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(targets.len());
    let mut each = Vec::with_capacity(targets.len());
    let places = targets
        .iter()
        .map(|target| {
            *seen.entry(&target.alert.0).or_insert_with(|| {
                each.push(target);
                each.len() - 1
            })
        })
        .collect();
    (each, places)
}

struct Run<'a> {
    request: &'a ActionRequest,
    hash: Vec<u8>,
    act: Option<request::Act>,
    results: Vec<Option<RowResult>>,
    repeated: bool,
}

impl Run<'_> {
    /// The next alerts, in one transaction; true when all are done. How far a request is stands in
    /// the table: after a crash the same key goes on there, and two that ask the same at once
    /// share the work.
    fn chunk(&mut self, batch: &mut Batch<'_>, targets: &[&Target]) -> Result<bool, RegisterError> {
        let mut kept = self.find(batch, targets.len())?;
        let (from, to) = (kept.done, kept.targets.min(kept.done + CHUNK));
        let mut act = Act {
            action: &self.request.action,
            actor: &self.request.actor,
            scope: &self.request.scope,
            first: from == 0,
            split: kept.split.take(),
        };
        for n in from..to {
            let result = self.one(batch, &kept, &mut act, (n, targets[n as usize]))?;
            kept.changed += u32::from(result.refused.is_none());
            self.results[n as usize] = Some(result);
        }
        kept.split = act.split;
        kept.done = to;
        let all = to == kept.targets;
        if all {
            self.fill(batch, &kept)?;
        }
        if all && kept.changed == 0 && self.request.key.is_none() {
            request::forget(&batch.tx, &kept)?;
        } else if to > from {
            request::save(&batch.tx, &kept)?;
        }
        self.act = Some(kept);
        Ok(all)
    }

    fn find(&mut self, batch: &Batch<'_>, targets: usize) -> Result<request::Act, RegisterError> {
        let known = match (&self.act, &self.request.key) {
            (Some(act), _) => request::by_id(&batch.tx, act.id)?,
            (None, Some(key)) => request::by_key(&batch.tx, &self.request.actor.user, key)?,
            (None, None) => None,
        };
        match known {
            Some(act) if act.hash != self.hash => {
                Err(RegisterError::KeyReused(self.request.key.clone().unwrap_or_default()))
            }
            Some(act) => {
                self.repeated |= self.act.is_none() && act.done == act.targets;
                Ok(act)
            }
            None if self.act.is_some() => {
                Err(RegisterError::Bad("the request was forgotten while it ran".into()))
            }
            None => {
                check::beginning(self.request, batch.policy)?;
                request::begin(&batch.tx, self.request, self.hash.clone(), targets as u32)
            }
        }
    }

    fn one(
        &self,
        batch: &mut Batch<'_>,
        kept: &request::Act,
        act: &mut Act<'_>,
        (n, target): (u32, &Target),
    ) -> Result<RowResult, RegisterError> {
        let keyed = self.request.key.is_some();
        let before = request::before(&batch.tx, &target.alert)?;
        let row: Option<AlertRow> = before.as_ref().map(|b| parse(&b.row)).transpose()?;
        let row = row.filter(|r| self.request.scope.allows(&r.area, &r.service));
        let result = act::one(batch, act, target, row)?;
        request::keep(&batch.tx, kept, (n, keyed), (before.as_ref(), &result))?;
        Ok(result)
    }

    /// What an earlier run or another one did, as far as it may be seen now.
    fn fill(&mut self, batch: &Batch<'_>, kept: &request::Act) -> Result<(), RegisterError> {
        let Some(first) = self.results.iter().position(Option::is_none) else { return Ok(()) };
        let rest = request::results(&batch.tx, kept, first as u32, kept.targets)?;
        let (scope, kind) = (&self.request.scope, self.request.action.kind());
        for (place, result) in self.results[first..].iter_mut().zip(rest) {
            place.get_or_insert_with(|| act::within(scope, kind, result));
        }
        Ok(())
    }

    fn outcome(self, places: &[usize]) -> Result<ActionOutcome, RegisterError> {
        let act = self.act.filter(|a| a.changed > 0);
        let at = act.as_ref().map_or(self.request.actor.at, |a| a.at);
        let damaged = || RegisterError::Bad("the results of this request are damaged".into());
        let each: Option<Vec<RowResult>> = self.results.into_iter().collect();
        let each = each.ok_or_else(damaged)?;
        // Mostly every alert is named once.
        let results = match places.len() == each.len() {
            true => each,
            false => places.iter().map(|n| each[*n].clone()).collect(),
        };
        Ok(ActionOutcome {
            act: act.map_or(0, |a| a.id.cast_unsigned()),
            undo_until: at.plus_ms(Undo::WITHIN_MS),
            repeated: self.repeated,
            results,
        })
    }
}
