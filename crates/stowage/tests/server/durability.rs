//! What was acknowledged survives any crash, and nothing else is ever visible (issue "Durability"; threat C4).

mod kill;
mod order;
mod sweep;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

pub(crate) use self::{kill::Random, order::Trace};
use crate::hostile::{eventually, objects};

type Sha = [u8; 32];

fn sha256(content: &[u8]) -> Sha {
    Sha256::digest(content).into()
}

/// Every live row: its object's path, relative to the objects, with size and SHA-256 of the content.
fn rows(data: &Path) -> BTreeMap<String, (i64, Vec<u8>)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let catalogue = Connection::open_with_flags(data.join("catalogue.sqlite"), flags).expect("the catalogue opens");
    catalogue.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;").expect("pragmas");
    let mut statement = catalogue.prepare("SELECT object, size, sha256 FROM files").expect("a table of files");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// Objects on disk, named as rows name them.
pub(crate) fn objects_on_disk(data: &Path) -> BTreeSet<String> {
    let root = data.join("objects/objects");
    let name = |path: &Path| path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
    objects(data).iter().map(|path| name(path)).collect()
}

/// Waits until exactly the objects that rows name are left, and compares each with its row.
async fn one_whole_object_per_row(data: &Path) {
    eventually("objects without a row are swept", async || {
        rows(data).into_keys().collect::<BTreeSet<_>>() == objects_on_disk(data)
    })
    .await;
    for (object, (size, sha)) in rows(data) {
        let content = std::fs::read(data.join("objects/objects").join(&object)).expect("a readable object");
        assert_eq!((content.len() as i64, sha256(&content).to_vec()), (size, sha), "{object} is not what its row says");
    }
}
