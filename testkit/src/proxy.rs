//! A TCP proxy in front of an HTTP server that breaks the conversation as told: at a byte, or at a request.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Longest head of a request or an answer.
const HEAD_LIMIT: usize = 64 << 10;
/// Bytes that are passed on at once.
const PIECE: usize = 16 << 10;

/// What part of the conversation a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Answer,
}

/// What goes wrong. Positions are bytes of one request or answer with its head, but those of [`Fault::Flip`] count in
/// the body; what is shorter passes unharmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Both connections are closed after so many bytes.
    Cut(Way, u64),
    /// Both connections are reset after so many bytes (`SO_LINGER` 0: what is on the way is lost).
    Reset(Way, u64),
    /// Nothing moves any more after so many bytes, until another fault or [`FaultProxy::heal`] closes the connections.
    Stall(Way, u64),
    /// One bit of this byte of the body is changed.
    Flip(Way, u64),
    /// A pause before each 16 KiB that pass, either way.
    Slow(Duration),
    /// The request is answered with this status, such as 503, and never reaches the server.
    Status(u16),
}

/// The proxy, on a loopback port of its own. Each connection serves one request, so that bytes and requests can be
/// counted. Dropping it closes everything.
pub struct FaultProxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts it, harmless, before the server at `http://HOST:PORT`, whose path is ignored.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let plan = Arc::new(Plan::default());
        let accepting = tokio::spawn(accept(listener, plan.clone()));
        let proxy = Self { address, plan, accepting };
        proxy.retarget(upstream);
        proxy
    }

    /// Requests from now on go to another server, as after a restart on another port.
    pub fn retarget(&self, upstream: &str) {
        let place = upstream.trim_start_matches("http://").split('/').next().unwrap_or_default();
        self.plan.state().upstream = Some(place.parse().expect("the upstream is `http://ADDRESS:PORT`"));
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every request that the fault can harm is harmed.
    pub fn fail(&self, fault: Fault) {
        self.fail_times(u64::MAX, fault);
    }

    /// The next `count` requests that the fault can harm are harmed, and those after them pass.
    pub fn fail_times(&self, count: u64, fault: Fault) {
        self.plan.change(|state| *state = State { fault: Some(fault), left: count, struck: 0, ..*state });
    }

    /// Requests pass again.
    pub fn heal(&self) {
        self.plan.change(|state| state.fault = None);
    }

    /// How often the last fault has struck.
    pub fn struck(&self) -> u64 {
        self.plan.state().struck
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What is to go wrong now, shared by all connections.
#[derive(Default)]
struct Plan {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    upstream: Option<SocketAddr>,
    fault: Option<Fault>,
    left: u64,
    struck: u64,
}

impl Plan {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
    }

    /// The fault that is on and harms, as far as `harms` knows; counted.
    fn strike(&self, harms: impl FnOnce(Fault) -> bool) -> Option<Fault> {
        let mut state = self.state();
        let fault = state.fault.filter(|fault| state.left > 0 && harms(*fault))?;
        state.left -= 1;
        state.struck += 1;
        Some(fault)
    }
}

/// Accepts for ever; the connections live in the set and end with this future.
async fn accept(listener: TcpListener, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let plan = plan.clone();
        connections.spawn(async move {
            // A peer that leaves early is what faults lead to.
            let _ = serve(client, &plan).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// How a conversation ends.
enum Ending {
    /// Its sender has nothing more to say.
    Done,
    Close,
    Reset,
}

async fn serve(mut client: TcpStream, plan: &Plan) -> io::Result<()> {
    let _ = client.set_nodelay(true);
    let request = read_head(&mut client).await?;
    if let Some(Fault::Status(status)) = plan.strike(|fault| matches!(fault, Fault::Status(_))) {
        return refuse(client, &request, status).await;
    }
    let upstream = plan.state().upstream.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut server = TcpStream::connect(upstream).await?;
    let _ = server.set_nodelay(true);
    let ending = {
        let (from_client, to_client) = client.split();
        let (mut from_server, to_server) = server.split();
        let answer = async {
            let head = read_head(&mut from_server).await?;
            relay(Way::Answer, head, from_server, to_client, plan).await
        };
        let request = async {
            match relay(Way::Request, one_request(&request), from_client, to_server, plan).await {
                // A server that refuses a request before it has read all of it takes no more; its answer counts.
                Err(_) => std::future::pending().await,
                ending => ending,
            }
        };
        // The server closes after its answer. A client that closes ends the conversation too.
        tokio::select! {
            ending = request => ending?,
            ending = answer => ending?,
        }
    };
    match ending {
        Ending::Reset => {
            client.set_zero_linger()?;
            server.set_zero_linger()
        }
        Ending::Close => client.shutdown().await,
        Ending::Done => {
            drop(server);
            client.shutdown().await?;
            // What the client still sends is read, for a connection that is closed before may lose the answer.
            tokio::io::copy(&mut client, &mut tokio::io::sink()).await.map(drop)
        }
    }
}

/// Answers after the body has come, as a connection that is closed before may lose the answer.
async fn refuse(mut client: TcpStream, head: &[u8], status: u16) -> io::Result<()> {
    let length = header(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    tokio::io::copy(&mut (&mut client).take(length), &mut tokio::io::sink()).await?;
    let answer = format!("HTTP/1.1 {status} Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

/// Passes one direction on until its sender closes or a fault ends it.
async fn relay(
    way: Way,
    head: Vec<u8>,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    plan: &Plan,
) -> io::Result<Ending> {
    let body = head.len() as u64;
    let mut passed = 0;
    let mut piece = head;
    loop {
        // Before the fault strikes, so that no change is missed.
        let mut changes = plan.changes.subscribe();
        let here = passed..passed + piece.len() as u64;
        let struck = plan.strike(|fault| match fault {
            Fault::Cut(on, at) | Fault::Reset(on, at) | Fault::Stall(on, at) => on == way && here.contains(&at),
            Fault::Flip(on, at) => on == way && here.contains(&(body + at)),
            Fault::Slow(_) => true,
            Fault::Status(_) => false,
        });
        let before = |at: u64| (at - here.start) as usize;
        match struck {
            Some(Fault::Cut(_, at)) => {
                to.write_all(&piece[..before(at)]).await?;
                return Ok(Ending::Close);
            }
            Some(Fault::Reset(_, at)) => {
                to.write_all(&piece[..before(at)]).await?;
                return Ok(Ending::Reset);
            }
            Some(Fault::Stall(_, at)) => {
                to.write_all(&piece[..before(at)]).await?;
                let _ = changes.changed().await;
                return Ok(Ending::Close);
            }
            Some(Fault::Flip(_, at)) => piece[before(body + at)] ^= 1,
            Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
            Some(Fault::Status(_)) | None => {}
        }
        to.write_all(&piece).await?;
        passed = here.end;
        piece.resize(PIECE, 0);
        match from.read(&mut piece).await {
            Ok(0) | Err(_) => return Ok(Ending::Done),
            Ok(length) => piece.truncate(length),
        }
    }
}

/// The head up to its empty line.
async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_LIMIT {
        head.push(from.read_u8().await?);
    }
    Ok(head)
}

/// The head of the only request of its connection: no signature covers `Connection`.
fn one_request(head: &[u8]) -> Vec<u8> {
    let mut lines = text(head).trim_end().split("\r\n").collect::<Vec<_>>();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.extend(["Connection: close", "", ""]);
    lines.join("\r\n").into_bytes()
}

fn header<'head>(head: &'head [u8], name: &str) -> Option<&'head str> {
    let mut lines = text(head).split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn text(head: &[u8]) -> &str {
    std::str::from_utf8(head).expect("the clients under test send heads in UTF-8")
}
