//! From text to nodes.

use ioc_model::QuarantineReason;

use super::{DEPTH, FIELDS, Kind, Node, Refusal, Slice, TEXT_BYTES, Tape};

/// Fills an empty tape with the one value of `text`.
pub(super) fn scan(text: &str, tape: &mut Tape) -> Result<(), Refusal> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, tape };
    scan.tape.nodes.clear();
    scan.tape.texts.clear();
    scan.value(Slice::NONE, 0)?;
    scan.space();
    if scan.at == scan.bytes.len() { Ok(()) } else { Err(scan.broken()) }
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tape: &'a mut Tape,
}

#[cold]
fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::Malformed, detail)
}

/// How many of eight bytes come before the end of a run of plain text: a quote, a backslash, a
/// control character. 8: none is the end.
fn plain(eight: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let eight = u64::from_le_bytes(eight);
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let control = eight.wrapping_sub(ONES * 0x20) & !eight;
    // A borrow may mark bytes after the first that is marked rightly, never before.
    let ends = (control | zero(eight ^ (ONES * 0x22)) | zero(eight ^ (ONES * 0x5C))) & HIGHS;
    ends.trailing_zeros() as usize / 8
}

/// One of 64 bits for a name; equal names have equal bits.
fn bit(name: &[u8]) -> u64 {
    let sign = |at: usize| u32::from(name.get(at).copied().unwrap_or_default());
    let n = name.len();
    let mix = sign(0)
        .wrapping_mul(0x9E37)
        .wrapping_add(sign(n / 2).wrapping_mul(0x85EB))
        .wrapping_add(sign(n.wrapping_sub(1)).wrapping_mul(0xC2B3))
        .wrapping_add(n as u32 * 0x27D5);
    1 << ((mix >> 5) & 63)
}

impl Scan<'_> {
    #[cold]
    fn broken(&self) -> Refusal {
        malformed(format!("not JSON at byte {}", self.at))
    }

    fn peek(&self) -> u8 {
        // A NUL is no sign of JSON, so it may stand for the end.
        self.bytes.get(self.at).copied().unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    fn slice(&self, from: usize) -> Slice {
        // A payload has at most 64 KiB.
        Slice { at: from as u32, len: (self.at - from) as u32, unescaped: false }
    }

    fn push(&mut self, key: Slice, kind: Kind, text: Slice) {
        let end = self.tape.nodes.len() as u32 + 1;
        self.tape.nodes.push(Node { key, text, kind, end });
    }

    fn value(&mut self, key: Slice, depth: u8) -> Result<(), Refusal> {
        self.space();
        match self.peek() {
            b'"' => {
                let text = self.string()?;
                self.push(key, Kind::Text, text);
            }
            b'{' => self.object(key, depth)?,
            b'[' => self.array(key, depth)?,
            b'-' | b'0'..=b'9' => {
                let digits = self.number()?;
                self.push(key, Kind::Number, digits);
            }
            b't' => self.word("true", key, Kind::True)?,
            b'f' => self.word("false", key, Kind::False)?,
            b'n' => self.word("null", key, Kind::Null)?,
            _ => return Err(self.broken()),
        }
        Ok(())
    }

    fn word(&mut self, word: &str, key: Slice, kind: Kind) -> Result<(), Refusal> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.broken());
        }
        self.at += word.len();
        self.push(key, kind, Slice::NONE);
        Ok(())
    }

    /// Opens an array or object; the node whose end is not known yet.
    fn open(&mut self, key: Slice, kind: Kind, depth: u8) -> Result<usize, Refusal> {
        if depth >= DEPTH {
            return Err(malformed("nested deeper than 16"));
        }
        self.push(key, kind, Slice::NONE);
        self.at += 1;
        self.space();
        Ok(self.tape.nodes.len() - 1)
    }

    fn close(&mut self, node: usize) {
        self.at += 1;
        self.tape.nodes[node].end = self.tape.nodes.len() as u32;
    }

    fn array(&mut self, key: Slice, depth: u8) -> Result<(), Refusal> {
        let node = self.open(key, Kind::Array, depth)?;
        if self.peek() != b']' {
            loop {
                self.value(Slice::NONE, depth + 1)?;
                self.space();
                match self.peek() {
                    b',' => self.at += 1,
                    b']' => break,
                    _ => return Err(self.broken()),
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn object(&mut self, key: Slice, depth: u8) -> Result<(), Refusal> {
        let node = self.open(key, Kind::Object, depth)?;
        let (mut fields, mut seen) = (0, 0u64);
        if self.peek() != b'}' {
            loop {
                self.space();
                if self.peek() != b'"' {
                    return Err(self.broken());
                }
                let key = self.string()?;
                fields += 1;
                if fields > FIELDS {
                    return Err(malformed("an object has more than 256 fields"));
                }
                let bit = bit(self.name(key).as_bytes());
                if seen & bit != 0 && self.is_there(node, key) {
                    return Err(malformed("a field comes twice"));
                }
                seen |= bit;
                self.space();
                if self.peek() != b':' {
                    return Err(self.broken());
                }
                self.at += 1;
                self.value(key, depth + 1)?;
                self.space();
                match self.peek() {
                    b',' => self.at += 1,
                    b'}' => break,
                    _ => return Err(self.broken()),
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn name(&self, slice: Slice) -> &str {
        let from = if slice.unescaped { &self.tape.texts } else { self.text };
        from.get(slice.at as usize..(slice.at + slice.len) as usize).unwrap_or_default()
    }

    /// Whether the open object `node` has a field of that name.
    fn is_there(&self, node: usize, key: Slice) -> bool {
        let name = self.name(key);
        let mut at = node + 1;
        while let Some(field) = self.tape.nodes.get(at) {
            if self.name(field.key) == name {
                return true;
            }
            at = field.end as usize;
        }
        false
    }

    fn string(&mut self) -> Result<Slice, Refusal> {
        self.at += 1;
        let from = self.at;
        loop {
            while let Some(eight) = self.bytes[self.at..].first_chunk() {
                let plain = plain(*eight);
                self.at += plain;
                if plain < 8 {
                    break;
                }
            }
            match self.peek() {
                b'"' => {
                    let slice = self.slice(from);
                    self.at += 1;
                    if slice.len as usize > TEXT_BYTES {
                        return Err(malformed("a text is longer than 4096 bytes"));
                    }
                    return Ok(slice);
                }
                b'\\' => return self.escaped(from),
                // Also the end of the payload.
                0..0x20 => return Err(self.broken()),
                _ => self.at += 1,
            }
        }
    }

    /// The rest of a text whose first backslash is at hand.
    #[cold]
    fn escaped(&mut self, from: usize) -> Result<Slice, Refusal> {
        let start = self.tape.texts.len();
        let mut plain = from;
        loop {
            match self.peek() {
                b'"' => {
                    self.copy(plain);
                    self.at += 1;
                    let len = self.tape.texts.len() - start;
                    if len > TEXT_BYTES {
                        return Err(malformed("a text is longer than 4096 bytes"));
                    }
                    return Ok(Slice { at: start as u32, len: len as u32, unescaped: true });
                }
                b'\\' => {
                    self.copy(plain);
                    self.at += 1;
                    let sign = self.escape()?;
                    if sign == '\0' {
                        return Err(malformed("a text holds a NUL character"));
                    }
                    self.tape.texts.push(sign);
                    plain = self.at;
                }
                0..0x20 => return Err(self.broken()),
                _ => self.at += 1,
            }
        }
    }

    fn copy(&mut self, from: usize) {
        // Both ends are at ASCII signs.
        self.tape.texts.push_str(self.text.get(from..self.at).unwrap_or_default());
    }

    /// The sign of an escape, after its backslash.
    fn escape(&mut self) -> Result<char, Refusal> {
        let sign = match self.peek() {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.broken()),
        };
        self.at += 1;
        Ok(sign)
    }

    fn unicode(&mut self) -> Result<char, Refusal> {
        let first = self.hex()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if !self.bytes[self.at..].starts_with(b"\\u") {
                return Err(self.broken());
            }
            self.at += 1;
            let second = self.hex()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.broken());
            }
            0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.broken())
    }

    /// Four hexadecimal digits after a `u`.
    fn hex(&mut self) -> Result<u32, Refusal> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()).to_digit(16).ok_or_else(|| self.broken())?;
            code = (code << 4) | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        if !self.peek().is_ascii_digit() {
            return Err(self.broken());
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Slice, Refusal> {
        let from = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        let mut may_be_large = self.at - from > 300;
        if matches!(self.peek(), b'e' | b'E') {
            may_be_large = true;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        let slice = self.slice(from);
        if may_be_large && self.name(slice).parse().is_ok_and(f64::is_infinite) {
            let detail = format!("number too large at byte {from}");
            return Err(Refusal::new(QuarantineReason::OutOfRange, detail));
        }
        Ok(slice)
    }
}
