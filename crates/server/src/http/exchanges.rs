//! What goes on in an HTTP/2 connection. There a client can keep an answer from being sent while its connection looks alive
//! (threat D5), which no watch over the connection itself can see.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use stowage_store::StoreError;
use tokio::time::Instant;

use super::ResponseBody;

/// Counts the requests and answers of one connection that the server has to go on with.
#[derive(Clone)]
pub(super) struct Exchanges(Arc<Mutex<State>>);

struct State {
    /// Requests being handled and answers whose next piece is being fetched.
    busy: usize,
    /// Since when everything has been waiting for the client, if `busy` is 0.
    since: Instant,
}

impl Exchanges {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { busy: 0, since: Instant::now() })))
    }

    /// Notes that the server has something to do until the result is dropped.
    pub(super) fn work(&self) -> Work {
        self.with(|state| state.busy += 1);
        Work(self.clone())
    }

    /// Resolves once the client has asked for nothing and taken nothing for about `limit`.
    pub(super) async fn client_is_silent(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let next = self.with(|state| if state.busy > 0 { now + limit } else { state.since + limit });
            if next <= now {
                return;
            }
            tokio::time::sleep_until(next).await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Something that the server has to do.
pub(super) struct Work(Exchanges);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.busy -= 1;
            state.since = Instant::now();
        });
    }
}

/// A response body that is the server's work while its next piece is being fetched, and the client's while that waits to be sent.
pub(super) struct TrackedBody {
    body: ResponseBody,
    exchanges: Exchanges,
    fetching: Option<Work>,
}

impl TrackedBody {
    pub(super) fn new(body: ResponseBody, exchanges: Exchanges) -> Self {
        Self { body, exchanges, fetching: None }
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        if self.fetching.is_none() {
            self.fetching = Some(self.exchanges.work());
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.fetching = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_begins_when_the_last_work_ends() {
        let limit = Duration::from_millis(20);
        let exchanges = Exchanges::new();
        let started = Instant::now();
        exchanges.client_is_silent(limit).await;
        assert!(started.elapsed() >= limit, "nothing was ever asked");
        let work = exchanges.work();
        let waiting = exchanges.client_is_silent(limit);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(limit * 5, &mut waiting).await.is_err(), "the server is the slow one");
        let ended = Instant::now();
        drop(work);
        waiting.await;
        assert!(ended.elapsed() >= limit, "{:?}", ended.elapsed());
    }
}
