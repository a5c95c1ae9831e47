//! Observations in the order of time, rising or falling, of one or many datastreams.
//!
//! The store reads upwards only. Falling, a stretch is read in windows from the newest on: the
//! first as long as the asked points should take, longer while they are few, shorter when one
//! holds too many.

use std::collections::{BinaryHeap, HashMap, VecDeque};

use ioc_model::{RangeQuery, Scan, ScanMark, Timestamp};

use super::catalogue::Observed;
use super::fault::Fault;
use super::work::{Work, unavailable};

/// Points of one call of the store.
const CHUNK: usize = 10_000;
/// Points of one millisecond, at most.
const MAX_OF_ONE_MS: usize = 100_000;

/// Which observations, and in which order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// Newest first.
    pub falling: bool,
    /// Only those after this one: time, datastream, and number within the millisecond.
    pub after: Option<(Timestamp, usize, usize)>,
    /// So many will probably be read.
    pub want: usize,
}

/// One after the other, in the order of time, datastream and number, or in exactly the reverse.
pub(super) struct Merge<'w, 'a> {
    work: &'w Work<'a>,
    stretch: Stretch,
    /// The largest is next: sort key, datastream, and the observation once it is read.
    heap: BinaryHeap<((i64, i64, i64), usize)>,
    heads: HashMap<usize, Option<(Reader, Observed)>>,
    /// Datastream of the observation given last: its reader has to move.
    moved: Option<usize>,
}

impl<'w, 'a> Merge<'w, 'a> {
    pub(super) async fn new(
        work: &'w Work<'a>,
        streams: &[usize],
        stretch: Stretch,
    ) -> Result<Self, Fault> {
        let (heap, heads) = (BinaryHeap::new(), HashMap::new());
        let mut merge = Self { work, stretch, heap, heads, moved: None };
        for s in streams {
            // Before its first point is read a datastream stands where that could be at most.
            let first = match stretch.falling {
                false => Some(stretch.from),
                true => work.newest(*s).await?.map(|t| t.min(stretch.to.plus_ms(-1))),
            };
            if let Some(t) = first {
                let n = if stretch.falling { i64::MAX } else { -1 };
                merge.heap.push((merge.key(t, *s, n), *s));
                merge.heads.insert(*s, None);
            }
        }
        Ok(merge)
    }

    fn key(&self, t: Timestamp, stream: usize, n: i64) -> (i64, i64, i64) {
        let stream = stream as i64;
        if self.stretch.falling { (t.0, stream, n) } else { (-t.0, -stream, -n) }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Observed>, Fault> {
        if let Some(stream) = self.moved.take()
            && let Some(Some((reader, _))) = self.heads.remove(&stream)
        {
            self.put(reader).await?;
        }
        while let Some((_, stream)) = self.heap.pop() {
            if let Some(Some((_, o))) = self.heads.get(&stream) {
                self.moved = Some(stream);
                return Ok(Some(*o));
            }
            let reader = Reader::new(self.work, stream, self.stretch);
            self.put(reader).await?;
        }
        Ok(None)
    }

    async fn put(&mut self, mut reader: Reader) -> Result<(), Fault> {
        let stream = reader.stream;
        if let Some(o) = reader.next(self.work).await? {
            self.heap.push((self.key(o.point.time, stream, o.n as i64), stream));
            self.heads.insert(stream, Some((reader, o)));
        }
        Ok(())
    }
}

/// The observations of one datastream.
struct Reader {
    stream: usize,
    ready: VecDeque<Observed>,
    way: Way,
}

enum Way {
    Up { next: Option<ScanMark>, to: Timestamp, chunk: usize },
    Down { low: i64, high: i64, window: i64, before: Option<(Timestamp, usize)> },
}

impl Reader {
    fn new(work: &Work<'_>, stream: usize, s: Stretch) -> Self {
        let way = match s.falling {
            false => {
                let mut mark = ScanMark { time: s.from, skip: 0 };
                if let Some((time, of, n)) = s.after {
                    let (time, skip) = match stream.cmp(&of) {
                        std::cmp::Ordering::Less => (time.plus_ms(1), 0),
                        std::cmp::Ordering::Equal => (time, n + 1),
                        std::cmp::Ordering::Greater => (time, 0),
                    };
                    if time >= s.from {
                        mark = ScanMark { time, skip };
                    }
                }
                Way::Up { next: Some(mark), to: s.to, chunk: (s.want + 1).clamp(2, CHUNK) }
            }
            true => {
                let (mut high, mut before) = (s.to.0, None);
                if let Some((time, of, n)) = s.after {
                    let end = if stream > of { time.0 } else { time.plus_ms(1).0 };
                    high = high.min(end);
                    before = (stream == of).then_some((time, n));
                }
                let cadence = i64::from(work.catalogue.device(stream).cadence_s) * 1_000;
                let points = i64::try_from(s.want).unwrap_or(i64::MAX).saturating_add(1);
                let window = match cadence {
                    0 => 3_600_000,
                    ms => ms.saturating_mul(points).clamp(60_000, 366 * 86_400_000),
                };
                Way::Down { low: s.from.0, high, window, before }
            }
        };
        Self { stream, ready: VecDeque::new(), way }
    }

    async fn next(&mut self, work: &Work<'_>) -> Result<Option<Observed>, Fault> {
        loop {
            if let Some(o) = self.ready.pop_front() {
                return Ok(Some(o));
            }
            let more = match self.way {
                Way::Up { .. } => self.up(work).await?,
                Way::Down { .. } => self.down(work).await?,
            };
            if !more {
                return Ok(None);
            }
        }
    }

    async fn up(&mut self, work: &Work<'_>) -> Result<bool, Fault> {
        let Way::Up { next, to, chunk } = &mut self.way else { return Ok(false) };
        let Some(at) = next.filter(|m| m.time < *to) else { return Ok(false) };
        work.read()?;
        let series = work.catalogue.series(self.stream);
        let page = work.history.scan(&Scan { series, at, to: *to, limit: *chunk }).await;
        let page = page.map_err(|e| unavailable(&e))?;
        work.had(page.points.len())?;
        let mut last = (at.time, at.skip);
        for point in page.points {
            let n = if point.time == last.0 { last.1 } else { 0 };
            last = (point.time, n + 1);
            self.ready.push_back(Observed { stream: self.stream, point, n });
        }
        *next = page.next;
        *chunk = (*chunk * 4).min(CHUNK);
        Ok(true)
    }

    async fn down(&mut self, work: &Work<'_>) -> Result<bool, Fault> {
        let Way::Down { low, high, window, before } = &mut self.way else { return Ok(false) };
        if *high <= *low {
            return Ok(false);
        }
        if self.ready.is_empty()
            && let Some(newest) = work.newest(self.stream).await?
        {
            *high = (*high).min(newest.0.saturating_add(1)).max(*low);
        }
        let from = high.saturating_sub(*window).max(*low);
        let limit = if *high - from <= 1 { MAX_OF_ONE_MS } else { CHUNK };
        let query = RangeQuery {
            series: work.catalogue.series(self.stream),
            from: Timestamp(from),
            to: Timestamp(*high),
            step: None,
            limit,
        };
        work.read()?;
        let found = work.history.range(&query).await.map_err(|e| unavailable(&e))?;
        work.had(found.points.len())?;
        if found.truncated && limit == CHUNK {
            *window = ((*high - from) / 8).max(1);
            return Ok(true);
        }
        let mut last = (Timestamp(i64::MIN), 0);
        for point in found.points {
            let n = if point.time == last.0 { last.1 } else { 0 };
            last = (point.time, n + 1);
            if before.is_none_or(|(t, m)| point.time < t || n < m) {
                self.ready.push_front(Observed { stream: self.stream, point, n });
            }
        }
        let factor = if self.ready.is_empty() { 8 } else { 2 };
        *window = window.saturating_mul(factor);
        *high = from;
        Ok(true)
    }
}
