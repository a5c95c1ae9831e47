//! What the recorded feeds say, read independently of the product.

use std::path::Path;

use anyhow::{Context, Result};
use ioc_model::Timestamp;

/// Flood alarm levels I, II, III in metres (domain.md §2.4), written here a second time on
/// purpose: the test must not read them from where the product does.
pub const FLOOD_LEVELS: [(&str, &str, [f64; 3]); 7] = [
    ("cam_le_m", "river-cam-le", [1.0, 2.0, 2.5]),
    ("ai_nghia_m", "river-ai-nghia", [6.5, 8.0, 9.0]),
    ("nong_son_m", "river-nong-son", [11.0, 13.0, 15.0]),
    ("giao_thuy_m", "river-giao-thuy", [6.5, 7.5, 8.8]),
    ("cau_lau_m", "river-cau-lau", [2.0, 3.0, 4.0]),
    ("hoi_an_m", "river-hoi-an", [1.0, 1.5, 2.0]),
    ("tam_ky_m", "river-tam-ky", [1.7, 2.2, 2.7]),
];

/// One reading of the October 2025 flood.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Device id.
    pub device: &'static str,
    /// Event time.
    pub time: Timestamp,
    /// Metres.
    pub value: f64,
    /// How many of the alarm levels it reaches (0 to 3).
    pub class: usize,
}

/// The readings in the order of time, then column.
pub fn flood(path: &Path) -> Result<Vec<Level>> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().context("empty")?.split(',').collect();
    let mut readings = Vec::new();
    for line in lines.filter(|l| !l.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').collect();
        let time = Timestamp::parse_rfc3339(cells[0])?;
        for (column, device, limits) in FLOOD_LEVELS {
            let at = header.iter().position(|h| *h == column).context(column)?;
            let Some(value) = cells.get(at).and_then(|c| c.trim().parse::<f64>().ok()) else {
                continue;
            };
            let class = limits.iter().filter(|l| value >= **l).count();
            readings.push(Level { device, time, value, class });
        }
    }
    Ok(readings)
}
