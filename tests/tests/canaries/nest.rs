//! Secrets that nothing else looks like, and where they are found.

use std::path::Path;

use aho_corasick::AhoCorasick;
use anyhow::Result;

/// The secrets so far.
#[derive(Default)]
pub struct Nest {
    eggs: Vec<(String, Vec<Vec<u8>>)>,
}

impl Nest {
    /// A new secret with a recognisable value.
    pub fn lay(&mut self, name: &str) -> String {
        let number = self.eggs.len() as u64 + 1;
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let text = format!("Canary{number:02}kZ{mixed:016x}");
        self.know(name, &text);
        text
    }

    /// A secret that the centre made.
    pub fn know(&mut self, name: &str, text: &str) {
        assert!(text.len() >= 8, "{name}: `{text}` would be found by accident");
        self.know_bytes(name, text.as_bytes().to_vec());
    }

    /// A secret that is no text.
    pub fn know_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        // As `{:?}` prints bytes.
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let mut forms = vec![hex.into_bytes(), list.join(", ").into_bytes()];
        forms.extend(base64_forms(&bytes).into_iter().map(String::into_bytes));
        // What is hexadecimal may be kept as the bytes it stands for.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let pairs: Option<Vec<u8>> =
            (text.is_ascii() && text.len() >= 32 && text.len().is_multiple_of(2))
                .then(|| {
                    (0..text.len())
                        .step_by(2)
                        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok())
                        .collect()
                })
                .flatten();
        forms.extend(pairs);
        forms.push(bytes);
        self.eggs.push((name.to_owned(), forms));
    }

    pub fn len(&self) -> usize {
        self.eggs.len()
    }

    pub fn forms(&self) -> usize {
        self.eggs.iter().map(|(_, forms)| forms.len()).sum()
    }

    /// Fails with the names of what is there.
    pub fn none_in(&self, place: &str, bytes: &[u8]) {
        self.none_in_but(place, bytes, &[]);
    }

    /// The same; these may be there.
    pub fn none_in_but(&self, place: &str, bytes: &[u8], allowed: &[&str]) {
        let found = self.found(bytes);
        let found: Vec<_> = found.into_iter().filter(|(n, _)| !allowed.contains(n)).collect();
        assert!(found.is_empty(), "{place} holds {found:#?}");
    }

    /// Each secret that is in some bytes, once, with what is around it.
    fn found(&self, bytes: &[u8]) -> Vec<(&str, String)> {
        let owners: Vec<usize> =
            self.eggs.iter().enumerate().flat_map(|(i, (_, f))| f.iter().map(move |_| i)).collect();
        let forms = self.eggs.iter().flat_map(|(_, forms)| forms);
        let search = AhoCorasick::new(forms).expect("a few hundred short texts");
        let mut seen = std::collections::BTreeMap::new();
        for hit in search.find_iter(bytes) {
            let around = &bytes[hit.start().saturating_sub(120)..(hit.end() + 40).min(bytes.len())];
            let around = String::from_utf8_lossy(around).into_owned();
            seen.entry(self.eggs[owners[hit.pattern().as_usize()]].0.as_str()).or_insert(around);
        }
        seen.into_iter().collect()
    }

    /// The same for every file below a folder.
    pub fn none_in_files(&self, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.none_in_files(&path)?;
            } else {
                self.none_in(&path.display().to_string(), &std::fs::read(&path)?);
            }
        }
        Ok(())
    }
}

/// Base64 of some bytes wherever they begin in a longer text: without what depends on neighbours.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..3)
        .map(|before| {
            let bits: Vec<u8> = std::iter::repeat_n(0, before)
                .chain(bytes.iter().copied())
                .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1))
                .collect();
            let digits = bits.chunks_exact(6);
            let value = |six: &[u8]| six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit));
            let text: Vec<u8> = digits.map(|six| DIGITS[value(six)]).collect();
            let skip = if before == 0 { 0 } else { before + 1 };
            String::from_utf8_lossy(&text[skip..]).into_owned()
        })
        .collect()
}

#[test]
fn a_canary_is_found_in_every_form() {
    let mut nest = Nest::default();
    let text = nest.lay("one");
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    for hiding in [format!("a {text}."), hex, format!("{:?}", text.as_bytes())] {
        assert_eq!(nest.found(hiding.as_bytes()).len(), 1, "{hiding}");
    }
    // `echo -n Basic... | base64` of `u:` and `us:` before it.
    for before in ["", "u", "us"] {
        let all = format!("{before}{text}");
        let form = &base64_forms(all.as_bytes())[0];
        assert_eq!(nest.found(form.as_bytes()).len(), 1, "{form}");
    }
    assert!(nest.found(b"nothing here").is_empty());
}
