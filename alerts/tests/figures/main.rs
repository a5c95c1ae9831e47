//! Figures of the alarm system and the shift log, read from a register that was really used.

mod desk;
mod kpi;
mod million;
mod shift;
