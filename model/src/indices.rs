//! Indices that a decision defines by tables, such as the air quality index.

use serde::{Deserialize, Serialize};

use crate::{Name, Text};

/// An index made of several properties: each is turned into a number of the common scale by its
/// own breakpoints, the largest is the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Name rules refer to, such as `vn_aqi`.
    pub id: Name,
    /// Name for people.
    pub name: Text,
    /// Unit symbol of the index; empty for a pure number.
    pub unit: Name,
    /// Law or document.
    pub source: String,
    /// First day it holds, `2019-11-12`.
    pub effective: String,
    /// What is uncertain about it, for people.
    #[serde(default)]
    pub note: Option<String>,
    /// Values of the index at the breakpoints, rising.
    pub scale: Vec<f64>,
    /// One table per property and averaging time.
    pub tables: Vec<Breakpoints>,
    /// Bands for people, from the lowest up.
    pub levels: Vec<IndexLevel>,
}

/// Concentrations at which the index has the values of [`Index::scale`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakpoints {
    /// Observed property; the numbers are in its unit.
    pub property: Name,
    /// Averaging time the numbers are for, hours.
    pub average_h: u32,
    /// Rising; may end before the scale does: beyond its last number the table says nothing.
    pub at: Vec<f64>,
}

/// A band of the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexLevel {
    /// Largest value of the band, inclusive.
    pub up_to: f64,
    /// Name for people.
    pub name: Text,
    /// `#rrggbb`.
    pub colour: String,
}

impl Index {
    /// The table of a property for an averaging time.
    pub fn table(&self, property: &str, average_h: u32) -> Option<&Breakpoints> {
        self.tables.iter().find(|t| *t.property == *property && t.average_h == average_h)
    }

    /// The band of a value; above the last one, the last.
    pub fn level(&self, value: f64) -> Option<&IndexLevel> {
        self.levels.iter().find(|l| value <= l.up_to).or(self.levels.last())
    }
}
