//! Digests of content while it streams by. Large files are hashed on a thread of their own, beside the writing.

use std::collections::BTreeMap;

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::http::ApiError;

/// Chunks that may wait for the hashing thread; with chunks of at most some 256 KiB this bounds the memory.
const QUEUE: usize = 4;

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
pub struct HashState {
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

    fn finish(self) -> Digests {
        Digests { sha256: self.sha256.finalize().into(), md5: self.md5.map(|md5| md5.finalize().into()) }
    }
}

/// Computes the digests of one content.
pub enum ContentHasher {
    /// In the calling task: content that has already arrived whole.
    Inline(Box<HashState>),
    /// On a blocking thread.
    Thread {
        /// To the thread.
        chunks: mpsc::Sender<Bytes>,
        /// The thread's answer.
        result: JoinHandle<Digests>,
    },
}

impl ContentHasher {
    /// `inline` for small content.
    pub fn new(inline: bool, with_md5: bool) -> Self {
        let mut state = HashState { sha256: Sha256::new(), md5: with_md5.then(Md5::new) };
        if inline {
            return Self::Inline(Box::new(state));
        }
        let (chunks, mut queue) = mpsc::channel::<Bytes>(QUEUE);
        let result = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = queue.blocking_recv() {
                state.update(&chunk);
            }
            state.finish()
        });
        Self::Thread { chunks, result }
    }

    /// Adds a chunk; waits when the hashing is behind.
    pub async fn update(&mut self, chunk: Bytes) -> Result<(), ApiError> {
        match self {
            Self::Inline(state) => {
                state.update(&chunk);
                Ok(())
            }
            Self::Thread { chunks, .. } => chunks.send(chunk).await.map_err(ApiError::internal),
        }
    }

    /// The digests of everything added.
    pub async fn finish(self) -> Result<Digests, ApiError> {
        match self {
            Self::Inline(state) => Ok(state.finish()),
            Self::Thread { chunks, result } => {
                drop(chunks);
                result.await.map_err(ApiError::internal)
            }
        }
    }
}
