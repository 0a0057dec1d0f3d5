//! Which of the body forms a request has (spec 01 §1.2), read up to the point where the content begins.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header;
use serde_json::{Map, Value};
use stowage_core::query::Query;

use super::{
    ContentStream, Upload,
    multipart::{self, FormLimits},
};
use crate::{
    config::Limits,
    http::{ApiError, RequestBody, context::RequestContext},
};

/// Bytes that may follow the end of a form.
const MAX_EPILOGUE: u64 = 64 * 1024;

/// A request body, recognised.
pub struct Form {
    /// Text fields before the content (multipart), all fields (urlencoded), texts and flags (JSON command), none otherwise.
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

/// What a body must hash to, if the sender tells.
pub fn content_md5(context: &RequestContext) -> Result<Option<[u8; 16]>, ApiError> {
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
        return Ok(Some(Form { fields: texts_and_flags(&object), json: object, content }));
    }
    let Ok(text) = std::str::from_utf8(text) else { return Ok(None) };
    let Ok(fields) = Query::parse(text, limits.max_fields) else { return Ok(None) };
    let Some(url) = fields.get("url") else { return Ok(None) };
    let content = Content::Url(url.to_owned());
    Ok(Some(Form { fields, json: Map::new(), content }))
}

/// The members that could as well be fields of a form: key, credentials, most options.
fn texts_and_flags(object: &Map<String, Value>) -> Query {
    let pairs = object.iter().filter_map(|(name, value)| match value {
        Value::String(text) => Some((name.clone(), text.clone())),
        Value::Bool(flag) => Some((name.clone(), flag.to_string())),
        _ => None,
    });
    Query::from_pairs(pairs.collect())
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
    let form_limits = FormLimits { max_fields: limits.max_fields, max_field_bytes: limits.max_field_bytes };
    let form = multipart::read(content_type, body.clone().map_err(ApiError::from).boxed(), form_limits).await?;
    let content = match form.file {
        Some(file) => Content::Bytes(Upload {
            content: file.content.chain(epilogue(body)).boxed(),
            length: None,
            name_hint: file.name_hint,
            type_hint: file.type_hint,
            source_url: None,
            expected_md5: content_md5(context)?,
            is_raw: false,
        }),
        None => match form.fields.get("url").or(context.query.get("url")) {
            Some(url) => Content::Url(url.to_owned()),
            None => Content::Nothing,
        },
    };
    Ok(Form { fields: form.fields, json: Map::new(), content })
}

/// What stands behind the closing boundary means nothing, but it must arrive: a body that was cut off is never stored.
fn epilogue(body: RequestBody) -> ContentStream {
    stream::once(async move {
        match body.drain(MAX_EPILOGUE).await? {
            true => Ok(Bytes::new()),
            false => Err(ApiError::invalid_body(format!(
                "the form goes on for more than {MAX_EPILOGUE} bytes behind its end"
            ))),
        }
    })
    .boxed()
}
