//! The delivery grammar (spec 02 §3): a file, its metadata, or a stored copy of it or of a URL.

use std::sync::Arc;

use http::{StatusCode, header};
use stowage_catalogue::App;
use stowage_core::{
    delivery::{self, DeliveryPath, Source, Task, Value},
    media_type::MediaType,
    options::StoreOptions,
    query::Query,
};

use super::{
    Answer,
    answer::{StoredFile, json, text},
    content::Content,
    metadata,
    read::{self, CacheLife, find},
    store::{app_of_key, destination},
};
use crate::{
    http::{
        ApiError,
        authorise::{Authority, Credentials, authorise},
        context::RequestContext,
        headers,
        routes::{Needs, calls_of_task},
    },
    ingest::{
        self, SizeLimits, Upload,
        alias::{self, AliasedObject},
        remote,
    },
    state::KnownFile,
    stores::Target,
};

/// Answers a delivery URL.
#[utoipa::path(get, path = "/{delivery}", operation_id = "deliver", tag = "Delivery",
    params(
        ("delivery" = String, Path, description = "`[APIKEY/][task=…/…]SOURCE`, for example `HANDLE`, `HANDLE/metadata`, `store=path:\"a/\"/HANDLE`, `KEY/store/https://…`, `KEY/src://NAME/path`"),
        ("dl" = Option<bool>, Query, description = "`true`: as an attachment"),
        ("policy" = Option<String>, Query), ("signature" = Option<String>, Query),
    ),
    responses((status = 200, description = "The file, or JSON for `metadata` and `store`"), (status = 206, description = "A range of the file"),
        (status = 304, description = "Unmodified"), (status = 400, description = "Not a sentence of the grammar"), (status = 403, description = "Policy error"),
        (status = 404, description = "No such file")))]
pub async fn deliver(context: &mut RequestContext) -> Answer {
    let uri = &context.parts.uri;
    if uri.path() == "/" {
        return Ok(text("Stowage is running. The API is described at /openapi.json\n", "text/plain; charset=utf-8"));
    }
    let path = delivery::parse(uri.path(), uri.query())
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "invalid_path", error.to_string()))?;
    // What belongs to an external source is not the request's own query.
    context.query = Query::parse(&path.query, context.server.config.limits.max_fields)
        .map_err(|error| ApiError::invalid_body(error.to_string()))?;
    let context = &*context;
    let plan = Plan::of(&path)?;
    let (app, own_file) = app_and_file(context, &path).await?;
    let authority = authority(context, &app, &path)?;
    if let Some(file) = &own_file {
        authority.check_handle(&file.row.handle)?;
    }
    if let Some(options) = plan.store {
        let target = destination(context, &app, &authority, &options).await?;
        let upload = source(context, &app, &authority, &path).await?;
        return store(context, &app, &authority, target, options, upload).await;
    }
    if let Some(asked) = &plan.metadata {
        let asked = if asked.is_empty() { metadata::asked_in_query(context) } else { metadata::asked_in_task(asked)? };
        let Some(file) = own_file else {
            let object = aliased(context, &app, &authority, &path.source, "the metadata of an external source").await?;
            return metadata::describe_object(&authority, &object, &asked);
        };
        return metadata::describe(context, &authority, &file.row, &asked).await;
    }
    let content = match own_file {
        Some(file) => Content::File(file),
        None => {
            let wish = "delivery of an external source without a `store` task";
            Content::Object(Arc::new(aliased(context, &app, &authority, &path.source, wish).await?))
        }
    };
    let mut response = read::send(context, &app, &content, plan.cache).await?;
    if let Some(task) = plan.content {
        task.apply(response.headers_mut(), context.query.flag("dl"));
    }
    Ok(response)
}

/// The object that an alias names. `wish`: what other external sources are refused for.
async fn aliased(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    source: &Source,
    wish: &str,
) -> Result<AliasedObject, ApiError> {
    let place = match source {
        Source::Alias(url) => url.strip_prefix("src://").map(|place| (url, place)),
        _ => None,
    };
    let (url, place) = place.ok_or_else(|| unsupported(wish))?;
    authority.check_alias(url)?;
    alias::find(context, app, place).await
}

/// What the tasks of a path add up to.
struct Plan {
    store: Option<StoreOptions>,
    metadata: Option<Vec<String>>,
    cache: CacheLife,
    content: Option<ContentTask>,
}

impl Plan {
    fn of(path: &DeliveryPath) -> Result<Self, ApiError> {
        if path.debug {
            return Err(unsupported("`debug`"));
        }
        let mut plan = Self { store: None, metadata: None, cache: CacheLife::DELIVERY, content: None };
        for task in &path.tasks {
            match task.name.as_str() {
                "store" => {
                    let options = store_options(task)?;
                    plan.store = Some(match plan.store.take() {
                        Some(earlier) => earlier.or(options),
                        None => options,
                    });
                }
                "metadata" => plan.metadata = Some(list_of_names(task)),
                "cache" => plan.cache = cache_life(task)?,
                "content" => plan.content = Some(ContentTask::of(task)?),
                other => return Err(unsupported(&format!("the task `{other}`"))),
            }
        }
        Ok(plan)
    }
}

fn unsupported(what: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "unsupported_conversion",
        format!("Unsupported conversion: {what} is not available in this version"),
    )
}

fn store_options(task: &Task) -> Result<StoreOptions, ApiError> {
    let pairs: Vec<(&str, String)> =
        task.params.iter().map(|(name, value)| (name.as_str(), value_text(value))).collect();
    let pairs = pairs.iter().map(|(name, value)| {
        // The Go library's spelling (spec 10 §2.2).
        (if *name == "base64" { "base64decode" } else { name }, value.as_str())
    });
    Ok(StoreOptions::from_pairs(pairs, true)?)
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(",")),
        Value::Flag => "true".to_owned(),
    }
}

/// `metadata`, `metadata=[a,b]` and `metadata=params:[a,b]` (spec 10 §6.7).
fn list_of_names(task: &Task) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in &task.params {
        match value {
            Value::List(items) => names.extend(items.iter().map(value_text)),
            Value::Text(text) if name == "params" => names.push(text.clone()),
            // A list without a name in front of it arrives as the name.
            Value::Text(_) | Value::Flag => names.extend(name.trim_matches(['[', ']']).split(',').map(str::to_owned)),
        }
    }
    names
}

fn cache_life(task: &Task) -> Result<CacheLife, ApiError> {
    let off = task.params.iter().any(|(name, value)| {
        matches!(name.as_str(), "false" | "f") && !matches!(value, Value::Text(text) if text == "false")
    });
    if off {
        return Ok(CacheLife::Never);
    }
    match task.text(&["expiry", "e"]) {
        None => Ok(CacheLife::DELIVERY),
        Some(expiry) => CacheLife::of_expiry(expiry)
            .ok_or_else(|| ApiError::invalid_parameter("expiry", "it must be `max` or seconds from 1 to 31536000")),
    }
}

/// `content=filename:…,type:…` (spec 10 §6.6).
struct ContentTask {
    filename: Option<String>,
    media_type: Option<MediaType>,
}

impl ContentTask {
    fn of(task: &Task) -> Result<Self, ApiError> {
        let filename = task
            .text(&["filename", "f"])
            .map(stowage_core::filename::FileName::parse)
            .transpose()
            .map_err(|error| ApiError::invalid_parameter("filename", error))?;
        let media_type = task
            .text(&["type", "t"])
            .map(MediaType::parse)
            .transpose()
            .map_err(|reason| ApiError::invalid_parameter("type", reason))?;
        // A URL must not be able to make a browser run what was stored as something harmless (threat F3).
        if media_type.as_ref().is_some_and(MediaType::is_active) {
            return Err(ApiError::invalid_parameter(
                "type",
                "active types such as HTML and SVG cannot be chosen by URL",
            ));
        }
        Ok(Self { filename: filename.map(|name| name.as_str().to_owned()), media_type })
    }

    fn apply(&self, answer_headers: &mut http::HeaderMap, download: bool) {
        if let Some(media_type) = &self.media_type
            && let Ok(value) = media_type.as_str().parse()
        {
            answer_headers.insert(header::CONTENT_TYPE, value);
        }
        if let Some(filename) = &self.filename {
            headers::rename(answer_headers, filename, download);
        }
    }
}

/// The app that a path speaks for, and the stored file it names. A key in front of another app's file opens it only where that
/// app lets anybody read (spec 02 §3.2).
async fn app_and_file(
    context: &RequestContext,
    path: &DeliveryPath,
) -> Result<(Arc<App>, Option<Arc<KnownFile>>), ApiError> {
    if let Source::Handle(handle) = &path.source {
        let (owner, file) = find(context, handle).await?;
        if let Some(key) = &path.key {
            let app = app_of_key(context, key).await?;
            if app.id != owner.id {
                let stores = path.tasks.iter().any(|task| task.name == "store");
                return match owner.settings.security {
                    true => Err(ApiError::file_not_found()),
                    false if stores => Ok((app, None)),
                    false => Ok((owner, Some(file))),
                };
            }
        }
        return Ok((owner, Some(file)));
    }
    let key = path.key.as_deref().or(context.query.get("key")).ok_or_else(|| {
        let text = match path.source {
            Source::None => "File not found",
            _ => "Invalid Application: an external source needs an API key as the first path segment",
        };
        let status = if path.source == Source::None { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        ApiError::new(status, "invalid_application", text)
    })?;
    Ok((app_of_key(context, key).await?, None))
}

/// Every task must be covered by the policy (spec 04 §5); no task at all is a read.
fn authority(context: &RequestContext, app: &App, path: &DeliveryPath) -> Result<Authority, ApiError> {
    let mut credentials = Credentials::of_request(context);
    if let Some(security) = &path.security {
        credentials.set_policy(security.policy.clone(), security.signature.clone());
    }
    let first = path.tasks.first().map_or(&[stowage_core::policy::Call::Read][..], |task| calls_of_task(&task.name));
    let authority = authorise(context, app, Needs::WhenSecured(first), &credentials)?;
    for task in path.tasks.iter().skip(1) {
        authority.allow_any(calls_of_task(&task.name))?;
    }
    Ok(authority)
}

async fn source(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    path: &DeliveryPath,
) -> Result<Upload, ApiError> {
    match &path.source {
        Source::Handle(handle) => remote::stored(context, app, authority, handle).await,
        Source::Url(url) | Source::Alias(url) => {
            remote::open(context, app, authority, url, http::HeaderMap::new()).await
        }
        Source::Workflow(_) => Err(unsupported("a workflow result as source")),
        Source::List(_) => Err(unsupported("a list of sources")),
        Source::None => Err(ApiError::no_content()),
    }
}

/// Stores a source and answers with the new file (spec 01 §6).
pub async fn store(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    target: Target,
    options: StoreOptions,
    mut upload: Upload,
) -> Answer {
    let limits = SizeLimits::of(&context.server, app, authority);
    if options.base64decode {
        upload.content = ingest::base64::decode(upload.content);
        upload.length = None;
    }
    let mut row = ingest::store_file(&context.server, app, target, options, upload, limits).await?;
    if row.mimetype.starts_with("image/") {
        // Java reads the dimensions of a stored result (spec 01 §6).
        row.dimensions = Some(metadata::dimensions(&context.server, &row).await?);
    }
    Ok(json(&StoredFile::of(context, &row)))
}
