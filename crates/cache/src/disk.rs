//! The directory: `lock`, `drafts/<random>`, and `entries/<1 hex>/<2 hex>/<owner>-<key>-<run>-<number>`, one file per entry.
//!
//! A file gets its name when it is complete, and no name is used twice. So a reader never sees half an entry, and the removal of an old
//! version can never hit the new one.

use std::{
    fs::{self, DirEntry, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::{
    draft::Draft,
    entry::{Body, Entry, FileBody, Id, Key, Owner},
    error::OpenError,
    format::{self, Sealed},
};

/// Directories that entries are spread over.
pub(crate) const LEAVES: u16 = 16 * 256;

/// Tells the files apart that were written for one id, also by earlier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) run: u64,
    number: u64,
}

/// The directory, as one run of the program uses it.
pub(crate) struct Disk {
    entries: PathBuf,
    drafts: PathBuf,
    run: u64,
    number: AtomicU64,
}

impl Disk {
    /// Opens the directory, creating it if needed, and removes the drafts of earlier runs. The lock is held as long as the file is open.
    pub(crate) fn open(directory: &Path) -> Result<(Self, File), OpenError> {
        let failed = |source| OpenError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = File::create(directory.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse { path: directory.to_owned() },
            TryLockError::Error(source) => failed(source),
        })?;
        let (entries, drafts) = (directory.join("entries"), directory.join("drafts"));
        match fs::remove_dir_all(&drafts) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir_all(&drafts).map_err(failed)?,
        }
        let run = getrandom::u64().map_err(|error| failed(io::Error::other(error.to_string())))?;
        Ok((Self { entries, drafts, run, number: AtomicU64::new(0) }, lock))
    }

    /// A version that no file has yet.
    pub(crate) fn new_version(&self) -> Version {
        Version { run: self.run, number: self.number.fetch_add(1, Ordering::Relaxed) }
    }

    /// Whether no run has left any entry. Blocking.
    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.entries).map_or(true, |mut directory| directory.next().is_none())
    }

    /// A new file that has no place yet. Blocking.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        let Version { run, number } = self.new_version();
        let path = self.drafts.join(format!("{run:016x}-{number:016x}"));
        match Draft::create(path.clone()) {
            // Somebody tidied up behind our back.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&self.drafts)?;
                Draft::create(path)
            }
            result => result,
        }
    }

    /// Where an entry lies.
    pub(crate) fn path(&self, id: Id, version: Version) -> PathBuf {
        let (owner, key) = (id.owner.0, hex::encode(id.key.0));
        self.leaf_path(leaf(id.key)).join(format!("{owner:016x}-{key}-{:016x}-{:016x}", version.run, version.number))
    }

    /// Removes files of entries. Blocking.
    pub(crate) fn remove(&self, gone: &[(Id, Version)]) {
        for &(id, version) in gone {
            match fs::remove_file(self.path(id, version)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%error, "an entry of the cache cannot be removed");
                }
                _ => {}
            }
        }
    }

    /// Entries of earlier runs in one of the directories. Blocking.
    pub(crate) fn list(&self, leaf: u16) -> Vec<(Id, Version)> {
        self.earlier(leaf).map(|(_, id, version)| (id, version)).collect()
    }

    /// Lengths of the files of [`Self::list`], bytes. None of them is opened. Blocking.
    pub(crate) fn lengths(&self, leaf: u16) -> Vec<u64> {
        self.earlier(leaf).filter_map(|(entry, ..)| Some(entry.metadata().ok()?.len())).collect()
    }

    /// Names that are no entries are left alone.
    fn earlier(&self, leaf: u16) -> impl Iterator<Item = (DirEntry, Id, Version)> {
        let entries = fs::read_dir(self.leaf_path(leaf)).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let (id, version) = parse_name(entry.file_name().to_str()?)?;
            Some((entry, id, version))
        });
        named.filter(|(.., version)| version.run != self.run)
    }

    /// Opens the file of an entry and reads its label. `InvalidData` if it is broken. Blocking.
    pub(crate) fn open_entry(&self, id: Id, version: Version) -> io::Result<(File, Sealed)> {
        let file = File::open(self.path(id, version))?;
        let sealed = format::open(&file, id)?;
        Ok((file, sealed))
    }

    /// Reads an entry; the body comes to memory if it has at most `memory_body` bytes. A body that is not `trusted` is read through
    /// first: a file that was written shortly before the power failed can have its length and its label, and not its content. Blocking.
    pub(crate) fn read(&self, id: Id, version: Version, memory_body: u64, trusted: bool) -> io::Result<Entry> {
        let (file, sealed) = self.open_entry(id, version)?;
        let body = if sealed.length <= memory_body {
            Body::Memory(Bytes::from(format::read_body(&file, &sealed)?))
        } else {
            if !trusted {
                format::verify_body(&file, &sealed)?;
            }
            Body::File(FileBody::new(Arc::new(file), sealed.length))
        };
        Ok(Entry { meta: Arc::new(sealed.label.meta), body, life: sealed.label.life })
    }

    fn leaf_path(&self, leaf: u16) -> PathBuf {
        self.entries.join(format!("{:x}", leaf >> 8)).join(format!("{:02x}", leaf & 0xff))
    }
}

/// Which directory entries of a key lie in.
pub(crate) fn leaf(key: Key) -> u16 {
    u16::from_be_bytes([key.0[0], key.0[1]]) >> 4
}

fn parse_name(name: &str) -> Option<(Id, Version)> {
    let mut parts = name.split('-');
    let owner = number(parts.next()?)?.cast_signed();
    let mut key = [0; 32];
    hex::decode_to_slice(parts.next()?, &mut key).ok()?;
    let version = Version { run: number(parts.next()?)?, number: number(parts.next()?)? };
    parts.next().is_none().then_some((Id { owner: Owner(owner), key: Key(key) }, version))
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16)
}
