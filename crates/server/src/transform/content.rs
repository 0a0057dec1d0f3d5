//! A result on its way to a client, or into a store.

use std::{fs::File, ops::Range, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use stowage_cache::{Body, Entry, Made, MadeBody, Meta};
use stowage_core::media_type::MediaType;
use stowage_store::Blob;

use crate::http::{ApiError, headers};

/// A result with the facts that its answers tell.
pub struct ResultContent {
    /// Headers of every answer that carries it.
    pub headers: HeaderMap,
    /// What a download of it is called.
    pub filename: String,
    /// Media type.
    pub media_type: MediaType,
    /// Length in bytes.
    pub size: u64,
    /// When it was made, whole seconds.
    pub modified: SystemTime,
    etag: Option<String>,
    body: ResultBody,
}

enum ResultBody {
    Memory(Bytes),
    File(Arc<File>),
}

impl ResultContent {
    /// A result that is kept.
    pub(super) fn of_result(entry: &Entry) -> Result<Self, ApiError> {
        Ok(Self::new(&entry.meta, body_of(entry), entry.body.length(), entry.made()))
    }

    /// A fetched original, called as its origin says, else as its URL.
    pub(super) fn of_original(entry: &Entry, filename: &str) -> Result<Self, ApiError> {
        let content = Self::new(&entry.meta, body_of(entry), entry.body.length(), entry.made());
        let filename = entry.meta.file_name.as_deref().unwrap_or(filename).to_owned();
        // What the origin says of the type is believed as little as anybody else's word.
        let guessed = MediaType::parse(&entry.meta.media_type).ok().or_else(|| MediaType::from_filename(&filename));
        let media_type = guessed.unwrap_or_else(MediaType::octet_stream);
        Ok(Self { filename, media_type, ..content }.with_headers())
    }

    /// A result that is not kept.
    pub(super) fn of_made(made: Made) -> Result<Self, ApiError> {
        let Made { meta, body, .. } = made;
        let (body, size) = match body {
            MadeBody::Memory(bytes) => {
                let size = bytes.len() as u64;
                (ResultBody::Memory(bytes), size)
            }
            MadeBody::File(mut draft) => {
                // The file outlives its name.
                let file = draft.file().clone();
                let size = file.metadata().map_err(ApiError::internal)?.len();
                (ResultBody::File(file), size)
            }
        };
        Ok(Self::new(&meta, body, size, SystemTime::now()))
    }

    fn new(meta: &Meta, body: ResultBody, size: u64, made: SystemTime) -> Self {
        Self {
            headers: HeaderMap::new(),
            filename: String::new(),
            media_type: MediaType::parse(&meta.media_type).unwrap_or_else(|_| MediaType::octet_stream()),
            size,
            modified: whole_seconds(made),
            etag: meta.etag.clone(),
            body,
        }
    }

    /// Called as its source, with the extension of its own type (spec 02 §3.7).
    pub(super) fn named(self, source: &str) -> Self {
        let stem = source.rsplit_once('.').map_or(source, |(stem, _)| if stem.is_empty() { source } else { stem });
        let filename = match self.media_type.extension() {
            Some(extension) => format!("{stem}.{extension}"),
            None => stem.to_owned(),
        };
        let mut named = Self { filename, ..self }.with_headers();
        // The page of `ascii`, written here and without any script.
        if named.media_type.as_str() == "text/html" {
            headers::make_inline(&mut named.headers, &named.filename);
        }
        named
    }

    fn with_headers(mut self) -> Self {
        let mut headers = headers::of_content(&self.media_type, &self.filename);
        let tag = self.etag.as_ref().and_then(|tag| HeaderValue::from_str(&format!("\"{tag}\"")).ok());
        headers.extend(tag.map(|tag| (header::ETAG, tag)));
        let date = HeaderValue::from_str(&httpdate::fmt_http_date(self.modified)).ok();
        headers.extend(date.map(|date| (header::LAST_MODIFIED, date)));
        self.headers = headers;
        self
    }

    /// Opens a half-open range of it.
    pub fn open(&self, range: Range<u64>) -> Result<Blob, ApiError> {
        match &self.body {
            ResultBody::Memory(bytes) => {
                let bound = |position| usize::try_from(position).map_err(ApiError::internal);
                Ok(Blob::Memory(bytes.slice(bound(range.start)?..bound(range.end)?)))
            }
            ResultBody::File(file) => Ok(Blob::File { file: file.try_clone().map_err(ApiError::internal)?, range }),
        }
    }
}

fn body_of(entry: &Entry) -> ResultBody {
    match &entry.body {
        Body::Memory(bytes) => ResultBody::Memory(bytes.clone()),
        Body::File(file) => ResultBody::File(file.file().clone()),
    }
}

/// As HTTP's dates are.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}
