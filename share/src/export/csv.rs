//! CSV: a row for each reading.

use std::io::{self, Write};
use std::sync::Arc;

use super::cells::{cell, float, quality};
use super::columns::Column;
use super::pages::Rows;
use super::run::Encode;
use super::select::Facts;
use super::zone::{TimeText, Zone};

const BEGIN: &str = "device,name,service,area,latitude,longitude,property,unit,time,";

pub(super) struct Csv {
    columns: Vec<Column>,
    time: TimeText,
    /// All cells before the time, and whose.
    prefix: (Option<Arc<Facts>>, Vec<u8>),
}

impl Csv {
    pub fn new(zone: Zone, columns: Vec<Column>) -> Self {
        Self { columns, time: TimeText::new(zone), prefix: (None, Vec::new()) }
    }

    fn enter(&mut self, facts: &Arc<Facts>) {
        let (of, prefix) = &mut self.prefix;
        if of.as_ref().is_some_and(|f| Arc::ptr_eq(f, facts)) {
            return;
        }
        prefix.clear();
        for text in [&*facts.key.device, &facts.name, &facts.service, &facts.area] {
            cell(text, prefix);
            prefix.push(b',');
        }
        let (lat, lon) = facts.place.unwrap_or((f64::NAN, f64::NAN));
        for degrees in [lat, lon] {
            float(degrees, prefix);
            prefix.push(b',');
        }
        for text in [&*facts.key.property, &facts.unit] {
            cell(text, prefix);
            prefix.push(b',');
        }
        *of = Some(Arc::clone(facts));
    }
}

impl Encode for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        write!(out, "\u{feff}{BEGIN}")?;
        if self.columns.is_empty() {
            write!(out, "value,")?;
        }
        for column in &self.columns {
            write!(out, "{},", column.name())?;
        }
        write!(out, "quality\r\n")
    }

    fn rows(&mut self, facts: &Arc<Facts>, rows: Rows, out: &mut Vec<u8>) -> io::Result<()> {
        self.enter(facts);
        match rows {
            Rows::Points(_, points) => {
                for p in points {
                    out.extend_from_slice(&self.prefix.1);
                    self.time.write(p.time, out);
                    out.push(b',');
                    float(p.value, out);
                    write!(out, ",{}\r\n", quality(p.quality))?;
                }
            }
            Rows::Windows(windows) => {
                for w in windows {
                    out.extend_from_slice(&self.prefix.1);
                    self.time.write(w.start, out);
                    out.push(b',');
                    for column in &self.columns {
                        match column.number(&w) {
                            Some(n) => write!(out, "{n}")?,
                            None => float(column.value(&w).unwrap_or(f64::NAN), out),
                        }
                        out.push(b',');
                    }
                    write!(out, "{}\r\n", quality(w.quality()))?;
                }
            }
        }
        Ok(())
    }
}
