//! A request on so many alerts that it takes several transactions, cut off between two of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ioc_alerts::{Register, RegisterParts, verify};
use ioc_model::{
    Action, ActionRequest, Actor, AlertFilter, AlertStore, Scope, Severity, Target, TransitionKind,
};

use crate::bench::folder;
use crate::world::{self, START};

const ALERTS: usize = 600;
/// Alerts of one transaction, as `register/bulk.rs` has it.
const CHUNK: usize = 100;

/// Opens the register at `path`; after its commit number `at` (from 1) the files are copied to
/// `image`, which is what a crash right there would leave.
fn open(path: &Path, image: &Path, at: usize) -> Register {
    let (from, to, commits) = (path.to_owned(), image.to_owned(), AtomicUsize::new(0));
    let listener = Arc::new(move |_: &ioc_model::AlertChanges| {
        if commits.fetch_add(1, Ordering::SeqCst) + 1 == at {
            std::fs::copy(&from, &to).expect("copies");
            std::fs::copy(wal(&from), wal(&to)).expect("copies");
        }
    });
    let (city, policy) = (Arc::new(world::city()), Arc::new(world::policy()));
    Register::open(path, RegisterParts { city, policy, listener }).expect("opens")
}

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[test]
fn a_bulk_request_cut_off_between_two_transactions_goes_on_with_its_key_and_doubles_nothing() {
    for cut in 1..=3 {
        let dir = folder();
        let (path, image) = (dir.path().join("a.sqlite"), dir.path().join("b.sqlite"));
        // The raises are the first commit.
        let register = open(&path, &image, 1 + cut);
        let raises: Vec<_> = (0..ALERTS)
            .map(|n| {
                let kind = (TransitionKind::Raise, Severity::Major);
                world::transition((n as u64, 5), START.plus_ms(n as i64), START, kind)
            })
            .collect();
        register.apply(ALERTS as u64, &raises).expect("applies");
        let request = ActionRequest {
            targets: raises
                .iter()
                .map(|t| Target { alert: t.alert.clone(), version: Some(1) })
                .collect(),
            action: Action::Acknowledge { note: None },
            actor: Actor { user: "lan".into(), origin: None, at: START },
            key: Some("k".into()),
            scope: Scope::city(),
        };
        let whole = register.act(&request).expect("acts");
        assert!(whole.results.iter().all(|r| r.refused.is_none()));
        drop(register);

        let register = open(&image, &path, 0);
        let seen = AlertFilter {
            acknowledged: Some(true),
            limit: ALERTS,
            ..AlertFilter::of(Scope::city())
        };
        let (rows, _) = register.list(&seen).expect("lists");
        assert_eq!(rows.len(), (cut * CHUNK).min(ALERTS), "what was committed before the crash");
        let rest = register.act(&request).expect("goes on");
        assert_eq!(rest.results, whole.results);
        assert_eq!(rest.act, whole.act);
        let again = register.act(&request).expect("repeats");
        assert!(again.repeated);
        assert_eq!(again.results, whole.results);
        assert_eq!(register.list(&seen).expect("lists").0.len(), ALERTS);
        let report = verify(&image, None, &mut |_, _| {}).expect("verifies");
        assert_eq!((report.first_bad, report.lines), (None, 2 * ALERTS as u64));
    }
}
