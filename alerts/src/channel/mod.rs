//! Ways out of the house.

pub mod words;
