//! `POST|PUT /api/file/{handle}`: replace the content behind a handle (spec 02 §5).

use http::Response;
use serde::Serialize;
use stowage_core::{media_type::MediaType, policy::Call};

use super::{Answer, answer::json, read::find};
use crate::{
    http::{
        ApiError, RequestBody, ResponseBody,
        authorise::{Credentials, authorise},
        context::RequestContext,
    },
    ingest::{
        self, SizeLimits,
        form::{self, Content},
        remote,
    },
};

/// A file after an overwrite (spec 02 §5): the documented keys and a superset.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OverwrittenFile {
    /// Delivery URL.
    pub url: String,
    /// Handle, unchanged.
    pub handle: String,
    /// File name, unchanged.
    pub filename: String,
    /// Media type; changed only by a `mimetype` parameter.
    pub mimetype: String,
    /// Media type again.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// Always true.
    #[serde(rename = "isWriteable")]
    pub is_writeable: bool,
    /// Storage key, unchanged.
    pub key: String,
    /// Bucket or container.
    pub container: String,
}

/// Replaces the content.
#[utoipa::path(post, path = "/api/file/{handle}", operation_id = "overwriteFile", tag = "File API",
    params(
        ("handle" = String, Path, description = "File handle"),
        ("mimetype" = Option<String>, Query, description = "New media type; otherwise it stays"),
        ("base64decode" = Option<bool>, Query, description = "The body is base64 text to be decoded"),
        ("url" = Option<String>, Query, description = "Fetch the new content from there (empty body)"),
        ("policy" = Option<String>, Query, description = "Always needed with `signature`, unless HTTP Basic: call `write`, or `writeUrl` for a URL"),
        ("signature" = Option<String>, Query),
    ),
    request_body(description = "As for storing", content_type = "multipart/form-data"),
    responses((status = 200, description = "Replaced", body = OverwrittenFile), (status = 403, description = "Policy error"),
        (status = 404, description = "No such file")))]
pub async fn overwrite_file(context: &RequestContext, body: RequestBody) -> Answer {
    let handle = context.handle()?;
    let (app, file) = find(context, &handle).await?;
    let mut credentials = Credentials::of_request(context);
    let form = form::read(context, body).await?;
    credentials.add_fields(&form.fields);
    let authority = authorise(context, &app, context.route.needs, &credentials)?;
    authority.check_handle(&handle)?;

    let parameter = |name| context.query.get(name).or(form.fields.get(name));
    let mimetype = parameter("mimetype")
        .map(MediaType::parse)
        .transpose()
        .map_err(|reason| ApiError::invalid_parameter("mimetype", reason))?;
    let base64decode = context.query.flag("base64decode") || form.fields.flag("base64decode");
    let limits = SizeLimits::of(&context.server, &app, &authority);
    let mut upload = match form.content {
        Content::Bytes(upload) => {
            authority.allow_any(&[Call::Write])?;
            upload
        }
        Content::Url(url) => {
            authority.allow_any(&[Call::WriteUrl])?;
            remote::open(context, &app, &authority, &url, http::HeaderMap::new()).await?
        }
        Content::Nothing => return Err(ApiError::no_content()),
    };
    if base64decode {
        upload.content = ingest::base64::decode(upload.content);
        upload.length = None;
    }
    let row = ingest::overwrite_file(&context.server, &app, &file.row, mimetype, upload, limits).await?;
    Ok(answer(context, &row))
}

fn answer(context: &RequestContext, row: &stowage_catalogue::FileRow) -> Response<ResponseBody> {
    json(&OverwrittenFile {
        url: context.file_url(&row.handle),
        handle: row.handle.to_string(),
        filename: row.filename.clone(),
        mimetype: row.mimetype.clone(),
        media_type: row.mimetype.clone(),
        size: row.size,
        is_writeable: true,
        key: row.key.clone(),
        container: row.container.clone(),
    })
}
