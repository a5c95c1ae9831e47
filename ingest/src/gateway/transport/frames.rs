//! WebSocket frames from a client (RFC 6455, section 5), read in place and without a buffer:
//! payload leaves as it comes, so that a header that promises much costs nothing.

/// Why a client is sent away; the numbers are the close codes of RFC 6455, section 7.4.1.
pub(super) mod close {
    pub(in super::super) const NORMAL: u16 = 1000;
    pub(in super::super) const PROTOCOL: u16 = 1002;
    /// A kind of data we do not take: text.
    pub(in super::super) const UNACCEPTABLE: u16 = 1003;
    pub(in super::super) const TOO_BIG: u16 = 1009;
}

pub(super) mod opcode {
    pub(in super::super) const CONTINUATION: u8 = 0;
    pub(in super::super) const TEXT: u8 = 1;
    pub(in super::super) const BINARY: u8 = 2;
    pub(in super::super) const CLOSE: u8 = 8;
    pub(in super::super) const PING: u8 = 9;
    pub(in super::super) const PONG: u8 = 10;
}

/// Longest payload of a control frame.
const MAX_CONTROL: usize = 125;
/// First two bytes, a length of 8, a mask of 4.
const MAX_HEAD: usize = 14;

/// Something a frame asks for besides its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Answer with a pong of this payload.
    Ping(Vec<u8>),
    /// The client ends; answer with this code, or with none.
    Close(Option<u16>),
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    left: u64,
    mask: [u8; 4],
}

/// Takes frames apart, in pieces of any size.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; MAX_HEAD],
    head_len: usize,
    frame: Option<Frame>,
    /// A message has begun and its last frame has not come.
    fragmented: bool,
    /// Bytes of the message so far.
    message: u64,
    max_message: u64,
    control: Vec<u8>,
}

/// What a piece of bytes held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Payload, now at the front of the piece.
    pub(super) payload: usize,
    /// The last control frame that needs an answer; of several pings only the last does
    /// (RFC 6455, section 5.5.3). After a close nothing is read.
    pub(super) control: Option<Control>,
    /// The rule that was broken, as a close code; payload before it counts.
    pub(super) broken: Option<u16>,
}

impl Frames {
    pub(super) fn new(max_message: usize) -> Self {
        Self {
            head: [0; MAX_HEAD],
            head_len: 0,
            frame: None,
            fragmented: false,
            message: 0,
            max_message: max_message as u64,
            control: Vec::new(),
        }
    }

    /// Reads `bytes`; payload of data frames is unmasked and moved to their front.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Found {
        let (mut at, mut found) = (0, Found::default());
        while at < bytes.len() || self.frame.is_some_and(|f| f.left == 0) {
            let Some(mut frame) = self.frame else {
                at += self.collect_head(&bytes[at..]);
                if let Err(code) = self.begin() {
                    found.broken = Some(code);
                    return found;
                }
                continue;
            };
            let n = (bytes.len() - at).min(usize::try_from(frame.left).unwrap_or(usize::MAX));
            unmask(&mut bytes[at..at + n], frame.mask);
            frame.mask.rotate_left(n % 4);
            frame.left -= n as u64;
            if frame.opcode >= opcode::CLOSE {
                self.control.extend_from_slice(&bytes[at..at + n]);
            } else {
                bytes.copy_within(at..at + n, found.payload);
                found.payload += n;
            }
            at += n;
            self.frame = Some(frame);
            if frame.left == 0 {
                self.frame = None;
                match self.end(frame.opcode) {
                    Ok(None) => {}
                    Ok(Some(close @ Control::Close(_))) => {
                        found.control = Some(close);
                        return found;
                    }
                    Ok(ping) => found.control = ping,
                    Err(code) => {
                        found.broken = Some(code);
                        return found;
                    }
                }
            }
        }
        found
    }

    /// Takes bytes for the header; returns how many.
    fn collect_head(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while self.head_len < self.head_wanted() && taken < bytes.len() {
            self.head[self.head_len] = bytes[taken];
            self.head_len += 1;
            taken += 1;
        }
        taken
    }

    /// Length of the header, as far as it is known.
    fn head_wanted(&self) -> usize {
        if self.head_len < 2 {
            return 2;
        }
        // The mask is counted in any case: a header without it is refused.
        6 + match self.head[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    /// Starts the frame when its header is complete.
    fn begin(&mut self) -> Result<(), u16> {
        if self.head_len < 2 {
            return Ok(());
        }
        let [first, second] = [self.head[0], self.head[1]];
        let (last, kind) = (first & 0x80 != 0, first & 0x0F);
        self.check_head(first, second)?;
        if self.head_len < self.head_wanted() {
            return Ok(());
        }
        // A length must be written in the shortest form.
        let (length, least, mask_at) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([self.head[2], self.head[3]])), 126, 4),
            127 => {
                let mut length = [0; 8];
                length.copy_from_slice(&self.head[2..10]);
                (u64::from_be_bytes(length), 0x1_0000, 10)
            }
            short => (u64::from(short), 0, 2),
        };
        if length < least || length >> 63 != 0 {
            return Err(close::PROTOCOL);
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[mask_at..mask_at + 4]);
        self.head_len = 0;
        if kind < opcode::CLOSE {
            self.message = self.message.saturating_add(length);
            if self.message > self.max_message {
                return Err(close::TOO_BIG);
            }
            self.fragmented = !last;
            if last {
                self.message = 0;
            }
        }
        self.frame = Some(Frame { opcode: kind, left: length, mask });
        Ok(())
    }

    /// What the first two bytes tell.
    fn check_head(&self, first: u8, second: u8) -> Result<(), u16> {
        let (last, kind, short) = (first & 0x80 != 0, first & 0x0F, second & 0x7F);
        let masked = second & 0x80 != 0;
        if first & 0x70 != 0 || !masked {
            return Err(close::PROTOCOL);
        }
        match kind {
            opcode::CONTINUATION if self.fragmented => Ok(()),
            opcode::BINARY if !self.fragmented => Ok(()),
            opcode::TEXT if !self.fragmented => Err(close::UNACCEPTABLE),
            opcode::CLOSE | opcode::PING | opcode::PONG
                if last && usize::from(short) <= MAX_CONTROL =>
            {
                Ok(())
            }
            _ => Err(close::PROTOCOL),
        }
    }

    /// Ends a frame whose payload is complete.
    fn end(&mut self, kind: u8) -> Result<Option<Control>, u16> {
        let body = std::mem::take(&mut self.control);
        match kind {
            opcode::PING => Ok(Some(Control::Ping(body))),
            opcode::CLOSE => match body[..] {
                [] => Ok(Some(Control::Close(None))),
                [high, low, ref reason @ ..] => {
                    let code = u16::from_be_bytes([high, low]);
                    let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                    if known && std::str::from_utf8(reason).is_ok() {
                        Ok(Some(Control::Close(Some(code))))
                    } else {
                        Err(close::PROTOCOL)
                    }
                }
                [_] => Err(close::PROTOCOL),
            },
            _ => Ok(None),
        }
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    for chunk in bytes.chunks_mut(4) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// Appends the header of an unmasked, final frame, as a server sends it.
pub(super) fn head(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(0x80 | kind);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASK: [u8; 4] = [7, 0, 0xFF, 0x55];

    /// A masked frame, with the length in a form of 1, 3 or 9 bytes.
    fn frame(first: u8, payload: &[u8], form: u8) -> Vec<u8> {
        let mut out = vec![first];
        match form {
            0 => out.push(0x80 | payload.len() as u8),
            1 => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
            _ => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&MASK);
        out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
        out
    }

    fn short(first: u8, payload: &[u8]) -> Vec<u8> {
        frame(first, payload, 0)
    }

    /// Reads in pieces of `step` bytes: payload, controls, the rule that was broken.
    fn read(bytes: &[u8], step: usize) -> (Vec<u8>, Vec<Control>, Option<u16>) {
        let mut frames = Frames::new(1_000);
        let (mut payload, mut controls) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(step) {
            let mut piece = piece.to_vec();
            let found = frames.read(&mut piece);
            payload.extend_from_slice(&piece[..found.payload]);
            let closed = matches!(found.control, Some(Control::Close(_)));
            controls.extend(found.control);
            if closed || found.broken.is_some() {
                return (payload, controls, found.broken);
            }
        }
        (payload, controls, None)
    }

    #[test]
    fn payload_is_the_same_however_it_is_cut_and_framed() {
        let long = vec![9; 300];
        let bytes = [
            short(0x82, b"ab"),
            short(0x02, b"c"),
            short(0x89, b"ping"),
            short(0x00, b""),
            short(0x80, b"de"),
            short(0x82, b""),
            frame(0x82, &long, 1),
            short(0x8A, b"pong"),
            short(0x82, b"f"),
            short(0x88, &[3, 0xE8, b'o', b'k']),
            short(0x82, b"after the close"),
        ]
        .concat();
        let expect = [&b"abcde"[..], &long, b"f"].concat();
        for step in [1, 2, 3, 5, 14, 100, bytes.len()] {
            let (payload, controls, broken) = read(&bytes, step);
            assert_eq!((payload, broken), (expect.clone(), None), "{step}");
            assert_eq!(controls.last(), Some(&Control::Close(Some(1000))), "{step}");
            if step < 14 {
                assert_eq!(controls[0], Control::Ping(b"ping".to_vec()));
            }
        }
    }

    #[test]
    fn broken_frames_are_refused_with_their_code() {
        let unmasked = vec![0x82, 2, b'a', b'b'];
        for (what, bytes, code) in [
            ("text", short(0x81, b"a"), close::UNACCEPTABLE),
            ("unmasked", unmasked, close::PROTOCOL),
            ("reserved bit", short(0xC2, b"a"), close::PROTOCOL),
            ("reserved opcode", short(0x83, b"a"), close::PROTOCOL),
            ("reserved control", short(0x8B, b"a"), close::PROTOCOL),
            ("nothing to continue", short(0x80, b"a"), close::PROTOCOL),
            ("not continued", [short(2, b"a"), short(0x82, b"b")].concat(), close::PROTOCOL),
            ("ping in parts", short(0x09, b"a"), close::PROTOCOL),
            ("long ping", frame(0x89, &[0; 126], 1), close::PROTOCOL),
            ("length of 3 bytes for 1", frame(0x82, b"a", 1), close::PROTOCOL),
            ("length of 9 bytes for 1", frame(0x82, b"a", 2), close::PROTOCOL),
            ("too long", frame(0x82, &[0; 1_001], 1), close::TOO_BIG),
            (
                "too long in parts",
                [frame(2, &[0; 900], 1), short(0x80, &[0; 101])].concat(),
                close::TOO_BIG,
            ),
            ("close of one byte", short(0x88, &[3]), close::PROTOCOL),
            ("close with a code for nobody", short(0x88, &[3, 0xED]), close::PROTOCOL),
            ("close with broken text", short(0x88, &[3, 0xE8, 0xFF]), close::PROTOCOL),
        ] {
            for step in [1, 3, bytes.len()] {
                let bytes = [short(0x82, b"kept"), bytes.clone()].concat();
                let (payload, _, broken) = read(&bytes, step);
                assert_eq!(broken, Some(code), "{what}");
                assert_eq!(payload[..4], *b"kept", "{what}");
            }
        }
    }

    #[test]
    fn a_header_that_promises_much_is_refused_before_its_payload() {
        let huge = [0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4];
        assert_eq!(read(&huge, 14).2, Some(close::TOO_BIG));
        let negative = [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(read(&negative, 14).2, Some(close::PROTOCOL));
        // A sum over parts must not run over either.
        let first = frame(2, &[0; 900], 1);
        let more = [0x00, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4];
        assert_eq!(read(&[&first[..], &more].concat(), 914).2, Some(close::TOO_BIG));
    }

    #[test]
    fn headers_have_the_shortest_length() {
        let of = |n| {
            let mut out = Vec::new();
            head(opcode::BINARY, n, &mut out);
            out
        };
        assert_eq!(of(125), [0x82, 125]);
        assert_eq!(of(126), [0x82, 126, 0, 126]);
        assert_eq!(of(65_535), [0x82, 126, 0xFF, 0xFF]);
        assert_eq!(of(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_alike_in_any_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1usize..50
        ) {
            let (whole, _, broken) = read(&bytes, 400);
            let (parts, _, broken_in_parts) = read(&bytes, step);
            prop_assert_eq!((whole, broken), (parts, broken_in_parts));
        }

        #[test]
        fn payload_survives_any_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..126), 0..8),
            step in 1usize..60,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|m| short(0x82, m)).collect();
            prop_assert_eq!(read(&bytes, step), (messages.concat(), vec![], None));
        }
    }
}
