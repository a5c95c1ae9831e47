//! Time-based one-time passwords (RFC 6238 over RFC 4226): SHA-1, 6 digits, 30 s: what every
//! authenticator app knows. And the picture that brings the secret into the app.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use ioc_model::Timestamp;
use qrcode::{Color, EcLevel, QrCode};
use rand::Rng;
use ring::hmac;
use std::io::Write as _;

use super::AuthError;

const STEP_MS: i64 = 30_000;
/// Clocks of telephones may be off by one step.
const DRIFT: i64 = 1;
/// 160 bits, as RFC 4226 wishes.
const SECRET_BYTES: usize = 20;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Pixels of one square of the picture, and squares of white around it.
const SCALE: usize = 6;
const QUIET: usize = 4;

pub(super) fn new_secret() -> Vec<u8> {
    let mut secret = vec![0; SECRET_BYTES];
    rand::rng().fill(&mut secret[..]);
    secret
}

/// The step of time whose code this is, if it is one of now and next to it.
pub(super) fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let code = code.trim();
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code: u32 = code.parse().ok()?;
    let present = now.0.div_euclid(STEP_MS);
    (present - DRIFT..=present + DRIFT).find(|step| code_at(secret, *step) == code)
}

/// RFC 4226, 5.3.
fn code_at(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let hash = hmac::sign(&key, &step.to_be_bytes());
    let hash = hash.as_ref();
    let at = usize::from(hash[19] & 15);
    let word = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
    (word & 0x7fff_ffff) % 1_000_000
}

/// The code of a moment, as an app shows it.
#[cfg(test)]
pub(crate) fn code(secret: &[u8], now: Timestamp) -> String {
    format!("{:06}", code_at(secret, now.0.div_euclid(STEP_MS)))
}

/// RFC 4648 without padding, for who types it.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(BASE32[(held << (5 - bits)) as usize & 31]));
    }
    text
}

/// What authenticator apps read. User names are of characters that need no escape but `:`.
pub(super) fn uri(user: &str, secret: &[u8]) -> String {
    let user = user.replace(':', "%3A");
    format!(
        "otpauth://totp/ioc:{user}?secret={}&issuer=ioc&algorithm=SHA1&digits=6&period=30",
        base32(secret)
    )
}

/// The text as a QR code: `data:image/png;base64,…`.
pub(super) fn picture(text: &str) -> Result<String, AuthError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    let code = code.map_err(|e| AuthError::Picture(e.to_string()))?;
    let width = code.width();
    let side = (width + 2 * QUIET) * SCALE;
    let dark = |x: usize, y: usize| {
        let at = |p: usize| (p / SCALE).checked_sub(QUIET).filter(|p| *p < width);
        at(x).zip(at(y)).is_some_and(|(x, y)| code[(x, y)] == Color::Dark)
    };
    let mut rows = Vec::with_capacity(side * (side + 1));
    for y in 0..side {
        rows.push(0); // no filter
        rows.extend((0..side).map(|x| if dark(x, y) { 0u8 } else { 255 }));
    }
    let png = png(side as u32, &rows).map_err(|e| AuthError::Picture(e.to_string()))?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

/// A grey picture of 8 bits (PNG, RFC 2083).
fn png(side: u32, rows: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        out.extend((data.len() as u32).to_be_bytes());
        let body = [kind, data].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        out.extend(&body);
        out.extend(crc.sum().to_be_bytes());
    };
    let mut head = [side.to_be_bytes(), side.to_be_bytes()].concat();
    head.extend([8, 0, 0, 0, 0]);
    chunk(b"IHDR", &head);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(rows)?;
    chunk(b"IDAT", &zlib.finish()?);
    chunk(b"IEND", &[]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = b"12345678901234567890";
        // Appendix B, SHA-1; the last 6 of its 8 digits.
        for (s, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, Timestamp(s * 1_000)), expected);
        }
    }

    #[test]
    fn a_code_holds_one_step_around_its_own() {
        let secret = new_secret();
        let now = Timestamp(1_761_588_000_000);
        let own = code(&secret, now);
        let step = now.0 / STEP_MS;
        for (off, fits) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = step_of(&secret, &own, now.plus_ms(off * STEP_MS));
            assert_eq!(found, fits.then_some(step), "{off}");
        }
        for bad in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(step_of(&secret, bad, now), None, "{bad}");
        }
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, text) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }

    #[test]
    fn the_picture_is_a_png_of_its_size() {
        let picture = picture(&uri("vneid:lan", b"12345678901234567890")).expect("drawn");
        let png = STANDARD.decode(picture.strip_prefix("data:image/png;base64,").expect("a PNG"));
        let png = png.expect("base64");
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let side = u32::from_be_bytes([png[16], png[17], png[18], png[19]]);
        assert!(side > 200 && side.is_multiple_of(SCALE as u32), "{side}");
        assert!(png.len() < 8_000, "{}", png.len());
    }
}
