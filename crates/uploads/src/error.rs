//! What can go wrong with an upload, without a word of HTTP.

use std::{error::Error, io};

use stowage_catalogue::CatalogueError;
use stowage_store::StoreError;

/// Why something could not be done to an upload. Unless it says otherwise the upload goes on as it was before.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No such upload, or it has expired or was aborted.
    #[error("the upload is unknown, or it has expired")]
    NotFound,
    /// It is complete: nothing can be added.
    #[error("the upload is complete")]
    Complete,
    /// The writer was stopped because the upload was completed or aborted, or another writer goes on in its place.
    #[error("the upload was taken over, completed or aborted meanwhile")]
    Superseded,
    /// A part number that is not from 1 to the most.
    #[error("a part number is from 1 to {most}")]
    PartNumber {
        /// Largest number.
        most: u32,
    },
    /// A chunk reaches beyond what a part may hold.
    #[error("the bytes reach beyond the {limit} bytes that a part may have")]
    PartTooLarge {
        /// Bytes.
        limit: u64,
    },
    /// A part in more pieces than can be kept.
    #[error("part {0} came in too many pieces that do not meet; send larger ones, in order")]
    Scattered(u32),
    /// A chunk for a part that was committed.
    #[error("part {0} is committed already")]
    Committed(u32),
    /// Appending anywhere but at the end.
    #[error("the upload goes on at byte {expected}")]
    Offset {
        /// Where it goes on.
        expected: u64,
    },
    /// The body has another length than announced.
    #[error("{expected} bytes were announced, {received} came")]
    Length {
        /// Announced.
        expected: u64,
        /// Counted.
        received: u64,
    },
    /// More bytes than announced for the whole upload, or than allowed.
    #[error("the upload may have {limit} bytes at most")]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// Fewer bytes than allowed.
    #[error("the file must have {limit} bytes at least")]
    TooSmall {
        /// Bytes.
        limit: u64,
    },
    /// A second, different length for the whole upload, or one below what has arrived.
    #[error("the upload's length is settled already, or smaller than what has arrived")]
    LengthSettled,
    /// The content has another checksum than announced.
    #[error("the content does not have the announced checksum")]
    Checksum,
    /// A part has holes or does not exist.
    #[error("part {0} incomplete")]
    PartIncomplete(u32),
    /// The list of parts does not fit what has arrived.
    #[error("part {number} {reason}")]
    PartList {
        /// The part.
        number: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// The parts do not add up.
    #[error("{received} bytes have arrived, {expected} were announced")]
    Incomplete {
        /// Announced.
        expected: u64,
        /// Arrived.
        received: u64,
    },
    /// Nobody said how long the file is.
    #[error("the length of the upload is not known yet")]
    LengthUnknown,
    /// The storage joins no such small parts, and larger ones beside it are there already.
    #[error("part {number} is smaller than the {smallest} bytes that this storage demands of all parts but the last")]
    PartTooSmall {
        /// The part.
        number: u32,
        /// Bytes.
        smallest: u64,
    },
    /// Reading the request failed; what is behind it is the caller's type.
    #[error("the content ended early: {0}")]
    Content(Box<dyn Error + Send + Sync>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        Self::Store(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::Other(format!("staging an upload: {error}")),
        })
    }
}

pub(crate) type Result<T, E = UploadError> = std::result::Result<T, E>;
