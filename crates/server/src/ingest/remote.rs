//! Content behind a URL (spec 01 §§1.3, 7): an external origin through the guarded client, or a file of this very server.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use stowage_catalogue::{App, FileRow};
use stowage_core::handle::Handle;
use stowage_store::Blob;

use super::{ContentStream, Upload, alias};
use crate::{
    api::read::blob_of,
    http::{ApiError, ResponseBody, authorise::Authority, context::RequestContext},
};

/// Opens what a URL names as an upload. The bounds of app and policy are those of every upload, kept while it streams.
pub async fn open(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    url: &str,
    headers: HeaderMap,
) -> Result<Upload, ApiError> {
    authority.check_url(url)?;
    if let Some(path) = url.strip_prefix("src://") {
        return alias::open(context, app, path, url).await;
    }
    if let Some(handle) = own_handle(context, url) {
        return stored(context, app, authority, &handle).await;
    }
    let fetched = context.server.fetcher.get(url, headers, None).await?;
    Ok(Upload {
        name_hint: fetched.content_disposition.as_deref().and_then(stowage_core::disposition::filename_of),
        type_hint: fetched.content_type,
        length: fetched.content_length,
        content: fetched.body.map_err(ApiError::from).boxed(),
        source_url: Some(url.to_owned()),
        expected_md5: None,
        is_raw: false,
    })
}

/// Headers that a `/process` source object wants sent to its origin (spec 01 §5.1).
pub fn source_headers(value: Option<&serde_json::Value>) -> Result<HeaderMap, ApiError> {
    let invalid = |name: &str| ApiError::invalid_parameter("sources", format!("the header `{name}` cannot be sent"));
    let mut headers = HeaderMap::new();
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(headers) };
    let object = value
        .as_object()
        .ok_or_else(|| ApiError::invalid_parameter("sources", "`headers` must be an object of strings"))?;
    for (name, value) in object {
        let text = value.as_str().ok_or_else(|| invalid(name))?;
        let lower = name.to_ascii_lowercase();
        // Framing and routing belong to the client that makes the request.
        if matches!(
            lower.as_str(),
            "host" | "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer"
        ) {
            return Err(invalid(name));
        }
        let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| invalid(name))?;
        headers.insert(name.clone(), HeaderValue::from_str(text).map_err(|_| invalid(name.as_str()))?);
    }
    Ok(headers)
}

/// A file of this server as the source of another one.
pub async fn stored(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    handle: &Handle,
) -> Result<Upload, ApiError> {
    let server = &context.server;
    let file = server.file(handle).await?.ok_or_else(ApiError::file_not_found)?;
    let row = &file.row;
    check_readable(context, app, authority, row).await?;
    Ok(Upload {
        content: content_of(server, row).await?,
        length: Some(row.size),
        name_hint: Some(row.filename.clone()),
        type_hint: Some(row.mimetype.clone()),
        source_url: None,
        expected_md5: None,
        is_raw: false,
    })
}

/// Whether a request of `app` may read a file: another app's only where anybody may read it.
pub async fn check_readable(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    row: &FileRow,
) -> Result<(), ApiError> {
    if row.app == app.id {
        return authority.check_handle(&row.handle);
    }
    let owner = context.server.app(row.app).await?.ok_or_else(ApiError::file_not_found)?;
    if owner.settings.security { Err(ApiError::file_not_found()) } else { Ok(()) }
}

/// The whole content of a stored file.
pub async fn content_of(server: &Arc<crate::state::Server>, row: &FileRow) -> Result<ContentStream, ApiError> {
    let blob = blob_of(server, row, 0..row.size).await?;
    Ok(match blob {
        Blob::Memory(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        blob => chunks(ResponseBody::from_blob(blob, row.size)),
    })
}

/// A body as content on its way in.
pub fn chunks(body: ResponseBody) -> ContentStream {
    let frames = http_body_util::BodyStream::new(body).map_err(ApiError::from);
    frames.try_filter_map(async |frame| Ok(frame.into_data().ok())).boxed()
}

/// The handle in a URL of this server's own delivery host: no network fetch is needed.
pub fn own_handle(context: &RequestContext, url: &str) -> Option<Handle> {
    let bases = [Some(context.delivery_base()), context.server.config.public_base.cdn.clone()];
    bases.into_iter().flatten().find_map(|base| {
        let rest = url.strip_prefix(&base)?.strip_prefix('/')?;
        let path = rest.split(['?', '#']).next()?;
        Handle::parse(path.strip_prefix("api/file/").unwrap_or(path)).ok()
    })
}
