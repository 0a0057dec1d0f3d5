//! What stands between the server and a remote provider: a time limit on every step, and a circuit breaker.
//!
//! A provider that hangs costs one time limit, not a request for ever; one that keeps failing is left alone for a while, so that requests
//! fail at once instead of piling up, and is then tried again by one request at a time.

mod parts;

use std::{
    future::Future,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use stowage_core::location::ContainerName;
use tokio::time::{Instant, timeout};

use crate::{
    Blob, BlobStore, BlobWriter, Capabilities, Listing, ObjectId, ObjectKey, ObjectMeta, ObjectStat, PartStore,
    PresignedRequest, StoreError,
};
use parts::GuardedParts;

/// Limits of a guarded provider.
#[derive(Clone, Copy, Debug)]
pub struct GuardLimits {
    /// Longest wait for an answer to a question (open, stat, delete, list), and for the next chunk of a body.
    pub answer: Duration,
    /// Longest wait for a chunk to be taken, and for the end of a write: the provider may have a whole part to digest.
    pub write: Duration,
    /// Failures in a row that open the circuit.
    pub failures: u32,
    /// How long an open circuit refuses before one request may try again.
    pub pause: Duration,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(60),
            write: Duration::from_secs(180),
            failures: 5,
            pause: Duration::from_secs(10),
        }
    }
}

/// A driver behind time limits and a circuit breaker.
pub struct Guarded {
    driver: Arc<dyn BlobStore>,
    guard: Guard,
}

impl Guarded {
    /// Guards a driver.
    pub fn new(driver: Arc<dyn BlobStore>, limits: GuardLimits) -> Self {
        let circuit = Arc::new(Mutex::new(Circuit::default()));
        Self { driver, guard: Guard { limits, circuit } }
    }
}

#[derive(Clone)]
struct Guard {
    limits: GuardLimits,
    circuit: Arc<Mutex<Circuit>>,
}

#[derive(Default)]
struct Circuit {
    failures: u32,
    /// Set while the circuit is open: when the next attempt may be made.
    retry_at: Option<Instant>,
}

impl Guard {
    /// Runs one step of the conversation with the provider.
    async fn step<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.admit()?;
        self.follow_up(limit, step).await
    }

    /// As [`Guard::step`], for what belongs to a conversation that was admitted already.
    async fn follow_up<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let outcome = within(limit, step).await;
        self.record(matches!(outcome, Err(StoreError::Unavailable(_))));
        outcome
    }

    /// As [`Guard::follow_up`], for what may succeed without a word from the provider: that is no sign of its health.
    async fn prepare<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let outcome = within(limit, step).await;
        if matches!(outcome, Err(StoreError::Unavailable(_))) {
            self.record(true);
        }
        outcome
    }

    fn admit(&self) -> Result<(), StoreError> {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(retry_at) = circuit.retry_at else { return Ok(()) };
        let now = Instant::now();
        if now < retry_at {
            return Err(StoreError::Unavailable("left alone for a while after repeated failures".to_owned()));
        }
        // This request tries; the others wait for its outcome.
        circuit.retry_at = Some(now + self.limits.pause);
        Ok(())
    }

    fn record(&self, failed: bool) {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            *circuit = Circuit::default();
            return;
        }
        circuit.failures = circuit.failures.saturating_add(1);
        if circuit.failures >= self.limits.failures {
            circuit.retry_at = Some(Instant::now() + self.limits.pause);
        }
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(limit, step)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs()))))
}

#[async_trait::async_trait]
impl BlobStore for Guarded {
    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    /// With a circuit of its own: whoever names a region that does not answer must not stop the requests to the others.
    fn in_region(&self, region: &str) -> Result<Arc<dyn BlobStore>, StoreError> {
        Ok(Arc::new(Self::new(self.driver.in_region(region)?, self.guard.limits)))
    }

    fn planned_id(&self, key: &ObjectKey) -> Option<ObjectId> {
        self.driver.planned_id(key)
    }

    async fn detected_container(&self) -> Result<ContainerName, StoreError> {
        self.guard.step(self.guard.limits.answer, self.driver.detected_container()).await
    }

    async fn create(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.guard.admit()?;
        let writer = self.guard.prepare(self.guard.limits.answer, self.driver.create(key, meta)).await?;
        Ok(Box::new(GuardedWriter { writer, guard: self.guard.clone() }))
    }

    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError> {
        let blob = self.guard.step(self.guard.limits.answer, self.driver.open(id, range)).await?;
        let Blob::Stream(chunks) = blob else { return Ok(blob) };
        let guard = self.guard.clone();
        let guarded = stream::try_unfold(chunks, move |mut chunks| {
            let guard = guard.clone();
            async move {
                let next = async { chunks.next().await.transpose() };
                let chunk = guard.follow_up(guard.limits.answer, next).await?;
                Ok(chunk.map(|chunk| (chunk, chunks)))
            }
        });
        Ok(Blob::Stream(guarded.boxed()))
    }

    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError> {
        self.guard.step(self.guard.limits.answer, self.driver.stat(id)).await
    }

    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError> {
        self.guard.step(self.guard.limits.answer, self.driver.delete(id)).await
    }

    async fn copy(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError> {
        self.guard.step(self.guard.limits.write, self.driver.copy(from, to, meta)).await
    }

    async fn list(&self, container: &ContainerName, prefix: &str, start: Option<&str>) -> Result<Listing, StoreError> {
        self.guard.step(self.guard.limits.answer, self.driver.list(container, prefix, start)).await
    }

    async fn presign_get(&self, id: &ObjectId, valid_for: Duration) -> Result<PresignedRequest, StoreError> {
        self.guard.admit()?;
        self.guard.prepare(self.guard.limits.answer, self.driver.presign_get(id, valid_for)).await
    }

    async fn presign_put(
        &self,
        key: &ObjectKey,
        meta: &ObjectMeta,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        self.guard.admit()?;
        self.guard.prepare(self.guard.limits.answer, self.driver.presign_put(key, meta, valid_for)).await
    }

    fn parts(&self) -> Option<Arc<dyn PartStore>> {
        let (parts, guard) = (self.driver.parts()?, self.guard.clone());
        Some(Arc::new(GuardedParts { parts, guard }))
    }

    async fn adopt(&self, staged: &Path) -> Result<ObjectId, StoreError> {
        self.guard.step(self.guard.limits.write, self.driver.adopt(staged)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.guard.step(self.guard.limits.answer, self.driver.check()).await
    }
}

struct GuardedWriter {
    writer: Box<dyn BlobWriter>,
    guard: Guard,
}

#[async_trait::async_trait]
impl BlobWriter for GuardedWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.guard.prepare(self.guard.limits.write, self.writer.write(chunk)).await
    }

    async fn commit(self: Box<Self>) -> Result<ObjectId, StoreError> {
        let Self { writer, guard } = *self;
        guard.follow_up(guard.limits.write, writer.commit()).await
    }

    async fn abort(self: Box<Self>) {
        let Self { writer, guard } = *self;
        // Nobody waits for the outcome: what a hanging provider keeps, the next start collects.
        let _ = timeout(guard.limits.answer, writer.abort()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Fails, hangs or answers `stat` as told, and counts how often it was asked.
    #[derive(Default)]
    struct Scripted {
        asked: AtomicU32,
        fails: std::sync::atomic::AtomicBool,
        hangs: std::sync::atomic::AtomicBool,
    }

    #[async_trait::async_trait]
    impl BlobStore for Scripted {
        fn capabilities(&self) -> Capabilities {
            Capabilities { public_access: false, list: false, presign: false, versions: false, adopts: false }
        }
        async fn create(&self, _: &ObjectKey, _: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
            unreachable!("only stat is asked")
        }
        async fn open(&self, _: &ObjectId, _: Range<u64>) -> Result<Blob, StoreError> {
            Ok(Blob::Stream(stream::pending().boxed()))
        }
        async fn stat(&self, _: &ObjectId) -> Result<ObjectStat, StoreError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.fails.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("503".to_owned()));
            }
            Err(StoreError::NotFound)
        }
        async fn delete(&self, _: &ObjectId) -> Result<(), StoreError> {
            unreachable!("only stat is asked")
        }
        async fn copy(&self, _: &ObjectId, _: &ObjectKey, _: &ObjectMeta) -> Result<ObjectId, StoreError> {
            unreachable!("only stat is asked")
        }
        async fn list(&self, _: &ContainerName, _: &str, _: Option<&str>) -> Result<Listing, StoreError> {
            unreachable!("only stat is asked")
        }
        async fn presign_get(&self, _: &ObjectId, _: Duration) -> Result<PresignedRequest, StoreError> {
            unreachable!("only stat is asked")
        }
        async fn presign_put(
            &self,
            _: &ObjectKey,
            _: &ObjectMeta,
            _: Duration,
        ) -> Result<PresignedRequest, StoreError> {
            unreachable!("only stat is asked")
        }
        async fn check(&self) -> Result<(), StoreError> {
            unreachable!("only stat is asked")
        }
    }

    fn guarded() -> (Arc<Scripted>, Guarded) {
        let driver = Arc::new(Scripted::default());
        (driver.clone(), Guarded::new(driver, GuardLimits::default()))
    }

    async fn stat(store: &Guarded) -> StoreError {
        store.stat(&ObjectId::from_catalogue("b/k".to_owned())).await.expect_err("the script never succeeds")
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_failures_open_the_circuit_and_one_success_closes_it() {
        let (driver, store) = guarded();
        driver.fails.store(true, Ordering::Relaxed);
        for _ in 0..8 {
            assert!(matches!(stat(&store).await, StoreError::Unavailable(_)));
        }
        assert_eq!(driver.asked.load(Ordering::Relaxed), 5, "an open circuit asks nothing");

        driver.fails.store(false, Ordering::Relaxed);
        assert!(matches!(stat(&store).await, StoreError::Unavailable(_)));
        tokio::time::advance(Duration::from_secs(11)).await;
        // "No such object" is an answer like any other.
        assert!(matches!(stat(&store).await, StoreError::NotFound));
        assert!(matches!(stat(&store).await, StoreError::NotFound));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_request_tries_and_the_others_wait() {
        let (driver, store) = guarded();
        driver.fails.store(true, Ordering::Relaxed);
        for _ in 0..5 {
            stat(&store).await;
        }
        tokio::time::advance(Duration::from_secs(11)).await;
        driver.hangs.store(true, Ordering::Relaxed);
        let (first, second) = tokio::join!(stat(&store), stat(&store));
        assert!(matches!((first, second), (StoreError::Unavailable(_), StoreError::Unavailable(_))));
        assert_eq!(driver.asked.load(Ordering::Relaxed), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_provider_costs_one_time_limit() {
        let (driver, store) = guarded();
        driver.hangs.store(true, Ordering::Relaxed);
        let started = Instant::now();
        assert!(matches!(stat(&store).await, StoreError::Unavailable(_)));
        assert_eq!(started.elapsed(), GuardLimits::default().answer);

        let blob = store.open(&ObjectId::from_catalogue("b/k".to_owned()), 0..1).await.expect("opens");
        let Blob::Stream(mut chunks) = blob else { panic!("a stream") };
        assert!(matches!(chunks.next().await, Some(Err(StoreError::Unavailable(_)))));
        assert!(chunks.next().await.is_none());
    }
}
