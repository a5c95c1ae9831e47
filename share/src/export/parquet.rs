//! Parquet: row groups, written column by column.

use std::io;
use std::sync::Arc;

use ioc_model::{Point, Window};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::cells::quality;
use super::columns::Column;
use super::pages::{PAGE, Rows};
use super::run::Encode;
use super::select::Facts;

/// Rows of a row group; it is in memory until it is full.
pub(super) const GROUP_ROWS: usize = 262_144;
const ZSTD_LEVEL: i32 = 3;

/// Columns before the values, in the order in which a row group gets them.
const BEGIN: &str = "required binary device (STRING); required binary name (STRING); \
    required binary service (STRING); required binary area (STRING); \
    optional double latitude; optional double longitude; \
    required binary property (STRING); required binary unit (STRING); \
    required int64 time (TIMESTAMP(MILLIS,true)); ";

pub(super) struct Parquet {
    columns: Vec<Column>,
    group_rows: usize,
    writer: Option<SerializedFileWriter<Vec<u8>>>,
    /// What the next row group gets.
    runs: Vec<(Arc<Facts>, Rows)>,
    rows: usize,
}

impl Parquet {
    pub fn new(columns: Vec<Column>, group_rows: usize) -> Self {
        Self { columns, group_rows, writer: None, runs: Vec::new(), rows: 0 }
    }

    fn schema(&self) -> String {
        let mut values = String::new();
        if self.columns.is_empty() {
            values.push_str("optional double value; ");
        }
        for column in &self.columns {
            let whole = matches!(column.name(), "count" | "bad");
            let kind = if whole { "required int64" } else { "optional double" };
            values.push_str(&format!("{kind} {}; ", column.name()));
        }
        format!("message ioc {{ {BEGIN}{values}required binary quality (STRING); }}")
    }

    /// Writes what was collected as one row group.
    fn group(&mut self, out: &mut Vec<u8>) -> Result<(), ParquetError> {
        let runs = std::mem::take(&mut self.runs);
        self.rows = 0;
        let (Some(writer), false) = (self.writer.as_mut(), runs.is_empty()) else {
            return Ok(());
        };
        Group { writer: writer.next_row_group()?, runs: &runs }.fill(&self.columns)?;
        drain(writer, out)
    }
}

/// Moves what was written so far to `out`; the writer counts its offsets on its own.
fn drain(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<(), ParquetError> {
    writer.flush()?;
    out.append(writer.inner_mut());
    Ok(())
}

impl Encode for Parquet {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let schema = Arc::new(parse_message_type(&self.schema()).map_err(io::Error::other)?);
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(io::Error::other)?;
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("ioc version {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::ZSTD(level))
            // For readers to skip whole row groups by; finer ones cost more than they save here.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_column_dictionary_enabled(ColumnPath::from("time"), false)
            .set_column_encoding(ColumnPath::from("time"), Encoding::DELTA_BINARY_PACKED);
        for column in self.columns.iter().map(|c| c.name()).chain(["value"]) {
            // Where a dictionary does not pay any more.
            if !matches!(column, "count" | "bad") {
                let path = ColumnPath::from(column);
                properties = properties.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT);
            }
        }
        let mut writer =
            SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))
                .map_err(io::Error::other)?;
        let result = drain(&mut writer, out).map_err(io::Error::other);
        self.writer = Some(writer);
        result
    }

    fn rows(&mut self, facts: &Arc<Facts>, rows: Rows, out: &mut Vec<u8>) -> io::Result<()> {
        if rows.len() == 0 {
            return Ok(());
        }
        self.rows += rows.len();
        self.runs.push((Arc::clone(facts), rows));
        if self.rows < self.group_rows {
            return Ok(());
        }
        self.group(out).map_err(io::Error::other)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.group(out).map_err(io::Error::other)?;
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.finish().and_then(|_| drain(&mut writer, out)).map_err(io::Error::other)
    }
}

/// A row group being written.
struct Group<'a> {
    writer: SerializedRowGroupWriter<'a, Vec<u8>>,
    runs: &'a [(Arc<Facts>, Rows)],
}

impl Group<'_> {
    /// Writes all columns, in the order of the schema.
    fn fill(mut self, columns: &[Column]) -> Result<(), ParquetError> {
        let texts: [fn(&Facts) -> &str; 6] = [
            |f| &f.key.device,
            |f| &f.name,
            |f| &f.service,
            |f| &f.area,
            |f| &f.key.property,
            |f| &f.unit,
        ];
        for text in &texts[..4] {
            self.texts(text)?;
        }
        self.degrees(|(lat, _)| lat)?;
        self.degrees(|(_, lon)| lon)?;
        for text in &texts[4..] {
            self.texts(text)?;
        }
        self.whole(|p| p.time.0, |w| w.start.0)?;
        if columns.is_empty() {
            self.floats(|p| Some(p.value), |_| None)?;
        }
        for column in columns.iter().copied() {
            match column.name() {
                "count" | "bad" => {
                    self.whole(|_| 0, |w| column.number(w).unwrap_or(0) as i64)?;
                }
                _ => self.floats(|_| None, |w| column.value(w))?,
            }
        }
        self.qualities()?;
        self.writer.close().map(drop)
    }

    fn column<T: DataType>(
        &mut self,
        mut run: impl FnMut(&Facts, &Rows, &mut ColumnWriterImpl<'_, T>) -> Result<(), ParquetError>,
    ) -> Result<(), ParquetError> {
        let none = || ParquetError::General("the schema has fewer columns".into());
        let mut column = self.writer.next_column()?.ok_or_else(none)?;
        for (facts, rows) in self.runs {
            run(facts, rows, column.typed::<T>())?;
        }
        column.close()
    }

    fn texts(&mut self, text: &fn(&Facts) -> &str) -> Result<(), ParquetError> {
        let mut values = Vec::with_capacity(PAGE);
        self.column::<ByteArrayType>(|facts, rows, column| {
            let value = ByteArray::from(text(facts).as_bytes().to_vec());
            values.clear();
            values.resize(rows.len(), value);
            column.write_batch(&values, None, None).map(drop)
        })
    }

    fn degrees(&mut self, which: fn((f64, f64)) -> f64) -> Result<(), ParquetError> {
        self.column::<DoubleType>(|facts, rows, column| {
            let (values, levels) = match facts.place {
                Some(place) => (vec![which(place); rows.len()], vec![1; rows.len()]),
                None => (Vec::new(), vec![0; rows.len()]),
            };
            column.write_batch(&values, Some(&levels), None).map(drop)
        })
    }

    fn whole(
        &mut self,
        point: impl Fn(&Point) -> i64,
        window: impl Fn(&Window) -> i64,
    ) -> Result<(), ParquetError> {
        self.column::<Int64Type>(|_, rows, column| {
            let values: Vec<i64> = match rows {
                Rows::Points(_, points) => points.iter().map(&point).collect(),
                Rows::Windows(windows) => windows.iter().map(&window).collect(),
            };
            column.write_batch(&values, None, None).map(drop)
        })
    }

    fn floats(
        &mut self,
        point: impl Fn(&Point) -> Option<f64>,
        window: impl Fn(&Window) -> Option<f64>,
    ) -> Result<(), ParquetError> {
        self.column::<DoubleType>(|_, rows, column| {
            let all: Vec<Option<f64>> = match rows {
                Rows::Points(_, points) => points.iter().map(&point).collect(),
                Rows::Windows(windows) => windows.iter().map(&window).collect(),
            };
            let values: Vec<f64> = all.iter().copied().flatten().collect();
            let levels: Vec<i16> = all.iter().map(|v| i16::from(v.is_some())).collect();
            column.write_batch(&values, Some(&levels), None).map(drop)
        })
    }

    fn qualities(&mut self) -> Result<(), ParquetError> {
        let words = [0, 1, 2].map(|q| {
            let word = quality(ioc_model::Quality::from_u8(q));
            ByteArray::from(word.as_bytes().to_vec())
        });
        let word = |q: ioc_model::Quality| words[q as usize].clone();
        self.column::<ByteArrayType>(|_, rows, column| {
            let values: Vec<ByteArray> = match rows {
                Rows::Points(_, points) => points.iter().map(|p| word(p.quality)).collect(),
                Rows::Windows(windows) => windows.iter().map(|w| word(w.quality())).collect(),
            };
            column.write_batch(&values, None, None).map(drop)
        })
    }
}
