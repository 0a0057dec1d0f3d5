//! Between the upload engine and HTTP: every protocol begins, goes on with and completes uploads through here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;
use stowage_catalogue::{App, CatalogueError, FileRow};
use stowage_core::{
    filename::FileName,
    handle::Handle,
    location::{Access, Location},
    media_type::MediaType,
    options::StoreOptions,
};
use stowage_store::{BlobStore, ObjectKey};
use stowage_uploads::{Completion, Content, Finished, Judged, ListedPart, Plan, Session, UploadError, UploadId};

use crate::{
    api::store::destination,
    claims,
    http::{ApiError, BodyError, RequestBody, authorise::Authority, context::RequestContext},
    ingest::{self, SizeLimits, naming},
    object_locks::ObjectGuard,
    state::Server,
};

/// Partial uploads are kept this long behind the file that they became part of, for a client that asks again.
const PARTIAL_GRACE: Duration = Duration::from_secs(300);

/// What a client says when it begins an upload.
#[derive(Default)]
pub struct Beginning {
    /// Store options.
    pub options: StoreOptions,
    /// What the sender calls the file.
    pub name_hint: Option<String>,
    /// What the sender says it is.
    pub type_hint: Option<String>,
    /// Bytes in all, if known.
    pub size: Option<u64>,
    /// Kept and given back verbatim.
    pub metadata: Option<String>,
    /// Only a piece of a later file.
    pub partial: bool,
    /// Ids of the partial uploads that it consists of.
    pub sources: Vec<String>,
}

/// Begins an upload. All that a policy can say about the new file is checked here, before the first byte (spec 03 §3.4).
pub async fn begin(
    context: &RequestContext,
    app: &App,
    authority: &Authority,
    beginning: Beginning,
) -> Result<Arc<Session>, ApiError> {
    let server = &context.server;
    let Beginning { options, name_hint, type_hint, size, metadata, partial, sources } = beginning;
    if options.base64decode {
        return Err(ApiError::invalid_parameter("base64decode", "an upload in parts is stored as it comes"));
    }
    let target = destination(context, app, authority, &options).await?;
    let limits = SizeLimits::of(server, app, authority);
    limits.check_at_most(size.unwrap_or(0))?;
    if let Some(size) = size.filter(|_| !partial) {
        limits.check_at_least(size)?;
    }
    if server.catalogue.count_open_uploads(app.id).await? >= server.config.limits.max_open_uploads as u64 {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_uploads",
            "too many unfinished uploads of this app; finish, abort or let some of them expire first",
        ));
    }
    let handle = Handle::random(ingest::fill_random);
    let given = options.filename.clone().or_else(|| name_hint.as_deref().and_then(FileName::from_hint));
    let told = options.mimetype.clone().or_else(|| naming::declared(type_hint.as_deref()));
    let mimetype = told.or_else(|| given.as_ref().and_then(|name| MediaType::from_filename(name.as_str())));
    if let Some(mimetype) = &mimetype {
        ingest::check_type(app, mimetype, &[])?;
    }
    let filename = match given {
        Some(filename) => filename,
        None => naming::generated(&handle, mimetype.as_ref().unwrap_or(&MediaType::octet_stream()))?,
    };
    let key = ObjectKey::build(target.container.clone(), options.path.as_ref(), &filename);
    let plan = Plan {
        handle: handle.to_string(),
        location: target.location.to_string(),
        container: key.container().as_str().to_owned(),
        key: key.key().to_owned(),
        exact: key.is_exact(),
        region: target.region,
        filename: filename.as_str().to_owned(),
        mimetype: mimetype.map(|mimetype| mimetype.as_str().to_owned()),
        access: options.access.unwrap_or_default().as_str().to_owned(),
        minimum: limits.least(),
        maximum: limits.most(),
        tags: options.tags,
        workflows: options.workflows,
        metadata,
        partial,
        sources,
    };
    Ok(server.uploads.create(app.id, target.store.id, plan, size).await?)
}

/// What a client adds when it completes an upload.
#[derive(Clone, Default)]
pub struct Ending {
    /// The parts as the client knows them.
    pub parts: Vec<ListedPart>,
    /// A name that wins over the one at the start (spec 03 §7).
    pub filename: Option<FileName>,
    /// A type that wins over the one at the start.
    pub mimetype: Option<MediaType>,
    /// More upload tags.
    pub tags: BTreeMap<String, String>,
    /// What somebody who cannot see the file is told.
    pub alt: Option<String>,
}

/// Completes an upload, or tells again what came of it.
pub async fn complete(
    server: &Arc<Server>,
    app: &App,
    session: &Arc<Session>,
    ending: Ending,
) -> Result<FileRow, ApiError> {
    if session.plan().partial {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "upload_partial",
            "a partial upload becomes a file only together with others (`Upload-Concat: final`)",
        ));
    }
    let driver = driver_of(server, session).await?;
    if app.settings.direct_uploads {
        session.learn_parts(&*driver).await?;
    }
    let judged = judge_content(app, session, ending.mimetype.as_ref()).await?;
    let (server, session) = (server.clone(), session.clone());
    ingest::run_to_the_end(async move {
        let _lock = lock(&server, &session, &*driver).await?;
        let deadline = claims::deadline();
        loop {
            let row = row_maker(&session, &ending)?;
            match session.complete(ending.parts.clone(), judged.clone(), driver.clone(), row).await {
                Err(UploadError::Catalogue(CatalogueError::Claimed)) if claims::wait(&server, deadline).await? => {}
                completion => return settle(&server, &session, completion?).await,
            }
        }
    })
    .await
}

/// Puts partial uploads together to a file (tus concatenation).
pub async fn concatenate(
    server: &Arc<Server>,
    app: &App,
    session: &Arc<Session>,
    sources: Vec<Arc<Session>>,
) -> Result<FileRow, ApiError> {
    let driver = driver_of(server, session).await?;
    let judged = judge_type(app, session, None, Session::sniffed_together(&sources).await?)?;
    let (server, session) = (server.clone(), session.clone());
    ingest::run_to_the_end(async move {
        let _lock = lock(&server, &session, &*driver).await?;
        let deadline = claims::deadline();
        let completion = loop {
            let row = row_maker(&session, &Ending::default())?;
            match session.concatenate(sources.clone(), judged.clone(), driver.clone(), row).await {
                Err(UploadError::Catalogue(CatalogueError::Claimed)) if claims::wait(&server, deadline).await? => {}
                completion => break completion?,
            }
        };
        for source in sources {
            if let Err(error) = source.retire(PARTIAL_GRACE).await {
                tracing::debug!(%error, "a partial upload stays for its whole life");
            }
        }
        settle(&server, &session, completion).await
    })
    .await
}

/// The driver of the store that an upload goes to.
pub async fn driver_of(server: &Server, session: &Session) -> Result<Arc<dyn BlobStore>, ApiError> {
    let store = server.stores.by_id(session.store()).await?;
    Ok(store.driver_in(session.plan().region.as_deref())?)
}

/// An upload of an app. That of another app is as unknown as none (threat C7).
pub async fn session_of(server: &Server, app: Option<&App>, id: &str) -> Result<Arc<Session>, ApiError> {
    let session = server.uploads.session(&UploadId::parse(id)?).await?;
    if app.is_some_and(|app| app.id != session.app()) {
        return Err(UploadError::NotFound.into());
    }
    Ok(session)
}

/// A request body as the engine takes it.
pub fn content(body: RequestBody) -> Content {
    body.map_err(|error: BodyError| error.into()).boxed()
}

/// Object names that can be written again are written by one at a time.
async fn lock(server: &Server, session: &Session, driver: &dyn BlobStore) -> Result<Option<ObjectGuard>, ApiError> {
    let object = driver.planned_id(&session.plan().object_key()?);
    Ok(match object {
        Some(object) => Some(server.object_locks.lock(session.store(), object.as_str()).await),
        None => None,
    })
}

/// Whether the app takes content of this kind, if it is choosy.
async fn judge_content(app: &App, session: &Session, told: Option<&MediaType>) -> Result<Judged, ApiError> {
    let is_over = session.progress().await?.handle.is_some();
    if is_over || app.settings.allowed_mime_types.is_empty() {
        return Ok(Judged::Anything);
    }
    session.check_sniffed().await?;
    judge_type(app, session, told, session.sniffed().await)
}

/// By what the file will be called, at the end or the beginning of its upload, and by what its bytes say.
fn judge_type(
    app: &App,
    session: &Session,
    told: Option<&MediaType>,
    sniffed: Option<MediaType>,
) -> Result<Judged, ApiError> {
    let planned = session.plan().mimetype.as_deref().and_then(|text| MediaType::parse(text).ok());
    let named = told.cloned().or(planned).or_else(|| sniffed.clone()).unwrap_or_else(MediaType::octet_stream);
    sniffed.iter().chain([&named]).try_for_each(|media_type| ingest::check_type(app, media_type, &[]))?;
    Ok(Judged::As(sniffed))
}

fn row_maker(session: &Session, ending: &Ending) -> Result<impl FnOnce(Finished) -> FileRow + Send + use<>, ApiError> {
    let plan = session.plan().clone();
    let handle = plan.file_handle()?;
    let location = Location::parse(&plan.location).ok_or_else(|| ApiError::internal("an upload to no location"))?;
    let access = Access::parse(&plan.access).unwrap_or_default();
    let (app, store) = (session.app(), session.store());
    let filename = ending.filename.as_ref().map_or(plan.filename, |name| name.as_str().to_owned());
    let (mimetype, alt) = (ending.mimetype.clone(), ending.alt.clone());
    let mut tags = plan.tags;
    tags.extend(ending.tags.clone());
    Ok(move |finished: Finished| {
        let now = ingest::unix_millis();
        FileRow {
            handle,
            app,
            store,
            location,
            container: plan.container,
            region: plan.region,
            key: plan.key,
            object: finished.object.as_str().to_owned(),
            filename,
            mimetype: mimetype.unwrap_or(finished.media_type).as_str().to_owned(),
            size: finished.size,
            etag: finished.etag,
            sha256: None,
            digests: BTreeMap::new(),
            dimensions: None,
            uploaded: now,
            modified: now,
            version: 1,
            source_url: None,
            alt,
            tags,
            access,
        }
    })
}

async fn settle(server: &Server, session: &Session, completion: Completion) -> Result<FileRow, ApiError> {
    match completion {
        Completion::New(row) => {
            if session.plan().exact {
                server.files_changed();
                server.wake_collector();
            }
            server.metrics.stored(row.size);
            Ok(*row)
        }
        Completion::Before(handle) => file_of(server, &handle).await,
    }
}

/// The file that came of an upload, as it is now.
pub async fn file_of(server: &Server, handle: &Handle) -> Result<FileRow, ApiError> {
    server.catalogue.file(handle).await?.ok_or_else(ApiError::file_not_found)
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let (status, code) = match error {
            UploadError::Store(error) => return error.into(),
            UploadError::Catalogue(error) => return error.into(),
            UploadError::Content(error) => {
                return match error.downcast::<BodyError>() {
                    Ok(error) => (*error).into(),
                    Err(error) => Self::internal(error),
                };
            }
            UploadError::NotFound => (StatusCode::NOT_FOUND, "upload_not_found"),
            UploadError::Complete => (StatusCode::CONFLICT, "upload_complete"),
            UploadError::Superseded => (StatusCode::CONFLICT, "upload_superseded"),
            UploadError::Offset { .. } => (StatusCode::CONFLICT, "upload_offset"),
            UploadError::Committed(_) => (StatusCode::CONFLICT, "part_committed"),
            UploadError::LengthSettled => (StatusCode::CONFLICT, "upload_length"),
            UploadError::PartNumber { .. } => return invalid("part", &error),
            UploadError::PartTooLarge { .. } | UploadError::Scattered(_) => return invalid("offset", &error),
            UploadError::Length { .. } => return invalid("size", &error),
            UploadError::Incomplete { .. } | UploadError::PartList { .. } => return invalid_params("parts", &error),
            UploadError::LengthUnknown => return invalid_params("size", &error),
            UploadError::PartTooSmall { .. } => return invalid_params("parts", &error),
            UploadError::PartIncomplete(_) => (StatusCode::BAD_REQUEST, "part_incomplete"),
            UploadError::Checksum => (StatusCode::BAD_REQUEST, "md5_mismatch"),
            UploadError::TooLarge { limit } => return Self::too_large(limit),
            UploadError::TooSmall { .. } => (StatusCode::FORBIDDEN, "policy_min_size"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn invalid(parameter: &str, error: &UploadError) -> ApiError {
    ApiError::invalid_parameter(parameter, error)
}

/// With the words of the vendor, which clients show (spec 03 §3.4).
pub fn invalid_params(name: &str, reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_params", format!("invalid params: {name}: {reason}"))
}
