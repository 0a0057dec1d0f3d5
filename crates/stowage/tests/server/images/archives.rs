//! `zip` (spec 11 §9, threat J3).

use std::io::{Cursor, Read};

use stowage_testkit::{Origin, Reply};
use zip::{CompressionMethod, ZipArchive};

use crate::support::{
    App, HttpAnswer, Stowage, allowing, get, png, security_segment, server, server_with, signed, store, text_of,
};

struct Entry {
    name: String,
    content: Vec<u8>,
    method: CompressionMethod,
}

fn entries(archive: &[u8]) -> Vec<Entry> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).expect("it is an archive");
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("the entry is there");
        let mut content = Vec::new();
        file.read_to_end(&mut content).expect("the checksum fits");
        found.push(Entry { name: file.name().expect("it is text").into_owned(), content, method: file.compression() });
    }
    found
}

fn names(answer: &HttpAnswer) -> Vec<String> {
    entries(&answer.body).into_iter().map(|entry| entry.name).collect()
}

async fn stored(server: &Stowage, app: &App, filename: &str, content: impl Into<reqwest::Body>) -> String {
    text_of(&store(server, app, &format!("filename={filename}"), content).await, "handle").to_owned()
}

#[tokio::test]
async fn files_of_any_kind_become_one_archive() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"from afar")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let text = "hello world ".repeat(1000);
    let long = stored(&server, &app, "a.txt", text.clone()).await;
    let short = stored(&server, &app, "a.txt", "other").await;
    let picture = stored(&server, &app, "b.png", png()).await;
    let path = format!("/{}/zip/[{long},{short},{picture},{}]", app.key, origin.url("/afar.txt"));
    let answer = get(&server, &path).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/zip");
    assert!(answer.header("content-disposition").contains("files.zip"), "{answer:?}");
    let found = entries(&answer.body);
    let expected: [(&str, &[u8], CompressionMethod); 4] = [
        ("a.txt", text.as_bytes(), CompressionMethod::Deflated),
        ("a(1).txt", b"other", CompressionMethod::Deflated),
        ("b.png", &png(), CompressionMethod::Stored),
        ("afar.txt", b"from afar", CompressionMethod::Deflated),
    ];
    assert_eq!(found.len(), expected.len());
    for (found, (name, content, method)) in found.iter().zip(expected) {
        assert_eq!((found.name.as_str(), found.content.as_slice(), found.method), (name, content, method));
    }
    assert!(answer.body.len() < text.len() / 2, "text is compressed");

    // Kept, and the same again; stored files alone need no key.
    assert_eq!(get(&server, &path).await.expect(200).body, answer.body);
    assert_eq!(origin.received().len(), 1);
    assert_eq!(names(&get(&server, &format!("/zip/[{short},{long}]")).await.expect(200)), ["a.txt", "a(1).txt"]);

    // A single file gives the archive its name; the same content under another name is another archive.
    let single = get(&server, &format!("/zip/{short}")).await.expect(200);
    assert!(single.header("content-disposition").contains("a.zip"), "{single:?}");
    let renamed = stored(&server, &app, "c.txt", "other").await;
    assert_eq!(names(&single), ["a.txt"]);
    assert_eq!(names(&get(&server, &format!("/zip/{renamed}")).await.expect(200)), ["c.txt"]);
}

#[tokio::test]
async fn an_archive_can_be_stored() {
    let server = server();
    let app = server.app("shop", &[]);
    let (one, two) = (stored(&server, &app, "1.txt", "one").await, stored(&server, &app, "2.txt", "two").await);
    let answer = get(&server, &format!("/{}/zip/store=filename:both.zip/[{one},{two}]", app.key)).await.expect(200);
    let new = answer.json();
    assert_eq!((text_of(&new, "filename"), text_of(&new, "type")), ("both.zip", "application/zip"));
    let archive = get(&server, &format!("/{}", text_of(&new, "handle"))).await.expect(200);
    assert_eq!(names(&archive), ["1.txt", "2.txt"]);
}

/// Every member is looked at before a byte is sent.
#[tokio::test]
async fn one_member_that_may_not_be_read_spoils_the_archive() {
    let server = server();
    let (app, other) = (server.app("shop", &["--security"]), server.app("other", &["--security"]));
    let query = signed(&app, &allowing(&["store"]));
    let mine = stored(&server, &app, &format!("a.txt&{query}"), "mine").await;
    let query = signed(&other, &allowing(&["store"]));
    let theirs = stored(&server, &other, &format!("b.txt&{query}"), "theirs").await;
    let missing = "AAAAAAAAAAAAAAAAAAAA";
    let security = security_segment(&app, &allowing(&["convert"]));
    let bound = security_segment(&app, &format!(r#"{{"expiry":4102444800,"call":["convert"],"handle":"{missing}"}}"#));
    let read_only = security_segment(&app, &allowing(&["read"]));
    let key = &app.key;
    for (path, status) in [
        (format!("/{key}/zip/{security}/[{mine}]"), 200),
        (format!("/zip/{security}/[{mine}]"), 200),
        (format!("/zip/{security}/{mine}"), 200),
        (format!("/{key}/zip/{security}/[{mine},{missing}]"), 404),
        (format!("/{key}/zip/{security}/[{mine},{theirs}]"), 404),
        (format!("/zip/{security}/[{mine},{theirs}]"), 404),
        (format!("/{key}/zip/{bound}/[{mine}]"), 403),
        (format!("/{key}/zip/{read_only}/[{mine}]"), 403),
        (format!("/{key}/zip/[{mine}]"), 403),
        (format!("/zip/[{mine}]"), 403),
    ] {
        let answer = get(&server, &path).await.expect(status);
        assert_eq!(answer.header("content-type") == "application/zip", status == 200, "{path}");
    }
}

#[tokio::test]
async fn an_archive_has_its_limits() {
    let server = server_with(&[("STOWAGE_IMAGES_MAX_ARCHIVE_BYTES", "10")]);
    let app = server.app("shop", &[]);
    let handle = stored(&server, &app, "a.txt", "123456").await;
    let list = |count: usize| vec![handle.as_str(); count].join(",");
    get(&server, &format!("/zip/[{}]", list(1))).await.expect(200);
    let answer = get(&server, &format!("/zip/[{}]", list(2))).await.expect(400).json();
    assert_eq!(answer["code"], "archive_too_large");
    let answer = get(&server, &format!("/zip/[{}]", list(101))).await.expect(400).json();
    assert_eq!(answer["code"], "invalid_parameter");
    assert!(text_of(&answer, "error").contains("100"), "{answer}");
}
