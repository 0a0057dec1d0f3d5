//! `POST /api/store/{location}` (spec 01 §1).

use std::sync::Arc;

use http::StatusCode;
use stowage_catalogue::App;
use stowage_core::{handle::ApiKey, location::Location, options::StoreOptions, query::Query};

use super::{
    Answer,
    answer::{StoredFile, json},
};
use crate::{
    http::{
        ApiError, RequestBody,
        authorise::{Authority, Credentials, authorise},
        context::RequestContext,
    },
    ingest::{
        self, SizeLimits,
        form::{self, Content, Form},
        remote,
    },
    stores::Target,
};

/// Stores one file from the request.
#[utoipa::path(post, path = "/api/store/{location}", operation_id = "storeFile", tag = "Store API",
    params(
        ("location" = String, Path, description = "`S3`, `azure`, `gcs`, `dropbox`, `rackspace` or `local`; any case"),
        ("key" = String, Query, description = "API key"),
        ("filename" = Option<String>, Query, description = "Stored file name; wins over every other name"),
        ("mimetype" = Option<String>, Query, description = "Forced media type"),
        ("path" = Option<String>, Query, description = "Storage path; a trailing `/` means folder, otherwise it is the whole key"),
        ("container" = Option<String>, Query, description = "Bucket or container"),
        ("access" = Option<String>, Query, description = "`private` (default) or `public`"),
        ("region" = Option<String>, Query, description = "Region of the container"),
        ("base64decode" = Option<bool>, Query, description = "The body is base64 text to be decoded"),
        ("workflows" = Option<String>, Query, description = "Workflow ids, a JSON list or comma list"),
        ("policy" = Option<String>, Query, description = "Needed with `signature` when the app has security on: call `store`"),
        ("signature" = Option<String>, Query),
    ),
    request_body(description = "multipart `fileUpload`; form or JSON `url`; or the raw bytes", content_type = "multipart/form-data"),
    responses((status = 200, description = "Stored", body = StoredFile), (status = 400, description = "Bad parameter or body"),
        (status = 401, description = "Unknown API key"), (status = 403, description = "Policy error"), (status = 413, description = "Too large"),
        (status = 507, description = "Storage full")))]
pub async fn store_file(context: &RequestContext, body: RequestBody) -> Answer {
    let location = location_of(context)?;
    let mut credentials = Credentials::of_request(context);
    // A key in the query lets a request be refused before its body is looked at.
    let early = match context.query.get("key") {
        Some(_) => Some(app_of(context, &context.query).await?),
        None => None,
    };
    let form = form::read(context, body).await?;
    let app = match early {
        Some(app) => app,
        None => app_of(context, &form.fields).await?,
    };
    credentials.add_fields(&form.fields);
    let authority = authorise(context, &app, context.route.needs, &credentials)?;
    let mut options = options_of(context, &form)?;
    options.location = location.or(options.location);
    let row = store(context, &app, &authority, options, form.content).await?;
    Ok(json(&StoredFile::of(context, &row)))
}

async fn store(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    options: StoreOptions,
    content: Content,
) -> Result<stowage_catalogue::FileRow, ApiError> {
    let target = destination(context, app, authority, &options).await?;
    let limits = SizeLimits::of(&context.server, app, authority);
    let mut upload = match content {
        Content::Bytes(upload) => upload,
        Content::Url(url) => remote::open(context, app, authority, &url, http::HeaderMap::new()).await?,
        Content::Nothing => return Err(ApiError::no_content()),
    };
    if options.base64decode {
        upload.content = ingest::base64::decode(upload.content);
        upload.length = None;
    }
    ingest::store_file(&context.server, app, target, options, upload, limits).await
}

/// Where a new file will go, if the authority allows one there. Ask before a source is opened: who may not store causes no fetch.
pub async fn destination(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    options: &StoreOptions,
) -> Result<Target, ApiError> {
    let target = context.server.stores.target(app, options).await?;
    authority.check_new_file(options.path.as_ref().map(|path| path.as_str()), target.container.as_str())?;
    Ok(target)
}

fn location_of(context: &RequestContext) -> Result<Option<Location>, ApiError> {
    let Some(text) = context.segment("location") else { return Ok(None) };
    Location::parse(text).map(Some).ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_location",
            "Invalid storage location: use S3, azure, gcs, dropbox, rackspace or local",
        )
    })
}

/// Query wins over form fields, form fields over nothing; a JSON command has its own object.
fn options_of(context: &RequestContext, form: &Form) -> Result<StoreOptions, ApiError> {
    let pairs = |query: &'_ Query| query.pairs().to_vec();
    let (query, fields) = (pairs(&context.query), pairs(&form.fields));
    let text = query.iter().chain(&fields).map(|(name, value)| (name.as_str(), value.as_str()));
    let options = StoreOptions::from_pairs(text, false)?;
    Ok(options.or(StoreOptions::from_json(&form.json)?))
}

/// The app of the `key` parameter (spec 01 §1.5).
pub async fn app_of(context: &RequestContext, fields: &Query) -> Result<Arc<App>, ApiError> {
    let Some(key) = context.query.get("key").or(fields.get("key")) else {
        return Err(invalid_application(
            context,
            StatusCode::BAD_REQUEST,
            "Invalid Application: the parameter `key` (your API key) is missing",
        ));
    };
    app_of_key(context, key).await
}

/// The app of an API key.
pub async fn app_of_key(context: &RequestContext, key: &str) -> Result<Arc<App>, ApiError> {
    let app = match ApiKey::parse(key) {
        Some(key) => context.server.app_by_key(&key).await?,
        None => None,
    };
    app.ok_or_else(|| {
        invalid_application(
            context,
            StatusCode::UNAUTHORIZED,
            "Invalid Application: the API key is unknown to this server",
        )
    })
}

fn invalid_application(context: &RequestContext, status: StatusCode, message: &'static str) -> ApiError {
    if context.server.config.compatibility.invalid_application_ok {
        return ApiError::new(StatusCode::OK, "invalid_application", "Invalid Application");
    }
    ApiError::new(status, "invalid_application", message)
}
