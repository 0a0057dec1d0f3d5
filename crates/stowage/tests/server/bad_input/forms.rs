//! Multipart forms that are broken or out of measure (threat D1).

use crate::{
    hostile::{Answer, Watched, connect, raw, rest},
    support::{App, Stowage, client, store},
};
use tokio::io::AsyncWriteExt;

const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"fileUpload\"; filename=\"a.txt\"\r\n\r\ncontent";

async fn post(server: &Stowage, app: &App, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let request = client().post(url).header("content-type", content_type).body(body);
    Answer::of(request.send().await.expect("the server answers")).await
}

fn field(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

#[tokio::test]
async fn broken_forms_store_nothing() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let whole = format!("{FILE}\r\n--b--\r\n");
    let usual = "multipart/form-data; boundary=b";
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    let large = format!("{}{}", FILE, "x".repeat(3 << 20));
    let many_headers = format!("--b\r\n{}\r\ncontent\r\n--b--", "X-Header: x\r\n".repeat(100));
    for (case, content_type, body, mentions) in [
        ("no boundary", "multipart/form-data", &*whole, "boundary"),
        ("empty boundary", "multipart/form-data; boundary=", &whole, "boundary"),
        ("boundary of 71", &long, &whole, "boundary"),
        ("another boundary", "multipart/form-data; boundary=other", &whole, "boundary"),
        ("no closing boundary", usual, FILE, "cut off"),
        ("no closing boundary, large", usual, &large, "cut off"),
        ("half a closing boundary", usual, &format!("{FILE}\r\n--b-"), "cut off"),
        ("boundary without end", usual, &format!("{FILE}\r\n--b\r\n"), "cut off"),
        (
            "text before the file cut off",
            usual,
            "--b\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\na/",
            "cut off",
        ),
        ("CR-only line ends", usual, &whole.replace("\r\n", "\r"), "multipart"),
        ("LF-only line ends", usual, &whole.replace("\r\n", "\n"), "multipart"),
        ("no form at all", usual, "just some text", "multipart"),
        ("no line behind the boundary", usual, "--bContent-Disposition: x\r\n\r\n--b--", "multipart"),
        ("a head of nonsense", usual, "--b\r\n\0\u{1}: \u{2}\r\n\r\nx\r\n--b--", "part"),
        ("many headers", usual, &many_headers, "part"),
        ("an option behind the file", usual, &format!("{FILE}\r\n{}--b--", field("path", "a/")), "path"),
        ("a policy behind the file", usual, &format!("{FILE}\r\n{}--b--", field("Policy", "x")), "policy"),
    ] {
        post(server, &app, content_type, body.to_owned()).await.refuses(case, 400, mentions);
    }
    assert_eq!(watched.stored().await, before);
}

#[tokio::test]
async fn forms_out_of_measure_are_refused() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let usual = "multipart/form-data; boundary=b";
    let fields: String = (0..10_000).map(|number| field(&format!("f{number}"), "x")).collect();
    let wide: String = (0..30).map(|number| field(&format!("f{number}"), &"x".repeat(60_000))).collect();
    for (case, body, mentions) in [
        ("10,000 fields", format!("{fields}{FILE}\r\n--b--\r\n"), "100 fields"),
        ("10,000 fields behind the file", format!("{FILE}\r\n{fields}--b--\r\n"), "100 fields"),
        ("a field name of 1 MB", format!("{}{FILE}\r\n--b--\r\n", field(&"x".repeat(1 << 20), "x")), "head"),
        ("a file name of 1 MB", FILE.replace("a.txt", &"x".repeat(1 << 20)) + "\r\n--b--\r\n", "head"),
        ("a preamble of 3 MB", format!("{}\r\n{FILE}\r\n--b--\r\n", "x".repeat(3 << 20)), "boundary"),
        ("a preamble without end", "x".repeat(6 << 20), "boundary"),
        ("an epilogue of 3 MB", format!("{FILE}\r\n--b--\r\n{}", "x".repeat(3 << 20)), "behind its end"),
        ("a field of 100 KB", format!("{}{FILE}\r\n--b--\r\n", field("path", &"x".repeat(100_000))), "path"),
        ("a nameless field of 100 KB", format!("{}{FILE}\r\n--b--\r\n", field("", &"x".repeat(100_000))), "field"),
        ("2 MB of fields", format!("{wide}{FILE}\r\n--b--\r\n"), "outside its file"),
    ] {
        post(server, &app, usual, body).await.refuses(case, 400, mentions);
    }
    assert_eq!(watched.stored().await, before);
}

/// The reader looks at what it holds anew with every chunk: one byte at a time must not cost more than its share.
#[tokio::test]
async fn a_preamble_sent_byte_by_byte_ends_early() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let mut connection = connect(server).await;
    let head = format!(
        "POST /api/store/S3?key={} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        app.key
    );
    connection.write_all(head.as_bytes()).await.expect("the head is taken");
    let _ = connection.write_all("1\r\nx\r\n".repeat(100_000).as_bytes()).await;
    let _ = connection.shutdown().await;
    rest(&mut connection).await.refuses("byte by byte", 400, "boundary");
    assert_eq!(watched.stored().await, before);
}

/// Of what is given twice the first counts, `filename*` counts more than `filename`, and only one file is taken.
#[tokio::test]
async fn unusual_but_sound_forms_are_read_one_way() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let nested = "--inner\r\nContent-Disposition: form-data; name=\"fileUpload\"\r\n\r\nx\r\n--inner--";
    for (case, disposition, content, name) in [
        ("filename twice", "filename=\"first.txt\"; filename=\"second.txt\"", "content", Some("first.txt")),
        (
            "both kinds of filename",
            "filename=\"plain.txt\"; filename*=UTF-8''na%C3%AFve.txt",
            "content",
            Some("naïve.txt"),
        ),
        ("a broken filename*", "filename=\"plain.txt\"; filename*=UTF-8''%FF%FE", "content", Some("plain.txt")),
        ("a whole path", "filename=\"C:\\dir\\photo.txt\"", "content", Some("photo.txt")),
        ("a way out", "filename=\"../../photo.txt\"", "content", Some("photo.txt")),
        ("an encoded way out", "filename*=UTF-8''..%2F..%2Fphoto.txt", "content", Some("photo.txt")),
        ("line ends", "filename*=UTF-8''a%0D%0AX-Evil%3A%20yes.txt", "content", Some("aX-Evil: yes.txt")),
        ("nothing but dots", "filename=\"..\"", "content", None),
        ("another form inside", "filename=\"form.txt\"", nested, Some("form.txt")),
        ("no bytes", "filename=\"empty.txt\"", "", Some("empty.txt")),
    ] {
        let body = format!(
            "a short preamble\r\n--b \t\r\nContent-Disposition: form-data; name=\"fileUpload\"; {disposition}\r\n\r\n{content}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"fileUpload\"; filename=\"other.txt\"\r\n\r\nanother\r\n--b--\r\nepilogue"
        );
        let answer = post(server, &app, "multipart/form-data; boundary=\"b\"", body).await;
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
        let stored: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        if let Some(name) = name {
            assert_eq!(stored["filename"], name, "{case}");
        }
        let read = client().get(stored["url"].as_str().expect("a url")).send().await.expect("an answer");
        assert!(read.headers().get("x-evil").is_none(), "{case}");
        assert_eq!(read.text().await.expect("text"), content, "{case}");
    }
    let longest = "b".repeat(70);
    let body = format!("{FILE}\r\n--b--\r\n").replace("--b", &format!("--{longest}"));
    let answer = post(server, &app, &format!("multipart/form-data; boundary={longest}"), body).await;
    assert_eq!(answer.status, 200, "a boundary of 70 characters: {answer:?}");
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_never_stored() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let existing = store(server, &app, "path=docs/a.txt", "content").await;
    let before = watched.stored().await;
    let form = "Content-Type: multipart/form-data; boundary=b\r\n";
    let whole_form = format!("{FILE}\r\n--b--\r\n");
    let large = "x".repeat(3 << 20);
    let chunk = format!("{:x}\r\n{large}\r\n", large.len());
    for (case, headers, body) in [
        ("short", "Content-Length: 20\r\n".to_owned(), "content"),
        ("nothing sent", "Content-Length: 20\r\n".to_owned(), ""),
        ("large", format!("Content-Length: {}\r\n", large.len() + 1), &*large),
        ("chunks without end", "Transfer-Encoding: chunked\r\n".to_owned(), "7\r\ncontent\r\n"),
        ("half a chunk", "Transfer-Encoding: chunked\r\n".to_owned(), "ff\r\ncontent"),
        ("half a chunk size", "Transfer-Encoding: chunked\r\n".to_owned(), "7\r\ncontent\r\n1"),
        ("large chunks without end", "Transfer-Encoding: chunked\r\n".to_owned(), &chunk),
        ("a chunk of no size", "Transfer-Encoding: chunked\r\n".to_owned(), "7\r\ncontent\r\nxyz\r\n"),
        ("a huge chunk size", "Transfer-Encoding: chunked\r\n".to_owned(), "7\r\ncontent\r\nfffffffffffffffff\r\n"),
        ("a form", format!("{form}Content-Length: 1000\r\n"), FILE),
        ("a whole form, more announced", format!("{form}Content-Length: 1000\r\n"), &whole_form),
        ("JSON", "Content-Type: application/json\r\nContent-Length: 1000\r\n".to_owned(), "{\"a\": 1}"),
        ("base64", "Content-Length: 1000\r\n".to_owned(), "aGVsbG8="),
    ] {
        let decode = case == "base64";
        let request = format!(
            "POST /api/store/S3?key={}&path=docs/a.txt&base64decode={decode} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}",
            app.key
        );
        let answer = raw(server, request).await;
        answer.refuses(case, 400, "cut off");
    }
    assert_eq!(watched.stored().await, before);
    let read = client().get(existing["url"].as_str().expect("a url")).send().await.expect("an answer");
    assert_eq!(read.text().await.expect("text"), "content");
}
