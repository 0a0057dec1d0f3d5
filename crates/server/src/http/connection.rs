//! The accept loops: connection limit, TLS, the version of HTTP, timeouts on silent peers, graceful end.

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, sync::atomic::AtomicBool,
    time::Duration,
};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    answer,
    exchanges::{Exchanges, TrackedBody},
    watched::WatchedStream,
};
use crate::{
    config::{Config, Limits},
    state::Server,
};

/// Largest head that hyper reads, bytes; `limits` are lower, and answer with a text.
const HEAD_BUFFER: usize = 256 * 1024;

/// How an HTTP/2 connection begins; no method of HTTP/1 does.
const HTTP2_BEGINNING: &[u8] = b"PRI ";

/// How TLS begins: a handshake record (RFC 8446 §5.1).
const TLS_BEGINNING: u8 = 0x16;

/// Told to who speaks plain HTTP to the HTTPS port.
const HTTPS_EXPECTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    this port speaks HTTPS: use https:// in the URL\n";

/// Time that an HTTP/2 client has to take a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Requests at once in one HTTP/2 connection (threat D5); browsers use up to 100.
const HTTP2_STREAMS: u32 = 100;
/// Requests that a client may take back before they were looked at, and those that it may provoke the server to take back, until the
/// connection is closed (rapid reset, CVE-2023-44487 and its reverse).
const HTTP2_RESETS: usize = 50;
/// Bytes of request bodies in flight, for each request and for the connection: what an unread body can take of memory.
const HTTP2_STREAM_WINDOW: u32 = 512 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes of an answer that wait for the client.
const HTTP2_SEND_BUFFER: usize = 256 * 1024;

/// Something that connections come in at.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// Speaks HTTPS, if it is there.
    pub tls: Option<TlsAcceptor>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it came by HTTPS.
    pub secure: bool,
}

/// Serves until `stop` resolves, then lets running requests finish for at most the configured drain time.
pub async fn run(server: Arc<Server>, listeners: Vec<Listener>, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = watch::channel(());
    let slots = Arc::new(Semaphore::new(server.config.limits.max_connections));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(server.clone(), listener, slots.clone(), stopped.clone()));
    }
    drop(stopped);
    stop.await;
    server.start_draining();
    let _ = stopping.send(());
    accepting.join_all().await;
    // Each connection holds a receiver.
    if timeout(server.config.drain_timeout, stopping.closed()).await.is_err() {
        tracing::warn!("some requests were still running at the end of the drain time");
    }
}

async fn accept(server: Arc<Server>, listener: Listener, slots: Arc<Semaphore>, mut stopped: watch::Receiver<()>) {
    loop {
        // Connections take over what this receiver has not seen yet, so that none misses the end.
        let connection_stopped = stopped.clone();
        // Waiting for a slot before accepting leaves further peers in the kernel's queue.
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            _ = stopped.changed() => return,
        };
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, usually: the peers in the queue stay there until some are free.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let live = server.metrics.connection();
        let (server, tls) = (server.clone(), listener.tls.clone());
        tokio::spawn(async move {
            let ended = match tls {
                None => plain(server, stream, address, connection_stopped).await,
                Some(tls) => secure(server, tls, stream, address, connection_stopped).await,
            };
            if let Err(error) = ended {
                tracing::debug!(error, peer = %address, "a connection ended early");
            }
            drop((live, slot));
        });
    }
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn plain(server: Arc<Server>, stream: TcpStream, address: SocketAddr, mut stopped: watch::Receiver<()>) -> Ended {
    let peer = Peer { address, secure: false };
    let mut beginning = [0; HTTP2_BEGINNING.len()];
    let peeked = timeout(server.config.limits.header_timeout, stream.peek(&mut beginning));
    tokio::select! {
        peeked = peeked => peeked??,
        _ = stopped.changed() => return Ok(()),
    };
    // Clients send what HTTP/2 begins with in one piece.
    if beginning == *HTTP2_BEGINNING {
        return serve_http2(server, stream, peer, stopped).await;
    }
    serve_http1(server, stream, peer, stopped).await
}

async fn secure(
    server: Arc<Server>,
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    mut stopped: watch::Receiver<()>,
) -> Ended {
    let handshake = timeout(server.config.tls.handshake_timeout, handshake(&server.config.limits, tls, stream));
    let stream = tokio::select! {
        stream = handshake => stream??,
        _ = stopped.changed() => return Ok(()),
    };
    let Some(stream) = stream else { return Ok(()) };
    let peer = Peer { address, secure: true };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => serve_http2(server, stream, peer, stopped).await,
        _ => serve_http1(server, stream, peer, stopped).await,
    }
}

/// `None` for a peer that speaks something else and was told so.
async fn handshake(
    limits: &Limits,
    tls: TlsAcceptor,
    stream: TcpStream,
) -> io::Result<Option<tokio_rustls::server::TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != TLS_BEGINNING {
        let mut stream = WatchedStream::new(stream, limits.idle_timeout, Arc::new(AtomicBool::new(true)));
        stream.write_all(HTTPS_EXPECTED).await?;
        stream.shutdown().await?;
        return Ok(None);
    }
    tls.accept(stream).await.map(Some)
}

async fn serve_http1<S>(server: Arc<Server>, stream: S, peer: Peer, stopped: watch::Receiver<()>) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = &server.config.limits;
    let still_sending = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(WatchedStream::new(stream, limits.idle_timeout, still_sending.clone()));
    let service = service_fn(|request| {
        let (server, still_sending) = (server.clone(), still_sending.clone());
        async move { Ok::<_, Infallible>(answer(server, peer, request, &still_sending).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BUFFER)
        .half_close(true)
        .serve_connection(io, service);
    // Silence between requests is ended by the header timeout, silence within them by the watched stream and the body guard.
    drive(connection, stopped, std::future::pending).await
}

async fn serve_http2<S>(server: Arc<Server>, stream: S, peer: Peer, stopped: watch::Receiver<()>) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Config { limits, .. } = &server.config;
    // Unread bodies are taken back one by one here, so there is nothing to linger for.
    let lingers = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(WatchedStream::new(stream, limits.idle_timeout, lingers.clone()));
    let exchanges = Exchanges::new();
    let service = service_fn(|request| {
        let (server, exchanges) = (server.clone(), exchanges.clone());
        async move {
            let _work = exchanges.work();
            let response = answer(server, peer, request, &AtomicBool::new(false)).await;
            Ok::<_, Infallible>(response.map(|body| TrackedBody::new(body, exchanges.clone())))
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_pending_accept_reset_streams(HTTP2_RESETS)
        .max_local_error_reset_streams(HTTP2_RESETS)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .serve_connection(io, service);
    drive(connection, stopped, || exchanges.client_is_silent(limits.idle_timeout)).await
}

/// Runs a connection to its end. When the server stops or the client is silent, it says goodbye, and hangs up on a client that stays silent.
async fn drive<C, S>(connection: C, mut stopped: watch::Receiver<()>, silence: impl Fn() -> S) -> Ended
where
    C: GracefulConnection<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    S: Future<Output = ()>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended.map_err(Into::into),
        _ = stopped.changed() => {}
        () = silence() => {}
    }
    connection.as_mut().graceful_shutdown();
    let ignored = async {
        tokio::time::sleep(GOODBYE).await;
        silence().await;
    };
    tokio::select! {
        ended = connection => ended.map_err(Into::into),
        () = ignored => Err("the client stayed silent".into()),
    }
}
