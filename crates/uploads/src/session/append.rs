//! Bytes that go on where the upload ends (tus, the IETF draft). They are cut into regular parts, so that every protocol sees the
//! same upload.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use stowage_store::BlobStore;
use tokio_util::sync::CancellationToken;

use super::{
    Change, Content, MOST_PARTS, REGULAR_PART, Session,
    parts::{add_to_head, next, note_head, spawned},
};
use crate::{
    checksum::{Checksum, Hasher},
    error::{Result, UploadError},
    layout::Reserved,
    staging::StagedWriter,
};

/// A request to append.
pub struct Append {
    /// Where the sender believes that the upload goes on.
    pub offset: u64,
    /// Announced bytes of this body.
    pub length: Option<u64>,
    /// What the body must hash to; nothing of it counts otherwise.
    pub checksum: Option<Checksum>,
    /// The bytes.
    pub content: Content,
}

/// The newest request that appends.
#[derive(Default)]
pub(super) struct Newest {
    stop: CancellationToken,
    /// Where it goes on; `None` if it only stops the older ones.
    offset: Option<u64>,
}

/// Bytes in the staging file that no layout knows yet.
struct Piece {
    number: u32,
    start: u64,
    place: Reserved,
    length: u64,
    head: Vec<u8>,
}

impl Session {
    /// Appends a body; returns where the upload goes on then. What came before an error is kept (unless a checksum was announced), so
    /// the sender asks where to go on. A request that appends stops an older one that still does.
    pub async fn append(self: &Arc<Self>, append: Append, driver: Arc<dyn BlobStore>) -> Result<u64> {
        let session = self.clone();
        spawned(async move { session.receive_appended(append, driver).await }).await
    }

    async fn receive_appended(&self, append: Append, driver: Arc<dyn BlobStore>) -> Result<u64> {
        let stop = self.take_over_appending(Some(append.offset));
        let _one = self.appending.lock().await;
        let (_permit, stop_all) = self.enter(&*driver).await?;
        let stopped = tokio::spawn({
            let stop = stop.clone();
            async move {
                stop_all.cancelled().await;
                stop.cancel();
            }
        });
        let outcome = self.append_until(append, &stop, driver).await;
        stopped.abort();
        outcome
    }

    /// Stops whoever appends and waits until what came of it counts: an offset that is read now holds until the next request.
    pub async fn stop_appending(&self) {
        self.take_over_appending(None);
        drop(self.appending.lock().await);
    }

    fn take_over_appending(&self, offset: Option<u64>) -> CancellationToken {
        let stop = CancellationToken::new();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let older = std::mem::replace(&mut *newest, Newest { stop: stop.clone(), offset });
        older.stop.cancel();
        stop
    }

    /// Whether a newer request sends the bytes from here on: they were never acknowledged, so this one's are not kept, or the newer
    /// one would be refused for an offset that was right when it was told.
    fn is_sent_again(&self, position: u64) -> bool {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).offset == Some(position)
    }

    async fn append_until(&self, append: Append, stop: &CancellationToken, driver: Arc<dyn BlobStore>) -> Result<u64> {
        let Append { offset, length, checksum, content } = append;
        let limit = self.begin_appending(offset, length).await?;
        let hasher = checksum.as_ref().map_or(Hasher::None, Checksum::hasher);
        let mut body = Body { content, rest: None, hasher, stop };
        let mut held = Vec::new();
        let mut position = offset;
        let failed = loop {
            let (number, start, prefix) = self.place_at(position, &held).await;
            if prefix < position {
                // What came last is another part's place by now.
                break Some(UploadError::Offset { expected: prefix });
            }
            if number > MOST_PARTS {
                break Some(UploadError::TooLarge { limit: position });
            }
            if prefix > position {
                // Parts from here on came by another protocol: what is there stays.
                match body.skip(prefix - position).await {
                    Ok(skipped) => position += skipped,
                    Err(error) => break Some(error),
                }
                if position < prefix {
                    break None;
                }
            }
            let (piece, end) = match self.write_piece(number, start, limit.saturating_sub(position), &mut body).await {
                Ok(written) => written,
                Err(error) => break Some(error),
            };
            let superseded = matches!(end, End::Failed(UploadError::Superseded));
            if superseded && checksum.is_none() && self.is_sent_again(position) {
                self.release(&piece.place).await;
                return Err(UploadError::Superseded);
            }
            position += piece.length;
            if checksum.is_some() {
                held.push(piece);
            } else {
                self.accept(piece, &*driver).await?;
            }
            match end {
                End::OfPart => {}
                End::OfContent => break None,
                End::TooLong => break Some(UploadError::TooLarge { limit }),
                End::Failed(error) => break Some(error),
            }
        };
        let announced = length.is_none_or(|length| position == offset + length);
        let failed = failed
            .or((!announced)
                .then(|| UploadError::Length { expected: length.unwrap_or(0), received: position - offset }));
        if let Some(checksum) = checksum {
            let wrong = failed.or((!checksum.fits(&body.hasher.finish())).then_some(UploadError::Checksum));
            return self.settle(held, wrong, position, &*driver).await;
        }
        failed.map_or(Ok(position), Err)
    }

    /// Checks where the body begins; returns the most bytes that the upload may have.
    async fn begin_appending(&self, offset: u64, length: Option<u64>) -> Result<u64> {
        let mut state = self.lock().await;
        state.check_open()?;
        let expected = state.layout.prefix();
        if offset != expected {
            return Err(UploadError::Offset { expected });
        }
        let limit = state.size.unwrap_or(u64::MAX).min(self.plan.maximum);
        if offset.checked_add(length.unwrap_or(0)).is_none_or(|end| end > limit) {
            return Err(UploadError::TooLarge { limit });
        }
        let regular = state.size.unwrap_or(0).div_ceil(u64::from(MOST_PARTS)).next_multiple_of(1 << 20);
        if state.layout.set_slot(regular.max(REGULAR_PART)) {
            self.record(&mut state, Change::default()).await?;
        }
        Ok(limit)
    }

    /// Part, first byte inside it and first byte of all for the bytes that come next: `position`, or behind parts that are there already.
    /// Bytes that are held back until their checksum is known have no part in the layout yet.
    async fn place_at(&self, position: u64, held: &[Piece]) -> (u32, u64, u64) {
        let state = self.lock().await;
        let (number, start, prefix) = match held.last() {
            Some(last) => (last.number, last.start + last.length, position),
            None => state.layout.position(),
        };
        let slot = state.layout.slot().unwrap_or(REGULAR_PART);
        if start >= slot { (number + 1, 0, prefix) } else { (number, start, prefix) }
    }

    /// Writes what comes until the part is full; the upload may have `room` bytes more.
    async fn write_piece(&self, number: u32, start: u64, room: u64, body: &mut Body<'_>) -> Result<(Piece, End)> {
        let mut state = self.lock().await;
        let slot = state.layout.slot().unwrap_or(REGULAR_PART);
        let file = self.file(&mut state).await?;
        let place = state.layout.reserve(number, start, slot - start);
        drop(state);
        let mut writer = StagedWriter::new(file, place.place, Hasher::None);
        let mut head = Vec::new();
        let end = loop {
            let left = place.length - writer.accepted();
            if left == 0 {
                break End::OfPart;
            }
            let mut chunk = match writer.next(body.next()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break End::OfContent,
                Err(error) => break End::Failed(error),
            };
            if writer.accepted() + chunk.len() as u64 > room {
                break End::TooLong;
            }
            if chunk.len() as u64 > left {
                body.rest = Some(chunk.split_off(left as usize));
            }
            body.hasher.update(&chunk);
            if number == 1 && start == 0 {
                add_to_head(&mut head, &chunk);
            }
            if let Err(error) = writer.write(chunk).await {
                self.release(&place).await;
                return Err(error.into());
            }
        };
        let length = writer.accepted();
        if let Err(error) = writer.finish().await {
            self.release(&place).await;
            // After a failure to write, the first one says why.
            return Err(if let End::Failed(first) = end { first } else { error.into() });
        }
        Ok((Piece { number, start, place, length, head }, end))
    }

    /// Takes a piece in.
    async fn accept(&self, piece: Piece, driver: &dyn BlobStore) -> Result<()> {
        let Piece { number, start, place, length, head } = piece;
        if length == 0 {
            self.release(&place).await;
            return Ok(());
        }
        let mut state = self.lock().await;
        // Since this body began somebody may have settled the length, or put the whole part.
        let refused = self.check_chunk(&state, number, start + length);
        if let Err(error) = refused {
            drop(state);
            self.release(&place).await;
            return if matches!(error, UploadError::Committed(_)) { Ok(()) } else { Err(error) };
        }
        let sniffed = note_head(&mut state, number, start, &head);
        let freed = state.layout.put_piece(number, start, length, place.place);
        let is_full = start + length == state.layout.slot().unwrap_or(REGULAR_PART);
        self.record(&mut state, Change { parts: vec![number], sniffed, freed, ..Change::default() }).await?;
        drop(state);
        if is_full { self.ship_if_possible(number, driver).await } else { Ok(()) }
    }

    /// Takes all pieces in, or none.
    async fn settle(
        &self,
        pieces: Vec<Piece>,
        wrong: Option<UploadError>,
        position: u64,
        driver: &dyn BlobStore,
    ) -> Result<u64> {
        if let Some(error) = wrong {
            for piece in &pieces {
                self.release(&piece.place).await;
            }
            return Err(error);
        }
        for piece in pieces {
            self.accept(piece, driver).await?;
        }
        Ok(position)
    }
}

/// The body on its way in.
struct Body<'a> {
    content: Content,
    /// What is left of a chunk that reached beyond a part.
    rest: Option<Bytes>,
    hasher: Hasher,
    stop: &'a CancellationToken,
}

impl Body<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.rest.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => next(&mut self.content, self.stop).await,
        }
    }

    /// Reads on without keeping anything; returns how many bytes of `most` came.
    async fn skip(&mut self, most: u64) -> Result<u64> {
        let mut skipped = 0;
        while skipped < most {
            let Some(mut chunk) = self.next().await? else { break };
            if chunk.len() as u64 > most - skipped {
                self.rest = Some(chunk.split_off((most - skipped) as usize));
            }
            self.hasher.update(&chunk);
            skipped += chunk.len() as u64;
        }
        Ok(skipped)
    }
}

/// Why a piece ends.
enum End {
    /// The part is full.
    OfPart,
    /// The body is over.
    OfContent,
    /// The body goes on for too long; what came before counts.
    TooLong,
    /// The body broke off; what came before counts.
    Failed(UploadError),
}
