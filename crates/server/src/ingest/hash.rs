//! Digests of content while it streams by. Large content is hashed on blocking threads, beside receiving and writing.

use std::collections::BTreeMap;

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::http::ApiError;

/// Bytes that are hashed at a time. While one batch is hashed the next one gathers, so twice this bounds the memory.
const BATCH: usize = 1024 * 1024;

/// What was computed while storing.
#[derive(Clone, Debug)]
pub struct Digests {
    /// Always.
    pub sha256: [u8; 32],
    /// When the client sent one to compare with.
    pub md5: Option<[u8; 16]>,
}

impl Digests {
    /// The digests besides SHA-256, by name, as kept in the catalogue.
    pub fn others(&self) -> BTreeMap<String, String> {
        self.md5.iter().map(|md5| ("md5".to_owned(), hex::encode(md5))).collect()
    }
}

/// Running digests.
#[derive(Default)]
struct HashState {
    sha256: Sha256,
    md5: Option<Md5>,
}

impl HashState {
    fn update(&mut self, chunk: &[u8]) {
        self.sha256.update(chunk);
        if let Some(md5) = &mut self.md5 {
            md5.update(chunk);
        }
    }
}

/// Computes the digests of one content.
///
/// A thread is held only while it computes: slow uploads must not use up the threads that files are read and written on.
pub struct ContentHasher {
    state: HashState,
    running: Option<JoinHandle<HashState>>,
    batch: Vec<Bytes>,
    batched: usize,
}

impl ContentHasher {
    /// SHA-256, and MD5 if it is asked for.
    pub fn new(with_md5: bool) -> Self {
        let state = HashState { md5: with_md5.then(Md5::new), ..HashState::default() };
        Self { state, running: None, batch: Vec::new(), batched: 0 }
    }

    /// Adds a chunk; waits when the hashing is behind.
    pub async fn update(&mut self, chunk: Bytes) -> Result<(), ApiError> {
        self.batched += chunk.len();
        self.batch.push(chunk);
        if self.batched >= BATCH {
            self.settle().await?;
            let mut state = std::mem::take(&mut self.state);
            let batch = std::mem::take(&mut self.batch);
            self.batched = 0;
            self.running = Some(tokio::task::spawn_blocking(move || {
                batch.iter().for_each(|chunk| state.update(chunk));
                state
            }));
        }
        Ok(())
    }

    /// The digests of everything added.
    pub async fn finish(mut self) -> Result<Digests, ApiError> {
        self.settle().await?;
        // Less than a batch: a fraction of a millisecond.
        for chunk in &self.batch {
            self.state.update(chunk);
        }
        let HashState { sha256, md5 } = self.state;
        Ok(Digests { sha256: sha256.finalize().into(), md5: md5.map(|md5| md5.finalize().into()) })
    }

    async fn settle(&mut self) -> Result<(), ApiError> {
        if let Some(running) = self.running.take() {
            self.state = running.await.map_err(ApiError::internal)?;
        }
        Ok(())
    }
}
