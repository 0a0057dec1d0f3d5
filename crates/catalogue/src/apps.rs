//! Apps: the rows, their sealed secrets and their removal.

use rusqlite::{Connection, Row, params};
use stowage_core::{
    app::AppSettings,
    handle::{ApiKey, AppSecret},
    location::Location,
};

use crate::{
    error::{CatalogueError, Result},
    garbage,
    random::draw,
    sealed::{Place, Sealer},
    stores,
    types::{App, AppId, NewStore},
};

const LONGEST_NAME: usize = 100;
const COLUMNS: &str = "id, name, key, secret, settings, created";

pub(crate) fn create(
    connection: &Connection,
    sealer: &Sealer,
    name: &str,
    settings: AppSettings,
    created: i64,
) -> Result<App> {
    let name = valid_name(name)?;
    if name_taken(connection, name)? {
        return Err(CatalogueError::NameTaken(name.to_owned()));
    }
    let key = draw(|fill| ApiKey::random(fill))?;
    connection
        .prepare_cached("INSERT INTO apps (name, key, secret, settings, created) VALUES (?1, ?2, x'', ?3, ?4)")?
        .execute(params![name, key.as_str(), to_json(&settings)?, created])?;
    let id = connection.last_insert_rowid();
    let secret = rotate_secret(connection, sealer, id)?;
    for location in [Location::S3, Location::Local] {
        stores::put(connection, sealer, id, &NewStore::built_in(location))?;
    }
    Ok(App { id, name: name.to_owned(), key, secret, settings, created })
}

fn valid_name(name: &str) -> Result<&str> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(CatalogueError::InvalidName("an app's name has 1 to 100 characters and no control characters"));
    }
    Ok(name)
}

fn name_taken(connection: &Connection, name: &str) -> Result<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM apps WHERE name = ?1")?.exists([name])?)
}

pub(crate) fn all(connection: &Connection, sealer: &Sealer) -> Result<Vec<App>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY name"))?
        .query_and_then([], |row| from_row(row, sealer))?
        .collect()
}

pub(crate) fn by_id(connection: &Connection, sealer: &Sealer, id: AppId) -> Result<Option<App>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM apps WHERE id = ?1"))?
        .query_and_then([id], |row| from_row(row, sealer))?
        .next()
        .transpose()
}

pub(crate) fn by_key(connection: &Connection, sealer: &Sealer, key: &ApiKey) -> Result<Option<App>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM apps WHERE key = ?1"))?
        .query_and_then([key.as_str()], |row| from_row(row, sealer))?
        .next()
        .transpose()
}

/// The key wins over a name that looks like another app's key.
pub(crate) fn by_name_or_key(connection: &Connection, sealer: &Sealer, text: &str) -> Result<Option<App>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM apps WHERE key = ?1 OR name = ?1 ORDER BY key = ?1 DESC"))?
        .query_and_then([text.trim()], |row| from_row(row, sealer))?
        .next()
        .transpose()
}

pub(crate) fn set(connection: &Connection, id: AppId, settings: &AppSettings) -> Result<()> {
    let changed = connection
        .prepare_cached("UPDATE apps SET settings = ?2 WHERE id = ?1")?
        .execute(params![id, to_json(settings)?])?;
    found(changed)
}

pub(crate) fn rotate_secret(connection: &Connection, sealer: &Sealer, id: AppId) -> Result<AppSecret> {
    let secret = draw(|fill| AppSecret::random(fill))?;
    let sealed = sealer.seal(Place::AppSecret(id), secret.expose().as_bytes())?;
    let changed =
        connection.prepare_cached("UPDATE apps SET secret = ?2 WHERE id = ?1")?.execute(params![id, sealed])?;
    found(changed)?;
    Ok(secret)
}

pub(crate) fn delete(connection: &Connection, id: AppId, force: bool) -> Result<()> {
    let files: i64 = connection
        .prepare_cached("SELECT count(*) FROM files WHERE store IN (SELECT id FROM stores WHERE app = ?1)")?
        .query_row([id], |row| row.get(0))?;
    if files > 0 && !force {
        return Err(CatalogueError::NotEmpty(files.unsigned_abs()));
    }
    let deleted = connection.prepare_cached("DELETE FROM apps WHERE id = ?1")?.execute([id])?;
    found(deleted)?;
    garbage::discard_all_files(connection, id)?;
    stores::retire_all(connection, id)?;
    stores::forget_orphans(connection)
}

fn found(rows: usize) -> Result<()> {
    if rows == 0 {
        return Err(CatalogueError::NotFound);
    }
    Ok(())
}

fn from_row(row: &Row<'_>, sealer: &Sealer) -> Result<App> {
    let id = row.get(0)?;
    let key: String = row.get(2)?;
    let sealed: Vec<u8> = row.get(3)?;
    let settings: String = row.get(4)?;
    let secret = sealer.open(Place::AppSecret(id), &sealed)?;
    Ok(App {
        id,
        name: row.get(1)?,
        key: ApiKey::parse(&key).ok_or_else(|| CatalogueError::internal("an app's key is malformed"))?,
        secret: AppSecret::new(String::from_utf8(secret).map_err(CatalogueError::internal)?),
        settings: serde_json::from_str(&settings).map_err(CatalogueError::internal)?,
        created: row.get(5)?,
    })
}

fn to_json(settings: &AppSettings) -> Result<String> {
    serde_json::to_string(settings).map_err(CatalogueError::internal)
}
