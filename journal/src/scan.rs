//! Walks the records of one segment, past any damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::frame::{HEADER, Header, MAGIC};

/// Bytes read at once.
const CHUNK: u64 = 256 << 10;

/// What stands at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A whole record; its payload is in [`Scanner::payload`] unless it was skipped.
    Record(Header),
    /// One damaged record up to `to`, with its header if that is whole.
    Damaged { from: u64, to: u64, header: Option<Header> },
    /// The bytes end within a record.
    Cut { from: u64 },
}

/// Walks `file` from one offset to another.
pub(crate) struct Scanner<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    /// No record begins below this position.
    min_first: u64,
    buf: Vec<u8>,
    buf_at: u64,
    payload: (usize, usize),
}

impl<'a> Scanner<'a> {
    /// `at` must be where a record starts; `min_first` the position it may have at least.
    pub fn new(file: &'a File, at: u64, end: u64, min_first: u64) -> Self {
        Self { file, at, end, min_first, buf: Vec::new(), buf_at: at, payload: (0, 0) }
    }

    /// Offset of the next item.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Payload of the record that was returned last.
    pub fn payload(&self) -> &[u8] {
        &self.buf[self.payload.0..self.payload.1]
    }

    /// The next item; payloads of records that end at or below `from` are not looked at.
    pub fn next(&mut self, from: u64) -> io::Result<Option<Item>> {
        let (at, left) = (self.at, self.end.saturating_sub(self.at));
        self.payload = (0, 0);
        if left == 0 {
            return Ok(None);
        }
        if left < HEADER as u64 {
            self.at = self.end;
            return Ok(Some(Item::Cut { from: at }));
        }
        let min_first = self.min_first;
        let header = Header::parse(self.bytes(at, HEADER)?).filter(|h| h.first >= min_first);
        let Some(header) = header else {
            let to = self.resync(at + 1)?;
            self.at = to;
            return Ok(Some(Item::Damaged { from: at, to, header: None }));
        };
        if header.size() > left {
            self.at = self.end;
            return Ok(Some(Item::Cut { from: at }));
        }
        self.at = at + header.size();
        self.min_first = header.end();
        if header.end() <= from {
            return Ok(Some(Item::Record(header)));
        }
        let size = HEADER + header.payload_len as usize;
        if !header.fits(&self.bytes(at, size)?[HEADER..size]) {
            let damaged = Item::Damaged { from: at, to: self.at, header: Some(header) };
            return Ok(Some(damaged));
        }
        let start = (at - self.buf_at) as usize;
        self.payload = (start + HEADER, start + size);
        Ok(Some(Item::Record(header)))
    }

    /// Offset of the next whole record at or after `from`, or the end.
    fn resync(&mut self, from: u64) -> io::Result<u64> {
        let mut at = from;
        while at + HEADER as u64 <= self.end {
            let window = self.bytes(at, HEADER)?;
            match window.windows(MAGIC.len()).position(|w| w == MAGIC) {
                None => at += (window.len() - MAGIC.len() + 1) as u64,
                Some(0) if self.is_record(at)? => return Ok(at),
                Some(0) => at += 1,
                Some(skip) => at += skip as u64,
            }
        }
        Ok(self.end)
    }

    fn is_record(&mut self, at: u64) -> io::Result<bool> {
        let min_first = self.min_first;
        match Header::parse(self.bytes(at, HEADER)?) {
            Some(h) if h.first >= min_first && at + h.size() <= self.end => {
                let size = HEADER + h.payload_len as usize;
                Ok(h.fits(&self.bytes(at, size)?[HEADER..size]))
            }
            _ => Ok(false),
        }
    }

    /// At least `len` bytes from `at` (all that is buffered there); the caller knows that they
    /// are below `end`.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let buffered = self.buf_at + self.buf.len() as u64;
        if at < self.buf_at || at + len as u64 > buffered {
            let want = (self.end - at).min(CHUNK.max(len as u64)) as usize;
            self.buf.resize(want, 0);
            self.buf_at = at;
            self.file.read_exact_at(&mut self.buf, at)?;
        }
        Ok(&self.buf[(at - self.buf_at) as usize..])
    }
}
