//! A watched server and raw connections: for requests that must leave nothing behind.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{Stowage, client, server_with};

/// Longest wait for something that must happen; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server whose data directory lies in a directory of its own, so that anything written beside it is seen as well.
pub(crate) struct Watched {
    pub(crate) server: Stowage,
    surroundings: TempDir,
}

impl Watched {
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let surroundings = tempfile::tempdir().expect("a temporary directory can be made");
        let data = surroundings.path().join("data");
        let data = data.to_str().expect("temporary paths are UTF-8");
        let server = server_with(&[environment, &[("STOWAGE_DATA", data)]].concat());
        Self { server, surroundings }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.surroundings.path().join("data")
    }

    /// What is stored now: every file anywhere near, and the server's own count.
    pub(crate) async fn stored(&self) -> Stored {
        Stored { files: files_below(self.surroundings.path()), count: files_stored(&self.server).await }
    }

    /// Waits for the state to be `expected` again; for requests that end without an answer.
    pub(crate) async fn settles_to(&self, expected: &Stored) {
        eventually("nothing is left behind", async || self.stored().await == *expected).await;
    }
}

/// A snapshot of what a server holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) count: u64,
}

/// Every file below a directory; directories and links themselves are no files.
pub(crate) fn files_below(directory: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return files };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            _ => {
                files.insert(entry.path());
            }
        }
    }
    files
}

/// The objects of a data directory.
pub(crate) fn objects(data: &Path) -> BTreeSet<PathBuf> {
    files_below(&data.join("objects"))
}

/// `stowage_files_stored_total`.
pub(crate) async fn files_stored(server: &Stowage) -> u64 {
    let metrics = client().get(format!("{}/metrics", server.url())).send().await.expect("the server answers");
    let metrics = metrics.text().await.expect("figures are text");
    let value = metrics.lines().find_map(|line| line.strip_prefix("stowage_files_stored_total "));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no count of files in {metrics}"))
}

/// Asks again until it is so, or fails.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "did not happen within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// An answer read from a raw connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let head = format!("{:?}", response.headers());
        Self { status, head, body: response.text().await.expect("the answer is text") }
    }

    /// A 4xx with a short text in plain ASCII that mentions what is wrong.
    pub(crate) fn refuses(&self, case: &str, status: u16, mentions: &str) {
        assert_eq!(self.status, status, "{case}: {self:?}");
        assert!((1..400).contains(&self.body.len()), "{case}: the text is not short: {self:?}");
        assert!(self.body.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{case}: {self:?}");
        assert!(self.head.contains("nosniff"), "{case}: {self:?}");
        let body = self.body.to_ascii_lowercase();
        assert!(body.contains(&mentions.to_ascii_lowercase()), "{case}: nothing about `{mentions}` in {self:?}");
    }
}

/// Sends bytes, ends the sending side, and reads until the server closes. Status 0: closed without an answer.
pub(crate) async fn raw(server: &Stowage, request: impl AsRef<[u8]>) -> Answer {
    let mut connection = connect(server).await;
    // The server may refuse before it has read everything.
    let _ = connection.write_all(request.as_ref()).await;
    let _ = connection.shutdown().await;
    rest(&mut connection).await
}

pub(crate) async fn connect(server: &Stowage) -> TcpStream {
    TcpStream::connect(server.address()).await.expect("the server listens")
}

/// Reads until the server closes the connection.
pub(crate) async fn rest(connection: &mut TcpStream) -> Answer {
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
    let _ = reading.unwrap_or_else(|_| panic!("still open after {PATIENCE:?}: {}", String::from_utf8_lossy(&answer)));
    Answer::parse(&answer)
}

/// Everything percent-encoded that is not a letter or digit.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
