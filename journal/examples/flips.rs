//! flips <segments|sqlite|sqlite-wal> <step> <from>
use std::time::Instant;
use ioc_journal::*;
struct U;
impl Codec for U {
    type Entry = u64;
    fn encode(&self, e: &[u64], out: &mut Vec<u8>) { for x in e { out.extend_from_slice(&x.to_le_bytes()) } }
    fn decode(&self, b: &[u8]) -> Result<Vec<u64>, Box<dyn std::error::Error + Send + std::marker::Sync>> { Ok(b.chunks(8).map(|c| u64::from_le_bytes(c.try_into().expect("8"))).collect()) }
}
fn value(p: u64) -> u64 { p.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (p << 17) }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (kind, step) = (a[1].as_str(), a[2].parse::<usize>().expect("n"));
    let from: usize = a.get(3).map_or(0, |x| x.parse().expect("n"));
    let root = tempfile::tempdir_in("/dev/shm").expect("dir");
    let base = root.path().join("base"); let work = root.path().join("work");
    std::fs::create_dir_all(&base).expect("x"); std::fs::create_dir_all(&work).expect("x");
    let rt = tokio::runtime::Builder::new_current_thread().build().expect("rt");
    let config = |d: &std::path::Path| JournalConfig { dir: d.into(), sync: Sync::Off, batch_linger_ms: 0, batch_max_entries: 16, ..Default::default() };
    let records = 370u64;
    let (j, mut w, _) = Journal::open(config(&base), U).expect("open");
    w.use_store(if kind == "segments" { "segments" } else { "sqlite" }, &base);
    let th = std::thread::spawn(move || { let _ = w.run(); });
    rt.block_on(async { for r in 0..records { j.append((r * 16..r * 16 + 16).map(value).collect()).await.expect("a").await.expect("c"); } });
    if kind == "sqlite-wal" { for f in ["journal.db", "journal.db-wal"] { std::fs::copy(base.join(f), work.join(f)).expect("cp"); } }
    j.close(); th.join().expect("w"); drop(j);
    if kind == "sqlite-wal" { for f in ["journal.db", "journal.db-wal"] { std::fs::copy(work.join(f), base.join(f)).expect("cp"); } let _ = std::fs::remove_file(base.join("journal.db-shm")); }
    for f in std::fs::read_dir(&work).expect("d") { std::fs::remove_file(f.expect("f").path()).expect("rm"); }
    let target = match kind { "segments" => "00000000000000000000.seg", "sqlite" => "journal.db", _ => "journal.db-wal" };
    let mut images: Vec<(String, Vec<u8>)> = Vec::new();
    for f in std::fs::read_dir(&base).expect("d") { let f = f.expect("f"); let n = f.file_name().into_string().expect("utf8"); if n.ends_with(".seg") || n == "journal.db" || n == "journal.db-wal" { images.push((n, std::fs::read(f.path()).expect("r"))); } }
    let len = images.iter().find(|i| i.0 == target).expect("target").1.len();
    let (mut flips, mut refused, mut more, mut worst, mut silent, mut wrong, mut hangs) = (0u64, 0u64, 0u64, 0u64, 0u64, 0u64, 0u64);
    let t = Instant::now();
    let mut bit = from;
    while bit < len * 8 {
        flips += 1;
        for f in std::fs::read_dir(&work).expect("d") { std::fs::remove_file(f.expect("f").path()).expect("rm"); }
        for (n, b) in &mut images { if n == target { b[bit / 8] ^= 1 << (bit % 8); } std::fs::write(work.join(&*n), &*b).expect("w"); if n == target { b[bit / 8] ^= 1 << (bit % 8); } }
        if kind == "segments" {
            match Journal::open(config(&work), U) {
                Err(_) => refused += 1,
                Ok((j, w, _)) => {
                    drop(w);
                    let mut r = j.reader("r", 0); let mut got = 0u64;
                    rt.block_on(async { while let Some(b) = r.next().await.expect("reads") { got += 1; if b.entries.iter().enumerate().any(|(i, v)| *v != value(b.first + i as u64)) { wrong += 1 } } });
                    let lost = records - got; worst = worst.max(lost); if lost > 1 { more += 1 }
                    let s = j.stats(); if s.corrupt + s.torn_bytes + s.damaged_headers == 0 { silent += 1 }
                }
            }
        } else {
            match ioc_journal::sqlite::SqliteStore::open(&work) {
                Err(_) => refused += 1,
                Ok((s, _)) => { let at = Instant::now(); let got = s.survivors(); if at.elapsed().as_secs() > 2 { hangs += 1 } let n = got.len() as u64; wrong += got.iter().filter(|(f, c)| f % 16 != 0 || *c != 16 || *f >= records * 16).count() as u64; let lost = records.saturating_sub(n); worst = worst.max(lost); if lost > 1 { more += 1 } }
            }
        }
        bit += step;
    }
    println!("{kind}: {len} bytes, {records} records, {flips} flips in {:?}: start refused {refused}, more than one record lost {more} (worst {worst}), not noticed {silent}, wrong content {wrong}, slow {hangs}", t.elapsed());
}
