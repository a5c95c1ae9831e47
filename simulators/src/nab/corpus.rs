//! The files of the benchmark: series and labelled windows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One series with its labels.
#[derive(Clone, Debug)]
pub struct Series {
    /// Folder and file, such as `realTraffic/speed_7578.csv`.
    pub name: String,
    /// Local time in ms (as if it were UTC) and value.
    pub rows: Vec<(i64, f64)>,
    /// Anomalous spans: index of the first and of the last row.
    pub windows: Vec<(usize, usize)>,
}

impl Series {
    /// The folder.
    pub fn group(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// Rows at the beginning that are not scored: 15 %, at most 750.
    pub fn probation(&self) -> usize {
        ((0.15 * self.rows.len() as f64).floor() as usize).min(750)
    }
}

/// What is wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The labels are no JSON of the expected shape.
    #[error("the labels {path} are not a map of lists of [begin, end]")]
    Labels {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A row of a series.
    #[error("{path}:{line}: expected `timestamp,value`, found `{text}`")]
    Row {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A time of the labels.
    #[error("`{text}` of {series} is not a time")]
    Time {
        /// Whose window.
        series: String,
        /// What stands there.
        text: String,
    },
    /// A window without rows.
    #[error("a window of {series} holds no row")]
    EmptyWindow {
        /// Whose window.
        series: String,
    },
    /// No series at all.
    #[error("no series below {path}")]
    Empty {
        /// Where they were looked for.
        path: PathBuf,
    },
}

fn read(path: &Path) -> Result<String, CorpusError> {
    std::fs::read_to_string(path)
        .map_err(|source| CorpusError::Read { path: path.to_owned(), source })
}

/// `2015-09-08 11:39:00` with or without fractions of a second.
fn time_ms(text: &str) -> Option<i64> {
    let time: jiff::civil::DateTime = text.trim().parse().ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Reads `labels/combined_windows.json` and every series below `data/` that it names, in the
/// order of their names.
pub fn read_corpus(dir: &Path) -> Result<Vec<Series>, CorpusError> {
    let path = dir.join("labels/combined_windows.json");
    let labels: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&read(&path)?)
        .map_err(|source| CorpusError::Labels { path: path.clone(), source })?;
    let mut all = Vec::new();
    for (name, windows) in labels {
        let path = dir.join("data").join(&name);
        if path.exists() {
            all.push(series(name, &path, &windows)?);
        }
    }
    if all.is_empty() {
        return Err(CorpusError::Empty { path: dir.join("data") });
    }
    Ok(all)
}

fn series(name: String, path: &Path, windows: &[[String; 2]]) -> Result<Series, CorpusError> {
    let text = read(path)?;
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate().skip(1).filter(|(_, l)| !l.trim().is_empty()) {
        let row = line
            .split_once(',')
            .and_then(|(t, v)| Some((time_ms(t)?, v.trim().parse::<f64>().ok()?)));
        let Some(row) = row else {
            return Err(CorpusError::Row {
                path: path.to_owned(),
                line: i + 1,
                text: line.chars().take(80).collect(),
            });
        };
        rows.push(row);
    }
    let mut spans = Vec::new();
    for window in windows {
        let bound = |i: usize| {
            let text = &window[i];
            time_ms(text)
                .ok_or_else(|| CorpusError::Time { series: name.clone(), text: text.clone() })
        };
        let (from, to) = (bound(0)?, bound(1)?);
        // Rows are chosen by their time, whatever their order.
        let inside = |(t, _): &(i64, f64)| (from..=to).contains(t);
        match (rows.iter().position(inside), rows.iter().rposition(inside)) {
            (Some(first), Some(last)) => spans.push((first, last)),
            _ => return Err(CorpusError::EmptyWindow { series: name }),
        }
    }
    spans.sort_unstable();
    Ok(Series { name, rows, windows: spans })
}
