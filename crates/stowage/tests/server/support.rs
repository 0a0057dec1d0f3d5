//! What most tests need.

use std::path::Path;

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;
use stowage_core::{handle::AppSecret, policy};
pub(crate) use stowage_testkit::{App, Stowage, client, client_builder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A server with embedded defaults.
pub(crate) fn server() -> Stowage {
    Stowage::start(env!("CARGO_BIN_EXE_stowage"))
}

/// A server with `STOWAGE_…` variables.
pub(crate) fn server_with(environment: &[(&str, &str)]) -> Stowage {
    Stowage::start_with(env!("CARGO_BIN_EXE_stowage"), environment)
}

/// `policy=…&signature=…` of a policy given as JSON.
pub(crate) fn signed(app: &App, json: &str) -> String {
    let signed = policy::sign(&AppSecret::new(app.secret.clone()), json);
    format!("policy={}&signature={}", signed.policy, signed.signature)
}

/// Stores raw bytes and gives the answer's JSON.
pub(crate) async fn store(server: &Stowage, app: &App, query: &str, content: impl Into<reqwest::Body>) -> Value {
    let url = format!("{}/api/store/S3?key={}&{query}", server.url(), app.key);
    let response = client().post(url).body(content).send().await.expect("the server answers");
    let status = response.status();
    let text = response.text().await.expect("the answer is text");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("the answer is JSON")
}

/// Raw policy JSON that allows these calls until the next century, as [`signed`] takes it.
pub(crate) fn allowing(calls: &[&str]) -> String {
    serde_json::json!({ "expiry": 4_102_444_800_u64, "call": calls }).to_string()
}

/// `security=policy:…,signature:…` of a policy given as JSON, for delivery paths.
pub(crate) fn security_segment(app: &App, json: &str) -> String {
    let signed = policy::sign(&AppSecret::new(app.secret.clone()), json);
    format!("security=policy:{},signature:{}", signed.policy, signed.signature)
}

/// The text of a string member.
pub(crate) fn text_of<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {json}"))
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl HttpAnswer {
    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// A header that must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().expect("header values are ASCII")
    }

    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON, which its type must announce.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Sends a request and reads its answer.
pub(crate) async fn send(request: RequestBuilder) -> HttpAnswer {
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.expect("the answer is complete").to_vec();
    HttpAnswer { status, headers, body }
}

/// What `curl` gets with these arguments, the URL among them.
pub(crate) async fn curl(arguments: &[&str]) -> HttpAnswer {
    // Without the header it would print an interim answer, too.
    let common = ["--silent", "--show-error", "--include", "--http1.1", "--noproxy", "*", "-H", "Expect:"];
    let output = tokio::process::Command::new("curl").args(common).args(arguments).output().await;
    let output = output.expect("curl is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    parse_answer(&output.stdout)
}

/// GETs a path of a server.
pub(crate) async fn get(server: &Stowage, path: &str) -> HttpAnswer {
    send(client().get(format!("{}{path}", server.url()))).await
}

/// POSTs a body without any `Content-Type` to a path of a server.
pub(crate) async fn post(server: &Stowage, path: &str, body: impl Into<reqwest::Body>) -> HttpAnswer {
    send(client().post(format!("{}{path}", server.url())).body(body)).await
}

/// Sends a request byte by byte as written, for what a URL library would tidy up: a head with `\n` for line ends and without
/// `Host`, `Connection` and `Content-Length`, and its body.
pub(crate) async fn raw_request(server: &Stowage, head: &str, body: &[u8]) -> HttpAnswer {
    let mut lines: Vec<String> = head.trim().lines().map(|line| line.trim().to_owned()).collect();
    if !lines.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
        lines.push(format!("Host: {}", server.address()));
    }
    lines.push("Connection: close".to_owned());
    lines.push(format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut connection = TcpStream::connect(server.address()).await.expect("the server listens");
    connection.write_all(lines.join("\r\n").as_bytes()).await.expect("the head is taken");
    connection.write_all(body).await.expect("the body is taken");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.expect("the server answers and closes");
    parse_answer(&answer)
}

pub(crate) fn parse_answer(answer: &[u8]) -> HttpAnswer {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the answer has a head");
    let head = std::str::from_utf8(&answer[..end]).expect("the head is ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.parse().expect("a header name"), value.parse().expect("a header value")));
    HttpAnswer { status: status.expect("a status"), headers: headers.collect(), body: answer[end + 4..].to_vec() }
}

/// A part of a form: what follows `form-data; `, its `Content-Type`, its content.
pub(crate) type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// `Content-Type` and body of a multipart form, byte-exact.
pub(crate) fn multipart(parts: &[Part<'_>]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "----stowage-test-boundary";
    let mut body = Vec::new();
    for (parameters, media_type, content) in parts {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n").bytes());
        if let Some(media_type) = media_type {
            body.extend(format!("Content-Type: {media_type}\r\n").bytes());
        }
        body.extend([b"\r\n", *content, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// Bytes of all files below a directory.
pub(crate) fn bytes_below(directory: &Path) -> u64 {
    crate::hostile::files_below(directory).iter().filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}

/// A PNG of 3 × 2 pixels.
pub(crate) fn png() -> Vec<u8> {
    let hexadecimal = concat!(
        "89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d",
        "0000001049444154789c636080034626660802000068001326a8a8b1",
        "0000000049454e44ae426082",
    );
    hex::decode(hexadecimal).expect("hexadecimal digits")
}
