//! Which of the body forms a request has (spec 01 §1.2), read up to the point where the content begins.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{StatusCode, header};
use multer::{Field, Multipart};
use serde_json::{Map, Value};
use stowage_core::query::Query;

use super::{ContentStream, Upload};
use crate::{
    config::Limits,
    http::{ApiError, BodyError, RequestBody, context::RequestContext},
};

/// Bytes of a form that may lie outside its file: headers, text fields, preamble.
const FORM_OVERHEAD: u64 = 2 * 1024 * 1024;

/// Form fields that would come too late behind the file, because the store is chosen before the first byte is written.
const OPTION_FIELDS: &[&str] = &[
    "key",
    "filename",
    "mimetype",
    "path",
    "container",
    "access",
    "region",
    "base64decode",
    "workflows",
    "location",
    "policy",
    "signature",
];

/// A request body, recognised.
pub struct Form {
    /// Text fields before the content (multipart), all fields (urlencoded), none otherwise.
    pub fields: Query,
    /// Store options of a JSON command.
    pub json: Map<String, Value>,
    /// What is to be stored.
    pub content: Content,
}

/// What is to be stored.
pub enum Content {
    /// Bytes in the body.
    Bytes(Upload),
    /// Bytes behind a URL.
    Url(String),
    /// The body is empty.
    Nothing,
}

/// Recognises the body of a Store API or overwrite request.
pub async fn read(context: &RequestContext, body: RequestBody) -> Result<Form, ApiError> {
    let limits = &context.server.config.limits;
    let content_type = context.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut form = match media_type.as_str() {
        "multipart/form-data" => return multipart(context, &content_type, body, limits).await,
        "application/x-www-form-urlencoded" | "application/json" => {
            let is_json = media_type == "application/json";
            command_or_raw(context, is_json, body, limits).await?
        }
        _ => Form::of(Content::Bytes(raw(context, body.length, body.map_err(ApiError::from).boxed())?)),
    };
    if let Content::Bytes(upload) = &mut form.content
        && upload.length.is_none_or(|length| length == 0)
    {
        form.content = unless_empty(upload).await?;
    }
    // `?url=` with an empty body (Swift).
    if matches!(form.content, Content::Nothing)
        && let Some(url) = context.query.get("url")
    {
        form.content = Content::Url(url.to_owned());
    }
    Ok(form)
}

impl Form {
    fn of(content: Content) -> Self {
        Self { fields: Query::default(), json: Map::new(), content }
    }
}

fn raw(context: &RequestContext, length: Option<u64>, content: ContentStream) -> Result<Upload, ApiError> {
    Ok(Upload {
        content,
        length,
        name_hint: context.header(header::CONTENT_DISPOSITION).and_then(stowage_core::disposition::filename_of),
        type_hint: context.header(header::CONTENT_TYPE).map(str::to_owned),
        source_url: None,
        expected_md5: content_md5(context)?,
        is_raw: true,
    })
}

fn content_md5(context: &RequestContext) -> Result<Option<[u8; 16]>, ApiError> {
    let Some(text) = context.header("content-md5") else { return Ok(None) };
    let digest = STANDARD.decode(text.trim()).ok().and_then(|digest| digest.try_into().ok());
    digest.map(Some).ok_or_else(|| ApiError::invalid_parameter("Content-MD5", "it must be the base64 of 16 bytes"))
}

async fn unless_empty(upload: &mut Upload) -> Result<Content, ApiError> {
    let mut content = std::mem::replace(&mut upload.content, stream::empty().boxed());
    let first = loop {
        match content.next().await {
            Some(chunk) => {
                let chunk = chunk?;
                if !chunk.is_empty() {
                    break chunk;
                }
            }
            None => return Ok(Content::Nothing),
        }
    };
    let content = stream::once(async { Ok(first) }).chain(content).boxed();
    Ok(Content::Bytes(Upload { content, ..std::mem::replace(upload, Upload::empty()) }))
}

/// JSON and urlencoded bodies are commands when they name a `url`, and files otherwise.
async fn command_or_raw(
    context: &RequestContext,
    is_json: bool,
    mut body: RequestBody,
    limits: &Limits,
) -> Result<Form, ApiError> {
    let length = body.length;
    let mut start = BytesMut::new();
    let mut ended = false;
    while start.len() <= limits.max_field_bytes {
        match body.next().await {
            Some(chunk) => start.extend_from_slice(&chunk?),
            None => {
                ended = true;
                break;
            }
        }
    }
    if ended && let Some(command) = command(is_json, &start, limits)? {
        return Ok(command);
    }
    let start = start.freeze();
    let content = stream::once(async { Ok(start) }).chain(body.map_err(ApiError::from)).boxed();
    Ok(Form::of(Content::Bytes(raw(context, length, content)?)))
}

fn command(is_json: bool, text: &[u8], limits: &Limits) -> Result<Option<Form>, ApiError> {
    if is_json {
        let Ok(Value::Object(object)) = serde_json::from_slice(text) else { return Ok(None) };
        let Some(url) = object.get("url").and_then(Value::as_str).filter(|url| has_scheme(url)) else {
            return Ok(None);
        };
        let content = Content::Url(url.to_owned());
        return Ok(Some(Form { fields: Query::default(), json: object, content }));
    }
    let Ok(text) = std::str::from_utf8(text) else { return Ok(None) };
    let Ok(fields) = Query::parse(text, limits.max_fields) else { return Ok(None) };
    let Some(url) = fields.get("url") else { return Ok(None) };
    let content = Content::Url(url.to_owned());
    Ok(Some(Form { fields, json: Map::new(), content }))
}

/// `scheme:…`; a document whose `url` is a relative path is a file, not a command.
fn has_scheme(url: &str) -> bool {
    url.trim_start().split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

async fn multipart(
    context: &RequestContext,
    content_type: &str,
    body: RequestBody,
    limits: &Limits,
) -> Result<Form, ApiError> {
    let boundary = multer::parse_boundary(content_type)
        .ok()
        .filter(|boundary| (1..=70).contains(&boundary.len()))
        .ok_or_else(|| ApiError::invalid_body("multipart/form-data needs a boundary of 1 to 70 characters"))?;
    let buffered = Arc::new(AtomicU64::new(0));
    let input = Budgeted { body, buffered: buffered.clone(), yielded: false };
    let mut multipart = Multipart::new(input, boundary);
    let mut fields = Query::default();
    for _ in 0..limits.max_fields {
        let Some(field) = multipart.next_field().await.map_err(form_error)? else {
            let content = match fields.get("url").or(context.query.get("url")) {
                Some(url) => Content::Url(url.to_owned()),
                None => Content::Nothing,
            };
            return Ok(Form { fields, json: Map::new(), content });
        };
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = name == "fileUpload" || (field.file_name().is_some() && fields.get("url").is_none());
        if is_file {
            let content = Content::Bytes(file_part(context, multipart, field, buffered, limits.max_fields)?);
            return Ok(Form { fields, json: Map::new(), content });
        }
        let value = text_field(field, &name, limits.max_field_bytes).await?;
        fields.push(name, value);
    }
    Err(ApiError::invalid_body(format!("the form has more than {} fields", limits.max_fields)))
}

async fn text_field(mut field: Field<'static>, name: &str, limit: usize) -> Result<String, ApiError> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(form_error)? {
        text.extend_from_slice(&chunk);
        if text.len() > limit {
            return Err(ApiError::invalid_parameter(name, format!("a form field may have at most {limit} bytes")));
        }
    }
    String::from_utf8(text).map_err(|_| ApiError::invalid_parameter(name, "it must be UTF-8 text"))
}

fn file_part(
    context: &RequestContext,
    multipart: Multipart<'static>,
    field: Field<'static>,
    buffered: Arc<AtomicU64>,
    max_fields: usize,
) -> Result<Upload, ApiError> {
    let header = |name: header::HeaderName| field.headers().get(name).and_then(|value| value.to_str().ok());
    let name_hint = field.file_name().map(str::to_owned);
    let name_hint = header(header::CONTENT_DISPOSITION).and_then(stowage_core::disposition::filename_of).or(name_hint);
    let type_hint = header(header::CONTENT_TYPE).map(str::to_owned);
    let parts = Parts { multipart, field: Some(field), buffered, fields_left: max_fields };
    let content =
        stream::try_unfold(parts, async |mut parts| Ok(parts.next_chunk().await?.map(|chunk| (chunk, parts))));
    Ok(Upload {
        content: content.boxed(),
        length: None,
        name_hint,
        type_hint,
        source_url: None,
        expected_md5: content_md5(context)?,
        is_raw: false,
    })
}

/// The file part, then the rest of the form, which must end properly.
struct Parts {
    multipart: Multipart<'static>,
    field: Option<Field<'static>>,
    buffered: Arc<AtomicU64>,
    fields_left: usize,
}

impl Parts {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Some(field) = &mut self.field else { return Ok(None) };
        if let Some(chunk) = field.chunk().await.map_err(form_error)? {
            self.buffered.fetch_sub(chunk.len() as u64, Ordering::Relaxed);
            return Ok(Some(chunk));
        }
        self.field = None;
        self.finish().await?;
        Ok(None)
    }

    /// Reads to the closing boundary: a form that was cut off is never stored.
    async fn finish(&mut self) -> Result<(), ApiError> {
        while let Some(mut field) = self.multipart.next_field().await.map_err(form_error)? {
            let name = field.name().unwrap_or_default();
            if OPTION_FIELDS.iter().any(|option| name.eq_ignore_ascii_case(option)) {
                return Err(ApiError::invalid_parameter(
                    &name.to_ascii_lowercase(),
                    "it stands behind the file; put it before `fileUpload` or into the query",
                ));
            }
            self.fields_left = self
                .fields_left
                .checked_sub(1)
                .ok_or_else(|| ApiError::invalid_body("the form has too many fields"))?;
            while field.chunk().await.map_err(form_error)?.is_some() {}
        }
        Ok(())
    }
}

/// What the form reader may hold: it is fed one chunk at a time, and what is neither file nor accounted for is bounded.
struct Budgeted {
    body: RequestBody,
    buffered: Arc<AtomicU64>,
    yielded: bool,
}

#[derive(Debug, thiserror::Error)]
enum BudgetError {
    #[error("{0}")]
    Body(BodyError),
    #[error("the form has too many bytes outside its file")]
    Overhead,
}

impl Stream for Budgeted {
    type Item = Result<Bytes, BudgetError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The reader buffers until it is told to wait, so tell it after each chunk.
        if std::mem::take(&mut self.yielded) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let chunk = ready!(self.body.poll_next_unpin(context));
        Poll::Ready(chunk.map(|chunk| {
            let chunk = chunk.map_err(BudgetError::Body)?;
            self.yielded = true;
            let buffered = self.buffered.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
            if buffered > FORM_OVERHEAD { Err(BudgetError::Overhead) } else { Ok(chunk) }
        }))
    }
}

fn form_error(error: multer::Error) -> ApiError {
    if let multer::Error::StreamReadFailed(source) = &error
        && let Some(cause) = source.downcast_ref::<BudgetError>()
    {
        return match cause {
            BudgetError::Body(body) => (*body).into(),
            BudgetError::Overhead => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "form_too_large", cause.to_string()),
        };
    }
    ApiError::invalid_body(format!("the multipart form cannot be read: {error}"))
}
