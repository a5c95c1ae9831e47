//! The bytes of a line, and the hash that ties it to the line before. Pure.
//!
//! ```text
//! digest(n) = SHA-256("ioc-audit" ‖ format ‖ digest(n-1) ‖ cell … cell)
//! format    = one byte, 1
//! digest(0) = 32 zero bytes
//! cells     = seq, alert, action, actor, at, severity, value, note, lim, message, evidence,
//!             origin, detail: always these thirteen, in this order
//! cell      = 0                        NULL
//!           | 1 ‖ 8 bytes              integer, two's complement, big-endian
//!           | 2 ‖ 8 bytes              real, the IEEE 754 bits, big-endian
//!           | 3 ‖ 8 bytes ‖ content    text: length in bytes, then UTF-8
//!           | 4 ‖ 8 bytes ‖ content    blob
//! ```
//! The column `hash` holds the format byte and the digest. Each cell says its kind and its length,
//! so no two lines have the same bytes: NULL is not the empty text, 0 is not 0.0, and nothing can
//! be moved from one column into the next. Cells are what SQLite holds, of whatever kind, so also
//! a cell of a kind that the IOC never writes has its own bytes.
//!
//! Another encoding gets another format byte; a log may then hold lines of both.

use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

/// Cells of a line.
pub(super) const CELLS: usize = 13;
/// The columns that are hashed, in their order.
pub(super) const COLUMNS: &str =
    "seq, alert, action, actor, at, severity, value, note, lim, message, evidence, origin, detail";
/// The format written today.
const FORMAT: u8 = 1;
const NAME: &[u8] = b"ioc-audit";

/// Format and digest of a line, as in the column `hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash([u8; 33]);

impl Hash {
    /// What stands before the first line.
    pub(super) const NONE: Self = {
        let mut bytes = [0; 33];
        bytes[0] = FORMAT;
        Self(bytes)
    };

    /// The hash in a column; `None` for anything else than a hash.
    pub(super) fn read(cell: ValueRef<'_>) -> Option<Self> {
        match cell {
            ValueRef::Blob(bytes) => bytes.try_into().ok().map(Self),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if this version can compute it.
    pub(super) fn is_known(&self) -> bool {
        self.0[0] == FORMAT
    }

    pub(super) fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    pub(super) fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 66 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 33];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// The hash of the line with these cells after the line with hash `before`.
pub(super) fn next(before: &Hash, cells: &[ValueRef<'_>; CELLS]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(NAME);
    sha.update([FORMAT]);
    sha.update(&before.0[1..]);
    encode(cells, &mut |bytes| sha.update(bytes));
    let mut out = [FORMAT; 33];
    out[1..].copy_from_slice(&sha.finalize());
    Hash(out)
}

/// The same line with another number.
pub(super) fn numbered<'a>(cells: &[ValueRef<'a>; CELLS], seq: u64) -> [ValueRef<'a>; CELLS] {
    let mut cells = *cells;
    cells[0] = ValueRef::Integer(seq.cast_signed());
    cells
}

fn encode(cells: &[ValueRef<'_>; CELLS], out: &mut impl FnMut(&[u8])) {
    for cell in cells {
        match *cell {
            ValueRef::Null => out(&[0]),
            ValueRef::Integer(n) => number(1, n.to_be_bytes(), out),
            ValueRef::Real(x) => number(2, x.to_bits().to_be_bytes(), out),
            ValueRef::Text(text) => string(3, text, out),
            ValueRef::Blob(blob) => string(4, blob, out),
        }
    }
}

fn number(kind: u8, bytes: [u8; 8], out: &mut impl FnMut(&[u8])) {
    let mut cell = [kind; 9];
    cell[1..].copy_from_slice(&bytes);
    out(&cell);
}

fn string(kind: u8, content: &[u8], out: &mut impl FnMut(&[u8])) {
    number(kind, (content.len() as u64).to_be_bytes(), out);
    out(content);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::types::Value;

    use super::*;

    type Line = [Value; CELLS];

    fn refs(line: &Line) -> [ValueRef<'_>; CELLS] {
        std::array::from_fn(|i| ValueRef::from(&line[i]))
    }

    fn bytes(line: &Line) -> Vec<u8> {
        let mut all = Vec::new();
        encode(&refs(line), &mut |b| all.extend_from_slice(b));
        all
    }

    /// Reads the documented encoding, written without a look at `encode`.
    fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
        let mut cells = Vec::new();
        while let Some((kind, rest)) = bytes.split_first() {
            if *kind == 0 {
                cells.push(Value::Null);
                bytes = rest;
                continue;
            }
            let (head, rest) = rest.split_first_chunk::<8>()?;
            let n = u64::from_be_bytes(*head);
            bytes = rest;
            cells.push(match kind {
                1 => Value::Integer(n as i64),
                2 => Value::Real(f64::from_bits(n)),
                _ => {
                    let (content, rest) = rest.split_at_checked(usize::try_from(n).ok()?)?;
                    bytes = rest;
                    match kind {
                        3 => Value::Text(String::from_utf8(content.to_vec()).ok()?),
                        4 => Value::Blob(content.to_vec()),
                        _ => return None,
                    }
                }
            });
        }
        Some(cells)
    }

    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
            _ => a == b,
        }
    }

    /// Few different contents, so that lines that differ in one place are common.
    fn cell() -> impl Strategy<Value = Value> {
        prop_oneof![
            3 => Just(Value::Null),
            2 => Just(Value::Text(String::new())),
            2 => Just(Value::Integer(0)),
            2 => Just(Value::Real(0.0)),
            1 => Just(Value::Real(-0.0)),
            1 => Just(Value::Blob(Vec::new())),
            1 => any::<i64>().prop_map(Value::Integer),
            1 => any::<u64>().prop_map(|b| Value::Real(f64::from_bits(b))),
            2 => "[\\x00-\\x04a]{0,12}".prop_map(Value::Text),
            1 => ".{0,9}".prop_map(Value::Text),
            1 => proptest::collection::vec(0u8..5, 0..12).prop_map(Value::Blob),
        ]
    }

    fn line() -> impl Strategy<Value = Line> {
        proptest::array::uniform13(cell())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_bytes_of_a_line_give_the_line_back(line in line()) {
            let back = decode(&bytes(&line)).expect("reads what was written");
            prop_assert_eq!(back.len(), CELLS);
            prop_assert!(back.iter().zip(&line).all(|(a, b)| same(a, b)));
        }

        #[test]
        fn two_different_lines_never_have_the_same_bytes(
            a in line(), other in cell(), at in 0..CELLS, to in 0..CELLS, cut in 0usize..12,
        ) {
            let mut b = a.clone();
            // One cell changed, two swapped, or a piece of text moved to the next column.
            b[at] = other;
            let mut c = a.clone();
            c.swap(at, to);
            let mut d = a.clone();
            if let (Value::Text(left), Value::Text(right)) = (&a[at], &a[(at + 1) % CELLS])
                && left.is_char_boundary(cut.min(left.len()))
            {
                let (stays, goes) = left.split_at(cut.min(left.len()));
                d[at] = Value::Text(stays.into());
                d[(at + 1) % CELLS] = Value::Text(format!("{goes}{right}"));
            }
            for b in [b, c, d] {
                let equal = a.iter().zip(&b).all(|(a, b)| same(a, b));
                prop_assert_eq!(bytes(&a) == bytes(&b), equal);
                let hash = |line| next(&Hash::NONE, &refs(line));
                prop_assert_eq!(hash(&a) == hash(&b), equal);
            }
        }

        #[test]
        fn a_hash_is_read_back_from_its_digits(text in "[0-9a-f]{66}", bad in ".{0,70}") {
            let hash = Hash::parse(&text).expect("66 digits");
            prop_assert_eq!(hash.hex(), text);
            prop_assert_eq!(Hash::read(ValueRef::Blob(hash.bytes())), Some(hash));
            if let Some(hash) = Hash::parse(&bad) {
                prop_assert_eq!(hash.hex(), bad.to_ascii_lowercase());
            }
        }
    }

    /// Computed by hand with Python's hashlib; a change of the encoding needs a new format byte.
    #[test]
    fn the_first_format_stays_as_it_is() {
        let mut line: Line = std::array::from_fn(|_| Value::Null);
        line[0] = Value::Integer(1);
        line[1] = Value::Text("a1".into());
        line[6] = Value::Real(2.5);
        let hash = next(&Hash::NONE, &refs(&line));
        assert_eq!(
            hash.hex(),
            "014d0f6ea90d88dfbd0830847bb2d9d0f3a71ee9ad2ae7a4b48b2e0ea2d6569dbe"
        );
        assert_ne!(next(&hash, &refs(&line)), hash, "the line before counts");
    }
}
