//! Bits that flip.

use super::*;

#[tokio::test]
async fn a_flipped_bit_costs_one_block_and_is_counted() {
    let folder = tempfile::tempdir().expect("folder");
    let store = open(folder.path());
    let entries: Vec<Entry> =
        (0..3_500).map(|i| reading("a", T0 + i, i as f64, Quality::Good)).collect();
    store.append(0, &entries).await.expect("append");
    store.flush(Flush::All).await.expect("flush");
    drop(store);
    let flip = |table: &str, id: &str| {
        let conn = database(folder.path());
        let sql = format!("SELECT {id}, data FROM {table} LIMIT 1");
        let (key, mut data): (i64, Vec<u8>) =
            conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?))).expect("row");
        data[50] ^= 4;
        conn.execute(&format!("UPDATE {table} SET data = ?1 WHERE {id} = ?2"), (data, key))
            .expect("update");
    };
    flip("block", "id");
    let store = open(folder.path());
    let points = all(&store, "a").await;
    assert_eq!((points.len(), points[0].value), (2_500, 1_000.0));
    assert_eq!(store.embedded_stats().damaged_blocks, 1);
    drop(store);

    flip("tail", "slot");
    let store = open(folder.path());
    assert_eq!(all(&store, "a").await.len(), 2_000);
    // The damaged tail stops neither newer nor older points.
    let more =
        [reading("a", T0 + 9_000, 1.0, Quality::Good), reading("a", T0 + 5, 1.0, Quality::Good)];
    store.append(3_500, &more).await.expect("append");
    assert_eq!(store.flush(Flush::All).await.expect("flush"), 3_502);
    assert_eq!(all(&store, "a").await.len(), 2_002);
    let stats = store.stats().await;
    assert!(stats.healthy && stats.trouble.is_some_and(|t| t.contains("damaged")));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("history.db"), [7u8; 20_000]).expect("write");
    let store = open(folder.path());
    assert_eq!(store.cursor().await.expect("cursor"), 0);
    assert!(folder.path().join("history.db.damaged-1").exists());
    assert!(store.stats().await.trouble.is_some_and(|t| t.contains("damaged-1")));
}

/// Three series with several blocks, windows of both tiers, late blocks and tails.
async fn fill(folder: &Path) -> Vec<Entry> {
    let device = |i: i64| ["a", "b", "c"][(i % 3) as usize];
    let late = |i: i64| if i > 9_000 && i % 3 == 0 { i - 8_000 } else { i };
    let entries: Vec<Entry> = (0..15_000)
        .map(|i| reading(device(i), T0 + late(i) * 900, (i % 500) as f64, Quality::Good))
        .collect();
    let store = open(folder);
    for (i, part) in entries.chunks(2_500).enumerate() {
        store.append(i as u64 * 2_500, part).await.expect("append");
        store.flush(Flush::All).await.expect("flush");
    }
    entries
}

/// What a flip did, when the store was asked for everything and went on to write.
#[derive(Debug, Default)]
struct Cost {
    flips: usize,
    lost: Vec<usize>,
    /// Points lost without a word in `stats`.
    silent: Vec<usize>,
    /// Points that are in no entry, or more often than there.
    invented: usize,
    errors: usize,
    /// Flips after which something still failed when a flush had repaired the file.
    in_trouble: usize,
    repaired: usize,
}

async fn flip(original: &[u8], bit: usize, entries: &[Entry], cost: &mut Cost) {
    let folder = tempfile::tempdir().expect("folder");
    let mut bytes = original.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::write(folder.path().join("history.db"), bytes).expect("write");
    let store = open(folder.path());
    cost.flips += 1;
    let ask = async |cost: &mut Cost| {
        let mut held = 0;
        for (n, device) in ["a", "b", "c"].into_iter().enumerate() {
            let q = query(device, i64::MIN, i64::MAX, None);
            let answer = match store.range(&q).await {
                Ok(answer) => answer,
                Err(e) => {
                    println!("bit {bit}: {e}");
                    cost.errors += 1;
                    continue;
                }
            };
            let mut expect: std::collections::BTreeMap<(i64, u64), i64> = Default::default();
            for e in entries.iter().skip(n).step_by(3) {
                let Entry::Record(r) = e else { continue };
                r.for_each_point(|_, v, _| {
                    *expect.entry((r.time.0, v.to_bits())).or_default() += 1
                });
            }
            for p in answer.points.iter().filter(|p| p.time.0 < T0 + 100_000_000_000) {
                let left = expect.entry((p.time.0, p.value.to_bits())).or_default();
                *left -= 1;
                if *left < 0 {
                    cost.invented += 1;
                } else {
                    held += 1;
                }
            }
        }
        held
    };
    ask(cost).await;
    // What a restart would give again, then new points for each series.
    let cursor = store.cursor().await.expect("cursor");
    assert!(cursor <= entries.len() as u64, "bit {bit}: cursor {cursor}");
    store.append(cursor, &entries[cursor as usize..]).await.expect("append");
    let more: Vec<Entry> = (0..4_500)
        .map(|i| {
            let time = T0 + 200_000_000_000 + i as i64 * 1_000;
            reading(["a", "b", "c"][i % 3], time, 1.0, Quality::Good)
        })
        .collect();
    store.append(entries.len() as u64, &more).await.expect("append");
    let end = store.flush(Flush::All).await;
    let end = end.map_err(|e| format!("bit {bit}: {e}")).expect("flushes");
    assert_eq!(end, entries.len() as u64 + 4_500, "bit {bit}");
    let before = cost.errors;
    let held = ask(cost).await;
    // An error is an answer of a kind, but after the flush there must be none.
    let q = query("a", T0 + 200_000_000_000, i64::MAX, None);
    let new = store.range(&q).await.map(|a| a.points.len());
    if !matches!(new, Ok(1_500)) || cost.errors > before {
        println!("bit {bit} (page {}): still in trouble: {new:?}", bit / 8 / 8192 + 1);
        cost.in_trouble += 1;
    }
    let trouble = store.stats().await.trouble;
    cost.repaired += usize::from(trouble.as_ref().is_some_and(|t| t.contains("copied")));
    let lost = entries.len() - held;
    cost.lost.push(lost);
    if lost > 0 && trouble.is_none() {
        cost.silent.push(lost);
    }
}

/// `IOC_FLIP_EVERY=1` flips every bit of the file.
#[tokio::test]
async fn a_flipped_bit_anywhere_stops_nothing_and_costs_little() {
    let folder = tempfile::tempdir().expect("folder");
    let entries = fill(folder.path()).await;
    let original = std::fs::read(folder.path().join("history.db")).expect("file");
    let every = std::env::var("IOC_FLIP_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(9_973);
    let mut cost = Cost::default();
    for bit in (0..original.len() * 8).step_by(every) {
        flip(&original, bit, &entries, &mut cost).await;
    }
    cost.lost.sort_unstable();
    let at = |part: f64| cost.lost[((cost.lost.len() - 1) as f64 * part) as usize];
    println!(
        "{} bits of a file of {} bytes flipped, each alone: points lost of {}: median {}, 90 % at \
         most {}, 99 % {}, most {}; without a word {}: {:?}; invented {}; queries failed {}; \
         file repaired {}",
        cost.flips,
        original.len(),
        entries.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        cost.silent.len(),
        cost.silent.iter().take(20).collect::<Vec<_>>(),
        cost.invented,
        cost.errors,
        cost.repaired
    );
    assert_eq!(cost.invented, 0, "points that nobody sent, or twice");
    assert_eq!(cost.in_trouble, 0, "queries and flushes work after the repair");
    assert!(at(0.9) <= 1_000, "nine of ten flips cost at most a block: {:?}", cost.lost);
}

#[tokio::test]
async fn a_damaged_first_page_costs_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let entries = fill(folder.path()).await;
    let path = folder.path().join("history.db");
    let mut bytes = std::fs::read(&path).expect("file");
    bytes[..8_192].fill(0x5a);
    std::fs::write(&path, bytes).expect("write");
    let store = open(folder.path());
    assert!(store.stats().await.trouble.is_some_and(|t| t.contains("copied")));
    let mut held = 0;
    for device in ["a", "b", "c"] {
        held += all(&store, device).await.len();
    }
    assert_eq!(held, entries.len());
    assert_eq!(store.cursor().await.expect("cursor"), entries.len() as u64);
}
