//! SIGTERM, and a second server on the same data (threat L6).

use std::{process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    hostile::{PATIENCE, connect, eventually, files_below, objects, rest},
    support::{Stowage, client, server, server_with, store},
};

/// The exit code, waited for without holding up the clients.
async fn exit_code(mut server: Stowage) -> (Option<i32>, Stowage) {
    let waiting = tokio::task::spawn_blocking(move || (server.wait(), server));
    timeout(PATIENCE, waiting).await.expect("the server ends").expect("it can be waited for")
}

async fn refuses_connections(address: &str) {
    eventually("new connections are refused", async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn running_requests_finish_before_the_server_ends() {
    let server = server();
    let address = server.address().to_owned();
    let app = server.app("shop", &[]);
    let content = vec![7; 48 << 20];
    let stored = store(&server, &app, "", content.clone()).await;

    let mut upload = connect(&server).await;
    let request = format!(
        "POST /api/store/S3?key={}&filename=late.txt HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        app.key,
        content.len() + 7
    );
    upload.write_all(request.as_bytes()).await.expect("the head is taken");
    upload.write_all(&content).await.expect("most of the body is taken");
    let mut download = connect(&server).await;
    let request = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", stored["handle"].as_str().expect("a handle"));
    download.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut beginning = [0; 1000];
    download.read_exact(&mut beginning).await.expect("the answer begins");
    let idle = connect(&server).await;

    server.terminate();
    refuses_connections(&address).await;
    upload.write_all(b"content").await.expect("the rest is taken");
    let answer = rest(&mut upload).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let uploaded: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(uploaded["size"], content.len() + 7);
    let mut read = beginning.to_vec();
    timeout(PATIENCE, download.read_to_end(&mut read)).await.expect("the download ends").expect("the bytes");
    assert!(read.ends_with(&content), "{} bytes", read.len());
    drop(idle);
    let (code, mut server) = exit_code(server).await;
    assert_eq!(code, Some(0));

    server.kill_and_restart();
    let url = format!("{}/{}", server.url(), uploaded["handle"].as_str().expect("a handle"));
    let read = client().get(url).send().await.expect("an answer").bytes().await.expect("the bytes");
    assert!(read.starts_with(&content) && read.ends_with(b"content") && read.len() == content.len() + 7);
}

#[tokio::test]
async fn a_request_without_end_does_not_keep_the_server() {
    let server = server_with(&[("STOWAGE_DRAIN_TIMEOUT", "500ms")]);
    let address = server.address().to_owned();
    let app = server.app("shop", &[]);
    let mut upload = connect(&server).await;
    let request = format!("POST /api/store/S3?key={} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", app.key);
    upload.write_all(request.as_bytes()).await.expect("the head is taken");
    upload.write_all(&[7; 3 << 20]).await.expect("a part is taken");
    eventually("the upload is on its way", async || !objects(server.data()).is_empty()).await;
    let started = Instant::now();
    server.terminate();
    refuses_connections(&address).await;
    let (code, mut server) = exit_code(server).await;
    assert_eq!(code, Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(rest(&mut upload).await.status, 0, "an upload that was cut off is not acknowledged");
    server.kill_and_restart();
    eventually("what was cut off is swept", async || objects(server.data()).is_empty()).await;
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "", "content").await;
    let before = files_below(server.data());
    let second = Command::new(env!("CARGO_BIN_EXE_stowage"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(server.data())
        .output()
        .expect("the binary runs");
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let message = String::from_utf8_lossy(&second.stderr);
    assert!(message.contains("already running") && message.contains("--data"), "{message}");
    assert!(second.stdout.is_empty(), "{second:?}");
    assert_eq!(files_below(server.data()), before);
    let read = client().get(stored["url"].as_str().expect("a url")).send().await.expect("an answer");
    assert_eq!(read.text().await.expect("text"), "content", "the first one goes on");
}
