//! A scripted HTTP origin: tests decide every byte of its answers, right or wrong.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Longest request head that is read.
const HEAD_LIMIT: usize = 64 * 1024;

/// A listener on a loopback address (`127.0.0.2` is one that an allow-list can name without naming the server's own)
/// that answers each connection's first request with the bytes of a script. Dropping it closes everything.
pub struct Origin {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: JoinHandle<()>,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// `GET`, `HEAD` …
    pub method: String,
    /// Path with query, as sent.
    pub target: String,
    /// The whole head, as sent.
    pub head: String,
}

impl Received {
    fn parse(head: String) -> Self {
        let mut words = head.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        Self { method, target, head }
    }

    /// A header's value, found by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the origin sends for one request; `Vec<u8>`, `String` and `&str` convert into "these bytes, then close".
pub struct Reply {
    bytes: Vec<u8>,
    pause: Option<Duration>,
    ending: Ending,
}

enum Ending {
    Close,
    Hang,
    Endless,
}

impl Reply {
    /// A well-formed 200 with `Content-Length`.
    pub fn ok(content_type: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat().into()
    }

    /// A redirect with status 302.
    pub fn redirect(location: &str) -> Self {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into()
    }

    /// An empty answer of another status, such as `404 Not Found`.
    pub fn status(line: &str) -> Self {
        format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into()
    }

    /// Stays silent after the bytes instead of closing.
    pub fn then_hang(self) -> Self {
        Self { ending: Ending::Hang, ..self }
    }

    /// Repeats zeros after the bytes until the peer has had enough.
    pub fn then_endless(self) -> Self {
        Self { ending: Ending::Endless, ..self }
    }

    /// Sends one byte at a time with this pause after each.
    pub fn one_byte_every(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }

    async fn send(self, socket: &mut TcpStream) -> std::io::Result<()> {
        match self.pause {
            None => socket.write_all(&self.bytes).await?,
            Some(pause) => {
                for byte in &self.bytes {
                    socket.write_all(&[*byte]).await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        match self.ending {
            Ending::Close => socket.shutdown().await,
            Ending::Hang => std::future::pending().await,
            Ending::Endless => loop {
                socket.write_all(&[0; 64 * 1024]).await?;
            },
        }
    }
}

impl<Bytes: Into<Vec<u8>>> From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self { bytes: bytes.into(), pause: None, ending: Ending::Close }
    }
}

impl Origin {
    /// Listens on a free port of `address`; `respond` sees each request and gives its reply.
    pub async fn start<R: Into<Reply>>(
        address: &str,
        respond: impl Fn(&Received) -> R + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("the origin's address can be bound");
        let address = listener.local_addr().expect("a bound listener has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(move |request| respond(request).into());
        let accepting = tokio::spawn(accept(listener, script, received.clone()));
        Self { address, received, accepting }
    }

    /// `http://ADDRESS:PORT` followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// Accepts for ever; the connections live in the set and end with this future.
async fn accept(listener: TcpListener, script: Arc<Script>, received: Arc<Mutex<Vec<Received>>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut socket, _)) = listener.accept().await {
        let (script, received) = (script.clone(), received.clone());
        connections.spawn(async move {
            let Some(request) = read_head(&mut socket).await.map(Received::parse) else { return };
            received.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
            // A peer that leaves early is what some scripts are for.
            let _ = script(&request).send(&mut socket).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The head up to its empty line; `None` when the peer closes before.
async fn read_head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_LIMIT {
        head.push(socket.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
