//! What the first bytes of an upload look like.

use std::sync::Arc;

use futures_util::StreamExt;
use stowage_core::media_type::MediaType;
use stowage_media::SNIFF_BYTES;

use super::{Session, parts::add_to_head};
use crate::{
    error::{Result, UploadError},
    layout::Part,
};

impl Session {
    /// What the first bytes look like, if anything. Where they are staged they are looked at again: the piece that came first may
    /// have been too small to tell.
    pub async fn sniffed(&self) -> Option<MediaType> {
        match self.head().await {
            Ok(Some(head)) => stowage_media::sniff(&head),
            _ => MediaType::parse(self.lock().await.sniffed.as_deref()?).ok(),
        }
    }

    /// What partial uploads look like when they are put together.
    pub async fn sniffed_together(sources: &[Arc<Self>]) -> Result<Option<MediaType>> {
        let mut together = Vec::new();
        for source in sources {
            if together.len() < SNIFF_BYTES {
                together.extend(source.head().await?.unwrap_or_default());
            }
        }
        Ok(stowage_media::sniff(&together))
    }

    /// Refuses an upload whose first bytes nobody has seen: some parts are at a provider, which are looked at while they come, and the
    /// first one is missing or too small to tell the type.
    pub async fn check_sniffed(&self) -> Result<()> {
        let state = self.lock().await;
        let all_staged = state.layout.parts().all(|(_, part)| part.receipt().is_none());
        let smallest = state.layout.total().min(SNIFF_BYTES as u64);
        if all_staged || state.layout.part(1).is_some_and(|part| part.end() >= smallest) {
            return Ok(());
        }
        Err(UploadError::PartTooSmall { number: 1, smallest })
    }

    /// The first bytes, if they are staged.
    pub(crate) async fn head(&self) -> Result<Option<Vec<u8>>> {
        let mut state = self.lock().await;
        let all_staged = state.layout.parts().all(|(_, part)| part.receipt().is_none());
        let is_staged = all_staged || matches!(state.layout.part(1), Some(Part::Staged { .. }));
        if state.ended.is_some() || !is_staged || state.layout.total() == 0 {
            return Ok(None);
        }
        let pieces = state.layout.pieces((!all_staged).then_some(1));
        let file = self.file(&mut state).await?;
        drop(state);
        let mut content = file.stream(pieces).boxed();
        let mut head = Vec::new();
        while head.len() < SNIFF_BYTES
            && let Some(chunk) = content.next().await
        {
            add_to_head(&mut head, &chunk?);
        }
        Ok(Some(head))
    }
}
