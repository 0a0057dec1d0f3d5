//! The delivery grammar (spec 02 §3): a file, its metadata, or a stored copy of it or of a URL.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use stowage_catalogue::App;
use stowage_core::{
    delivery::{self, DeliveryPath, Source, Task},
    options::StoreOptions,
    policy::Call,
    query::Query,
    tasks::Chain,
};

use super::{
    Answer,
    answer::{StoredFile, json, text},
    content::Content,
    debug, fallback, metadata,
    plan::{ContentTask, Facts, Plan, unsupported},
    read::{self, CacheLife, find},
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
    transform::{self, Wanted, tasks},
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
    // What is not even a sentence of the language is refused before anything is looked up.
    Chain::read(&path.tasks)?;
    let subject = Subject::find(context, path).await?;
    let plan = Plan::of(&tasks::with_presets(&subject.app, &path.tasks)?)?;
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
        let authority = authority(context, &app, &path.tasks, &credentials(context, path))?;
        if let Some(file) = &own_file {
            authority.check_handle(&file.row.handle)?;
        }
        Ok(Self { app, own_file, authority })
    }
}

/// Does what the tasks say.
pub(super) async fn carry_out(context: &RequestContext, path: &DeliveryPath, plan: Plan, subject: Subject) -> Answer {
    let Subject { app, own_file, authority } = subject;
    let wanted = |work| Wanted { source: &path.source, headers: HeaderMap::new(), work, keep: plan.keep };
    if let Some(options) = plan.store {
        let target = destination(context, &app, &authority, &options).await?;
        let upload = match plan.work {
            Some(work) => {
                let made = transform::result(context, &app, &authority, wanted(work)).await?;
                Content::Result(made).as_upload(&context.server).await?
            }
            None => source(context, &app, &authority, path).await?,
        };
        return store(context, &app, &authority, target, options, upload).await;
    }
    // The rows of most pictures know it.
    if let (Some(Facts::ImageSize), Some(file)) = (&plan.facts, &own_file)
        && let Some(size) = metadata::image_size(&context.server, &file.row).await?
    {
        return Ok(size);
    }
    if let Some(work) = plan.work {
        let made = transform::result(context, &app, &authority, wanted(work)).await?;
        return send(context, &app, &Content::Result(made), plan.cache, plan.content.as_ref()).await;
    }
    if let Some(Facts::Metadata(asked)) = plan.facts {
        let asked = if asked.is_empty() { metadata::asked_in_query(context) } else { metadata::asked_in_task(&asked)? };
        let Some(file) = own_file else {
            let wish = "the metadata of an external source";
            let object = aliased(context, &app, &authority, &path.source, wish).await?;
            return metadata::describe_object(&authority, &object, &asked);
        };
        return metadata::describe(context, &authority, &file.row, &asked).await;
    }
    let content = match own_file {
        Some(file) => Content::File(file),
        None if matches!(path.source, Source::Url(_)) => {
            Content::Result(transform::original(context, &app, &authority, &path.source, plan.keep).await?)
        }
        None => {
            let wish = "delivery of such a source without a `store` task";
            Content::Object(Arc::new(aliased(context, &app, &authority, &path.source, wish).await?))
        }
    };
    send(context, &app, &content, plan.cache, plan.content.as_ref()).await
}

async fn send(
    context: &RequestContext,
    app: &App,
    content: &Content,
    life: CacheLife,
    naming: Option<&ContentTask>,
) -> Answer {
    let mut response = read::send(context, app, content, life).await?;
    if let Some(task) = naming {
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
    let key = path.key.as_deref().or(context.query.get("key"));
    // A list of stored files speaks for the app of the first (spec 10 §3).
    if let (None, Source::List(members)) = (key, &path.source)
        && let Some(Source::Handle(first)) = members.first()
        && members.iter().all(|member| matches!(member, Source::Handle(_)))
    {
        return Ok((find(context, first).await?.0, None));
    }
    let key = key.ok_or_else(|| {
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
pub(super) fn authority(
    context: &RequestContext,
    app: &App,
    written: &[Task],
    credentials: &Credentials,
) -> Result<Authority, ApiError> {
    if app.settings.strict_images && tasks::are_work(written) {
        // Signed, although the app may demand no signatures otherwise.
        authorise(context, app, Needs::Always(&[Call::Convert]), credentials).map_err(strict)?;
    }
    let first = written.first().map_or(&[Call::Read][..], |task| calls_of_task(&task.name));
    let authority = authorise(context, app, Needs::WhenSecured(first), credentials)?;
    for task in written.iter().skip(1) {
        authority.allow_any(calls_of_task(&task.name))?;
    }
    Ok(authority)
}

/// Whoever brings no signature at all is told what would do without one.
fn strict(error: ApiError) -> ApiError {
    if error.code != "policy_missing" {
        return error;
    }
    ApiError::new(
        StatusCode::FORBIDDEN,
        "preset_required",
        "this app works on pictures for signed requests and by its presets only: use `preset=name:NAME`",
    )
}

async fn source(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    path: &DeliveryPath,
) -> Result<Upload, ApiError> {
    match &path.source {
        Source::Handle(handle) => remote::stored(context, app, authority, handle).await,
        Source::Url(url) | Source::Alias(url) => remote::open(context, app, authority, url, HeaderMap::new()).await,
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
