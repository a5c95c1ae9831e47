//! Figure 3: whatever the server does, the good points are stored once, the bad ones are dead
//! letters with a reason, and it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use ioc_model::{Entry, HistoryStore};
use ioc_tests::influx_fake::Misbehave::{
    self, Garbage, Hang, Reset, ResetAfterStore, Slow, Status, StoreAnd,
};

use crate::support::{Setup, flush_to, now_ms, reading, readings};

const RECORDS: usize = 5_000;

/// Why a record of the mixed batches is bad.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bad {
    Malformed,
    Unprocessable,
    Unwritable,
}

/// Bad records lie alone, in a row, at the ends, and close together.
fn bad(i: usize) -> Option<Bad> {
    match i {
        0 | 4_999 | 2_500..=2_503 => Some(Bad::Malformed),
        777 | 778 | 3_000 | 4_000 | 4_010 | 4_020 => Some(Bad::Unprocessable),
        1_234 | 1_235 | 3_333 => Some(Bad::Unwritable),
        _ => None,
    }
}

fn mixed() -> Vec<Entry> {
    let mut entries = readings(0, RECORDS);
    entries[1_234] = reading("air", "line\nend", now_ms(), 1.0);
    entries[1_235] = reading("air", "st-1", now_ms(), f64::NAN);
    entries[3_333] = reading("_air", "gone\\", now_ms(), 1.0);
    entries
}

fn marks(what: Bad) -> Vec<String> {
    (0..RECORDS).filter(|i| bad(*i) == Some(what)).map(|i| format!("value={i},")).collect()
}

/// Lets the server misbehave so, then answer; everything must come out right.
async fn check(name: &str, script: Vec<Misbehave>) {
    let mut s = Setup::new().await;
    s.config.timeout_ms = 300;
    // One lane makes the batch of 5,000 one; several send their parts of it.
    for in_flight in [1, 4] {
        s.folder = tempfile::tempdir().expect("folder");
        s.config.token_file = Some(s.folder.path().join("token"));
        std::fs::write(s.folder.path().join("token"), ioc_tests::influx_fake::TOKEN)
            .expect("token");
        s.config.in_flight = in_flight;
        let (stored, dead) = s.counted();
        let steps = script.len() * in_flight;
        {
            let mut world = s.fake.world();
            *world = Default::default();
            world.malformed = marks(Bad::Malformed);
            world.unprocessable = marks(Bad::Unprocessable);
            // Every lane meets every step.
            world.script = script.iter().flat_map(|m| vec![m.clone(); in_flight]).collect();
        }
        let store = s.open().await;
        let entries = mixed();
        store.append(0, &entries).await.expect("append");
        flush_to(&store, RECORDS as u64).await;

        s.assert_stored(entries.iter().enumerate().filter(|(i, _)| bad(*i).is_none()).map(|e| e.1));
        let letters = store.dead_letters(1_000).await.expect("letters");
        let expect: BTreeSet<u64> =
            (0..RECORDS).filter(|i| bad(*i).is_some()).map(|i| i as u64).collect();
        let got: BTreeSet<u64> = letters.iter().map(|l| l.1.position).collect();
        assert_eq!((letters.len(), got), (expect.len(), expect), "{name}");
        for (_, letter) in &letters {
            let begin = match bad(letter.position as usize).expect("is bad") {
                Bad::Malformed => "400: unable to parse 'air,",
                Bad::Unprocessable => {
                    "422: failure writing points to database: partial write: marked"
                }
                Bad::Unwritable => {
                    let known = ["control character", "finite", "begins with"];
                    assert!(known.iter().any(|k| letter.reason.contains(k)), "{name} {letter:?}");
                    continue;
                }
            };
            assert!(letter.reason.contains(begin), "{name} {letter:?}");
            let value = format!("value={},", letter.position);
            assert!(letter.line.contains(&value), "{name} {letter:?}");
        }
        let n = letters.len() as u64;
        let now = s.counted();
        assert_eq!((now.0 - stored, now.1 - dead), (RECORDS as u64 - n, n), "{name}");

        // Each refused line: two requests a level, and 16 single lines; each step: itself, and one
        // for the `Retry-After`, and the halves of one batch.
        let most = in_flight + 12 * (2 * 13 + 16) + steps * 4;
        let sent = s.fake.world().log.len();
        assert!(sent <= most, "{name}: {sent} requests, at most {most}");
        assert!(s.fake.world().script.is_empty(), "{name}: every step was met");
        store.flush(ioc_model::Flush::All).await.expect("flush");
        store.close().await;
        assert_eq!(s.fake.world().log.len(), sent, "{name}: nothing is sent again");
    }
}

macro_rules! matrix {
    ($($name:ident: [$($step:expr),* $(,)?];)*) => {
        $(#[tokio::test]
        async fn $name() {
            check(stringify!($name), vec![$($step),*]).await;
        })*
    };
}

fn asked(status: u16, wait: &str) -> Misbehave {
    Status(status, Some(wait.into()))
}

matrix! {
    a_server_that_answers: [];
    success_in_other_words: [StoreAnd(200), StoreAnd(201), StoreAnd(202)];
    hangs: [Hang, Hang];
    resets_before_storing: [Reset, Reset];
    resets_after_storing: [ResetAfterStore, ResetAfterStore];
    answers_after_the_time_out: [Slow(Duration::from_millis(500))];
    says_400_to_all: [Status(400, None)];
    says_413_to_all: [Status(413, None)];
    says_422_to_all: [Status(422, None)];
    says_401: [Status(401, None), Status(401, None)];
    says_403: [Status(403, None), Status(403, None)];
    says_404: [Status(404, None), Status(404, None)];
    says_408: [Status(408, None), Status(408, None)];
    says_429: [Status(429, None)];
    says_429_with_a_wait: [asked(429, "0"), asked(429, "0")];
    says_429_with_a_date: [asked(429, "Sun, 06 Nov 1994 08:49:37 GMT")];
    says_429_with_an_unreadable_wait: [asked(429, "soon")];
    says_429_with_a_wait_of_a_year: [asked(429, "31536000")];
    says_500: [Status(500, None), Status(500, None)];
    says_500_and_stores: [StoreAnd(500), StoreAnd(500)];
    says_503: [Status(503, None), asked(503, "0")];
    redirects: [Status(302, None), Status(307, None)];
    talks_garbage: [
        Garbage(500, b"\xff\xfe\0\x1b[31m"),
        Garbage(422, b"dropped=99999999999999999999999"),
        Garbage(503, b"<html>"),
    ];
    is_the_page_of_a_login: [Garbage(200, b"<!DOCTYPE html><title>Wi-Fi</title>")];
    does_one_after_the_other: [
        Hang,
        Status(503, None),
        ResetAfterStore,
        Status(401, None),
        Status(413, None),
        StoreAnd(502),
    ];
}

#[tokio::test]
async fn refuses_connections_in_between() {
    let mut s = Setup::new().await;
    {
        let mut world = s.fake.world();
        world.malformed = marks(Bad::Malformed);
        world.unprocessable = marks(Bad::Unprocessable);
    }
    s.fake.stop().await;
    let store = s.open().await;
    let entries = mixed();
    store.append(0, &entries).await.expect("append");
    assert_eq!(store.flush(ioc_model::Flush::All).await.expect("flush"), 0);
    s.fake.restart().await.expect("same port");
    flush_to(&store, RECORDS as u64).await;
    s.assert_stored(entries.iter().enumerate().filter(|(i, _)| bad(*i).is_none()).map(|e| e.1));
    assert_eq!(s.counted(), (RECORDS as u64 - 15, 15));
}

#[tokio::test]
async fn a_batch_of_bad_lines_only_costs_a_bounded_number_of_requests() {
    for (malformed, most) in [(true, 2 * 500), (false, 500 + 1)] {
        let mut s = Setup::new().await;
        s.config.in_flight = 1;
        let mark = vec!["air,".to_owned()];
        match malformed {
            true => s.fake.world().malformed = mark,
            false => s.fake.world().unprocessable = mark,
        }
        let store = s.open().await;
        store.append(0, &readings(0, 500)).await.expect("append");
        flush_to(&store, 500).await;
        assert_eq!(s.counted(), (0, 500));
        assert_eq!(store.dead_letters(1_000).await.expect("letters").len(), 500);
        let sent = s.fake.world().log.len();
        assert!(sent <= most, "{sent} requests, at most {most}");
    }
}
