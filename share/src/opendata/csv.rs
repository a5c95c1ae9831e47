//! CSV: UTF-8 with a byte-order mark, times with +07:00, one value a line.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use ioc_model::{City, HistoryError, Name, Quality};
use tokio::sync::OwnedSemaphorePermit;

use super::params::Lang;
use super::read::{Chunk, Reader, Station};

/// Text of a table.
pub(super) struct Table {
    pub stations: Vec<Station>,
    pub city: Arc<City>,
    pub lang: Lang,
    /// Rows are windows.
    pub spread: bool,
}

impl Table {
    /// The first line, after the mark by which spreadsheets know UTF-8.
    pub fn head(&self) -> String {
        let spread = if self.spread { "min,max,count," } else { "" };
        format!(
            "\u{feff}time,device,name,area,latitude,longitude,property,value,{spread}unit,quality\r\n"
        )
    }

    pub fn rows(&self, chunk: &Chunk, out: &mut String) {
        let Some(station) = self.stations.get(chunk.station) else { return };
        let mut before = String::new();
        for text in [&*station.id, self.lang.of(&station.name), self.lang.of(&station.area)] {
            field(&mut before, text);
            before.push(',');
        }
        let (lat, lon) = station.place;
        let _ = write!(before, "{lat},{lon},{}", chunk.property);
        let mut unit = String::new();
        field(&mut unit, self.unit(&chunk.property));
        for row in &chunk.rows {
            let _ = write!(out, "{},{before},{}", row.time, row.value);
            if self.spread {
                match row.spread {
                    Some((min, max, count)) => {
                        let _ = write!(out, ",{min},{max},{count}");
                    }
                    None => out.push_str(",,,"),
                }
            }
            let _ = write!(out, ",{unit},{}\r\n", quality(row.quality));
        }
    }

    fn unit(&self, property: &Name) -> &str {
        self.city.properties.get(property).map_or("", |p| &p.unit)
    }
}

pub(super) fn quality(q: Quality) -> &'static str {
    match q {
        Quality::Good => "good",
        Quality::Uncertain => "uncertain",
        Quality::Bad => "bad",
    }
}

/// One cell. What a spreadsheet would take for a formula gets an apostrophe before it.
fn field(out: &mut String, text: &str) {
    const FORMULA: &[char] = &['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠'];
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    let formula = first.starts_with(FORMULA) && text != "%";
    if !formula && !text.contains([',', '"', '\r', '\n', ';', '\t', '\0']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(if formula { "'" } else { "" });
    out.push_str(&text.replace('"', "\"\"").replace('\0', "\u{fffd}"));
    out.push('"');
}

/// A table that is read while it is sent. `turn` is given back when it ends or is dropped.
pub(super) fn stream(
    table: Table,
    reader: Reader,
    turn: OwnedSemaphorePermit,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + Sync {
    let state = (table, reader, turn, true);
    OneOwner(Mutex::new(Box::pin(futures::stream::try_unfold(state, |state| async move {
        let (table, mut reader, turn, first) = state;
        let mut text = if first { table.head() } else { String::new() };
        // A slow store gives small pages; the socket gets fewer, larger pieces.
        while text.len() < 64 * 1024 {
            match reader.next().await.map_err(broken)? {
                Some(chunk) => table.rows(&chunk, &mut text),
                None => break,
            }
        }
        Ok((!text.is_empty()).then(|| (Bytes::from(text), (table, reader, turn, false))))
    }))))
}

fn broken(e: HistoryError) -> std::io::Error {
    std::io::Error::other(e)
}

/// Makes a stream `Sync` that is only ever polled by its owner: the lock is never waited for.
struct OneOwner<S>(Mutex<Pin<Box<S>>>);

impl<S: Stream> Stream for OneOwner<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let inner = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.as_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_out() {
        let cell = |text: &str| {
            let mut out = String::new();
            field(&mut out, text);
            out
        };
        assert_eq!(cell("Trạm Cẩm Lệ"), "Trạm Cẩm Lệ");
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell(" @SUM(A1)"), "\"' @SUM(A1)\"");
        assert_eq!(cell("a,\"b\"\r\n"), "\"a,\"\"b\"\"\r\n\"");
        assert_eq!(cell("%"), "%", "a unit");
    }
}
