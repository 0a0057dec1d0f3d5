//! What an answer can carry: the content of a stored file, or of an object behind an alias.

use std::{ops::Range, sync::Arc, time::SystemTime};

use http::HeaderMap;
use stowage_store::Blob;

use super::read::blob_of;
use crate::{
    http::{ApiError, ResponseBody, headers},
    ingest::{Upload, alias::AliasedObject, remote},
    state::{KnownFile, Server},
    transform::ResultContent,
};

/// Content with the facts that its answers tell.
#[derive(Clone)]
pub enum Content {
    /// Of a stored file.
    File(Arc<KnownFile>),
    /// Of an object that never passed through Stowage.
    Object(Arc<AliasedObject>),
    /// Made of others, or fetched from elsewhere.
    Result(Arc<ResultContent>),
}

impl Content {
    /// Headers of every answer that carries it.
    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::File(file) => &file.headers,
            Self::Object(object) => &object.headers,
            Self::Result(result) => &result.headers,
        }
    }

    /// What a download of it is called.
    pub fn filename(&self) -> &str {
        match self {
            Self::File(file) => &file.row.filename,
            Self::Object(object) => &object.filename,
            Self::Result(result) => &result.filename,
        }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.row.size,
            Self::Object(object) => object.stat.size,
            Self::Result(result) => result.size,
        }
    }

    /// When it last changed, whole seconds; unknown for objects of providers that do not tell it.
    pub fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::File(file) => Some(headers::modified(&file.row)),
            Self::Object(object) => object.modified,
            Self::Result(result) => Some(result.modified),
        }
    }

    /// Opens a half-open range of it.
    pub async fn open(&self, server: &Server, range: Range<u64>) -> Result<Blob, ApiError> {
        match self {
            Self::File(file) => blob_of(server, &file.row, range).await,
            Self::Object(object) => object.open(range).await,
            Self::Result(result) => result.open(range),
        }
    }

    /// All of it, on its way into a store.
    pub async fn as_upload(&self, server: &Server) -> Result<Upload, ApiError> {
        let size = self.size();
        let media_type = self.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Upload {
            content: remote::chunks(ResponseBody::from_blob(self.open(server, 0..size).await?, size)),
            length: Some(size),
            name_hint: Some(self.filename().to_owned()),
            type_hint: media_type.map(str::to_owned),
            ..Upload::empty()
        })
    }
}
