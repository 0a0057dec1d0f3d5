//! Bodies: what goes out (memory, file, stream) and the guard around what comes in.

use std::{
    fs::File,
    future::Future,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use stowage_store::{Blob, StoreError};
use tokio::{
    task::JoinHandle,
    time::{Instant, Sleep},
};

use crate::config::Limits;

/// Bytes read from a file at once. Measured best among 64 KiB, 256 KiB and 1 MiB.
const FILE_CHUNK: usize = 256 * 1024;

/// A response body.
pub enum ResponseBody {
    /// In memory, sent at once.
    Memory(Bytes),
    /// A part of a local file, read ahead by one chunk.
    File(FileBody),
    /// Chunks of known total length.
    Stream {
        /// The chunks.
        chunks: BoxStream<'static, Result<Bytes, StoreError>>,
        /// Bytes still to come.
        remaining: u64,
    },
}

impl ResponseBody {
    /// No bytes.
    pub fn empty() -> Self {
        Self::Memory(Bytes::new())
    }

    /// The bytes of a blob that has `length` bytes.
    pub fn from_blob(blob: Blob, length: u64) -> Self {
        match blob {
            Blob::Memory(bytes) => Self::Memory(bytes),
            Blob::File { file, range } => Self::File(FileBody::new(file, range)),
            Blob::Stream(chunks) => Self::Stream { chunks, remaining: length },
        }
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        Self::Memory(bytes.into())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let chunk = match self.get_mut() {
            Self::Memory(bytes) if bytes.is_empty() => None,
            Self::Memory(bytes) => Some(Ok(std::mem::take(bytes))),
            Self::File(file) => ready!(Pin::new(file).poll_next(context)),
            Self::Stream { chunks, remaining } => match ready!(chunks.poll_next_unpin(context)) {
                Some(Ok(chunk)) => {
                    *remaining = remaining.saturating_sub(chunk.len() as u64);
                    Some(Ok(chunk))
                }
                other => other,
            },
        };
        if let Some(Err(error)) = &chunk {
            // The head has gone out already: the client sees a short body, the operator sees why.
            tracing::error!(%error, "an answer was cut short");
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Memory(bytes) => bytes.is_empty(),
            Self::File(file) => file.remaining == 0,
            Self::Stream { remaining, .. } => *remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.remaining,
            Self::Stream { remaining, .. } => *remaining,
        })
    }
}

type ReadChunk = JoinHandle<(File, std::io::Result<Vec<u8>>)>;

/// Streams a range of a file; the next chunk is read while the one before is being sent.
pub struct FileBody {
    reading: Option<ReadChunk>,
    position: u64,
    end: u64,
    remaining: u64,
}

impl FileBody {
    fn new(file: File, range: Range<u64>) -> Self {
        let mut body = Self {
            reading: None,
            position: range.start,
            end: range.end,
            remaining: range.end.saturating_sub(range.start),
        };
        body.read_ahead(file);
        body
    }

    fn read_ahead(&mut self, file: File) {
        let length = usize::try_from(self.end - self.position).map_or(FILE_CHUNK, |left| left.min(FILE_CHUNK));
        if length == 0 {
            return;
        }
        let offset = self.position;
        self.position += length as u64;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let chunk = read_exactly(&file, offset, length);
            (file, chunk)
        }));
    }
}

fn read_exactly(file: &File, mut offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(length);
    while chunk.len() < length {
        let count = rustix::io::pread(file, rustix::buffer::spare_capacity(&mut chunk), offset)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += count as u64;
    }
    chunk.truncate(length);
    Ok(chunk)
}

impl Stream for FileBody {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let finished = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let (file, chunk) = finished.map_err(|panic| StoreError::Other(panic.to_string()))?;
        let chunk = chunk.map_err(|error| StoreError::Other(format!("reading a stored file: {error}")))?;
        self.remaining -= chunk.len() as u64;
        self.read_ahead(file);
        Poll::Ready(Some(Ok(chunk.into())))
    }
}

/// Why a request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing came for `limits.idle_timeout`.
    #[error("the body stalled; send it without long pauses")]
    Idle,
    /// Slower than `limits.min_rate` on average.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection broke, or the framing was wrong, before the announced end.
    #[error("the body was cut off before its announced end")]
    Truncated,
}

/// A request body that may neither stall nor crawl (threats L1, C3). Clones read on from where the others stopped.
#[derive(Clone)]
pub struct RequestBody {
    guarded: Arc<Mutex<Guarded>>,
    /// Exact length when the client announced it.
    pub length: Option<u64>,
}

struct Guarded {
    incoming: Incoming,
    idle_timeout: Duration,
    min_rate: u64,
    rate_grace: Duration,
    started: Option<Instant>,
    received: u64,
    /// Made when the body is waited for the first time: most requests have none.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    /// Guards a body.
    pub fn new(incoming: Incoming, limits: &Limits) -> Self {
        let length = incoming.size_hint().exact();
        let guarded = Guarded {
            incoming,
            idle_timeout: limits.idle_timeout,
            min_rate: limits.min_rate,
            rate_grace: limits.rate_grace,
            started: None,
            received: 0,
            deadline: None,
        };
        Self { guarded: Arc::new(Mutex::new(guarded)), length }
    }

    /// Whether there is certainly nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == Some(0)
    }

    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.lock().received
    }

    /// Reads all of it, up to `limit` bytes; `Ok(None)` if there is more.
    pub async fn read_all(&mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let mut collected = Vec::new();
        while let Some(chunk) = self.next().await {
            collected.extend_from_slice(&chunk?);
            if collected.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(collected.into()))
    }

    /// Reads and forgets at most `limit` bytes; whether the body ended within them.
    pub async fn drain(mut self, limit: u64) -> Result<bool, BodyError> {
        let end = self.received() + limit;
        while let Some(chunk) = self.next().await {
            chunk?;
            if self.received() > end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lock().poll_chunk(context)
    }
}

impl Guarded {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    let now = Instant::now();
                    self.started.get_or_insert(now);
                    self.received += chunk.len() as u64;
                    if self.too_slow(now) {
                        return Poll::Ready(Some(Err(BodyError::TooSlow)));
                    }
                    if let Some(deadline) = &mut self.deadline {
                        deadline.as_mut().reset(now + self.idle_timeout);
                    }
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(BodyError::Truncated))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let idle_timeout = self.idle_timeout;
                    let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_timeout)));
                    ready!(deadline.as_mut().poll(context));
                    return Poll::Ready(Some(Err(BodyError::Idle)));
                }
            }
        }
    }

    fn too_slow(&self, now: Instant) -> bool {
        let elapsed = self.started.map_or(Duration::ZERO, |started| now - started);
        elapsed > self.rate_grace && self.received < elapsed.as_secs() * self.min_rate
    }
}
