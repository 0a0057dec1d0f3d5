//! Moving files from one store to another: pages of what is to be moved, and the switch of a row to its copy.

use rusqlite::{Connection, params};
use stowage_core::handle::Handle;

use crate::{
    error::Result,
    files, garbage,
    types::{FileMove, FileRow, MoveOutcome, OldObject, StoreId, StoreUsage},
};

pub(crate) fn usage(connection: &Connection, store: StoreId) -> Result<StoreUsage> {
    let (files, bytes): (i64, i64) = connection
        .prepare_cached("SELECT count(*), coalesce(sum(size), 0) FROM files WHERE store = ?1")?
        .query_row([store], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(StoreUsage { files: files.unsigned_abs(), bytes: bytes.unsigned_abs() })
}

/// Whether the copy may take the place of the original: nothing was overwritten, deleted or moved since, the intent
/// still protects the copy, and nobody else has the key in the new store.
pub(crate) fn check(connection: &Connection, wanted: &FileMove) -> Result<MoveOutcome> {
    let file = match movable(connection, wanted)? {
        Ok(file) => file,
        Err(hindrance) => return Ok(hindrance),
    };
    let files: i64 = connection
        .prepare_cached("SELECT count(*) FROM files WHERE store = ?1 AND container = ?2 AND key = ?3")?
        .query_row(params![file.store, file.container, file.key], |row| row.get(0))?;
    Ok(MoveOutcome::Done { files: files.unsigned_abs() })
}

pub(crate) fn switch(connection: &Connection, wanted: &FileMove, object: &str) -> Result<MoveOutcome> {
    let file = match movable(connection, wanted)? {
        Ok(file) => file,
        Err(hindrance) => return Ok(hindrance),
    };
    let files = relocate(connection, &file, wanted, object)?;
    match wanted.old_object {
        OldObject::Keep => garbage::keep(connection, file.store, &file.object)?,
        OldObject::RemoveAt(due) => {
            garbage::discard_at(connection, file.store, &file.object, file.region.as_deref(), due)?;
        }
    }
    garbage::object_written(connection, wanted.store, object, wanted.intent)?;
    Ok(MoveOutcome::Done { files })
}

fn movable(connection: &Connection, wanted: &FileMove) -> Result<Result<FileRow, MoveOutcome>> {
    let copied = &wanted.file;
    let unchanged = |now: &FileRow| {
        (now.store, &now.object, now.version) == (copied.store, &copied.object, copied.version)
            && (&now.container, &now.key) == (&copied.container, &copied.key)
    };
    let Some(file) = files::by_handle(connection, &copied.handle)?.filter(unchanged) else {
        return Ok(Err(MoveOutcome::Changed));
    };
    if let Some(intent) = wanted.intent {
        let protected = connection.prepare_cached("SELECT 1 FROM intents WHERE id = ?1")?.exists([intent])?;
        if !protected {
            return Ok(Err(MoveOutcome::Changed));
        }
    }
    let taken = connection
        .prepare_cached("SELECT 1 FROM files WHERE store = ?1 AND container = ?2 AND key = ?3")?
        .exists(params![wanted.store, wanted.container, file.key])?;
    Ok(if taken { Err(MoveOutcome::Taken) } else { Ok(file) })
}

/// All live rows of one key share their object, so they move together, to the region that the new store has by its settings.
/// Returns how many they are.
fn relocate(connection: &Connection, file: &FileRow, to: &FileMove, object: &str) -> Result<u64> {
    let files = connection
        .prepare_cached(
            "UPDATE files SET store = ?4, container = ?5, object = ?6, location = coalesce(?7, location), region = NULL
             WHERE store = ?1 AND container = ?2 AND key = ?3",
        )?
        .execute(params![
            file.store,
            file.container,
            file.key,
            to.store,
            to.container,
            object,
            to.location.map(|location| location.as_str()),
        ])?;
    Ok(files as u64)
}

/// New content was written to where the file was before somebody moved it: the file goes back there with it.
pub(crate) fn bring_back(connection: &Connection, now: &FileRow, seen: &FileRow, object: &str) -> Result<()> {
    let back = FileMove {
        file: now.clone(),
        store: seen.store,
        location: Some(seen.location),
        container: seen.container.clone(),
        intent: None,
        old_object: OldObject::Keep,
    };
    relocate(connection, now, &back, object)?;
    garbage::discard(connection, now.store, &now.object, now.region.as_deref())
}

pub(crate) fn page(
    connection: &Connection,
    store: StoreId,
    after: Option<&Handle>,
    limit: usize,
) -> Result<Vec<FileRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // `+store`: in the order of handles, so that each page goes on where the last one ended instead of sorting all rows.
    files::select(
        connection,
        "WHERE +store = ?1 AND handle > ?2 ORDER BY handle LIMIT ?3",
        params![store, after.map_or("", Handle::as_str), limit],
    )
}
