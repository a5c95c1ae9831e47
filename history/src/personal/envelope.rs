//! The bytes of [`ioc_model::Sealed`]. Pure but for the random nonce.
//!
//! ```text
//! bytes      = form ‖ nonce (24) ‖ ciphertext ‖ tag (16)        XChaCha20-Poly1305
//! form       = 0x10 | 1 if there is a plate | 2 if there is a link
//! plaintext  = length of the plate (2 bytes, little-endian) ‖ length of the link (2 bytes)
//!              ‖ plate ‖ link ‖ zeros up to a multiple of 64 bytes
//! associated = key (4 bytes) ‖ pseudonym (8 bytes) ‖ form ‖ mask
//! ```
//! The associated data tie mask and pseudonym to what is inside, so a row that somebody edited
//! cannot be opened. The zeros hide how long plate and link are.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ioc_model::{Name, Private, Revealed, Sealed};
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::keyfiles::Key;

const FORM: u8 = 0x10;
const PLATE: u8 = 1;
const LINK: u8 = 2;
const NONCE_BYTES: usize = 24;
const PAD_BYTES: usize = 64;

/// Longest plate and link that are kept, bytes. Longer ones are forgotten: a cut link leads
/// nowhere, and no plate is so long.
pub(super) const PLATE_BYTES: usize = 64;
pub(super) const LINK_BYTES: usize = 2_048;

/// What is said of the plate in clear.
pub(super) struct Label {
    pub key: u32,
    pub mask: Name,
    pub pseudonym: u64,
}

/// `None` without random numbers.
pub(super) fn seal(key: &Key, label: Label, private: &Private<'_>) -> Option<Sealed> {
    let (plate, link) = (private.plate.unwrap_or(""), private.snapshot.unwrap_or(""));
    let form = FORM
        | (u8::from(private.plate.is_some()) * PLATE)
        | (u8::from(private.snapshot.is_some()) * LINK);
    let length = (4 + plate.len() + link.len()).next_multiple_of(PAD_BYTES);
    let mut plain = Zeroizing::new(Vec::with_capacity(length));
    plain.extend_from_slice(&u16::try_from(plate.len()).ok()?.to_le_bytes());
    plain.extend_from_slice(&u16::try_from(link.len()).ok()?.to_le_bytes());
    plain.extend_from_slice(plate.as_bytes());
    plain.extend_from_slice(link.as_bytes());
    plain.resize(length, 0);

    let mut nonce = [0; NONCE_BYTES];
    OsRng.try_fill_bytes(&mut nonce).ok()?;
    let Label { key: number, mask, pseudonym } = label;
    let aad = associated(number, pseudonym, form, &mask);
    let payload = Payload { msg: &plain, aad: &aad };
    let sealed = cipher(key).encrypt(&XNonce::from(nonce), payload).ok()?;
    let mut bytes = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    bytes.push(form);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&sealed);
    Some(Sealed { key: number, mask, pseudonym, bytes: bytes.into() })
}

/// `None`: another key, or not what was sealed.
pub(super) fn decrypt(key: &Key, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
    let (form, rest) = sealed.bytes.split_first()?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let aad = associated(sealed.key, sealed.pseudonym, *form, &sealed.mask);
    let payload = Payload { msg: ciphertext, aad: &aad };
    cipher(key).decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
}

/// `None`: another key, or not what was sealed.
pub(super) fn open(key: &Key, sealed: &Sealed) -> Option<Revealed> {
    let plain = decrypt(key, sealed)?;
    let form = sealed.bytes.first()?;
    let (lengths, texts) = plain.split_first_chunk::<4>()?;
    let plate = usize::from(u16::from_le_bytes([lengths[0], lengths[1]]));
    let link = usize::from(u16::from_le_bytes([lengths[2], lengths[3]]));
    let text = |from: usize, length: usize| -> Option<String> {
        std::str::from_utf8(texts.get(from..from.checked_add(length)?)?).ok().map(String::from)
    };
    Some(Revealed {
        plate: if form & PLATE != 0 { Some(text(0, plate)?) } else { None },
        snapshot: if form & LINK != 0 { Some(text(plate, link)?) } else { None },
    })
}

/// There is a link inside.
pub(super) fn has_link(sealed: &[u8]) -> bool {
    sealed.first().is_some_and(|form| form & LINK != 0)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}

fn associated(key: u32, pseudonym: u64, form: u8, mask: &str) -> Vec<u8> {
    let mut aad = Vec::with_capacity(13 + mask.len());
    aad.extend_from_slice(&key.to_le_bytes());
    aad.extend_from_slice(&pseudonym.to_le_bytes());
    aad.push(form);
    aad.extend_from_slice(mask.as_bytes());
    aad
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> Key {
        Zeroizing::new([n; 32])
    }

    fn label() -> Label {
        Label { key: 20_000, mask: "51F-***.45".into(), pseudonym: 7 }
    }

    const BOTH: Private<'_> =
        Private { plate: Some("51F-123.45"), snapshot: Some("http://nvr/1.jpg") };

    proptest! {
        #[test]
        fn opens_what_it_sealed(plate in prop::option::of("\\PC{0,16}"),
                                link in prop::option::of("\\PC{0,300}")) {
            let private = Private { plate: plate.as_deref(), snapshot: link.as_deref() };
            let sealed = seal(&key(1), label(), &private).expect("seals");
            prop_assert_eq!(has_link(&sealed.bytes), link.is_some());
            let opened = open(&key(1), &sealed).expect("opens");
            prop_assert_eq!((opened.plate, opened.snapshot), (plate, link));
        }

        #[test]
        fn one_changed_bit_anywhere_and_it_stays_shut(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut sealed = seal(&key(1), label(), &BOTH).expect("seals");
            let i = at.index(sealed.bytes.len());
            sealed.bytes[i] ^= 1 << bit;
            prop_assert!(open(&key(1), &sealed).is_none());
        }
    }

    #[test]
    fn another_key_day_mask_or_pseudonym_opens_nothing() {
        let sealed = seal(&key(1), label(), &BOTH).expect("seals");
        assert!(open(&key(1), &sealed).is_some());
        assert!(open(&key(2), &sealed).is_none());
        assert!(open(&key(1), &Sealed { key: 20_001, ..sealed.clone() }).is_none());
        assert!(open(&key(1), &Sealed { mask: "51G-***.45".into(), ..sealed.clone() }).is_none());
        assert!(open(&key(1), &Sealed { pseudonym: 8, ..sealed.clone() }).is_none());
        assert!(open(&key(1), &Sealed { bytes: sealed.bytes[..40].into(), ..sealed }).is_none());
    }

    #[test]
    fn equal_data_is_sealed_differently_and_its_length_is_hidden() {
        let (a, b) = (seal(&key(1), label(), &BOTH), seal(&key(1), label(), &BOTH));
        assert_ne!(a, b);
        let short = Private { plate: Some("1"), snapshot: None };
        let long = Private { plate: Some("29LD-123.45 (xe 2)"), snapshot: Some("http://x/2.jpg") };
        let length = |p| seal(&key(1), label(), p).expect("seals").bytes.len();
        assert_eq!(length(&short), length(&long));
    }
}
