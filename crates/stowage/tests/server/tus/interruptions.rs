//! Cut connections, killed servers, two writers.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{MIB, append, begin, bytes, content, head, offset};
use crate::{
    hostile::eventually,
    support::{Stowage, client, send, server, text_of},
};

/// A PATCH that announces all and sends only some.
async fn stalled(server: &Stowage, url: &str, start: usize, announced: usize, sent: &[u8]) -> TcpStream {
    let path = url.strip_prefix(server.url()).expect("ours");
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: {}\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n\
         Upload-Offset: {start}\r\nContent-Length: {announced}\r\n\r\n",
        server.address()
    );
    let mut connection = TcpStream::connect(server.address()).await.expect("the server listens");
    connection.write_all(head.as_bytes()).await.expect("the head is taken");
    connection.write_all(sent).await.expect("the bytes are taken");
    connection
}

#[tokio::test]
async fn what_came_before_a_cut_counts() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(MIB, 4);
    let url = begin(&server, &app, whole.len()).await;
    for cut in [100_000, 250_000] {
        let start = offset(&url).await;
        drop(stalled(&server, &url, start, whole.len() - start, &whole[start..cut]).await);
        eventually("all that was sent is there", async || offset(&url).await == cut).await;
    }
    let last = append(&url, 250_000, &whole[250_000..]).await.expect(204);
    assert!(content(&server, &last).await == whole, "the content is another");
}

#[tokio::test]
async fn an_upload_survives_a_killed_server() {
    let mut server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(20 * MIB, 6);
    let url = begin(&server, &app, whole.len()).await;
    let path = url.strip_prefix(server.url()).expect("ours").to_owned();
    let _connection = stalled(&server, &url, 0, whole.len(), &whole[..9 * MIB]).await;
    eventually("the first part is there", async || offset(&url).await >= 8 * MIB).await;
    server.kill_and_restart();
    let url = format!("{}{path}", server.url());
    let start = offset(&url).await;
    assert!((8 * MIB..=9 * MIB).contains(&start), "{start}");
    let last = append(&url, start, &whole[start..]).await.expect(204);
    server.kill_and_restart();
    assert!(content(&server, &last).await == whole, "the content is another");
    let url = format!("{}{path}", server.url());
    assert_eq!(head(&url).await.expect(200).header("stowage-handle"), last.header("stowage-handle"));
}

#[tokio::test]
async fn the_newer_of_two_writers_goes_on() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(10 * MIB, 9);
    let url = begin(&server, &app, whole.len()).await;
    // The older one has sent more than it was told to be durable, and hangs.
    let mut older = stalled(&server, &url, 0, whole.len(), &whole[..9 * MIB]).await;
    eventually("the first part is there", async || offset(&url).await == 8 * MIB).await;
    // What the newer one was told holds.
    let last = append(&url, 8 * MIB, &whole[8 * MIB..]).await.expect(204);
    let mut answer = String::new();
    let _ = older.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 409 "), "{answer}");
    assert!(content(&server, &last).await == whole, "the content is another");
}

#[tokio::test]
async fn an_upload_can_be_thrown_away_and_watched_while_somebody_writes() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(10 * MIB, 9);
    let url = begin(&server, &app, whole.len()).await;
    let mut writer = stalled(&server, &url, 0, whole.len(), &whole[..9 * MIB]).await;
    eventually("the first part is there", async || offset(&url).await == 8 * MIB).await;
    let progress = send(client().get(&url)).await.expect(200).json();
    assert_eq!((text_of(&progress, "status"), progress["received"].as_u64()), ("Uploading", Some(8 << 20)));
    send(super::tus(reqwest::Method::DELETE, &url)).await.expect(204);
    let mut answer = String::new();
    let _ = writer.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    head(&url).await.expect(404);
    assert_eq!(std::fs::read_dir(server.data().join("uploads")).expect("the directory is there").count(), 0);
}

#[tokio::test]
async fn a_length_that_is_told_meanwhile_stops_a_body_that_goes_beyond() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(9 * MIB, 9);
    let request = super::tus(reqwest::Method::POST, &super::endpoint(&server, &app));
    let created = send(request.header("Upload-Defer-Length", "1")).await.expect(201);
    let url = created.header("location");
    let mut older = stalled(&server, url, 0, whole.len(), &whole[..8 * MIB + 10]).await;
    eventually("the first part is there", async || offset(url).await == 8 * MIB).await;
    let length = 8 * MIB + 5;
    send(super::patch(url, 0, b"").header("Upload-Length", length)).await.expect(409);
    let mut answer = String::new();
    let _ = older.read_to_string(&mut answer).await;
    let start = offset(url).await;
    assert!(start <= length, "{start} bytes of {length}");
    let last = append(url, start, &whole[start..length]).await.expect(204);
    assert!(content(&server, &last).await == whole[..length], "the content is another");
}
