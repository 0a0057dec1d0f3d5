//! Dropbox's content hash: the SHA-256 of the SHA-256 of each block of 4 MiB.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::StoreError;

const BLOCK: usize = 4 << 20;

/// Takes pieces that are multiples of a block, but for the last one.
#[derive(Clone, Default)]
pub(super) struct ContentHash(Sha256);

impl ContentHash {
    fn update(&mut self, piece: &[u8]) {
        piece.chunks(BLOCK).for_each(|block| self.0.update(Sha256::digest(block)));
    }

    pub(super) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }

    /// The hash with another piece, and the piece's own. Hashing megabytes would hold up the other tasks of the thread.
    pub(super) async fn with(mut self, piece: Bytes) -> Result<(Self, String), StoreError> {
        let hashing = tokio::task::spawn_blocking(move || {
            let mut alone = Self::default();
            alone.update(&piece);
            self.update(&piece);
            (self, alone.finish())
        });
        hashing.await.map_err(|error| StoreError::Other(format!("hashing: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_of_whole_blocks_make_the_hash_of_the_whole() {
        let bytes = Bytes::from(vec![7; 2 * BLOCK + 100]);
        let (whole, _) = ContentHash::default().with(bytes.clone()).await.expect("hashed");
        let (begun, first) = ContentHash::default().with(bytes.slice(..BLOCK)).await.expect("hashed");
        let (pieces, _) = begun.with(bytes.slice(BLOCK..)).await.expect("hashed");
        assert_eq!(whole.finish(), pieces.finish());
        let block = hex::encode(Sha256::digest(Sha256::digest(&bytes[..BLOCK])));
        assert_eq!(first, block);
    }

    #[test]
    fn an_empty_file_has_the_hash_of_nothing() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ContentHash::default().finish(), expected);
    }
}
