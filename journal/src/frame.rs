//! One record on disk: a header with its own CRC, then the compressed batch with its CRC.
//!
//! Both CRCs are needed: with the header proven, its length leads to the next record even when
//! the payload is damaged, and its count says how many positions were lost.

/// `IOC` and a byte that is not UTF-8, so that no text of a device looks like a record.
pub(crate) const MAGIC: [u8; 4] = [b'I', b'O', b'C', 0xf5];
/// Bytes before the payload.
pub(crate) const HEADER: usize = 32;
/// Largest payload of one record. A damaged length never reads beyond it.
pub(crate) const MAX_PAYLOAD: usize = 1 << 30;
/// LZ4 cannot expand a byte to more than this; a greater promise is not believed.
const MAX_RATIO: u64 = 256;

/// What stands before each payload, little endian: magic, payload bytes (u32), first position
/// (u64), entries (u32), bytes before compression (u32), CRC-32 of the payload, CRC-32 of all this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub payload_len: u32,
    pub first: u64,
    pub count: u32,
    pub raw_len: u32,
    pub payload_crc: u32,
}

impl Header {
    /// The header for a payload of at most [`MAX_PAYLOAD`] bytes.
    pub fn new(first: u64, count: u32, raw_len: u32, payload: &[u8]) -> Self {
        let payload_len = u32::try_from(payload.len()).expect("the writer checks MAX_PAYLOAD");
        Self { payload_len, first, count, raw_len, payload_crc: crc32fast::hash(payload) }
    }

    /// Position after the last entry.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    /// Bytes of the record on disk.
    pub fn size(&self) -> u64 {
        HEADER as u64 + u64::from(self.payload_len)
    }

    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut b = [0; HEADER];
        b[0..4].copy_from_slice(&MAGIC);
        b[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        b[8..16].copy_from_slice(&self.first.to_le_bytes());
        b[16..20].copy_from_slice(&self.count.to_le_bytes());
        b[20..24].copy_from_slice(&self.raw_len.to_le_bytes());
        b[24..28].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32fast::hash(&b[..28]);
        b[28..32].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// The header at the start of `bytes`, if there is a whole and undamaged one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let b = bytes.get(..HEADER)?;
        if b[0..4] != MAGIC || crc32fast::hash(&b[..28]) != u32_at(b, 28) {
            return None;
        }
        let header = Self {
            payload_len: u32_at(b, 4),
            first: u64_at(b, 8),
            count: u32_at(b, 16),
            raw_len: u32_at(b, 20),
            payload_crc: u32_at(b, 24),
        };
        let believable = header.payload_len as usize <= MAX_PAYLOAD
            && header.count > 0
            && u64::from(header.raw_len) <= (u64::from(header.payload_len) + 1) * MAX_RATIO
            && header.first.checked_add(u64::from(header.count)).is_some();
        believable.then_some(header)
    }

    pub fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_len as usize && crc32fast::hash(payload) == self.payload_crc
    }
}

/// Little-endian u32 at `at`; `bytes` must reach that far.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(b)
}

/// Little-endian u64 at `at`; `bytes` must reach that far.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_header_bit_is_seen() {
        let header = Header::new(77, 3, 30, b"payload bytes");
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes), Some(header));
        for bit in 0..HEADER * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn a_foreign_payload_does_not_fit() {
        let header = Header::new(0, 1, 13, b"payload bytes");
        assert!(header.fits(b"payload bytes"));
        assert!(!header.fits(b"payload bytez"));
        assert!(!header.fits(b"payload byte"));
    }
}
