//! A real OpenStack Swift (Debian's packages) on loopback, and an identity service that hands out its tokens.

mod identity;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::installed::skip;
pub use identity::{Identity, IdentityAnswer};

/// Debian's interpreter, which finds Debian's packages.
const PYTHON: &str = "/usr/bin/python3";
const PROGRAMS: [&str; 5] = [
    "/usr/bin/swift-account-server",
    "/usr/bin/swift-container-server",
    "/usr/bin/swift-object-server",
    "/usr/bin/swift-proxy-server",
    "/usr/bin/memcached",
];
const LAUNCHER: &str = include_str!("swift/launch.py");

/// A whole Swift cluster of one device, with TempAuth. Dropping it stops it and removes its files.
pub struct SwiftServer {
    launcher: Child,
    url: String,
    _directory: TempDir,
}

impl SwiftServer {
    /// User of every [`SwiftServer`], who may do anything in the account.
    pub const USER: &str = "test:tester";
    /// Key of [`SwiftServer::USER`].
    pub const KEY: &str = "testing";
    /// A user who may do nothing in the account.
    pub const POWERLESS_USER: &str = "test:reader";
    /// Key of [`SwiftServer::POWERLESS_USER`].
    pub const POWERLESS_KEY: &str = "reading";

    /// Starts it and waits until it answers, about two seconds. `None`: it is not installed here.
    pub fn start() -> Option<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) {
            skip(missing);
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut launcher = Command::new(PYTHON)
            .args(["-c", LAUNCHER])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("Debian's Python starts");
        let mut port = String::new();
        let stdout = launcher.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut port).expect("the launcher prints text");
        let port = port.trim().parse::<u16>().expect("Swift starts and its launcher prints the port");
        Some(Self { launcher, url: format!("http://127.0.0.1:{port}"), _directory: directory })
    }

    /// Where tokens are had: `http://127.0.0.1:PORT/auth/v1.0`.
    pub fn auth_url(&self) -> String {
        format!("{}/auth/v1.0", self.url)
    }

    /// A token and the storage URL.
    pub async fn token(&self) -> (String, String) {
        token(&self.auth_url()).await
    }

    /// Makes a request to the account with a token, such as `PUT` on `/container`; panics if it is refused.
    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let (token, storage_url) = self.token().await;
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = reqwest::Client::new()
            .request(method, format!("{storage_url}{path}"))
            .header("X-Auth-Token", token)
            .header("Content-Length", 0);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("Swift answers");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response
    }
}

impl Drop for SwiftServer {
    fn drop(&mut self) {
        // The launcher ends with its standard input, and everything that it started with it.
        drop(self.launcher.stdin.take());
        let _ = self.launcher.wait();
    }
}

async fn token(auth_url: &str) -> (String, String) {
    let request = reqwest::Client::new()
        .get(auth_url)
        .header("X-Auth-User", SwiftServer::USER)
        .header("X-Auth-Key", SwiftServer::KEY);
    let response = request.send().await.expect("TempAuth answers");
    let header = |name: &str| {
        let value = response.headers().get(name).expect("TempAuth grants a token");
        value.to_str().expect("a token is text").to_owned()
    };
    (header("X-Auth-Token"), header("X-Storage-Url"))
}
