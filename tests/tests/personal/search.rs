//! Where canaries are in clear.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use ioc_journal::{Codec, Journal, JournalConfig};
use ioc_model::Entry;

use super::canary::Canaries;

struct Entries;

impl Codec for Entries {
    type Entry = Entry;

    fn encode(&self, entries: &[Entry], out: &mut Vec<u8>) {
        ioc_model::encode_batch(entries, out);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<Entry>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(ioc_model::decode_batch(bytes)?)
    }
}

/// The entries of a journal that nobody writes to, as they are before they are compressed.
pub async fn journal_bytes(data: &Path) -> Result<Vec<u8>> {
    let config = JournalConfig { dir: data.join("journal"), ..JournalConfig::default() };
    let (journal, _writer, opened) = Journal::open(config, Entries)?;
    let mut reader = journal.reader("search", opened.first);
    let mut bytes = Vec::new();
    while reader.position() < opened.next {
        let batch = reader.next().await?.context("the journal ends early")?;
        ioc_model::encode_batch(&batch.entries, &mut bytes);
    }
    Ok(bytes)
}

/// Files below a folder that hold a canary, with the first found.
pub fn files_with(folder: &Path, canaries: &Canaries) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_with(&path, canaries)?);
        } else {
            let hits = canaries.hits(&std::fs::read(&path)?);
            found.extend(hits.into_iter().map(|c| format!("{}: {c}", path.display())));
        }
    }
    Ok(found)
}

/// Counts canaries in the writable memory of a running process.
pub fn memory_hits(id: u32, canaries: &Canaries) -> Result<String> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps"))?;
    let memory = File::open(format!("/proc/{id}/mem"))?;
    let (mut bytes, mut hits) = (0usize, 0usize);
    let mut which = std::collections::BTreeSet::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        if !rights.starts_with("rw") {
            continue;
        }
        let Some((from, to)) = range.split_once('-') else { continue };
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        let mut region = vec![0; (to - from) as usize];
        // Some regions cannot be read; what can is looked at.
        if memory.read_exact_at(&mut region, from).is_ok() {
            bytes += region.len();
            let found = canaries.hits(&region);
            hits += found.len();
            which.extend(found);
        }
    }
    let (mib, of) = (bytes >> 20, canaries.len());
    Ok(format!("{hits} regions-and-canaries, {} of {of} canaries, in {mib} MiB", which.len()))
}
