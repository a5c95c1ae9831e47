use std::collections::HashSet;

use super::*;

/// Where an alert can get to from its raise, by anything that can happen.
fn reachable() -> HashSet<State> {
    let mut seen = HashSet::new();
    let mut todo: Vec<State> = [false, true]
        .map(|latched| State {
            condition: Condition::Active,
            acknowledged: false,
            latched,
            work: Work::New,
            shelved: false,
            suppressed: false,
        })
        .into();
    while let Some(state) = todo.pop() {
        if seen.insert(state) {
            todo.extend(Event::all().filter_map(|e| state.after(e).ok()));
        }
    }
    seen
}

#[test]
fn every_state_that_can_be_reached_makes_sense() {
    let reachable = reachable();
    for s in &reachable {
        if s.work == Work::New {
            assert!(!s.acknowledged, "new and seen: {s:?}");
        }
        if matches!(s.work, Work::Acknowledged | Work::Closed) {
            assert!(s.acknowledged, "{s:?}");
        }
        if s.work == Work::Closed {
            assert_eq!(s.condition, Condition::Returned, "closed while it holds: {s:?}");
        }
        if !s.is_open() {
            assert!(!s.shelved && !s.suppressed, "over and held back: {s:?}");
        }
        // Seen, returned, not latched, nobody works on it: nothing would ever close it.
        let forgotten = s.work == Work::Acknowledged && s.condition == Condition::Returned;
        assert!(!forgotten || s.latched, "{s:?}");
    }
    // Every work × condition × acknowledgement that the documents speak of can be reached.
    let kinds: HashSet<_> = reachable.iter().map(|s| (s.work, s.condition)).collect();
    for work in Work::ALL {
        for condition in [Condition::Active, Condition::Returned] {
            let never = work == Work::Closed && condition == Condition::Active;
            assert_eq!(kinds.contains(&(work, condition)), !never, "{work:?} {condition:?}");
        }
    }
}

/// The rules of the table, written a second time as sentences, against all 448 states × all
/// events.
#[test]
fn the_table_says_what_the_sentences_say() {
    for s in State::all() {
        for event in Event::all() {
            let after = s.after(event);
            let open = s.is_open();
            let active = s.condition == Condition::Active;
            let undone = open && s.work != Work::Resolved;
            match event {
                Event::Act(kind) => {
                    let may = match kind {
                        ActionKind::Comment
                        | ActionKind::Link
                        | ActionKind::Merge
                        | ActionKind::Split => true,
                        ActionKind::Acknowledge => {
                            s.work == Work::New
                                || (!s.acknowledged
                                    && matches!(s.work, Work::Assigned | Work::InProgress))
                        }
                        ActionKind::Assign | ActionKind::Resolve | ActionKind::Shelve => undone,
                        ActionKind::Start => undone && s.work != Work::InProgress,
                        ActionKind::Close => open && !active,
                        ActionKind::Reject => open,
                        ActionKind::Unshelve => open && s.shelved,
                    };
                    assert_eq!(after.is_ok(), may, "{kind:?} on {s:?}");
                    let Ok(after) = after else { continue };
                    assert_eq!(after.condition, s.condition, "people change no condition");
                    let looked = [
                        ActionKind::Acknowledge,
                        ActionKind::Assign,
                        ActionKind::Start,
                        ActionKind::Resolve,
                        ActionKind::Close,
                        ActionKind::Reject,
                    ];
                    if looked.contains(&kind) {
                        assert!(after.acknowledged, "{kind:?} on {s:?}");
                    } else {
                        assert_eq!(after.acknowledged, s.acknowledged);
                        assert_eq!(after.work, s.work);
                    }
                }
                Event::Auto(kind) => {
                    let after = after.expect("what happens by itself is never refused");
                    if kind != AutoKind::Clear {
                        assert_eq!(after.condition, s.condition, "{kind:?} on {s:?}");
                    } else {
                        assert_eq!(after.condition, Condition::Returned);
                        let closes = active && s.work == Work::Acknowledged && !s.latched;
                        let want = if closes { Work::Closed } else { s.work };
                        assert_eq!(after.work, want, "{s:?}");
                    }
                    if kind == AutoKind::AutoClose {
                        let closes = s.work == Work::Resolved && !active;
                        assert_eq!(after.work == Work::Closed, closes || s.work == Work::Closed);
                    }
                    // Only acknowledging, returning or somebody's work ends an alert.
                    if open && !after.is_open() {
                        assert!(matches!(kind, AutoKind::Clear | AutoKind::AutoClose));
                    }
                }
                Event::Worse => {
                    let after = after.expect("never refused");
                    // Nothing that got worse stays unseen, however far the work was.
                    if active && s.work != Work::Closed {
                        assert!(!after.acknowledged || s.work == Work::New, "{s:?} {after:?}");
                        assert!(after.is_open(), "{s:?}");
                    }
                    assert!(!after.acknowledged || after == s);
                }
            }
        }
    }
}

#[test]
fn a_refusal_says_why() {
    let s = State {
        condition: Condition::Active,
        acknowledged: true,
        latched: false,
        work: Work::Acknowledged,
        shelved: false,
        suppressed: false,
    };
    let no = |s: State, a| s.after(Event::Act(a)).expect_err("refused");
    assert_eq!(no(s, ActionKind::Acknowledge), RefusedCode::AlreadyDone);
    assert_eq!(no(s, ActionKind::Close), RefusedCode::StillActive);
    assert_eq!(no(s, ActionKind::Unshelve), RefusedCode::AlreadyDone);
    let resolved = State { work: Work::Resolved, ..s };
    assert_eq!(no(resolved, ActionKind::Shelve), RefusedCode::NotAllowed);
    let closed = State { work: Work::Closed, condition: Condition::Returned, ..s };
    assert_eq!(no(closed, ActionKind::Reject), RefusedCode::AlreadyDone);
}

/// A row that an earlier one hides, or that no state can reach, is a mistake in the table.
#[test]
fn every_row_of_the_table_is_needed() {
    let reachable = reachable();
    for (n, row) in TABLE.iter().enumerate() {
        let first =
            |s: &State| TABLE.iter().position(|r| r.on == row.on && r.when.fits(*s)) == Some(n);
        assert!(reachable.iter().any(first), "row {n}, {}", row.on.word());
    }
}

#[test]
fn the_documents_show_this_table() {
    let text = include_str!("../../../docs/alerts.md");
    assert!(text.contains(&markdown()), "docs/alerts.md should hold:\n{}", markdown());
}
