//! creation-with-upload, creation-defer-length, termination, checksum, expiration, concatenation.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use sha1::Digest;

use super::{append, begin, bytes, content, endpoint, head, metadata, offset, patch, tus};
use crate::{
    hostile::{eventually, files_stored},
    support::{App, HttpAnswer, Stowage, client, get, send, server, server_with, text_of},
};

#[tokio::test]
async fn the_content_may_come_with_the_creation() {
    let server = server();
    let app = server.app("uploads", &[]);
    let create = |length: usize, body: &'static [u8]| {
        let request = tus(Method::POST, &endpoint(&server, &app)).header("Upload-Length", length);
        send(request.header("Content-Type", "application/offset+octet-stream").body(body))
    };
    let whole = create(5, b"hello").await.expect(201);
    assert_eq!(whole.header("upload-offset"), "5");
    assert_eq!(content(&server, &whole).await, b"hello");
    let begun = create(11, b"hello").await.expect(201);
    assert_eq!(begun.header("upload-offset"), "5");
    let last = append(begun.header("location"), 5, b" world").await.expect(204);
    assert_eq!(content(&server, &last).await, b"hello world");
    // A body that is no content of the upload is none; an empty file is complete at once.
    let request =
        tus(Method::POST, &endpoint(&server, &app)).header("Upload-Length", 5).header("Content-Type", "text/plain");
    let bare = send(request.body("hello")).await.expect(201);
    assert!(!bare.headers.contains_key("upload-offset"));
    assert_eq!(offset(bare.header("location")).await, 0);
    let empty = send(tus(Method::POST, &endpoint(&server, &app)).header("Upload-Length", 0)).await.expect(201);
    assert!(content(&server, &empty).await.is_empty());
    assert_eq!(head(empty.header("location")).await.expect(200).header("upload-length"), "0");
    create(4, b"hello").await.expect(413);
    assert_eq!(files_stored(&server).await, 3);
}

#[tokio::test]
async fn the_app_may_be_named_in_the_metadata() {
    let server = server();
    let app = server.app("uploads", &[]);
    let request = tus(Method::POST, &format!("{}/tus/", server.url())).header("Upload-Length", 5);
    let told = metadata(&[("apikey", &app.key), ("name", "a.txt")]);
    let created = send(request.header("Upload-Metadata", told)).await.expect(201);
    append(created.header("location"), 0, b"hello").await.expect(204);
    let path = created.header("location").strip_prefix(server.url()).expect("ours").to_owned();
    assert_eq!(text_of(&get(&server, &path).await.expect(200).json(), "filename"), "a.txt");
}

#[tokio::test]
async fn the_length_may_be_told_later() {
    let server = server_with(&[("STOWAGE_LIMITS_MAX_FILE_SIZE", "20B")]);
    let app = server.app("uploads", &[]);
    let created =
        send(tus(Method::POST, &endpoint(&server, &app)).header("Upload-Defer-Length", "1")).await.expect(201);
    let url = created.header("location");
    let untold = head(url).await.expect(200);
    assert_eq!(untold.header("upload-defer-length"), "1");
    assert!(!untold.headers.contains_key("upload-length"));
    append(url, 0, b"hello").await.expect(204);
    append(url, 5, &[0; 16]).await.expect(413);
    for (length, status) in [("4", 400), ("21", 413), ("-1", 400)] {
        let answer = send(patch(url, 5, b"").header("Upload-Length", length)).await.expect(status);
        assert!(answer.text().contains("Upload-Length"), "{}", answer.text());
    }
    send(patch(url, 5, b" wor").header("Upload-Length", 11)).await.expect(204);
    assert_eq!(head(url).await.expect(200).header("upload-length"), "11");
    let last = send(patch(url, 9, b"ld").header("Upload-Length", 11)).await.expect(204);
    assert_eq!(content(&server, &last).await, b"hello world");
    // The length of what is all there ends it.
    let created =
        send(tus(Method::POST, &endpoint(&server, &app)).header("Upload-Defer-Length", "1")).await.expect(201);
    let url = created.header("location");
    append(url, 0, b"hello").await.expect(204);
    let last = send(patch(url, 5, b"").header("Upload-Length", 5)).await.expect(204);
    assert_eq!(content(&server, &last).await, b"hello");
}

#[tokio::test]
async fn an_upload_can_be_thrown_away() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = begin(&server, &app, 10).await;
    append(&url, 0, b"hello").await.expect(204);
    send(tus(Method::DELETE, &url)).await.expect(204);
    for answer in [head(&url).await, append(&url, 5, b"world").await, send(tus(Method::DELETE, &url)).await] {
        assert_eq!(answer.expect(404).header("tus-resumable"), "1.0.0");
    }
    assert_eq!(std::fs::read_dir(server.data().join("uploads")).expect("the directory is there").count(), 0);
    // Of a finished one only the way here is forgotten.
    let url = begin(&server, &app, 5).await;
    let last = append(&url, 0, b"hello").await.expect(204);
    send(tus(Method::DELETE, &url)).await.expect(204);
    head(&url).await.expect(404);
    assert_eq!(content(&server, &last).await, b"hello");
}

type Compute = fn(&[u8]) -> Vec<u8>;

#[tokio::test]
async fn checksums_are_compared_and_wrong_pieces_dropped() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(9 << 20, 5);
    let url = begin(&server, &app, whole.len()).await;
    let checked = |offset: usize, content: &[u8], checksum: String| {
        send(patch(&url, offset, content).header("Upload-Checksum", checksum))
    };
    let digests: [(&str, Compute); 3] = [
        ("sha1", |content| sha1::Sha1::digest(content).to_vec()),
        ("md5", |content| md5::Md5::digest(content).to_vec()),
        ("sha256", |content| sha2::Sha256::digest(content).to_vec()),
    ];
    let mut position = 0;
    for (name, digest) in digests {
        let piece = &whole[position..position + 1000];
        let right = format!("{name} {}", STANDARD.encode(digest(piece)));
        let wrong = checked(position, &whole[position + 1..position + 1001], right.clone()).await.expect(460);
        assert_eq!(wrong.json()["code"], "checksum_mismatch");
        assert_eq!(offset(&url).await, position);
        checked(position, piece, right).await.expect(204);
        position += 1000;
    }
    let crc = |content: &[u8]| format!("crc32 {}", STANDARD.encode(crc32fast::hash(content).to_be_bytes()));
    for bad in ["sha512 YQ==", "sha1 YQ==", "sha1", "md5 !", "crc32  AAAAAA=="] {
        let answer = checked(position, b"x", bad.to_owned()).await.expect(400);
        assert!(answer.text().contains("Upload-Checksum"), "{}", answer.text());
    }
    // Over the border of a part: all or nothing.
    checked(position, &whole[position..], crc(&whole[1..])).await.expect(460);
    assert_eq!(offset(&url).await, position);
    let last = checked(position, &whole[position..], crc(&whole[position..])).await.expect(204);
    assert!(content(&server, &last).await == whole, "the content is another");
    let request = tus(Method::POST, &endpoint(&server, &app)).header("Upload-Length", 5);
    let request =
        request.header("Content-Type", "application/offset+octet-stream").header("Upload-Checksum", crc(b"hullo"));
    send(request.body("hello")).await.expect(460);
    assert_eq!(files_stored(&server).await, 1);
}

#[tokio::test]
async fn unfinished_uploads_expire_as_announced() {
    let server = server_with(&[("STOWAGE_LIMITS_UPLOAD_LIFETIME", "2s")]);
    let app = server.app("uploads", &[]);
    let created = send(tus(Method::POST, &endpoint(&server, &app)).header("Upload-Length", 10)).await.expect(201);
    let url = created.header("location");
    let piece = append(url, 0, b"hello").await.expect(204);
    for answer in [&created, &piece, &head(url).await] {
        let expires = httpdate::parse_http_date(answer.header("upload-expires")).expect("a date");
        let left = expires.duration_since(std::time::SystemTime::now()).unwrap_or_default();
        assert!(left.as_secs() <= 2, "{left:?}");
    }
    eventually("it is gone", async || append(url, 5, b"").await.status == 404).await;
}

async fn partial(server: &Stowage, app: &App, whole: &[u8], arrived: usize) -> String {
    let request = tus(Method::POST, &endpoint(server, app)).header("Upload-Length", whole.len());
    let created = send(request.header("Upload-Concat", "partial")).await.expect(201);
    let url = created.header("location").to_owned();
    append(&url, 0, &whole[..arrived]).await.expect(204);
    url
}

async fn concatenate(server: &Stowage, app: &App, urls: &[&str], told: &[(&str, &str)]) -> HttpAnswer {
    let request =
        tus(Method::POST, &endpoint(server, app)).header("Upload-Concat", format!("final;{}", urls.join(" ")));
    send(request.header("Upload-Metadata", metadata(told))).await
}

#[tokio::test]
async fn partial_uploads_become_one_file() {
    let server = server();
    let (app, other) = (server.app("uploads", &[]), server.app("other", &[]));
    let first = partial(&server, &app, b"hello", 5).await;
    let second = partial(&server, &app, b" world", 3).await;
    assert_eq!(head(&first).await.expect(200).header("upload-concat"), "partial");
    assert_eq!(files_stored(&server).await, 0, "a partial upload is no file");
    concatenate(&server, &app, &[&first, &second], &[]).await.expect(400);
    // Nor is it made one by another protocol.
    let draft = client().patch(&first).header("Upload-Complete", "?1").header("Upload-Offset", 5);
    let refused = send(draft.header("Content-Type", "application/partial-upload")).await.expect(403);
    assert_eq!(refused.json()["code"], "upload_partial");
    append(&second, 3, b"rld").await.expect(204);
    // Neither another app's nor a usual upload is a piece of it.
    concatenate(&server, &other, &[&first, &second], &[]).await.expect(404);
    let usual = begin(&server, &app, 1).await;
    assert!(concatenate(&server, &app, &[&first, &usual], &[]).await.expect(400).text().contains("Upload-Concat"));
    let relative = second.strip_prefix(server.url()).expect("ours");
    let done =
        concatenate(&server, &app, &[&first, relative, &first], &[("filename", "greeting.txt")]).await.expect(201);
    assert_eq!(content(&server, &done).await, b"hello worldhello");
    let told = head(done.header("location")).await.expect(200);
    assert_eq!((told.header("upload-length"), told.header("upload-offset")), ("16", "16"));
    let id = |url: &str| url.rsplit('/').next().expect("an id").to_owned();
    let sources = format!("final;/tus/{} /tus/{} /tus/{}", id(&first), id(&second), id(&first));
    assert_eq!(told.header("upload-concat"), sources);
    assert_eq!(append(done.header("location"), 16, b"x").await.expect(403).json()["code"], "upload_final");
    let path = done.header("location").strip_prefix(server.url()).expect("ours").to_owned();
    let file = get(&server, &path).await.expect(200).json();
    assert_eq!((text_of(&file, "filename"), text_of(&file, "mimetype")), ("greeting.txt", "text/plain"));
    // A client that lost the answer asks again.
    concatenate(&server, &app, &[&first, &second], &[]).await.expect(201);
}

#[tokio::test]
async fn pieces_hide_no_forbidden_type() {
    let server = server();
    let app = server.app("images", &["--allowed-mime-types", "image/*"]);
    let told = [("filetype", "image/png")];
    let first = partial(&server, &app, b"%PDF", 4).await;
    let second = partial(&server, &app, b"-1.7\n%more", 10).await;
    let refused = concatenate(&server, &app, &[&first, &second], &told).await.expect(400);
    assert_eq!(refused.json()["code"], "type_not_allowed");
    assert_eq!(files_stored(&server).await, 0);
}
