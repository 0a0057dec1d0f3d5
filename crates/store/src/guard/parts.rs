//! The guard of parts. Their content comes as slowly as somebody sends it, so that only the time counts in which the
//! provider is waited for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::Guard;
use crate::{
    ObjectId, ObjectKey, ObjectMeta, PartStore, PresignedRequest, StoreError,
    parts::{ListedPart, PartContent, PartReceipt, PartRules, PartUpload},
};

pub(super) struct GuardedParts {
    pub(super) parts: Arc<dyn PartStore>,
    pub(super) guard: Guard,
}

#[async_trait::async_trait]
impl PartStore for GuardedParts {
    fn rules(&self) -> PartRules {
        self.parts.rules()
    }

    async fn begin(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<PartUpload, StoreError> {
        self.guard.step(self.guard.limits.answer, self.parts.begin(key, meta)).await
    }

    async fn put(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        content: PartContent,
    ) -> Result<PartReceipt, StoreError> {
        self.guard.admit()?;
        let watch = Watch::default();
        let limit = self.guard.limits.write;
        let outcome = tokio::select! {
            outcome = self.parts.put(upload, number, length, md5, watch.over(content)) => outcome,
            () = watch.silence(limit) => {
                Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs())))
            }
        };
        // What its sender did to the content tells nothing about the provider.
        if !watch.content_failed() {
            self.guard.record(matches!(outcome, Err(StoreError::Unavailable(_))));
        }
        outcome
    }

    async fn list(&self, upload: &PartUpload) -> Result<Vec<ListedPart>, StoreError> {
        self.guard.step(self.guard.limits.answer, self.parts.list(upload)).await
    }

    async fn complete(
        &self,
        upload: &PartUpload,
        key: &ObjectKey,
        meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<ObjectId, StoreError> {
        self.guard.step(self.guard.limits.write, self.parts.complete(upload, key, meta, parts)).await
    }

    async fn abort(&self, upload: &PartUpload) -> Result<(), StoreError> {
        self.guard.step(self.guard.limits.answer, self.parts.abort(upload)).await
    }

    async fn presign(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        self.guard.admit()?;
        let signed = self.parts.presign(upload, number, length, md5, valid_for);
        self.guard.prepare(self.guard.limits.answer, signed).await
    }
}

/// Who is waited for while a part is on its way.
#[derive(Clone)]
struct Watch(Arc<Mutex<Waiting>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the provider, since then.
    Provider(Instant),
    /// For whoever sends the content.
    Content,
    /// For nobody: the content came to nothing.
    Nobody,
}

impl Default for Watch {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting::Provider(Instant::now()))))
    }
}

impl Watch {
    fn waiting(&self) -> Waiting {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, waiting: Waiting) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    fn content_failed(&self) -> bool {
        self.waiting() == Waiting::Nobody
    }

    /// The same content, watched.
    fn over(&self, content: PartContent) -> PartContent {
        let watched = stream::unfold((self.clone(), content), |(watch, mut content)| async move {
            watch.set(Waiting::Content);
            let chunk = content.next().await;
            let failed = matches!(chunk, Some(Err(_)));
            watch.set(if failed { Waiting::Nobody } else { Waiting::Provider(Instant::now()) });
            chunk.map(|chunk| (chunk, (watch, content)))
        });
        watched.boxed()
    }

    /// Ends when the provider has been waited for so long.
    async fn silence(&self, limit: Duration) {
        loop {
            let seen = self.waiting();
            let since = match seen {
                Waiting::Provider(since) => since,
                Waiting::Content | Waiting::Nobody => Instant::now(),
            };
            sleep_until(since + limit).await;
            if matches!(seen, Waiting::Provider(_)) && self.waiting() == seen {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use bytes::Bytes;
    use futures_util::TryStreamExt;

    use super::*;
    use crate::guard::GuardLimits;

    /// Takes all content, and then may hang.
    #[derive(Default)]
    struct Scripted {
        hangs: AtomicBool,
    }

    #[async_trait::async_trait]
    impl PartStore for Scripted {
        fn rules(&self) -> PartRules {
            PartRules { smallest: 1, largest: 10, count: 10, presign: false }
        }
        async fn begin(&self, _: &ObjectKey, _: &ObjectMeta) -> Result<PartUpload, StoreError> {
            unreachable!("only put is asked")
        }
        async fn put(
            &self,
            _: &PartUpload,
            _: u32,
            _: u64,
            _: Option<[u8; 16]>,
            content: PartContent,
        ) -> Result<PartReceipt, StoreError> {
            let chunks: Vec<Bytes> = content.try_collect().await?;
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            Ok(PartReceipt::from_catalogue(chunks.len().to_string()))
        }
        async fn list(&self, _: &PartUpload) -> Result<Vec<ListedPart>, StoreError> {
            unreachable!("only put is asked")
        }
        async fn complete(
            &self,
            _: &PartUpload,
            _: &ObjectKey,
            _: &ObjectMeta,
            _: &[(u32, u64, PartReceipt)],
        ) -> Result<ObjectId, StoreError> {
            unreachable!("only put is asked")
        }
        async fn abort(&self, _: &PartUpload) -> Result<(), StoreError> {
            unreachable!("only put is asked")
        }
        async fn presign(
            &self,
            _: &PartUpload,
            _: u32,
            _: u64,
            _: Option<[u8; 16]>,
            _: Duration,
        ) -> Result<PresignedRequest, StoreError> {
            unreachable!("only put is asked")
        }
    }

    fn guarded() -> (Arc<Scripted>, GuardedParts) {
        let parts = Arc::new(Scripted::default());
        let guard = Guard { limits: GuardLimits::default(), circuit: Arc::default() };
        (parts.clone(), GuardedParts { parts, guard })
    }

    async fn put(parts: &GuardedParts, content: PartContent) -> Result<PartReceipt, StoreError> {
        parts.put(&PartUpload::from_catalogue(String::new()), 1, 3, None, content).await
    }

    /// A chunk an hour.
    fn slow() -> PartContent {
        let chunks = stream::iter(0..3).then(|_| async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(Bytes::from_static(b"x"))
        });
        chunks.boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn slow_content_is_waited_for_and_a_silent_provider_is_not() {
        let (driver, parts) = guarded();
        assert_eq!(put(&parts, slow()).await.expect("stored").as_str(), "3");

        driver.hangs.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        assert!(matches!(put(&parts, slow()).await, Err(StoreError::Unavailable(_))));
        let waited = begun.elapsed() - 3 * Duration::from_secs(3600);
        assert!(waited >= parts.guard.limits.write && waited <= 2 * parts.guard.limits.write, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn content_that_fails_does_not_open_the_circuit() {
        let (_, parts) = guarded();
        for _ in 0..20 {
            let broken = stream::iter([Err(StoreError::Unavailable("the client is gone".to_owned()))]).boxed();
            assert!(matches!(put(&parts, broken).await, Err(StoreError::Unavailable(text)) if text.contains("client")));
        }
        assert!(put(&parts, stream::empty().boxed()).await.is_ok());
    }
}
