//! HTTPS: the development CA and its hosts, both versions of HTTP, clients that are slow or speak something else, the end.

mod certificates;

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    hostile::{PATIENCE, eventually},
    support::{HttpAnswer, Stowage, client, get, send, text_of},
};

const NAME: &str = "fs.localhost";

pub(crate) fn secure_server(environment: &[(&str, &str)]) -> Stowage {
    Stowage::start_dev_tls(env!("CARGO_BIN_EXE_stowage"), NAME, environment)
}

/// A TLS connection by somebody who trusts exactly these certificates and asks for this name.
async fn connect(address: &str, trusted: &[u8], name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted) {
        roots.add(certificate.expect("a certificate")).expect("a trust anchor");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn connect_development(server: &Stowage) -> TlsStream<TcpStream> {
    let authority = std::fs::read(server.authority()).expect("the CA file");
    connect(&server.secure_address().to_string(), &authority, NAME).await.expect("a connection")
}

async fn store(server: &Stowage, client: &reqwest::Client, key: &str, content: Vec<u8>) -> HttpAnswer {
    let url = format!("{}/api/store/S3?key={key}&filename=a.bin", server.secure_url("www"));
    send(client.post(url).body(content)).await.expect(200)
}

#[tokio::test]
async fn every_development_host_answers_in_both_versions() {
    let mut server = secure_server(&[]);
    let app = server.app("shop", &[]);
    let (first, second) = (server.secure_client().http1_only(), server.secure_client());
    let clients = [first, second].map(|builder| builder.build().expect("a client"));
    for (client, version) in clients.iter().zip([reqwest::Version::HTTP_11, reqwest::Version::HTTP_2]) {
        for label in ["", "www", "upload", "cloud", "static", "api"] {
            let url = format!("{}/healthz", server.secure_url(label));
            let answer = client.get(url).send().await.expect("an answer");
            assert_eq!((answer.status().as_u16(), answer.version()), (200, version), "{label}");
        }
        let stored = store(&server, client, &app.key, b"hello".to_vec()).await.json();
        let (url, handle) = (text_of(&stored, "url"), text_of(&stored, "handle"));
        assert_eq!(url, format!("{}/{handle}", server.secure_url("cdn")), "emitted URLs are those of the installation");
        assert_eq!(send(client.get(url)).await.expect(200).text(), "hello");
        let keyed = format!("{}/{}/{handle}", server.secure_url("process"), app.key);
        assert_eq!(send(client.get(keyed)).await.expect(200).text(), "hello");
        // The delivery grammar owns the paths of `cdn`, also where the host is no header.
        let health = send(client.get(format!("{}/healthz", server.secure_url("cdn")))).await;
        assert!((400..500).contains(&health.status), "{health:?}");
        // Without a network the server's own URL is copied.
        let command = json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store" }] }).to_string();
        let process = client.post(format!("{}/process", server.secure_url("process"))).body(command);
        assert_eq!(send(process).await.expect(200).json()["size"], 5);
    }
    get(&server, "/healthz").await.expect(200);
    let stranger = client().get(format!("https://{}/healthz", server.secure_address())).send().await;
    assert!(stranger.is_err(), "nobody trusts the CA who was not told to");
    let authority = std::fs::read(server.authority()).expect("the CA file");
    for name in ["localhost", "127.0.0.1", "::1"] {
        connect(&server.secure_address().to_string(), &authority, name).await.expect("a name of this machine");
    }
    server.kill_and_restart();
    assert_eq!(std::fs::read(server.authority()).expect("the CA file"), authority, "made once");
    connect(&server.secure_address().to_string(), &authority, NAME).await.expect("still trusted");
}

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let server = secure_server(&[]);
    let mut connection = connect_development(&server).await;
    for _ in 0..3 {
        connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: fs.localhost\r\n\r\n").await.expect("a request");
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert_ne!(connection.read_buf(&mut answer).await.expect("an answer"), 0, "closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    // An early answer to a body that nobody reads arrives whole, and the connection ends in order.
    let head = "POST /api/store/moon HTTP/1.1\r\nHost: fs.localhost\r\nContent-Length: 9000000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.expect("a head");
    let _ = connection.write_all(&[0; 400_000]).await;
    let mut answer = Vec::new();
    timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("closed").expect("in order");
    assert!(String::from_utf8_lossy(&answer).contains("invalid_location"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn what_is_no_handshake_does_not_hang() {
    let server = secure_server(&[("STOWAGE_TLS_HANDSHAKE_TIMEOUT", "500ms")]);
    let answer_to = async |beginning: &[u8]| {
        let mut connection = TcpStream::connect(server.secure_address()).await.expect("the server listens");
        connection.write_all(beginning).await.expect("bytes");
        let mut answer = Vec::new();
        let closed = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
        let _ = closed.unwrap_or_else(|_| panic!("left open after {beginning:?}"));
        String::from_utf8_lossy(&answer).into_owned()
    };
    let started = Instant::now();
    for plain in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = answer_to(plain.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    }
    for slow in [b"".as_slice(), b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        answer_to(slow).await;
    }
    let garbage = answer_to(&[0x16; 5_000]).await;
    assert!(!garbage.contains("HTTP"), "an alert at most: {garbage}");
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    let client = server.secure_client().build().expect("a client");
    send(client.get(format!("{}/healthz", server.secure_url("")))).await.expect(200);
}

#[tokio::test]
async fn running_requests_finish_before_the_server_ends() {
    let mut server = secure_server(&[]);
    let app = server.app("shop", &[]);
    let content = vec![7; 24 << 20];
    let clients = [server.secure_client().http1_only(), server.secure_client()];
    let clients = clients.map(|builder| builder.build().expect("a client"));
    let stored = store(&server, &clients[0], &app.key, content.clone()).await.json();
    let mut answers = Vec::new();
    for client in &clients {
        answers.push(client.get(text_of(&stored, "url")).send().await.expect("a head"));
    }
    // Neither an unfinished handshake nor a silent connection holds up the end.
    let _handshake = TcpStream::connect(server.secure_address()).await.expect("a connection");
    let _silent = connect_development(&server).await;
    server.terminate();
    let address = server.secure_address();
    eventually("new connections are refused", async || TcpStream::connect(address).await.is_err()).await;
    for answer in answers {
        let read = answer.bytes().await.expect("the whole body");
        assert!(read == content, "{} bytes", read.len());
    }
    drop(clients);
    let waiting = tokio::task::spawn_blocking(move || server.wait());
    let code = timeout(PATIENCE, waiting).await.expect("the server ends").expect("it can be waited for");
    assert_eq!(code, Some(0));
}
