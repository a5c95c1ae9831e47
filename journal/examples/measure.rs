//! measure <segments|sqlite|null> <seconds> <rate> <sync> <linger>
use std::sync::Arc;
use std::time::{Duration, Instant};
use ioc_journal::*;
use ioc_model::{Body, Entry, Name, Quality, Record, Timestamp};
struct Model;
impl Codec for Model {
    type Entry = Entry;
    fn encode(&self, e: &[Entry], out: &mut Vec<u8>) { ioc_model::encode_batch(e, out) }
    fn decode(&self, b: &[u8]) -> Result<Vec<Entry>, Box<dyn std::error::Error + Send + std::marker::Sync>> { Ok(ioc_model::decode_batch(b)?) }
}
fn thread_cpu() -> f64 { std::fs::read_to_string("/proc/thread-self/schedstat").expect("x").split(' ').next().expect("x").parse::<f64>().expect("x") / 1e3 }
fn proc_cpu() -> f64 { let s = std::fs::read_to_string("/proc/self/stat").expect("x"); let f: Vec<&str> = s.rsplit(')').next().expect("x").split_whitespace().collect(); (f[11].parse::<f64>().expect("x") + f[12].parse::<f64>().expect("x")) * 1e4 }
fn sys_cpu() -> f64 { let s = std::fs::read_to_string("/proc/stat").expect("x"); let f: Vec<f64> = s.lines().next().expect("x").split_whitespace().skip(1).map(|x| x.parse().expect("n")).collect(); (f[0]+f[1]+f[2]+f[5]+f[6]) * 1e4 }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (kind, secs, rate) = (a[1].clone(), a[2].parse::<u64>().expect("n"), a[3].parse::<u64>().expect("n"));
    let sync = match a.get(4).map(String::as_str) { Some("interval") => Sync::Interval { ms: 1000 }, Some("off") => Sync::Off, _ => Sync::Commit };
    let linger = a.get(5).map_or(2, |x| x.parse().expect("n"));
    let dir = tempfile::tempdir_in("/work").expect("dir");
    let config = JournalConfig { dir: dir.path().into(), sync, batch_linger_ms: linger, ..Default::default() };
    let (journal, mut writer, _) = Journal::open(config, Model).expect("opens");
    writer.use_store(&kind, dir.path());
    let w = std::thread::spawn(move || { let c = thread_cpu(); writer.run().expect("runs"); thread_cpu() - c });
    let names: Vec<(Name, Name)> = (0..1000).map(|i| (format!("danang-air-{i:04}").into(), format!("ward_{}", i % 94).into())).collect();
    let service: Name = "air".into();
    let props: Vec<Name> = ["pm25", "temperature", "humidity"].iter().map(|p| Name::from(*p)).collect();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("rt");
    let (p0, s0, t0) = (proc_cpu(), sys_cpu(), Instant::now());
    let lat = rt.block_on(async {
        let mut reader = journal.reader("r", 0);
        let rd = tokio::spawn(async move { let mut n = 0u64; while let Some(b) = reader.next().await.expect("reads") { n += b.entries.len() as u64; } n });
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel::<(Instant, Ticket)>();
        let acks = tokio::spawn(async move { let mut l = Vec::new(); while let Some((at, t)) = rx.recv().await { t.await.expect("committed"); l.push(at.elapsed().as_micros() as u64); } l });
        let j = journal.clone();
        tokio::spawn(async move {
            let mut i = 0u64;
            while t0.elapsed() < Duration::from_secs(secs) {
                let due = (t0.elapsed().as_secs_f64() * rate as f64) as u64;
                while i < due {
                    let n = 16.min(due - i);
                    let entries: Vec<Entry> = (i..i + n).map(|k| {
                        let d = &names[(k.wrapping_mul(0x9e37_79b9) % 1000) as usize];
                        let ms = 1_763_000_000_000 + (k / 100) as i64;
                        let h = k.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                        Entry::Record(Record { device: d.0.clone(), area: d.1.clone(), service: service.clone(), source: 0, time: Timestamp(ms - (h % 500) as i64), received: Timestamp(ms), seq: Some(k / 1000), clock_clamped: false,
                            body: Body::Observation { quality: Quality::Good, values: [(props[0].clone(), (h % 1000) as f64 / 10.0), (props[1].clone(), 20.0 + (h % 150) as f64 / 10.0), (props[2].clone(), (h % 70) as f64)].into_iter().collect() } })
                    }).collect();
                    i += n;
                    tx.send((Instant::now(), j.append(entries).await.expect("open"))).expect("open");
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            j.close();
        }).await.expect("gen");
        let mut l = acks.await.expect("acks"); l.sort_unstable();
        let _ = Arc::new(rd.await.expect("reader"));
        l
    });
    let (p1, s1) = (proc_cpu(), sys_cpu());
    let writer_us = w.join().expect("writer");
    let st = journal.stats(); let n = st.entries as f64;
    println!("{kind} {sync:?} linger={linger}: {} entries {:.0}/s, {} commits, {:.0} entries/commit | writer thread {:.3} µs/entry, process {:.3}, system {:.3} | commit mean {:.0} µs | ticket p50 {} p99 {} µs | {:.1} B encoded, {:.1} B written, files {} B", st.entries, n / t0.elapsed().as_secs_f64(), st.commits, n / st.commits as f64, writer_us / n, (p1 - p0) / n, (s1 - s0) / n, st.commit_us as f64 / st.commits as f64, lat[lat.len() / 2], lat[lat.len() * 99 / 100], st.encoded_bytes as f64 / n, st.written_bytes as f64 / n, std::fs::read_dir(dir.path()).expect("d").map(|f| f.expect("f").metadata().expect("m").len()).sum::<u64>());
}
