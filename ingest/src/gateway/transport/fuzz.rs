//! What must hold for any bytes in WebSocket frames; for `crate::fuzzing`.

use super::frames::{Control, Frames};

/// Longest message.
const MESSAGE: usize = 65_536;

/// What was read, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    payload: Vec<u8>,
    closed: Option<Option<u16>>,
    broken: Option<u16>,
}

/// Reads `bytes` in pieces of `size`.
fn read(bytes: &[u8], size: usize) -> Told {
    let mut frames = Frames::new(MESSAGE);
    let mut told = Told { payload: Vec::new(), closed: None, broken: None };
    for piece in bytes.chunks(size.max(1)) {
        let mut piece = piece.to_vec();
        let found = frames.read(&mut piece);
        assert!(found.payload <= piece.len(), "more than there was");
        told.payload.extend_from_slice(&piece[..found.payload]);
        told.broken = found.broken;
        match found.control {
            Some(Control::Ping(body)) => assert!(body.len() <= 125, "a long ping"),
            Some(Control::Close(code)) => told.closed = Some(code),
            None => {}
        }
        if told.closed.is_some() || told.broken.is_some() {
            break;
        }
    }
    told
}

/// The first byte is the size of pieces: however bytes come in, they say the same.
pub(crate) fn websocket(input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len());
    assert_eq!(read(bytes, usize::from(size)), whole, "in pieces of {size}");
    assert_eq!(read(bytes, 1), whole, "byte by byte");
    assert!(whole.payload.len() <= bytes.len());
}
