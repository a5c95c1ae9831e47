//! The live state as bytes, for a quick restart: magic, version, position, property names, then
//! each device with its last values; the first 8 bytes of SHA-256 over all of it close the file.

use ioc_model::{Name, Quality, Text};
use sha2::{Digest, Sha256};

use super::device::{Device, Latest, OFFLINE};
use super::state::State;

const MAGIC: &[u8; 8] = b"IOCLIVE1";
const SUM_BYTES: usize = 8;

/// Why a snapshot was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RestoreError {
    /// Another version, or no snapshot at all.
    #[error("not a live snapshot of this version")]
    Version,
    /// Torn or changed.
    #[error("live snapshot is damaged")]
    Damaged,
}

/// The body; [`seal`] closes it, outside of the lock.
pub(crate) fn write(state: &State) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + state.devices.len() * 128);
    out.extend_from_slice(MAGIC);
    put_u64(&mut out, state.next);
    put_i64(&mut out, state.newest_wall);
    put_i64(&mut out, state.newest_event);
    put_len(&mut out, state.names.len());
    for name in &state.names {
        put_text(&mut out, name);
    }
    put_len(&mut out, state.devices.len());
    for (device, hot) in state.devices.iter().zip(&state.hot) {
        put_device(&mut out, device);
        put_i64(&mut out, hot.time);
        put_i64(&mut out, hot.heard);
        out.push(hot.condition);
        put_len(&mut out, usize::from(hot.main_property));
        put_u64(&mut out, u64::from(hot.main.to_bits()));
        out.push(hot.quality as u8);
        put_len(&mut out, hot.latest.len());
        for latest in &hot.latest {
            put_len(&mut out, usize::from(latest.property));
            out.push(latest.quality as u8);
            put_u64(&mut out, latest.value.to_bits());
            put_i64(&mut out, latest.time);
            put_i64(&mut out, latest.received);
        }
    }
    out
}

/// Adds the checksum.
pub(crate) fn seal(mut body: Vec<u8>) -> Vec<u8> {
    let sum = Sha256::digest(&body);
    body.extend_from_slice(&sum[..SUM_BYTES]);
    body
}

/// Fills a fresh state; devices that the configuration does not know are added as discovered.
pub(crate) fn read(state: &mut State, bytes: &[u8]) -> Result<(), RestoreError> {
    if bytes.len() < MAGIC.len() + SUM_BYTES || &bytes[..MAGIC.len()] != MAGIC {
        return Err(RestoreError::Version);
    }
    let (body, sum) = bytes.split_at(bytes.len() - SUM_BYTES);
    if Sha256::digest(body)[..SUM_BYTES] != *sum {
        return Err(RestoreError::Damaged);
    }
    let mut r = Reader(&body[MAGIC.len()..]);
    state.next = r.u64()?;
    state.newest_wall = r.i64()?;
    state.newest_event = r.i64()?;
    let names = (0..r.len()?).map(|_| r.name()).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Option<u16>> = names.iter().map(|n| state.intern(n)).collect();
    let property = |n: usize| ids.get(n).copied().flatten();
    for _ in 0..r.len()? {
        read_device(state, &mut r, &property)?;
    }
    // Discovered devices are part of the list from the start, not news.
    state.publish_all();
    Ok(())
}

fn read_device(
    state: &mut State,
    r: &mut Reader<'_>,
    property: &impl Fn(usize) -> Option<u16>,
) -> Result<(), RestoreError> {
    let device = r.device()?;
    let known = state.find(&device.id);
    // A device that has left the configuration is dropped until it speaks again.
    let idx = match known {
        Some(idx) => Some(idx),
        None if !device.configured && state.has_room() => Some(state.add(device)),
        None => None,
    };
    let (time, heard, condition) = (r.i64()?, r.i64()?, r.u8()?);
    let main_property = property(r.len()?);
    let (main, quality) = (f32::from_bits(r.u64()? as u32), Quality::from_u8(r.u8()?));
    let mut latest = Vec::new();
    for _ in 0..r.len()? {
        let id = property(r.len()?);
        let quality = Quality::from_u8(r.u8()?);
        let (value, time, received) = (f64::from_bits(r.u64()?), r.i64()?, r.i64()?);
        if let Some(property) = id {
            latest.push(Latest { property, quality, value, time, received });
        }
    }
    let Some(idx) = idx else { return Ok(()) };
    let hot = &mut state.hot[idx];
    (hot.time, hot.heard, hot.condition) = (time, heard, condition.min(OFFLINE));
    // The configuration may have given the device another main property since.
    if main_property == Some(hot.main_property) {
        (hot.main, hot.quality) = (main, quality);
    } else if let Some(held) = latest.iter().find(|l| l.property == hot.main_property) {
        (hot.main, hot.quality) = (held.value as f32, held.quality);
    } else if let Some(main_property) = main_property.filter(|_| hot.has_no_main()) {
        (hot.main_property, hot.main, hot.quality) = (main_property, main, quality);
    }
    hot.latest = latest;
    Ok(())
}

fn put_u64(out: &mut Vec<u8>, v: u64) {
    out.extend_from_slice(&v.to_le_bytes());
}

fn put_i64(out: &mut Vec<u8>, v: i64) {
    out.extend_from_slice(&v.to_le_bytes());
}

fn put_len(out: &mut Vec<u8>, v: usize) {
    out.extend_from_slice(&(v as u32).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_device(out: &mut Vec<u8>, device: &Device) {
    for text in [&device.id, &device.service, &device.area] {
        put_text(out, text);
    }
    put_text(out, &device.kind);
    put_len(out, device.properties.len());
    for property in &device.properties {
        put_text(out, property);
    }
    put_len(out, device.cadence_s as usize);
    out.push(u8::from(device.configured));
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RestoreError::Damaged)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, RestoreError> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, RestoreError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, RestoreError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    fn len(&mut self) -> Result<usize, RestoreError> {
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    fn name(&mut self) -> Result<Name, RestoreError> {
        let n = self.len()?;
        let text = self.0.get(..n).ok_or(RestoreError::Damaged)?;
        self.0 = &self.0[n..];
        std::str::from_utf8(text).map(Name::from).map_err(|_| RestoreError::Damaged)
    }

    /// The stored half of a device; name and place of configured ones come from the city.
    fn device(&mut self) -> Result<Device, RestoreError> {
        let (id, service, area) = (self.name()?, self.name()?, self.name()?);
        let kind = self.name()?.to_string();
        let properties = (0..self.len()?).map(|_| self.name()).collect::<Result<_, _>>()?;
        let cadence_s = self.len()? as u32;
        let configured = self.u8()? != 0;
        let name = Text { vi: id.to_string(), en: id.to_string() };
        Ok(Device { id, name, kind, service, area, place: None, properties, cadence_s, configured })
    }
}
