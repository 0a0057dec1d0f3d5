//! From parts to a file: bytes first, row second, and whatever happens between the two can be repeated.

mod object;

use std::sync::Arc;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use stowage_catalogue::{CatalogueError, FileRow};
use stowage_core::{handle::Handle, media_type::MediaType};
use stowage_store::{BlobStore, ObjectId, ObjectMeta};

use crate::{
    error::{Result, UploadError},
    layout::Part,
    session::{Ended, Session, State, ship::meta_of, spawned},
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

/// As what the caller has let the content pass. It must still look like that when nobody can change it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Whatever it is.
    Anything,
    /// What its first bytes looked like, if anything.
    As(Option<MediaType>),
}

impl Judged {
    fn check(&self, sniffed: Option<&MediaType>) -> Result<()> {
        match self {
            Self::As(judged) if judged.as_ref() != sniffed => Err(UploadError::Superseded),
            _ => Ok(()),
        }
    }
}

type MakeRow = Box<dyn FnOnce(Finished) -> FileRow + Send>;

impl Session {
    /// Puts the parts together, once: a repetition gives the same file. `listed` is only compared with what has arrived (spec 03 §7).
    /// If it fails, the upload goes on. Where object names can be written again, hold the lock of the name meanwhile.
    pub async fn complete(
        self: &Arc<Self>,
        listed: Vec<ListedPart>,
        judged: Judged,
        driver: Arc<dyn BlobStore>,
        make_row: impl FnOnce(Finished) -> FileRow + Send + 'static,
    ) -> Result<Completion> {
        let session = self.clone();
        let make_row: MakeRow = Box::new(make_row);
        spawned(async move { session.finish(&listed, judged, &*driver, make_row).await }).await
    }

    /// Puts whole partial uploads together to this one, in their order (tus concatenation). They stay until they expire.
    pub async fn concatenate(
        self: &Arc<Self>,
        sources: Vec<Arc<Session>>,
        judged: Judged,
        driver: Arc<dyn BlobStore>,
        make_row: impl FnOnce(Finished) -> FileRow + Send + 'static,
    ) -> Result<Completion> {
        let session = self.clone();
        let make_row: MakeRow = Box::new(make_row);
        spawned(async move { session.finish_from(&sources, judged, &*driver, make_row).await }).await
    }

    async fn finish(
        &self,
        listed: &[ListedPart],
        judged: Judged,
        driver: &dyn BlobStore,
        make_row: MakeRow,
    ) -> Result<Completion> {
        let _one = self.finishing.lock().await;
        {
            let state = self.lock().await;
            if let Some(handle) = state.completed()? {
                return Ok(Completion::Before(handle));
            }
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
        if judged != Judged::Anything {
            judged.check(self.sniffed().await.as_ref())?;
        }
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
        judged: Judged,
        driver: &dyn BlobStore,
        make_row: MakeRow,
    ) -> Result<Completion> {
        let _one = self.finishing.lock().await;
        if let Some(handle) = self.lock().await.completed()? {
            return Ok(Completion::Before(handle));
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
        judged.check(sniffed.as_ref())?;
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
        if self.is_broken() {
            return Err(UploadError::Superseded);
        }
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

/// Clients send ETags with quotes, without, and weak ones.
fn bare(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches(|mark: char| !mark.is_ascii_alphanumeric())
}
