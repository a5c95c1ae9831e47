use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, Mac};
use ioc_model::{Private, Revealed, Seal, Sealed, Timestamp};
use sha2::Sha256;

use super::envelope::{self, LINK_BYTES, Label, PLATE_BYTES};
use super::keyfiles::{Key, KeyError, KeyFiles, KeyId};
use super::mask::{mask, normalise};
use super::{DAY_MS, PersonalConfig, day_of};

/// A pseudonym lasts for a calendar month if data is kept so many days.
const MONTH_DAYS: u32 = 30;

/// Seals personal data with the key of the day, opens it, and deletes keys by age.
pub struct Keyring {
    config: PersonalConfig,
    /// Held while a key is made, which is twice a day at most: what comes meanwhile waits.
    files: Mutex<KeyFiles>,
    failed: AtomicU64,
}

impl Keyring {
    /// Opens or makes the folder of keys.
    ///
    /// # Errors
    /// [`KeyError`] when the folder or a key cannot be read.
    pub fn open(dir: &Path, config: PersonalConfig) -> Result<Self, KeyError> {
        let files = Mutex::new(KeyFiles::open(dir)?);
        Ok(Self { config, files, failed: AtomicU64::new(0) })
    }

    /// Detections whose personal data was forgotten because it could not be sealed.
    pub fn not_sealed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Makes the keys that are needed within the next hour, so that no message waits for a disk
    /// at midnight. Nothing is made when nothing is kept.
    ///
    /// # Errors
    /// [`KeyError`] when a key cannot be made.
    pub fn prepare(&self, now: Timestamp) -> Result<(), KeyError> {
        if self.config.is_off() {
            return Ok(());
        }
        let mut files = self.files();
        for day in [day_of(now), day_of(now.plus_ms(3_600_000))] {
            files.get_or_make(KeyId::Day(day))?;
            files.get_or_make(self.pseudonym_key(day))?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn holds(&self, day: u32) -> bool {
        self.files().get(KeyId::Day(day)).is_some()
    }

    /// It could be shown.
    pub(super) fn opens(&self, sealed: &Sealed) -> bool {
        let key = self.files().get(KeyId::Day(sealed.key)).cloned();
        key.is_some_and(|key| envelope::decrypt(&key, sealed).is_some())
    }

    /// `None` when its key is gone or it is not what was sealed.
    pub(super) fn open_sealed(&self, sealed: &Sealed) -> Option<Revealed> {
        let key = self.files().get(KeyId::Day(sealed.key)).cloned()?;
        envelope::open(&key, sealed)
    }

    /// When what was sealed on a day is deleted.
    pub(super) fn expires(&self, day: u32) -> Timestamp {
        Timestamp((i64::from(day) + 1 + i64::from(self.config.keep_days)) * DAY_MS)
    }

    /// The first day whose data is not deleted yet.
    pub(super) fn first_kept(&self, now: Timestamp) -> u32 {
        day_of(now).saturating_sub(self.config.keep_days)
    }

    /// Deletes the keys whose time is over; returns how many of them were keys of days.
    pub(super) fn delete_expired(&self, now: Timestamp) -> Result<u64, KeyError> {
        let (first, current) = (self.first_kept(now), self.pseudonym_key(day_of(now)));
        let mut files = self.files();
        let over: Vec<KeyId> = files
            .ids()
            .filter(|id| match id {
                KeyId::Day(day) => *day < first,
                KeyId::Pseudonym(_) => *id < current,
            })
            .collect();
        let mut days = 0;
        for id in over {
            files.delete(id)?;
            days += u64::from(matches!(id, KeyId::Day(_)));
        }
        Ok(days)
    }

    /// The key that makes the pseudonyms of a day. Its time must be over when that of its first
    /// day's key is: a calendar month, or as long as data is kept if that is shorter.
    fn pseudonym_key(&self, day: u32) -> KeyId {
        KeyId::Pseudonym(match self.config.keep_days {
            keep @ 0..MONTH_DAYS => day - day % keep.max(1),
            _ => first_of_month(day),
        })
    }

    fn sealed(&self, now: Timestamp, private: &Private<'_>) -> Result<Option<Sealed>, KeyError> {
        let normalised = zeroize::Zeroizing::new(private.plate.map(normalise).unwrap_or_default());
        let plate = private.plate.filter(|p| !normalised.is_empty() && p.len() <= PLATE_BYTES);
        let snapshot = private.snapshot.filter(|l| (1..=LINK_BYTES).contains(&l.len()));
        let private = Private { plate, snapshot };
        if private.is_empty() {
            return Ok(None);
        }
        let day = day_of(now);
        let (key, pseudonym_key) = {
            let mut files = self.files();
            (files.get_or_make(KeyId::Day(day))?, files.get_or_make(self.pseudonym_key(day))?)
        };
        let label = match plate {
            Some(_) => Label {
                key: day,
                mask: mask(&normalised).into(),
                pseudonym: pseudonym(&pseudonym_key, &normalised),
            },
            None => Label { key: day, mask: "".into(), pseudonym: 0 },
        };
        let sealed = envelope::seal(&key, label, &private);
        if sealed.is_none() {
            self.failed.fetch_add(1, Relaxed);
            tracing::error!("personal data not sealed: no random numbers; it is forgotten");
        }
        Ok(sealed)
    }

    fn files(&self) -> MutexGuard<'_, KeyFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seal for Keyring {
    fn seal(
        &self,
        service: &str,
        kind: &str,
        now: Timestamp,
        private: &Private<'_>,
    ) -> Option<Sealed> {
        if !self.config.keeps(service, kind) {
            return None;
        }
        self.sealed(now, private).unwrap_or_else(|error| {
            self.failed.fetch_add(1, Relaxed);
            tracing::error!(%error, "personal data not sealed, it is forgotten");
            None
        })
    }
}

/// HMAC-SHA256 (RFC 2104), its first 64 bits; never 0.
fn pseudonym(key: &Key, normalised: &str) -> u64 {
    // An HMAC takes keys of any length.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&**key) else { return 1 };
    mac.update(normalised.as_bytes());
    let digest = mac.finalize().into_bytes();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first).max(1)
}

/// The first day of the month of a UTC day (H. Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`, without the year).
fn first_of_month(day: u32) -> u32 {
    let z = u64::from(day) + 719_468;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5;
    day.saturating_sub(day_of_month as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_763_800_000_000); // 2025-11-22
    const PLATE: Private<'_> = Private { plate: Some("51F-123.45"), snapshot: None };

    fn config(keep_days: u32) -> PersonalConfig {
        let keep = [("traffic".to_owned(), vec!["red_light".to_owned()])].into();
        PersonalConfig { keep, keep_days }
    }

    fn ring(keep_days: u32) -> (tempfile::TempDir, Keyring) {
        let dir = tempfile::tempdir().expect("a folder");
        let ring = Keyring::open(&dir.path().join("keys"), config(keep_days)).expect("opens");
        (dir, ring)
    }

    fn seal(ring: &Keyring, now: Timestamp, private: &Private<'_>) -> Sealed {
        ring.seal("traffic", "red_light", now, private).expect("sealed")
    }

    fn days(n: i64) -> Timestamp {
        NOW.plus_ms(n * DAY_MS)
    }

    #[test]
    fn only_named_services_and_kinds_are_sealed() {
        let (dir, ring) = ring(30);
        assert!(ring.seal("traffic", "crowd", NOW, &PLATE).is_none());
        assert!(ring.seal("security", "red_light", NOW, &PLATE).is_none());
        let keys = std::fs::read_dir(dir.path().join("keys")).expect("reads").count();
        assert_eq!(keys, 0, "a key that nothing needs");
        let sealed = seal(&ring, NOW, &PLATE);
        assert_eq!((sealed.key, &*sealed.mask), (20_414, "51F-***.45"));
        let opened = ring.open_sealed(&sealed).expect("opens");
        assert_eq!((opened.plate.as_deref(), opened.snapshot), (Some("51F-123.45"), None));
    }

    #[test]
    fn what_is_empty_or_too_long_is_forgotten() {
        let (_dir, ring) = ring(30);
        let (plate, link) = ("5".repeat(65), format!("http://{}", "x".repeat(2_048)));
        let gone = Private { plate: Some(&plate), snapshot: Some(&link) };
        assert!(ring.seal("traffic", "red_light", NOW, &gone).is_none());
        let blank = Private { plate: Some(" -. "), snapshot: Some("") };
        assert!(ring.seal("traffic", "red_light", NOW, &blank).is_none());
        let link = Private { plate: Some(&plate), snapshot: Some("http://x/1.jpg") };
        let sealed = seal(&ring, NOW, &link);
        assert_eq!((&*sealed.mask, sealed.pseudonym), ("", 0));
        assert_eq!(ring.not_sealed(), 0);
    }

    #[test]
    fn a_plate_has_one_pseudonym_in_a_month_however_it_is_written() {
        let (_dir, ring) = ring(30);
        let one = seal(&ring, NOW, &PLATE).pseudonym;
        let again = Private { plate: Some("51f 12345"), snapshot: Some("http://x") };
        assert_eq!(seal(&ring, days(7), &again).pseudonym, one);
        assert_ne!(seal(&ring, days(9), &PLATE).pseudonym, one, "another month");
        let other = Private { plate: Some("51F-123.46"), snapshot: None };
        assert_ne!(seal(&ring, NOW, &other).pseudonym, one);
    }

    #[test]
    fn pseudonyms_and_data_of_another_installation_do_not_fit() {
        let (_a, ring_a) = ring(30);
        let (_b, ring_b) = ring(30);
        let sealed = seal(&ring_a, NOW, &PLATE);
        assert_ne!(seal(&ring_b, NOW, &PLATE).pseudonym, sealed.pseudonym);
        assert!(ring_b.open_sealed(&sealed).is_none());
    }

    #[test]
    fn a_key_is_deleted_when_its_data_is_old_and_not_before() {
        let (dir, ring) = ring(30);
        let sealed = seal(&ring, NOW, &PLATE);
        assert_eq!(ring.expires(sealed.key), Timestamp((20_414 + 31) * DAY_MS));
        assert_eq!(ring.delete_expired(ring.expires(sealed.key).plus_ms(-1)).expect("io"), 0);
        assert!(ring.open_sealed(&sealed).is_some());
        assert_eq!(ring.delete_expired(ring.expires(sealed.key)).expect("io"), 1);
        assert!(ring.open_sealed(&sealed).is_none());
        assert_eq!(std::fs::read_dir(dir.path().join("keys")).expect("reads").count(), 0);
    }

    #[test]
    fn no_pseudonym_key_outlives_the_first_day_key_of_its_time() {
        for keep_days in [1, 2, 7, 29, 30, 31, 366] {
            let (_dir, ring) = ring(keep_days);
            for day in 20_000..20_800u32 {
                let KeyId::Pseudonym(first) = ring.pseudonym_key(day) else { continue };
                assert!(first <= day, "{keep_days} {day}");
                // On the day that the first day's key is deleted, another one is in use.
                let end = day_of(ring.expires(first));
                assert_ne!(ring.pseudonym_key(end), ring.pseudonym_key(day), "{keep_days} {day}");
            }
        }
    }

    #[test]
    fn months_begin_where_the_calendar_says() {
        // 2025-11-22, 2025-11-01, 2025-10-31, 2024-02-29, 2024-03-01, 1970-01-01.
        for (day, first) in [
            (20_414, 20_393),
            (20_393, 20_393),
            (20_392, 20_362),
            (19_782, 19_754),
            (19_783, 19_783),
            (0, 0),
        ] {
            assert_eq!(first_of_month(day), first, "{day}");
        }
    }

    #[test]
    fn keys_are_there_before_midnight() {
        let (_dir, ring) = ring(30);
        let midnight = Timestamp(20_415 * DAY_MS);
        ring.prepare(midnight.plus_ms(-1_000)).expect("made");
        assert!(ring.holds(20_414) && ring.holds(20_415) && !ring.holds(20_416));
    }
}
