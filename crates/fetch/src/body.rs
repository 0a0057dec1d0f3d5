//! Bodies that cannot outlast their time or outgrow their limit (threat A12).

use std::time::Duration;

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, timeout};

use crate::{FetchError, client::describe};

/// What is left of the time for a whole fetch.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    total: Duration,
}

impl Deadline {
    pub(crate) fn start(total: Duration) -> Self {
        Self { started: Instant::now(), total }
    }

    fn remaining(self) -> Duration {
        self.total.saturating_sub(self.started.elapsed())
    }

    /// Waits no longer than `limit` and no longer than the deadline. The error names `what` took too long.
    pub(crate) async fn within<T>(
        self,
        limit: Duration,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let remaining = self.remaining();
        timeout(limit.min(remaining), future).await.map_err(|_| {
            FetchError::failed(if limit < remaining {
                format!("{what} took longer than {limit:?}")
            } else {
                format!("fetch took longer than {:?}", self.total)
            })
        })
    }
}

/// The limits of one body.
pub(crate) struct BodyLimits {
    pub(crate) deadline: Deadline,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_bytes: u64,
}

/// Passes the bytes on until one of the limits is met.
pub(crate) fn limited(
    bytes: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    limits: BodyLimits,
) -> BoxStream<'static, Result<Bytes, FetchError>> {
    let state = (Box::pin(bytes), limits, 0_u64);
    stream::try_unfold(state, |(mut bytes, limits, received)| async move {
        let chunk = limits.deadline.within(limits.idle_timeout, "next bytes of the body", bytes.next()).await?;
        let Some(chunk) = chunk else {
            return Ok(None);
        };
        let chunk = chunk.map_err(|error| FetchError::failed(format!("body: {}", describe(error))))?;
        let received = received.saturating_add(chunk.len() as u64);
        if received > limits.max_bytes {
            return Err(FetchError::too_large(limits.max_bytes));
        }
        Ok(Some((chunk, (bytes, limits, received))))
    })
    .boxed()
}
