//! A page of a set: filtered, ordered, counted, cut.

use std::cmp::Ordering;

use ioc_model::{Step, WindowQuery};

use super::catalogue::{Entity, Observed};
use super::expr::{Expr, Is};
use super::fault::Fault;
use super::id;
use super::limits::Limits;
use super::options::Options;
use super::read::{Merge, Stretch};
use super::value::Val;
use super::work::{Work, unavailable};

/// Page length without `$top`.
const PAGE: usize = 100;
/// Longest page.
const MAX_PAGE: usize = 1_000;
/// Longest page of `$resultFormat=dataArray`.
const MAX_ARRAY: usize = 10_000;
/// Most observations that are ordered otherwise than by time.
const MAX_SORTED: usize = 20_000;
/// Largest `$skip` of observations without the mark of a link.
const MAX_OBSERVATIONS_SKIP: usize = 100_000;

/// What a set holds before its options.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Entities(Vec<Entity>),
    /// All observations of these datastreams.
    Observations(Vec<usize>),
}

/// What is sent of a set.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub entities: Vec<Entity>,
    pub count: Option<u64>,
    /// `$skip` of the next page, and the id of the last observation that was looked at.
    pub next: Option<(usize, Option<String>)>,
}

/// Orders of observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One datastream after the other, each by time.
    Streams,
    Time {
        falling: bool,
    },
    Sorted,
}

impl Options {
    fn page(&self) -> usize {
        let most = if self.data_array { MAX_ARRAY } else { MAX_PAGE };
        self.top.unwrap_or(PAGE).min(most)
    }
}

impl Work<'_> {
    pub(super) async fn list(&self, source: &Source, options: &Options) -> Result<Page, Fault> {
        match source {
            Source::Entities(all) => self.entities(all, options).await,
            Source::Observations(streams) => self.observations(streams, options).await,
        }
    }

    async fn entities(&self, all: &[Entity], options: &Options) -> Result<Page, Fault> {
        let spans = options.filter.as_ref().is_some_and(|f| f.spans)
            || options.order.as_ref().is_some_and(|o| o.spans);
        if spans {
            for e in all {
                if let Entity::Datastream(s) = e {
                    self.span(*s).await?;
                }
            }
        }
        let mut found = Vec::with_capacity(all.len());
        for e in all {
            if self.passes(*e, options)? {
                found.push(*e);
            }
        }
        self.sort(&mut found, options)?;
        Ok(cut(found, options))
    }

    fn passes(&self, e: Entity, options: &Options) -> Result<bool, Fault> {
        match &options.filter {
            None => Ok(true),
            Some(f) => Ok(self.holds(&f.expr, e, f.from())? == Some(true)),
        }
    }

    /// Orders by the keys of `$orderby`, equal ones as they were.
    fn sort(&self, list: &mut Vec<Entity>, options: &Options) -> Result<(), Fault> {
        let Some(order) = &options.order else { return Ok(()) };
        let spans = self.known_spans();
        let scene = self.scene(&spans);
        let mut keyed = Vec::with_capacity(list.len());
        for e in list.drain(..) {
            let key = |(k, _): &(Expr, bool)| scene.eval(k, e, order.from());
            keyed.push((order.keys.iter().map(key).collect::<Result<Vec<_>, _>>()?, e));
        }
        keyed.sort_by(|(a, _), (b, _)| {
            let each = a.iter().zip(b).zip(&order.keys).map(|((a, b), (_, falls))| {
                let o = by_key(a, b);
                if *falls { o.reverse() } else { o }
            });
            each.fold(Ordering::Equal, Ordering::then)
        });
        list.extend(keyed.into_iter().map(|(_, e)| e));
        Ok(())
    }

    async fn observations(&self, streams: &[usize], options: &Options) -> Result<Page, Fault> {
        let streams = self.possible(streams, options).await?;
        let limits = match &options.filter {
            Some(f) => Limits::of(&f.expr, self.now.0),
            None => Limits::NONE,
        };
        let mut page = match way(options, streams.len()) {
            Way::Sorted => self.sorted(&streams, limits, options).await?,
            way => self.in_time(&streams, limits, options, way).await?,
        };
        if options.count && page.count.is_none() {
            page.count = Some(match limits.exact {
                true => self.count_by_windows(&streams, limits).await?,
                false => self.count_by_reading(&streams, limits, options).await?,
            });
        }
        Ok(page)
    }

    /// Datastreams whose observations the filter does not exclude altogether.
    async fn possible(&self, streams: &[usize], options: &Options) -> Result<Vec<usize>, Fault> {
        let Some(f) = &options.filter else { return Ok(streams.to_vec()) };
        let mut left = Vec::new();
        for s in streams {
            if f.spans {
                self.span(*s).await?;
            }
            if self.holds(&f.expr, Entity::AnyObservation(*s), f.from())? != Some(false) {
                left.push(*s);
            }
        }
        Ok(left)
    }

    async fn in_time(
        &self,
        streams: &[usize],
        limits: Limits,
        options: &Options,
        way: Way,
    ) -> Result<Page, Fault> {
        let after = match options.token() {
            Some(token) => Some(self.mark(token)?),
            None => None,
        };
        if after.is_none() && options.skip > MAX_OBSERVATIONS_SKIP {
            return Err(Fault::new(400, format!("$skip is more than {MAX_OBSERVATIONS_SKIP}"))
                .hint("follow @iot.nextLink, or begin later with $filter=phenomenonTime gt …"));
        }
        let mut gather = Gather {
            skip: if after.is_some() { 0 } else { options.skip },
            room: options.page(),
            found: Vec::new(),
            more: false,
            last: None,
        };
        if gather.room == 0 {
            return Ok(Page::default());
        }
        let falling = way == Way::Time { falling: true };
        let want = gather.room.saturating_add(gather.skip);
        let stretch = Stretch { from: limits.from, to: limits.to, falling, after, want };
        let groups: Vec<&[usize]> = match way {
            Way::Streams => {
                let first = after.map_or(0, |(_, s, _)| streams.partition_point(|x| *x < s));
                streams[first..].chunks(1).collect()
            }
            _ => vec![streams],
        };
        for group in groups {
            // The mark is of one datastream; those after it begin at their begin.
            let of_mark =
                |s: &Stretch| s.after.filter(|(_, s, _)| way != Way::Streams || *s == group[0]);
            let stretch = Stretch { after: of_mark(&stretch), ..stretch };
            match self.gather(&mut gather, group, stretch, options).await {
                Ok(()) if gather.more => break,
                Ok(()) => {}
                Err(f) if f.too_much && !gather.found.is_empty() => {
                    gather.more = true;
                    break;
                }
                Err(f) => return Err(f),
            }
        }
        let next = gather.more.then(|| {
            let last = gather.last.map(|o| self.catalogue.id(Entity::Observation(o)));
            (options.skip + gather.found.len(), last)
        });
        let entities = gather.found.into_iter().map(Entity::Observation).collect();
        Ok(Page { entities, count: None, next })
    }

    /// Reads on until the page is full and one more is seen, or nothing is left.
    async fn gather(
        &self,
        to: &mut Gather,
        streams: &[usize],
        stretch: Stretch,
        options: &Options,
    ) -> Result<(), Fault> {
        let mut merge = Merge::new(self, streams, stretch).await?;
        while let Some(o) = merge.next().await? {
            if !self.passes(Entity::Observation(o), options)? {
                if to.found.len() < to.room {
                    to.last = Some(o);
                }
                continue;
            }
            if to.skip > 0 {
                to.skip -= 1;
            } else if to.found.len() < to.room {
                to.found.push(o);
                to.last = Some(o);
            } else {
                to.more = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The place that a link's mark names.
    fn mark(&self, id: &str) -> Result<(ioc_model::Timestamp, usize, usize), Fault> {
        let found = id::parse_observation(id)
            .and_then(|(s, ms, n)| Some((ioc_model::Timestamp(ms), self.catalogue.stream(s)?, n)));
        found.ok_or_else(|| {
            Fault::new(400, "$skiptoken is not of a link that was given out, or too old")
                .hint("begin again without $skip and $skiptoken")
        })
    }

    /// All that pass, ordered in memory.
    async fn sorted(
        &self,
        streams: &[usize],
        limits: Limits,
        options: &Options,
    ) -> Result<Page, Fault> {
        let mut found = Vec::new();
        for s in streams {
            let mut merge = Merge::new(self, &[*s], all(limits)).await?;
            while let Some(o) = merge.next().await? {
                let e = Entity::Observation(o);
                if !self.passes(e, options)? {
                    continue;
                }
                if found.len() >= MAX_SORTED {
                    return Err(Fault::too_much(
                        format!("more than {MAX_SORTED} observations would have to be ordered"),
                        "order by phenomenonTime, or ask for less time with $filter",
                    ));
                }
                found.push(e);
            }
        }
        self.sort(&mut found, options)?;
        Ok(Page {
            count: Some(found.len() as u64).filter(|_| options.count),
            ..cut(found, options)
        })
    }

    /// Counts without reading points: windows know how many they hold.
    async fn count_by_windows(&self, streams: &[usize], limits: Limits) -> Result<u64, Fault> {
        let mut count = 0;
        for s in streams {
            let first =
                Merge::new(self, &[*s], Stretch { want: 1, ..all(limits) }).await?.next().await?;
            let (Some(first), Some(newest)) = (first, self.newest(*s).await?) else { continue };
            // From the first raw point on: windows may know of points that were given up.
            let mut from = first.point.time;
            let to = limits.to.min(newest.plus_ms(1)).max(from);
            let hours = (to.since_ms(from) / 3_600_000 / 1_000).max(1);
            loop {
                self.read()?;
                let step = Step::of(hours * 3_600_000);
                let series = self.catalogue.series(*s);
                let query = WindowQuery { series, from, to, step, limit: 2_000 };
                let found = self.history.windows(&query).await.map_err(|e| unavailable(&e))?;
                count += found.windows.iter().map(|w| w.count + w.bad).sum::<u64>();
                match found.windows.last() {
                    Some(last) if found.truncated => from = last.start.plus_ms(step.ms),
                    _ => break,
                }
            }
        }
        Ok(count)
    }

    async fn count_by_reading(
        &self,
        streams: &[usize],
        limits: Limits,
        options: &Options,
    ) -> Result<u64, Fault> {
        let mut count = 0;
        for s in streams {
            let mut merge = Merge::new(self, &[*s], all(limits)).await?;
            while let Some(o) = merge.next().await? {
                count += u64::from(self.passes(Entity::Observation(o), options)?);
            }
        }
        Ok(count)
    }
}

/// A page that fills.
struct Gather {
    skip: usize,
    room: usize,
    found: Vec<Observed>,
    more: bool,
    last: Option<Observed>,
}

fn all(limits: Limits) -> Stretch {
    let (from, to) = (limits.from, limits.to);
    Stretch { from, to, falling: false, after: None, want: usize::MAX / 2 }
}

fn cut(found: Vec<Entity>, options: &Options) -> Page {
    let count = found.len();
    let entities: Vec<Entity> = found.into_iter().skip(options.skip).take(options.page()).collect();
    let end = options.skip.saturating_add(entities.len());
    let next = (end < count && !entities.is_empty()).then_some((end, None));
    Page { entities, count: options.count.then_some(count as u64), next }
}

/// How observations are to be ordered.
fn way(options: &Options, streams: usize) -> Way {
    let Some(order) = &options.order else { return Way::Streams };
    let name = |e: &Expr| match &e.is {
        Is::Path(parts) => match &parts[..] {
            [p] if p == "phenomenonTime" || p == "resultTime" => "time",
            [p] if p == "id" || p == "@iot.id" => "id",
            _ => "",
        },
        _ => "",
    };
    let Some((first, falling)) = order.keys.first() else { return Way::Streams };
    // What follows the time can only tell those of one moment apart, which have an order.
    let rest = order.keys[1..].iter().all(|(k, f)| !name(k).is_empty() && f == falling);
    match (name(first), falling) {
        ("time", falling) if rest => Way::Time { falling: *falling },
        ("id", false) if rest => Way::Streams,
        ("id", true) if rest && streams <= 1 => Way::Time { falling: true },
        _ => Way::Sorted,
    }
}

/// Null first; values that have no order are equal.
fn by_key(a: &Val, b: &Val) -> Ordering {
    match (a, b) {
        (Val::Null, Val::Null) => Ordering::Equal,
        (Val::Null, _) => Ordering::Less,
        (_, Val::Null) => Ordering::Greater,
        _ => a.order(b).unwrap_or(Ordering::Equal),
    }
}
