//! From parts to a file: bytes first, row second, and whatever happens between the two can be repeated.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};
use stowage_catalogue::{CatalogueError, FileRow};
use stowage_core::{handle::Handle, media_type::MediaType};
use stowage_store::{BlobStore, BlobWriter, ObjectId, ObjectMeta, StoreError, parts::PartStore};

use crate::{
    error::{Result, UploadError},
    layout::Part,
    session::{Change, Ended, Session, State, ship::meta_of, spawned},
};

/// A part as the client lists it (spec 03 §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number.
    pub number: u32,
    /// The ETag that the client was given; quotes do not count.
    pub etag: Option<String>,
}

/// The object that an upload became, before its row is committed.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The store's name for the bytes.
    pub object: ObjectId,
    /// Bytes.
    pub size: u64,
    /// Identity of this content: nothing else ever has it.
    pub etag: [u8; 32],
    /// Told, or else what the first bytes look like.
    pub media_type: MediaType,
}

/// What came of a completion.
#[derive(Debug)]
pub enum Completion {
    /// A new file; its row is durable.
    New(Box<FileRow>),
    /// It had been completed before.
    Before(Handle),
}

type MakeRow = Box<dyn FnOnce(Finished) -> FileRow + Send>;

impl Session {
    /// Puts the parts together, once: a repetition gives the same file. `listed` is only compared with what has arrived (spec 03 §7).
    /// If it fails, the upload goes on. Where object names can be written again, hold the lock of the name meanwhile.
    pub async fn complete(
        self: &Arc<Self>,
        listed: Vec<ListedPart>,
        driver: Arc<dyn BlobStore>,
        make_row: impl FnOnce(Finished) -> FileRow + Send + 'static,
    ) -> Result<Completion> {
        let session = self.clone();
        let make_row: MakeRow = Box::new(make_row);
        spawned(async move { session.finish(&listed, &*driver, make_row).await }).await
    }

    /// Puts whole partial uploads together to this one, in their order (tus concatenation). They stay until they expire.
    pub async fn concatenate(
        self: &Arc<Self>,
        sources: Vec<Arc<Session>>,
        driver: Arc<dyn BlobStore>,
        make_row: impl FnOnce(Finished) -> FileRow + Send + 'static,
    ) -> Result<Completion> {
        let session = self.clone();
        let make_row: MakeRow = Box::new(make_row);
        spawned(async move { session.finish_from(&sources, &*driver, make_row).await }).await
    }

    async fn finish(&self, listed: &[ListedPart], driver: &dyn BlobStore, make_row: MakeRow) -> Result<Completion> {
        let _one = self.finishing.lock().await;
        {
            let state = self.lock().await;
            if let Some(Ended::Complete(handle)) = state.ended {
                return Ok(Completion::Before(handle));
            }
            state.check_open()?;
            self.check_complete(&state, listed)?;
        }
        // Nobody writes from here on; a writer that finished in between has changed what was checked.
        let _gate = self.close_gate().await;
        if self.is_broken() {
            // Another session may go on with the same staging file.
            return Err(UploadError::Superseded);
        }
        let (size, at_provider) = {
            let state = self.lock().await;
            let size = self.check_complete(&state, listed)?;
            let at_provider = state.layout.parts().any(|(_, part)| matches!(part, Part::AtProvider { .. }));
            (size, at_provider)
        };
        let meta = self.meta(size).await;
        let (object, intent) = match driver.parts().filter(|_| at_provider) {
            Some(parts) => self.complete_at_provider(&*parts, &meta, driver).await?,
            None => match self.adopt(size, driver).await? {
                Some(object) => (object, None),
                None => self.assemble(self.content().await?, &meta, driver).await?,
            },
        };
        self.commit(object, intent, size, meta, driver, make_row).await
    }

    async fn finish_from(
        &self,
        sources: &[Arc<Session>],
        driver: &dyn BlobStore,
        make_row: MakeRow,
    ) -> Result<Completion> {
        let _one = self.finishing.lock().await;
        {
            let state = self.lock().await;
            if let Some(Ended::Complete(handle)) = state.ended {
                return Ok(Completion::Before(handle));
            }
            state.check_open()?;
        }
        for source in sources {
            source.whole_size().await?;
        }
        // Nobody replaces a part while it is read. In one order, so that two of these do not wait for each other.
        let mut distinct: Vec<_> = sources.iter().collect();
        distinct.sort_by_key(|source| source.id());
        distinct.dedup_by_key(|source| source.id());
        let mut gates = Vec::new();
        for source in distinct {
            gates.push(source.close_gate().await);
        }
        let mut size = 0;
        let mut contents = Vec::new();
        for source in sources {
            size += source.whole_size().await?;
            contents.push(source.content().await?);
        }
        if size > self.plan().maximum {
            return Err(UploadError::TooLarge { limit: self.plan().maximum });
        }
        if size < self.plan().minimum {
            return Err(UploadError::TooSmall { limit: self.plan().minimum });
        }
        let sniffed = Self::sniffed_together(sources).await?;
        self.lock().await.sniffed = sniffed.map(|media_type| media_type.as_str().to_owned());
        let meta = self.meta(size).await;
        let content = futures_util::stream::iter(contents).flatten().boxed();
        let (object, intent) = self.assemble(content, &meta, driver).await?;
        self.commit(object, intent, size, meta, driver, make_row).await
    }

    /// Bytes of a partial upload that is whole.
    async fn whole_size(&self) -> Result<u64> {
        let state = self.lock().await;
        state.check_open()?;
        self.check_complete(&state, &[])
    }

    /// Whether all bytes have arrived; returns how many there are.
    fn check_complete(&self, state: &State, listed: &[ListedPart]) -> Result<u64> {
        let expected = state.size.ok_or(UploadError::LengthUnknown)?;
        for part in listed {
            let number = part.number;
            let found = state.layout.part(number).ok_or(UploadError::PartList { number, reason: "has not arrived" })?;
            let fits = |etag: &str| found.md5().is_none_or(|md5| bare(etag).eq_ignore_ascii_case(md5));
            if !part.etag.as_deref().is_none_or(fits) {
                return Err(UploadError::PartList { number, reason: "has another ETag" });
            }
        }
        if let Some(number) = state.layout.incomplete() {
            return Err(UploadError::PartIncomplete(number));
        }
        let received = state.layout.total();
        if received != expected {
            return Err(UploadError::Incomplete { expected, received });
        }
        if received < self.plan().minimum && !self.plan().partial {
            return Err(UploadError::TooSmall { limit: self.plan().minimum });
        }
        Ok(received)
    }

    async fn meta(&self, size: u64) -> ObjectMeta {
        let mut meta = meta_of(self.plan(), Some(size));
        if self.plan().mimetype.is_none()
            && let Some(sniffed) = self.sniffed().await
        {
            meta.media_type = sniffed;
        }
        meta
    }

    /// All staged bytes in order.
    async fn content(&self) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
        let mut state = self.lock().await;
        let pieces = state.layout.pieces(None);
        Ok(self.file(&mut state).await?.stream(pieces).boxed())
    }

    async fn complete_at_provider(
        &self,
        parts: &dyn PartStore,
        meta: &ObjectMeta,
        driver: &dyn BlobStore,
    ) -> Result<(ObjectId, Option<i64>)> {
        self.ship_the_rest(parts).await?;
        let state = self.lock().await;
        let upload = state.at_provider.clone().ok_or_else(|| broken("parts at a provider without a name there"))?;
        let receipts = state.layout.parts().filter(|(_, part)| part.end() > 0).map(|(number, part)| {
            let receipt = part.receipt().ok_or_else(|| broken("a part is not at the provider"))?;
            Ok((number, part.end(), receipt))
        });
        let receipts = receipts.collect::<Result<Vec<_>>>()?;
        drop(state);
        let key = self.plan().object_key()?;
        let intent = self.intend(driver.planned_id(&key)).await?;
        match parts.complete(&upload, &key, meta, &receipts).await {
            Ok(object) => Ok((object, intent)),
            Err(error) => {
                // Whether there is an object now is for the next attempt to find out, or for the end of the upload.
                if let Some(intent) = intent {
                    self.catalogue().drop_intent(intent).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Claims the object, and notes it with the upload: after a crash it belongs to the upload, which can be completed again.
    async fn intend(&self, object: Option<ObjectId>) -> Result<Option<i64>> {
        let Some(object) = object else { return Ok(None) };
        let mut state = self.lock().await;
        state.object = Some(object.as_str().to_owned());
        self.record(&mut state, Change { object: true, ..Change::default() }).await?;
        drop(state);
        Ok(Some(self.catalogue().add_intent(self.store(), object.as_str(), self.plan().region.as_deref()).await?))
    }

    async fn ship_the_rest(&self, parts: &dyn PartStore) -> Result<()> {
        let rules = parts.rules();
        let staged: Vec<(u32, u64)> = {
            let state = self.lock().await;
            let last = state.layout.parts().last().map_or(0, |(number, _)| number);
            let staged = state.layout.parts().filter(|(_, part)| part.receipt().is_none() && part.end() > 0);
            let staged: Vec<_> = staged.map(|(number, part)| (number, part.end())).collect();
            if let Some((number, _)) = staged.iter().find(|(number, size)| *size < rules.smallest && *number != last) {
                return Err(UploadError::PartTooSmall { number: *number, smallest: rules.smallest });
            }
            staged
        };
        for (number, _) in staged {
            if number > rules.count {
                return Err(UploadError::PartNumber { most: rules.count });
            }
            self.ship(number, parts).await?;
        }
        Ok(())
    }

    /// The staging file becomes the object, if the store can take it in and its bytes lie in order.
    async fn adopt(&self, size: u64, driver: &dyn BlobStore) -> Result<Option<ObjectId>> {
        let mut state = self.lock().await;
        if size == 0 || !driver.capabilities().adopts || !state.layout.is_in_place() {
            return Ok(None);
        }
        let file = self.file(&mut state).await?;
        drop(state);
        let path = file.path().to_owned();
        let truncated = tokio::task::spawn_blocking(move || file.truncate(size)).await;
        truncated.map_err(std::io::Error::other)??;
        match driver.adopt(&path).await {
            Ok(object) => Ok(Some(object)),
            // On another file system.
            Err(StoreError::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Streams the bytes into a new object.
    async fn assemble(
        &self,
        mut content: BoxStream<'static, std::io::Result<Bytes>>,
        meta: &ObjectMeta,
        driver: &dyn BlobStore,
    ) -> Result<(ObjectId, Option<i64>)> {
        let key = self.plan().object_key()?;
        let intent = match driver.planned_id(&key) {
            Some(object) => {
                Some(self.catalogue().add_intent(self.store(), object.as_str(), self.plan().region.as_deref()).await?)
            }
            None => None,
        };
        let written = async {
            let mut writer = driver.create(&key, meta).await?;
            match copy(&mut *writer, &mut content).await {
                Ok(()) => Ok(writer.commit().await?),
                Err(error) => {
                    writer.abort().await;
                    Err(error)
                }
            }
        }
        .await;
        match written {
            Ok(object) => Ok((object, intent)),
            Err(error) => {
                if let Some(intent) = intent {
                    // It may have been written all the same.
                    self.catalogue().give_up_intent(intent, 0).await?;
                }
                Err(error)
            }
        }
    }

    async fn commit(
        &self,
        object: ObjectId,
        intent: Option<i64>,
        size: u64,
        meta: ObjectMeta,
        driver: &dyn BlobStore,
        make_row: MakeRow,
    ) -> Result<Completion> {
        let etag = Sha256::new_with_prefix("stowage upload ").chain_update(self.id().as_str()).finalize().into();
        let row = make_row(Finished { object: object.clone(), size, etag, media_type: meta.media_type });
        let handle = row.handle;
        let expires = self.expiry();
        let committed = self.catalogue().complete_upload(self.id().as_str(), row.clone(), intent, expires).await;
        if let Err(error) = committed {
            // After an unclear failure the next start decides.
            let certain = matches!(error, CatalogueError::Full | CatalogueError::NotFound);
            if certain
                && driver.capabilities().versions
                && let Err(error) = driver.delete(&object).await
            {
                tracing::warn!(%error, "an object without a row stays until the next start");
            }
            if !certain {
                // The staging file may be the content of a committed file by now.
                self.mark_broken();
            }
            return Err(error.into());
        }
        let unused = {
            let mut state = self.lock().await;
            state.ended = Some(Ended::Complete(handle));
            state.size = Some(size);
            state.expires = expires;
            state.forget_file();
            state.at_provider.take()
        };
        let (directory, id) = (self.directory().clone(), self.id().clone());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || directory.remove(&id)).await {
            tracing::warn!(%error, "the staging file of a complete upload stays until the next start");
        }
        // Begun there, but the file took another way.
        if let (Some(unused), Some(parts)) = (unused, driver.parts())
            && let Err(error) = parts.abort(&unused).await
        {
            tracing::debug!(%error, "nothing to abort at the provider");
        }
        Ok(Completion::New(Box::new(row)))
    }
}

async fn copy(writer: &mut dyn BlobWriter, content: &mut BoxStream<'static, std::io::Result<Bytes>>) -> Result<()> {
    while let Some(chunk) = content.next().await {
        writer.write(chunk?).await?;
    }
    Ok(())
}

/// Clients send ETags with quotes, without, and weak ones.
fn bare(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches(|mark: char| !mark.is_ascii_alphanumeric())
}

fn broken(what: &str) -> UploadError {
    StoreError::Other(format!("an upload's state is inconsistent: {what}")).into()
}
