//! A file that is being written, to become an entry.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use crc32fast::Hasher;

use crate::format;

/// A new file in the directory of the cache. It is removed when this is dropped without becoming an entry.
///
/// Write it with [`Self::write`], or let a program write to [`Self::path`] or [`Self::file`]; not both.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: Arc<File>,
    /// CRC of what was written, as long as nothing else can have written.
    written: Option<Hasher>,
    named: bool,
    kept: bool,
}

impl Draft {
    /// `path` must not exist.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { path, file: Arc::new(file), written: Some(Hasher::new()), named: false, kept: false })
    }

    /// Appends. After an error, or if it is cancelled, the draft is of no use.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let hasher = self.written.take();
        let file = self.file.clone();
        let write = move || {
            (&*file).write_all(&bytes)?;
            Ok::<_, io::Error>(hasher.map(|mut hasher| {
                hasher.update(&bytes);
                hasher
            }))
        };
        self.written = tokio::task::spawn_blocking(write).await.map_err(io::Error::other)??;
        Ok(())
    }

    /// Where it lies. A program may also put another file in its place.
    pub fn path(&mut self) -> &Path {
        self.written = None;
        self.named = true;
        &self.path
    }

    /// The open file, for a program that gets its descriptor.
    pub fn file(&mut self) -> &Arc<File> {
        self.written = None;
        &self.file
    }

    /// Appends a body that is in memory. Blocking.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        if let Some(hasher) = &mut self.written {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// The file as it is now, its length, and its CRC. Blocking.
    pub(crate) fn finish(&mut self) -> io::Result<(Arc<File>, u64, u32)> {
        if self.named {
            // What lies there was put there by a program: a link would lead out of the cache.
            if !fs::symlink_metadata(&self.path)?.is_file() {
                return Err(io::Error::new(ErrorKind::InvalidData, "the result is not a file"));
            }
            self.file = Arc::new(OpenOptions::new().read(true).write(true).open(&self.path)?);
        }
        let length = self.file.metadata()?.len();
        let crc = match self.written.take() {
            Some(hasher) => hasher.finalize(),
            None => format::body_crc(&self.file, length)?,
        };
        Ok((self.file.clone(), length, crc))
    }

    /// Puts `seal` behind the body, and the file in its final place. Blocking.
    pub(crate) fn keep(&mut self, seal: &[u8], length: u64, place: &Path) -> io::Result<()> {
        self.file.write_all_at(seal, length)?;
        match fs::rename(&self.path, place) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(place.parent().unwrap_or(place))?;
                fs::rename(&self.path, place)?;
            }
            result => result?,
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left who could do anything about an error; the next start removes what stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}
