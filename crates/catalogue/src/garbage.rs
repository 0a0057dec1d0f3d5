//! Objects to be removed from their stores (garbage), and objects being written to remote stores (intents).
//!
//! Invariant: no garbage row names an object that a live file of the same store uses. Every change of a file or an
//! intent keeps it in its own transaction, so removing what [`due`] returns never hurts a file.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    error::{CatalogueError, Result},
    stores,
    types::{AppId, Claimant, Garbage, LOCAL, StoreId},
};

/// Hands an object to garbage, due at once, unless a live file uses it.
pub(crate) fn discard(connection: &Connection, store: StoreId, object: &str, region: Option<&str>) -> Result<()> {
    discard_at(connection, store, object, region, 0)
}

/// The same, due at `due` (unix ms).
pub(crate) fn discard_at(
    connection: &Connection,
    store: StoreId,
    object: &str,
    region: Option<&str>,
    due: i64,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO garbage (store, object, region, due)
             SELECT ?1, ?2, ?3, ?4
             WHERE NOT EXISTS (SELECT 1 FROM files WHERE object = ?2 AND store = ?1)",
        )?
        .execute(params![store, object, region, due])?;
    Ok(())
}

/// Never due: the object stays in its store, although no file names it, and the sweep of the local store leaves it alone.
const NEVER: i64 = i64::MAX;

/// Keeps an object whose file was forgotten with the wish to leave its bytes where they are.
pub(crate) fn keep(connection: &Connection, store: StoreId, object: &str) -> Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO garbage (store, object, due) VALUES (?1, ?2, ?3)")?
        .execute(params![store, object, NEVER])?;
    Ok(())
}

/// Claims the object of a garbage row for the server, which is about to remove it. `None`: the row is gone, or somebody writes the object.
pub(crate) fn claim(connection: &Connection, id: i64) -> Result<Option<i64>> {
    let claimed = connection
        .prepare_cached(
            "INSERT INTO intents (store, object, region)
             SELECT store, object, region FROM garbage
             WHERE id = ?1
               AND NOT EXISTS (SELECT 1 FROM intents
                               WHERE intents.object = garbage.object AND intents.store = garbage.store)",
        )?
        .execute([id])?;
    Ok((claimed > 0).then(|| connection.last_insert_rowid()))
}

/// The claimed object of a garbage row is gone.
pub(crate) fn finish_claimed(connection: &Connection, id: i64, intent: i64) -> Result<()> {
    drop_intent(connection, intent)?;
    finish(connection, &[id])
}

/// Forgets all files of an app and hands their objects to garbage.
pub(crate) fn discard_all_files(connection: &Connection, app: AppId) -> Result<()> {
    for sql in [
        "INSERT OR IGNORE INTO garbage (store, object, region, due)
         SELECT DISTINCT store, object, region, 0 FROM files
         WHERE store IN (SELECT id FROM stores WHERE app = ?1)",
        "DELETE FROM files WHERE store IN (SELECT id FROM stores WHERE app = ?1)",
    ] {
        connection.prepare_cached(sql)?.execute([app])?;
    }
    Ok(())
}

/// A live file uses the object now: it is no garbage, and the intent to write it is fulfilled.
pub(crate) fn object_written(connection: &Connection, store: StoreId, object: &str, intent: Option<i64>) -> Result<()> {
    reclaim(connection, store, object)?;
    match intent {
        Some(id) => drop_intent(connection, id),
        None => Ok(()),
    }
}

fn reclaim(connection: &Connection, store: StoreId, object: &str) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM garbage WHERE object = ?2 AND store = ?1")?
        .execute(params![store, object])?;
    Ok(())
}

/// Fails with `Claimed` while the other claimant writes or removes the object. A mover must not have written it itself either; the
/// server may, for an intent of an unclear outcome stays until its next start.
pub(crate) fn add_intent(
    connection: &Connection,
    claimant: Claimant,
    store: StoreId,
    object: &str,
    region: Option<&str>,
) -> Result<i64> {
    let known = connection.prepare_cached("SELECT 1 FROM stores WHERE id = ?1")?.exists([store])?;
    if !known {
        return Err(CatalogueError::NotFound);
    }
    let claimed = connection
        .prepare_cached(
            "SELECT 1 FROM intents WHERE object = ?2 AND store = ?1 AND (claimant = 'mover' OR ?3 = 'mover')",
        )?
        .exists(params![store, object, claimant.as_str()])?;
    if claimed {
        return Err(CatalogueError::Claimed);
    }
    connection
        .prepare_cached("INSERT INTO intents (store, object, region, claimant) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![store, object, region, claimant.as_str()])?;
    Ok(connection.last_insert_rowid())
}

pub(crate) fn drop_intent(connection: &Connection, id: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM intents WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub(crate) fn give_up_intent(connection: &Connection, id: i64, due: i64) -> Result<()> {
    let written: Option<(StoreId, String, Option<String>)> = connection
        .prepare_cached("DELETE FROM intents WHERE id = ?1 RETURNING store, object, region")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    written.map_or(Ok(()), |(store, object, region)| discard_at(connection, store, &object, region.as_deref(), due))
}

pub(crate) fn recover_intents(connection: &Connection, claimant: Claimant) -> Result<u64> {
    let recovered = connection.execute(
        "INSERT OR IGNORE INTO garbage (store, object, region, due)
         SELECT DISTINCT store, object, region, 0 FROM intents
         WHERE claimant = ?1
           AND NOT EXISTS (SELECT 1 FROM files
                           WHERE files.object = intents.object AND files.store = intents.store)
           AND NOT EXISTS (SELECT 1 FROM uploads
                           WHERE uploads.object = intents.object AND uploads.store = intents.store
                             AND uploads.handle IS NULL)",
        [claimant.as_str()],
    )?;
    connection.execute("DELETE FROM intents WHERE claimant = ?1", [claimant.as_str()])?;
    stores::forget_orphans(connection)?;
    Ok(recovered as u64)
}

/// Garbage whose object is being written again has to wait: its intent decides what becomes of it.
pub(crate) fn due(connection: &Connection, now_ms: i64, limit: usize) -> Result<Vec<Garbage>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let garbage = connection
        .prepare_cached(
            "SELECT id, store, object, region FROM garbage
             WHERE due <= ?1
               AND NOT EXISTS (SELECT 1 FROM intents
                               WHERE intents.object = garbage.object AND intents.store = garbage.store)
             ORDER BY due, id LIMIT ?2",
        )?
        .query_map([now_ms, limit], |row| {
            Ok(Garbage { id: row.get(0)?, store: row.get(1)?, object: row.get(2)?, region: row.get(3)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(garbage)
}

pub(crate) fn finish(connection: &Connection, ids: &[i64]) -> Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM garbage WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    stores::forget_orphans(connection)
}

pub(crate) fn delay(connection: &Connection, id: i64, retry_at: i64) -> Result<()> {
    connection.prepare_cached("UPDATE garbage SET due = ?2 WHERE id = ?1")?.execute([id, retry_at])?;
    Ok(())
}

/// Both kinds of rows are looked at in one statement, hence in one snapshot: an object that moves from one to the other is never missed.
pub(crate) fn local_objects_known(connection: &Connection, objects: &[String]) -> Result<Vec<bool>> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM files JOIN stores ON stores.id = files.store
                        WHERE files.object = ?1 AND stores.provider = ?2)
             OR EXISTS (SELECT 1 FROM garbage JOIN stores ON stores.id = garbage.store
                        WHERE garbage.object = ?1 AND stores.provider = ?2)",
    )?;
    objects.iter().map(|object| Ok(statement.query_row([object.as_str(), LOCAL], |row| row.get(0))?)).collect()
}
