//! Files: new rows, overwrites, deletion and derived facts.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::{Serialize, de::DeserializeOwned};
use stowage_core::{handle::Handle, location::Access};

use crate::{
    error::{CatalogueError, Result},
    garbage, moves,
    stores::{self, parse_location},
    types::{Derived, FileRow, NewContent, StoreId},
};

const COLUMNS: &str = "handle, app, store, location, container, key, object, filename, mimetype, \
    size, sha256, digests, dimensions, uploaded, modified, version, source_url, tags, access, region, etag, alt";

pub(crate) fn commit(connection: &Connection, file: &FileRow, intent: Option<i64>) -> Result<()> {
    stores::check_owner(connection, file.store, file.app)?;
    let content = NewContent {
        object: file.object.clone(),
        size: file.size,
        etag: file.etag,
        sha256: file.sha256,
        digests: file.digests.clone(),
        mimetype: Some(file.mimetype.clone()),
        modified: file.modified,
    };
    point_at(connection, file, &content)?;
    insert(connection, file)?;
    garbage::object_written(connection, file.store, &file.object, intent)
}

fn insert(connection: &Connection, file: &FileRow) -> Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO files ({COLUMNS}) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
        ))?
        .execute(params![
            file.handle.as_str(),
            file.app,
            file.store,
            file.location.as_str(),
            file.container,
            file.key,
            file.object,
            file.filename,
            file.mimetype,
            size_to_sql(file.size)?,
            file.sha256,
            to_json(&file.digests)?,
            file.dimensions.as_ref().map(to_json).transpose()?,
            file.uploaded,
            file.modified,
            file.version,
            file.source_url,
            to_json(&file.tags)?,
            file.access.as_str(),
            file.region,
            file.etag,
            file.alt,
        ])?;
    Ok(())
}

/// Gives every live row of the storage key of `file` new content, which was written where `file` says.
fn point_at(connection: &Connection, file: &FileRow, content: &NewContent) -> Result<()> {
    let replaced: Vec<(String, Option<String>)> = connection
        .prepare_cached(
            "SELECT DISTINCT object, region FROM files
             WHERE store = ?1 AND container = ?2 AND key = ?3 AND object <> ?4",
        )?
        .query_map(params![file.store, file.container, file.key, content.object], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    connection
        .prepare_cached(
            "UPDATE files SET object = ?4, size = ?5, sha256 = ?6, digests = ?7,
                 mimetype = coalesce(?8, mimetype), modified = ?9, region = ?10, etag = ?11,
                 dimensions = NULL, version = version + 1
             WHERE store = ?1 AND container = ?2 AND key = ?3",
        )?
        .execute(params![
            file.store,
            file.container,
            file.key,
            content.object,
            size_to_sql(content.size)?,
            content.sha256,
            to_json(&content.digests)?,
            content.mimetype,
            content.modified,
            file.region,
            content.etag,
        ])?;
    replaced.iter().try_for_each(|(object, region)| garbage::discard(connection, file.store, object, region.as_deref()))
}

pub(crate) fn by_handle(connection: &Connection, handle: &Handle) -> Result<Option<FileRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM files WHERE handle = ?1"))?
        .query_and_then([handle.as_str()], from_row)?
        .next()
        .transpose()
}

/// The rows that the rest of a statement picks.
pub(crate) fn select(connection: &Connection, rest: &str, values: impl Params) -> Result<Vec<FileRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM files {rest}"))?
        .query_and_then(values, from_row)?
        .collect()
}

pub(crate) fn replace_content(
    connection: &Connection,
    seen: &FileRow,
    content: &NewContent,
    intent: Option<i64>,
) -> Result<FileRow> {
    let now = by_handle(connection, &seen.handle)?.ok_or(CatalogueError::NotFound)?;
    if (now.store, &now.container) != (seen.store, &seen.container) {
        moves::bring_back(connection, &now, seen, &content.object)?;
    }
    point_at(connection, seen, content)?;
    garbage::object_written(connection, seen.store, &content.object, intent)?;
    by_handle(connection, &seen.handle)?.ok_or(CatalogueError::NotFound)
}

pub(crate) fn delete(connection: &Connection, handle: &Handle, keep_object: bool) -> Result<bool> {
    let deleted: Option<(StoreId, String, Option<String>)> = connection
        .prepare_cached("DELETE FROM files WHERE handle = ?1 RETURNING store, object, region")?
        .query_row([handle.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((store, object, region)) = deleted else {
        return Ok(false);
    };
    if keep_object {
        garbage::keep(connection, store, &object)?;
    } else {
        garbage::discard(connection, store, &object, region.as_deref())?;
    }
    Ok(true)
}

/// Adds to what is known already, so that two callers who learnt different things do not undo each other.
pub(crate) fn remember(connection: &Connection, handle: &Handle, version: i64, derived: &Derived) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE files SET digests = json_patch(digests, ?3), dimensions = coalesce(?4, dimensions), sha256 = coalesce(?5, sha256)
             WHERE handle = ?1 AND version = ?2",
        )?
        .execute(params![
            handle.as_str(),
            version,
            to_json(&derived.digests)?,
            derived.dimensions.as_ref().map(to_json).transpose()?,
            derived.sha256,
        ])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> Result<FileRow> {
    let handle: String = row.get(0)?;
    let location: String = row.get(3)?;
    let size: i64 = row.get(9)?;
    let digests: String = row.get(11)?;
    let dimensions: Option<String> = row.get(12)?;
    let tags: String = row.get(17)?;
    let access: String = row.get(18)?;
    Ok(FileRow {
        handle: Handle::parse(&handle).map_err(CatalogueError::internal)?,
        app: row.get(1)?,
        store: row.get(2)?,
        location: parse_location(&location)?,
        container: row.get(4)?,
        region: row.get(19)?,
        key: row.get(5)?,
        object: row.get(6)?,
        filename: row.get(7)?,
        mimetype: row.get(8)?,
        size: size.try_into().map_err(CatalogueError::internal)?,
        etag: row.get(20)?,
        sha256: row.get(10)?,
        digests: from_json(&digests)?,
        dimensions: dimensions.as_deref().map(from_json).transpose()?,
        uploaded: row.get(13)?,
        modified: row.get(14)?,
        version: row.get(15)?,
        source_url: row.get(16)?,
        alt: row.get(21)?,
        tags: from_json(&tags)?,
        access: Access::parse(&access).ok_or_else(|| CatalogueError::internal("a file row with an unknown access"))?,
    })
}

fn size_to_sql(size: u64) -> Result<i64> {
    size.try_into().map_err(CatalogueError::internal)
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(CatalogueError::internal)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(CatalogueError::internal)
}
