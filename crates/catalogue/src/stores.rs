//! Stores: where the files of an app's locations go.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use stowage_core::location::Location;

use crate::{
    error::{CatalogueError, Result},
    sealed::{Place, Sealer},
    types::{AppId, StoreId, StoreRow},
};

/// The driver of the built-in stores; those of all apps share one place on disk.
pub(crate) const LOCAL: &str = "local";

const COLUMNS: &str = "id, app, location, provider, config";

/// Makes a store the current one of its location. An equal current store is kept, so that asking twice changes nothing.
pub(crate) fn put(
    connection: &Connection,
    sealer: &Sealer,
    app: AppId,
    location: Location,
    provider: &str,
    config: &Value,
) -> Result<StoreId> {
    let known = connection.prepare_cached("SELECT 1 FROM apps WHERE id = ?1")?.exists([app])?;
    if !known {
        return Err(CatalogueError::NotFound);
    }
    let current = current(connection, sealer, app)?.into_iter().find(|store| store.location == location);
    if let Some(store) = current {
        if store.provider == provider && store.config == *config {
            return Ok(store.id);
        }
        remove(connection, app, location)?;
    }
    insert(connection, sealer, app, location, provider, config)
}

fn insert(
    connection: &Connection,
    sealer: &Sealer,
    app: AppId,
    location: Location,
    provider: &str,
    config: &Value,
) -> Result<StoreId> {
    connection
        .prepare_cached("INSERT INTO stores (app, location, provider, config) VALUES (?1, ?2, ?3, x'')")?
        .execute(params![app, location.as_str(), provider])?;
    let id = connection.last_insert_rowid();
    let sealed = sealer.seal(Place::StoreConfig(id), config.to_string().as_bytes())?;
    connection.prepare_cached("UPDATE stores SET config = ?2 WHERE id = ?1")?.execute(params![id, sealed])?;
    Ok(id)
}

pub(crate) fn current(connection: &Connection, sealer: &Sealer, app: AppId) -> Result<Vec<StoreRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM stores WHERE app = ?1 AND current = 1 ORDER BY id"))?
        .query_and_then([app], |row| from_row(row, sealer))?
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
pub(crate) fn remove(connection: &Connection, app: AppId, location: Location) -> Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE stores SET current = 0 WHERE app = ?1 AND location = ?2 AND current = 1")?
        .execute(params![app, location.as_str()])?;
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
               AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.store = stores.id)",
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
    let location: String = row.get(2)?;
    let sealed: Vec<u8> = row.get(4)?;
    let config = sealer.open(Place::StoreConfig(id), &sealed)?;
    Ok(StoreRow {
        id,
        app: row.get(1)?,
        location: parse_location(&location)?,
        provider: row.get(3)?,
        config: serde_json::from_slice(&config).map_err(CatalogueError::internal)?,
    })
}

pub(crate) fn parse_location(text: &str) -> Result<Location> {
    Location::parse(text).ok_or_else(|| CatalogueError::internal("a stored location is unknown"))
}
