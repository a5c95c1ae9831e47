//! CSV: UTF-8 with a byte-order mark, times with +07:00, one value a line.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use ioc_model::{City, HistoryError};
use tokio::sync::OwnedSemaphorePermit;

use super::params::Lang;
use super::read::{Chunk, Reader, Station};
use crate::export::cells::{cell, float, quality};

/// A piece of a stream is at least so large, but for the last.
const PIECE_BYTES: usize = 64 * 1024;

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

    pub fn rows(&self, chunk: &Chunk, out: &mut Vec<u8>) {
        let Some(station) = self.stations.get(chunk.station) else { return };
        let mut before = Vec::new();
        for text in [&*station.id, self.lang.of(&station.name), self.lang.of(&station.area)] {
            cell(text, &mut before);
            before.push(b',');
        }
        for degrees in [station.place.0, station.place.1] {
            float(degrees, &mut before);
            before.push(b',');
        }
        cell(&chunk.property, &mut before);
        let mut unit = Vec::new();
        match self.city.properties.get(&chunk.property).map_or("", |p| &p.unit) {
            "%" => unit.push(b'%'), // No formula when it stands alone.
            text => cell(text, &mut unit),
        }
        for row in &chunk.rows {
            // Writing to a Vec does not fail.
            let _ = write!(out, "{},", row.time);
            out.extend_from_slice(&before);
            out.push(b',');
            float(row.value, out);
            if let Some((min, max, count)) = row.spread {
                out.push(b',');
                float(min, out);
                out.push(b',');
                float(max, out);
                let _ = write!(out, ",{count}");
            }
            out.push(b',');
            out.extend_from_slice(&unit);
            let _ = write!(out, ",{}\r\n", quality(row.quality));
        }
    }
}

/// A table that is read while it is sent. `turn` is given back when it ends or is dropped.
pub(super) fn stream(
    table: Table,
    reader: Reader,
    turn: OwnedSemaphorePermit,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    let head = Some(table.head());
    futures::stream::try_unfold((table, reader, turn, head), |state| async move {
        let (table, mut reader, turn, head) = state;
        let mut text = head.unwrap_or_default().into_bytes();
        while text.len() < PIECE_BYTES {
            match reader.next().await.map_err(broken)? {
                Some(chunk) => table.rows(&chunk, &mut text),
                None => break,
            }
        }
        Ok((!text.is_empty()).then(|| (Bytes::from(text), (table, reader, turn, None))))
    })
}

fn broken(e: HistoryError) -> std::io::Error {
    std::io::Error::other(e)
}
