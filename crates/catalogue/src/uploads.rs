//! Uploads in parts: what was promised, what has arrived, what came of it.
//!
//! Invariant: an upload has at most one file, because its handle is drawn when it begins and committed together with its end.

use rusqlite::{Connection, OptionalExtension, Row, params};
use stowage_core::handle::Handle;

use crate::{
    error::{CatalogueError, Result},
    files, stores,
    types::{FileRow, UploadChange, UploadRow},
};

const COLUMNS: &str = "id, app, store, plan, size, slot, at_provider, sniffed, object, handle, expires";

pub(crate) fn create(connection: &Connection, upload: &UploadRow) -> Result<()> {
    stores::check_owner(connection, upload.store, upload.app)?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO uploads ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, ?10)"
        ))?
        .execute(params![
            upload.id,
            upload.app,
            upload.store,
            upload.plan,
            upload.size.map(to_sql).transpose()?,
            upload.slot.map(to_sql).transpose()?,
            upload.at_provider,
            upload.sniffed,
            upload.object,
            upload.expires,
        ])?;
    Ok(())
}

pub(crate) fn by_id(connection: &Connection, id: &str) -> Result<Option<UploadRow>> {
    let row = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM uploads WHERE id = ?1"))?
        .query_and_then([id], from_row)?
        .next()
        .transpose()?;
    let Some(mut upload) = row else { return Ok(None) };
    upload.parts = connection
        .prepare_cached("SELECT number, content FROM upload_parts WHERE upload = ?1 ORDER BY number")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(upload))
}

/// Applies a change; `NotFound` if the upload is gone or has ended.
pub(crate) fn change(connection: &Connection, id: &str, change: &UploadChange) -> Result<()> {
    let changed = connection
        .prepare_cached(
            "UPDATE uploads SET size = coalesce(?2, size), slot = coalesce(?3, slot),
                 at_provider = coalesce(?4, at_provider), sniffed = coalesce(?5, sniffed),
                 object = coalesce(?6, object), expires = ?7
             WHERE id = ?1 AND handle IS NULL",
        )?
        .execute(params![
            id,
            change.size.map(to_sql).transpose()?,
            change.slot.map(to_sql).transpose()?,
            change.at_provider,
            change.sniffed,
            change.object,
            change.expires,
        ])?;
    if changed == 0 {
        return Err(CatalogueError::NotFound);
    }
    for (number, content) in &change.parts {
        connection
            .prepare_cached(
                "INSERT INTO upload_parts (upload, number, content) VALUES (?1, ?2, ?3)
                 ON CONFLICT (upload, number) DO UPDATE SET content = excluded.content",
            )?
            .execute(params![id, number, content])?;
    }
    Ok(())
}

/// The file and the end of its upload, in one transaction. `NotFound` if the upload is gone or has ended already.
pub(crate) fn complete(
    connection: &Connection,
    id: &str,
    file: &FileRow,
    intent: Option<i64>,
    expires: i64,
) -> Result<()> {
    let changed = connection
        .prepare_cached("UPDATE uploads SET handle = ?2, expires = ?3 WHERE id = ?1 AND handle IS NULL")?
        .execute(params![id, file.handle.as_str(), expires])?;
    if changed == 0 {
        return Err(CatalogueError::NotFound);
    }
    forget_parts(connection, id)?;
    files::commit(connection, file, intent)
}

pub(crate) fn delete(connection: &Connection, id: &str) -> Result<()> {
    forget_parts(connection, id)?;
    connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn forget_parts(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM upload_parts WHERE upload = ?1")?.execute([id])?;
    Ok(())
}

/// Those that are due, the oldest first, without their parts.
pub(crate) fn expired(connection: &Connection, now_ms: i64, limit: usize) -> Result<Vec<UploadRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM uploads WHERE expires <= ?1 ORDER BY expires LIMIT ?2"))?
        .query_and_then([now_ms, limit], from_row)?
        .collect()
}

/// For each id: is there an upload of it that has not ended?
pub(crate) fn open(connection: &Connection, ids: &[String]) -> Result<Vec<bool>> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM uploads WHERE id = ?1 AND handle IS NULL")?;
    ids.iter().map(|id| Ok(statement.exists([id])?)).collect()
}

/// Uploads of an app that have not ended.
pub(crate) fn count_open(connection: &Connection, app: i64) -> Result<u64> {
    let count: Option<i64> = connection
        .prepare_cached("SELECT count(*) FROM uploads WHERE app = ?1 AND handle IS NULL")?
        .query_row([app], |row| row.get(0))
        .optional()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

fn from_row(row: &Row<'_>) -> Result<UploadRow> {
    let handle: Option<String> = row.get(9)?;
    Ok(UploadRow {
        id: row.get(0)?,
        app: row.get(1)?,
        store: row.get(2)?,
        plan: row.get(3)?,
        size: from_sql(row.get(4)?)?,
        slot: from_sql(row.get(5)?)?,
        at_provider: row.get(6)?,
        sniffed: row.get(7)?,
        object: row.get(8)?,
        handle: handle.map(|text| Handle::parse(&text).map_err(CatalogueError::internal)).transpose()?,
        expires: row.get(10)?,
        parts: Vec::new(),
    })
}

fn to_sql(size: u64) -> Result<i64> {
    i64::try_from(size).map_err(CatalogueError::internal)
}

fn from_sql(size: Option<i64>) -> Result<Option<u64>> {
    size.map(|size| u64::try_from(size).map_err(CatalogueError::internal)).transpose()
}
