//! What a job works on: stored files, objects behind aliases, files elsewhere.

use std::{fs::File, os::fd::AsRawFd, sync::Arc};

use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, StatusCode};
use stowage_cache::{Body, Freshness, Id, Key, Made, MadeBody, Meta, Owner, Tag};
use stowage_catalogue::App;
use stowage_core::{delivery::Source, filename::FileName, media_type::MediaType};
use stowage_store::Blob;
use stowage_workers::Source as WorkerSource;

use crate::{
    api::{plan::unsupported, read::blob_of},
    http::{ApiError, ResponseBody, authorise::Authority, context::RequestContext},
    ingest::{
        ContentStream,
        alias::{self, AliasedObject},
        remote,
    },
    state::{KnownFile, Server},
};

/// Longest text file whose content becomes a QR code, bytes.
const LONGEST_TEXT: u64 = 2048;

/// One source, found and allowed, not yet read.
#[derive(Clone)]
pub enum Input {
    /// A stored file.
    File(Arc<KnownFile>),
    /// An object that never passed through Stowage, with its `src://` URL.
    Alias(Arc<AliasedObject>, String),
    /// A file elsewhere, by its URL, and what its origin is sent.
    Url(String, HeaderMap),
    /// What is written in another one, or where that lies (`qr`).
    Text(String, Box<Input>),
}

impl Input {
    /// Finds a source for a request of `app`, and checks that the request may read it.
    pub async fn find(
        context: &RequestContext,
        app: &App,
        authority: &Authority,
        source: &Source,
    ) -> Result<Self, ApiError> {
        match source {
            Source::Handle(handle) => {
                let file = context.server.file(handle).await?.ok_or_else(ApiError::file_not_found)?;
                remote::check_readable(context, app, authority, &file.row).await?;
                Ok(Self::File(file))
            }
            Source::Url(url) => {
                authority.check_url(url)?;
                let Some(handle) = remote::own_handle(context, url) else {
                    return Ok(Self::Url(url.clone(), HeaderMap::new()));
                };
                Box::pin(Self::find(context, app, authority, &Source::Handle(handle))).await
            }
            Source::Alias(url) => {
                authority.check_alias(url)?;
                let place = url.strip_prefix("src://").unwrap_or(url);
                Ok(Self::Alias(Arc::new(alias::find(context, app, place).await?), url.clone()))
            }
            Source::Workflow(_) => Err(unsupported("a workflow result as source")),
            Source::List(_) => Err(unsupported("a list inside a list")),
            Source::None => Err(ApiError::no_content()),
        }
    }

    /// The same, with headers for its origin if it has one.
    pub fn asked_with(self, headers: &HeaderMap) -> Self {
        match self {
            Self::Url(url, _) => Self::Url(url, headers.clone()),
            other => other,
        }
    }

    /// The text that stands for it: what is written in a short text file, else where it can be read (spec 11 §10).
    pub async fn as_text(self, context: &RequestContext) -> Result<Self, ApiError> {
        let text = match &self {
            Self::Url(url, _) => url.clone(),
            Self::File(file) if file.row.mimetype.starts_with("text/") && file.row.size <= LONGEST_TEXT => {
                let content = remote::content_of(&context.server, &file.row).await?;
                let content =
                    content.try_fold(Vec::new(), async |text, chunk| Ok([&text[..], &chunk].concat())).await?;
                String::from_utf8(content).map_err(|_| {
                    ApiError::new(
                        StatusCode::BAD_REQUEST,
                        "unsupported_input",
                        "Unsupported input format: no text in UTF-8",
                    )
                })?
            }
            Self::File(file) => format!("{}/{}", context.delivery_base(), file.row.handle),
            Self::Alias(..) => return Err(unsupported("`qr` of an object behind an alias")),
            Self::Text(..) => return Ok(self),
        };
        Ok(Self::Text(text, Box::new(self)))
    }

    /// What the bytes are, as text: equal only where they are. A file elsewhere is known by its URL alone.
    pub fn identity(&self) -> String {
        match self {
            Self::File(file) => format!("file {}", hex::encode(file.row.etag)),
            Self::Alias(object, url) => {
                let stat = &object.stat;
                format!("alias {url} {} {} {:?}", stat.size, stat.etag.as_deref().unwrap_or_default(), stat.modified)
            }
            Self::Url(url, headers) if headers.is_empty() => format!("url {url}"),
            // In the order in which they were given; another order is another file at worst.
            Self::Url(url, headers) => format!("url {url} {headers:?}"),
            Self::Text(text, _) => format!("text {text}"),
        }
    }

    /// Whether the bytes can change without anybody noticing here.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Url(..))
    }

    /// What is purged when the source changes or goes.
    pub fn tag(&self) -> Tag {
        match self {
            Self::File(file) => tag_of(&file.row.handle.to_string()),
            Self::Alias(_, url) | Self::Url(url, _) => Tag::new(url),
            Self::Text(_, input) => input.tag(),
        }
    }

    /// What the source is called.
    pub fn filename(&self) -> String {
        match self {
            Self::File(file) => file.row.filename.clone(),
            Self::Alias(object, _) => object.filename.clone(),
            Self::Text(_, input) => input.filename(),
            Self::Url(url, _) => {
                FileName::from_url(url).map_or_else(|| "file".to_owned(), |name| name.as_str().to_owned())
            }
        }
    }

    /// What the bytes are said to be; of a file elsewhere, what its name says.
    pub fn media_type(&self) -> Option<MediaType> {
        match self {
            Self::File(file) => MediaType::parse(&file.row.mimetype).ok(),
            Self::Alias(object, _) => Some(object.media_type.clone()),
            Self::Url(..) => MediaType::from_filename(&self.filename()),
            Self::Text(..) => None,
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::File(file) => Some(file.row.size),
            Self::Alias(object, _) => Some(object.stat.size),
            Self::Text(text, _) => Some(text.len() as u64),
            Self::Url(..) => None,
        }
    }

    /// Opens the bytes, of which there are at most `limit`. What comes from afar is kept, so that one read serves all sizes of a
    /// picture.
    pub async fn load(
        &self,
        server: &Arc<Server>,
        owner: Owner,
        freshness: Freshness,
        limit: u64,
    ) -> Result<WorkerSource, ApiError> {
        if self.size().is_some_and(|size| size > limit) {
            return Err(too_large(limit));
        }
        if let Self::Text(text, _) = self {
            return in_memory(text.as_bytes());
        }
        if let Self::File(file) = self {
            let row = &file.row;
            match blob_of(server, row, 0..row.size).await? {
                Blob::File { file, range } => {
                    let (offset, length) = (range.start, range.end - range.start);
                    return Ok(WorkerSource { file: Arc::new(file), offset, length });
                }
                Blob::Memory(bytes) => return in_memory(&bytes),
                // Read below, by whoever keeps it.
                Blob::Stream(_) => {}
            }
        }
        let original = self.original(server, owner, freshness, limit).await?;
        if original.body.length() > limit {
            return Err(too_large(limit));
        }
        match original.body {
            Body::Memory(bytes) => in_memory(&bytes),
            // Worth a descriptor of its own: that of the cache can also write.
            Body::File(body) => {
                let path = format!("/proc/self/fd/{}", body.file().as_raw_fd());
                let file = Arc::new(File::open(path).map_err(ApiError::internal)?);
                Ok(WorkerSource { file, offset: 0, length: body.length() })
            }
        }
    }

    /// The kept copy of bytes from afar, fetched if there is none; no more than `limit` bytes are.
    pub async fn original(
        &self,
        server: &Arc<Server>,
        owner: Owner,
        freshness: Freshness,
        limit: u64,
    ) -> Result<stowage_cache::Entry, ApiError> {
        let id = Id { owner, key: Key(super::digest(["original", &self.identity()])) };
        let (input, maker) = (self.clone(), server.clone());
        let make = move || async move { input.fetch(&maker, freshness, limit).await };
        let (entry, _) = server.transformer.originals.get_or_make(id, &[self.tag()], make).await?;
        Ok(entry)
    }

    async fn fetch(&self, server: &Arc<Server>, freshness: Freshness, limit: u64) -> Result<Made, ApiError> {
        let mut meta = Meta { file_name: Some(self.filename()), ..Meta::default() };
        let mut content: ContentStream = match self {
            Self::File(file) => remote::content_of(server, &file.row).await?,
            Self::Alias(object, _) => {
                meta.media_type = object.media_type.as_str().to_owned();
                let size = object.stat.size;
                remote::chunks(ResponseBody::from_blob(object.open(0..size).await?, size))
            }
            Self::Text(text, _) => futures_util::stream::iter([Ok(text.clone().into())]).boxed(),
            Self::Url(url, headers) => {
                let fetched = server.fetcher.get(url, headers.clone(), None).await?;
                if fetched.content_length.is_some_and(|length| length > limit) {
                    return Err(too_large(limit));
                }
                meta.media_type = fetched.content_type.unwrap_or_default();
                let named = fetched.content_disposition.as_deref().and_then(stowage_core::disposition::filename_of);
                let named = named.and_then(|name| FileName::from_hint(&name)).map(|name| name.as_str().to_owned());
                meta.file_name = named.or(meta.file_name);
                Box::pin(fetched.body.map_err(ApiError::from))
            }
        };
        let mut draft = server.transformer.originals.draft().await.map_err(ApiError::internal)?;
        let mut size = 0;
        while let Some(chunk) = content.try_next().await? {
            size += chunk.len() as u64;
            if size > limit {
                return Err(too_large(limit));
            }
            draft.write(chunk).await.map_err(ApiError::internal)?;
        }
        Ok(Made { meta, body: MadeBody::File(draft), freshness })
    }
}

/// The tag of everything that was made from a stored file.
pub fn tag_of(handle: &str) -> Tag {
    Tag::new(&format!("handle:{handle}"))
}

fn in_memory(bytes: &[u8]) -> Result<WorkerSource, ApiError> {
    WorkerSource::from_bytes(bytes).map_err(ApiError::internal)
}

fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "image_too_large",
        format!("source is too large: it has at most {limit} bytes"),
    )
}
