//! Resumable uploads at `/tus`: tus 1.0 and the IETF draft (draft-ietf-httpbis-resumable-upload), told apart by their headers. Both go on
//! with whatever any protocol began.

mod draft;
pub mod headers;
mod problem;
mod tus1;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use serde_json::json;
use stowage_catalogue::{App, FileRow};
use stowage_core::options::StoreOptions;
use stowage_store::BlobStore;
use stowage_uploads::{Append, Checksum, Progress, Session, UploadError};

use self::headers::{HeaderError, Metadata};
use super::{
    Answer,
    answer::{StoredFile, json as json_answer},
    store::app_of_key,
};
use crate::{
    http::{
        self as server_http, ApiError, RequestBody, ResponseBody,
        authorise::{Authority, Credentials, authorise, check_upload},
        context::RequestContext,
    },
    state::Server,
    uploads::{self, Beginning, Ending},
};

const STOWAGE_HANDLE: HeaderName = HeaderName::from_static("stowage-handle");
const STOWAGE_URL: HeaderName = HeaderName::from_static("stowage-url");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");

/// The language of a request.
enum Protocol {
    Tus,
    Draft(draft::Interop),
}

impl Protocol {
    /// A tus client says so in every request. A draft's client names its version; that of the coming RFC does not, so what is left and
    /// can be one of its requests is one.
    fn of(parts: &Parts) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        if headers.contains_key(tus1::RESUMABLE) {
            return tus1::check_version(parts).map(|()| Self::Tus);
        }
        if let Some(interop) = draft::Interop::of(parts)? {
            return Ok(Self::Draft(interop));
        }
        match parts.method {
            Method::POST | Method::PUT | Method::PATCH => Err(tus1::wrong_version()),
            _ => Ok(Self::Draft(draft::Interop::CURRENT)),
        }
    }
}

/// Begins a resumable upload; the content may come along.
#[utoipa::path(post, path = "/tus", operation_id = "createResumableUpload", tag = "Uploads",
    params(("key" = Option<String>, Query, description = "API key; or `apikey` in `Upload-Metadata`"),
        ("path" = Option<String>, Query), ("location" = Option<String>, Query), ("container" = Option<String>, Query),
        ("region" = Option<String>, Query), ("access" = Option<String>, Query), ("filename" = Option<String>, Query),
        ("mimetype" = Option<String>, Query), ("workflows" = Option<String>, Query),
        ("policy" = Option<String>, Query, description = "Needed with `signature` when the app has security on: call `pick` or `store`"),
        ("signature" = Option<String>, Query),
        ("Tus-Resumable" = Option<String>, Header, description = "`1.0.0`: tus"),
        ("Upload-Draft-Interop-Version" = Option<String>, Header, description = "`3` to `8`: IETF draft"),
        ("Upload-Length" = Option<u64>, Header), ("Upload-Defer-Length" = Option<String>, Header, description = "`1`"),
        ("Upload-Metadata" = Option<String>, Header, description = "`filename`, `filetype`, `apikey`, anything else"),
        ("Upload-Concat" = Option<String>, Header), ("Upload-Checksum" = Option<String>, Header),
        ("Upload-Complete" = Option<String>, Header, description = "`?1` or `?0`: IETF draft")),
    request_body(description = "The first bytes, or none", content_type = "application/offset+octet-stream"),
    responses((status = 201, description = "Begun: `Location`"), (status = 200, description = "Stored (IETF draft)", body = StoredFile),
        (status = 400, description = "Bad header or parameter"), (status = 401, description = "Unknown API key"),
        (status = 403, description = "Policy error"), (status = 412, description = "Unknown protocol version"),
        (status = 413, description = "Too large"), (status = 429, description = "Too many unfinished uploads"),
        (status = 460, description = "Wrong checksum")))]
pub async fn create(context: &RequestContext, body: RequestBody) -> Answer {
    respond(context, body).await
}

/// Says how far an upload is: headers for `HEAD`, JSON for `GET` (of a finished one, its file).
#[utoipa::path(get, path = "/tus/{upload}", operation_id = "readResumableUpload", tag = "Uploads",
    params(("upload" = String, Path, description = "Upload id")),
    responses((status = 200, description = "Progress, or the stored file"), (status = 204, description = "Progress (IETF draft)"),
        (status = 404, description = "Unknown or expired upload")))]
pub async fn read(context: &RequestContext, body: RequestBody) -> Answer {
    respond(context, body).await
}

/// Appends to an upload; the last byte stores the file.
#[utoipa::path(patch, path = "/tus/{upload}", operation_id = "appendResumableUpload", tag = "Uploads",
    params(("upload" = String, Path, description = "Upload id"), ("Upload-Offset" = u64, Header, description = "First byte of the body"),
        ("Upload-Checksum" = Option<String>, Header), ("Upload-Complete" = Option<String>, Header)),
    request_body(description = "The bytes from `Upload-Offset` on", content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "Durable; `Upload-Offset` says where to go on"),
        (status = 200, description = "Stored (IETF draft)", body = StoredFile), (status = 400, description = "Bad header"),
        (status = 403, description = "A concatenated upload"), (status = 404, description = "Unknown or expired upload"),
        (status = 409, description = "Wrong offset"), (status = 413, description = "More bytes than announced"),
        (status = 415, description = "Wrong content type"), (status = 460, description = "Wrong checksum")))]
pub async fn append(context: &RequestContext, body: RequestBody) -> Answer {
    respond(context, body).await
}

/// Throws an unfinished upload away; a finished one is forgotten, its file stays.
#[utoipa::path(delete, path = "/tus/{upload}", operation_id = "cancelResumableUpload", tag = "Uploads",
    params(("upload" = String, Path, description = "Upload id")),
    responses((status = 204, description = "Gone"), (status = 404, description = "Unknown or expired upload")))]
pub async fn cancel(context: &RequestContext, body: RequestBody) -> Answer {
    respond(context, body).await
}

async fn respond(context: &RequestContext, body: RequestBody) -> Answer {
    let operation = context.route.operation;
    let respond_plainly = |answer: Answer| answer.unwrap_or_else(|error| server_http::report(context, error));
    Ok(match Protocol::of(&context.parts) {
        Ok(Protocol::Tus) => tus1::signed(respond_plainly(tus1::answer(context, operation, body).await)),
        Ok(Protocol::Draft(interop)) => {
            let answer = draft::answer(context, operation, interop, body).await;
            draft::signed(respond_plainly(answer), interop)
        }
        Err(error) => tus1::signed(respond_plainly(Err(error))),
    })
}

/// What `OPTIONS` says at these paths, beside what it says everywhere (tus 1.0 "OPTIONS", draft §"Limits").
pub fn announce(server: &Server, headers: &mut HeaderMap) {
    let most = server.config.limits.max_file_size;
    tus1::announce(most, headers);
    draft::announce(most, headers);
}

/// Clients that can send neither PATCH nor DELETE name the method in a header (tus 1.0 "X-HTTP-Method-Override"). No other path takes one.
pub fn method_of(parts: &Parts) -> Method {
    let named = parts.headers.get("x-http-method-override").and_then(|name| Method::from_bytes(name.as_bytes()).ok());
    match named {
        Some(method) if parts.method == Method::POST && is_ours(parts.uri.path()) => method,
        _ => parts.method.clone(),
    }
}

/// Whether a path belongs to resumable uploads.
pub fn is_ours(path: &str) -> bool {
    path == "/tus" || path.starts_with("/tus/")
}

/// An upload that has begun, and what it takes to go on with it.
struct Upload {
    app: Arc<App>,
    session: Arc<Session>,
    driver: Arc<dyn BlobStore>,
}

impl Upload {
    /// The upload that a request names. Its id is the key to it; an API key that is given must be that of its app (threat C7).
    async fn of(context: &RequestContext) -> Result<Self, ApiError> {
        let server = &context.server;
        let named = match key_of(context) {
            Some(key) => Some(app_of_key(context, key).await?),
            None => None,
        };
        let id = context.segment("upload").unwrap_or_default();
        let session = uploads::session_of(server, named.as_deref(), id).await?;
        let app = server.app(session.app()).await?.ok_or(UploadError::NotFound)?;
        check_upload(context, &app, &Credentials::of_request(context))?;
        let driver = uploads::driver_of(server, &session).await?;
        Ok(Self { app, session, driver })
    }

    /// Begins one.
    async fn begin(
        context: &RequestContext,
        app: Arc<App>,
        authority: &Authority,
        beginning: Beginning,
    ) -> Result<Self, ApiError> {
        let session = uploads::begin(context, &app, authority, beginning).await?;
        let driver = uploads::driver_of(&context.server, &session).await?;
        Ok(Self { app, session, driver })
    }

    async fn append(&self, offset: u64, checksum: Option<Checksum>, body: RequestBody) -> Result<(), UploadError> {
        let append = Append { offset, length: body.length, checksum, content: uploads::content(body) };
        self.session.append(append, self.driver.clone()).await.map(drop)
    }

    async fn progress(&self) -> Result<Progress, ApiError> {
        Ok(self.session.progress().await?)
    }

    /// The file, if it is one already.
    async fn file(&self, server: &Server) -> Result<Option<FileRow>, ApiError> {
        match self.progress().await?.handle {
            Some(handle) => Ok(Some(uploads::file_of(server, &handle).await?)),
            None => Ok(None),
        }
    }

    /// Makes the file if all bytes are there; a repetition gives the same one.
    async fn finish_if_whole(&self, server: &Arc<Server>) -> Result<Option<FileRow>, ApiError> {
        let progress = self.progress().await?;
        if progress.handle.is_none() && is_whole(&progress) && !self.session.plan().partial {
            return self.finish(server).await.map(Some);
        }
        self.file(server).await
    }

    async fn finish(&self, server: &Arc<Server>) -> Result<FileRow, ApiError> {
        uploads::complete(server, &self.app, &self.session, Ending::default()).await
    }

    /// Forgets it with all that has arrived.
    async fn abort(&self, server: &Server) -> Result<(), ApiError> {
        Ok(server.uploads.abort(self.session.id(), &*self.driver).await?)
    }

    /// Of an upload whose creation failed: the client never learns its URL.
    async fn give_up(&self, server: &Server) {
        if let Err(error) = self.abort(server).await {
            tracing::warn!(code = error.code, "an upload that nobody knows of stays until it expires");
        }
    }

    fn url(&self, context: &RequestContext) -> String {
        format!("{}/tus/{}", context.upload_base(), self.session.id())
    }
}

fn is_whole(progress: &Progress) -> bool {
    progress.size == Some(progress.offset) && progress.received == progress.offset
}

fn key_of(context: &RequestContext) -> Option<&str> {
    ["key", "apikey"].iter().find_map(|name| context.query.get(name))
}

/// App and authority of a request that begins an upload.
async fn authority_of(context: &RequestContext, metadata: &Metadata) -> Result<(Arc<App>, Authority), ApiError> {
    let key = key_of(context).or(metadata.text(&["apikey"])).ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_application",
            "Invalid Application: name your API key as `?key=` or as `apikey` in `Upload-Metadata`",
        )
    })?;
    let app = app_of_key(context, key).await?;
    let authority = authorise(context, &app, context.route.needs, &Credentials::of_request(context))?;
    Ok((app, authority))
}

/// What query and metadata say about the file to come.
fn beginning_of(context: &RequestContext, metadata: &Metadata) -> Result<Beginning, ApiError> {
    let pairs = context.query.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let options = StoreOptions::from_pairs(pairs, false)?;
    Ok(Beginning {
        options,
        name_hint: metadata.text(&["filename", "name"]).map(str::to_owned),
        type_hint: metadata.text(&["filetype", "mimetype", "type"]).map(str::to_owned),
        ..Beginning::default()
    })
}

/// A header that may come once.
fn single<'a>(context: &'a RequestContext, name: &'static str) -> Result<Option<&'a str>, ApiError> {
    let mut values = context.parts.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::invalid_parameter(name, "the header comes twice"));
    }
    value.to_str().map(Some).map_err(|_| ApiError::invalid_parameter(name, "the header is not ASCII text"))
}

/// A header that may come once, read.
fn read_header<T>(
    context: &RequestContext,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, HeaderError>,
) -> Result<Option<T>, ApiError> {
    let Some(text) = single(context, name)? else { return Ok(None) };
    read(text).map(Some).map_err(|error| match error {
        HeaderError::Malformed(reason) => ApiError::invalid_parameter(name, reason),
        HeaderError::TooLong => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("header `{name}`: {error}"))
        }
    })
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::invalid_parameter(name, "the header is missing"))
}

/// The media type of the body, without its parameters.
fn content_type(context: &RequestContext) -> Option<&str> {
    context.header(header::CONTENT_TYPE).map(|text| text.split(';').next().unwrap_or_default().trim())
}

fn wrong_content_type(expected: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "upload_content_type",
        format!("the header `Content-Type` must be {expected}"),
    )
}

fn no_content() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Progress as JSON, or the file that came of it.
async fn described(context: &RequestContext, upload: &Upload) -> Answer {
    if let Some(row) = upload.file(&context.server).await? {
        let mut response = json_answer(&StoredFile::of(context, &row));
        name_file(context, &row, response.headers_mut());
        return Ok(response);
    }
    let progress = upload.progress().await?;
    Ok(json_answer(&json!({
        "status": "Uploading",
        "offset": progress.offset,
        "received": progress.received,
        "length": progress.size,
        "filename": upload.session.plan().filename,
        "expires": progress.expires,
    })))
}

/// Tells which file an upload became.
fn name_file(context: &RequestContext, row: &FileRow, headers: &mut HeaderMap) {
    put(headers, STOWAGE_HANDLE, row.handle.as_str());
    put(headers, STOWAGE_URL, &context.file_url(&row.handle));
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// When an upload is forgotten.
fn expiry(progress: &Progress) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(progress.expires).unwrap_or(0))
}
