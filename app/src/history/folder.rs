//! Parquet: a file for each day of the city, each whole or absent.

use std::path::Path;

use anyhow::Context;
use ioc_model::Timestamp;
use ioc_share::export::Request;

use super::export::{ExportArgs, Job};
use super::text;
use crate::exit::Misuse;

/// What the files of a folder were asked for with.
const QUERY: &str = "export.query";

pub(super) async fn write(job: &Job, request: Request, args: &ExportArgs) -> anyhow::Result<()> {
    let folder = &args.out;
    if args.limit.is_some() {
        return Err(Misuse("--limit is for one file, this makes one for each day".into()).into());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let request = match begun(job, folder)? {
        Some(begun) if args.resume => Request {
            from: if args.from.is_some() { request.from } else { begun.from },
            to: if args.to.is_some() { request.to } else { begun.to },
            ..begun
        },
        Some(begun) if !same_selection(&begun, &request) => {
            let hint = "hint: --resume makes what is missing of it; or name another folder";
            let text = format!("{} holds another selection\n  {hint}", folder.display());
            return Err(Misuse(text).into());
        }
        _ => request,
    };
    let days = days(job, &request);
    if days.is_empty() {
        return Err(Misuse("no day of the range is over: there is no file to make".into()).into());
    }
    let file = folder.join(QUERY);
    std::fs::write(&file, request.to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    for (from, to) in days {
        let file = folder.join(format!("ioc-{}.parquet", job.zone.short(from)));
        if args.resume && file.is_file() {
            eprintln!("{}", text::complete(&file.display().to_string(), job.language));
            continue;
        }
        let day = Request { from, to, ..request.clone() };
        job.file(day, &file, false).await?;
    }
    Ok(())
}

fn same_selection(a: &Request, b: &Request) -> bool {
    Request { from: b.from, to: b.to, ..a.clone() } == *b
}

fn begun(job: &Job, folder: &Path) -> anyhow::Result<Option<Request>> {
    let file = folder.join(QUERY);
    let Ok(query) = std::fs::read_to_string(&file) else { return Ok(None) };
    let read = Request::parse(&query, &job.zone, Timestamp(0));
    let bad = |e: ioc_share::export::Refusal| {
        Misuse(format!("{} is not readable: {}", file.display(), e.message))
    };
    Ok(Some(read.map_err(bad)?))
}

/// Begin and end of each day that the range touches and that is over: what a file of a day holds
/// does not depend on the range that was asked for.
fn days(job: &Job, request: &Request) -> Vec<(Timestamp, Timestamp)> {
    let mut days = Vec::new();
    let mut from = job.zone.day(request.from);
    while let Some((begin, end)) = from.and_then(|t| Some((t, job.zone.next_day(t)?))) {
        if begin >= request.to || end > job.settled {
            break;
        }
        days.push((begin, end));
        from = Some(end);
    }
    days
}
