//! Programs that `scripts/test-servers` installs.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longest start of a server; a cold Node or Python on a busy machine takes some seconds.
const START: Duration = Duration::from_secs(60);

/// A server program running on loopback in a directory of its own. Dropping it ends the process.
pub(crate) struct Program {
    child: Child,
    pub(crate) port: u16,
    _directory: TempDir,
}

impl Program {
    /// Starts a program with the arguments for a free port and waits until `path` of it answers, whatever the status.
    /// `None`: it is not installed here.
    pub(crate) async fn start(program: &str, arguments: impl Fn(u16) -> Vec<String>, path: &str) -> Option<Self> {
        let program = installed(program)?;
        // Another process may be faster to take the free port: then the program ends, and is tried with another one.
        for _ in 0..5 {
            let port = free_port();
            if let Some(started) = Self::try_start(&program, arguments(port), port, path).await {
                return Some(started);
            }
        }
        panic!("{} does not start", program.display());
    }

    async fn try_start(program: &Path, arguments: Vec<String>, port: u16, path: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        let mut started = Self { child, port, _directory: directory };
        let url = format!("{}{path}", started.endpoint());
        let begun = Instant::now();
        while begun.elapsed() < START {
            if reqwest::get(&url).await.is_ok() {
                return Some(started);
            }
            if !matches!(started.child.try_wait(), Ok(None)) {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} does not answer", program.display());
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path below the directory of installed servers. A missing one is a loud skip on a laptop and a failure in CI.
pub fn installed(path: &str) -> Option<PathBuf> {
    let servers = std::env::var_os("STOWAGE_TEST_SERVERS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/stowage/servers"),
        PathBuf::from,
    );
    let program = servers.join(path);
    if program.exists() {
        return Some(program);
    }
    skip(&program.display().to_string());
    None
}

/// A program of the search path; a missing one is a skip as that of [`installed`].
pub fn on_search_path(program: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&directories).map(|directory| directory.join(program)).find(|path| path.is_file());
    if found.is_none() {
        skip(program);
    }
    found
}

/// Says that tests are skipped for want of something; in CI it panics instead.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn skip(missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "{missing} is missing: run scripts/test-servers");
    eprintln!("SKIPPED: {missing} is missing, install it with scripts/test-servers");
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}
