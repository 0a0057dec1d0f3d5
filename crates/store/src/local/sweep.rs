//! Removing what a crash left: objects of earlier generations that no catalogue row names.

use std::io;

use rustix::fs::DirEntry;

use super::{
    SweepReport,
    directory::ObjectDirectory,
    name::{ObjectName, parse_shard, shard_name},
};

/// Ids asked about at once.
const BATCH: usize = 256;

pub(super) fn sweep(
    directory: &ObjectDirectory,
    generation: u64,
    is_known: &mut dyn FnMut(&[String]) -> Vec<bool>,
) -> io::Result<SweepReport> {
    let mut sweep = Sweep { directory, is_known, batch: Vec::with_capacity(BATCH), report: SweepReport::default() };
    for entry in directory.list()? {
        let entry = entry?;
        let name = text(&entry);
        match name.as_deref().and_then(parse_shard) {
            Some(shard) => sweep.shard_or_warn(shard, generation),
            None if is_dot(name.as_deref()) => {}
            None => tracing::warn!(name = ?entry.file_name(), "left alone: not a shard of the local store"),
        }
    }
    sweep.finish_batch();
    Ok(sweep.report)
}

struct Sweep<'a> {
    directory: &'a ObjectDirectory,
    is_known: &'a mut dyn FnMut(&[String]) -> Vec<bool>,
    batch: Vec<ObjectName>,
    report: SweepReport,
}

impl Sweep<'_> {
    /// One broken directory must not keep the others from being swept.
    fn shard_or_warn(&mut self, shard: u8, generation: u64) {
        if let Err(error) = self.shard(shard, generation) {
            tracing::warn!(shard = shard_name(shard), %error, "left alone: cannot be read");
        }
    }

    fn shard(&mut self, shard: u8, generation: u64) -> io::Result<()> {
        for entry in self.directory.list_shard(shard)? {
            let entry = entry?;
            let file = text(&entry);
            if is_dot(file.as_deref()) {
                continue;
            }
            let Some(name) = file.and_then(|file| ObjectName::in_shard(shard, &file)) else {
                tracing::warn!(shard = shard_name(shard), name = ?entry.file_name(), "left alone: not an object of the local store");
                continue;
            };
            self.report.seen += 1;
            if name.generation < generation {
                self.batch.push(name);
            }
            if self.batch.len() == BATCH {
                self.finish_batch();
            }
        }
        Ok(())
    }

    fn finish_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let ids: Vec<String> = self.batch.iter().map(ObjectName::to_string).collect();
        let known = (self.is_known)(&ids);
        for (index, name) in std::mem::take(&mut self.batch).into_iter().enumerate() {
            // An answer that is missing must never cost an object.
            if known.get(index) == Some(&false) {
                self.remove(&name);
            }
        }
    }

    fn remove(&mut self, name: &ObjectName) {
        let removed = self.directory.stat(name).and_then(|stat| self.directory.unlink(name).map(|()| stat));
        match removed {
            Ok(stat) => {
                self.report.removed += 1;
                self.report.bytes += u64::try_from(stat.st_size).unwrap_or(0);
            }
            // A delete was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(object = %name, %error, "left alone: cannot be removed from the local store");
            }
        }
    }
}

fn text(entry: &DirEntry) -> Option<String> {
    entry.file_name().to_str().ok().map(str::to_owned)
}

fn is_dot(name: Option<&str>) -> bool {
    matches!(name, Some("." | ".."))
}
