//! Numbered parts, whole or in chunks (spec 03 §§4–6).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use stowage_store::BlobStore;
use tokio_util::sync::CancellationToken;

use super::{Change, Content, MOST_PARTS, REGULAR_PART, Session, State, sniff};
use crate::{
    checksum::Checksum,
    error::{Result, UploadError},
    layout::{Part, Reserved},
    staging::StagedWriter,
};

/// A part or a chunk of one, on its way in.
pub struct PartBody {
    /// Number of the part, from 1 on.
    pub number: u32,
    /// Announced bytes.
    pub size: u64,
    /// Announced MD5.
    pub md5: Option<[u8; 16]>,
    /// The bytes.
    pub content: Content,
}

impl Session {
    /// Stores a whole part, replacing one of the same number; returns its MD5 in hex. Durable when it returns.
    pub async fn put_part(self: &Arc<Self>, part: PartBody, driver: Arc<dyn BlobStore>) -> Result<String> {
        check_number(part.number)?;
        let session = self.clone();
        spawned(async move { session.receive_part(part, driver).await }).await
    }

    async fn receive_part(&self, part: PartBody, driver: Arc<dyn BlobStore>) -> Result<String> {
        let (_permit, stop) = self.enter(&*driver).await?;
        let (number, size) = (part.number, part.size);
        {
            let mut state = self.lock().await;
            self.check_room(&state, number, size)?;
            let regular = regular_size(&part, state.size);
            state.layout.set_slot(regular);
        }
        if self.goes_to_provider(number, size, &*driver).await {
            return self.send_part(part, &*driver, &stop).await;
        }
        let staged = self.stage(part, 0, &stop).await?;
        let mut state = self.lock().await;
        if let Err(error) = self.check_room(&state, number, size) {
            drop(state);
            self.release(&staged.place).await;
            return Err(error);
        }
        let sniffed = note_head(&mut state, number, 0, &staged.head);
        let freed = state.layout.put_whole(number, &staged.place, staged.md5.clone());
        self.record(&mut state, Change { parts: vec![number], sniffed, freed, ..Change::default() }).await?;
        Ok(staged.md5)
    }

    /// Stores a chunk of a part, from its byte `start` on; later bytes win over earlier ones. Durable when it returns.
    pub async fn put_chunk(
        self: &Arc<Self>,
        chunk: PartBody,
        start: u64,
        driver: Arc<dyn BlobStore>,
    ) -> Result<String> {
        check_number(chunk.number)?;
        let session = self.clone();
        spawned(async move { session.receive_chunk(chunk, start, driver).await }).await
    }

    async fn receive_chunk(&self, chunk: PartBody, start: u64, driver: Arc<dyn BlobStore>) -> Result<String> {
        let (_permit, stop) = self.enter(&*driver).await?;
        let (number, size) = (chunk.number, chunk.size);
        if start.checked_add(size).is_none_or(|end| end > self.plan.maximum) {
            return Err(UploadError::PartTooLarge { limit: self.plan.maximum });
        }
        {
            let mut state = self.lock().await;
            self.check_chunk(&state, number, start + size)?;
            state.layout.set_slot(REGULAR_PART);
        }
        let staged = self.stage(chunk, start, &stop).await?;
        let mut state = self.lock().await;
        if let Err(error) = self.check_chunk(&state, number, start + size) {
            drop(state);
            self.release(&staged.place).await;
            return Err(error);
        }
        let sniffed = note_head(&mut state, number, start, &staged.head);
        let freed = state.layout.put_piece(number, start, size, staged.place.place);
        self.record(&mut state, Change { parts: vec![number], sniffed, freed, ..Change::default() }).await?;
        Ok(staged.md5)
    }

    /// Writes a body to a place of its own in the staging file; durable and verified when it returns, but not acknowledged.
    async fn stage(&self, body: PartBody, start: u64, stop: &CancellationToken) -> Result<Staged> {
        let mut state = self.lock().await;
        let file = self.file(&mut state).await?;
        let place = state.layout.reserve(body.number, start, body.size);
        drop(state);
        // The MD5 is the part's ETag, so it is computed even if none was announced.
        let checksum = Checksum::md5(body.md5.unwrap_or_default());
        let mut writer = StagedWriter::new(file, place.place, checksum.hasher());
        let written = match receive(&mut writer, body.content, body.size, stop).await {
            Ok(head) => writer.finish().await.map(|digest| (head, digest)).map_err(UploadError::from),
            Err(error) => {
                writer.abandon().await;
                Err(error)
            }
        };
        let verified = written.and_then(|(head, digest)| match body.md5 {
            Some(_) if !checksum.fits(&digest) => Err(UploadError::Checksum),
            _ => Ok((head, digest)),
        });
        match verified {
            Ok((head, digest)) => Ok(Staged { place, head, md5: hex::encode(digest) }),
            Err(error) => {
                self.release(&place).await;
                Err(error)
            }
        }
    }

    /// Checks that a chunked part has no hole, and hands it to the provider where that keeps parts. Harmless when repeated.
    pub async fn commit_part(self: &Arc<Self>, number: u32, driver: Arc<dyn BlobStore>) -> Result<()> {
        check_number(number)?;
        {
            let state = self.lock().await;
            if state.completed()?.is_some() {
                return Ok(());
            }
            if !state.layout.part(number).is_some_and(|part| part.is_whole() && part.end() > 0) {
                return Err(UploadError::PartIncomplete(number));
            }
        }
        let session = self.clone();
        spawned(async move {
            let (_permit, _) = session.enter(&*driver).await?;
            session.ship_if_possible(number, &*driver).await
        })
        .await
    }

    /// Whether a part may have `bytes`, beside the other parts.
    fn check_room(&self, state: &State, number: u32, bytes: u64) -> Result<()> {
        state.check_open()?;
        let limit = state.size.unwrap_or(u64::MAX).min(self.plan.maximum);
        if state.layout.total_with(number, bytes) > limit { Err(UploadError::TooLarge { limit }) } else { Ok(()) }
    }

    /// Whether a part takes a chunk that ends at `end`.
    pub(super) fn check_chunk(&self, state: &State, number: u32, end: u64) -> Result<()> {
        let part = state.layout.part(number);
        self.check_room(state, number, end.max(part.map_or(0, Part::end)))?;
        match part {
            Some(Part::AtProvider { .. }) => Err(UploadError::Committed(number)),
            _ if !state.layout.has_room_for_a_piece(number) => Err(UploadError::Scattered(number)),
            _ => Ok(()),
        }
    }
}

/// Bytes in the staging file that no layout knows yet.
struct Staged {
    place: Reserved,
    head: Vec<u8>,
    md5: String,
}

/// The first bytes tell the type; they are looked at when they come, because parts at a provider cannot be read.
pub(super) fn note_head(state: &mut State, number: u32, start: u64, head: &[u8]) -> bool {
    let is_first = number == 1 && start == 0;
    if is_first {
        state.sniffed = Some(sniff(head));
    }
    is_first
}

/// Clients use parts of whole mebibytes; what is not one is the last part (or a short read of Java's, for which correctness, not
/// speed, is what counts).
pub(super) fn is_regular(size: u64) -> bool {
    size > 0 && size.is_multiple_of(1 << 20)
}

/// Without a length nobody knows whether this is the last part, which says nothing about the others.
fn regular_size(part: &PartBody, total: Option<u64>) -> u64 {
    if part.number == 1 || is_regular(part.size) {
        return part.size;
    }
    let Some(total) = total else { return part.size.max(REGULAR_PART) };
    let before = total.saturating_sub(part.size) / u64::from(part.number - 1);
    before.max(part.size)
}

fn check_number(number: u32) -> Result<()> {
    if (1..=MOST_PARTS).contains(&number) { Ok(()) } else { Err(UploadError::PartNumber { most: MOST_PARTS }) }
}

/// Runs work to its end even if the request that asked for it is gone.
pub(crate) async fn spawned<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}

/// Writes exactly `size` bytes; returns the first of them for sniffing.
async fn receive(
    writer: &mut StagedWriter,
    mut content: Content,
    size: u64,
    stop: &CancellationToken,
) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while let Some(chunk) = writer.next(next(&mut content, stop)).await? {
        let received = writer.accepted() + chunk.len() as u64;
        if received > size {
            return Err(UploadError::Length { expected: size, received });
        }
        add_to_head(&mut head, &chunk);
        writer.write(chunk).await?;
    }
    if writer.accepted() < size {
        return Err(UploadError::Length { expected: size, received: writer.accepted() });
    }
    Ok(head)
}

pub(super) fn add_to_head(head: &mut Vec<u8>, chunk: &Bytes) {
    let room = stowage_media::SNIFF_BYTES.saturating_sub(head.len());
    head.extend_from_slice(&chunk[..chunk.len().min(room)]);
}

/// The next bytes, unless the writer is told to stop first.
pub(super) async fn next(content: &mut Content, stop: &CancellationToken) -> Result<Option<Bytes>> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(UploadError::Superseded),
        chunk = content.next() => chunk.transpose().map_err(UploadError::Content),
    }
}
