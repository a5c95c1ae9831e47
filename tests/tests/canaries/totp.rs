//! What an authenticator app does (RFC 6238: SHA-1, six digits, 30 s), with openssl's HMAC.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The bytes of a secret as apps are told it.
pub fn base32(text: &str) -> Result<Vec<u8>> {
    let (mut bits, mut held, mut out) = (0u32, 0u32, Vec::new());
    for c in text.trim_end_matches('=').bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            _ => anyhow::bail!("`{text}` is not base32"),
        };
        bits = bits << 5 | u32::from(digit);
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Ok(out)
}

/// The code of a moment, s since the epoch.
pub fn code(secret: &str, at: i64) -> Result<String> {
    let hex: String = base32(secret)?.iter().map(|b| format!("{b:02x}")).collect();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha1", "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"]);
    let mut child = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("no stdin")?.write_all(&(at / 30).to_be_bytes())?;
    let mac = child.wait_with_output()?.stdout;
    ensure!(mac.len() == 20, "openssl gave {} bytes", mac.len());
    let from = usize::from(mac[19] & 15);
    let word = u32::from_be_bytes([mac[from], mac[from + 1], mac[from + 2], mac[from + 3]]);
    Ok(format!("{:06}", (word & 0x7fff_ffff) % 1_000_000))
}

#[test]
fn gives_the_codes_of_rfc_6238() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    for (at, code_then) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(code(secret, at).expect("openssl"), code_then);
    }
}
