//! A connection that does not wait for its peer for ever.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take},
    time::{Instant, Sleep},
};

/// Longest time that a client which was answered early may go on sending.
const LINGER: Duration = Duration::from_secs(5);

/// Most bytes of one read. hyper doubles a buffer that was filled and keeps it while the connection is silent, so this keeps it at
/// 64 KiB: large uploads are no faster with more, but 1,000 connections would take a quarter of a gibibyte.
const READ: u64 = (64 << 10) - 1;

/// A connection whose peer must keep taking what is sent to it (slow readers, threat L1), and which does not close under a peer
/// that is still sending: unread bytes would reset the connection before the peer has read its answer.
pub(super) struct WatchedStream<S> {
    stream: Take<S>,
    stall_timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    still_sending: Arc<AtomicBool>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WatchedStream<S> {
    pub(super) fn new(stream: S, stall_timeout: Duration, still_sending: Arc<AtomicBool>) -> Self {
        Self { stream: stream.take(READ), stall_timeout, deadline: None, still_sending, lingering: None }
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
            let read = ready!(Pin::new(self.stream.get_mut()).poll_read(context, &mut buffer));
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

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Silence of the sender is judged by the header timeout and by the body guard, which know what is being waited for.
        self.stream.set_limit(READ);
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(self.stream.get_mut()).poll_write(context, bytes);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(self.stream.get_mut()).poll_write_vectored(context, buffers);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS keeps what the peer does not take, so that only the flush has to wait.
        let progress = Pin::new(self.stream.get_mut()).poll_flush(context);
        self.watch(context, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(self.stream.get_mut()).poll_shutdown(context);
        ready!(self.watch(context, progress))?;
        if self.still_sending.load(Ordering::Relaxed) {
            ready!(self.linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
