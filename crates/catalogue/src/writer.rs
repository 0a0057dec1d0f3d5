//! The writer thread: it owns the only write connection and commits requests in groups, one disk flush for many.
//!
//! Invariant: a request is answered only after the transaction that holds it is durable.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    connection::in_transaction,
    error::{CatalogueError, Result},
    types::Statistics,
};

/// Most requests in one transaction.
const BATCH: usize = 256;
/// Requests that may wait; further callers wait for room.
const QUEUE: usize = 1024;

/// The way to the writer thread, which ends when this is dropped and the queue is done.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Request>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    batches: AtomicU64,
}

impl Writer {
    pub(crate) fn start(connection: Connection) -> io::Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        thread::Builder::new()
            .name("catalogue-writer".to_owned())
            .spawn(move || serve(&connection, requests, &shared))?;
        Ok(Self { queue, counters })
    }

    /// Runs `work` in the writer's next transaction; returns once that is durable. An error undoes what `work` did, and only that.
    pub(crate) async fn submit<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let request = Box::new(Pending { work: Some(work), done: None, reply });
        self.queue.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.queue.is_closed() {
            return Err(stopped());
        }
        Ok(())
    }

    pub(crate) fn statistics(&self) -> Statistics {
        Statistics {
            commits: self.counters.commits.load(Ordering::Relaxed),
            batches: self.counters.batches.load(Ordering::Relaxed),
        }
    }
}

fn stopped() -> CatalogueError {
    CatalogueError::internal("the writer thread has stopped")
}

/// One queued request, whatever its type of answer.
trait Request: Send {
    /// Does the work inside the open transaction.
    fn run(&mut self, connection: &Connection) -> Result<()>;
    /// Answers the caller, given how the request or its transaction failed, if it did.
    fn answer(self: Box<Self>, failure: Option<CatalogueError>);
}

struct Pending<T, W> {
    work: Option<W>,
    done: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, W> Request for Pending<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<()> {
        let work = self.work.take().ok_or_else(stopped)?;
        self.done = Some(work(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<CatalogueError>) {
        let answer = match failure {
            Some(failure) => Err(failure),
            None => self.done.ok_or_else(stopped),
        };
        // The caller may have gone away; what it asked for was done all the same.
        drop(self.reply.send(answer));
    }
}

fn serve(connection: &Connection, mut requests: mpsc::Receiver<Box<dyn Request>>, counters: &Counters) {
    let mut batch = Vec::with_capacity(BATCH);
    while requests.blocking_recv_many(&mut batch, BATCH) > 0 {
        let failures = commit(connection, &mut batch, counters);
        for (request, failure) in batch.drain(..).zip(failures) {
            request.answer(failure);
        }
    }
}

/// Runs the batch as one transaction; for each request, how it failed.
fn commit(connection: &Connection, batch: &mut [Box<dyn Request>], counters: &Counters) -> Vec<Option<CatalogueError>> {
    let outcome = in_transaction(connection, |connection| {
        batch.iter_mut().map(|request| run_alone(connection, request.as_mut())).collect::<Result<Vec<_>>>()
    });
    match outcome {
        Ok(failures) => {
            let commits = failures.iter().filter(|failure| failure.is_none()).count();
            counters.commits.fetch_add(commits as u64, Ordering::Relaxed);
            counters.batches.fetch_add(1, Ordering::Relaxed);
            failures
        }
        Err(error) => {
            tracing::error!(%error, requests = batch.len(), "the catalogue could not commit");
            batch.iter().map(|_| Some(error.clone())).collect()
        }
    }
}

/// Runs a request within a savepoint and returns how it failed. An error of this function means that the whole transaction is lost.
fn run_alone(connection: &Connection, request: &mut dyn Request) -> Result<Option<CatalogueError>> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]);
    execute("SAVEPOINT request")?;
    let failure = request.run(connection).err();
    if let Some(failure) = &failure {
        if connection.is_autocommit() {
            return Err(failure.clone());
        }
        execute("ROLLBACK TO request")?;
    }
    execute("RELEASE request")?;
    Ok(failure)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as blocking;

    use rusqlite::params;
    use tempfile::TempDir;

    use super::*;
    use crate::connection::open_writer;

    fn start() -> (TempDir, Writer) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let connection = open_writer(&directory.path().join("db")).expect("open");
        connection.execute_batch("CREATE TABLE t (x INTEGER, y BLOB) STRICT").expect("table");
        (directory, Writer::start(connection).expect("start"))
    }

    fn insert(x: i64, bytes: usize) -> impl FnOnce(&Connection) -> Result<()> {
        move |connection| {
            let sql = "INSERT INTO t (x, y) VALUES (?1, zeroblob(?2))";
            connection.execute(sql, params![x, bytes as i64])?;
            Ok(())
        }
    }

    async fn contents(writer: &Writer) -> Vec<i64> {
        writer
            .submit(|connection| {
                let mut select = connection.prepare("SELECT x FROM t ORDER BY x")?;
                let rows = select.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await
            .expect("read back")
    }

    /// Queues a request whose caller goes away at once.
    async fn submit_and_leave(writer: &Writer, work: impl FnOnce(&Connection) -> Result<()> + Send + 'static) {
        tokio::select! {
            biased;
            answer = writer.submit(work) => panic!("answered at once: {answer:?}"),
            () = std::future::ready(()) => {}
        }
    }

    /// Keeps the writer thread inside one transaction until the returned sender is used.
    async fn occupy(writer: &Writer) -> blocking::Sender<()> {
        let (started, has_started) = oneshot::channel();
        let (release, released) = blocking::channel();
        let wait = move |_: &Connection| {
            started.send(()).expect("the test waits");
            released.recv().map_err(CatalogueError::internal)
        };
        submit_and_leave(writer, wait).await;
        has_started.await.expect("the writer took the request");
        release
    }

    #[tokio::test]
    async fn a_failing_request_is_undone_alone() {
        let (_directory, writer) = start();
        let release = occupy(&writer).await;
        let failing = |connection: &Connection| {
            insert(2, 0)(connection)?;
            Err::<(), _>(CatalogueError::NotFound)
        };
        let (first, second, third, ()) =
            tokio::join!(writer.submit(insert(1, 0)), writer.submit(failing), writer.submit(insert(3, 0)), async {
                release.send(()).expect("the writer waits")
            },);
        first.expect("before the failing one");
        assert!(matches!(second, Err(CatalogueError::NotFound)));
        third.expect("after the failing one");
        let expected = Statistics { commits: 3, batches: 2 };
        assert_eq!(writer.statistics(), expected);
        assert_eq!(contents(&writer).await, [1, 3]);
    }

    #[tokio::test]
    async fn works_again_after_the_disk_was_full() {
        let (_directory, writer) = start();
        let limit = |pages: i64| {
            move |connection: &Connection| {
                let sql = format!("PRAGMA max_page_count = {pages}");
                Ok(connection.query_row(&sql, [], |_| Ok(()))?)
            }
        };
        writer.submit(insert(1, 0)).await.expect("room left");
        writer.submit(limit(4)).await.expect("limit");
        let refused = writer.submit(insert(2, 100_000)).await;
        assert!(matches!(refused, Err(CatalogueError::Full)), "{refused:?}");
        writer.submit(limit(1_000_000)).await.expect("unlimit");
        writer.submit(insert(3, 100_000)).await.expect("room again");
        assert_eq!(contents(&writer).await, [1, 3]);
    }

    #[tokio::test]
    async fn a_lost_transaction_fails_all_its_requests_and_nothing_else() {
        let (_directory, writer) = start();
        let release = occupy(&writer).await;
        // What SQLite does by itself on some I/O errors: the transaction is gone after the statement.
        let losing = |connection: &Connection| {
            connection.execute_batch("ROLLBACK")?;
            Err::<(), _>(CatalogueError::Full)
        };
        let (first, second, third, ()) =
            tokio::join!(writer.submit(insert(1, 0)), writer.submit(losing), writer.submit(insert(3, 0)), async {
                release.send(()).expect("the writer waits")
            },);
        for answer in [first, second, third] {
            assert!(matches!(answer, Err(CatalogueError::Full)), "{answer:?}");
        }
        writer.submit(insert(4, 0)).await.expect("next transaction");
        assert_eq!(contents(&writer).await, [4]);
    }

    #[tokio::test]
    async fn finishes_queued_work_after_its_owner_is_gone() {
        let (directory, writer) = start();
        let release = occupy(&writer).await;
        let (ran, has_run) = blocking::channel();
        let work = move |connection: &Connection| {
            insert(7, 0)(connection)?;
            ran.send(()).map_err(CatalogueError::internal)
        };
        submit_and_leave(&writer, work).await;
        drop(writer);
        release.send(()).expect("the writer waits");
        has_run.recv().expect("the queued request was run");

        let connection = open_writer(&directory.path().join("db")).expect("open again");
        // Waits for the writer's transaction to end.
        let count: i64 = in_transaction(&connection, |connection| {
            let sql = "SELECT count(*) FROM t WHERE x = 7";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        })
        .expect("count");
        assert_eq!(count, 1);
    }
}
