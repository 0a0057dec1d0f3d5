//! JSON answers about files.

use std::collections::BTreeMap;

use http::{HeaderValue, Response, header};
use serde::Serialize;
use stowage_catalogue::FileRow;

use crate::http::{ResponseBody, context::RequestContext};

/// A new file (spec 01 §1.4): the documented keys and the superset that the official clients look for.
#[derive(Serialize, utoipa::ToSchema)]
pub struct StoredFile {
    /// Delivery URL, `scheme://host/<handle>`.
    pub url: String,
    /// Public identifier, 20 characters.
    pub handle: String,
    /// File name.
    pub filename: String,
    /// Media type.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Media type again, for clients that look here.
    pub mimetype: String,
    /// Bytes.
    pub size: u64,
    /// Storage key.
    pub key: String,
    /// Bucket or container.
    pub container: String,
    /// Always `Stored`.
    pub status: &'static str,
    /// Whether the holder of the secret may overwrite it; always true.
    #[serde(rename = "isWriteable")]
    pub is_writeable: bool,
    /// Width in pixels, for images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels, for images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Upload tags, when some were given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub upload_tags: BTreeMap<String, String>,
}

impl StoredFile {
    /// Describes a row as seen from the host of the request.
    pub fn of(context: &RequestContext, row: &FileRow) -> Self {
        let dimensions = row.dimensions.flatten();
        Self {
            url: context.file_url(&row.handle),
            handle: row.handle.to_string(),
            filename: row.filename.clone(),
            media_type: row.mimetype.clone(),
            mimetype: row.mimetype.clone(),
            size: row.size,
            key: row.key.clone(),
            container: row.container.clone(),
            status: "Stored",
            is_writeable: true,
            width: dimensions.map(|(width, _)| width),
            height: dimensions.map(|(_, height)| height),
            upload_tags: row.tags.clone(),
        }
    }
}

/// 200 with a JSON body that no cache keeps.
pub fn json(value: &impl Serialize) -> Response<ResponseBody> {
    let text = serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        "{}".to_owned()
    });
    let mut response = Response::new(ResponseBody::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with a short ASCII text.
pub fn text(text: &'static str, content_type: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
