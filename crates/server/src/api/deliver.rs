//! The delivery grammar (spec 02 §3): a file, its metadata, or a stored copy of it or of a URL.

use std::sync::Arc;

use http::StatusCode;
use stowage_catalogue::App;
use stowage_core::{
    delivery::{self, DeliveryPath, Source},
    options::StoreOptions,
    query::Query,
};

use super::{
    Answer,
    answer::{StoredFile, json, text},
    content::Content,
    debug, fallback, metadata,
    plan::{Facts, Plan, unsupported},
    read::{self, find},
    store::{app_of_key, destination},
};
use crate::{
    http::{
        ApiError,
        authorise::{Authority, Credentials, authorise},
        context::RequestContext,
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
    if path.debug {
        return debug::answer(context, &path).await;
    }
    match answer(context, &path).await {
        Err(error) => fallback::answer(context, &path, error).await,
        answered => answered,
    }
}

async fn answer(context: &RequestContext, path: &DeliveryPath) -> Answer {
    let plan = Plan::of(path)?;
    let subject = Subject::find(context, path).await?;
    carry_out(context, path, plan, subject).await
}

/// What a path is about, and what its request may do with it.
pub(super) struct Subject {
    pub(super) app: Arc<App>,
    pub(super) own_file: Option<Arc<KnownFile>>,
    authority: Authority,
}

impl Subject {
    pub(super) async fn find(context: &RequestContext, path: &DeliveryPath) -> Result<Self, ApiError> {
        let (app, own_file) = app_and_file(context, path).await?;
        let authority = authority(context, &app, path)?;
        if let Some(file) = &own_file {
            authority.check_handle(&file.row.handle)?;
        }
        Ok(Self { app, own_file, authority })
    }
}

/// Does what the tasks say.
pub(super) async fn carry_out(context: &RequestContext, path: &DeliveryPath, plan: Plan, subject: Subject) -> Answer {
    let Subject { app, own_file, authority } = subject;
    if let Some(options) = plan.store {
        let target = destination(context, &app, &authority, &options).await?;
        let upload = source(context, &app, &authority, path).await?;
        return store(context, &app, &authority, target, options, upload).await;
    }
    match plan.facts {
        Some(Facts::Metadata(asked)) => {
            let asked =
                if asked.is_empty() { metadata::asked_in_query(context) } else { metadata::asked_in_task(&asked)? };
            let Some(file) = own_file else {
                let wish = "the metadata of an external source";
                let object = aliased(context, &app, &authority, &path.source, wish).await?;
                return metadata::describe_object(&authority, &object, &asked);
            };
            return metadata::describe(context, &authority, &file.row, &asked).await;
        }
        Some(Facts::ImageSize) => {
            let file = own_file.ok_or_else(|| unsupported("`imagesize` of an external source"))?;
            return metadata::image_size(&context.server, &file.row).await;
        }
        None => {}
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

/// A policy in the path wins over one in the query (spec 02 §3.3).
pub(super) fn credentials(context: &RequestContext, path: &DeliveryPath) -> Credentials {
    let mut credentials = Credentials::of_request(context);
    if let Some(security) = &path.security {
        credentials.set_policy(security.policy.clone(), security.signature.clone());
    }
    credentials
}

/// Every task must be covered by the policy (spec 04 §5); no task at all is a read.
fn authority(context: &RequestContext, app: &App, path: &DeliveryPath) -> Result<Authority, ApiError> {
    let credentials = credentials(context, path);
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
