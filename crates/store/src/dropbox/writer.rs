//! Writing a file to Dropbox: one upload up to a chunk's size, an upload session beyond.
//!
//! A session that is never finished is invisible and ends by itself: nothing has to be removed.

use std::{mem, sync::Arc};

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::{
    Shared,
    api::{Entry, File},
    content_hash::ContentHash,
    object_id,
};
use crate::{BlobWriter, ObjectId, ObjectKey, StoreError};

/// A multiple of 4 MiB, as sessions ask, and of the content hash's block.
const CHUNK: usize = 8 << 20;

pub(super) struct DropboxWriter {
    shared: Arc<Shared>,
    path: String,
    id: ObjectId,
    gathered: BytesMut,
    session: Option<Session>,
    hash: ContentHash,
    /// After an error the bytes are no longer those of the object.
    failed: bool,
}

struct Session {
    id: String,
    offset: u64,
}

#[derive(serde::Deserialize)]
struct Started {
    session_id: String,
}

impl DropboxWriter {
    pub(super) fn new(shared: Arc<Shared>, key: &ObjectKey) -> Self {
        Self {
            path: shared.path(key.container().as_str(), key.key()),
            shared,
            id: object_id(key),
            gathered: BytesMut::new(),
            session: None,
            hash: ContentHash::default(),
            failed: false,
        }
    }

    async fn gather(&mut self, mut chunk: Bytes) -> Result<(), StoreError> {
        while !chunk.is_empty() {
            let room = CHUNK - self.gathered.len();
            if room == 0 {
                self.send_chunk().await?;
                continue;
            }
            self.gathered.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
        }
        Ok(())
    }

    /// The gathered bytes and their own hash.
    async fn take_gathered(&mut self) -> Result<(Bytes, String), StoreError> {
        let bytes = mem::take(&mut self.gathered).freeze();
        let (hash, own) = mem::take(&mut self.hash).with(bytes.clone()).await?;
        self.hash = hash;
        Ok((bytes, own))
    }

    async fn send_chunk(&mut self) -> Result<(), StoreError> {
        let (bytes, hash) = self.take_gathered().await?;
        let length = bytes.len() as u64;
        let api = &self.shared.api;
        match &mut self.session {
            None => {
                let argument = json!({"close": false, "content_hash": hash});
                let started: Started = api.upload("files/upload_session/start", &argument, bytes).await?;
                self.session = Some(Session { id: started.session_id, offset: length });
            }
            Some(session) => {
                let argument = json!({"cursor": session.cursor(), "close": false, "content_hash": hash});
                let end = session.offset + length;
                match api.content("files/upload_session/append_v2", &argument, &[], bytes).await {
                    // The answer to an attempt was lost, and its repetition finds the chunk there.
                    Err(StoreError::Other(text)) if correct_offset(&text) == Some(end) => {}
                    result => drop(result?),
                }
                session.offset = end;
            }
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let (bytes, own) = self.take_gathered().await?;
        let expected = mem::take(&mut self.hash).finish();
        let commit = json!({"path": self.path, "mode": "overwrite", "autorename": false, "mute": true});
        let api = &self.shared.api;
        let sent: Result<File, _> = match &self.session {
            None => {
                let mut argument = commit;
                argument["content_hash"] = json!(own);
                api.upload("files/upload", &argument, bytes).await
            }
            Some(session) => {
                let argument = json!({"cursor": session.cursor(), "commit": commit, "content_hash": own});
                api.upload("files/upload_session/finish", &argument, bytes).await
            }
        };
        match sent {
            Ok(file) if file.content_hash.as_ref() == Some(&expected) => Ok(()),
            Ok(file) => {
                self.remove().await;
                let found = file.content_hash;
                Err(StoreError::Corrupt(format!("Dropbox has the content hash {found:?}, expected is {expected}")))
            }
            // The answer to the first attempt may have been lost, and a session ends only once.
            Err(StoreError::Other(_) | StoreError::Unavailable(_)) if self.is_there(&expected).await => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Nobody may find bytes that are not those that were sent.
    async fn remove(&self) {
        let removed = self.shared.api.call::<Value>("files/delete_v2", &json!({"path": self.path})).await;
        if let Err(error) = removed {
            tracing::warn!(object = self.id.as_str(), %error, "a damaged object is left at the provider");
        }
    }

    async fn is_there(&self, expected: &str) -> bool {
        let found = self.shared.api.call("files/get_metadata", &json!({"path": self.path})).await;
        matches!(found, Ok(Entry::File(file)) if file.content_hash.as_deref() == Some(expected))
    }
}

impl Session {
    fn cursor(&self) -> Value {
        json!({"session_id": self.id, "offset": self.offset})
    }
}

/// Where Dropbox says that the session is.
fn correct_offset(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("\"correct_offset\":")?;
    let digits = rest.trim_start();
    digits[..digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
}

#[async_trait::async_trait]
impl BlobWriter for DropboxWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Other("the object was given up after an error".to_owned()));
        }
        // Stays set if this future is dropped half-way.
        self.failed = true;
        self.gather(chunk).await?;
        self.failed = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectId, StoreError> {
        if self.failed {
            return Err(StoreError::Other("the object was given up after an error".to_owned()));
        }
        self.finish().await?;
        Ok(self.id)
    }

    async fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_a_session_is_read_from_the_error() {
        let text = r#"409 Conflict: {"error_summary": "incorrect_offset/", "error": {".tag": "incorrect_offset", "correct_offset": 8388608}}"#;
        assert_eq!(correct_offset(text), Some(8_388_608));
        assert_eq!(correct_offset("409 Conflict: {}"), None);
    }
}
