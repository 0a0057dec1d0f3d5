//! Checksums that clients send along with a piece of an upload.

use bytes::Bytes;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::lanes::Md5;

/// What a body must hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    expected: Vec<u8>,
}

/// Algorithms that clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 (IEEE), big-endian.
    Crc32,
    /// MD5.
    Md5,
    /// SHA-1: the one that tus demands.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Name in headers and number of bytes.
    pub const ALL: [(Self, &'static str, usize); 4] =
        [(Self::Sha1, "sha1", 20), (Self::Md5, "md5", 16), (Self::Sha256, "sha256", 32), (Self::Crc32, "crc32", 4)];
}

impl Checksum {
    /// A checksum of `algorithm`; `None` if the algorithm is unknown or the digest has another length than it gives.
    pub fn new(algorithm: &str, expected: Vec<u8>) -> Option<Self> {
        let (algorithm, _, length) =
            Algorithm::ALL.into_iter().find(|(_, name, _)| name.eq_ignore_ascii_case(algorithm))?;
        (expected.len() == length).then_some(Self { algorithm, expected })
    }

    /// Of an MD5.
    pub fn md5(expected: [u8; 16]) -> Self {
        Self { algorithm: Algorithm::Md5, expected: expected.to_vec() }
    }

    /// Starts computing.
    pub(crate) fn hasher(&self) -> Hasher {
        match self.algorithm {
            Algorithm::Crc32 => Hasher::Crc32(crc32fast::Hasher::new()),
            Algorithm::Md5 => Hasher::Md5(Md5::new()),
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
        }
    }

    /// Whether a finished digest is the expected one.
    pub(crate) fn fits(&self, digest: &[u8]) -> bool {
        self.expected == digest
    }
}

/// A digest being computed.
pub(crate) enum Hasher {
    /// None is asked for.
    None,
    Crc32(crc32fast::Hasher),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Takes pieces in, MD5 side by side with other parts that arrive. Blocking.
    pub(crate) fn update_all(mut self, pieces: Vec<Bytes>) -> Self {
        if let Self::Md5(hasher) = self {
            return Self::Md5(hasher.update_side_by_side(pieces));
        }
        pieces.iter().for_each(|piece| self.update(piece));
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Self::Md5(hasher) => hasher.finish().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_gives_its_digest_of_hello_world() {
        for (name, hex_digest) in [
            ("crc32", "0d4a1185"),
            ("MD5", "5eb63bbbe01eeed093cb22bb8f5acdc3"),
            ("sha1", "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"),
            ("sha256", "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"),
        ] {
            let checksum = Checksum::new(name, hex::decode(hex_digest).expect("hex")).expect("known");
            let mut hasher = checksum.hasher();
            hasher.update(b"hello ");
            hasher.update(b"world");
            assert!(checksum.fits(&hasher.finish()), "{name}");
        }
        assert_eq!(Checksum::new("sha1", vec![0; 19]), None);
        assert_eq!(Checksum::new("sha512", vec![0; 64]), None);
    }
}
