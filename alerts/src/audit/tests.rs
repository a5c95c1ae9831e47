//! What somebody with write access to the files can do, at every record of a log, and what must
//! not be called tampering.

use std::path::{Path, PathBuf};

use ioc_model::{City, ConfigFiles, Evidence, Severity, Text, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::verify::{Known, compare};
use super::*;
use crate::policy::Policy;
use crate::schema;

const LINES: u64 = 90;

struct Bench {
    dir: tempfile::TempDir,
    db: Connection,
}

impl Bench {
    /// A log of `LINES` lines in transactions of three, each seventh with an anchor.
    fn new() -> Self {
        let bench = Self::empty();
        let mut anchors = bench.anchors();
        for first in (1..=LINES).step_by(3) {
            let tx = bench.db.unchecked_transaction().expect("begins");
            for n in first..first + 3 {
                assert_eq!(write(&tx, n), n);
            }
            tx.commit().expect("commits");
            anchors.committed(&bench.db);
            if first % 7 == 0 {
                anchors.anchor();
            }
        }
        drop(anchors);
        bench
    }

    fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = open(&dir.path().join("alerts.sqlite"));
        Self { dir, db }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("alerts.sqlite")
    }

    fn anchor_file(&self) -> PathBuf {
        self.dir.path().join("audit.anchors")
    }

    fn anchors(&self) -> Anchors {
        Anchors::open(&self.anchor_file(), &self.db).expect("opens")
    }

    fn verify(&self, with_anchors: bool) -> Report {
        let file = self.anchor_file();
        let known = Known::open(with_anchors.then_some(&*file)).expect("readable");
        compare(&self.db, known, &mut |_, _| {}).expect("verifies")
    }

    /// Does `tamper`, verifies, and takes it back.
    fn after(&self, with_anchors: bool, tamper: impl FnOnce(&Connection)) -> Report {
        self.db.execute_batch("BEGIN").expect("begins");
        tamper(&self.db);
        let report = self.verify(with_anchors);
        self.db.execute_batch("ROLLBACK").expect("rolls back");
        report
    }

    /// The same, with the files known to nobody; the first record that is not as it was.
    fn first_bad(&self, what: &str, tamper: impl FnOnce(&Connection)) -> Bad {
        let before = lines(&self.db);
        let mut first = None;
        let report = self.after(false, |db| {
            tamper(db);
            let after = lines(db);
            let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
            let next = after.get(same).map_or(same as i64 + 1, |line| number(&line[0]));
            first = Some((same as i64 + 1).min(next).max(0).cast_unsigned());
        });
        let bad = report.first_bad.unwrap_or_else(|| unreachable!("not found: {what}"));
        assert_eq!(Some(bad.seq), first, "{what}: {bad:?}");
        assert_eq!(report.lines, bad.seq.saturating_sub(1), "{what}");
        bad
    }
}

fn open(path: &Path) -> Connection {
    let mut db = schema::open(path).expect("opens");
    let policy = Policy::load(&ConfigFiles::default(), &City::default()).expect("the defaults");
    schema::take_over(&mut db, &policy).expect("takes over");
    db
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(n) => *n,
        _ => unreachable!("a number"),
    }
}

/// Lines of every shape: with and without each optional column, empty ones too.
fn write(tx: &Transaction<'_>, n: u64) -> u64 {
    let text = Text { vi: format!("Lũ {n}"), en: format!("flood {n}") };
    let evidence = Evidence::default();
    let note = format!("note {}", n % 5);
    let bit = |b: u64| n >> b & 1 == 1;
    let line = AuditLine {
        alert: if n.is_multiple_of(11) { "" } else { "0123456789abcdef0123456789abcdef" },
        action: ["raise", "clear", "acknowledge"][n as usize % 3],
        actor: "rule:flood",
        origin: bit(1).then_some(if bit(2) { "" } else { "10.0.0.7" }),
        at: 1_761_588_000_000 + n as i64,
        severity: Severity::Major,
        value: bit(0).then_some([2.5, -0.0, f64::NAN, f64::INFINITY][n as usize % 4]),
        limit: bit(3).then_some(2.0),
        note: bit(2).then_some(if bit(3) { "" } else { &note }),
        message: bit(0).then_some(&text),
        evidence: bit(4).then_some(&evidence),
        detail: bit(3).then_some(r#"{"until":1}"#),
    };
    append(tx, &line).expect("appends")
}

fn lines(db: &Connection) -> Vec<Vec<Value>> {
    let sql = format!("SELECT {}, hash FROM audit ORDER BY seq", chain::COLUMNS);
    let mut select = db.prepare(&sql).expect("prepares");
    let rows = select.query_map([], |r| (0..14).map(|i| r.get(i)).collect()).expect("selects");
    rows.collect::<Result<_, _>>().expect("reads")
}

fn run(db: &Connection, sql: &str) {
    db.execute_batch(sql).expect("a statement");
}

/// Moves all lines from `from` on by `by` numbers.
fn renumber(db: &Connection, from: u64, by: i64) {
    run(db, &format!("UPDATE audit SET seq = -seq WHERE seq >= {from}"));
    run(db, &format!("UPDATE audit SET seq = -seq + {by} WHERE seq < 0"));
}

/// Computes the hashes anew from line `from` on, and the head.
fn forge(db: &Connection, from: u64) {
    let mut last = Head { seq: 0, hash: Hash::NONE };
    for line in lines(db) {
        let cells: [_; 13] = std::array::from_fn(|i| ValueRef::from(&line[i]));
        let seq = number(&line[0]).cast_unsigned();
        let stored = Hash::read(ValueRef::from(&line[13]));
        let hash =
            if seq < from { stored.expect("a hash") } else { chain::next(&last.hash, &cells) };
        last = Head { seq, hash };
        db.execute("UPDATE audit SET hash = ?2 WHERE seq = ?1", params![seq as i64, hash.bytes()])
            .expect("updates");
    }
    db.execute(
        "INSERT OR REPLACE INTO audit_head VALUES (1, ?1, ?2)",
        params![last.seq as i64, last.hash.bytes()],
    )
    .expect("updates");
}

/// Two lines change numbers.
fn swap(db: &Connection, a: u64, b: u64) {
    run(
        db,
        &format!(
            "UPDATE audit SET seq = -1 WHERE seq = {a}; UPDATE audit SET seq = {a} WHERE seq = {b};
             UPDATE audit SET seq = {b} WHERE seq = -1"
        ),
    );
}

/// The contents of two lines change places; hashes and numbers stay.
fn swap_contents(db: &Connection, a: u64, b: u64) {
    let hash = |n: u64| -> Vec<u8> {
        let sql = "SELECT hash FROM audit WHERE seq = ?1";
        db.query_row(sql, [n as i64], |r| r.get(0)).expect("a hash")
    };
    let (of_a, of_b) = (hash(a), hash(b));
    swap(db, a, b);
    for (n, hash) in [(a, of_a), (b, of_b)] {
        db.execute("UPDATE audit SET hash = ?2 WHERE seq = ?1", params![n as i64, hash])
            .expect("updates");
    }
}

const COPY: &str = "alert, action, actor, at, severity, value, note, lim, message, evidence, \
                    origin, detail, hash";

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let bench = Bench::new();
    let report = bench.verify(true);
    assert_eq!(report.first_bad, None);
    assert_eq!((report.lines, report.anchored, report.notes.len()), (LINES, LINES, 0));
    assert!(report.anchors > 5, "{report:?}");
    let whole = verify(&bench.path(), Some(&bench.anchor_file()), &mut |_, _| {});
    assert_eq!(whole.expect("verifies"), report);
    let report = bench.verify(false);
    assert_eq!(report.first_bad, None);
    assert_eq!(report.notes, [Note::NoAnchors, Note::NoHead]);
}

#[test]
fn an_edited_column_is_found_at_every_record() {
    let bench = Bench::new();
    let edits = |column: &str| -> Vec<String> {
        match column {
            "at" | "severity" => vec![format!("{column} + 1"), "'x'".into()],
            "value" | "lim" => vec![
                format!("ifnull({column}, 0) + 1"),
                format!("CASE WHEN {column} IS NULL THEN 0 END"),
                "'x'".into(),
            ],
            "hash" => vec!["NULL".into(), "zeroblob(33)".into(), "'x'".into(), "x''".into()],
            _ => vec![
                format!("ifnull({column}, '') || ' '"),
                format!("CASE WHEN {column} IS NULL THEN '' END"),
                "'other'".into(),
                format!("cast(ifnull({column}, '') AS blob)"),
            ],
        }
    };
    let mut seen = 0;
    for n in 1..=LINES {
        for column in COPY.split(", ") {
            for to in edits(column) {
                // NOT NULL columns refuse NULL themselves.
                let sql = format!("UPDATE OR IGNORE audit SET {column} = {to} WHERE seq = {n}");
                let mut changed = false;
                bench.after(false, |db| {
                    let before = lines(db);
                    run(db, &sql);
                    changed = before != lines(db);
                });
                if changed {
                    let bad = bench.first_bad(&sql, |db| run(db, &sql));
                    // An unknown format byte is called by its name.
                    let unknown = to == "zeroblob(33)";
                    let kind = if unknown { BadKind::UnknownFormat } else { BadKind::Edited };
                    assert_eq!(bad.kind, kind, "{sql}");
                    seen += 1;
                }
            }
        }
        let bad = bench.first_bad("number", |db| {
            run(db, &format!("UPDATE audit SET seq = seq + 1000 WHERE seq = {n}"));
        });
        assert_eq!(bad.kind, BadKind::Deleted);
        bench.first_bad("number 0", |db| {
            run(db, &format!("UPDATE audit SET seq = 0 WHERE seq = {n}"));
        });
    }
    assert!(seen > LINES * 30, "{seen}");
}

#[test]
fn a_deleted_record_is_found_at_every_place_also_when_the_rest_is_numbered_anew() {
    let bench = Bench::new();
    for n in 1..=LINES {
        let sql = format!("DELETE FROM audit WHERE seq = {n}");
        let bad = bench.first_bad(&sql, |db| run(db, &sql));
        let kind = if n == LINES { BadKind::Truncated } else { BadKind::Deleted };
        assert_eq!(bad, Bad::at(kind, n));
        let bad = bench.first_bad("renumbered", |db| {
            run(db, &sql);
            renumber(db, n + 1, -1);
        });
        let kind = match n {
            LINES => BadKind::Truncated,
            // No line follows that could tell it from an edited one.
            n if n == LINES - 1 => BadKind::Edited,
            _ => BadKind::Deleted,
        };
        assert_eq!(bad.kind, kind, "{n}");
        let bad = bench.first_bad("several", |db| {
            run(db, &format!("DELETE FROM audit WHERE seq BETWEEN {n} AND {n} + 4"));
        });
        assert_eq!(bad.until, (n + 4).min(LINES));
    }
}

#[test]
fn records_that_changed_places_are_found_for_every_pair() {
    let bench = Bench::new();
    for a in 1..=LINES {
        for b in a + 1..=LINES {
            let bad = bench.first_bad("swap", |db| swap(db, a, b));
            assert_eq!((bad.kind, bad.other), (BadKind::Reordered, Some(b)), "{a} {b}");
            let bad = bench.first_bad("contents", |db| swap_contents(db, a, b));
            assert_eq!((bad.kind, bad.other), (BadKind::Reordered, Some(b)), "{a} {b}");
        }
        // One line moved to another place, those between move up.
        let bad = bench.first_bad("moved", |db| {
            let to = if a > LINES / 2 { 1 } else { LINES };
            run(db, &format!("UPDATE audit SET seq = 5000 WHERE seq = {a}"));
            if to < a {
                run(db, &format!("UPDATE audit SET seq = -seq WHERE seq < {a}"));
                run(db, "UPDATE audit SET seq = -seq + 1 WHERE seq < 0");
            } else {
                run(db, &format!("UPDATE audit SET seq = -seq WHERE seq > {a} AND seq < 5000"));
                run(db, "UPDATE audit SET seq = -seq - 1 WHERE seq < 0");
            }
            run(db, &format!("UPDATE audit SET seq = {to} WHERE seq = 5000"));
        });
        assert_eq!(bad.kind, BadKind::Reordered, "{a}");
    }
}

#[test]
fn an_inserted_record_is_found_at_every_place() {
    let bench = Bench::new();
    for n in 1..=LINES {
        for copy in [1, n, (n + 40) % LINES + 1] {
            let bad = bench.first_bad("insert", |db| {
                run(
                    db,
                    &format!("CREATE TEMP TABLE t AS SELECT {COPY} FROM audit WHERE seq = {copy}"),
                );
                renumber(db, n, 1);
                run(db, &format!("INSERT INTO audit (seq, {COPY}) SELECT {n}, * FROM t"));
            });
            assert_eq!(bad.kind, BadKind::Inserted, "{copy} at {n}");
        }
        let bad = bench.first_bad("at the end", |db| {
            run(
                db,
                &format!(
                    "INSERT INTO audit (seq, {COPY})
                     SELECT {LINES} + 1, {COPY} FROM audit WHERE seq = {n}"
                ),
            );
        });
        assert_eq!(bad, Bad::at(BadKind::Inserted, LINES + 1));
    }
    // With a right hash, past a head that was left alone.
    let bad = bench.first_bad("right hash", |db| {
        let head = head(db).expect("reads");
        run(
            db,
            &format!(
                "INSERT INTO audit (seq, {COPY})
                 SELECT {LINES} + 1, {COPY} FROM audit WHERE seq = 5"
            ),
        );
        forge(db, LINES + 1);
        db.execute(
            "UPDATE audit_head SET seq = ?1, hash = ?2",
            params![head.seq as i64, head.hash.bytes()],
        )
        .expect("updates");
    });
    assert_eq!(bad, Bad::at(BadKind::Inserted, LINES + 1));
}

#[test]
fn a_log_cut_at_any_place_is_found_and_with_its_head_by_the_files() {
    let bench = Bench::new();
    for n in 1..=LINES {
        let cut = |db: &Connection| run(db, &format!("DELETE FROM audit WHERE seq >= {n}"));
        let bad = bench.first_bad("cut", cut);
        assert_eq!(bad, Bad::range(BadKind::Truncated, n, LINES));
        let with_head = |db: &Connection| {
            cut(db);
            run(db, "DELETE FROM audit_head");
            if n > 1 {
                forge(db, n);
            }
        };
        let report = bench.after(true, with_head);
        assert_eq!(report.first_bad, Some(Bad::range(BadKind::Truncated, n, LINES)));
        // Without the files nothing can know of it.
        assert_eq!(bench.after(false, with_head).first_bad, None);
    }
    // All of it, but alerts are there.
    let report = bench.after(false, |db| {
        run(
            db,
            "DELETE FROM audit; DELETE FROM audit_head;
                 INSERT INTO alert (id, change, raised_at, open, severity, service, area, row)
                 VALUES ('a', 1, 0, 1, 1, '', '', '')",
        );
    });
    assert_eq!(report.first_bad, Some(Bad::at(BadKind::Truncated, 1)));
}

#[test]
fn a_log_rewritten_from_any_place_with_right_hashes_is_found_by_anchors() {
    let bench = Bench::new();
    for n in 1..=LINES {
        let rewrite = |db: &Connection| {
            run(db, &format!("UPDATE audit SET actor = 'lan' WHERE seq = {n}"));
            forge(db, n);
        };
        let bad = bench.after(true, rewrite).first_bad.expect("found");
        assert_eq!(bad.kind, BadKind::Rewritten);
        assert!((bad.seq..=bad.until).contains(&n), "{n}: {bad:?}");
        assert!(bad.until - bad.seq < 30, "as near as the anchors allow: {bad:?}");
        assert_eq!(bench.after(false, rewrite).first_bad, None);
        // One taken out, the rest numbered and hashed anew.
        let report = bench.after(true, |db| {
            run(db, &format!("DELETE FROM audit WHERE seq = {n}"));
            renumber(db, n + 1, -1);
            forge(db, n);
        });
        let bad = report.first_bad.expect("found");
        match bad.kind {
            BadKind::Rewritten => assert!((bad.seq..=bad.until).contains(&n), "{n}: {bad:?}"),
            // No anchor is left behind it but the head's, whose line is gone.
            _ => assert!(bad.seq == LINES && report.anchored < n, "{n}: {report:?}"),
        }
        // The hash of that line alone: then the next does not follow.
        let bad = bench.after(false, |db| {
            let hashes = lines(db);
            rewrite(db);
            for line in hashes.iter().skip(n as usize) {
                db.execute("UPDATE audit SET hash = ?2 WHERE seq = ?1", [&line[0], &line[13]])
                    .expect("updates");
            }
        });
        let bad = bad.first_bad;
        if n < LINES {
            assert_eq!(bad, Some(Bad::at(BadKind::Edited, n + 1)));
        }
    }
}

#[test]
fn a_head_that_was_edited_is_found() {
    let bench = Bench::new();
    let bad = |sql: &str, files| bench.after(files, |db| run(db, sql)).first_bad.map(|b| b.kind);
    for files in [false, true] {
        for sql in [
            "UPDATE audit_head SET seq = seq - 1",
            "UPDATE audit_head SET seq = seq + 1",
            "UPDATE audit_head SET hash = zeroblob(33)",
            "UPDATE audit_head SET hash = 'x'",
            "UPDATE audit_head SET hash = (SELECT hash FROM audit WHERE seq = 3)",
            "DELETE FROM audit_head",
        ] {
            assert_eq!(bad(sql, files), Some(BadKind::Head), "{sql}");
        }
    }
}

#[test]
fn appending_goes_on_whatever_somebody_did_and_hides_nothing() {
    for (tamper, kind) in [
        ("DELETE FROM audit WHERE seq > 80", BadKind::Deleted),
        ("UPDATE audit_head SET hash = 'x'", BadKind::Edited),
        (
            "INSERT INTO audit (seq, alert, action, actor, at, severity) VALUES (95, '', '', '', 0, 1)",
            BadKind::Deleted,
        ),
        ("UPDATE audit SET note = 'x' WHERE seq = 90", BadKind::Edited),
    ] {
        let bench = Bench::new();
        run(&bench.db, tamper);
        let mut anchors = bench.anchors();
        let tx = bench.db.unchecked_transaction().expect("begins");
        write(&tx, 1);
        write(&tx, 2);
        tx.commit().expect("commits");
        anchors.committed(&bench.db);
        drop(anchors);
        let report = bench.verify(true);
        // A head that was spoilt is healed by the next line: no line was touched.
        let want = (!tamper.contains("audit_head")).then_some(kind);
        assert_eq!(report.first_bad.map(|b| b.kind), want, "{tamper}");
    }
}

#[test]
fn a_cut_log_that_was_continued_is_found_by_the_anchors() {
    let bench = Bench::new();
    run(&bench.db, "DELETE FROM audit WHERE seq > 80");
    forge(&bench.db, 81);
    // The head file is the only one that knows of lines 86..=90: starting keeps what it knows.
    let text = std::fs::read_to_string(bench.anchor_file()).expect("readable");
    let kept: String =
        text.lines().filter(|l| !l.starts_with("90 ")).map(|l| format!("{l}\n")).collect();
    assert_ne!(kept, text);
    std::fs::write(bench.anchor_file(), kept).expect("writable");
    let mut anchors = bench.anchors();
    for n in 81..200 {
        let tx = bench.db.unchecked_transaction().expect("begins");
        write(&tx, n + 1);
        tx.commit().expect("commits");
        anchors.committed(&bench.db);
    }
    drop(anchors);
    assert_eq!(bench.verify(false).first_bad, None, "the chain itself is whole");
    let bad = bench.verify(true).first_bad.expect("found");
    assert_eq!(bad.kind, BadKind::Rewritten);
    assert!((bad.seq..=bad.until).contains(&81), "{bad:?}");
}

/// What crashes and power cuts leave behind.
#[test]
fn files_that_lag_or_are_torn_are_no_tampering() {
    let bench = Bench::new();
    let (file, head_file) = (bench.anchor_file(), anchor::head_path(&bench.anchor_file()));
    let (anchors, head) =
        (std::fs::read(&file).expect("readable"), std::fs::read(&head_file).expect("readable"));
    for cut in 0..=anchors.len() {
        std::fs::write(&file, &anchors[..cut]).expect("writable");
        assert_eq!(bench.verify(true).first_bad, None, "anchors cut at {cut}");
        // The next start adds a line of its own, and the piece spoils none.
        if cut % 37 == 0 {
            drop(bench.anchors());
            assert_eq!(bench.verify(true).first_bad, None, "{cut}");
        }
    }
    for cut in 0..head.len() {
        std::fs::write(&head_file, &head[..cut]).expect("writable");
        let report = bench.verify(true);
        assert_eq!(report.first_bad, None, "head cut at {cut}");
        let unread = report.notes.contains(&Note::UnreadableHead);
        assert_eq!(unread, cut < head.len() - 1, "{cut}: {:?}", report.notes);
    }
    let mut zeros = anchors.clone();
    zeros.extend([0; 600]);
    std::fs::write(&file, zeros).expect("writable");
    assert_eq!(bench.verify(true).first_bad, None);
    // A head of before: the power went before it reached the disk.
    std::fs::remove_file(&file).expect("removes");
    std::fs::write(&head_file, &head).expect("writable");
    let tx = bench.db.unchecked_transaction().expect("begins");
    write(&tx, 7);
    tx.commit().expect("commits");
    let report = bench.verify(true);
    assert_eq!((report.first_bad, report.anchored), (None, LINES));
    assert_eq!(report.notes, [Note::NoAnchors]);
}

#[test]
fn a_busy_centre_is_never_called_tampered() {
    let bench = Bench::new();
    let (path, file) = (bench.path(), bench.anchor_file());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let db = open(&path);
            db.pragma_update(None, "synchronous", "OFF").expect("sets");
            let mut anchors = Anchors::open(&file, &db).expect("opens");
            for n in 0..3_000 {
                let tx = db.unchecked_transaction().expect("begins");
                write(&tx, n);
                tx.commit().expect("commits");
                anchors.committed(&db);
            }
        });
        let mut looks = 0;
        while !writer.is_finished() {
            let report = verify(&path, Some(&file), &mut |_, _| {}).expect("verifies");
            assert_eq!(report.first_bad, None);
            looks += 1;
        }
        assert!(looks > 1);
    });
    let report = verify(&path, Some(&file), &mut |_, _| {}).expect("verifies");
    assert_eq!((report.lines, report.anchored), (LINES + 3_000, LINES + 3_000));
}

fn anchored(file: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(file).expect("readable");
    let number = |l: &str| l.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    text.lines().map(number).collect()
}

#[test]
fn anchors_are_written_each_thousand_lines_each_minute_and_at_the_end() {
    let bench = Bench::empty();
    let mut anchors = bench.anchors();
    let grow = |anchors: &mut Anchors, lines: u64| {
        let tx = bench.db.unchecked_transaction().expect("begins");
        for n in 0..lines {
            write(&tx, n);
        }
        tx.commit().expect("commits");
        anchors.committed(&bench.db);
    };
    let t = |s: i64| Timestamp(1_761_588_000_000 + s * 1_000);
    anchors.tick(t(0));
    grow(&mut anchors, 999);
    assert!(!bench.anchor_file().exists());
    grow(&mut anchors, 1);
    assert_eq!(anchored(&bench.anchor_file()), [1_000]);
    grow(&mut anchors, 5);
    anchors.tick(t(59));
    assert_eq!(anchored(&bench.anchor_file()), [1_000]);
    anchors.tick(t(60));
    anchors.tick(t(200));
    assert_eq!(anchored(&bench.anchor_file()), [1_000, 1_005], "none without a new line");
    grow(&mut anchors, 1);
    drop(anchors);
    assert_eq!(anchored(&bench.anchor_file()), [1_000, 1_005, 1_006]);
    std::fs::remove_file(anchor::head_path(&bench.anchor_file())).expect("removes");
    drop(bench.anchors());
    assert_eq!(anchored(&bench.anchor_file()).len(), 3, "a start without news writes none");
    assert_eq!(bench.verify(true).notes, [], "a start writes the head that is missing");
    assert_eq!(bench.verify(true).first_bad, None);
}

#[test]
fn trouble_with_the_files_stops_nothing_and_ends_by_itself() {
    let bench = Bench::empty();
    let away = bench.dir.path().join("disk");
    let file = away.join("audit.anchors");
    let mut anchors = Anchors::open(&file, &bench.db).expect("opens");
    let grow = |anchors: &mut Anchors| {
        let tx = bench.db.unchecked_transaction().expect("begins");
        (0..1_000).for_each(|n| {
            write(&tx, n);
        });
        tx.commit().expect("commits");
        anchors.committed(&bench.db);
    };
    grow(&mut anchors);
    assert_eq!(anchors.failed(), 2, "head and anchor");
    std::fs::create_dir(&away).expect("creates");
    grow(&mut anchors);
    assert_eq!(anchors.failed(), 2);
    assert_eq!(anchored(&file), [2_000]);
}

#[test]
fn lines_of_an_earlier_version_are_chained_once_and_a_line_says_so() {
    let bench = Bench::new();
    run(&bench.db, "UPDATE audit SET hash = NULL; DROP TABLE audit_head");
    let report = verify(&bench.path(), None, &mut |_, _| {}).expect("verifies");
    assert_eq!(report.first_bad, Some(Bad::at(BadKind::NotChained, 1)));
    for _ in 0..2 {
        drop(open(&bench.path()));
        let report = bench.verify(false);
        assert_eq!((report.first_bad, report.lines), (None, LINES + 1));
        assert_eq!(report.notes.last(), Some(&Note::Adopted(LINES)));
    }
    let log = AuditLog::open(&bench.path()).expect("opens");
    let last = log.newest(&AuditFilter::default(), 1).expect("reads").remove(0);
    assert_eq!((&*last.action, last.detail.as_deref()), (BEGINS, Some(r#"{"adopted":90}"#)));
    // Somebody who takes the hashes away to have the log chained anew meets the anchors.
    assert_eq!(bench.verify(true).first_bad, None, "the same lines have the same hashes");
    run(&bench.db, "UPDATE audit SET hash = NULL; DROP TABLE audit_head");
    run(&bench.db, "UPDATE audit SET actor = 'x' WHERE seq = 60");
    drop(open(&bench.path()));
    assert_eq!(bench.verify(true).first_bad.map(|b| b.kind), Some(BadKind::Rewritten));
}

#[test]
fn the_log_is_read_by_alert_actor_and_time() {
    let bench = Bench::new();
    let log = AuditLog::open(&bench.path()).expect("opens");
    let seqs = |f: AuditFilter, n| -> Vec<u64> {
        log.newest(&f, n).expect("reads").iter().map(|l| l.seq).collect()
    };
    let t = |n: i64| Some(Timestamp(1_761_588_000_000 + n));
    let all = AuditFilter::default();
    assert_eq!(seqs(all.clone(), 3), [88, 89, 90]);
    assert_eq!(seqs(AuditFilter { from: t(5), to: t(8), ..all.clone() }, 9), [5, 6, 7]);
    assert_eq!(seqs(AuditFilter { alert: Some("0123".into()), ..all.clone() }, 3), [87, 89, 90]);
    assert!(seqs(AuditFilter { alert: Some("1".into()), ..all.clone() }, 3).is_empty());
    assert!(seqs(AuditFilter { actor: Some("' OR 1".into()), ..all.clone() }, 3).is_empty());
    let mut heard = 0;
    log.all(&all, &mut |l| {
        heard += 1;
        l.seq < 10
    })
    .expect("reads");
    assert_eq!(heard, 10);
    run(&bench.db, "UPDATE audit SET severity = 'x', at = 'y', message = '{' WHERE seq = 3");
    log.all(&all, &mut |_| true).expect("what somebody spoilt can still be shown");
}

/// `cargo test --release -p ioc-alerts --lib audit::tests::a_million -- --ignored --nocapture`
#[test]
#[ignore = "a measurement of about a minute"]
fn a_million_lines_are_appended_and_verified_in_bounded_memory() {
    const MANY: u64 = 1_000_000;
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |l: &str| l.strip_prefix("VmHWM:").map(|v| v.trim().to_owned());
        status.lines().find_map(field).unwrap_or_default()
    };
    let bench = Bench::empty();
    let mut anchors = bench.anchors();
    let began = std::time::Instant::now();
    for first in (1..=MANY).step_by(1_000) {
        let tx = bench.db.unchecked_transaction().expect("begins");
        for n in first..first + 1_000 {
            write(&tx, n);
        }
        tx.commit().expect("commits");
        anchors.committed(&bench.db);
    }
    let line = began.elapsed().as_secs_f64() / MANY as f64 * 1e6;
    drop(anchors);
    eprintln!("append: {line:.2} µs a line, 1,000 in a transaction; peak {}", memory());
    let began = std::time::Instant::now();
    let report = verify(&bench.path(), Some(&bench.anchor_file()), &mut |_, _| {});
    let rate = MANY as f64 / began.elapsed().as_secs_f64();
    let report = report.expect("verifies");
    assert_eq!((report.first_bad, report.lines), (None, MANY));
    eprintln!("verify: {rate:.0} lines/s; peak {}", memory());
    run(&bench.db, "UPDATE audit SET note = 'x' WHERE seq = 10");
    let began = std::time::Instant::now();
    let report = verify(&bench.path(), None, &mut |_, _| {}).expect("verifies");
    assert_eq!(report.first_bad, Some(Bad::at(BadKind::Edited, 10)));
    eprintln!("an edited line 10 is named after {:?}; peak {}", began.elapsed(), memory());
    // What a line costs without its hash and head.
    let sql = format!(
        "INSERT INTO audit (seq, {COPY}) VALUES (?1, '0123456789abcdef0123456789abcdef',
      'raise', 'rule:flood', 1761588000000, 3, 2.5, 'note', 2.0,
      '{{\"vi\":\"Lũ 1\",\"en\":\"flood 1\"}}', NULL, NULL, NULL, NULL)"
    );
    let began = std::time::Instant::now();
    for first in (1..=100_000).step_by(1_000) {
        let tx = bench.db.unchecked_transaction().expect("begins");
        for n in first..first + 1_000 {
            tx.prepare_cached(&sql)
                .and_then(|mut s| s.execute([(MANY + n).cast_signed()]))
                .expect("inserts");
        }
        tx.commit().expect("commits");
    }
    let plain = began.elapsed().as_secs_f64() / 100_000.0 * 1e6;
    eprintln!("a plain insert of a like line: {plain:.2} µs");
}
