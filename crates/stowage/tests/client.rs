//! `serve` and the commands that talk to it.

mod common;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Output, Stdio},
};

use common::{Sandbox, argument, failure, stdout};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A running server; killed when dropped.
struct Server {
    sandbox: Sandbox,
    process: Child,
    lines: BufReader<ChildStdout>,
    url: String,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(variables: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new();
        let mut process = sandbox
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let pipe = process.stdout.take().expect("piped");
        let mut server = Self { sandbox, process, lines: BufReader::new(pipe), url: String::new() };
        let line = server.line();
        server.url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("first line is {line:?}")).to_owned();
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line of output");
        line.trim_end().to_owned()
    }

    /// API key and secret of a new app.
    fn app(&self, arguments: &[&str]) -> (String, String) {
        let arguments = [&["app", "create", "--json"], arguments].concat();
        let app: Value = serde_json::from_str(&stdout(&self.sandbox.run(&arguments))).expect("JSON");
        let text = |name: &str| app[name].as_str().expect("text").to_owned();
        (text("apikey"), text("secret"))
    }

    fn run(&self, key: &str, secret: &str, arguments: &[&str]) -> Output {
        self.sandbox
            .command(arguments)
            .env("STOWAGE_SERVER", &self.url)
            .env("STOWAGE_KEY", key)
            .env("STOWAGE_SECRET", secret)
            .output()
            .expect("the binary runs")
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.sandbox.path(name);
        std::fs::write(&path, content).expect("the file is written");
        path
    }

    fn put(&self, key: &str, secret: &str, arguments: &[&str]) -> Value {
        let arguments = [&["put", "--json"], arguments].concat();
        serde_json::from_str(&stdout(&self.run(key, secret, &arguments))).expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn handle(answer: &Value) -> &str {
    answer["handle"].as_str().expect("a handle")
}

/// Bytes without a pattern that a transfer could repeat unnoticed.
fn content(length: usize) -> Vec<u8> {
    let blocks = (0_u64..).flat_map(|block| Sha256::digest(block.to_be_bytes()));
    blocks.take(length).collect()
}

#[test]
fn the_first_start_creates_an_app_and_prints_a_line_to_paste() {
    let mut server = Server::start();
    let created = server.line();
    let key = created
        .strip_prefix("created app `default` with API key ")
        .unwrap_or_else(|| panic!("second line is {created:?}"))
        .to_owned();
    let curl = format!("curl -F fileUpload=@photo.jpg '{}/api/store/S3?key={key}'", server.url);
    assert_eq!(server.line(), curl);
    let path = server.file("photo.jpg", b"not really");
    assert_eq!(server.put(&key, "", &[argument(&path)])["filename"], "photo.jpg");
}

#[test]
fn a_file_goes_in_and_comes_back_and_goes_away() {
    let server = Server::start();
    let (key, secret) = server.app(&["photos", "--security"]);
    let bytes = content(3_000_001);
    let path = server.file("holiday photo.bin", &bytes);
    let answer = server.put(&key, &secret, &[argument(&path), "--path", "/in/"]);
    assert_eq!(answer["size"], bytes.len());
    assert_eq!(answer["filename"], "holiday photo.bin");
    let handle = handle(&answer);

    let metadata = stdout(&server.run(&key, &secret, &["stat", handle, "--digest", "sha256"]));
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    assert_eq!(metadata["size"], bytes.len());
    assert_eq!(metadata["sha256"], hex::encode(Sha256::digest(&bytes)));

    let got = server.run(&key, &secret, &["get", handle, "-o", "-"]);
    assert!(got.status.success());
    assert!(got.stdout == bytes, "other bytes came back");

    let url = answer["url"].as_str().expect("a URL");
    let copy = server.sandbox.path("copy.bin");
    stdout(&server.run(&key, &secret, &["get", url, "-o", argument(&copy)]));
    assert!(std::fs::read(&copy).expect("the copy") == bytes);

    let refused = failure(&server.run(&key, &secret, &["get", handle]), 1);
    assert!(refused.contains("exists already"), "{refused}");
    std::fs::remove_file(&path).expect("the original");
    stdout(&server.run(&key, &secret, &["get", handle]));
    assert!(std::fs::read(&path).expect("saved under its stored name") == bytes);

    stdout(&server.run(&key, &secret, &["rm", handle]));
    let gone = failure(&server.run(&key, &secret, &["get", handle, "-o", "-"]), 1);
    assert!(gone.contains("404"), "{gone}");
}

#[test]
fn several_files_print_one_url_each() {
    let server = Server::start();
    let (key, secret) = server.app(&["photos"]);
    let (one, two) = (server.file("one.txt", b"one"), server.file("two.txt", b"two"));
    let arguments = ["put", argument(&one), argument(&two)];
    let printed = stdout(&server.run(&key, &secret, &arguments));
    let contents: Vec<Vec<u8>> =
        printed.lines().map(|url| server.run(&key, &secret, &["get", url, "-o", "-"]).stdout).collect();
    assert_eq!(contents, [b"one", b"two"]);
    let arguments = ["put", argument(&one), argument(&two), "--filename", "x"];
    failure(&server.run(&key, &secret, &arguments), 2);
}

#[test]
fn a_url_is_fetched_by_the_server_if_its_network_may_be() {
    let origin = Server::start();
    let (key, _) = origin.app(&["photos"]);
    let path = origin.file("one.txt", b"one");
    let stored = origin.put(&key, "", &[argument(&path)]);
    let url = stored["url"].as_str().expect("a URL");

    let closed = Server::start();
    let (key, _) = closed.app(&["copies"]);
    let refused = failure(&closed.run(&key, "", &["put", url]), 1);
    assert!(refused.contains("Could not fetch the url"), "{refused}");

    let open = Server::start_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.1/32")]);
    let (key, _) = open.app(&["copies"]);
    let copied = open.put(&key, "", &[url, "--location", "local"]);
    assert_eq!(copied["filename"], "one.txt");
    let got = open.run(&key, "", &["get", handle(&copied), "-o", "-"]);
    assert_eq!(got.stdout, b"one");
}

#[test]
fn errors_of_the_server_are_shown_with_a_hint() {
    let server = Server::start();
    let (key, secret) = server.app(&["photos", "--security"]);
    let path = server.file("one.txt", b"one");
    let unknown = failure(&server.run("AunknownKey0000000000z", "", &["put", argument(&path)]), 1);
    assert!(unknown.contains("Invalid Application"), "{unknown}");
    let unsigned = failure(&server.run(&key, "", &["put", argument(&path)]), 1);
    assert!(unsigned.contains("403") && unsigned.contains("STOWAGE_SECRET"), "{unsigned}");
    let answer = server.put(&key, &secret, &[argument(&path)]);
    let wrong = failure(&server.run(&key, "WRONG", &["rm", handle(&answer)]), 1);
    assert!(wrong.contains("403"), "{wrong}");
    assert!(!wrong.contains("WRONG"), "{wrong}");
}
