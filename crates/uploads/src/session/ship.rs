//! Parts that go to a provider which keeps parts itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt, TryStreamExt, future};
use md5::{Digest, Md5};
use stowage_core::{location::Access, media_type::MediaType};
use stowage_store::{
    BlobStore, ObjectMeta, StoreError,
    parts::{PartContent, PartReceipt, PartStore, PartUpload},
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use super::{
    Change, Content, PartBody, Session,
    parts::{add_to_head, is_regular, next, note_head},
};
use crate::{
    error::{Result, UploadError},
    layout::Part,
    plan::Plan,
};

impl Session {
    /// Whether a whole part is sent on without a copy here. What may turn out too small for the provider is kept until the end.
    pub(super) async fn goes_to_provider(&self, number: u32, size: u64, driver: &dyn BlobStore) -> bool {
        let Some(rules) = driver.parts().map(|parts| parts.rules()) else { return false };
        let fits = (rules.smallest..=rules.largest).contains(&size) && number <= rules.count;
        fits && !self.plan.partial && (is_regular(size) || self.at_provider().await.is_some())
    }

    /// Sends a whole part to the provider while it comes in.
    pub(super) async fn send_part(
        &self,
        part: PartBody,
        driver: &dyn BlobStore,
        stop: &CancellationToken,
    ) -> Result<String> {
        let parts = driver.parts().ok_or_else(no_parts)?;
        let upload = self.begin_at_provider(&*parts).await?;
        let PartBody { number, size, md5, content } = part;
        let stop = stop.child_token();
        let _turn = self.turns.take_over(number, stop.clone()).await;
        let observed = Arc::new(Mutex::new(Observed::default()));
        let content = observe(content, size, stop, observed.clone());
        let sent = parts.put(&upload, number, size, md5, content).await;
        let seen = std::mem::take(&mut *observed.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(error) = seen.failed {
            return Err(error);
        }
        let digest: [u8; 16] = seen.md5.finalize().into();
        // A provider that fails may not have taken all of it.
        if seen.received == size && md5.is_some_and(|announced| announced != digest) {
            return Err(UploadError::Checksum);
        }
        let receipt = sent.map_err(not_taken)?;
        let etag = hex::encode(digest);
        let mut state = self.lock().await;
        state.check_open()?;
        let sniffed = note_head(&mut state, number, 0, &seen.head);
        let freed = state.layout.put_at_provider(number, size, Some(etag.clone()), &receipt);
        self.record(&mut state, Change { parts: vec![number], sniffed, freed, ..Change::default() }).await?;
        Ok(etag)
    }

    /// The provider's name for the object, begun there if it is not yet.
    pub(super) async fn begin_at_provider(&self, parts: &dyn PartStore) -> Result<PartUpload> {
        let mut state = self.lock().await;
        if let Some(upload) = &state.at_provider {
            return Ok(upload.clone());
        }
        state.check_open()?;
        let upload = parts.begin(&self.plan.object_key()?, &meta_of(&self.plan, state.size)).await?;
        state.at_provider = Some(upload.clone());
        self.record(&mut state, Change { at_provider: true, ..Change::default() }).await?;
        Ok(upload)
    }

    /// Hands a whole staged part to the provider, if that keeps parts and takes one of this size.
    pub(crate) async fn ship_if_possible(&self, number: u32, driver: &dyn BlobStore) -> Result<()> {
        let Some(parts) = driver.parts().filter(|_| !self.plan.partial) else { return Ok(()) };
        let rules = parts.rules();
        let size = match self.lock().await.layout.part(number) {
            Some(part @ Part::Staged { .. }) if part.is_whole() => part.end(),
            _ => return Ok(()),
        };
        if number <= rules.count && (rules.smallest..=rules.largest).contains(&size) {
            self.ship(number, &*parts).await?;
        }
        Ok(())
    }

    /// Hands a whole staged part to the provider, whatever its size.
    pub(crate) async fn ship(&self, number: u32, parts: &dyn PartStore) -> Result<()> {
        let upload = self.begin_at_provider(parts).await?;
        let _turn = self.turns.wait(number).await;
        // The last chance to look at its first bytes.
        let head = if number == 1 { self.head().await? } else { None };
        let mut state = self.lock().await;
        let Some(part @ Part::Staged { .. }) = state.layout.part(number).cloned() else { return Ok(()) };
        let pieces = state.layout.pieces(Some(number));
        state.layout.begin_reading(number);
        let file = self.file(&mut state).await?;
        drop(state);
        let content = file.stream(pieces).map_err(|error| StoreError::Other(error.to_string())).boxed();
        let receipt: PartReceipt = parts.put(&upload, number, part.end(), None, content).await.map_err(not_taken)?;
        let mut state = self.lock().await;
        state.check_open()?;
        // A chunk that came meanwhile makes the shipped part an old one.
        if !state.layout.end_reading(number) {
            return Ok(());
        }
        let md5 = part.md5().map(str::to_owned);
        let sniffed = head.is_some_and(|head| note_head(&mut state, number, 0, &head));
        let freed = state.layout.put_at_provider(number, part.end(), md5, &receipt);
        self.record(&mut state, Change { parts: vec![number], sniffed, freed, ..Change::default() }).await
    }
}

/// Who sends a part to the provider. That keeps what came last, so one does it at a time: else its bytes could be those of another
/// writer than the receipt's, or of a place in the staging file that is free again.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<u32, Turn>>);

#[derive(Default)]
struct Turn {
    /// Stops the client that sends it.
    stop: CancellationToken,
    busy: Arc<AsyncMutex<()>>,
}

impl Turns {
    /// Stops the client that sends the part, which may be gone without a word, and goes on in its place.
    async fn take_over(&self, number: u32, stop: CancellationToken) -> OwnedMutexGuard<()> {
        let busy = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = turns.entry(number).or_default();
            std::mem::replace(&mut turn.stop, stop).cancel();
            turn.busy.clone()
        };
        busy.lock_owned().await
    }

    async fn wait(&self, number: u32) -> OwnedMutexGuard<()> {
        let busy = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default().busy.clone();
        busy.lock_owned().await
    }
}

/// What travels with the object to the provider.
pub(crate) fn meta_of(plan: &Plan, size: Option<u64>) -> ObjectMeta {
    let media_type = plan.mimetype.as_deref().and_then(|text| MediaType::parse(text).ok());
    ObjectMeta {
        media_type: media_type.unwrap_or_else(MediaType::octet_stream),
        access: Access::parse(&plan.access).unwrap_or_default(),
        length: size,
        disposition: Some(plan.disposition()),
        user_metadata: vec![("stowage-handle".to_owned(), plan.handle.clone())],
    }
}

/// Why a part was not taken. A provider that does not know the upload has put it together already, for a completion whose answer was lost.
fn not_taken(error: StoreError) -> UploadError {
    match error {
        StoreError::NotFound => UploadError::Superseded,
        error => error.into(),
    }
}

fn no_parts() -> UploadError {
    StoreError::Unsupported("this storage keeps no parts".to_owned()).into()
}

/// What was seen of a content that was passed on.
#[derive(Default)]
struct Observed {
    md5: Md5,
    head: Vec<u8>,
    received: u64,
    /// Why it ended early: the driver only learns that it did.
    failed: Option<UploadError>,
}

fn observe(content: Content, size: u64, stop: CancellationToken, observed: Arc<Mutex<Observed>>) -> PartContent {
    let chunks = futures_util::stream::unfold((content, stop), |(mut content, stop)| async move {
        let chunk = next(&mut content, &stop).await.transpose()?;
        Some((chunk, (content, stop)))
    });
    let end = {
        let observed = observed.clone();
        futures_util::stream::once(future::lazy(move |_| {
            let mut observed = observed.lock().unwrap_or_else(PoisonError::into_inner);
            let received = observed.received;
            if received == size || observed.failed.is_some() {
                return None;
            }
            observed.failed = Some(UploadError::Length { expected: size, received });
            Some(Err(StoreError::Other("the part ended early".to_owned())))
        }))
        .filter_map(future::ready)
    };
    chunks
        .map(move |chunk| {
            let mut observed = observed.lock().unwrap_or_else(PoisonError::into_inner);
            let chunk = chunk.and_then(|chunk| {
                observed.received += chunk.len() as u64;
                let received = observed.received;
                if received > size { Err(UploadError::Length { expected: size, received }) } else { Ok(chunk) }
            });
            match chunk {
                Ok(chunk) => {
                    observed.md5.update(&chunk);
                    add_to_head(&mut observed.head, &chunk);
                    Ok(chunk)
                }
                Err(error) => {
                    observed.failed = Some(error);
                    Err(StoreError::Other("the part ended early".to_owned()))
                }
            }
        })
        .chain(end)
        .boxed()
}
