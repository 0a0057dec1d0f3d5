//! What `curl` stores is what the provider's own client finds, and what that client stores is what an alias reads.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stowage_testkit::{OfficialClient, Origin, Reply};
use tempfile::TempDir;

use super::{Backend, fetching_server, on_every_provider};
use crate::{
    hostile::{encoded, objects},
    support::{App, HttpAnswer, Stowage, curl, text_of},
};

on_every_provider!(own: [curl_and_the_official_client_agree]);

/// A second S3 implementation.
#[tokio::test(flavor = "multi_thread")]
async fn moto() {
    super::install_tls_provider();
    if let Some(backend) = Backend::moto().await {
        curl_and_the_official_client_agree(&backend).await;
    }
}

const CSV: &str = "a,b\n1,2\n";
const CONTENT: &[u8] = CSV.as_bytes();

/// One call of `curl`, and what must come of it.
struct Call {
    name: &'static str,
    query: String,
    arguments: Vec<String>,
    content: Vec<u8>,
    media_type: &'static str,
    container: &'static str,
}

impl Call {
    fn new(name: &'static str, query: &str, arguments: &[&str]) -> Self {
        Self {
            name,
            query: query.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            content: CONTENT.to_vec(),
            media_type: "text/csv",
            container: "files",
        }
    }

    async fn store(&self, server: &Stowage, app: &App, location: &str) -> Value {
        let url = format!("{}/api/store/{location}?key={}&{}", server.url(), app.key, self.query);
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).chain([url.as_str()]).collect();
        curl(&arguments).await.expect(200).json()
    }

    /// Reads the file back through its URL.
    async fn read(&self, server: &Stowage, stored: &Value) -> HttpAnswer {
        let answer = curl(&[&format!("{}/{}", server.url(), text_of(stored, "handle"))]).await.expect(200);
        assert!(answer.body == self.content, "{}", self.name);
        assert_eq!(answer.header("content-type"), self.media_type, "{}", self.name);
        answer
    }
}

/// Files for `curl` to send, and an origin for the server to fetch from.
struct Sources {
    directory: TempDir,
    origin: Origin,
}

impl Sources {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/csv", CONTENT)).await;
        Self { directory, origin }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// Every body form, with and without a path.
    fn calls(&self) -> Vec<Call> {
        let file = |path: &Path| format!("fileUpload=@{};type=text/csv", path.display());
        let form = file(&self.file("na\u{ef}ve name.csv", CONTENT));
        let fetched = format!("url={}", encoded(&self.origin.url("/from%20the/web.csv")));
        let raw = ["--data-binary", CSV, "-H", "Content-Type: text/csv"];
        let base64 = ["--data-binary", "data:text/csv;base64,YSxiCjEsMgo=", "-H", "Content-Type: text/plain"];
        vec![
            Call::new("file", "", &["-F", &form]),
            Call::new("file below a folder", "path=/in%20a/f%C3%B6lder/", &["-F", &form]),
            Call::new("url", "path=fetched/", &["-d", &fetched]),
            Call::new("base64", "base64decode=true&mimetype=text/csv&filename=b.csv", &base64),
            Call::new("exact path", "path=exact/%2B%26%25.csv&access=private", &raw),
        ]
    }

    fn call_with_container(&self, container: &'static str) -> Call {
        let query = format!("container={container}&filename=c.csv");
        Call { container, ..Call::new("container", &query, &["--data-binary", CSV, "-H", "Content-Type: text/csv"]) }
    }

    /// Longer than one part.
    fn large(&self) -> Call {
        let content: Vec<u8> = (0..2_500_000_u32).flat_map(u32::to_le_bytes).collect();
        let file = format!("fileUpload=@{};type=application/zip", self.file("large.zip", &content).display());
        Call { content, media_type: "application/zip", ..Call::new("large", "", &["-F", &file]) }
    }
}

async fn curl_and_the_official_client_agree(backend: &Backend) {
    let Some(mut client) = OfficialClient::start(backend.provider, &backend.settings).await else { return };
    let server = fetching_server();
    let app = server.app("shop", &[]);
    backend.add_to(&server, &app);
    backend.add_as(&server, &app, "archive", &backend.settings);

    let sources = Sources::new().await;
    let mut calls = sources.calls();
    calls.push(sources.call_with_container("second"));
    if backend.takes_parts {
        calls.push(sources.large());
    }
    for call in calls {
        let stored = call.store(&server, &app, backend.location).await;
        assert_eq!((&stored["container"], &stored["size"]), (&json!(call.container), &json!(call.content.len())));
        let read = call.read(&server, &stored).await;
        let found = client.get(call.container, text_of(&stored, "key")).await;
        assert_is_kept(backend, &call, &stored, &read, &found);
    }
    an_alias_reads_what_the_client_puts(&server, &app, &mut client).await;
}

/// Compares what the provider's client tells with what was sent, and with what a reader gets.
fn assert_is_kept(backend: &Backend, call: &Call, stored: &Value, read: &HttpAnswer, found: &Value) {
    let case = format!("{} {}: {found}", backend.provider, call.name);
    assert_eq!(found["size"], json!(call.content.len()), "{case}");
    assert_eq!(found["sha256"], json!(hex::encode(Sha256::digest(&call.content))), "{case}");
    // Dropbox keeps nothing but names and bytes.
    if backend.provider == "dropbox" {
        return;
    }
    assert_eq!(found["media_type"], json!(call.media_type), "{case}");
    let mut disposition = read.header("content-disposition").to_owned();
    if backend.provider == "swift" {
        // Its client decodes what is percent-encoded in a header.
        disposition = disposition.replace("na%C3%AFve%20name", "na\u{ef}ve name");
    }
    assert_eq!(found["disposition"], disposition, "{case}");
    // Azure's names are identifiers.
    let name = if backend.provider == "azure" { "stowage_handle" } else { "stowage-handle" };
    assert_eq!(found["metadata"][name], stored["handle"], "{case}");
}

async fn an_alias_reads_what_the_client_puts(server: &Stowage, app: &App, client: &mut OfficialClient) {
    client.put("files", "put beside/r\u{e4}port 1.csv", "text/csv", CONTENT).await;
    let path = "src://archive/put%20beside/r%C3%A4port%201.csv";
    let read = curl(&[&format!("{}/{}/{path}", server.url(), app.key)]).await.expect(200);
    assert_eq!((&read.body[..], read.header("content-type")), (CONTENT, "text/csv"));
    let copy = format!("{}/{}/store=location:local/{path}", server.url(), app.key);
    let stored = curl(&[&copy]).await.expect(200).json();
    assert_eq!((&stored["filename"], &stored["size"]), (&json!("r\u{e4}port 1.csv"), &json!(CONTENT.len())));
}

/// The operator's own client for local disk is the file system.
#[tokio::test(flavor = "multi_thread")]
async fn local_disk() {
    super::install_tls_provider();
    let server = fetching_server();
    let app = server.app("shop", &[]);
    let sources = Sources::new().await;
    let mut known = objects(server.data());
    for call in sources.calls().into_iter().chain([sources.call_with_container("any"), sources.large()]) {
        let stored = call.store(&server, &app, "local").await;
        assert!(call.container == "files" || stored["container"] == call.container, "{stored}");
        call.read(&server, &stored).await;
        let now = objects(server.data());
        let new: Vec<&PathBuf> = now.difference(&known).collect();
        let [object] = new[..] else { panic!("{}: {new:?}", call.name) };
        assert!(std::fs::read(object).expect("the object is a file") == call.content, "{}", call.name);
        known = now;
    }
    let public = format!("{}/api/store/local?key={}&access=public", server.url(), app.key);
    assert_eq!(curl(&["-d", CSV, &public]).await.expect(400).header("x-stowage-error"), "invalid_parameter");
}
