//! URLs that a client names (threat A): through every door that takes one, nothing is dialled but what may be, and nothing is
//! stored that did not arrive whole. 127.0.0.2 stands for the public internet, every other address of this machine for what is internal.

mod addresses;
mod bodies;
mod redirects;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    hostile::{Answer, Stored, Watched, encoded, eventually},
    support::{App, client, signed, store},
};

/// A server that may fetch from 127.0.0.2 alone, on any port; short of patience.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("STOWAGE_FETCH_ALLOW", "127.0.0.2/32"),
    ("STOWAGE_FETCH_PORTS", ""),
    ("STOWAGE_FETCH_CONNECT_TIMEOUT", "500ms"),
    ("STOWAGE_FETCH_HEADER_TIMEOUT", "500ms"),
    ("STOWAGE_FETCH_IDLE_TIMEOUT", "500ms"),
    ("STOWAGE_FETCH_TOTAL_TIMEOUT", "2s"),
    ("STOWAGE_FETCH_MAX_BYTES", "1MiB"),
];

/// Listeners on one port of addresses that must never be dialled.
struct Canary {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let first = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = first.local_addr().expect("bound").port();
        let mut listeners = vec![first];
        for address in ["127.0.0.3", "::1"] {
            let address = SocketAddr::new(address.parse().expect("an address"), port);
            // Another process may hold the port there, or the machine may have no IPv6: then that address guards itself.
            listeners.extend(TcpListener::bind(address).await.ok());
        }
        for listener in listeners {
            let connections = connections.clone();
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    connections.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // A listener that notices nothing would prove nothing.
        TcpStream::connect(("127.0.0.1", port)).await.expect("the canary listens");
        eventually("the canary notices", async || connections.swap(0, Ordering::SeqCst) == 1).await;
        Self { port, connections }
    }

    fn assert_silent(&self, case: &str) {
        assert_eq!(self.connections.load(Ordering::SeqCst), 0, "a forbidden address was dialled: {case}");
    }
}

/// A server, an app, and a file of it that overwrites are tried on.
struct Fixture {
    watched: Watched,
    app: App,
    http: Client,
    handle: String,
    may_write_url: String,
}

impl Fixture {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let watched = Watched::start(&[ENVIRONMENT, environment].concat());
        let app = watched.server.app("shop", &[]);
        let existing = store(&watched.server, &app, "", "unchanged").await;
        let handle = existing["handle"].as_str().expect("a handle").to_owned();
        let may_write_url = signed(&app, r#"{"expiry":4102444800,"call":["writeUrl"]}"#);
        Self { watched, app, http: client(), handle, may_write_url }
    }

    /// One request per door.
    fn doors(&self, url: &str) -> Vec<(&'static str, RequestBuilder)> {
        let (http, key, base) = (&self.http, &self.app.key, self.watched.server.url());
        let store = format!("{base}/api/store/S3?key={key}");
        let overwrite = format!("{base}/api/file/{}?{}", self.handle, self.may_write_url);
        let form = |url: &str| reqwest::multipart::Form::new().text("url", url.to_owned());
        let urlencoded = |request: RequestBuilder| {
            request.header("content-type", "application/x-www-form-urlencoded").body(format!("url={}", encoded(url)))
        };
        let process = |source: serde_json::Value| {
            let command = json!({ "apikey": key, "sources": [source], "tasks": [{ "name": "store" }] });
            http.post(format!("{base}/process")).json(&command)
        };
        let base64 = URL_SAFE_NO_PAD.encode(url);
        vec![
            ("urlencoded", urlencoded(http.post(&store))),
            ("form", http.post(&store).multipart(form(url))),
            ("query", http.post(format!("{store}&url={}", encoded(url)))),
            ("overwrite by query", http.post(format!("{overwrite}&url={}", encoded(url)))),
            ("overwrite by PUT", http.put(format!("{overwrite}&url={}", encoded(url)))),
            ("overwrite by form", http.post(&overwrite).multipart(form(url))),
            ("overwrite by urlencoded form", urlencoded(http.post(&overwrite))),
            ("process", process(json!(url))),
            ("process with headers", process(json!({ "source": url, "headers": { "X-Token": "1" } }))),
            ("path", http.post(format!("{base}/{key}/store/{}", encoded(url)))),
            ("path by GET", http.get(format!("{base}/{key}/store/{}", encoded(url)))),
            ("base64 in a path", http.get(format!("{base}/{key}/store/b64://{base64}"))),
        ]
    }

    /// The doors whose command must look like a URL to be one.
    fn json_doors(&self, url: &str) -> Vec<(&'static str, RequestBuilder)> {
        let (key, base) = (&self.app.key, self.watched.server.url());
        let command = json!({ "url": url });
        let overwrite = format!("{base}/api/file/{}?{}", self.handle, self.may_write_url);
        vec![
            ("JSON", self.http.post(format!("{base}/api/store/S3?key={key}")).json(&command)),
            ("overwrite by JSON", self.http.post(overwrite).json(&command)),
        ]
    }

    async fn all_doors_refuse(&self, url: &str) {
        let mut doors = self.doors(url);
        doors.extend(self.json_doors(url));
        for (door, request) in doors {
            let answer = Answer::of(request.send().await.expect(door)).await;
            answer.refuses(&format!("{door}: {url}"), 400, "url");
        }
    }

    async fn nothing_happened(&self, before: &Stored) {
        assert_eq!(self.watched.stored().await, *before);
        let url = format!("{}/{}", self.watched.server.url(), self.handle);
        let read = self.http.get(url).send().await.expect("an answer");
        assert_eq!(read.text().await.expect("text"), "unchanged");
    }
}
