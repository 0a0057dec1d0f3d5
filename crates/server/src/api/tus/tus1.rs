//! tus 1.0 with all its extensions: creation, creation-with-upload, creation-defer-length, termination, checksum, expiration and
//! concatenation. See <https://tus.io/protocols/resumable-upload>.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use stowage_catalogue::App;
use stowage_uploads::{Algorithm, Progress, UploadError};

use super::{
    Answer, UPLOAD_LENGTH, UPLOAD_OFFSET, Upload, authority_of, beginning_of, content_type, described, expiry,
    headers::{self, Concat, Metadata},
    name_file, no_content, put, read_header, required, single, wrong_content_type,
};
use crate::{
    http::{ApiError, RequestBody, ResponseBody, authorise::Authority, context::RequestContext, routes::Operation},
    uploads::{self, Beginning},
};

/// In every request and answer.
pub(super) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const VERSION_1: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const EXTENSIONS: HeaderValue = HeaderValue::from_static(
    "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation",
);
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");

/// Type of the bodies that are appended.
const CONTENT: &str = "application/offset+octet-stream";

pub(super) async fn answer(context: &RequestContext, operation: Operation, body: RequestBody) -> Answer {
    if operation == Operation::CreateResumable {
        return create(context, body).await;
    }
    let upload = Upload::of(context).await?;
    match operation {
        Operation::AppendResumable => append(context, &upload, body).await,
        Operation::CancelResumable => {
            upload.abort(&context.server).await?;
            Ok(no_content())
        }
        _ if context.parts.method == Method::GET => described(context, &upload).await,
        _ => head(context, &upload).await,
    }
}

/// Every answer names the version; a refused one the versions that there are.
pub(super) fn signed(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let refused = response.status() == StatusCode::PRECONDITION_FAILED;
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, VERSION_1);
    if refused {
        headers.insert(VERSION, VERSION_1);
    }
    response
}

/// Headers of an `OPTIONS` answer.
pub(super) fn announce(most: u64, headers: &mut HeaderMap) {
    headers.insert(RESUMABLE, VERSION_1);
    headers.insert(VERSION, VERSION_1);
    headers.insert(EXTENSION, EXTENSIONS);
    headers.insert(MAX_SIZE, HeaderValue::from(most));
    let algorithms: Vec<&str> = Algorithm::ALL.into_iter().map(|(_, name, _)| name).collect();
    put(headers, CHECKSUM_ALGORITHM, &algorithms.join(","));
}

pub(super) fn check_version(parts: &Parts) -> Result<(), ApiError> {
    let mut versions = parts.headers.get_all(RESUMABLE).iter();
    match (versions.next(), versions.next()) {
        (Some(version), None) if version == VERSION_1 => Ok(()),
        _ => Err(wrong_version()),
    }
}

pub(super) fn wrong_version() -> ApiError {
    ApiError::new(
        StatusCode::PRECONDITION_FAILED,
        "upload_protocol",
        "the header `Tus-Resumable` must be 1.0.0; the IETF draft wants `Upload-Draft-Interop-Version` and `Upload-Complete`",
    )
}

async fn create(context: &RequestContext, body: RequestBody) -> Answer {
    let metadata = read_header(context, "Upload-Metadata", Metadata::parse)?.unwrap_or_default();
    let (app, authority) = authority_of(context, &metadata).await?;
    let size = announced_length(context)?;
    let beginning = Beginning {
        metadata: single(context, "Upload-Metadata")?.map(str::to_owned),
        ..beginning_of(context, &metadata)?
    };
    match (read_header(context, "Upload-Concat", Concat::parse)?, size) {
        (Some(Concat::Final(_)), Some(_)) => {
            Err(ApiError::invalid_parameter("Upload-Length", "a final upload is as long as its partial ones"))
        }
        (Some(Concat::Final(sources)), None) => {
            concatenate(context, app, &authority, Beginning { sources, ..beginning }).await
        }
        (None | Some(Concat::Partial), None) => {
            Err(ApiError::invalid_parameter("Upload-Length", "the header is missing, and `Upload-Defer-Length`, too"))
        }
        (concat, Some(size)) => {
            let beginning = Beginning { partial: concat.is_some(), size, ..beginning };
            let upload = Upload::begin(context, app, &authority, beginning).await?;
            let created = begun(context, &upload, body).await;
            if created.is_err() {
                upload.give_up(&context.server).await;
            }
            created
        }
    }
}

/// `Some(None)`: it is told later. `None`: nothing was said.
fn announced_length(context: &RequestContext) -> Result<Option<Option<u64>>, ApiError> {
    let length = read_header(context, "Upload-Length", headers::length)?;
    let deferred = read_header(context, "Upload-Defer-Length", headers::defer_length)?.is_some();
    match (length, deferred) {
        (Some(_), true) => {
            Err(ApiError::invalid_parameter("Upload-Defer-Length", "`Upload-Length` has told the length already"))
        }
        (Some(length), false) => Ok(Some(Some(length))),
        (None, true) => Ok(Some(None)),
        (None, false) => Ok(None),
    }
}

/// Takes the bytes that came along and answers.
async fn begun(context: &RequestContext, upload: &Upload, body: RequestBody) -> Answer {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::CREATED;
    let brings_bytes = content_type(context).is_some_and(|given| given.eq_ignore_ascii_case(CONTENT));
    if brings_bytes {
        let checksum = read_header(context, "Upload-Checksum", headers::checksum)?;
        upload.append(0, checksum, body).await.map_err(refusal)?;
    }
    let row = upload.finish_if_whole(&context.server).await?;
    let progress = upload.progress().await?;
    let headers = response.headers_mut();
    put(headers, header::LOCATION, &upload.url(context));
    if brings_bytes {
        headers.insert(UPLOAD_OFFSET, progress.offset.into());
    }
    match row {
        Some(row) => name_file(context, &row, headers),
        None => expires(&progress, headers),
    }
    Ok(response)
}

async fn concatenate(context: &RequestContext, app: Arc<App>, authority: &Authority, beginning: Beginning) -> Answer {
    let server = &context.server;
    let mut sources = Vec::new();
    for id in &beginning.sources {
        let source = uploads::session_of(server, Some(&app), id).await?;
        if !source.plan().partial {
            return Err(ApiError::invalid_parameter("Upload-Concat", "one of the uploads is no partial one"));
        }
        sources.push(source);
    }
    let upload = Upload::begin(context, app, authority, beginning).await?;
    let row = match uploads::concatenate(server, &upload.app, &upload.session, sources).await {
        Ok(row) => row,
        Err(error) => {
            upload.give_up(server).await;
            return Err(error);
        }
    };
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::CREATED;
    put(response.headers_mut(), header::LOCATION, &upload.url(context));
    name_file(context, &row, response.headers_mut());
    Ok(response)
}

async fn head(context: &RequestContext, upload: &Upload) -> Answer {
    // All bytes are there, but storing them failed: this is the next try.
    let row = upload.finish_if_whole(&context.server).await?;
    let progress = upload.progress().await?;
    let plan = upload.session.plan();
    let mut response = Response::new(ResponseBody::empty());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UPLOAD_OFFSET, progress.offset.into());
    match progress.size {
        Some(size) => headers.insert(UPLOAD_LENGTH, size.into()),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    if let Some(metadata) = &plan.metadata {
        put(headers, UPLOAD_METADATA, metadata);
    }
    if plan.partial {
        headers.insert(UPLOAD_CONCAT, HeaderValue::from_static("partial"));
    } else if !plan.sources.is_empty() {
        let urls: Vec<String> = plan.sources.iter().map(|id| format!("/tus/{id}")).collect();
        put(headers, UPLOAD_CONCAT, &format!("final;{}", urls.join(" ")));
    }
    match row {
        Some(row) => name_file(context, &row, headers),
        None => expires(&progress, headers),
    }
    Ok(response)
}

async fn append(context: &RequestContext, upload: &Upload, body: RequestBody) -> Answer {
    if !content_type(context).is_some_and(|given| given.eq_ignore_ascii_case(CONTENT)) {
        return Err(wrong_content_type(CONTENT));
    }
    if !upload.session.plan().sources.is_empty() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "upload_final",
            "a final upload is put together from partial ones; nothing can be added to it",
        ));
    }
    let offset = required(read_header(context, "Upload-Offset", headers::length)?, "Upload-Offset")?;
    let checksum = read_header(context, "Upload-Checksum", headers::checksum)?;
    if let Some(length) = read_header(context, "Upload-Length", headers::length)? {
        upload.session.set_size(length).await.map_err(refusal)?;
    }
    let progress = upload.progress().await?;
    // The answer to the last byte may have been lost: asking again for nothing is harmless.
    if progress.handle.is_none() || !body.is_empty() {
        upload.append(offset, checksum, body).await.map_err(refusal)?;
    } else if offset != progress.offset {
        return Err(UploadError::Offset { expected: progress.offset }.into());
    }
    let row = upload.finish_if_whole(&context.server).await?;
    let progress = upload.progress().await?;
    let mut response = no_content();
    let headers = response.headers_mut();
    headers.insert(UPLOAD_OFFSET, progress.offset.into());
    match row {
        Some(row) => name_file(context, &row, headers),
        None => expires(&progress, headers),
    }
    Ok(response)
}

fn expires(progress: &Progress, headers: &mut HeaderMap) {
    put(headers, UPLOAD_EXPIRES, &httpdate::fmt_http_date(expiry(progress)));
}

/// With the statuses of tus where they differ from those of other protocols.
fn refusal(error: UploadError) -> ApiError {
    match error {
        UploadError::Checksum => ApiError::new(
            StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            "checksum_mismatch",
            "the body is not what `Upload-Checksum` says; nothing of it was kept, send it again",
        ),
        UploadError::LengthSettled => ApiError::invalid_parameter("Upload-Length", error),
        UploadError::TooLarge { limit } => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the upload may have {limit} bytes at most (`Upload-Length` or the server's limit)"),
        ),
        error => error.into(),
    }
}
