//! Clocks that are off, and what is delivered twice whatever the clocks say.

use ioc_model::{ClockState, ReceivedStore, Record};

use super::*;

const HOUR: i64 = 3_600_000;
const DEVICE: &str = "air-1";

fn stated(time: i64, seq: Option<u64>, pm25: f64) -> String {
    let seq = seq.map_or(String::new(), |s| format!(r#""seq":{s},"#));
    format!(r#"{{"time":{time},{seq}"values":{{"pm25":{pm25}}}}}"#)
}

/// Hands in one message that arrives `after` ms later than the first of the test.
async fn hand_in(r: &Rig, payload: &str, after: i64) -> Outcome {
    let received = RECEIVED.plus_ms(after);
    let message = Incoming { topic: TOPIC, payload: payload.as_bytes(), retain: false, received };
    let submitted = r.intake.submit(&r.door, &CLIENT, &[message]).await.expect("room");
    r.sink.commit(Ok(()));
    submitted.durable.await.expect("durable");
    submitted.outcomes.into_iter().next().expect("one")
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted | Outcome::Warned { .. })
}

/// The journal as the next process reads it.
fn journal(r: &Rig) -> Vec<Record> {
    let entries: Vec<_> =
        r.sink.taken.lock().expect("lock").iter().cloned().map(Entry::Record).collect();
    let mut bytes = Vec::new();
    ioc_model::encode_batch(&entries, &mut bytes);
    let read = ioc_model::decode_batch(&bytes).expect("what was written");
    let record = |e| match e {
        Entry::Record(r) => r,
        Entry::Tick(_) => unreachable!("no tick was written"),
    };
    read.into_iter().map(record).collect()
}

fn restarted(before: &Rig) -> Rig {
    let r = rig(IntakeConfig::default());
    journal(before).iter().for_each(|record| r.intake.remember(record));
    r
}

#[tokio::test]
async fn a_redelivery_is_known_across_clients_doors_restarts_and_clocks() {
    for ahead in [-HOUR, 0, 300_000, 300_001, HOUR] {
        for seq in [None, Some(0), Some(7)] {
            let about = format!("{ahead} ms ahead, seq {seq:?}");
            let payload = stated(RECEIVED.0 + ahead, seq, 35.1);
            let r = rig(IntakeConfig::default());
            assert!(is_accepted(&hand_in(&r, &payload, 0).await), "{about}");
            // Later by more than the clock is ahead: no longer outside the bound.
            for after in [1, 60_000, 2 * HOUR] {
                assert_eq!(hand_in(&r, &payload, after).await, Outcome::Duplicate, "{about}");
            }
            let (other, door) = (Client::trusted("other"), r.intake.source("subscriber"));
            let again = r.intake.submit(&door, &other, &[message(TOPIC, &payload)]).await;
            assert_eq!(again.expect("room").outcomes, [Outcome::Duplicate], "{about}");

            let r = restarted(&r);
            for after in [1, 60_000, 2 * HOUR] {
                let outcome = hand_in(&r, &payload, after).await;
                assert_eq!(outcome, Outcome::Duplicate, "restarted, {about}");
            }
            assert_eq!(r.sink.taken(), 0);
        }
    }
}

#[tokio::test]
async fn a_reading_first_delivered_late_is_known_when_it_comes_within_the_bound_no_more() {
    // The second delivery has the smaller time of arrival: our clock was set back between.
    let r = rig(IntakeConfig::default());
    let payload = stated(RECEIVED.0 + 400_000, None, 35.1);
    assert!(is_accepted(&hand_in(&r, &payload, 200_000).await));
    assert_eq!(hand_in(&r, &payload, 0).await, Outcome::Duplicate);
    assert_eq!(hand_in(&restarted(&r), &payload, 0).await, Outcome::Duplicate);
}

#[tokio::test]
async fn a_counter_that_begins_anew_is_no_duplicate() {
    for ahead in [0, HOUR] {
        let r = rig(IntakeConfig::default());
        for boot in 0..3 {
            for seq in 0..3 {
                // Nothing moves: the value is the same all the time.
                let after = (boot * 3 + seq) * 60_000;
                let payload = stated(RECEIVED.0 + ahead + after, Some(seq as u64), 35.1);
                let outcome = hand_in(&r, &payload, after).await;
                assert!(
                    is_accepted(&outcome),
                    "ahead {ahead}, boot {boot}, seq {seq}: {outcome:?}"
                );
            }
        }
        assert_eq!(r.sink.taken(), 9);
    }
}

#[tokio::test]
async fn a_device_whose_clock_is_ahead_is_told_once_a_minute_and_its_readings_are_kept() {
    let r = rig(IntakeConfig::default());
    let mut told = Vec::new();
    for second in 0..130 {
        let after = second * 1_000;
        let payload = stated(RECEIVED.0 + HOUR + after, None, 35.1);
        match hand_in(&r, &payload, after).await {
            Outcome::Warned { reason: QuarantineReason::ClockAhead, .. } => told.push(second),
            Outcome::Accepted => {}
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(told, [0, 60, 120]);
    let received = r.intake.inbox().received(DEVICE).expect("known");
    assert_eq!((received.clock, received.skew_ms), (ClockState::Ahead, Some(-HOUR)));
    assert_eq!((received.accepted, received.cadence_s), (130, Some(1.0)));
    assert!(journal(&r).iter().all(|r| r.clock_clamped && r.time == r.received));
    assert_eq!(r.counts(), [130, 130, 0, 0, 0, 130, 0]);

    hand_in(&r, &stated(RECEIVED.0 + 200_000, None, 35.1), 200_000).await;
    assert_eq!(r.intake.inbox().received(DEVICE).expect("known").clock, ClockState::Good);
}

#[tokio::test]
async fn a_device_whose_clock_is_behind_is_told_and_its_readings_keep_their_time() {
    let r = rig(IntakeConfig::default());
    let mut told = Vec::new();
    for minute in 0..8 {
        let after = minute * 60_000;
        let payload = stated(RECEIVED.0 - HOUR + after, Some(minute as u64), 35.1);
        match hand_in(&r, &payload, after).await {
            Outcome::Warned { reason: QuarantineReason::ClockBehind, detail } => {
                assert!(detail.contains("`air-1`") && detail.contains("3600 s"), "{detail}");
                told.push(minute);
            }
            Outcome::Accepted => {}
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(told, [4, 5, 6, 7], "from the fifth on, once a minute");
    let received = r.intake.inbox().received(DEVICE).expect("known");
    assert_eq!((received.clock, received.skew_ms), (ClockState::Behind, Some(HOUR)));
    let kept = journal(&r);
    assert!(kept.iter().all(|r| !r.clock_clamped && r.received.since_ms(r.time) == HOUR));
    assert!(kept.iter().zip(0..).all(|(r, seq)| r.seq == Some(seq)));
}

#[tokio::test]
async fn a_back_fill_and_a_brokers_repeats_are_no_clock_that_is_behind() {
    let r = rig(IntakeConfig::default());
    // An hour of one reading a minute comes in two minutes, then life goes on.
    for i in 0..60 {
        let payload = stated(RECEIVED.0 - HOUR + i * 60_000, Some(i as u64), 35.1);
        assert_eq!(hand_in(&r, &payload, i * 2_000).await, Outcome::Accepted, "{i}");
    }
    let received = r.intake.inbox().received(DEVICE).expect("known");
    assert_eq!((received.clock, received.cadence_s), (ClockState::Good, Some(60.0)));

    let r = rig(IntakeConfig::default());
    for i in 0..20 {
        let payload = stated(RECEIVED.0 - HOUR + i, None, 35.1);
        let (retain, received) = (true, RECEIVED.plus_ms(i * 60_000));
        let message = Incoming { topic: TOPIC, payload: payload.as_bytes(), retain, received };
        r.intake.submit(&r.door, &CLIENT, &[message]).await.expect("room");
    }
    let received = r.intake.inbox().received(DEVICE).expect("known");
    assert_eq!((received.clock, received.skew_ms), (ClockState::Good, None));
}

#[tokio::test]
async fn without_a_bound_nobody_is_told_about_clocks() {
    let r = rig(IntakeConfig { clock_limit_ms: None, ..IntakeConfig::default() });
    for i in 0..10 {
        for off in [HOUR, -HOUR] {
            let payload = stated(RECEIVED.0 + off + i, None, 35.1);
            assert_eq!(hand_in(&r, &payload, i * 60_000).await, Outcome::Accepted);
        }
    }
}
