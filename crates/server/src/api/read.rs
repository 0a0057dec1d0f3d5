//! `GET|HEAD /api/file/{handle}` and the plain delivery of a stored file (spec 02 §§2, 3.7).

use std::{ops::Range, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use stowage_catalogue::{App, FileRow};
use stowage_core::{
    handle::Handle,
    range::{self, ByteRange, RangeRequest},
};
use stowage_store::{Blob, StoreError};

use super::{Answer, content::Content, verified::verified};
use crate::{
    http::{
        ApiError, ResponseBody,
        authorise::{Credentials, authorise},
        context::RequestContext,
        headers,
    },
    state::{KnownFile, SMALL_FILE, Server},
};

/// Default life of a delivered file in caches (spec 02 §3.7), seconds.
const DEFAULT_MAX_AGE: u64 = 30 * 24 * 3600;

/// Longest life that can be asked for, seconds.
const LONGEST_MAX_AGE: u64 = 31_536_000;

/// How long caches may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLife {
    /// Ask again each time (the ETag makes that cheap).
    Revalidate,
    /// Do not keep.
    Never,
    /// Keep that many seconds.
    Seconds(u64),
}

impl CacheLife {
    /// The default of the delivery hosts.
    pub const DELIVERY: Self = Self::Seconds(DEFAULT_MAX_AGE);

    /// `cache=expiry:max`.
    pub const LONGEST: Self = Self::Seconds(LONGEST_MAX_AGE);

    fn header(self, app: &App) -> HeaderValue {
        // What a signature protects must not be answered by a shared cache that never saw the signature.
        let scope = if app.settings.security { "private" } else { "public" };
        let text = match self {
            Self::Revalidate => "no-cache".to_owned(),
            Self::Never => "no-store".to_owned(),
            Self::Seconds(seconds) => format!("{scope}, max-age={seconds}"),
        };
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("no-store"))
    }
}

/// Answers the File API.
#[utoipa::path(get, path = "/api/file/{handle}", operation_id = "readFile", tag = "File API",
    params(
        ("handle" = String, Path, description = "File handle, optionally followed by `+ext`"),
        ("dl" = Option<bool>, Query, description = "`true`: as an attachment"),
        ("cache" = Option<bool>, Query, description = "`true`: caches may keep the answer for 30 days"),
        ("base64encode" = Option<bool>, Query, description = "`true`: the body is base64 text of the file"),
        ("policy" = Option<String>, Query, description = "Needed with `signature` when the app has security on: call `read`"),
        ("signature" = Option<String>, Query),
    ),
    responses((status = 200, description = "The file"), (status = 206, description = "One or several ranges of it"),
        (status = 304, description = "Unmodified"), (status = 403, description = "Policy error"), (status = 404, description = "No such file"),
        (status = 416, description = "No such range")))]
pub async fn read_file(context: &RequestContext) -> Answer {
    // Any other last segment is a decorative file name (spec 02 §1); this one is not.
    if context.segment("name") == Some("remove") {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_conversion",
            "Unsupported conversion: this call is not available in this version",
        ));
    }
    let handle = context.handle()?;
    let (app, file) = find(context, &handle).await?;
    let authority = authorise(context, &app, context.route.needs, &Credentials::of_request(context))?;
    authority.check_handle(&handle)?;
    let life = if context.query.flag("cache") { CacheLife::DELIVERY } else { CacheLife::Revalidate };
    if context.query.flag("base64encode") {
        return encoded(context, &app, file, life).await;
    }
    send(context, &app, &Content::File(file), life).await
}

/// A live file and its app.
pub async fn find(context: &RequestContext, handle: &Handle) -> Result<(Arc<App>, Arc<KnownFile>), ApiError> {
    let file = context.server.file(handle).await?.ok_or_else(ApiError::file_not_found)?;
    let app = context.server.app(file.row.app).await?.ok_or_else(ApiError::file_not_found)?;
    Ok((app, file))
}

/// Sends content, or the part of it that was asked for, or word that it has not changed.
pub async fn send(context: &RequestContext, app: &App, content: &Content, life: CacheLife) -> Answer {
    let size = content.size();
    let mut answer_headers = answer_headers(context, app, content, life);
    if is_unmodified(context, content) {
        answer_headers.remove(header::CONTENT_TYPE);
        answer_headers.remove(header::CONTENT_DISPOSITION);
        return Ok(with(StatusCode::NOT_MODIFIED, answer_headers, ResponseBody::empty()));
    }
    match wanted_range(context, content) {
        RangeRequest::Whole => {
            answer_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            let body = body_of(context, content, 0..size).await?;
            Ok(with(StatusCode::OK, answer_headers, body))
        }
        RangeRequest::Single(wanted) => {
            answer_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(wanted.length()));
            answer_headers.insert(header::CONTENT_RANGE, content_range(wanted, size)?);
            let body = body_of(context, content, wanted.start..wanted.end + 1).await?;
            Ok(with(StatusCode::PARTIAL_CONTENT, answer_headers, body))
        }
        RangeRequest::Multiple(wanted) => multiple(context, content, answer_headers, wanted),
        RangeRequest::Unsatisfiable => {
            let mut response =
                ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "no such range in this file")
                    .into_response(context.route.errors);
            response.headers_mut().insert(header::CONTENT_RANGE, header_text(&format!("bytes */{size}"))?);
            Ok(response)
        }
    }
}

fn answer_headers(context: &RequestContext, app: &App, content: &Content, life: CacheLife) -> HeaderMap {
    let mut answer_headers = content.headers().clone();
    answer_headers.insert(header::CACHE_CONTROL, life.header(app));
    if context.query.flag("dl") {
        headers::make_attachment(&mut answer_headers, content.filename());
    }
    answer_headers
}

/// RFC 9110 §13.2.2: `If-None-Match` wins over `If-Modified-Since`.
fn is_unmodified(context: &RequestContext, content: &Content) -> bool {
    if let Some(tags) = context.header(header::IF_NONE_MATCH) {
        let own = content.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(strong);
        return tags.split(',').map(str::trim).any(|tag| tag == "*" || Some(strong(tag)) == own);
    }
    let since = context.header(header::IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
    since.zip(content.modified()).is_some_and(|(since, modified)| modified <= since)
}

/// A tag without the mark of a weak one.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn wanted_range(context: &RequestContext, content: &Content) -> RangeRequest {
    let Some(wanted) = context.header(header::RANGE) else { return RangeRequest::Whole };
    if let Some(condition) = context.header(header::IF_RANGE) {
        let same = match httpdate::parse_http_date(condition) {
            Ok(date) => content.modified() == Some(date),
            // Weak tags never prove that two answers are the same byte for byte.
            Err(_) => {
                !condition.starts_with("W/") && content.headers().get(header::ETAG).is_some_and(|tag| tag == condition)
            }
        };
        if !same {
            return RangeRequest::Whole;
        }
    }
    range::parse(wanted, content.size())
}

/// `multipart/byteranges` (RFC 9110 §15.3.7.2).
fn multiple(
    context: &RequestContext,
    content: &Content,
    mut answer_headers: HeaderMap,
    wanted: Vec<ByteRange>,
) -> Answer {
    let media_type = answer_headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let size = content.size();
    let mut random = [0; 12];
    crate::ingest::fill_random(&mut random);
    let boundary = hex::encode(random);
    let part_heads: Vec<String> = wanted
        .iter()
        .map(|range| {
            format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {}-{}/{size}\r\n\r\n",
                range.start, range.end
            )
        })
        .collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let heads: usize = part_heads.iter().map(String::len).sum();
    let length = heads as u64 + wanted.iter().map(ByteRange::length).sum::<u64>() + end.len() as u64;
    answer_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer_headers.insert(header::CONTENT_TYPE, header_text(&format!("multipart/byteranges; boundary={boundary}"))?);
    let body = if context.is_head() {
        ResponseBody::empty()
    } else {
        let server = context.server.clone();
        let content = content.clone();
        let chunks = stream::iter(part_heads.into_iter().zip(wanted))
            .then(move |(head, range)| {
                let (server, content) = (server.clone(), content.clone());
                async move {
                    let blob = content
                        .open(&server, range.start..range.end + 1)
                        .await
                        .map_err(|error| StoreError::Other(error.cause.unwrap_or_default()))?;
                    let chunks = http_body_util::BodyStream::new(ResponseBody::from_blob(blob, range.length()))
                        .try_filter_map(async |frame| Ok(frame.into_data().ok()));
                    Ok::<_, StoreError>(stream::once(async { Ok(Bytes::from(head)) }).chain(chunks))
                }
            })
            .try_flatten()
            .chain(stream::once(async { Ok(Bytes::from(end)) }))
            .boxed();
        ResponseBody::Stream { chunks, remaining: length }
    };
    Ok(with(StatusCode::PARTIAL_CONTENT, answer_headers, body))
}

/// The body for a range of the content; nothing for HEAD.
async fn body_of(context: &RequestContext, content: &Content, range: Range<u64>) -> Result<ResponseBody, ApiError> {
    if context.is_head() {
        return Ok(ResponseBody::empty());
    }
    let length = range.end - range.start;
    context.server.metrics.served(length);
    Ok(ResponseBody::from_blob(content.open(&context.server, range).await?, length))
}

/// Opens a range of a file's content; small files come from memory when they were read lately.
pub async fn blob_of(server: &Server, row: &FileRow, range: Range<u64>) -> Result<Blob, ApiError> {
    if range.is_empty() {
        return Ok(Blob::Memory(Bytes::new()));
    }
    if row.size <= SMALL_FILE
        && let Some(content) = server.small_files.get(&row.etag)
        && let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
    {
        return Ok(Blob::Memory(content.slice(start..end)));
    }
    let store = server.stores.by_id(row.store).await?;
    let object = stowage_store::ObjectId::from_catalogue(row.object.clone());
    let whole = range == (0..row.size);
    let blob = match store.driver_in(row.region.as_deref())?.open(&object, range).await {
        Err(StoreError::NotFound) => return Err(vanished(server, row).await),
        // Nothing that a reader could name differently.
        Err(error @ StoreError::WrongRegion(_)) => return Err(ApiError::internal(error)),
        opened => opened?,
    };
    Ok(match blob {
        Blob::Stream(chunks) if whole => Blob::Stream(verified(chunks, row, server.metrics.content_mismatches.clone())),
        Blob::Memory(content) if whole && row.size <= SMALL_FILE => {
            server.small_files.insert(row.etag, content.clone());
            Blob::Memory(content)
        }
        other => other,
    })
}

/// An overwrite or a delete may take the object away between the look at the row and the look at the bytes.
async fn vanished(server: &Server, row: &FileRow) -> ApiError {
    match server.catalogue.file(&row.handle).await {
        Ok(None) => ApiError::file_not_found(),
        Ok(Some(now)) if now.version != row.version => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            crate::http::FILE_CHANGED,
            "the file was replaced at this very moment; read it again",
        ),
        Ok(Some(_)) => ApiError::new(
            StatusCode::BAD_GATEWAY,
            "object_missing",
            "the storage provider does not have the content of this file any more",
        )
        .because(format!("the object {} of file {} is missing from its store", row.object, row.handle)),
        Err(error) => error.into(),
    }
}

/// `base64encode=true`: the whole file as base64 text, encoded while it streams (three bytes at a time give four).
async fn encoded(context: &RequestContext, app: &App, file: Arc<KnownFile>, life: CacheLife) -> Answer {
    let row = &file.row;
    let mut answer_headers = answer_headers(context, app, &Content::File(file.clone()), life);
    answer_headers.remove(header::ACCEPT_RANGES);
    answer_headers.remove(header::ETAG);
    let length = row.size.div_ceil(3) * 4;
    answer_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let body = if context.is_head() {
        ResponseBody::empty()
    } else {
        let content = crate::ingest::remote::content_of(&context.server, row).await?;
        let chunks = stream::try_unfold((content, Vec::new(), false), async |(mut content, mut rest, ended)| {
            if ended {
                return Ok(None);
            }
            let chunk = content.try_next().await.map_err(|error| StoreError::Other(error.cause.unwrap_or_default()))?;
            let ended = chunk.is_none();
            rest.extend_from_slice(&chunk.unwrap_or_default());
            let usable = if ended { rest.len() } else { rest.len() / 3 * 3 };
            let text = STANDARD.encode(&rest[..usable]);
            rest.drain(..usable);
            Ok(Some((Bytes::from(text), (content, rest, ended))))
        });
        ResponseBody::Stream { chunks: chunks.boxed(), remaining: length }
    };
    Ok(with(StatusCode::OK, answer_headers, body))
}

fn with(status: StatusCode, headers: HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn content_range(range: ByteRange, size: u64) -> Result<HeaderValue, ApiError> {
    header_text(&format!("bytes {}-{}/{size}", range.start, range.end))
}

fn header_text(text: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(text).map_err(ApiError::internal)
}
