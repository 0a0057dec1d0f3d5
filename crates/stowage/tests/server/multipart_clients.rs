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

    /// A template with every `<NAME>` replaced.
    fn filled(&self, template: &str) -> String {
        self.fields.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
    }

    /// Sends a command and gives its answer; the body is a template, and so is the head.
    async fn command(&self, path: &str, content_type: &str, body: &str) -> HttpAnswer {
        let head = format!("POST /multipart/{path} HTTP/1.1\n{}\nContent-Type: {content_type}", self.headers);
        raw_request(self.server, &head, self.filled(body).as_bytes()).await
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

/// Bytes that differ from place to place.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8)) as u8).collect()
}

/// A server, and its app with security on: so each client shows that it signs enough.
fn secured() -> (Stowage, App) {
    let server = server();
    let app = server.app("secured", &["--security"]);
    (server, app)
}
