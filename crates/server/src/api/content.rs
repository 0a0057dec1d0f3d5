//! What an answer can carry: the content of a stored file, or of an object behind an alias.

use std::{ops::Range, sync::Arc, time::SystemTime};

use http::HeaderMap;
use stowage_store::Blob;

use super::read::blob_of;
use crate::{
    http::{ApiError, headers},
    ingest::alias::AliasedObject,
    state::{KnownFile, Server},
};

/// Content with the facts that its answers tell.
#[derive(Clone)]
pub enum Content {
    /// Of a stored file.
    File(Arc<KnownFile>),
    /// Of an object that never passed through Stowage.
    Object(Arc<AliasedObject>),
}

impl Content {
    /// Headers of every answer that carries it.
    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::File(file) => &file.headers,
            Self::Object(object) => &object.headers,
        }
    }

    /// What a download of it is called.
    pub fn filename(&self) -> &str {
        match self {
            Self::File(file) => &file.row.filename,
            Self::Object(object) => &object.filename,
        }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.row.size,
            Self::Object(object) => object.stat.size,
        }
    }

    /// When it last changed, whole seconds; unknown for objects of providers that do not tell it.
    pub fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::File(file) => Some(headers::modified(&file.row)),
            Self::Object(object) => object.modified,
        }
    }

    /// Opens a half-open range of it.
    pub async fn open(&self, server: &Server, range: Range<u64>) -> Result<Blob, ApiError> {
        match self {
            Self::File(file) => blob_of(server, &file.row, range).await,
            Self::Object(object) => object.open(range).await,
        }
    }
}
