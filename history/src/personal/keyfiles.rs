//! The folder of keys: one file of 32 random bytes for each key, 0600 in a folder of 0700.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

/// Wiped from memory when dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyId {
    /// Seals what comes on this UTC day.
    Day(u32),
    /// Makes pseudonyms from this UTC day to before the next such key.
    Pseudonym(u32),
}

impl KeyId {
    fn file(self) -> String {
        match self {
            Self::Day(day) => format!("day-{day}.key"),
            Self::Pseudonym(day) => format!("pseudonym-{day}.key"),
        }
    }

    fn parse(file: &str) -> Option<Self> {
        let (kind, day) = file.strip_suffix(".key")?.split_once('-')?;
        let day = day.parse().ok()?;
        let id = match kind {
            "day" => Self::Day(day),
            "pseudonym" => Self::Pseudonym(day),
            _ => return None,
        };
        (id.file() == file).then_some(id)
    }
}

/// Trouble with the folder of keys.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}", path.display())]
pub struct KeyError {
    act: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The folder, with its keys in memory.
pub(super) struct KeyFiles {
    dir: PathBuf,
    keys: BTreeMap<KeyId, Key>,
}

impl KeyFiles {
    /// Opens or makes the folder, and reads its keys. A damaged key opens nothing and is deleted.
    pub(super) fn open(dir: &Path) -> Result<Self, KeyError> {
        let tell = |act| move |source| KeyError { act, path: dir.to_owned(), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(0o700)))
            .and_then(|()| sync(dir.parent().unwrap_or(dir)))
            .map_err(tell("make the folder of keys"))?;
        let mut files = Self { dir: dir.to_owned(), keys: BTreeMap::new() };
        for entry in std::fs::read_dir(dir).map_err(tell("read the folder of keys"))? {
            let name = entry.map_err(tell("read the folder of keys"))?.file_name();
            let Some(id) = name.to_str().and_then(KeyId::parse) else { continue };
            match read(&dir.join(&name)) {
                Ok(key) => drop(files.keys.insert(id, key)),
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    tracing::error!(key = ?id, "a key is damaged; what it sealed is lost");
                    files.delete(id)?;
                }
                Err(source) => {
                    return Err(KeyError { act: "read the key", path: dir.join(&name), source });
                }
            }
        }
        Ok(files)
    }

    pub(super) fn get(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }

    /// The key; made, and durable, when it was not there.
    pub(super) fn get_or_make(&mut self, id: KeyId) -> Result<Key, KeyError> {
        if let Some(key) = self.keys.get(&id) {
            return Ok(Key::clone(key));
        }
        let path = self.dir.join(id.file());
        let key = self.make(&path).map_err(|source| KeyError { act: "make the key", path, source });
        let key = key?;
        self.keys.insert(id, Key::clone(&key));
        Ok(key)
    }

    fn make(&self, path: &Path) -> io::Result<Key> {
        let mut key = Key::default();
        OsRng.try_fill_bytes(&mut *key).map_err(io::Error::other)?;
        let new = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&*key)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        sync(&self.dir)?;
        Ok(key)
    }

    /// Deletes a key, here and on the disk. Its file is written over first: worth what the file
    /// system and the disk make of it.
    pub(super) fn delete(&mut self, id: KeyId) -> Result<(), KeyError> {
        let path = self.dir.join(id.file());
        let wipe = || -> io::Result<()> {
            match OpenOptions::new().write(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(&[0; 32])?;
                    file.sync_all()?;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(e),
            }
            std::fs::remove_file(&path)?;
            sync(&self.dir)
        };
        let wiped = wipe();
        // Whatever the disk says, from now on this process opens nothing with it.
        self.keys.remove(&id);
        wiped.map_err(|source| KeyError { act: "delete the key", path, source })
    }
}

fn read(path: &Path) -> io::Result<Key> {
    let mut key = Key::default();
    let mut file = File::open(path)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "not 32 bytes");
    file.read_exact(&mut *key).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => e,
    })?;
    // Zeros are a deletion that a crash has cut short.
    if file.read(&mut [0])? != 0 || key.iter().all(|b| *b == 0) {
        return Err(damaged());
    }
    Ok(key)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_keys_and_they_are_the_same_after_a_restart() {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = dir.path().join("personal/keys");
        let mut files = KeyFiles::open(&keys).expect("opens");
        let day = files.get_or_make(KeyId::Day(20_000)).expect("made");
        assert_eq!(files.get_or_make(KeyId::Day(20_000)).expect("the same"), day);
        let other = files.get_or_make(KeyId::Pseudonym(20_000)).expect("made");
        assert_ne!(day, other);
        let mode = |p: &Path| std::fs::metadata(p).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&keys), 0o700);
        assert_eq!(mode(&keys.join("day-20000.key")), 0o600);
        drop(files);
        let again = KeyFiles::open(&keys).expect("opens");
        assert_eq!(again.get(KeyId::Day(20_000)), Some(&day));
        assert_eq!(again.get(KeyId::Pseudonym(20_000)), Some(&other));
    }

    #[test]
    fn a_damaged_or_half_deleted_key_opens_nothing_and_is_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("day-7.key");
        for bytes in [&[1u8; 31][..], &[1; 33], &[0; 32], b""] {
            std::fs::write(&path, bytes).expect("written");
            let mut files = KeyFiles::open(dir.path()).expect("opens");
            assert_eq!(files.get(KeyId::Day(7)), None);
            assert!(!path.exists());
            files.get_or_make(KeyId::Day(7)).expect("made anew");
        }
    }

    #[test]
    fn a_deleted_key_is_gone_and_other_files_are_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        for other in ["day-07.key", "day-x.key", "note.txt"] {
            std::fs::write(dir.path().join(other), [1; 32]).expect("written");
        }
        let mut files = KeyFiles::open(dir.path()).expect("opens");
        assert_eq!(files.ids().count(), 0);
        files.get_or_make(KeyId::Day(7)).expect("made");
        files.delete(KeyId::Day(7)).expect("deleted");
        files.delete(KeyId::Day(7)).expect("deleted before");
        assert_eq!((files.get(KeyId::Day(7)), files.ids().count()), (None, 0));
        assert_eq!(std::fs::read_dir(dir.path()).expect("reads").count(), 3);
    }
}
