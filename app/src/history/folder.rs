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
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let request = match begun(job, folder)? {
        Some(begun) if args.resume => begun,
        Some(begun) if begun != request => {
            let hint = "hint: --resume makes what is missing of it; or name another folder";
            let text = format!("{} holds another export\n  {hint}", folder.display());
            return Err(Misuse(text).into());
        }
        _ => {
            let file = folder.join(QUERY);
            std::fs::write(&file, request.to_string())
                .with_context(|| format!("cannot write {}", file.display()))?;
            request
        }
    };
    for (from, to) in days(job, &request) {
        let name = format!("ioc-{}.parquet", name(job, from, to));
        let file = folder.join(name);
        if args.resume && file.is_file() {
            eprintln!("{}", text::complete(&file.display().to_string(), job.language));
            continue;
        }
        let day = Request { from, to, ..request.clone() };
        job.file(day, &file, false).await?;
    }
    Ok(())
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

/// Begin and end of each day, cut by the range.
fn days(job: &Job, request: &Request) -> Vec<(Timestamp, Timestamp)> {
    let mut days = Vec::new();
    let mut from = request.from;
    while from < request.to {
        let next = job.zone.next_day(from).unwrap_or(request.to);
        let to = next.min(request.to);
        days.push((from, to));
        from = to;
    }
    days
}

/// `2026-11-20`; of a part of a day both ends.
fn name(job: &Job, from: Timestamp, to: Timestamp) -> String {
    let begin = job.zone.short(from);
    match job.zone.next_day(from) == Some(to) && !begin.contains('T') {
        true => begin,
        false => format!("{begin}--{}", job.zone.short(to)),
    }
}
