//! GeoJSON (RFC 7946): a Feature for each reading, one a line, so that a torn file has a last whole
//! Feature.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::Value;

use super::cells::{float, quality};
use super::columns::Column;
use super::pages::Rows;
use super::run::Encode;
use super::select::Facts;
use super::zone::{TimeText, Zone};

pub(super) struct GeoJson {
    columns: Vec<Column>,
    time: TimeText,
    /// All of a Feature before the time, and whose.
    prefix: (Option<Arc<Facts>>, Vec<u8>),
    /// A Feature was written, by this run or the one before.
    any: bool,
}

impl GeoJson {
    pub fn new(zone: Zone, columns: Vec<Column>, resumed: bool) -> Self {
        Self { columns, time: TimeText::new(zone), prefix: (None, Vec::new()), any: resumed }
    }

    fn enter(&mut self, facts: &Arc<Facts>) -> io::Result<()> {
        let (of, prefix) = &mut self.prefix;
        if of.as_ref().is_some_and(|f| Arc::ptr_eq(f, facts)) {
            return Ok(());
        }
        prefix.clear();
        write!(prefix, "{{\"type\":\"Feature\",\"geometry\":")?;
        match facts.place {
            Some((lat, lon)) => {
                write!(prefix, "{{\"type\":\"Point\",\"coordinates\":[")?;
                float(lon, prefix);
                prefix.push(b',');
                float(lat, prefix);
                write!(prefix, "]}}")?;
            }
            None => write!(prefix, "null")?,
        }
        write!(prefix, ",\"properties\":{{")?;
        for (name, text) in [
            ("device", &*facts.key.device),
            ("name", &facts.name),
            ("service", &facts.service),
            ("area", &facts.area),
            ("property", &facts.key.property),
            ("unit", &facts.unit),
        ] {
            write!(prefix, "\"{name}\":{},", Value::from(text))?;
        }
        write!(prefix, "\"time\":\"")?;
        *of = Some(Arc::clone(facts));
        Ok(())
    }

    fn open(&mut self, time: ioc_model::Timestamp, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.any, true) {
            out.extend_from_slice(b",\n");
        }
        out.extend_from_slice(&self.prefix.1);
        self.time.write(time, out);
        out.push(b'"');
    }
}

fn number(value: Option<f64>, out: &mut Vec<u8>) {
    match value.filter(|v| v.is_finite()) {
        Some(value) => float(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

impl Encode for GeoJson {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"{\"type\":\"FeatureCollection\",\"features\":[\n");
        Ok(())
    }

    fn rows(&mut self, facts: &Arc<Facts>, rows: Rows, out: &mut Vec<u8>) -> io::Result<()> {
        self.enter(facts)?;
        match rows {
            Rows::Points(_, points) => {
                for p in points {
                    self.open(p.time, out);
                    out.extend_from_slice(b",\"value\":");
                    number(Some(p.value), out);
                    write!(out, ",\"quality\":\"{}\"}}}}", quality(p.quality))?;
                }
            }
            Rows::Windows(windows) => {
                for w in windows {
                    self.open(w.start, out);
                    for column in &self.columns {
                        write!(out, ",\"{}\":", column.name())?;
                        match column.number(&w) {
                            Some(n) => write!(out, "{n}")?,
                            None => number(column.value(&w), out),
                        }
                    }
                    write!(out, ",\"quality\":\"{}\"}}}}", quality(w.quality()))?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(b"\n]}\n");
        Ok(())
    }
}
