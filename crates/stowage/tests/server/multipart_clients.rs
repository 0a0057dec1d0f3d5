//! The multipart protocol as the clients without an own test here write it: their requests byte by byte (spec 03 §§3–9), from the sources of
//! filestack-ruby 2.9.7, -go 1.0, -php 1.2, -java 1.0 and -swift 2.8.

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::support::{App, HttpAnswer, Stowage, allowing, get, raw_request, server, signed, text_of};

mod form;
mod json;

/// One upload by one client.
struct Client<'a> {
    server: &'a Stowage,
    /// Header lines of its commands.
    headers: &'static str,
    /// What its templates name.
    fields: Vec<(&'static str, String)>,
}

impl<'a> Client<'a> {
    fn new(server: &'a Stowage, app: &App, headers: &'static str) -> Self {
        let query = signed(app, &allowing(&["pick"]));
        let (policy, signature) = query.split_once('&').expect("two parameters");
        let value = |pair: &str| pair.split_once('=').expect("a pair").1.to_owned();
        let fields = vec![("KEY", app.key.clone()), ("POLICY", value(policy)), ("SIGNATURE", value(signature))];
        Self { server, headers, fields }
    }

    /// A template with every `<NAME>` replaced; where it is broken over lines, the break and the indentation do not count.
    fn filled(&self, template: &str) -> String {
        let template: String = template.split("\n ").map(str::trim_start).collect();
        self.fields.iter().fold(template, |text, (name, value)| text.replace(&format!("<{name}>"), value))
    }

    /// Sends a command and gives its answer; the body is a template, and so is the head.
    async fn command(&self, path: &str, content_type: &str, body: &str) -> HttpAnswer {
        let head = format!("POST /multipart/{path} HTTP/1.1\n{}\nContent-Type: {content_type}", self.headers);
        let answer = raw_request(self.server, &head, self.filled(body).as_bytes()).await;
        // One client takes the first piece for the whole, another understands no coding of it (spec 03 §8, spec 00 §4).
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert!(answer.headers.get("content-encoding").is_none(), "{:?}", answer.headers);
        answer
    }

    /// Sends `/start` and remembers what the other commands say back.
    async fn begin(&mut self, content_type: &str, body: &str) -> Value {
        let begun = self.command("start", content_type, body).await.expect(200).json();
        for (name, key) in [("URI", "uri"), ("REGION", "region"), ("UPLOAD", "upload_id"), ("LOCATION", "location_url")]
        {
            self.fields.push((name, text_of(&begun, key).to_owned()));
        }
        // Nearly all put `https://` in front.
        assert_eq!(begun["location_url"], self.server.address());
        begun
    }

    /// Asks where bytes go, puts them there with these headers of the client's own, and gives the ETag as it was sent.
    async fn deliver(&self, content_type: &str, command: &str, own: &str, content: &[u8]) -> String {
        let command = command
            .replace("<MD5>", &BASE64_STANDARD.encode(Md5::digest(content)))
            .replace("<LENGTH>", &content.len().to_string());
        let announced = self.command("upload", content_type, &command).await.expect(200).json();
        let path = text_of(&announced, "url").strip_prefix(self.server.url()).expect("an address of this server");
        let headers = announced["headers"].as_object().expect("an object, empty or not").iter();
        let told: String =
            headers.map(|(name, value)| format!("{name}: {}\n", value.as_str().expect("texts"))).collect();
        let put = raw_request(self.server, &format!("PUT {path} HTTP/1.1\n{told}{own}"), content).await.expect(200);
        assert!(put.body.is_empty(), "{}", put.text());
        let etag = put.header("etag").to_owned();
        assert_eq!(etag, format!("\"{}\"", hex::encode(Md5::digest(content))));
        etag
    }

    /// Sends `/complete`, again as after a lost answer, and reads the file.
    async fn complete(&self, app: &App, content_type: &str, body: &str, content: &[u8]) -> Value {
        let stored = self.command("complete", content_type, body).await.expect(200).json();
        assert_eq!(self.command("complete", content_type, body).await.expect(200).json(), stored, "once more");
        let handle = text_of(&stored, "handle");
        assert_eq!((stored["size"].as_u64(), &stored["status"]), (Some(content.len() as u64), &json!("Stored")));
        assert!(text_of(&stored, "url").ends_with(&format!("/{handle}")));
        let read = get(self.server, &format!("/api/file/{handle}?{}", signed(app, &allowing(&["read"])))).await;
        assert_eq!(read.expect(200).body, content);
        stored
    }
}

/// Bytes of which no two pieces are alike.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// A server, and its app with security on: so each client shows that it signs enough.
fn secured() -> (Stowage, App) {
    let server = server();
    let app = server.app("secured", &["--security"]);
    (server, app)
}

/// What typed decoders take (spec 07 §2), in both dialects: texts, whole numbers, flat headers.
#[tokio::test]
async fn answers_have_the_types_that_clients_decode() {
    let (server, app) = secured();
    let mut client = Client::new(&server, &app, "Accept: */*");
    let start = r#"{"apikey":"<KEY>","filename":"a.txt","mimetype":"text/plain","size":5,"store":{"location":"s3"},"policy":"<POLICY>",
        "signature":"<SIGNATURE>"}"#;
    let begun = client.begin("application/json", start).await;
    let texts = ["uri", "region", "upload_id", "location_url"].map(|key| text_of(&begun, key));
    assert!(texts.iter().all(|text| !text.is_empty()) && texts[0].starts_with('/'), "{begun}");
    let upload = r#"{"apikey":"<KEY>","part":1,"size":5,"uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>",
        "store":{"location":"s3"}}"#;
    // PHP wants the key `headers` even where there is nothing to say.
    let announced = client.command("upload", "application/json", upload).await.expect(200).json();
    assert_eq!(announced["headers"], json!({}));
    assert!(text_of(&announced, "url").contains("partNumber=1"), "{announced}");
    client.deliver("application/json", upload, "Accept: */*", b"hello").await;
    let complete = r#"{"apikey":"<KEY>","uri":"<URI>","region":"<REGION>","upload_id":"<UPLOAD>","filename":"a.txt",
        "mimetype":"text/plain","size":5,"store":{"location":"s3"}}"#;
    let stored = client.complete(&app, "application/json", complete, b"hello").await;
    assert_eq!(text_of(&stored, "handle").len(), 20);
    for (key, expected) in [("filename", "a.txt"), ("mimetype", "text/plain"), ("container", "stowage")] {
        assert_eq!(stored[key], expected, "{stored}");
    }
    assert!(text_of(&stored, "key").ends_with("_a.txt"), "{stored}");
}

/// 403 with a text that the clients show, wherever credentials are wrong; 404 for what has ended.
#[tokio::test]
async fn refusals_are_readable() {
    let (server, app) = secured();
    let client = Client::new(&server, &app, "Accept: */*");
    let expired = signed(&app, r#"{"expiry":1000000000}"#);
    let (policy, signature) = expired.split_once('&').expect("two parameters");
    let value = |pair: &str| pair.split_once('=').expect("a pair").1.to_owned();
    let credentials = format!(r#","policy":"{}","signature":"{}""#, value(policy), value(signature));
    for (credentials, mentions) in [(credentials.as_str(), "expired"), ("", "policy")] {
        let start = format!(
            r#"{{"apikey":"<KEY>","filename":"a.txt","mimetype":"text/plain","size":5,"store":{{"location":"s3"}}{credentials}}}"#
        );
        let refused = client.command("start", "application/json", &start).await.expect(403).json();
        assert!(text_of(&refused, "error").contains(mentions), "{refused}");
        let form = format!(
            "apikey=<KEY>&filename=a.txt&mimetype=text/plain&size=5&{}",
            if credentials.is_empty() { "" } else { &expired }
        );
        let refused = client.command("start", "application/x-www-form-urlencoded", &form).await.expect(403).json();
        assert!(text_of(&refused, "error").contains(mentions), "{refused}");
    }
    for path in ["upload", "commit", "complete"] {
        let body = r#"{"apikey":"<KEY>","uri":"/a/b","region":"us-east-1","upload_id":"0123456789abcdef0123456789abcdef","part":1,
            "size":5}"#;
        assert!(client.command(path, "application/json", body).await.expect(404).json()["error"].is_string(), "{path}");
    }
}
