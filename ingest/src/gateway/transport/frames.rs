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
