//! The multipart upload protocol that every modern client of the vendor speaks (spec 03).

mod command;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Response, header};
use serde::Serialize;
use serde_json::json;
use stowage_catalogue::App;
use stowage_core::{filename::FileName, media_type::MediaType};
use stowage_uploads::{PartBody, Session, UploadError};

use self::command::Command;
use super::{
    Answer,
    answer::{StoredFile, json as json_answer},
    store::app_of_key,
};
use crate::{
    http::{
        ApiError, RequestBody, ResponseBody,
        authorise::{Credentials, authorise, check_upload},
        context::RequestContext,
    },
    ingest::{form::content_md5, naming},
    uploads::{self, Beginning, Ending, invalid_params},
};

/// Region that is reported where nobody named one: clients reject an empty one.
const REGION: &str = "us-east-1";

/// A begun upload (spec 03 §3.3).
#[derive(Serialize, utoipa::ToSchema)]
pub struct BegunUpload {
    /// `/container/key`, to be sent back.
    uri: String,
    /// To be sent back.
    region: String,
    /// To be sent back; whoever knows it may go on with the upload.
    upload_id: String,
    /// `host[:port]` of the requests that follow.
    location_url: String,
    /// `intelligent_ingestion` if chunked parts were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_type: Option<&'static str>,
}

/// Begins an upload in parts.
#[utoipa::path(post, path = "/multipart/start", operation_id = "startUpload", tag = "Uploads",
    request_body(description = "`{apikey, filename, mimetype, size, store: {location, path, container, region, access}, fii, policy, signature}`, \
        or the same as a form with `store_*` fields", content_type = "application/json"),
    responses((status = 200, description = "Begun", body = BegunUpload), (status = 400, description = "Bad parameter"),
        (status = 401, description = "Unknown API key"), (status = 403, description = "Policy error"), (status = 413, description = "Too large"),
        (status = 429, description = "Too many unfinished uploads")))]
pub async fn start(context: &RequestContext, body: RequestBody) -> Answer {
    let command = Command::read(context, body).await?;
    let app = app_of(context, &command).await?;
    let mut credentials = Credentials::of_request(context);
    credentials.add_fields(&command.credentials());
    let authority = authorise(context, &app, context.route.needs, &credentials)?;
    let beginning = Beginning {
        options: command.options()?,
        name_hint: command.text("filename"),
        type_hint: command.text("mimetype"),
        size: Some(command.required("size")?),
        ..Beginning::default()
    };
    let session = uploads::begin(context, &app, &authority, beginning).await?;
    Ok(json_answer(&BegunUpload {
        uri: uri(&session),
        region: region(&session).to_owned(),
        upload_id: session.id().to_string(),
        location_url: location_url(context),
        upload_type: command.is_chunked().then_some("intelligent_ingestion"),
    }))
}

/// Says where the bytes of a part, or of a chunk of one, are to be put.
#[utoipa::path(post, path = "/multipart/upload", operation_id = "announcePart", tag = "Uploads",
    request_body(description = "`{apikey, uri, region, upload_id, part, size, md5, offset, fii}`", content_type = "application/json"),
    responses((status = 200, description = "`{url, headers, location_url}`"), (status = 400, description = "Bad parameter"),
        (status = 404, description = "Unknown or expired upload")))]
pub async fn announce_part(context: &RequestContext, body: RequestBody) -> Answer {
    let command = Command::read(context, body).await?;
    let (app, session) = session_of(context, &command).await?;
    let (part, size, md5) = (command.part()?, command.required("size")?, command.md5()?);
    let offset = command.number("offset")?;
    let is_chunk = command.is_chunked() || offset.is_some();
    check_size(&session, size).await?;
    // Types cannot be checked on bytes that do not come by.
    if app.settings.direct_uploads && app.settings.allowed_mime_types.is_empty() && !is_chunk {
        let driver = uploads::driver_of(&context.server, &session).await?;
        if let Some(direct) = session.presign_part(part, size, md5, &*driver).await? {
            let headers: serde_json::Map<_, _> =
                direct.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            let answer = json!({ "url": direct.url, "headers": headers, "location_url": location_url(context) });
            return Ok(json_answer(&answer));
        }
    }
    let mut url = format!("{}/multipart/part/{}/{part}?partNumber={part}&size={size}", base(context), session.id());
    if is_chunk {
        url += &format!("&offset={}", offset.unwrap_or(0));
    }
    let mut headers = serde_json::Map::new();
    if let Some(md5) = md5 {
        headers.insert("Content-MD5".to_owned(), STANDARD.encode(md5).into());
        url += &format!("&md5={}", hex::encode(md5));
    }
    Ok(json_answer(&json!({ "url": url, "headers": headers, "location_url": location_url(context) })))
}

/// Takes the bytes of a part, or of a chunk of one.
#[utoipa::path(put, path = "/multipart/part/{upload}/{part}", operation_id = "receivePart", tag = "Uploads",
    params(("upload" = String, Path, description = "`upload_id`"), ("part" = u32, Path, description = "1 to 10000"),
        ("size" = u64, Query, description = "Bytes"), ("offset" = Option<u64>, Query, description = "First byte of a chunk inside its part"),
        ("md5" = Option<String>, Query, description = "MD5 in hex"), ("Content-MD5" = Option<String>, Header, description = "MD5 in base64")),
    request_body(description = "The bytes", content_type = "application/octet-stream"),
    responses((status = 200, description = "Durable; `ETag` is the MD5"), (status = 400, description = "Wrong MD5 or length"),
        (status = 404, description = "Unknown or expired upload")))]
pub async fn receive_part(context: &RequestContext, body: RequestBody) -> Answer {
    let server = &context.server;
    let session = uploads::session_of(server, None, context.segment("upload").unwrap_or_default()).await?;
    let app = server.app(session.app()).await?.ok_or(UploadError::NotFound)?;
    check_upload(context, &app, &Credentials::default())?;
    let number = context.segment("part").and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| ApiError::invalid_parameter("part", "it must be a number"))?;
    let announced = query_number(context, "size")?;
    let size = announced.or(body.length).ok_or_else(|| ApiError::invalid_parameter("size", "it is missing"))?;
    if let Some(length) = body.length.filter(|length| *length != size) {
        return Err(UploadError::Length { expected: size, received: length }.into());
    }
    let md5 = announced_md5(context)?;
    let part = PartBody { number, size, md5, content: uploads::content(body) };
    let driver = uploads::driver_of(server, &session).await?;
    let stored = match query_number(context, "offset")? {
        Some(offset) => session.put_chunk(part, offset, driver).await?,
        None => session.put_part(part, driver).await?,
    };
    let mut response = Response::new(ResponseBody::empty());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{stored}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// Says that the chunks of a part are all there.
#[utoipa::path(post, path = "/multipart/commit", operation_id = "commitPart", tag = "Uploads",
    request_body(description = "`{apikey, uri, region, upload_id, part, size}`, `size` being that of the whole file", content_type = "application/json"),
    responses((status = 200, description = "No hole"), (status = 400, description = "The part has holes"), (status = 404, description = "Unknown or expired upload")))]
pub async fn commit_part(context: &RequestContext, body: RequestBody) -> Answer {
    let command = Command::read(context, body).await?;
    let (_, session) = session_of(context, &command).await?;
    let driver = uploads::driver_of(&context.server, &session).await?;
    session.commit_part(command.part()?, driver).await?;
    Ok(json_answer(&json!({})))
}

/// Puts the parts together to a file; a repetition gives the same answer.
#[utoipa::path(post, path = "/multipart/complete", operation_id = "completeUpload", tag = "Uploads",
    request_body(description = "`{apikey, uri, region, upload_id, filename, mimetype, size, parts: [{part_number, etag}], fii, upload_tags}`",
        content_type = "application/json"),
    responses((status = 200, description = "Stored", body = StoredFile), (status = 400, description = "Something is missing"),
        (status = 404, description = "Unknown or expired upload")))]
pub async fn complete(context: &RequestContext, body: RequestBody) -> Answer {
    let command = Command::read(context, body).await?;
    let (app, session) = session_of(context, &command).await?;
    let announced = session.progress().await?.size;
    if let (Some(size), Some(announced)) = (command.number("size")?, announced)
        && size != announced
    {
        return Err(invalid_params("size", format!("the upload was begun with {announced} bytes")));
    }
    let named = command.text("filename").as_deref().and_then(FileName::from_hint);
    let ending = Ending {
        parts: command.parts()?,
        filename: named.filter(|name| name.as_str() != session.plan().filename),
        mimetype: other_type(&command, &session),
        tags: command.tags()?,
        alt: command.alt()?,
    };
    let row = uploads::complete(&context.server, &app, &session, ending).await?;
    Ok(json_answer(&StoredFile::of(context, &row)))
}

/// A type that differs from the one at the start (spec 03 §7).
fn other_type(command: &Command, session: &Session) -> Option<MediaType> {
    let told = naming::declared(command.text("mimetype").as_deref())?;
    (session.plan().mimetype.as_deref() != Some(told.as_str())).then_some(told)
}

async fn app_of(context: &RequestContext, command: &Command) -> Result<Arc<App>, ApiError> {
    match command.text("apikey") {
        Some(key) => app_of_key(context, &key).await,
        None => Err(invalid_params("apikey", "it is missing")),
    }
}

/// The upload that a request is about: its id is the key to it, the rest is compared with what was issued (spec 03 §3.3).
async fn session_of(context: &RequestContext, command: &Command) -> Result<(Arc<App>, Arc<Session>), ApiError> {
    let app = app_of(context, command).await?;
    let mut credentials = Credentials::of_request(context);
    credentials.add_fields(&command.credentials());
    check_upload(context, &app, &credentials)?;
    let id = command.text("upload_id").ok_or_else(|| invalid_params("upload_id", "it is missing"))?;
    let session = uploads::session_of(&context.server, Some(&app), &id).await?;
    if command.text("uri").is_some_and(|given| given != uri(&session)) {
        return Err(invalid_params("uri", "it belongs to another upload"));
    }
    if command.text("region").is_some_and(|given| given != region(&session)) {
        return Err(invalid_params("region", "it belongs to another upload"));
    }
    Ok((app, session))
}

async fn check_size(session: &Session, size: u64) -> Result<(), ApiError> {
    let limit = session.progress().await?.size.unwrap_or(u64::MAX);
    if size <= limit {
        return Ok(());
    }
    Err(invalid_params("size", format!("the whole upload has {limit} bytes")))
}

fn uri(session: &Session) -> String {
    format!("/{}/{}", session.plan().container, session.plan().key)
}

fn region(session: &Session) -> &str {
    session.plan().region.as_deref().unwrap_or(REGION)
}

fn base(context: &RequestContext) -> String {
    context.upload_base()
}

/// Most clients put `https://` in front of it; only new ones of one kind take it with a scheme, which they need without TLS (spec 03 §2).
fn location_url(context: &RequestContext) -> String {
    let base = context.upload_base();
    let takes_scheme = context.header("filestack-source").is_some_and(|source| {
        let major = source.strip_prefix("JS-").and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        major.is_some_and(|major| major >= 3)
    });
    if base.starts_with("http://") && takes_scheme { base } else { context.upload_host() }
}

fn query_number(context: &RequestContext, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = context.query.get(name) else { return Ok(None) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.map(Some).ok_or_else(|| ApiError::invalid_parameter(name, "it must be a whole number that is not negative"))
}

/// What the part was announced with; a header that is sent all the same must agree.
fn announced_md5(context: &RequestContext) -> Result<Option<[u8; 16]>, ApiError> {
    let header = content_md5(context)?;
    let query = match context.query.get("md5") {
        Some(text) => {
            let digest = hex::decode(text).ok().and_then(|digest| digest.try_into().ok());
            Some(digest.ok_or_else(|| ApiError::invalid_parameter("md5", "it must be 32 hex digits"))?)
        }
        None => None,
    };
    match (header, query) {
        (Some(header), Some(query)) if header != query => Err(UploadError::Checksum.into()),
        (header, query) => Ok(header.or(query)),
    }
}
