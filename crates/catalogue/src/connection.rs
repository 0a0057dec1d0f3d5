//! How connections are opened, and patience with other processes that hold the database.

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::error::Result;

/// SQLite itself waits this long for a lock, milliseconds.
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;";

// `temp_store`: savepoints must not depend on room in /tmp.
// `journal_size_limit`: a huge transaction must not leave a huge WAL behind for ever.
const WRITER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -8000;
    PRAGMA temp_store = MEMORY;";

const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -2000;";

/// Statements kept prepared per connection; more than the catalogue has.
const STATEMENTS: usize = 64;

/// How long a lock held by another process is waited for in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the file for writing, creating it (mode 0600) if needed.
pub(crate) fn open_writer(file: &Path) -> Result<Connection> {
    // SQLite would create it readable for everyone; an existing file keeps its content and mode.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)?;
    let connection = open(file)?;
    retry_busy(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
    connection.execute_batch(WRITER)?;
    Ok(connection)
}

/// Opens an existing file for reading.
pub(crate) fn open_reader(file: &Path) -> Result<Connection> {
    let connection = open(file)?;
    connection.execute_batch(READER)?;
    Ok(connection)
}

fn open(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.execute_batch(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Else SQLite prepares statements anew for each set of bound values when a partial index might fit them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Takes the write lock, waiting while another process holds it.
pub(crate) fn begin(connection: &Connection) -> Result<()> {
    retry_busy(|| connection.execute_batch("BEGIN IMMEDIATE"))
}

/// Runs `work` as one transaction.
pub(crate) fn in_transaction<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    begin(connection)?;
    let outcome = work(connection).and_then(|value| {
        connection.execute_batch("COMMIT")?;
        Ok(value)
    });
    // SQLite ends the transaction itself on some failures (disk full, I/O).
    if outcome.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "the catalogue could not roll back");
    }
    outcome
}

fn retry_busy(mut work: impl FnMut() -> rusqlite::Result<()>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match work() {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use rusqlite::{Error, ffi};

    use super::*;

    #[test]
    fn a_busy_database_is_asked_again_but_a_broken_one_is_not() {
        let fail = |code| Err(Error::SqliteFailure(ffi::Error::new(code), None));
        let mut answers = [fail(ffi::SQLITE_BUSY), fail(ffi::SQLITE_BUSY_RECOVERY), Ok(())].into_iter();
        retry_busy(|| answers.next().expect("three attempts")).expect("the third succeeds");
        let mut answers = [fail(ffi::SQLITE_CORRUPT)].into_iter();
        retry_busy(|| answers.next().expect("one attempt")).expect_err("no second attempt");
    }
}
