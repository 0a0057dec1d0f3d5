//! The key that seals secrets at rest, and its file.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64};

use crate::random::draw;

/// 32 bytes that seal secrets at rest (ChaCha20-Poly1305).
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(***)")
    }
}

impl MasterKey {
    /// Reads 64 hex digits or base64 of 32 bytes. Error: what is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = if text.len() == 64 { hex::decode(text).ok() } else { BASE64.decode(text).ok() };
        let bytes = bytes.ok_or("the master key must be 64 hex digits or base64 of exactly 32 bytes")?;
        let length = bytes.len();
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| format!("the master key has {length} bytes, but exactly 32 bytes are needed"))
    }

    /// Reads `path`, creating it (mode 0600, fsynced) with random content if it does not exist.
    ///
    /// Processes that start together agree on one key. A file that others can read is only warned about.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match Self::load(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    fn load(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        if fs::metadata(path)?.mode() & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                "the master key file is open to other users; `chmod 600` it"
            );
        }
        Self::parse(&text)
            .map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {problem}", path.display())))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Puts a complete key file at `path`, unless another process does so first.
fn create(path: &Path) -> io::Result<()> {
    let mut key = [0; 32];
    let mut suffix = [0; 8];
    draw(|fill| {
        fill(&mut key);
        fill(&mut suffix);
    })
    .map_err(io::Error::other)?;

    let directory = directory_of(path);
    let temporary = directory.join(format!(".master-key-{}", hex::encode(suffix)));
    let written = write_durably(&temporary, &hex::encode(key)).and_then(|()| {
        // A link never replaces: the first process wins, and nobody ever sees half a file.
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    });
    let removed = fs::remove_file(&temporary);
    written?;
    removed?;
    File::open(directory)?.sync_all()
}

fn write_durably(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, os::unix::fs::PermissionsExt, sync::Barrier, thread};

    use super::*;

    #[test]
    fn reads_hex_and_base64() {
        let bytes = [0xfb; 32];
        let padded = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
        for text in [hex::encode(bytes).as_str(), padded, &padded[..43], &format!(" {padded}\n")] {
            assert_eq!(MasterKey::parse(text).expect(text).bytes(), &bytes);
        }
    }

    #[test]
    fn refuses_other_texts_without_repeating_them() {
        for text in ["", "hunter2hunter2", &"zz".repeat(32), &"ab".repeat(31), "AAAA"] {
            let problem = MasterKey::parse(text).expect_err(text);
            assert!(problem.contains("32 bytes"), "{problem}");
            assert!(text.is_empty() || !problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn creates_a_private_file_and_reads_it_again() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("master.key");
        let created = MasterKey::load_or_create(&path).expect("create");
        let read = MasterKey::load_or_create(&path).expect("read");
        assert_eq!(created.bytes(), read.bytes());
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn racing_creators_agree_and_leave_nothing_behind() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("master.key");
        let start = Barrier::new(8);
        let keys: HashSet<_> = thread::scope(|scope| {
            let create = || {
                start.wait();
                *MasterKey::load_or_create(&path).expect("create").bytes()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|key| key.expect("no panic")).collect()
        });
        assert_eq!(keys.len(), 1);
        assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_broken_file_is_reported_and_kept() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("master.key");
        fs::write(&path, "not a key").expect("write");
        let error = MasterKey::load_or_create(&path).expect_err("broken");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read_to_string(&path).expect("read"), "not a key");
    }
}
