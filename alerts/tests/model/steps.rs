//! Random steps. They name alerts, requests and holds by small numbers, so that a failing
//! sequence can be made shorter and still means something.

use proptest::prelude::*;

/// What one step does, and how it ends.
#[derive(Clone, Debug)]
pub struct Step {
    /// Wall time that passes before it, s.
    pub after_s: u16,
    pub what: What,
    pub crash: Option<Crash>,
}

#[derive(Clone, Debug)]
pub enum What {
    /// The rules find that, in journal entries of their own or in one.
    Apply(Vec<Found>, bool),
    /// Somebody does something to alerts (numbers of alerts), perhaps with a key.
    Act {
        who: u8,
        targets: Vec<(u8, Version)>,
        action: Do,
        key: Option<u8>,
    },
    /// The request of that many requests ago once more.
    Repeat(u8),
    /// That request is taken back.
    Undo {
        request: u8,
        who: u8,
    },
    /// Time passes, minutes.
    Tick(u16),
    Hold {
        scope: u8,
        in_min: u8,
        for_min: u8,
        out_of_service: bool,
    },
    EndHold(u8),
    /// The journal once more, from that many entries ago.
    Replay(u8),
}

#[derive(Clone, Copy, Debug)]
pub enum Version {
    Any,
    Present,
    Old,
}

/// What a rule finds about a slot: a raise if no episode runs.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    Severity(u8, u8),
    Clear(u8),
    /// What no rule should say: a raise again, a clear of what never was.
    Nonsense(u8, u8),
}

#[derive(Clone, Copy, Debug)]
pub enum Do {
    Acknowledge,
    Assign(bool),
    Comment,
    Link,
    Shelve(u8),
    Unshelve,
    Start,
    Resolve,
    Close,
    Reject,
    Merge(u8),
    Split,
}

#[derive(Clone, Copy, Debug)]
pub enum Crash {
    /// All that was committed is on disk; nobody closed anything.
    After,
    /// The last write reached the disk in part: so many 256ths of it.
    Torn(u8),
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..28)
}

fn step() -> impl Strategy<Value = Step> {
    let crash = prop_oneof![
        14 => Just(None),
        1 => Just(Some(Crash::After)),
        1 => any::<u8>().prop_map(|part| Some(Crash::Torn(part))),
    ];
    let after_s = prop_oneof![4 => 0u16..12, 1 => 12u16..400];
    (after_s, what(), crash).prop_map(|(after_s, what, crash)| Step { after_s, what, crash })
}

fn what() -> impl Strategy<Value = What> {
    let targets = proptest::collection::vec((0u8..10, version()), 1..5);
    let key = proptest::option::weighted(0.4, 0u8..4);
    prop_oneof![
        7 => (proptest::collection::vec(found(), 1..4), any::<bool>())
            .prop_map(|(found, one)| What::Apply(found, one)),
        9 => (0u8..2, targets, action(), key)
            .prop_map(|(who, targets, action, key)| What::Act { who, targets, action, key }),
        2 => (0u8..3).prop_map(What::Repeat),
        3 => (0u8..3, 0u8..2).prop_map(|(request, who)| What::Undo { request, who }),
        3 => prop_oneof![3 => 1u16..20, 2 => 20u16..90, 1 => 90u16..2000].prop_map(What::Tick),
        2 => (0u8..6, 0u8..15, 1u8..60, any::<bool>()).prop_map(
            |(scope, in_min, for_min, out_of_service)| What::Hold {
                scope, in_min, for_min, out_of_service
            }
        ),
        1 => (0u8..4).prop_map(What::EndHold),
        1 => (1u8..20).prop_map(What::Replay),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![4 => Just(Version::Any), 2 => Just(Version::Present), 1 => Just(Version::Old)]
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        6 => (0u8..8, 1u8..6).prop_map(|(slot, severity)| Found::Severity(slot, severity)),
        3 => (0u8..8).prop_map(Found::Clear),
        1 => (0u8..8, 0u8..3).prop_map(|(slot, kind)| Found::Nonsense(slot, kind)),
    ]
}

fn action() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => Just(Do::Acknowledge),
        2 => any::<bool>().prop_map(Do::Assign),
        1 => Just(Do::Comment),
        1 => Just(Do::Link),
        2 => (1u8..60).prop_map(Do::Shelve),
        1 => Just(Do::Unshelve),
        2 => Just(Do::Start),
        3 => Just(Do::Resolve),
        2 => Just(Do::Close),
        2 => Just(Do::Reject),
        2 => (0u8..8).prop_map(Do::Merge),
        2 => Just(Do::Split),
    ]
}
