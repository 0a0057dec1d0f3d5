//! The IETF draft "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload), interop versions 3 to 8. The newest text read is
//! revision 12. There are no interim 104 answers: hyper cannot send them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use stowage_catalogue::FileRow;
use stowage_core::disposition;
use stowage_uploads::{Progress, Session, UploadError};

use super::{
    Answer, UPLOAD_LENGTH, UPLOAD_OFFSET, Upload, authority_of, beginning_of, content_type, described, expiry,
    headers::{self, HeaderError, Metadata},
    is_whole, name_file, no_content,
    problem::Problem,
    put, read_header, required, wrong_content_type,
};
use crate::{
    api::answer::{StoredFile, json as json_answer},
    http::{ApiError, RequestBody, ResponseBody, context::RequestContext, routes::Operation},
    uploads::Beginning,
};

const INTEROP_VERSION: HeaderName = HeaderName::from_static("upload-draft-interop-version");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const UPLOAD_INCOMPLETE: HeaderName = HeaderName::from_static("upload-incomplete");
const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Type of the bodies that are appended.
const CONTENT: &str = "application/partial-upload";

/// Integers of structured fields have 15 digits.
const LARGEST_INTEGER: u64 = 999_999_999_999_999;

/// Which state of the draft a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interop(u8);

impl Interop {
    const OLDEST: Self = Self(3);
    /// That of the newest revision; what a client without a version speaks.
    pub(super) const CURRENT: Self = Self(8);

    /// From the headers of a request; `None` if it is none of the draft's.
    pub(super) fn of(parts: &Parts) -> Result<Option<Self>, ApiError> {
        let headers = &parts.headers;
        if let Some(version) = headers.get(INTEROP_VERSION) {
            let version = version.to_str().ok().and_then(|text| text.trim().parse().ok()).map(Self);
            let known = version.filter(|version| (Self::OLDEST..=Self::CURRENT).contains(version));
            return known.map(Some).ok_or_else(unknown_version);
        }
        if headers.contains_key(UPLOAD_INCOMPLETE) {
            return Ok(Some(Self::OLDEST));
        }
        Ok(headers.contains_key(UPLOAD_COMPLETE).then_some(Self::CURRENT))
    }

    /// `Upload-Incomplete` until version 3, its opposite since.
    fn completeness(self) -> &'static str {
        if self.0 <= 3 { "Upload-Incomplete" } else { "Upload-Complete" }
    }

    /// Whether the request ends the upload; `None` if it says nothing.
    fn ends(self, context: &RequestContext) -> Result<Option<bool>, ApiError> {
        let flag = read_header(context, self.completeness(), boolean)?;
        Ok(flag.map(|flag| flag == (self.0 > 3)))
    }

    fn has_partial_type(self) -> bool {
        self.0 >= 6
    }

    /// Whether an upload ends as soon as all announced bytes are there, as servers of these versions have it. Later on only the client's
    /// word ends it (§"Length").
    fn ends_by_length(self) -> bool {
        self.0 <= 6
    }
}

fn unknown_version() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "upload_protocol",
        "this server speaks the versions 3 to 8 of `Upload-Draft-Interop-Version`",
    )
}

pub(super) async fn answer(
    context: &RequestContext,
    operation: Operation,
    interop: Interop,
    body: RequestBody,
) -> Answer {
    if operation == Operation::CreateResumable {
        return create(context, interop, body).await;
    }
    let upload = Upload::of(context).await?;
    match operation {
        Operation::AppendResumable => append(context, &upload, interop, body).await,
        Operation::CancelResumable => {
            upload.abort(&context.server).await?;
            Ok(no_content())
        }
        _ => retrieve_offset(context, &upload, interop).await,
    }
}

/// Answers name the version; those that refuse something say that the upload is not complete.
pub(super) fn signed(mut response: Response<ResponseBody>, interop: Interop) -> Response<ResponseBody> {
    let refused = !response.status().is_success();
    let headers = response.headers_mut();
    headers.insert(INTEROP_VERSION, u16::from(interop.0).into());
    if refused {
        say_complete(interop, false, headers);
    }
    response
}

/// Headers of an `OPTIONS` answer.
pub(super) fn announce(most: u64, headers: &mut HeaderMap) {
    put(headers, UPLOAD_LIMIT, &limits(most));
    headers
        .insert(ACCEPT_PATCH, HeaderValue::from_static("application/offset+octet-stream, application/partial-upload"));
}

fn limits(most: u64) -> String {
    let most = most.min(LARGEST_INTEGER);
    format!("min-size=0, max-size={most}")
}

async fn create(context: &RequestContext, interop: Interop, body: RequestBody) -> Answer {
    let ends = required(interop.ends(context)?, interop.completeness())?;
    let metadata = read_header(context, "Upload-Metadata", Metadata::parse)?.unwrap_or_default();
    let (app, authority) = authority_of(context, &metadata).await?;
    let announced = read_header(context, "Upload-Length", integer)?;
    let carried = body.length.filter(|_| ends);
    if announced.zip(carried).is_some_and(|(announced, carried)| announced != carried) {
        return Ok(Problem::InconsistentLength.into_response());
    }
    let told = beginning_of(context, &metadata)?;
    let named = context.header(header::CONTENT_DISPOSITION).and_then(disposition::filename_of);
    let typed = content_type(context).filter(|given| *given != CONTENT).map(str::to_owned);
    let beginning = Beginning {
        name_hint: named.or(told.name_hint),
        type_hint: told.type_hint.or(typed),
        size: announced.or(carried),
        ..told
    };
    let upload = Upload::begin(context, app, &authority, beginning).await?;
    let created = begun(context, &upload, interop, ends, body).await;
    if !created.as_ref().is_ok_and(|response| response.status().is_success()) {
        upload.give_up(&context.server).await;
    }
    created
}

/// Takes the bytes that came along and answers.
async fn begun(context: &RequestContext, upload: &Upload, interop: Interop, ends: bool, body: RequestBody) -> Answer {
    let mut response = take(context, upload, interop, ends, 0, body).await?;
    if !response.status().is_success() {
        return Ok(response);
    }
    if !ends {
        *response.status_mut() = StatusCode::CREATED;
    }
    let progress = upload.progress().await?;
    let headers = response.headers_mut();
    put(headers, header::LOCATION, &upload.url(context));
    say_limits(&progress, &upload.session, headers);
    Ok(response)
}

async fn retrieve_offset(context: &RequestContext, upload: &Upload, interop: Interop) -> Answer {
    // An offset that is told must be good for the next request (§"Concurrency"); who uses GET only watches.
    if context.parts.method == Method::HEAD {
        upload.session.stop_appending().await;
    }
    if interop.ends_by_length() {
        upload.finish_if_whole(&context.server).await?;
    }
    let mut response = match context.parts.method {
        Method::GET => described(context, upload).await?,
        _ => no_content(),
    };
    let row = upload.file(&context.server).await?;
    let progress = upload.progress().await?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UPLOAD_OFFSET, progress.offset.into());
    if let Some(size) = progress.size {
        headers.insert(UPLOAD_LENGTH, size.into());
    }
    say_complete(interop, row.is_some(), headers);
    say_limits(&progress, &upload.session, headers);
    if let Some(row) = row {
        name_file(context, &row, headers);
    }
    Ok(response)
}

async fn append(context: &RequestContext, upload: &Upload, interop: Interop, body: RequestBody) -> Answer {
    let typed = content_type(context).is_some_and(|given| given.eq_ignore_ascii_case(CONTENT));
    if interop.has_partial_type() && !typed {
        return Err(wrong_content_type(CONTENT));
    }
    let offset = required(read_header(context, "Upload-Offset", integer)?, "Upload-Offset")?;
    let ends = match interop.ends(context)? {
        // Version 3 lets the last piece go unmarked.
        None if interop == Interop::OLDEST => false,
        ends => required(ends, interop.completeness())?,
    };
    let progress = upload.progress().await?;
    if let Some(row) = upload.file(&context.server).await? {
        // The answer to the last byte may have been lost.
        return Ok(match ends && offset == progress.offset && body.is_empty() {
            true => stored(context, interop, &row, &progress),
            false => Problem::CompletedUpload.into_response(),
        });
    }
    let announced = read_header(context, "Upload-Length", integer)?;
    let carried = body.length.filter(|_| ends).and_then(|length| offset.checked_add(length));
    let lengths: Vec<u64> = [announced, carried, progress.size].into_iter().flatten().collect();
    if offset == progress.offset && lengths.windows(2).any(|pair| pair[0] != pair[1]) {
        return Ok(Problem::InconsistentLength.into_response());
    }
    if let Some(length) = announced
        && let Err(error) = upload.session.set_size(length).await
    {
        return refused(error, offset);
    }
    take(context, upload, interop, ends, offset, body).await
}

/// Appends a body and, if it ends the upload, makes the file.
async fn take(
    context: &RequestContext,
    upload: &Upload,
    interop: Interop,
    ends: bool,
    offset: u64,
    body: RequestBody,
) -> Answer {
    let server = &context.server;
    let digest = read_header(context, "Content-Digest", headers::content_digest)?.flatten();
    if (!body.is_empty() || upload.progress().await?.offset != offset)
        && let Err(error) = upload.append(offset, digest, body).await
    {
        return refused(error, offset);
    }
    let progress = upload.progress().await?;
    let row = if ends {
        if let Err(error) = upload.session.set_size(progress.offset).await {
            return refused(error, offset);
        }
        Some(upload.finish(server).await?)
    } else if interop.ends_by_length() && is_whole(&progress) {
        upload.finish_if_whole(server).await?
    } else {
        None
    };
    let mut response = match row {
        Some(row) => return Ok(stored(context, interop, &row, &upload.progress().await?)),
        None => no_content(),
    };
    say_complete(interop, false, response.headers_mut());
    response.headers_mut().insert(UPLOAD_OFFSET, progress.offset.into());
    Ok(response)
}

/// The answer that a plain upload of the whole file would have had.
fn stored(context: &RequestContext, interop: Interop, row: &FileRow, progress: &Progress) -> Response<ResponseBody> {
    let mut response = json_answer(&StoredFile::of(context, row));
    let headers = response.headers_mut();
    say_complete(interop, true, headers);
    headers.insert(UPLOAD_OFFSET, progress.offset.into());
    name_file(context, row, headers);
    response
}

fn refused(error: UploadError, provided: u64) -> Answer {
    Ok(match error {
        UploadError::Offset { expected } => Problem::MismatchingOffset { expected, provided }.into_response(),
        UploadError::Complete => Problem::CompletedUpload.into_response(),
        UploadError::LengthSettled => Problem::InconsistentLength.into_response(),
        UploadError::Checksum => {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "checksum_mismatch",
                "the body is not what `Content-Digest` says; nothing of it was kept, send it again",
            ));
        }
        error => return Err(error.into()),
    })
}

fn say_complete(interop: Interop, complete: bool, headers: &mut HeaderMap) {
    let (name, flag) = if interop.0 <= 3 { (UPLOAD_INCOMPLETE, !complete) } else { (UPLOAD_COMPLETE, complete) };
    headers.insert(name, HeaderValue::from_static(if flag { "?1" } else { "?0" }));
}

fn say_limits(progress: &Progress, session: &Session, headers: &mut HeaderMap) {
    let left = expiry(progress).duration_since(std::time::SystemTime::now()).unwrap_or_default();
    put(headers, UPLOAD_LIMIT, &format!("{}, max-age={}", limits(session.plan().maximum), left.as_secs()));
}

/// An Item of a structured field: its parameters say nothing here.
fn item(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim_end()
}

fn boolean(text: &str) -> Result<bool, HeaderError> {
    match item(text) {
        "?1" => Ok(true),
        "?0" => Ok(false),
        _ => Err(HeaderError::Malformed("it must be ?1 or ?0")),
    }
}

fn integer(text: &str) -> Result<u64, HeaderError> {
    headers::length(item(text))
}
