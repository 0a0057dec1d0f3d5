//! Keys, policies, bodies and options.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    hostile::{Answer, Watched, encoded},
    support::{client, signed, store},
};

#[tokio::test]
async fn without_the_right_key_nothing_is_stored_in_any_body_form() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let url = format!("{}/api/store/S3", server.url());
    let form = || reqwest::multipart::Form::new().text("fileUpload", "content");
    for (case, key, status) in [
        ("no key", String::new(), 400),
        ("empty key", "?key=".to_owned(), 400),
        ("unknown key", "?key=AAAAAAAAAAAAAAAAAAAAAz".to_owned(), 401),
        ("key in other letters", format!("?key={}", app.key.to_ascii_lowercase()), 401),
        ("key with more", format!("?key={}x", app.key), 401),
        ("hostile key", format!("?key={}", encoded("' OR 1=1 --\0")), 401),
    ] {
        let url = format!("{url}{key}");
        let json = json!({ "url": "http://127.0.0.1/", "filename": "x" });
        for request in [
            client().post(&url).body("content"),
            client().post(&url).body(vec![0; 3 << 20]),
            client().post(&url).multipart(form()),
            client().post(&url).json(&json),
            client()
                .post(&url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("url=http://127.0.0.1/"),
        ] {
            let answer = Answer::of(request.send().await.expect(case)).await;
            answer.refuses(case, status, "Invalid Application");
        }
    }
    let process =
        json!({ "apikey": "AAAAAAAAAAAAAAAAAAAAAz", "sources": ["http://127.0.0.1/"], "tasks": [{ "name": "store" }] });
    let response = client().post(format!("{}/process", server.url())).json(&process).send().await.expect("an answer");
    Answer::of(response).await.refuses("process", 401, "Invalid Application");
    let path = format!("{}/AAAAAAAAAAAAAAAAAAAAAz/store/http://127.0.0.1/", server.url());
    let response = client().post(path).send().await.expect("an answer");
    Answer::of(response).await.refuses("path task", 401, "Invalid Application");
    assert_eq!(watched.stored().await, before);
}

#[tokio::test]
async fn every_body_form_needs_the_right_policy() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &["--security"]);
    let other = server.app("other", &["--security"]);
    let before = watched.stored().await;
    let good = signed(&app, r#"{"expiry":4102444800,"call":["store"]}"#);
    let policies = [
        ("none", String::new(), "policy"),
        ("expired", signed(&app, r#"{"expiry":1000000000,"call":["store"]}"#), "expired"),
        ("another call", signed(&app, r#"{"expiry":4102444800,"call":["read"]}"#), "call"),
        ("another app's", signed(&other, r#"{"expiry":4102444800,"call":["store"]}"#), "signature"),
        ("no signature", good.split('&').next().expect("a policy").to_owned(), "policy"),
        ("empty signature", format!("{}&signature=", good.split('&').next().expect("a policy")), "policy"),
        ("changed policy", good.replacen("policy=", "policy=eyJ9", 1), "signature"),
        (
            "one handle only",
            signed(&app, r#"{"expiry":4102444800,"call":["store"],"handle":"7xSJALUhSlCDCNujt5Ku"}"#),
            "handle",
        ),
        ("another path", signed(&app, r#"{"expiry":4102444800,"call":["store"],"path":"/only/.*"}"#), "path"),
        (
            "another container",
            signed(&app, r#"{"expiry":4102444800,"call":["store"],"container":"elsewhere"}"#),
            "container",
        ),
        ("too large", signed(&app, r#"{"expiry":4102444800,"call":["store"],"maxSize":3}"#), "maxSize"),
        ("too small", signed(&app, r#"{"expiry":4102444800,"call":["store"],"minSize":100}"#), "minSize"),
    ];
    for (case, policy, mentions) in policies {
        let url = format!("{}/api/store/S3?key={}&path=/elsewhere/&{policy}", server.url(), app.key);
        let form = reqwest::multipart::Form::new().text("fileUpload", "content");
        for request in [
            client().post(&url).body("content"),
            client().post(&url).multipart(form),
            client().post(format!("{url}&base64decode=true")).body(STANDARD.encode("content")),
            client().post(&url).body(reqwest::Body::wrap_stream(chunks(&["con", "tent"]))),
        ] {
            let answer = Answer::of(request.send().await.expect(case)).await;
            answer.refuses(case, 403, mentions);
        }
        if !mentions.ends_with("Size") {
            for url in [
                format!("{url}&url={}", encoded("http://127.0.0.1/")),
                format!("{}/{}/store/http://127.0.0.1/?{policy}", server.url(), app.key),
            ] {
                let response = client().post(url).send().await.expect(case);
                assert!(matches!(response.status().as_u16(), 400 | 403), "{case}: {response:?}");
            }
        }
    }
    assert_eq!(watched.stored().await, before);
    let stored = store(server, &app, &good, "content").await;
    assert_eq!(stored["size"], 7, "the good policy works");
}

fn chunks(texts: &[&'static str]) -> impl futures_util::Stream<Item = Result<&'static str, std::io::Error>> + use<> {
    futures_util::stream::iter(texts.iter().map(|text| Ok(*text)).collect::<Vec<_>>())
}

#[tokio::test]
async fn an_empty_body_is_refused_in_every_form() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let existing = store(server, &app, "", "content").await;
    let before = watched.stored().await;
    let boundary = "multipart/form-data; boundary=b";
    let cases: &[(&str, &str, &str)] = &[
        ("nothing at all", "", ""),
        ("raw", "application/octet-stream", ""),
        ("text", "text/plain", ""),
        ("JSON", "application/json", ""),
        ("form", "application/x-www-form-urlencoded", ""),
        ("form without parts", boundary, "--b--\r\n"),
        (
            "form with options only",
            boundary,
            "--b\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\nx\r\n--b--\r\n",
        ),
        (
            "form with an empty url",
            boundary,
            "--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\n\r\n--b--\r\n",
        ),
    ];
    let overwrite = format!(
        "{}/api/file/{}?{}",
        server.url(),
        existing["handle"].as_str().expect("a handle"),
        signed(&app, r#"{"expiry":4102444800,"call":["write"]}"#)
    );
    for url in [format!("{}/api/store/S3?key={}", server.url(), app.key), overwrite] {
        for (case, content_type, body) in cases {
            for body in [reqwest::Body::from(*body), reqwest::Body::wrap_stream(chunks(&[*body]))] {
                let request = client().post(&url).header("content-type", *content_type).body(body);
                Answer::of(request.send().await.expect(case)).await.refuses(case, 400, "no content");
            }
        }
    }
    for command in ["", "{}", "[]", "null", "{", r#"{"apikey":"K"}"#] {
        let url = format!("{}/process", server.url());
        let response = client().post(url).body(command).send().await.expect("an answer");
        let answer = Answer::of(response).await;
        assert_eq!(answer.status, 400, "{command}: {answer:?}");
        assert!(answer.body.contains("apikey") || answer.body.contains("sources"), "{command}: {answer:?}");
    }
    assert_eq!(watched.stored().await, before);
    let read = client().get(existing["url"].as_str().expect("a url")).send().await.expect("an answer");
    assert_eq!(read.text().await.expect("text"), "content", "the overwrites changed nothing");
}

#[tokio::test]
async fn options_that_cannot_be_meant_are_named() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let long = "x".repeat(256);
    let cases: &[(&str, &str)] = &[
        ("filename", &long),
        ("filename", "naïve/../x"),
        ("filename", "a\r\nSet-Cookie: x"),
        ("filename", "a\0b"),
        ("filename", ".."),
        ("mimetype", "image/png\r\nSet-Cookie: x=1"),
        ("mimetype", "image/png\nX: y"),
        ("mimetype", "image/png\0"),
        ("mimetype", "image"),
        ("mimetype", "image/p ng"),
        ("mimetype", "\"text/html\""),
        ("container", "../other"),
        ("container", "a/b"),
        ("access", "everybody"),
        ("region", "eu\r\nx"),
        ("base64decode", "maybe"),
        ("workflows", "../../x"),
        ("location", "floppy"),
    ];
    for (name, value) in cases {
        let case = format!("{name}={value:?}");
        let query = format!("{}/api/store/S3?key={}&{name}={}", server.url(), app.key, encoded(value));
        let plain = format!("{}/api/store/S3?key={}", server.url(), app.key);
        let form =
            reqwest::multipart::Form::new().text((*name).to_owned(), (*value).to_owned()).text("fileUpload", "content");
        let command = json!({ "url": "http://127.0.0.1/", *name: value });
        let process = json!({
            "apikey": app.key, "sources": ["http://127.0.0.1/"], "tasks": [{ "name": "store", "params": { *name: value } }]
        });
        for request in [
            client().post(query).body("content"),
            client().post(&plain).multipart(form),
            client().post(&plain).json(&command),
            client().post(format!("{}/process", server.url())).json(&process),
        ] {
            Answer::of(request.send().await.expect(&case)).await.refuses(&case, 400, name);
        }
    }
    assert_eq!(watched.stored().await, before);
}

#[tokio::test]
async fn what_is_not_base64_is_not_decoded() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let url = format!("{}/api/store/S3?key={}&base64decode=true", server.url(), app.key);
    // An error behind the first megabytes is found while the file is being written.
    let late = format!("{}!", STANDARD.encode(vec![7; 3 << 20]));
    for text in [
        "not base64 at all!",
        "aGVsb",
        "aGVs=bG8",
        "aGVsbG8=aGVsbG8=",
        "%61GVs",
        "data:text/plain,hello",
        "\0\0\0\0",
        &late,
    ] {
        let case: String = text.chars().take(30).collect();
        let form = reqwest::multipart::Form::new().text("fileUpload", text.to_owned());
        for request in [client().post(&url).body(text.to_owned()), client().post(&url).multipart(form)] {
            Answer::of(request.send().await.expect(&case)).await.refuses(&case, 400, "base64");
        }
    }
    assert_eq!(watched.stored().await, before);
}

#[tokio::test]
async fn a_digest_that_does_not_fit_keeps_the_file_out() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    for (md5, mentions) in
        [(STANDARD.encode([0; 16]).as_str(), "MD5"), ("not base64", "Content-MD5"), ("AAAA", "Content-MD5")]
    {
        for body in [vec![1; 10], vec![1; 2 << 20]] {
            let response = client().post(&url).header("content-md5", md5).body(body).send().await.expect(md5);
            Answer::of(response).await.refuses(md5, 400, mentions);
        }
    }
    assert_eq!(watched.stored().await, before);
}
