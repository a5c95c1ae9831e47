//! Recorded feeds, sent again as the field would have sent them. Defects stay in: see
//! `data/PROVENANCE.md`.

mod air;
mod feed;
mod flood;
mod lines;
mod recording;
mod run;
#[cfg(test)]
mod tests;
mod traffic;

pub use air::{beijing, uci};
pub use feed::{ReplayFeed, ReplayOptions, Times};
pub use flood::flood;
pub use lines::lines;
pub use recording::{DeviceTally, Reading, Recording, ReplayDevice};
pub use run::{Source, replay};
pub use traffic::{aarhus, ndw};

use std::io::Read;

/// The text of bytes that may be compressed with xz.
///
/// # Errors
/// Broken compression or text that is not UTF-8.
pub(crate) fn unpack(bytes: &[u8]) -> anyhow::Result<String> {
    const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";
    let mut text = String::new();
    if bytes.starts_with(XZ_MAGIC) {
        xz2::read::XzDecoder::new(bytes).read_to_string(&mut text)?;
    } else {
        text = String::from_utf8(bytes.to_vec())?;
    }
    Ok(text)
}
