//! What a file says of one device.

use std::borrow::Cow;

use ioc_model::{Device, DeviceState, Place};

use crate::registry::cells;
use crate::registry::columns::{COLUMNS, Column};
use crate::registry::mistakes::{At, Mistakes};
use crate::registry::propose::Places;

/// A text and the byte at which it begins.
pub(super) struct Cell<'a> {
    pub(super) at: usize,
    pub(super) text: Cow<'a, str>,
}

/// One device of a file. A column that the file does not have leaves the device as it is; an empty
/// cell takes away.
pub(super) struct Row<'a> {
    pub(super) at: usize,
    pub(super) cells: [Option<Cell<'a>>; COLUMNS],
    /// Numbers are written `16,05`.
    pub(super) decimal_comma: bool,
}

impl Row<'_> {
    /// Without blanks around it.
    pub(super) fn text(&self, column: Column) -> Option<&str> {
        self.cells[column as usize].as_ref().map(|c| c.text.trim())
    }

    pub(super) fn place(&self, column: Column) -> usize {
        self.cells[column as usize].as_ref().map_or(self.at, |c| c.at)
    }

    pub(super) fn places(&self) -> Places {
        let mut places: Places = Box::new([0; COLUMNS]);
        for (column, _) in Column::ALL {
            places[column as usize] = self.place(column);
        }
        places
    }

    /// The device with what the row says. A cell that cannot be read is told and changes nothing,
    /// so that the rest of the row is checked too.
    pub(super) fn apply(&self, mut device: Device, mistakes: &Mistakes<'_>) -> Device {
        let reader = Reader { row: self, mistakes };
        reader.names(&mut device);
        reader.words(&mut device);
        reader.place(&mut device);
        reader.cadence(&mut device);
        reader.lists(&mut device);
        device
    }
}

struct Reader<'a> {
    row: &'a Row<'a>,
    mistakes: &'a Mistakes<'a>,
}

impl Reader<'_> {
    fn refuse(&self, column: Column, message: String, hint: &str) {
        self.mistakes.add(At::Byte(self.row.place(column)), message, hint);
    }

    fn names(&self, d: &mut Device) {
        let text = |column| self.row.text(column);
        let set = |to: &mut String, column| {
            if let Some(text) = text(column) {
                text.clone_into(to);
            }
        };
        set(&mut d.name.vi, Column::NameVi);
        set(&mut d.name.en, Column::NameEn);
        set(&mut d.kind, Column::Kind);
        if let Some(service) = text(Column::Service).filter(|s| *s != &*d.service) {
            d.service = service.into();
        }
        if let Some(area) = text(Column::Area).filter(|a| *a != &*d.area) {
            d.area = area.into();
        }
        let named = |column| text(column).map(|t| Some(t).filter(|t| !t.is_empty()));
        if let Some(parent) = named(Column::Parent) {
            d.parent = parent.map(Into::into);
        }
        if let Some(segment) = named(Column::Segment) {
            d.segment = segment.map(Into::into);
        }
        if let Some(contact) = named(Column::Contact) {
            d.contact = contact.map(Into::into);
        }
    }

    fn words(&self, d: &mut Device) {
        if let Some(word) = self.row.text(Column::Bridge) {
            match word.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "x" => d.bridge = true,
                "" | "false" | "0" | "no" => d.bridge = false,
                _ => {
                    let message = format!("`{}` is not true or false", word.escape_debug());
                    self.refuse(Column::Bridge, message, "true: it speaks for others");
                }
            }
        }
        match self.row.text(Column::State) {
            // Nobody takes a block away by leaving a cell empty.
            None | Some("") => {}
            Some("approved") => d.state = DeviceState::Approved,
            Some("pending") => d.state = DeviceState::Pending,
            Some("blocked") => d.state = DeviceState::Blocked,
            Some(word) => {
                let message = format!("unknown state `{}`", word.escape_debug());
                self.refuse(Column::State, message, "expected approved, pending or blocked");
            }
        }
    }

    fn place(&self, d: &mut Device) {
        match [Column::Lat, Column::Lon].map(|c| self.row.text(c)) {
            [None, None] => {}
            [Some(""), Some("")] => d.place = None,
            [Some("") | None, _] => {
                self.refuse(Column::Lat, "lon without lat".into(), "give both or none");
            }
            [_, Some("") | None] => {
                self.refuse(Column::Lon, "lat without lon".into(), "give both or none");
            }
            [Some(lat), Some(lon)] => {
                let (lat, lon) = (self.number(Column::Lat, lat), self.number(Column::Lon, lon));
                if let (Some(lat), Some(lon)) = (lat, lon) {
                    d.place = Some(Place { lat, lon });
                }
            }
        }
    }

    fn cadence(&self, d: &mut Device) {
        let text = match self.row.text(Column::CadenceS) {
            None => return,
            Some("") => "0",
            Some(text) => text,
        };
        match text.parse() {
            Ok(seconds) => d.cadence_s = seconds,
            Err(_) => {
                let message = format!("`{}` is no whole number", text.escape_debug());
                let hint = "expected seconds between two messages; 0: not regular";
                self.refuse(Column::CadenceS, message, hint);
            }
        }
    }

    fn number(&self, column: Column, text: &str) -> Option<f64> {
        let plain = match self.row.decimal_comma {
            true => text.replacen(',', ".", 1),
            false => text.to_owned(),
        };
        let is_number = plain.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let number = plain.parse::<f64>().ok().filter(|v| is_number && v.is_finite());
        if number.is_none() {
            let message = format!("`{}` is not a number", text.escape_debug());
            let hint = match text.contains(',') {
                true => "write a point: 16.05; a comma is taken where `;` separates the cells",
                false => "degrees, such as 16.05",
            };
            self.refuse(column, message, hint);
        }
        number
    }

    fn lists(&self, d: &mut Device) {
        let list = |column| self.row.text(column).map(cells::list);
        if let Some(items) = list(Column::Properties) {
            let same = d.properties.len() == items.len()
                && d.properties.iter().zip(&items).all(|(a, b)| **a == **b);
            if !same {
                d.properties = items.into_iter().map(Into::into).collect();
            }
        }
        if let Some(items) = list(Column::Topics) {
            d.topics = items;
        }
        if let Some(items) = list(Column::Aliases) {
            d.aliases = items.into_iter().map(Into::into).collect();
        }
        match self.row.text(Column::Fields).map(cells::fields) {
            None => {}
            Some(Ok(fields)) => d.fields = fields,
            Some(Err(item)) => {
                let message = format!("`{}` is no field", item.trim().escape_debug());
                let hint = "expected name=property or name=property|unit, separated by `;`";
                self.refuse(Column::Fields, message, hint);
            }
        }
        match self.row.text(Column::Tags).map(cells::tags) {
            None => {}
            Some(Ok(tags)) => d.tags = tags,
            Some(Err(item)) => {
                let message = format!("`{}` is no tag of its own", item.trim().escape_debug());
                let hint = "expected key=value, each key once, separated by `;`";
                self.refuse(Column::Tags, message, hint);
            }
        }
    }
}
