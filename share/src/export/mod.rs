//! Export: measurements of a selection and a range of time as one file.
//!
//! | format | what it is |
//! |---|---|
//! | `csv` | RFC 4180, UTF-8 with BOM, a row for each reading; no cell is a formula, no row spans lines |
//! | `parquet` | row groups of 262,144 readings, zstd, time as UTC milliseconds |
//! | `geojson` | RFC 7946, a Feature for each reading (what GIS programs filter and animate by time), one a line |
//! | `lp` | line protocol as the InfluxDB store writes it; what cannot be written is named in comments at the end |
//!
//! Rows are in the order of series (device, then property) and time, so the bytes for a range of
//! the past depend on nothing but what was measured. With a step, rows are windows with the
//! aggregates asked for.
//!
//! A broken export goes on with `resume=device,property,time,skip`: those of the last complete row
//! that is there; `skip` counts the rows with exactly this device, property and time that are
//! there (1, unless a device said several things in one millisecond). What comes is exactly what
//! the one run would have sent after that row. Points that came late, before that row's time, are
//! not in it, as they would not have been in the one run. Parquet has no rows to stop behind: there
//! it is done by files of a day each (`ioc history export`).
//!
//! How it fails: before the first byte with a status and words; after it the stream ends with an
//! error, never short.

mod cells;
mod columns;
mod csv;
mod geojson;
mod lines;
mod mark;
mod pages;
mod parquet;
mod refusal;
mod request;
mod run;
mod select;
mod tail;
#[cfg(test)]
mod tests;
mod zone;

pub use mark::Mark;
pub use refusal::Refusal;
pub use request::{Format, Lang, Request};
pub use run::{Export, Progress, answer};
pub use tail::{Tail, last_row};
pub use zone::Zone;
