use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use ioc_model::{
    Actor, Body, Choice, Detection, Entry, Flush, PersonalError, PersonalFilter, PersonalStore,
    Private, Record, Scope, ScopePart, Seal, Sealed, Timestamp,
};
use tempfile::TempDir;

use super::*;

const NOW: Timestamp = Timestamp(1_763_800_000_000);

struct World {
    dir: TempDir,
    keyring: Arc<Keyring>,
    acts: Arc<Mutex<Vec<AuditAct>>>,
    audit_fails: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let keep = [("traffic".to_owned(), vec!["red_light".to_owned()])].into();
        let config = PersonalConfig { keep, keep_days: 30 };
        let keyring = Keyring::open(&dir.path().join("keys"), config).expect("opens");
        Self { dir, keyring: Arc::new(keyring), acts: Arc::default(), audit_fails: Arc::default() }
    }

    fn db(&self) -> PersonalDb {
        let (acts, fails) = (Arc::clone(&self.acts), Arc::clone(&self.audit_fails));
        let audit: Audit = Arc::new(move |act| {
            if fails.load(SeqCst) {
                return Err("no room on the disk".into());
            }
            acts.lock().expect("lock").push(act.clone());
            Ok(())
        });
        let path = self.dir.path().join("personal.sqlite");
        PersonalDb::open(&path, Arc::clone(&self.keyring), audit).expect("opens")
    }

    fn sealed(&self, now: Timestamp, plate: &str) -> Sealed {
        let private = Private { plate: Some(plate), snapshot: Some("http://nvr/1.jpg") };
        self.keyring.seal("traffic", "red_light", now, &private).expect("sealed")
    }

    fn seen(&self, device: &str, day: i64, plate: &str) -> Entry {
        let time = NOW.plus_ms(day * DAY_MS);
        let personal = Some(Box::new(self.sealed(time, plate)));
        let detection = Detection { kind: "red_light".into(), personal, ..Detection::default() };
        Entry::Record(Record {
            device: device.into(),
            area: "hai_chau".into(),
            service: "traffic".into(),
            source: 0,
            time,
            received: time,
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Detection(Box::new(detection)),
        })
    }

    fn acts(&self) -> Vec<AuditAct> {
        self.acts.lock().expect("lock").clone()
    }
}

fn tick() -> Entry {
    Entry::Tick(NOW)
}

fn lan() -> Actor {
    Actor { user: "lan".into(), origin: Some("10.0.0.7".into()), at: NOW }
}

fn all() -> PersonalFilter {
    PersonalFilter { limit: 100, ..PersonalFilter::of(Scope::city()) }
}

fn ids(db: &PersonalDb, filter: &PersonalFilter) -> Vec<u64> {
    db.list(filter).expect("lists").iter().map(|r| r.id).collect()
}

#[test]
fn rows_are_listed_masked_newest_first_and_filtered() {
    let w = World::new();
    let db = w.db();
    let entries = [
        tick(),
        w.seen("cam-1", 0, "51F-123.45"),
        w.seen("cam-2", 1, "43C1-678.90"),
        tick(),
        w.seen("cam-1", 2, "51F 12345"),
    ];
    db.append(10, &entries).expect("taken");
    assert_eq!(db.flush(Flush::Due).expect("durable"), 15);
    let rows = db.list(&all()).expect("lists");
    assert_eq!(rows.iter().map(|r| r.id).collect::<Vec<_>>(), [14, 12, 11]);
    assert_eq!((&*rows[0].mask, &*rows[1].mask), ("51F-***.45", "43C*-***.90"));
    assert!(rows[0].has_snapshot && rows[0].expires == Timestamp((20_416 + 31) * DAY_MS));
    assert_eq!(rows[0].pseudonym, rows[2].pseudonym, "one vehicle");
    assert_ne!(rows[0].pseudonym, rows[1].pseudonym);
    assert_eq!(rows[0].pseudonym.len(), 16);
    let text = format!("{rows:?}");
    assert!(!text.contains("51F1") && !text.contains("123.45") && !text.contains("nvr"), "{text}");

    let pseudonym = u64::from_str_radix(&rows[0].pseudonym, 16).expect("hexadecimal");
    let of = |f: PersonalFilter| ids(&db, &PersonalFilter { limit: 100, ..f });
    let none = PersonalFilter::of(Scope::city());
    assert_eq!(of(PersonalFilter { device: Some("cam-1".into()), ..none.clone() }), [14, 11]);
    assert_eq!(of(PersonalFilter { pseudonym: Some(pseudonym), ..none.clone() }), [14, 11]);
    assert_eq!(of(PersonalFilter { pseudonym: Some(0), ..none.clone() }), Vec::<u64>::new());
    assert_eq!(of(PersonalFilter { before: Some(14), ..none.clone() }), [12, 11]);
    let day = Some(NOW.plus_ms(DAY_MS));
    assert_eq!(of(PersonalFilter { from: day, ..none.clone() }), [14, 12]);
    assert_eq!(of(PersonalFilter { to: day, ..none }), [11]);
    assert_eq!(ids(&db, &PersonalFilter { limit: 1, ..all() }), [14]);
}

#[test]
fn a_view_is_in_the_audit_log_before_anything_is_shown() {
    let w = World::new();
    let db = w.db();
    db.append(0, &[w.seen("cam-1", 0, "51F-123.45")]).expect("taken");
    db.flush(Flush::All).expect("durable");
    w.audit_fails.store(true, SeqCst);
    let refused = db.reveal(0, &Scope::city(), "accident 12/2025", &lan());
    assert!(matches!(refused, Err(PersonalError::Store(_))), "{refused:?}");
    w.audit_fails.store(false, SeqCst);
    assert_eq!(w.acts(), []);
    let shown = db.reveal(0, &Scope::city(), "accident 12/2025", &lan()).expect("shown");
    assert_eq!(shown.plate.as_deref(), Some("51F-123.45"));
    assert_eq!(shown.snapshot.as_deref(), Some("http://nvr/1.jpg"));
    let detail = format!(
        r#"{{"device":"cam-1","kind":"red_light","row":0,"time":{}}}"#,
        serde_json::json!(NOW)
    );
    let act = AuditAct {
        action: "personal_viewed",
        actor: lan(),
        note: Some("accident 12/2025".into()),
        detail,
    };
    assert_eq!(w.acts(), [act]);
}

#[test]
fn what_is_not_there_is_not_shown_and_not_audited() {
    let w = World::new();
    let refused = w.db().reveal(7, &Scope::city(), "a reason for it", &lan());
    assert!(matches!(refused, Err(PersonalError::NotThere)), "{refused:?}");
    assert_eq!(w.acts(), []);
}

#[test]
fn a_restart_reads_on_and_a_repeated_batch_adds_nothing() {
    let w = World::new();
    let entries = [w.seen("cam-1", 0, "51F-123.45"), tick(), w.seen("cam-1", 0, "51F-123.46")];
    {
        let db = w.db();
        db.append(0, &entries[..2]).expect("taken");
        assert_eq!(db.flush(Flush::Due).expect("durable"), 2);
        db.append(2, &entries[2..]).expect("taken");
        // Killed before the next flush.
    }
    let db = w.db();
    assert_eq!(db.cursor(), 2);
    db.append(0, &entries).expect("taken again");
    assert_eq!(db.flush(Flush::All).expect("durable"), 3);
    assert_eq!(ids(&db, &all()), [2, 0]);
}

#[test]
fn a_cursor_without_rows_is_written_when_it_has_moved_far() {
    let w = World::new();
    let db = w.db();
    db.append(0, &vec![tick(); 19_999]).expect("taken");
    assert_eq!(db.flush(Flush::Due).expect("nothing to do"), 0);
    db.append(19_999, &[tick()]).expect("taken");
    assert_eq!(db.flush(Flush::Due).expect("durable"), 20_000);
    db.append(20_000, &[tick()]).expect("taken");
    assert_eq!(db.flush(Flush::All).expect("durable"), 20_001);
}

#[test]
fn age_deletes_rows_and_keys_and_is_told_once() {
    let w = World::new();
    let db = w.db();
    let entries =
        [w.seen("cam-1", 0, "51F-123.45"), w.seen("cam-1", 0, "51F-1"), w.seen("cam-1", 5, "x")];
    db.append(0, &entries).expect("taken");
    db.flush(Flush::All).expect("durable");
    let end = w.keyring.expires(20_414);
    assert_eq!(db.expire(end.plus_ms(-1)).expect("nothing due"), Expired::default());
    assert_eq!(ids(&db, &all()), [2, 1, 0]);

    w.audit_fails.store(true, SeqCst);
    assert!(db.expire(end).is_err(), "the audit log was not told");
    assert_eq!(ids(&db, &all()), [2], "deleted all the same");
    w.audit_fails.store(false, SeqCst);
    assert_eq!(db.expire(end).expect("told"), Expired { rows: 2, days: 1 });
    assert_eq!(db.expire(end).expect("nothing due"), Expired::default());
    let acts = w.acts();
    assert_eq!(acts.len(), 1);
    let act = (acts[0].action, &*acts[0].actor.user, &*acts[0].detail);
    assert_eq!(act, ("personal_expired", "system", r#"{"days":1,"rows":2}"#));
    assert!(matches!(
        db.reveal(0, &Scope::city(), "too late for it", &lan()),
        Err(PersonalError::NotThere)
    ));
    assert_eq!(
        db.reveal(2, &Scope::city(), "still there now", &lan()).expect("kept").plate.as_deref(),
        Some("x")
    );
}

#[test]
fn an_old_journal_gives_nothing_back_once_the_key_is_gone() {
    let w = World::new();
    let old = w.seen("cam-1", 0, "51F-123.45");
    let mut bytes = Vec::new();
    ioc_model::encode_batch(std::slice::from_ref(&old), &mut bytes);
    w.db().expire(w.keyring.expires(20_414)).expect("expired");
    // A copy of the journal is read again into a new file.
    let entries = ioc_model::decode_batch(&bytes).expect("reads");
    let db = w.db();
    db.append(0, &entries).expect("taken");
    assert_eq!(db.flush(Flush::All).expect("durable"), 1);
    assert_eq!(ids(&db, &all()), Vec::<u64>::new());
    let Entry::Record(Record { body: Body::Detection(d), .. }) = &entries[0] else {
        unreachable!("it is a detection")
    };
    let sealed = d.personal.as_ref().expect("sealed");
    assert!(w.keyring.open_sealed(sealed).is_none());
    // Nor does a new key of the same day open it.
    w.sealed(NOW, "51F-123.45");
    assert!(w.keyring.holds(sealed.key) && w.keyring.open_sealed(sealed).is_none());
    let db = w.db();
    db.append(1, &entries).expect("taken");
    db.flush(Flush::All).expect("durable");
    assert_eq!(ids(&db, &all()), Vec::<u64>::new());
}

#[test]
fn deleted_rows_leave_no_bytes_in_the_files() {
    let w = World::new();
    let db = w.db();
    let entries: Vec<Entry> = (0..50).map(|i| w.seen("cam-gone", 0, &format!("51F-{i}"))).collect();
    db.append(0, &entries).expect("taken");
    db.flush(Flush::All).expect("durable");
    let traces = || {
        let files = std::fs::read_dir(w.dir.path()).expect("reads").flatten();
        let bytes = files
            .filter(|f| f.path().is_file())
            .flat_map(|f| std::fs::read(f.path()).expect("reads"));
        let bytes: Vec<u8> = bytes.collect();
        bytes.windows(8).filter(|w| *w == b"cam-gone").count()
    };
    assert!(traces() >= 50);
    db.expire(w.keyring.expires(20_414)).expect("expired");
    assert_eq!(traces(), 0);
}

#[test]
fn a_row_that_somebody_edited_cannot_be_opened() {
    let w = World::new();
    let db = w.db();
    db.append(0, &[w.seen("cam-1", 0, "51F-123.45")]).expect("taken");
    db.flush(Flush::All).expect("durable");
    let edit = "UPDATE detection SET mask = '43A-***.00'";
    assert_eq!(db.writer().db.execute(edit, []).expect("edited"), 1);
    assert!(matches!(
        db.reveal(0, &Scope::city(), "a good reason", &lan()),
        Err(PersonalError::NotThere)
    ));
    assert_eq!(w.acts(), [], "nothing was shown");
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let w = World::new();
    w.db().writer().db.pragma_update(None, "user_version", 2).expect("set");
    let audit: Audit = Arc::new(|_| Ok(()));
    let path = w.dir.path().join("personal.sqlite");
    assert!(PersonalDb::open(&path, Arc::clone(&w.keyring), audit).is_err());
}

#[test]
fn outside_of_a_scope_no_row_is_listed_or_opened() {
    let w = World::new();
    let db = w.db();
    let places = [("hai_chau", "traffic"), ("son_tra", "traffic"), ("hai_chau", "parking")];
    let seen = |(n, (area, service)): (usize, &(&str, &str))| {
        let mut entry = w.seen(&format!("cam-{n}"), 0, "51F-123.45");
        if let Entry::Record(record) = &mut entry {
            (record.area, record.service) = ((*area).into(), (*service).into());
        }
        entry
    };
    let entries: Vec<Entry> = places.iter().enumerate().map(seen).collect();
    db.append(0, &entries).expect("taken");
    db.flush(Flush::All).expect("durable");
    let only = |areas, services| Scope::of([ScopePart { areas, services }]);
    let (ward, service) = (Choice::only(["hai_chau"]), Choice::only(["traffic"]));
    for scope in [
        Scope::city(),
        Scope::nothing(),
        only(ward.clone(), Choice::All),
        only(Choice::All, service.clone()),
        only(ward, service),
        only(Choice::only(["' OR 1=1 --"]), Choice::All),
    ] {
        let inside: Vec<u64> = (0..3)
            .rev()
            .filter(|n| scope.allows(places[*n as usize].0, places[*n as usize].1))
            .collect();
        let filter = PersonalFilter { limit: 100, ..PersonalFilter::of(scope.clone()) };
        assert_eq!(ids(&db, &filter), inside, "{scope:?}");
        for id in 0..3 {
            let acts = w.acts().len();
            let shown = db.reveal(id, &scope, "accident 12/2025", &lan());
            match inside.contains(&id) {
                true => assert!(shown.is_ok() && w.acts().len() == acts + 1),
                // As one that there is not: not even that somebody asked is noted.
                false => {
                    assert!(matches!(shown, Err(PersonalError::NotThere)));
                    assert_eq!(w.acts().len(), acts);
                }
            }
        }
    }
}
