//! Peers on loopback: an origin that plays a script byte by byte, and listeners that nobody may connect to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// What the origin does after it has read a request head.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends the bytes.
    Send(Vec<u8>),
    /// Sends the bytes again and again until the peer is gone.
    Endless(Vec<u8>),
    /// Sends a byte per interval until the peer is gone.
    Drip(u8, Duration),
    /// Says nothing more but keeps the connection until the peer is gone.
    Hang,
}

/// An HTTP/1.1 origin; one request per connection, closed after the last step.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Origin {
    /// Listens on a port of its own; `script` maps a request's path to the answer.
    pub(crate) async fn start(host: &str, script: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let (listener, address) = listen(host).await;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let script = Arc::new(script);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        Self { address, requests, accepting: accepting.abort_handle() }
    }

    /// An origin on 127.0.0.2 with the same answer to everything.
    pub(crate) async fn answering(steps: Vec<Step>) -> Self {
        Self::start("127.0.0.2", move |_| steps.clone()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Request heads in the order of their arrival.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>, script: Arc<impl Fn(&str) -> Vec<Step>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("an ASCII head");
    let path = head.split(' ').nth(1).expect("a request line").to_owned();
    seen.lock().expect("no panic").push(head);
    for step in script(&path) {
        if play(&mut stream, step).await.is_err() {
            return;
        }
    }
}

async fn play(stream: &mut TcpStream, step: Step) -> std::io::Result<()> {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await,
        Step::Endless(bytes) => loop {
            stream.write_all(&bytes).await?;
        },
        Step::Drip(byte, interval) => loop {
            stream.write_all(&[byte]).await?;
            tokio::time::sleep(interval).await;
        },
        Step::Hang => stream.read(&mut [0]).await.map(drop),
    }
}

/// `200 OK` with the header lines and the body.
pub(crate) fn ok(headers: &str, body: &[u8]) -> Vec<Step> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// A redirect without body.
pub(crate) fn redirect(status: u16, location: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\n\r\n");
    vec![Step::Send(head.into_bytes())]
}

/// A listener on a forbidden address.
pub(crate) struct Canary {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Canary {
    pub(crate) async fn start(host: &str) -> Self {
        let (listener, address) = listen(host).await;
        Self { address, listener }
    }

    /// Panics if anybody has connected: the kernel queues a connection before anybody accepts it.
    pub(crate) fn assert_untouched(self) {
        let listener = self.listener.into_std().expect("a listener");
        match listener.accept() {
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            Ok((_, peer)) => panic!("{peer} connected to the canary on {}", self.address),
        }
    }
}

async fn listen(host: &str) -> (TcpListener, SocketAddr) {
    let host: IpAddr = host.parse().expect("an address");
    let listener = TcpListener::bind((host, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}
