//! Stores: where the files of an app's locations go.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use stowage_core::location::Location;

use crate::{
    error::{CatalogueError, Result},
    sealed::{Place, Sealer},
    types::{AppId, NewStore, StoreId, StoreRow},
};

const COLUMNS: &str = "id, app, name, location, provider, config";

/// Makes a store the current one of its name, and of its location if it has one.
pub(crate) fn put(connection: &Connection, sealer: &Sealer, app: AppId, store: &NewStore) -> Result<StoreId> {
    let known = connection.prepare_cached("SELECT 1 FROM apps WHERE id = ?1")?.exists([app])?;
    if !known {
        return Err(CatalogueError::NotFound);
    }
    let name = checked_name(&store.name)?;
    if let Some(location) = store.location {
        release_location(connection, app, location)?;
    }
    let current = current(connection, sealer, app)?.into_iter().find(|current| current.name == name);
    if let Some(current) = current {
        if current.provider == store.provider && current.config == store.config {
            connection
                .prepare_cached("UPDATE stores SET location = ?2 WHERE id = ?1")?
                .execute(params![current.id, store.location.map(Location::as_str)])?;
            return Ok(current.id);
        }
        remove(connection, app, name)?;
    }
    insert(connection, sealer, app, name, store)
}

fn release_location(connection: &Connection, app: AppId, location: Location) -> Result<()> {
    connection
        .prepare_cached("UPDATE stores SET location = NULL WHERE app = ?1 AND location = ?2 AND current = 1")?
        .execute(params![app, location.as_str()])?;
    Ok(())
}

fn insert(connection: &Connection, sealer: &Sealer, app: AppId, name: &str, store: &NewStore) -> Result<StoreId> {
    connection
        .prepare_cached("INSERT INTO stores (app, name, location, provider, config) VALUES (?1, ?2, ?3, ?4, x'')")?
        .execute(params![app, name, store.location.map(Location::as_str), store.provider])?;
    let id = connection.last_insert_rowid();
    reconfigure(connection, sealer, id, &store.config)?;
    Ok(id)
}

pub(crate) fn reconfigure(connection: &Connection, sealer: &Sealer, id: StoreId, config: &Value) -> Result<()> {
    let sealed = sealer.seal(Place::StoreConfig(id), config.to_string().as_bytes())?;
    let changed =
        connection.prepare_cached("UPDATE stores SET config = ?2 WHERE id = ?1")?.execute(params![id, sealed])?;
    if changed == 0 { Err(CatalogueError::NotFound) } else { Ok(()) }
}

/// A name stands in URLs (`src://NAME/path`) and on command lines.
fn checked_name(name: &str) -> Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
    {
        return Ok(name);
    }
    Err(CatalogueError::InvalidName("a store's name has 1 to 64 letters, digits, `-`, `_` and `.`"))
}

pub(crate) fn current(connection: &Connection, sealer: &Sealer, app: AppId) -> Result<Vec<StoreRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM stores WHERE app = ?1 AND current = 1 ORDER BY id"))?
        .query_and_then([app], |row| from_row(row, sealer))?
        .collect()
}

/// All stores that have or had a name, the oldest first.
pub(crate) fn ever_named(connection: &Connection, sealer: &Sealer, app: AppId, name: &str) -> Result<Vec<StoreRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM stores WHERE app = ?1 AND name = ?2 ORDER BY id"))?
        .query_and_then(params![app, name], |row| from_row(row, sealer))?
        .collect()
}

pub(crate) fn by_id(connection: &Connection, sealer: &Sealer, id: StoreId) -> Result<Option<StoreRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM stores WHERE id = ?1"))?
        .query_and_then([id], |row| from_row(row, sealer))?
        .next()
        .transpose()
}

/// The row stays even if no file uses it: an upload that is under way may still commit to it.
pub(crate) fn remove(connection: &Connection, app: AppId, name: &str) -> Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE stores SET current = 0 WHERE app = ?1 AND name = ?2 AND current = 1")?
        .execute(params![app, name])?;
    Ok(changed > 0)
}

/// Removes all stores of an app from use.
pub(crate) fn retire_all(connection: &Connection, app: AppId) -> Result<()> {
    connection.prepare_cached("UPDATE stores SET current = 0 WHERE app = ?1")?.execute([app])?;
    Ok(())
}

/// Deletes stores of deleted apps once none of their objects waits for removal.
pub(crate) fn forget_orphans(connection: &Connection) -> Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM stores
             WHERE NOT EXISTS (SELECT 1 FROM apps WHERE apps.id = stores.app)
               AND NOT EXISTS (SELECT 1 FROM garbage WHERE garbage.store = stores.id)
               AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.store = stores.id)
               AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.store = stores.id)",
        )?
        .execute([])?;
    Ok(())
}

/// Fails with `NotFound` unless the store belongs to the app and both exist.
pub(crate) fn check_owner(connection: &Connection, store: StoreId, app: AppId) -> Result<()> {
    connection
        .prepare_cached(
            "SELECT 1 FROM stores JOIN apps ON apps.id = stores.app
             WHERE stores.id = ?1 AND apps.id = ?2",
        )?
        .query_row([store, app], |_| Ok(()))
        .optional()?
        .ok_or(CatalogueError::NotFound)
}

fn from_row(row: &Row<'_>, sealer: &Sealer) -> Result<StoreRow> {
    let id = row.get(0)?;
    let location: Option<String> = row.get(3)?;
    let sealed: Vec<u8> = row.get(5)?;
    let config = sealer.open(Place::StoreConfig(id), &sealed)?;
    Ok(StoreRow {
        id,
        app: row.get(1)?,
        name: row.get(2)?,
        location: location.as_deref().map(parse_location).transpose()?,
        provider: row.get(4)?,
        config: serde_json::from_slice(&config).map_err(CatalogueError::internal)?,
    })
}

pub(crate) fn parse_location(text: &str) -> Result<Location> {
    Location::parse(text).ok_or_else(|| CatalogueError::internal("a stored location is unknown"))
}
