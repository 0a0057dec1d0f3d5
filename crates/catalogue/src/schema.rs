//! Migrations (forward only, numbered files in `migrations/`) and the check of the master key.

use rusqlite::{Connection, OptionalExtension};

use crate::{
    connection::in_transaction,
    error::{CatalogueError, Result},
    sealed::{Place, Sealer},
};

/// Entry `n` brings the schema from version `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_regions_and_etags.sql"),
    include_str!("../migrations/0003_uploads.sql"),
];

/// Sealed when the database is created; only the right key opens it.
const CHECK_TEXT: &[u8] = b"stowage";

/// Brings the database to the newest schema and makes sure that `sealer` fits it. Safe beside another process that does the same.
pub(crate) fn prepare(connection: &Connection, sealer: &Sealer) -> Result<()> {
    in_transaction(connection, |connection| {
        migrate(connection, MIGRATIONS)?;
        check_master_key(connection, sealer)
    })
}

fn migrate(connection: &Connection, migrations: &[&str]) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).map_err(CatalogueError::internal)?;
    let pending = migrations.get(version..).ok_or_else(|| {
        CatalogueError::Internal(format!(
            "the database has schema version {version}, newer than this program knows ({}); use a newer program",
            migrations.len()
        ))
    })?;
    for migration in pending {
        connection.execute_batch(migration)?;
    }
    Ok(connection.pragma_update(None, "user_version", migrations.len() as i64)?)
}

fn check_master_key(connection: &Connection, sealer: &Sealer) -> Result<()> {
    let sealed: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE name = 'master_key_check'", [], |row| row.get(0))
        .optional()?;
    match sealed {
        Some(sealed) => sealer.open(Place::MasterKeyCheck, &sealed).map(drop),
        None => {
            let sealed = sealer.seal(Place::MasterKeyCheck, CHECK_TEXT)?;
            connection.execute("INSERT INTO meta (name, value) VALUES ('master_key_check', ?1)", [sealed])?;
            Ok(())
        }
    }
}

/// Adds one to the start counter and returns it.
pub(crate) fn next_generation(connection: &Connection) -> Result<u64> {
    let generation: i64 = connection.query_row(
        "UPDATE meta SET value = value + 1 WHERE name = 'generation' RETURNING value",
        [],
        |row| row.get(0),
    )?;
    generation.try_into().map_err(CatalogueError::internal)
}

/// Reads from the database.
pub(crate) fn check(connection: &Connection) -> Result<()> {
    let sql = "SELECT 1 FROM meta WHERE name = 'generation'";
    Ok(connection.prepare_cached(sql)?.query_row([], |_| Ok(()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("user_version")
    }

    #[test]
    fn applies_only_what_is_missing() {
        let connection = Connection::open_in_memory().expect("memory database");
        let first = "CREATE TABLE a (x INTEGER) STRICT";
        let second = "CREATE TABLE b (x INTEGER) STRICT";
        migrate(&connection, &[first]).expect("first");
        assert_eq!(version(&connection), 1);
        migrate(&connection, &[first, second]).expect("second only");
        assert_eq!(version(&connection), 2);
        migrate(&connection, &[first, second]).expect("nothing to do");
        assert_eq!(version(&connection), 2);
    }

    #[test]
    fn a_failing_migration_leaves_the_schema_as_it_was() {
        let connection = Connection::open_in_memory().expect("memory database");
        let bad = "CREATE TABLE a (x INTEGER) STRICT; CREATE TABLE nonsense";
        in_transaction(&connection, |connection| migrate(connection, &[bad])).expect_err("bad SQL");
        assert_eq!(version(&connection), 0);
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("count");
        assert_eq!(tables, 0);
    }

    #[test]
    fn refuses_a_newer_schema() {
        let connection = Connection::open_in_memory().expect("memory database");
        connection.pragma_update(None, "user_version", 7).expect("set");
        let error = migrate(&connection, &["SELECT 1"]).expect_err("newer");
        assert!(error.to_string().contains("schema version 7"), "{error}");
    }
}
