//! Storage paths that lead out of their place (threat B1), through every door that takes one.

use serde_json::json;

use crate::{
    hostile::{Answer, Watched, encoded, raw},
    support::{App, Stowage, client, store},
};

/// What a path may not be, as the text that a client means.
const ATTACKS: &[&str] = &[
    "../../etc/x",
    "/../../etc/x",
    "a/../../x",
    "a/..",
    "..",
    ".",
    "./x",
    "..\\..\\x",
    "a\\b",
    "\\\\server\\share\\x",
    "%2e%2e/%2e%2e/x",
    "%2E%2E%2Fx",
    "..%2f..%2fx",
    "..%5c..%5cx",
    "%252e%252e%252fx",
    "%25252e%25252e/x",
    "a/.%00./x",
    "a\0b",
    "a//b",
    "//etc/x",
    "///",
    "C:\\x",
    "C:/x",
    "c:x",
    "a\r\nb",
    "a\u{7f}b",
    "%c0%ae%c0%ae/x",
    "%e0%80%ae/x",
];

/// The same as bytes of a query that are no UTF-8 once decoded: over-long forms of `.` and `/`, and half a character.
const RAW_ATTACKS: &[&str] = &[
    "%c0%ae%c0%ae/x",
    "..%c0%afx",
    "%e0%80%ae%e0%80%ae/x",
    "%f0%80%80%ae/x",
    "a%ffb",
    "a/%c3",
    "%2e%2e%2fx",
    "%2e%2e/x",
];

fn refused(case: &str, answer: &Answer) {
    answer.refuses(case, 400, "path");
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_anywhere() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let http = client();
    let source = store(server, &app, "", "content").await;
    let handle = source["handle"].as_str().expect("a handle");
    let before = watched.stored().await;
    let long = "x/".repeat(513);
    for attack in ATTACKS.iter().copied().chain([long.as_str()]) {
        through_every_door(&http, server, &app, handle, attack).await;
    }
    for attack in RAW_ATTACKS {
        let url = format!("{}/api/store/S3?key={}&path={attack}", server.url(), app.key);
        let response = http.post(url).body("content").send().await.expect(attack);
        refused(&format!("query {attack}"), &Answer::of(response).await);
    }
    // In a raw request nothing on the way tidies the bytes up.
    for attack in ["../../x", "..\\x", "%00", "%2e%2e/"] {
        let request = format!(
            "POST /api/store/S3?key={}&path={attack} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nConnection: close\r\n\r\ncontent",
            app.key
        );
        refused(&format!("raw query {attack}"), &raw(server, request).await);
    }
    assert_eq!(watched.stored().await, before);
}

async fn through_every_door(http: &reqwest::Client, server: &Stowage, app: &App, handle: &str, attack: &str) {
    let base = server.url();
    let case: String = attack.chars().take(40).collect();
    let query = encoded(attack);
    let plain = format!("{base}/api/store/S3?key={}", app.key);
    let form = reqwest::multipart::Form::new().text("path", attack.to_owned()).text("fileUpload", "content");
    let url = "http://127.0.0.1/";
    let command = json!({ "url": url, "path": attack });
    let process =
        json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store", "params": { "path": attack } }] });
    for (door, request) in [
        ("query", http.post(format!("{plain}&path={query}")).body("content")),
        ("form field", http.post(&plain).multipart(form)),
        ("JSON", http.post(&plain).json(&command)),
        ("urlencoded", http.post(&plain).form_urlencoded(&format!("url={url}&path={query}"))),
        ("process", http.post(format!("{base}/process")).json(&process)),
        ("copy", http.post(format!("{base}/api/store/S3/{handle}?key={}&path={query}", app.key))),
    ] {
        let answer = Answer::of(request.send().await.expect(door)).await;
        refused(&format!("{door} {case}"), &answer);
    }
    // Inside a path the value is quoted; what breaks the grammar is refused as such.
    for task in [format!("store=path:%22{query}%22"), format!("store=path:{query}"), format!("store=p:%22{query}%22")] {
        let response = http.post(format!("{base}/{}/{task}/{handle}", app.key)).send().await.expect("path task");
        let status = response.status().as_u16();
        let body = response.text().await.expect("text");
        assert!(
            (400..500).contains(&status) && !body.is_empty() && body.len() < 400,
            "path task {task}: {status} {body}"
        );
    }
}

/// The body of a form command.
trait FormUrlencoded {
    fn form_urlencoded(self, body: &str) -> Self;
}

impl FormUrlencoded for reqwest::RequestBuilder {
    fn form_urlencoded(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())
    }
}

#[tokio::test]
async fn odd_names_that_mean_no_harm_are_kept_to_the_letter() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    for name in [
        "file..name.txt",
        "...x",
        "#?%&+;=.txt",
        "100%.txt",
        "фото 😀.jpg",
        "e\u{301}.txt",
        "\u{e9}.txt",
        "\u{202e}gpj.exe",
        "a:b",
    ] {
        let stored = store(server, &app, &format!("filename={0}&path=in/{0}", encoded(name)), "content").await;
        assert_eq!(stored["filename"], name);
        assert_eq!(stored["key"], format!("in/{name}"));
        let read = client().get(stored["url"].as_str().expect("a url")).send().await.expect("an answer");
        assert_eq!(read.status(), 200, "{name}");
        assert!(read.headers()["content-disposition"].to_str().is_ok(), "{name}");
    }
    let objects = crate::hostile::objects(&watched.data());
    let clean = |path: &std::path::Path| {
        path.to_string_lossy().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._".contains(&byte))
    };
    assert!(objects.len() == 9 && objects.iter().all(|path| clean(path)), "{objects:?}");
}
