//! The accept loop: connection limit, timeouts on silent peers, graceful end.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, Sleep},
};

use super::answer;
use crate::state::Server;

/// Largest chunk that hyper reads from a connection at once, bytes: large enough for fast uploads, small enough for many connections.
const READ_BUFFER: usize = 256 * 1024;

/// Longest time that a client which was answered early may go on sending.
const LINGER: Duration = Duration::from_secs(5);

/// Serves until `stop` resolves, then lets running requests finish for at most the configured drain time.
pub async fn run(server: Arc<Server>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(server.config.limits.max_connections));
    tokio::pin!(stop);
    loop {
        // Waiting for a slot before accepting leaves further peers in the kernel's queue.
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, usually: the peers in the queue stay there until some are free.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let limits = &server.config.limits;
        let still_sending = Arc::new(AtomicBool::new(false));
        let io = TokioIo::new(WatchedStream::new(stream, limits.idle_timeout, still_sending.clone()));
        let service = {
            let server = server.clone();
            service_fn(move |request| {
                let (server, still_sending) = (server.clone(), still_sending.clone());
                async move { Ok::<_, std::convert::Infallible>(answer(server, peer, request, &still_sending).await) }
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(READ_BUFFER)
            .half_close(true)
            .serve_connection(io, service);
        let connection = graceful.watch(connection);
        let live = server.metrics.connection();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended early");
            }
            drop((live, slot));
        });
    }
    server.start_draining();
    drop(listener);
    if tokio::time::timeout(server.config.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still running at the end of the drain time");
    }
}

/// A connection whose peer must keep taking what is sent to it (slow readers, threat L1), and which does not close under a peer
/// that is still sending: unread bytes would reset the connection before the peer has read its answer.
struct WatchedStream {
    stream: TcpStream,
    stall_timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    still_sending: Arc<AtomicBool>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl WatchedStream {
    fn new(stream: TcpStream, stall_timeout: Duration, still_sending: Arc<AtomicBool>) -> Self {
        Self { stream, stall_timeout, deadline: None, still_sending, lingering: None }
    }

    /// Takes and forgets what still comes, until the peer closes or has had its time.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut scratch = [0; 16 * 1024];
        loop {
            if lingering.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.deadline = None;
            return progress;
        }
        let stall_timeout = self.stall_timeout;
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + stall_timeout)));
        deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Silence of the sender is judged by the header timeout and by the body guard, which know what is being waited for.
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if self.still_sending.load(Ordering::Relaxed) {
            ready!(self.linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
