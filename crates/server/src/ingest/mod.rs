//! From the bytes of a request to a durable object and a committed row.
//!
//! Every body form becomes one [`Upload`]; [`receive`] streams it into a store with constant memory, hashing and sniffing on the
//! way; [`store_file`] and [`overwrite_file`] commit. Bytes first, row second, answer third.

pub mod alias;
pub mod base64;
pub mod form;
pub mod hash;
pub mod multipart;
pub mod naming;
pub mod remote;
mod reservation;

use std::{sync::Arc, time::SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use http::StatusCode;
use stowage_catalogue::{App, CatalogueError, FileRow, NewContent, StoreId};
use stowage_core::{
    disposition::{self, Disposition},
    handle::Handle,
    location::ContainerName,
    media_type::MediaType,
    options::StoreOptions,
};
use stowage_store::{BlobStore, BlobWriter, ObjectId, ObjectKey, ObjectMeta};

use crate::{
    http::{ApiError, BodyError, authorise::Authority},
    ingest::{
        hash::{ContentHasher, Digests},
        reservation::{Reservation, commit, reserve},
    },
    state::Server,
    stores::Target,
};

/// Content on its way in.
pub type ContentStream = BoxStream<'static, Result<Bytes, ApiError>>;

/// One file to be stored, whichever form it came in.
pub struct Upload {
    /// The content, already decoded.
    pub content: ContentStream,
    /// Exact length in bytes, if known.
    pub length: Option<u64>,
    /// What the sender calls it.
    pub name_hint: Option<String>,
    /// What the sender says it is.
    pub type_hint: Option<String>,
    /// Where it was fetched from.
    pub source_url: Option<String>,
    /// MD5 that the content must have (`Content-MD5`).
    pub expected_md5: Option<[u8; 16]>,
    /// Raw text without any type is `text/plain` (spec 01 §1.2).
    pub is_raw: bool,
}

impl Upload {
    /// Nothing, from nowhere.
    pub fn empty() -> Self {
        Self {
            content: futures_util::stream::empty().boxed(),
            length: Some(0),
            name_hint: None,
            type_hint: None,
            source_url: None,
            expected_md5: None,
            is_raw: false,
        }
    }
}

/// Sizes a file may have, bytes.
#[derive(Clone, Copy, Debug)]
pub struct SizeLimits {
    minimum: u64,
    maximum: u64,
    policy_maximum: Option<u64>,
}

impl SizeLimits {
    /// The tightest of server, app and policy.
    pub fn of(server: &Server, app: &App, authority: &Authority) -> Self {
        let (minimum, policy_maximum) = authority.size_bounds();
        let maximum = app.settings.max_file_size.unwrap_or(u64::MAX).min(server.config.limits.max_file_size);
        Self { minimum: minimum.unwrap_or(0), maximum, policy_maximum }
    }

    /// Fewest bytes.
    pub fn least(&self) -> u64 {
        self.minimum
    }

    /// Most bytes.
    pub fn most(&self) -> u64 {
        self.maximum.min(self.policy_maximum.unwrap_or(u64::MAX))
    }

    /// Refuses more bytes than allowed, saying by whom.
    pub fn check_at_most(&self, size: u64) -> Result<(), ApiError> {
        if let Some(limit) = self.policy_maximum.filter(|limit| size > *limit) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "policy_max_size",
                format!("policy error: the file is larger than the policy's maxSize of {limit} bytes"),
            ));
        }
        if size > self.maximum { Err(ApiError::too_large(self.maximum)) } else { Ok(()) }
    }

    /// Refuses fewer bytes than the policy demands.
    pub fn check_at_least(&self, size: u64) -> Result<(), ApiError> {
        if size >= self.minimum {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "policy_min_size",
            format!("policy error: the file is smaller than the policy's minSize of {} bytes", self.minimum),
        ))
    }
}

/// Bytes in a store that no row names yet.
struct Received {
    writer: Box<dyn BlobWriter>,
    digests: Digests,
    size: u64,
    reservation: Option<Reservation>,
}

/// Stores an upload as a new file; durable when it returns.
pub async fn store_file(
    server: &Arc<Server>,
    app: &App,
    target: Target,
    options: StoreOptions,
    upload: Upload,
    limits: SizeLimits,
) -> Result<FileRow, ApiError> {
    let mut upload = upload;
    let handle = Handle::random(fill_random);
    let head = read_head(&mut upload, limits).await?;
    let filename_given = naming::filename(&options, &upload);
    let media_type = naming::media_type(&options, &upload, filename_given.as_ref(), &head.bytes);
    let filename = match filename_given {
        Some(filename) => filename,
        None => naming::generated(&handle, &media_type)?,
    };
    check_type(app, &media_type, &head.bytes)?;

    let key = ObjectKey::build(target.container.clone(), options.path.as_ref(), &filename);
    let meta = ObjectMeta {
        media_type: media_type.clone(),
        access: options.access.unwrap_or_default(),
        length: head.length(upload.length),
        disposition: Some(inline(filename.as_str())),
        user_metadata: provenance(&handle),
    };
    let Target { store, location, region, .. } = target;
    let driver = store.driver_in(region.as_deref())?;
    let destination = Destination { store: store.id, region: region.as_deref(), driver: &*driver, key: &key };
    let received = receive(server, destination, &meta, head, &mut upload, limits).await?;

    let now = unix_millis();
    let finish = {
        let server = server.clone();
        let app = app.id;
        async move {
            let Received { writer, digests, size, mut reservation } = received;
            let (object, intent) = commit(&server, writer, &mut reservation).await?;
            let row = FileRow {
                handle,
                app,
                store: store.id,
                location,
                container: key.container().as_str().to_owned(),
                region,
                key: key.key().to_owned(),
                object: object.as_str().to_owned(),
                filename: filename.as_str().to_owned(),
                mimetype: media_type.as_str().to_owned(),
                size,
                etag: digests.sha256,
                sha256: Some(digests.sha256),
                digests: digests.others(),
                dimensions: None,
                uploaded: now,
                modified: now,
                version: 1,
                source_url: upload.source_url,
                alt: None,
                tags: options.tags,
                access: meta.access,
            };
            if let Err(error) = server.catalogue.commit_file(row.clone(), intent).await {
                discard(&*driver, &object, &error).await;
                return Err(error.into());
            }
            if key.is_exact() {
                server.files_changed();
                server.wake_collector();
            }
            server.metrics.stored(row.size);
            Ok(row)
        }
    };
    run_to_the_end(finish).await
}

/// Replaces the content behind a handle; name, key and (unless asked) type stay (spec 02 §5).
pub async fn overwrite_file(
    server: &Arc<Server>,
    app: &App,
    row: &FileRow,
    mimetype: Option<MediaType>,
    mut upload: Upload,
    limits: SizeLimits,
) -> Result<FileRow, ApiError> {
    let store = server.stores.by_id(row.store).await?;
    let head = read_head(&mut upload, limits).await?;
    let mut meta = ObjectMeta { length: head.length(upload.length), ..meta_of(row) };
    if let Some(asked) = &mimetype {
        meta.media_type = asked.clone();
    }
    check_type(app, &meta.media_type, &head.bytes)?;
    let container = ContainerName::parse(&row.container).map_err(ApiError::internal)?;
    let key = ObjectKey::existing(container, row.key.clone());
    let driver = store.driver_in(row.region.as_deref())?;
    let destination = Destination { store: store.id, region: row.region.as_deref(), driver: &*driver, key: &key };
    let received = receive(server, destination, &meta, head, &mut upload, limits).await?;

    let finish = {
        let server = server.clone();
        let row = row.clone();
        async move {
            let Received { writer, digests, size, mut reservation } = received;
            let (object, intent) = commit(&server, writer, &mut reservation).await?;
            let content = NewContent {
                object: object.as_str().to_owned(),
                size,
                etag: digests.sha256,
                sha256: Some(digests.sha256),
                digests: digests.others(),
                mimetype: mimetype.map(|media_type| media_type.as_str().to_owned()),
                modified: unix_millis(),
            };
            let replaced = server.catalogue.replace_content(&row, content, intent).await;
            if let Err(error) = &replaced {
                discard(&*driver, &object, error).await;
            }
            server.content_changed(&row.handle).await;
            server.wake_collector();
            let row = replaced?;
            server.metrics.stored(row.size);
            Ok(row)
        }
    };
    run_to_the_end(finish).await
}

/// What goes with the content of a file to any store.
pub fn meta_of(row: &FileRow) -> ObjectMeta {
    ObjectMeta {
        media_type: MediaType::parse(&row.mimetype).unwrap_or_else(|_| MediaType::octet_stream()),
        access: row.access,
        length: Some(row.size),
        disposition: Some(inline(&row.filename)),
        user_metadata: provenance(&row.handle),
    }
}

/// So that a download straight from the provider has the file's name.
fn inline(filename: &str) -> String {
    disposition::header_value(Disposition::Inline, filename)
}

/// So that an object found at the provider leads back to its row.
fn provenance(handle: &Handle) -> Vec<(String, String)> {
    vec![("stowage-handle".to_owned(), handle.to_string())]
}

/// A client that hangs up cancels its request; what has begun to be committed is finished all the same.
pub async fn run_to_the_end<F>(finish: F) -> Result<FileRow, ApiError>
where
    F: Future<Output = Result<FileRow, ApiError>> + Send + 'static,
{
    tokio::spawn(finish).await.map_err(ApiError::internal)?
}

/// Removes an object whose row was certainly not committed. After an unclear failure the next start decides: by the sweep of the
/// local store, or by the intent where the name may belong to an older row.
async fn discard(driver: &dyn BlobStore, object: &ObjectId, error: &CatalogueError) {
    let certain = matches!(error, CatalogueError::Full | CatalogueError::NotFound);
    let disposable = certain && driver.capabilities().versions;
    if disposable && let Err(error) = driver.delete(object).await {
        tracing::warn!(%error, "an object without a row stays until the next start");
    }
}

/// The first bytes of an upload: enough to sniff its type, all of it when it is small.
struct Head {
    bytes: Bytes,
    complete: bool,
}

impl Head {
    fn length(&self, announced: Option<u64>) -> Option<u64> {
        if self.complete { Some(self.bytes.len() as u64) } else { announced }
    }
}

async fn read_head(upload: &mut Upload, limits: SizeLimits) -> Result<Head, ApiError> {
    // Before the first byte is asked for: a client that waits for `100 Continue` sends none in vain.
    limits.check_at_most(upload.length.unwrap_or(0))?;
    let content = &mut upload.content;
    let Some(first) = content.next().await else { return Ok(Head { bytes: Bytes::new(), complete: true }) };
    let first = first?;
    limits.check_at_most(first.len() as u64)?;
    if first.len() >= stowage_media::SNIFF_BYTES {
        return Ok(Head { bytes: first, complete: false });
    }
    let Some(second) = content.next().await else { return Ok(Head { bytes: first, complete: true }) };
    let mut gathered = BytesMut::from(first);
    gathered.extend_from_slice(&second?);
    let mut complete = false;
    while gathered.len() < stowage_media::SNIFF_BYTES && !complete {
        limits.check_at_most(gathered.len() as u64)?;
        match content.next().await {
            Some(chunk) => gathered.extend_from_slice(&chunk?),
            None => complete = true,
        }
    }
    Ok(Head { bytes: gathered.freeze(), complete })
}

/// Refuses a type that the app does not accept, whoever says so: the sender or the first bytes.
pub fn check_type(app: &App, media_type: &MediaType, head: &[u8]) -> Result<(), ApiError> {
    if app.settings.allowed_mime_types.is_empty() {
        return Ok(());
    }
    // What the bytes say counts as much as what the sender says (threats A14, F3).
    let sniffed = stowage_media::sniff(head);
    for media_type in [Some(media_type), sniffed.as_ref()].into_iter().flatten() {
        if !app.settings.accepts_type(media_type) {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "type_not_allowed",
                format!("this app does not accept files of type {media_type}"),
            ));
        }
    }
    Ok(())
}

/// Where the bytes of one upload go.
#[derive(Clone, Copy)]
struct Destination<'a> {
    store: StoreId,
    region: Option<&'a str>,
    driver: &'a dyn BlobStore,
    key: &'a ObjectKey,
}

async fn receive(
    server: &Server,
    destination: Destination<'_>,
    meta: &ObjectMeta,
    head: Head,
    upload: &mut Upload,
    limits: SizeLimits,
) -> Result<Received, ApiError> {
    let Destination { driver, key, .. } = destination;
    let reservation = match driver.planned_id(key) {
        Some(object) => Some(reserve(server, destination, &object).await?),
        None => None,
    };
    let mut writer = driver.create(key, meta).await?;
    match copy(&mut *writer, head, upload, limits).await {
        Ok((digests, size)) => Ok(Received { writer, digests, size, reservation }),
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

async fn copy(
    writer: &mut dyn BlobWriter,
    head: Head,
    upload: &mut Upload,
    limits: SizeLimits,
) -> Result<(Digests, u64), ApiError> {
    let mut hasher = ContentHasher::new(upload.expected_md5.is_some());
    let mut size = 0;
    let mut next = Some(head.bytes).filter(|bytes| !bytes.is_empty());
    loop {
        let chunk = match next.take() {
            Some(chunk) => chunk,
            None if head.complete => break,
            None => match upload.content.next().await {
                Some(chunk) => chunk?,
                None => break,
            },
        };
        size += chunk.len() as u64;
        limits.check_at_most(size)?;
        hasher.update(chunk.clone()).await?;
        writer.write(chunk).await?;
    }
    limits.check_at_least(size)?;
    let digests = hasher.finish().await?;
    if upload.expected_md5.is_some_and(|expected| digests.md5 != Some(expected)) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "md5_mismatch",
            "the content does not have the MD5 of the Content-MD5 header; nothing was stored",
        ));
    }
    Ok((digests, size))
}

/// Fills a buffer from the system's random source.
#[expect(clippy::expect_used, reason = "without randomness no handle is safe to hand out")]
pub fn fill_random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the system's random source works");
}

/// Now, unix milliseconds.
pub fn unix_millis() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::Idle | BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            BodyError::Truncated => (StatusCode::BAD_REQUEST, "body_truncated"),
        };
        Self::new(status, code, error.to_string())
    }
}
