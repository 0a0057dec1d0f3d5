//! The `objects` directory and its 256 shards. Everything is opened relative to a held directory, following no link.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use super::{
    name::{ObjectName, shard_name},
    shared_sync::SharedSync,
};
use crate::random;

const DIRECTORY_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Without NONBLOCK opening a planted FIFO would wait for ever; on files it has no effect.
const READ_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Objects that follow each other share a shard: their entries and inodes lie in the same blocks, and one sync of the
/// directory serves many of them.
const RUN: usize = 256;

pub(super) struct ObjectDirectory {
    objects: OwnedFd,
    shards: [Shard; 256],
    /// Counts objects, from anywhere, so that short runs of the server do not all fill the same shards.
    created: AtomicUsize,
}

struct Shard {
    directory: OnceLock<OwnedFd>,
    sync: SharedSync,
}

impl ObjectDirectory {
    /// Opens `root/objects`, creating both durably.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let root_directory = rustix::fs::openat(CWD, root, DIRECTORY_FLAGS, Mode::empty())?;
        make_directory(root_directory.as_fd(), "objects")?;
        rustix::fs::fsync(&root_directory)?;
        if let Ok(parent) = rustix::fs::openat(&root_directory, "..", DIRECTORY_FLAGS, Mode::empty()) {
            rustix::fs::fsync(parent)?;
        }
        let mut start = [0; 2];
        random::fill(&mut start);
        Ok(Self {
            objects: rustix::fs::openat(&root_directory, "objects", DIRECTORY_FLAGS, Mode::empty())?,
            shards: std::array::from_fn(|_| Shard { directory: OnceLock::new(), sync: SharedSync::default() }),
            created: AtomicUsize::new(u16::from_ne_bytes(start).into()),
        })
    }

    /// Whether the file system has `length` bytes free; also true if it does not say.
    pub(super) fn has_room_for(&self, length: u64) -> io::Result<bool> {
        let file_system = rustix::fs::fstatvfs(&self.objects)?;
        let free = file_system.f_bavail.saturating_mul(file_system.f_frsize);
        Ok(file_system.f_blocks == 0 || length <= free)
    }

    /// Draws the name of a new object.
    pub(super) fn new_name(&self, generation: u64) -> ObjectName {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        ObjectName::random((number / RUN % self.shards.len()) as u8, generation)
    }

    /// Creates the file of a new object, for reading and writing.
    pub(super) fn create(&self, name: &ObjectName) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let shard = self.shard_for_writing(name.shard)?;
        Ok(rustix::fs::openat(shard, &*name.file, flags, FILE_MODE)?.into())
    }

    /// Makes a file an object: gives it a second name, and opens it. It must be a regular file of this file system.
    pub(super) fn link(&self, staged: &Path, name: &ObjectName) -> io::Result<File> {
        let (file, _) = regular(rustix::fs::openat(CWD, staged, READ_FLAGS, Mode::empty())?)?;
        let shard = self.shard_for_writing(name.shard)?;
        rustix::fs::linkat(CWD, staged, shard, &*name.file, AtFlags::empty())?;
        Ok(file)
    }

    /// Makes the entry of a created object durable.
    pub(super) fn sync_entry(&self, name: &ObjectName) -> io::Result<()> {
        let shard = self.shard_for_writing(name.shard)?;
        self.shards[usize::from(name.shard)].sync.run(|| Ok(rustix::fs::fsync(shard)?))
    }

    /// Opens an object for reading; anything but a regular file is refused.
    pub(super) fn open_object(&self, name: &ObjectName) -> io::Result<(File, Stat)> {
        let shard = self.shard(name.shard)?;
        regular(rustix::fs::openat(shard, &*name.file, READ_FLAGS, Mode::empty())?)
    }

    /// The same if that takes no wait for a disk; `None`: ask [`Self::open_object`] on a thread that may block.
    pub(super) fn open_object_cached(&self, name: &ObjectName) -> Option<(File, Stat)> {
        let shard = self.shards[usize::from(name.shard)].directory.get()?;
        let resolve = ResolveFlags::CACHED | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(shard, &*name.file, READ_FLAGS, Mode::empty(), resolve).ok()?;
        regular(file).ok()
    }

    /// Facts about an object without opening it.
    pub(super) fn stat(&self, name: &ObjectName) -> io::Result<Stat> {
        let shard = self.shard(name.shard)?;
        let stat = rustix::fs::statat(shard, &*name.file, AtFlags::SYMLINK_NOFOLLOW)?;
        check_regular(&stat)?;
        Ok(stat)
    }

    /// Removes an object.
    pub(super) fn unlink(&self, name: &ObjectName) -> io::Result<()> {
        let shard = self.shard(name.shard)?;
        Ok(rustix::fs::unlinkat(shard, &*name.file, AtFlags::empty())?)
    }

    /// Names in `objects`.
    pub(super) fn list(&self) -> io::Result<rustix::fs::Dir> {
        Ok(rustix::fs::Dir::read_from(&self.objects)?)
    }

    /// Names in a shard.
    pub(super) fn list_shard(&self, shard: u8) -> io::Result<rustix::fs::Dir> {
        Ok(rustix::fs::Dir::read_from(self.shard(shard)?)?)
    }

    fn shard_for_writing(&self, shard: u8) -> io::Result<BorrowedFd<'_>> {
        match self.shard(shard) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_directory(self.objects.as_fd(), &shard_name(shard))?;
                rustix::fs::fsync(&self.objects)?;
                self.shard(shard)
            }
            other => other,
        }
    }

    fn shard(&self, shard: u8) -> io::Result<BorrowedFd<'_>> {
        let held = &self.shards[usize::from(shard)].directory;
        if let Some(directory) = held.get() {
            return Ok(directory.as_fd());
        }
        let flags = DIRECTORY_FLAGS | OFlags::NOFOLLOW;
        let opened = rustix::fs::openat(&self.objects, shard_name(shard), flags, Mode::empty())?;
        Ok(held.get_or_init(|| opened).as_fd())
    }
}

fn make_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    match rustix::fs::mkdirat(parent, name, DIRECTORY_MODE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn regular(file: OwnedFd) -> io::Result<(File, Stat)> {
    let stat = rustix::fs::fstat(&file)?;
    check_regular(&stat)?;
    Ok((file.into(), stat))
}

fn check_regular(stat: &Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        other => Err(io::Error::other(format!("an object is no regular file but {other:?}"))),
    }
}
