//! A store of three detections with personal data.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ioc_model::{
    Actor, PersonalError, PersonalFilter, PersonalRow, PersonalStore, Revealed, Scope, Timestamp,
};

use super::NOON;

#[derive(Default)]
pub(crate) struct FakePersonal {
    pub filters: Mutex<Vec<PersonalFilter>>,
    /// `id user reason` of each view.
    pub views: Mutex<Vec<String>>,
    pub audit_fails: AtomicBool,
}

pub(crate) fn personal_row(id: u64) -> PersonalRow {
    PersonalRow {
        id,
        device: "cam-1".into(),
        area: "hai_chau".into(),
        service: "traffic".into(),
        kind: "red_light".into(),
        time: Timestamp(NOON),
        mask: "51F-***.45".into(),
        pseudonym: "00000000000000ff".into(),
        has_snapshot: true,
        expires: Timestamp(NOON + 1),
    }
}

impl PersonalStore for FakePersonal {
    fn list(&self, filter: &PersonalFilter) -> Result<Vec<PersonalRow>, PersonalError> {
        self.filters.lock().expect("no panic").push(filter.clone());
        let before = filter.before.unwrap_or(u64::MAX);
        let rows = [3, 2, 1].into_iter().filter(|id| *id < before).map(personal_row);
        let rows = rows.filter(|r| filter.scope.allows(&r.area, &r.service));
        Ok(rows.take(filter.limit).collect())
    }

    fn reveal(
        &self,
        id: u64,
        scope: &Scope,
        reason: &str,
        actor: &Actor,
    ) -> Result<Revealed, PersonalError> {
        let row = personal_row(id);
        if !(1..=3).contains(&id) || !scope.allows(&row.area, &row.service) {
            return Err(PersonalError::NotThere);
        }
        if self.audit_fails.load(Relaxed) {
            return Err(PersonalError::Store("disk /var/lib/x is full".into()));
        }
        self.views.lock().expect("no panic").push(format!("{id} {} {reason}", actor.user));
        Ok(Revealed { plate: Some("51F-123.45".into()), snapshot: None })
    }
}
